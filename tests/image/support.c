/* SPDX-License-Identifier: Apache-2.0 */
/* How do the image tests find their files and tables? All of it under XC_SOURCE_DIR. */
#include "image/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"

static struct blob read_all(const char *path)
{
    struct file_view view = {0};
    struct error err = {XC_OK, ""};
    if (file_read(path, 1u << 24, &view, &err)) fail_msg("%s", err.text);
    struct blob blob = {malloc(view.size + 1), view.size};
    assert_non_null(blob.bytes);
    memcpy(blob.bytes, view.data, view.size);
    blob.bytes[view.size] = 0;
    file_release(&view);
    return blob;
}

struct blob corpus_file(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", XC_SOURCE_DIR, name);
    return read_all(path);
}

bool corpus_readable(const char *name)
{
#ifndef XC_JPEG
    if (!strncmp(name, "jpeg/", 5)) return false;
#endif
#ifndef XC_PNG
    if (!strncmp(name, "png/", 4)) return false;
#endif
#ifndef XC_WEBP
    if (!strncmp(name, "webp/", 5)) return false;
#endif
    return name[0] != '\0';
}

xc_image *corpus_image(const char *name)
{
    struct blob file = corpus_file(name);
    struct error err = {XC_OK, ""};
    xc_image *image = NULL;
    if (image_decode(file.bytes, file.count, NULL, &image, &err))
        fail_msg("%s: %s", name, err.text);
    free(file.bytes);
    return image;
}

static void split(char *line, int fields, char **out)
{
    for (int i = 0; i < fields; i++) {
        out[i] = line;
        line = strchr(line, '\t');
        assert_true((line != NULL) == (i < fields - 1));
        if (line) *line++ = '\0';
    }
}

int table_each(const char *name, int fields, table_row *row)
{
    char path[1024], *columns[16];
    snprintf(path, sizeof path, "%s/tests/image/%s", XC_SOURCE_DIR, name);
    struct blob table = read_all(path);
    int rows = 0;
    char *rest = strchr((char *)table.bytes, '\n') + 1;
    for (char *line = rest; *line; line = rest, rows++) {
        rest = strchr(line, '\n');
        *rest++ = '\0';
        split(line, fields, columns);
        row(columns);
    }
    free(table.bytes);
    return rows;
}

void hash_of(const void *bytes, size_t count, char hex[65])
{
    struct sha256 sum;
    sha256_init(&sum);
    sha256_add(&sum, bytes, count);
    sha256_hex(&sum, hex);
}

void hash_of_image(const xc_image *image, char hex[65])
{
    struct sha256 sum;
    sha256_init(&sum);
    for (uint32_t y = 0; y < image->info.height; y++)
        sha256_add(&sum, image->base + (ptrdiff_t)y * image->stride,
                   (size_t)image->info.width * (size_t)image->info.format);
    sha256_hex(&sum, hex);
}
