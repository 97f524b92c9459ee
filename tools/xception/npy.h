/* SPDX-License-Identifier: Apache-2.0 */
/* How do float32 numbers become a .npy file (NumPy's format 1.0), and come back? */
#ifndef TOOL_NPY_H
#define TOOL_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xception.h>

/* Written atomically. dim: rank of them, 1..4. */
xc_status npy_save(const char *path, const float *data, int rank, const uint64_t *dim);

struct npy { /* a table of float32, rows first */
    void *bytes;
    const float *data;
    uint64_t rows, columns;
};
/* Little-endian float32, C order, two dimensions; anything else is refused with a sentence in why.
 * out->bytes: free(). */
bool npy_load(const char *path, struct npy *out, char *why, size_t room);

#endif
