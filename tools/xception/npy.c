/* SPDX-License-Identifier: Apache-2.0 */
/* Ten bytes, a Python dictionary padded to 64, the numbers. */
#include "npy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START = 10, LINE = 64, HEADER = 192 };

/* The header's bytes into text, which has room for HEADER. */
static size_t write_header(char *text, int rank, const uint64_t *dim)
{
    int at = snprintf(text + START, HEADER - START,
                      "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < rank; i++)
        at += snprintf(text + START + at, (size_t)(HEADER - START - at), "%llu%s",
                       (unsigned long long)dim[i],
                       rank == 1      ? ","
                       : i + 1 < rank ? ", "
                                      : "");
    at += snprintf(text + START + at, (size_t)(HEADER - START - at), "), }");
    size_t size = (size_t)(START + at + 1 + LINE - 1) / LINE * LINE;
    memset(text + START + at, ' ', size - (size_t)(START + at) - 1);
    text[size - 1] = '\n';
    memcpy(text, "\x93NUMPY\x01\x00", 8);
    text[8] = (char)((size - START) & 0xff);
    text[9] = (char)((size - START) >> 8);
    return size;
}

xc_status npy_save(const char *path, const float *data, int rank, const uint64_t *dim)
{
    char header[HEADER + LINE];
    const size_t start = write_header(header, rank, dim);
    size_t numbers = 1;
    for (int i = 0; i < rank; i++) numbers *= (size_t)dim[i]; /* they are in memory */
    char *bytes = malloc(start + numbers * sizeof *data);
    if (!bytes) return XC_ERR_MEMORY;
    memcpy(bytes, header, start);
    memcpy(bytes + start, data, numbers * sizeof *data);
    const xc_status status = xc_file_write(path, bytes, start + numbers * sizeof *data);
    free(bytes);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool no(char *why, size_t room, const char *text)
{
    snprintf(why, room, "%s", text);
    return false;
}

static bool read_file(const char *path, unsigned char **bytes, size_t *size, char *why, size_t room)
{
    FILE *f = fopen(path, "rb");
    if (!f) return no(why, room, strerror(errno));
    long end = -1;
    if (fseek(f, 0, SEEK_END) == 0) end = ftell(f);
    *bytes = end >= 0 ? malloc((size_t)end + 1) : NULL;
    rewind(f);
    const bool whole = *bytes && fread(*bytes, 1, (size_t)end, f) == (size_t)end;
    fclose(f);
    if (whole) {
        *size = (size_t)end;
        return true;
    }
    free(*bytes);
    *bytes = NULL;
    return no(why, room, "cannot be read");
}

/* "(3000, 2048)" behind 'shape': */
static bool read_shape(const char *header, struct npy *out)
{
    unsigned long long rows, columns;
    const char *shape = strstr(header, "'shape':");
    if (!shape || sscanf(shape + 8, " ( %llu , %llu )", &rows, &columns) != 2) return false;
    out->rows = rows;
    out->columns = columns;
    return rows > 0 && columns > 0 && rows < UINT32_MAX && columns < UINT32_MAX;
}

static bool parse(unsigned char *bytes, size_t size, struct npy *out, char *why, size_t room)
{
    char header[1024] = "";
    if (size < START || memcmp(bytes, "\x93NUMPY\x01\x00", 8) != 0)
        return no(why, room, "is no .npy file of format 1.0");
    const size_t length = bytes[8] + 256u * bytes[9];
    if (length >= sizeof header || START + length > size)
        return no(why, room, "its header is longer than the file, or than 1023 bytes");
    memcpy(header, bytes + START, length);
    if (!strstr(header, "'<f4'") || !strstr(header, "'fortran_order': False") ||
        !read_shape(header, out))
        return no(why, room, "is no table of float32 rows");
    const uint64_t numbers = (size - START - length) / sizeof(float);
    if (out->rows > numbers / out->columns || out->rows * out->columns != numbers)
        return no(why, room, "has another number of bytes than its shape says");
    memmove(bytes, bytes + START + length, (size_t)numbers * sizeof(float)); /* aligned */
    out->bytes = bytes;
    out->data = out->bytes;
    return true;
}

bool npy_load(const char *path, struct npy *out, char *why, size_t room)
{
    unsigned char *bytes;
    size_t size;
    *out = (struct npy){0};
    if (!read_file(path, &bytes, &size, why, room)) return false;
    if (parse(bytes, size, out, why, room)) return true;
    free(bytes);
    return false;
}
