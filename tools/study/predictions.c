/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a cell's answers, byte by byte. */
#include "predictions.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 8, ROW = 6, MOST = 50000000 };

static void put32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

xc_status predictions_write(const char *path, const float *score, const uint16_t *best,
                            uint32_t pictures, struct why *why)
{
    const size_t size = HEAD + (size_t)pictures * ROW;
    uint8_t *bytes = malloc(size);
    if (!bytes) return refuse(why, XC_ERR_MEMORY, "%s: out of memory", path);
    memcpy(bytes, "XCP1", 4);
    put32(bytes + 4, pictures);
    for (uint32_t i = 0; i < pictures; i++) {
        uint8_t *b = bytes + HEAD + (size_t)pictures * 4 + (size_t)i * 2;
        uint32_t bits;
        memcpy(&bits, &score[i], sizeof bits);
        put32(bytes + HEAD + (size_t)i * 4, bits);
        b[0] = (uint8_t)best[i];
        b[1] = (uint8_t)(best[i] >> 8);
    }
    const xc_status status = refuse_as(why, xc_file_write(path, bytes, size));
    free(bytes);
    return status;
}

static bool is_right(const uint8_t *bytes, size_t size)
{
    return size >= HEAD && memcmp(bytes, "XCP1", 4) == 0 && get32(bytes + 4) <= MOST &&
           size == HEAD + (size_t)get32(bytes + 4) * ROW;
}

xc_status predictions_read(const char *path, float **score, uint32_t *pictures, struct why *why)
{
    char *text;
    size_t size;
    *score = NULL;
    NEED(read_file(path, HEAD + (size_t)MOST * ROW, &text, &size, why));
    const uint8_t *bytes = (const uint8_t *)text;
    const bool right = is_right(bytes, size);
    *pictures = right ? get32(bytes + 4) : 0;
    *score = right ? malloc(((size_t)*pictures + 1) * sizeof **score) : NULL;
    for (uint32_t i = 0; *score && i < *pictures; i++) {
        const uint32_t bits = get32(bytes + HEAD + (size_t)i * 4);
        memcpy(&(*score)[i], &bits, sizeof bits);
        if (!((*score)[i] >= 0 && (*score)[i] <= 1)) (*score)[i] = 0;
    }
    free(text);
    if (!right) return refuse(why, XC_ERR_FORMAT, "%s: not a file of predictions", path);
    return *score ? XC_OK : refuse(why, XC_ERR_MEMORY, "%s: out of memory", path);
}
