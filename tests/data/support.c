/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders of the data tests. */
#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/tar.h"

char *scratch_new(void)
{
    char *folder = strdup("/tmp/xc-data-XXXXXX");
    assert_non_null(folder);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void scratch_end(char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

static char *path_of(const char *folder, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s%s%s", folder, *name ? "/" : "", name) > 0);
    return path;
}

void put_bytes(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = path_of(folder, name);
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(path, 0777);
        *at = '/';
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    free(path);
}

void put_text(const char *folder, const char *name, const char *text)
{
    put_bytes(folder, name, text, strlen(text));
}

size_t ppm_of(int w, int h, uint8_t shade, uint8_t *out, size_t room)
{
    int head = snprintf((char *)out, room, "P6 %d %d 255\n", w, h);
    size_t pixels = (size_t)w * (size_t)h * 3;
    assert_true((size_t)head + pixels <= room);
    memset(out + head, shade, pixels);
    return (size_t)head + pixels;
}

void put_picture(const char *folder, const char *name, int w, int h, uint8_t shade)
{
    size_t room = (size_t)w * (size_t)h * 3 + 64;
    uint8_t *bytes = malloc(room);
    assert_non_null(bytes);
    put_bytes(folder, name, bytes, ppm_of(w, h, shade, bytes, room));
    free(bytes);
}

static uint8_t *tar_room(struct tar_out *tar, size_t more)
{
    tar->data = realloc(tar->data, tar->size + more);
    assert_non_null(tar->data);
    uint8_t *at = tar->data + tar->size;
    memset(at, 0, more);
    tar->size += more;
    return at;
}

void tar_put(struct tar_out *tar, const char *name, const void *bytes, size_t size)
{
    uint8_t header[TAR_HEADER_MOST];
    size_t n = tar_header(name, size, header);
    assert_true(n > 0);
    memcpy(tar_room(tar, n), header, n);
    if (size > 0)
        memcpy(tar_room(tar, (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK), bytes, size);
}

void tar_picture(struct tar_out *tar, const char *name, uint8_t shade)
{
    uint8_t bytes[256];
    tar_put(tar, name, bytes, ppm_of(4, 3, shade, bytes, sizeof bytes));
}

void tar_close(struct tar_out *tar, const char *folder, const char *name)
{
    tar_room(tar, 2 * TAR_BLOCK);
    put_bytes(folder, name, tar->data, tar->size);
    free(tar->data);
    *tar = (struct tar_out){0};
}

struct dataset *open_or_fail(const char *folder, const char *name, const struct dataset_opts *opts)
{
    struct error err = {XC_OK, ""};
    struct dataset *d = NULL;
    char *path = path_of(folder, name);
    if (dataset_open(path, opts, &d, &err) != XC_OK) STOP("%s", err.text);
    free(path);
    return d;
}

void refused(const char *folder, const char *name, const struct dataset_opts *opts,
             xc_status status, const char *word, const char *word2)
{
    struct error err = {XC_OK, ""};
    struct dataset *d = NULL;
    char *path = path_of(folder, name);
    xc_status got = dataset_open(path, opts, &d, &err);
    if (got != status || !strstr(err.text, word) || (word2 && !strstr(err.text, word2)))
        STOP("expected %d with \"%s\", \"%s\"; got %d: %s", status, word, word2 ? word2 : "", got,
             err.text);
    assert_null(d);
    free(path);
}

const struct sample *sample_of(const struct dataset *d, const char *name)
{
    for (size_t i = 0; i < d->samples; i++)
        if (!strcmp(d->sample[i].name, name)) return &d->sample[i];
    STOP("no sample is named %s", name);
    return NULL;
}
