/* SPDX-License-Identifier: Apache-2.0 */
/* A small model and its file. What would the file be if one thing in it were different? And do two
 * models answer alike? */
#ifndef XC_TESTS_MODEL_CHANGE_H
#define XC_TESTS_MODEL_CHANGE_H

#include "model/model.h"

#define SIDE 71

/* What a test has as its state. */
struct saved {
    xc_context *context;
    xc_model *model; /* SMALL_ARCH, five classes, random weights */
    char path[64];
    struct file_view file; /* read from there */
};
int saved_new(void **state, const xc_save_opts *opts); /* opts: may be NULL */
int saved_free(void **state);

struct buffer {
    uint8_t *data;
    size_t size;
};

typedef void change_fn(struct weight_file *file);
/* The file with one change, in memory, to be freed. */
struct buffer changed(struct file_view file, change_fn *change);

/* For changes; the thing must be there. */
struct weight_tensor *tensor(struct weight_file *file, const char *name);
float *numbers(struct weight_file *file, const char *name);
void set_meta(struct weight_file *file, const char *key, const char *value);
void drop_meta(struct weight_file *file, const char *key);

/* The same logits, byte for byte, of one picture; float32, or of a precision. */
void same_answers(xc_model *a, xc_model *b);
void same_answers_in(xc_precision precision, xc_model *a, xc_model *b);

#endif
