/* SPDX-License-Identifier: Apache-2.0 */
/* Do all numbers that an IDX header announces lie in the bytes? */
#include <stdlib.h>

#include "data/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int labels = 0; labels < 2; labels++) {
        struct error err = {XC_OK, ""};
        struct idx idx;
        if (idx_parse(data, size, labels, &idx, &err) == XC_OK) {
            size_t numbers = (size_t)idx.n * idx.h * idx.w * idx.c; /* did not overflow there */
            if (idx.numbers < data || numbers != size - (size_t)(idx.numbers - data)) abort();
        } else if (err.text[0] == '\0') {
            abort();
        }
    }
    return 0;
}
