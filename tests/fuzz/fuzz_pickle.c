/* SPDX-License-Identifier: Apache-2.0 */
/* Does the pickle machine survive any bytes, and does every tensor that it describes lie inside its
 * storage? */
#include <stdlib.h>

#include "weight/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEPTH = 6 };

static void check_tensor(const struct pickle_tensor *t)
{
    size_t last = t->offset;
    if (t->count == 0) return;
    for (int i = 0; i < t->rank; i++) last += (t->size[i] - 1) * t->stride[i];
    if (last >= t->storage->count) abort();
}

static void walk(const struct pickle_value *value, int depth)
{
    if (value->kind == PICKLE_TENSOR) check_tensor(value->tensor);
    bool has_items =
        value->kind == PICKLE_TUPLE || value->kind == PICKLE_LIST || value->kind == PICKLE_DICT;
    if (!has_items || depth == DEPTH) return;
    /* a list in a list in a list can be walked in exponential time: the first ones will do */
    for (size_t i = 0; i < value->items->count && i < 16; i++) walk(value->items->at[i], depth + 1);
    (void)pickle_get(value, "state_dict");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct arena arena = {0};
    struct pickle pickle;
    struct error err = {XC_OK, ""};
    if (pickle_read(&in, &arena, &pickle, &err) == XC_OK)
        walk(pickle.root, 0);
    else if (err.text[0] == '\0')
        abort(); /* a refusal has a sentence */
    arena_free(&arena);
    return 0;
}
