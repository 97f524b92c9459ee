/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where are the scores of all classes of all pictures? In blocks of 256 pictures, by class, so that
 * one class is read with one short read a block, and one picture with one block. A full block goes
 * to an unlinked file; a table that never fills one never opens it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "metric/scores.h"

static size_t number_size(const struct spill *s)
{
    return s->single ? sizeof(float) : sizeof(double);
}

static size_t block_size(const struct spill *s)
{
    return (size_t)s->width * SCORES_BLOCK * number_size(s);
}

xc_status spill_open(struct spill *s, uint32_t width, bool single, const char *folder,
                     struct error *err)
{
    size_t bytes;
    *s = (struct spill){.width = width, .single = single, .fd = -1};
    if (snprintf(s->folder, sizeof s->folder, "%s", folder) >= (int)sizeof s->folder)
        return fail(err, XC_ERR_ARGUMENT, "%.60s..: the path is too long", folder);
    if (!size_mul(width, SCORES_BLOCK * sizeof(double), &bytes)) return fail_memory(err, SIZE_MAX);
    s->block = malloc(bytes);
    s->packed = malloc(block_size(s));
    return s->block && s->packed ? XC_OK : fail_memory(err, bytes);
}

void spill_close(struct spill *s)
{
    if (s->fd >= 0) close(s->fd);
    free(s->block);
    free(s->packed);
    *s = (struct spill){.fd = -1};
}

static xc_status open_file(struct spill *s, struct error *err)
{
    char path[sizeof s->folder + 32];
    snprintf(path, sizeof path, "%s/xception-scores-XXXXXX", s->folder);
    s->fd = mkostemp(path, O_CLOEXEC);
    if (s->fd < 0) return fail_errno(err, s->folder, "a temporary file");
    unlink(path);
    return XC_OK;
}

static xc_status move(const struct spill *s, bool out, void *data, size_t size, size_t at,
                      struct error *err)
{
    char *p = data;
    while (size > 0) {
        const ssize_t n =
            out ? pwrite(s->fd, p, size, (off_t)at) : pread(s->fd, p, size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return fail_errno(err, s->folder, "a temporary file");
        p += n;
        at += (size_t)n;
        size -= (size_t)n;
    }
    return XC_OK;
}

static void pack(const struct spill *s, const double *from, size_t count, char *to)
{
    if (!s->single) memcpy(to, from, count * sizeof *from);
    for (size_t i = 0; s->single && i < count; i++) {
        const float v = (float)from[i];
        memcpy(to + i * sizeof v, &v, sizeof v);
    }
}

static void unpack(const struct spill *s, const char *from, size_t count, double *to)
{
    if (!s->single) memcpy(to, from, count * sizeof *to);
    for (size_t i = 0; s->single && i < count; i++) {
        float v;
        memcpy(&v, from + i * sizeof v, sizeof v);
        to[i] = (double)v;
    }
}

xc_status spill_add(struct spill *s, const double *score, struct error *err)
{
    for (uint32_t c = 0; c < s->width; c++) s->block[(size_t)c * SCORES_BLOCK + s->rows] = score[c];
    if (s->rows + 1 < SCORES_BLOCK) {
        s->rows++;
        return XC_OK;
    }
    if (s->fd < 0) TRY(open_file(s, err)); /* a row that fails has not been added */
    pack(s, s->block, (size_t)s->width * SCORES_BLOCK, s->packed);
    TRY(move(s, true, s->packed, block_size(s), s->blocks * block_size(s), err));
    s->blocks++;
    s->rows = 0;
    return XC_OK;
}

size_t spill_rows(const struct spill *s, size_t block)
{
    return block < s->blocks ? SCORES_BLOCK : s->rows;
}

/* By class to by picture. */
static void turn(const double *from, size_t width, size_t rows, double *out)
{
    for (size_t c = 0; c < width; c++)
        for (size_t i = 0; i < rows; i++) out[i * width + c] = from[c * SCORES_BLOCK + i];
}

xc_status spill_block(const struct spill *s, size_t block, double *out, struct error *err)
{
    const size_t count = (size_t)s->width * SCORES_BLOCK;
    if (block >= s->blocks) {
        turn(s->block, s->width, s->rows, out);
        return XC_OK;
    }
    double *numbers = malloc(count * sizeof *numbers);
    if (!numbers) return fail_memory(err, count * sizeof *numbers);
    const xc_status status = move(s, false, s->packed, block_size(s), block * block_size(s), err);
    if (status == XC_OK) {
        unpack(s, s->packed, count, numbers);
        turn(numbers, s->width, SCORES_BLOCK, out);
    }
    free(numbers);
    return status;
}

xc_status spill_column(const struct spill *s, uint32_t class, double *out, struct error *err)
{
    char part[SCORES_BLOCK * sizeof(double)];
    const size_t size = SCORES_BLOCK * number_size(s);
    for (size_t b = 0; b < s->blocks; b++, out += SCORES_BLOCK) {
        TRY(move(s, false, part, size, b * block_size(s) + class * size, err));
        unpack(s, part, SCORES_BLOCK, out);
    }
    memcpy(out, s->block + (size_t) class * SCORES_BLOCK, s->rows * sizeof *out);
    return XC_OK;
}
