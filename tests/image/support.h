/* SPDX-License-Identifier: Apache-2.0 */
/* What do the image tests share? Files of the corpus, tables of expected hashes, and the hash. */
#ifndef XC_TESTS_IMAGE_SUPPORT_H
#define XC_TESTS_IMAGE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "image/format.h" /* first: cmocka.h makes a macro of fail */

#include <cmocka.h>

struct blob {
    uint8_t *bytes;
    size_t count;
};

/* tests/fuzz/corpus/NAME; free(bytes) */
struct blob corpus_file(const char *name);
/* false: the format of this file was left out of the build */
bool corpus_readable(const char *name);
/* Decodes with the default limits; the test fails with the sentence when it is refused. */
xc_image *corpus_image(const char *name);

/* Calls row for each line behind the heading of tests/image/NAME; returns how many there were. */
typedef void table_row(char *const *fields);
int table_each(const char *name, int fields, table_row *row);

void hash_of(const void *bytes, size_t count, char hex[65]);
/* width * format bytes of every row */
void hash_of_image(const xc_image *image, char hex[65]);

#endif
