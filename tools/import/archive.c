/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is libzip kept on a short lead? It reads from memory, checks that local and central headers
 * agree (ZIP_CHECKCONS), and is told beforehand how many bytes a member may become. Overlapping
 * members and compression bombs end at that one limit on the sum of all that is read.
 */
#include "archive.h"

#include <string.h>
#include <zip.h>

enum { MAX_MEMBERS = 8192 };

struct archive {
    zip_t *zip;
    struct import *im;
    size_t count, left; /* members; bytes that may still be read */
    const char **name;
};

static bool climbs(const char *name)
{
    if (*name == '/' || *name == '\0' || strchr(name, '\\')) return true;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t length = strcspn(part, "/");
        if (length == 2 && strncmp(part, "..", 2) == 0) return true;
    }
    return false;
}

static xc_status read_names(struct archive *a, struct error *err)
{
    zip_int64_t count = zip_get_num_entries(a->zip, 0);
    if (count < 0 || count > MAX_MEMBERS)
        return fail(err, XC_ERR_LIMIT, "a zip with more than %d members", MAX_MEMBERS);
    a->count = (size_t)count;
    a->name = arena_push(&a->im->arena, a->count, sizeof *a->name);
    if (!a->name) return fail_memory(err, a->count);
    for (size_t i = 0; i < a->count; i++) {
        a->name[i] = zip_get_name(a->zip, i, ZIP_FL_ENC_GUESS);
        if (!a->name[i]) return fail(err, XC_ERR_FORMAT, "a zip member without a name");
        if (climbs(a->name[i]))
            return fail(err, XC_ERR_FORMAT, "the zip has a member \"%s\": refused", a->name[i]);
    }
    return XC_OK;
}

static zip_t *open_zip(const void *bytes, size_t size, zip_error_t *why)
{
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, why);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, why) : NULL;
    if (source && !zip) zip_source_free(source);
    return zip;
}

xc_status archive_open(const void *bytes, size_t size, struct import *im, struct archive **out,
                       struct error *err)
{
    struct archive *a = arena_push(&im->arena, 1, sizeof *a);
    if (!a) return fail_memory(err, sizeof *a);
    *a = (struct archive){.im = im, .left = im->limit};
    zip_error_t why;
    zip_error_init(&why);
    a->zip = open_zip(bytes, size, &why);
    xc_status status = a->zip
                           ? read_names(a, err)
                           : fail(err, XC_ERR_FORMAT, "a broken zip: %s", zip_error_strerror(&why));
    zip_error_fini(&why);
    if (status == XC_OK)
        *out = a;
    else
        archive_close(a);
    return status;
}

void archive_close(struct archive *archive)
{
    if (archive && archive->zip) zip_discard(archive->zip);
}

bool archive_has(const struct archive *archive, const char *name)
{
    return zip_name_locate(archive->zip, name, 0) >= 0;
}

const char *archive_ending(const struct archive *archive, const char *tail)
{
    size_t t = strlen(tail);
    for (size_t i = 0; i < archive->count; i++) {
        size_t length = strlen(archive->name[i]);
        if (length >= t && strcmp(archive->name[i] + length - t, tail) == 0)
            return archive->name[i];
    }
    return NULL;
}

static xc_status read_whole(struct archive *a, zip_uint64_t index, const char *name,
                            struct member *out, struct error *err)
{
    void *room;
    TRY(import_room(a->im, out->size, &room, err));
    zip_file_t *file = zip_fopen_index(a->zip, index, 0);
    if (!file) return fail(err, XC_ERR_FORMAT, "zip member %s cannot be opened", name);
    zip_int64_t got = zip_fread(file, room, out->size);
    char beyond;
    bool whole = got >= 0 && (size_t)got == out->size && zip_fread(file, &beyond, 1) == 0;
    zip_fclose(file);
    out->data = room;
    if (whole) return XC_OK;
    return fail(err, XC_ERR_FORMAT, "zip member %s is broken", name);
}

xc_status archive_read(struct archive *archive, const char *name, bool is_stored,
                       struct member *out, struct error *err)
{
    *out = (struct member){0};
    zip_int64_t index = zip_name_locate(archive->zip, name, 0);
    if (index < 0) return XC_OK;
    zip_stat_t info;
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(archive->zip, (zip_uint64_t)index, 0, &info) != 0 ||
        (info.valid & needed) != needed)
        return fail(err, XC_ERR_FORMAT, "zip member %s is broken", name);
    if (info.comp_method != ZIP_CM_STORE && (is_stored || info.comp_method != ZIP_CM_DEFLATE))
        return fail(err, XC_ERR_UNSUPPORTED, "zip member %s is compressed by method %d", name,
                    info.comp_method);
    if (info.size > archive->left)
        return fail(err, XC_ERR_LIMIT, "the zip unpacks to more than %zu bytes",
                    archive->im->limit);
    out->size = (size_t)info.size;
    archive->left -= out->size;
    return read_whole(archive, (zip_uint64_t)index, name, out, err);
}
