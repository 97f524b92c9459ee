/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a network name its layers in passing? name("block%d_pool", i).text lives to the end of
 * the statement that it stands in; the graph copies it.
 */
#ifndef XC_NETWORK_NAME_H
#define XC_NETWORK_NAME_H

#include <stdarg.h>
#include <stdio.h>

struct name {
    char text[80];
};

static inline __attribute__((format(printf, 1, 2))) struct name name(const char *format, ...)
{
    struct name n;
    va_list args;
    va_start(args, format);
    vsnprintf(n.text, sizeof n.text, format, args);
    va_end(args);
    return n;
}

/* Keras' way with names that repeat: dense, dense_1, dense_2. before: how many there were. */
static inline struct name numbered(const char *word, int before)
{
    return before ? name("%s_%d", word, before) : name("%s", word);
}

#endif
