/* SPDX-License-Identifier: Apache-2.0 */
/* What would a model file be if one thing in it were different? And do two models answer alike? */
#ifndef XC_TESTS_MODEL_CHANGE_H
#define XC_TESTS_MODEL_CHANGE_H

#include "model/model.h"

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

/* The same logits, byte for byte, of one picture of this side. */
void same_answers(xc_model *a, xc_model *b, uint32_t side);

#endif
