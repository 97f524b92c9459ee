/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is at this path, and how are a sample's bytes read? A folder is looked into, a file is told
 * by its end or its first bytes.
 */
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/file.h"
#include "image/image.h"

typedef xc_status source_fn(struct gather *g, const char *path, struct error *err);

static bool ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n > m && !strcasecmp(path + n - m, end);
}

static xc_status choose_source(const char *path, source_fn **out, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        if (!strchr(path, '{') || !ends_with(path, ".tar"))
            return fail_errno(err, path, "cannot open");
        *out = source_tar; /* shards with braces */
        return XC_OK;
    }
    if (S_ISDIR(info.st_mode)) {
        *out = folder_has_idx(path)      ? source_idx
               : folder_has_cifar(path)  ? source_cifar
               : folder_has_shards(path) ? source_tar
                                         : source_folder;
        return XC_OK;
    }
    bool list = ends_with(path, ".csv") || ends_with(path, ".tsv") || ends_with(path, ".jsonl") ||
                ends_with(path, ".ndjson");
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    *out = list                          ? source_list
           : ends_with(path, ".tar")     ? source_tar
           : strstr(file, "idx") != NULL ? source_idx
                                         : NULL;
    if (*out) return XC_OK;
    return fail(err, XC_ERR_UNSUPPORTED,
                "%s: not a data set: a folder, a .tar, a .csv .tsv .jsonl list or an IDX file is",
                path);
}

static xc_status opts_check(const struct dataset_opts *o, struct error *err)
{
    if (!(o->val_split >= 0.0 && o->val_split < 1.0))
        return fail(err, XC_ERR_ARGUMENT, "validation split %g is not in 0..1", o->val_split);
    if (o->class_name && (o->classes < 1 || o->classes > DATASET_MAX_CLASSES))
        return fail(err, XC_ERR_ARGUMENT, "%d classes, expected 1..%d", o->classes,
                    DATASET_MAX_CLASSES);
    return XC_OK;
}

static xc_status gather_run(struct gather *g, const char *path, source_fn *source,
                            struct error *err)
{
    xc_status status = source(g, path, err);
    if (status == XC_OK) {
        status = gather_finish(g, err);
        if (status != XC_OK) error_prefix(err, path);
    }
    if (status == XC_OK && g->opts->val_split > 0.0) {
        status = dataset_split(g->d, g->opts->val_split, g->opts->seed, err);
        if (status != XC_OK) error_prefix(err, path);
    }
    return status;
}

static xc_status gather_new(const char *path, const struct dataset_opts *opts, struct gather *g,
                            struct error *err)
{
    static const struct dataset_opts defaults = {0};
    *g = (struct gather){.opts = opts ? opts : &defaults};
    TRY(opts_check(g->opts, err));
    g->d = calloc(1, sizeof *g->d);
    g->word = words_new();
    g->group = words_new();
    if (g->d) g->d->path = arena_strdup(&g->d->arena, path);
    return g->word && g->group && g->d && g->d->path ? XC_OK : fail_memory(err, sizeof *g->d);
}

/* Hands the data set over, or frees it after a failure. */
static xc_status gather_end(struct gather *g, xc_status status, struct dataset **out)
{
    words_free(g->word);
    words_free(g->group);
    if (status == XC_OK)
        *out = g->d;
    else
        dataset_free(g->d);
    return status;
}

xc_status dataset_open(const char *path, const struct dataset_opts *opts, struct dataset **out,
                       struct error *err)
{
    struct gather g;
    source_fn *source;
    *out = NULL;
    TRY(choose_source(path, &source, err));
    xc_status status = gather_new(path, opts, &g, err);
    if (status == XC_OK) status = gather_run(&g, path, source, err);
    return gather_end(&g, status, out);
}

/* What a program's callback says, as one of ours. */
static xc_status status_given(xc_status said)
{
    return said >= XC_OK && said <= XC_ERR_INTERNAL ? said : XC_ERR_IO;
}

static xc_status add_called(struct gather *g, const xc_source *source, struct error *err)
{
    uint32_t store;
    struct store call = {.kind = STORE_CALL, .fd = -1, .read = source->read, .user = source->user};
    g->numbers = true;
    g->d->kind = "program";
    TRY(gather_store(g, call, &store, err));
    for (uint64_t i = 0; i < source->samples; i++) {
        xc_source_sample s = {.weight = 1.0f};
        const xc_status status = status_given(source->describe(source->user, i, &s));
        if (status != XC_OK)
            return fail(err, status, "sample %" PRIu64 ": the program that gives it says: %s", i,
                        xc_status_text(status));
        if (!s.name || !s.label || (unsigned)s.split >= XC_SPLITS)
            return fail(err, XC_ERR_ARGUMENT, "sample %" PRIu64 " has no name, label or split", i);
        TRY(gather_add(g,
                       &(struct found){.name = s.name,
                                       .label = s.label,
                                       .group = s.group,
                                       .offset = i,
                                       .bytes = s.bytes,
                                       .store = store,
                                       .weight = s.weight,
                                       .split = (uint8_t)s.split,
                                       .divided = true},
                       err));
    }
    return XC_OK;
}

xc_status dataset_call(const xc_source *source, const struct dataset_opts *opts,
                       struct dataset **out, struct error *err)
{
    struct gather g;
    const char *name = source->name ? source->name : "program";
    *out = NULL;
    xc_status status = gather_new(name, opts, &g, err);
    if (status == XC_OK) status = add_called(&g, source, err);
    if (status != XC_OK) error_prefix(err, name);
    if (status == XC_OK) status = gather_finish(&g, err);
    if (status == XC_OK && g.opts->val_split > 0.0)
        status = dataset_split(g.d, g.opts->val_split, g.opts->seed, err);
    return gather_end(&g, status, out);
}

void dataset_free(struct dataset *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->stores; i++) {
        if (d->store[i].fd >= 0) close(d->store[i].fd);
        free(d->store[i].memory);
    }
    free(d->store);
    free(d->note);
    free(d->sample);
    free(d->class_name);
    arena_free(&d->arena);
    free(d);
}

static xc_status room_for(struct sample_bytes *bytes, uint64_t size, struct error *err)
{
    if (size > DATASET_MAX_PICTURE)
        return fail(err, XC_ERR_LIMIT, "has %" PRIu64 " bytes, at most %d", size,
                    DATASET_MAX_PICTURE);
    bytes->size = 0;
    if (size <= bytes->room && bytes->data) return XC_OK;
    size_t room = bytes->room * 2 > size ? bytes->room * 2 : (size_t)size;
    room = room < 65536 ? 65536 : room;
    free(bytes->data);
    bytes->data = malloc(room);
    bytes->room = bytes->data ? room : 0;
    return bytes->data ? XC_OK : fail_memory(err, room);
}

static xc_status read_part(int fd, uint64_t at, size_t n, struct sample_bytes *bytes,
                           struct error *err)
{
    while (bytes->size < n) {
        ssize_t got =
            pread(fd, bytes->data + bytes->size, n - bytes->size, (off_t)(at + bytes->size));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(err, XC_ERR_IO, "cannot read: %s", strerror(errno));
        if (got == 0) return fail(err, XC_ERR_IO, "became shorter while it was read");
        bytes->size += (size_t)got;
    }
    return XC_OK;
}

/* Opens each time: millions of files cannot stay open. */
static xc_status read_named(const char *folder, const char *name, struct sample_bytes *bytes,
                            struct error *err)
{
    char path[PATH_MAX];
    struct stat info;
    bool absolute = name[0] == '/';
    int n =
        snprintf(path, sizeof path, "%s%s%s", absolute ? "" : folder, absolute ? "" : "/", name);
    if (n < 0 || (size_t)n >= sizeof path) return fail(err, XC_ERR_IO, "the path is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return fail(err, XC_ERR_IO, "cannot open: %s", strerror(errno));
    xc_status status = XC_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = fail(err, XC_ERR_IO, "not a regular file");
    if (status == XC_OK) status = room_for(bytes, (uint64_t)info.st_size, err);
    if (status == XC_OK) status = read_part(fd, 0, (size_t)info.st_size, bytes, err);
    close(fd);
    return status;
}

static xc_status read_called(const struct store *store, uint64_t index, struct sample_bytes *bytes,
                             struct error *err)
{
    size_t size = 0;
    TRY(room_for(bytes, 0, err));
    for (int go = 0; go < 2; go++) {
        const xc_status status =
            status_given(store->read(store->user, index, bytes->data, bytes->room, &size));
        if (status != XC_OK) return fail(err, status, "the program's source refused it");
        if (size <= bytes->room) {
            bytes->size = size;
            return XC_OK;
        }
        TRY(room_for(bytes, size, err));
    }
    return fail(err, XC_ERR_ARGUMENT, "the program's source grows between two calls");
}

static xc_status read_sample(const struct dataset *d, const struct sample *s,
                             struct sample_bytes *bytes, struct error *err)
{
    const struct store *store = &d->store[s->store];
    if (store->kind == STORE_FILES) return read_named(store->path, s->name, bytes, err);
    if (store->kind == STORE_CALL) return read_called(store, s->offset, bytes, err);
    TRY(room_for(bytes, s->bytes, err));
    if (store->kind == STORE_PART)
        return read_part(store->fd, s->offset, (size_t)s->bytes, bytes, err);
    if (s->bytes > 0) memcpy(bytes->data, store->memory + store->at + s->offset, (size_t)s->bytes);
    bytes->size = (size_t)s->bytes;
    return XC_OK;
}

xc_status dataset_read(const struct dataset *d, size_t index, struct sample_bytes *bytes,
                       struct error *err)
{
    const struct sample *s = &d->sample[index];
    xc_status status = read_sample(d, s, bytes, err);
    if (status != XC_OK) error_prefix(err, s->name);
    return status;
}

void sample_bytes_free(struct sample_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct sample_bytes){0};
}

/* Planes to pixels. */
static void interleave(const uint8_t *in, size_t pixels, size_t channels, uint8_t *out)
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < channels; c++) *out++ = in[c * pixels + i];
}

xc_status dataset_image(const struct dataset *d, size_t index, struct sample_bytes *bytes,
                        const xc_image_limits *limits, xc_image **out, struct error *err)
{
    const struct raw_shape *raw = &d->raw;
    *out = NULL;
    TRY(dataset_read(d, index, bytes, err));
    if (!raw->h) {
        xc_status status = image_decode(bytes->data, bytes->size, limits, out, err);
        if (status != XC_OK) error_prefix(err, d->sample[index].name);
        return status;
    }
    TRY(image_blank(raw->w, raw->h, (xc_pixel_format)raw->c, out, err));
    if (raw->planar)
        interleave(bytes->data, (size_t)raw->h * raw->w, raw->c, (*out)->pixels);
    else
        memcpy((*out)->pixels, bytes->data, bytes->size);
    return XC_OK;
}
