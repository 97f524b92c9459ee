/* SPDX-License-Identifier: Apache-2.0 */
/* Do lists of any bytes do more than be refused or read? The first byte chooses CSV, TSV or JSON.
 */
#include <stdlib.h>

#include "data/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dataset *d)
{
    for (size_t i = 0; i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        if (s->label < 0 || s->label >= d->classes || s->split >= XC_SPLITS) abort();
        for (int32_t k = 0; k < s->extra_count; k++)
            if (s->extra[k] <= s->label || s->extra[k] >= d->classes) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dataset_opts opts = {0};
    struct gather g = {.opts = &opts, .numbers = true};
    struct error err = {XC_OK, ""};
    if (size == 0) return 0;
    char separator = data[0] == 'c' ? ',' : data[0] == 't' ? '\t' : '\0';
    g.d = calloc(1, sizeof *g.d);
    g.word = words_new();
    g.group = words_new();
    if (!g.d || !g.word || !g.group) exit(2);
    xc_status status = list_parse(&g, (const char *)data + 1, size - 1, separator, 0, &err);
    if (status == XC_OK) status = gather_finish(&g, &err);
    if (status == XC_OK) check(g.d);
    if (status != XC_OK && err.text[0] == '\0') abort();
    words_free(g.word);
    words_free(g.group);
    dataset_free(g.d);
    return 0;
}
