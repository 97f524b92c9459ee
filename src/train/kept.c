/* SPDX-License-Identifier: Apache-2.0 */
/* Where do numbers lie that were computed once and are read many times? */
#include "train/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "tensor/tensor.h"

static size_t row_bytes(const struct kept *s)
{
    return s->width * (s->bf16 ? sizeof *s->row : sizeof(float));
}

size_t kept_bytes(size_t rows, size_t width, bool bf16)
{
    size_t count, bytes;
    if (!size_mul(rows, width, &count) ||
        !size_mul(count, bf16 ? sizeof(uint16_t) : sizeof(float), &bytes))
        return SIZE_MAX;
    return bytes;
}

/* The name is gone before anything is written. */
static xc_status open_file(struct kept *s, const char *folder, struct error *err)
{
    char *path = NULL;
    s->folder = strdup(folder);
    if (!s->folder || asprintf(&path, "%s/features-XXXXXX", folder) < 0)
        return fail_memory(err, strlen(folder));
    s->file = mkostemp(path, O_CLOEXEC);
    const xc_status status =
        s->file >= 0 ? XC_OK : fail_errno(err, folder, "cannot create a file for features");
    if (s->file >= 0) unlink(path);
    free(path);
    return status;
}

xc_status kept_open(struct kept *s, size_t rows, size_t width, bool bf16, const char *folder,
                    struct error *err)
{
    const size_t bytes = kept_bytes(rows, width, bf16);
    *s = (struct kept){.file = -1, .width = width, .bf16 = bf16};
    if (bf16 && !(s->row = malloc(row_bytes(s) + 1))) return fail_memory(err, row_bytes(s));
    if (folder) return open_file(s, folder, err);
    s->memory = bytes < SIZE_MAX ? malloc(bytes + 1) : NULL;
    return s->memory ? XC_OK : fail_memory(err, bytes);
}

void kept_close(struct kept *s)
{
    if (s->file >= 0) close(s->file);
    free(s->memory);
    free(s->folder);
    free(s->row);
    *s = (struct kept){.file = -1};
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static xc_status put_bytes(struct kept *s, size_t row, const void *from, struct error *err)
{
    const size_t bytes = row_bytes(s), start = row * bytes;
    if (s->memory) {
        memcpy(s->memory + start, from, bytes);
        return XC_OK;
    }
    for (size_t at = 0; at < bytes;) {
        const ssize_t n = pwrite(s->file, (const char *)from + at, bytes - at, (off_t)(start + at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, s->folder, "cannot write features");
        at += (size_t)n;
    }
    return XC_OK;
}

static xc_status get_bytes(const struct kept *s, size_t row, void *to, struct error *err)
{
    const size_t bytes = row_bytes(s), start = row * bytes;
    if (s->memory) {
        memcpy(to, s->memory + start, bytes);
        return XC_OK;
    }
    for (size_t at = 0; at < bytes;) {
        const ssize_t n = pread(s->file, (char *)to + at, bytes - at, (off_t)(start + at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(err, s->folder, "cannot read features");
        if (n == 0) return fail(err, XC_ERR_IO, "%s: the file of features is short", s->folder);
        at += (size_t)n;
    }
    return XC_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

xc_status kept_put(struct kept *s, size_t row, const float *x, struct error *err)
{
    if (!s->bf16) return put_bytes(s, row, x, err);
    for (size_t i = 0; i < s->width; i++) s->row[i] = bf16_from_f32(x[i]);
    return put_bytes(s, row, s->row, err);
}

xc_status kept_get(const struct kept *s, size_t row, float *x, struct error *err)
{
    if (!s->bf16) return get_bytes(s, row, x, err);
    TRY(get_bytes(s, row, s->row, err));
    for (size_t i = 0; i < s->width; i++) x[i] = f32_from_bf16(s->row[i]);
    return XC_OK;
}

void kept_round(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] = f32_from_bf16(bf16_from_f32(x[i]));
}
