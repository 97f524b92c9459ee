/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of networks share: a graph from its string, and a failure in words. */
#ifndef XC_TESTS_MODEL_NETWORK_H
#define XC_TESTS_MODEL_NETWORK_H

#include "harness.h"

#include <stdlib.h>

#include "network/arch.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

#define WRONG(...)                                                                                 \
    do {                                                                                           \
        print_message(__VA_ARGS__);                                                                \
        print_message("\n");                                                                       \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

static inline struct graph *build(const char *spec)
{
    struct graph *g = NULL;
    struct error err = {0};
    if (arch_build(spec, NULL, &g, NULL, &err) != XC_OK) WRONG("%s: %s", spec, err.text);
    return g;
}

static inline int node_of(const struct graph *g, const char *name)
{
    int i = graph_find(g, name);
    if (i < 0) WRONG("no node %s", name);
    return i;
}

#endif
