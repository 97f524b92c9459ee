/* SPDX-License-Identifier: Apache-2.0 */
/* What do the data tests share? A folder that goes away, pictures and files made on the fly. */
#ifndef XC_TESTS_DATA_SUPPORT_H
#define XC_TESTS_DATA_SUPPORT_H

#include "data/dataset.h" /* first: cmocka.h makes a macro of fail */
#include "harness.h"

/* cmocka's fail_msg, whose inner fail() is another function here */
#define STOP(...)                                                                                  \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

/* A new empty folder; scratch_end removes it with all that is in it. */
char *scratch_new(void);
void scratch_end(char *folder);

/* Writes folder/name, with the folders in between. */
void put_bytes(const char *folder, const char *name, const void *bytes, size_t size);
void put_text(const char *folder, const char *name, const char *text);
/* A picture (PPM) of one colour, w x h. */
size_t ppm_of(int w, int h, uint8_t shade, uint8_t *out, size_t room);
void put_picture(const char *folder, const char *name, int w, int h, uint8_t shade);
/* Adds a member to a growing tar; end with tar_close. */
struct tar_out {
    uint8_t *data;
    size_t size;
};
void tar_put(struct tar_out *tar, const char *name, const void *bytes, size_t size);
void tar_picture(struct tar_out *tar, const char *name, uint8_t shade);
void tar_close(struct tar_out *tar, const char *folder, const char *name);

/* folder/name opened; the test fails with the sentence when it is refused. */
struct dataset *open_or_fail(const char *folder, const char *name, const struct dataset_opts *opts);
/* Opening must fail with this status and a sentence that has each of the words (NULL at the end).
 */
void refused(const char *folder, const char *name, const struct dataset_opts *opts,
             xc_status status, const char *word, const char *word2);
/* The sample with this name, or failure. */
const struct sample *sample_of(const struct dataset *d, const char *name);

#endif
