/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can any architecture string do more than be refused or become a network? And does the canonical
 * string of a network give the same canonical string again?
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "network/arch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *spec)
{
    struct graph *g = NULL, *again = NULL;
    const char *text = NULL, *same = NULL;
    struct error err = {0};
    if (arch_build(spec, NULL, &g, &text, &err) != XC_OK) {
        if (g || !err.text[0]) abort();
        return;
    }
    if (arch_build(text, NULL, &again, &same, &err) != XC_OK || strcmp(text, same) != 0) abort();
    if (graph_params(g) != graph_params(again) || g->nodes != again->nodes) abort();
    graph_free(again);
    graph_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *spec = malloc(size + 1);
    if (!spec) return 0;
    if (size) memcpy(spec, data, size);
    spec[size] = '\0';
    check(spec);
    free(spec);
    return 0;
}
