/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xception-import PATH MEMORY SECONDS OUTPUT: which tensors are in this foreign weight file?
 * Started by the library, never by hand; writes safetensors bytes to a pipe (see weight/foreign.h).
 * Order matters: limits, then the files are opened, then the sandbox closes, then the bytes are
 * parsed. Only a face-api manifest (JSON) is parsed before, since it names the files to open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "import.h"
#include "sandbox.h"
#include "weight/faceapi.h"
#include "weight/foreign.h"
#include "base/text.h"

struct source {
    const char *path;
    struct file_view file;
    enum weight_format format;
    struct faceapi manifest; /* and its shards, when the format is WEIGHT_FACEAPI */
    uint8_t *shards;
};

static bool read_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

static bool read_limits(char **argument, struct foreign_limits *out)
{
    uint64_t seconds;
    if (!read_number(argument[0], &out->memory) || !read_number(argument[1], &seconds) ||
        !read_number(argument[2], &out->output) || seconds >= UINT32_MAX)
        return false;
    out->seconds = (uint32_t)seconds;
    return true;
}

/* Reads one shard whole: a regular file of this folder, no link. */
static xc_status read_shard(int folder, const char *name, uint8_t *to, size_t room, size_t *size,
                            struct error *err)
{
    *size = 0;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return fail_errno(err, name, "cannot open");
    struct stat info;
    xc_status status = XC_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = fail(err, XC_ERR_IO, "%s: not a regular file", name);
    while (status == XC_OK && *size < room) {
        ssize_t got = read(fd, to + *size, room - *size);
        if (got < 0 && errno != EINTR) status = fail_errno(err, name, "cannot read");
        if (got == 0) break;
        if (got > 0) *size += (size_t)got;
    }
    char beyond;
    if (status == XC_OK && *size == room && read(fd, &beyond, 1) > 0)
        status = fail(err, XC_ERR_FORMAT, "%s: more bytes than the manifest describes", name);
    close(fd);
    return status;
}

static xc_status read_groups(struct source *s, int folder, struct error *err)
{
    size_t at = 0, end = 0, path = 0;
    for (size_t g = 0; g < s->manifest.groups; g++) {
        const struct faceapi_group *group = &s->manifest.group[g];
        end += group->bytes; /* the sum was checked by faceapi_read */
        for (size_t i = 0; i < group->paths; i++) {
            size_t size;
            TRY(read_shard(folder, s->manifest.path[path++], s->shards + at, end - at, &size, err));
            at += size;
        }
        if (at != end)
            return fail(err, XC_ERR_FORMAT,
                        "group %zu: %zu bytes fewer than the manifest describes", g, end - at);
    }
    return XC_OK;
}

static int open_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    return fd;
}

static xc_status read_shards(struct source *s, size_t limit, struct error *err)
{
    TRY(faceapi_read(s->file.data, s->file.size, &s->manifest, err));
    if (s->manifest.bytes > limit)
        return fail(err, XC_ERR_LIMIT, "the manifest describes %zu bytes, the limit is %zu",
                    s->manifest.bytes, limit);
    s->shards = malloc(s->manifest.bytes + 1);
    if (!s->shards) return fail_memory(err, s->manifest.bytes);
    int folder = open_folder(s->path);
    if (folder < 0) return fail(err, XC_ERR_IO, "its folder cannot be opened");
    xc_status status = read_groups(s, folder, err);
    close(folder);
    return status;
}

static xc_status parse(const struct source *s, struct import *im, struct error *err)
{
    switch (s->format) {
    case WEIGHT_HDF5:
        return import_hdf5(im, s->file.data, s->file.size, err);
    case WEIGHT_KERAS_ZIP:
        return import_keras_zip(im, s->file.data, s->file.size, err);
    case WEIGHT_TORCH_ZIP:
        return import_torch_zip(im, s->file.data, s->file.size, err);
    case WEIGHT_TORCH_OLD:
        return import_torch_old(im, s->file.data, s->file.size, err);
    case WEIGHT_FACEAPI:
        return import_faceapi(im, &s->manifest, s->shards, err);
    case WEIGHT_SAFETENSORS:
        return fail(err, XC_ERR_ARGUMENT, "a safetensors file needs no importer");
    case WEIGHT_UNKNOWN:
        break;
    }
    return fail(err, XC_ERR_UNSUPPORTED, "not a weight file of a format that is known");
}

static xc_status write_out(void *user, const void *data, size_t size, struct error *err)
{
    (void)user;
    const char *from = data;
    while (size > 0) {
        ssize_t put = write(STDOUT_FILENO, from, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_errno(err, "standard output", "cannot write");
        from += put;
        size -= (size_t)put;
    }
    return XC_OK;
}

/* Everything that the process owns is left to its end. */
static xc_status convert(const char *path, const struct foreign_limits *limits, struct error *err)
{
    struct source s = {.path = path};
    size_t memory = limits->memory < SIZE_MAX ? (size_t)limits->memory : SIZE_MAX;
    size_t output = limits->output < SIZE_MAX ? (size_t)limits->output : SIZE_MAX;
    struct import im = {.limit = output};
    TRY(file_map(path, memory, &s.file, err)); /* its sentence names the path */
    s.format = weight_probe(s.file.data, s.file.size);
    xc_status status = s.format == WEIGHT_FACEAPI ? read_shards(&s, output, err) : XC_OK;
    sandbox_enter();
    if (status == XC_OK) status = parse(&s, &im, err);
    if (status == XC_OK)
        status = safetensors_write(im.tensor, im.tensors, im.meta, im.metas, write_out, NULL, err);
    if (status != XC_OK) error_prefix(err, path);
    return status;
}

/* By write alone: stdio looks at descriptors in ways that the sandbox forbids. */
static void complain(struct error *err)
{
    text_printable(err->text);
    size_t length = strlen(err->text);
    err->text[length] = '\n';
    ssize_t put = write(STDERR_FILENO, err->text, length + 1);
    (void)put;
}

int main(int argc, char **argv)
{
    struct foreign_limits limits;
    struct error err = {XC_OK, ""};
    xc_status status = XC_OK;
    if (argc != 5 || !read_limits(argv + 2, &limits))
        status = fail(&err, XC_ERR_ARGUMENT, "usage: xception-import PATH MEMORY SECONDS OUTPUT");
    if (status == XC_OK) {
        sandbox_limit(&limits);
        status = convert(argv[1], &limits, &err);
    }
    if (status == XC_OK) _exit(0); /* without the exit handlers of libraries */
    complain(&err);
    _exit(FOREIGN_EXIT + (int)status);
}
