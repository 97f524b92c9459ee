/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which samples are in tar files? A tar with label members (KEY.cls, KEY.json) is a WebDataset
 * shard: everything before the first dot of the file name is the key. Any other tar holds the same
 * tree as a folder would. Several shards ("s-{000..009}.tar", or a folder of tars) are one data
 * set; a shard whose name begins with the word of a split belongs to it.
 */
#include "data/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/tar.h"
#include "image/image.h"

enum { MAX_LABEL = 1 << 16, MAX_SHARDS = 100000 };

/* The members of one shard under one key. */
struct key {
    uint64_t picture_at, picture_bytes, label_at, label_bytes;
    char label_kind; /* 'c' .cls, 't' .txt, 'j' .json; 0 = none */
    bool has_picture, has_two;
};

struct shard {
    struct gather *g;
    const char *path;
    int fd;
    uint32_t store;
    uint8_t split;
    struct tree tree;   /* all pictures, by their names */
    struct words *name; /* keys in the order of the tar */
    struct key *key;
    size_t keys, room;
    const char *prefix; /* of sample names where there are several shards, or "" */
};

static xc_status pread_all(int fd, uint64_t at, void *to, size_t n, struct error *err)
{
    uint8_t *out = to;
    while (n > 0) {
        ssize_t got = pread(fd, out, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(err, "tar", "cannot read");
        if (got == 0) return fail(err, XC_ERR_IO, "tar became shorter while it was read");
        out += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return XC_OK;
}

static xc_status read_fd(void *ctx, uint64_t at, void *to, size_t n, struct error *err)
{
    return pread_all(*(const int *)ctx, at, to, n, err);
}

/* The key that a member belongs to, made where it is new; NULL when out of memory. */
static struct key *key_of(struct shard *s, const char *name, size_t length)
{
    int32_t i = words_put(s->name, name, length);
    if (i < 0) return NULL;
    if ((size_t)i == s->keys) {
        if (s->keys == s->room) {
            size_t room = s->room ? s->room * 2 : 256;
            struct key *grown = realloc(s->key, room * sizeof *grown);
            if (!grown) return NULL;
            s->key = grown;
            s->room = room;
        }
        s->key[s->keys++] = (struct key){0};
    }
    return &s->key[i];
}

static char label_kind(const char *extension)
{
    if (!strcmp(extension, ".cls")) return 'c';
    if (!strcmp(extension, ".json")) return 'j';
    return !strcmp(extension, ".txt") ? 't' : '\0';
}

/* A .cls is the label even beside a .json, and a .txt, often a caption, only without either. */
static int rank_of(char kind)
{
    return kind == 'c' ? 3 : kind == 'j' ? 2 : kind == 't' ? 1 : 0;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.' || strstr(name, "/.") || !strncmp(name, "__MACOSX/", 9);
}

static xc_status on_member(void *user, const char *name, uint64_t offset, uint64_t bytes,
                           struct error *err)
{
    struct shard *s = user;
    const char *file = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    const char *dot = strchr(file, '.');
    char kind = dot ? label_kind(dot) : '\0';
    bool picture = path_is_image(name);
    if (is_hidden(name)) {
        s->g->hidden++;
        return XC_OK;
    }
    if (!picture && !kind) {
        s->g->others++;
        return XC_OK;
    }
    if (picture) TRY(tree_add(&s->tree, (struct tree_entry){name, offset, bytes, s->store}, err));
    struct key *key = dot ? key_of(s, name, (size_t)(dot - name)) : NULL;
    if (!key) return dot ? fail_memory(err, 0) : XC_OK;
    if (picture) {
        key->has_two = key->has_picture;
        key->has_picture = true;
        key->picture_at = offset;
        key->picture_bytes = bytes;
    } else if (rank_of(kind) > rank_of(key->label_kind)) {
        key->label_kind = kind;
        key->label_at = offset;
        key->label_bytes = bytes;
    }
    return XC_OK;
}

/* The label in a JSON object: "label", "cls" or "class", a word or a whole number. */
static bool json_label(const char *text, size_t size, char *out, size_t room)
{
    static const char *const keys[] = {"label", "cls", "class", "class_name"};
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL), *value = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !value; i++)
        value = json_object_get(root, keys[i]);
    int n = -1;
    if (json_is_string(value)) n = snprintf(out, room, "%s", json_string_value(value));
    if (json_is_integer(value))
        n = snprintf(out, room, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    json_decref(root);
    return n > 0 && (size_t)n < room;
}

/* Text without the white space around it. */
static bool text_label(const char *text, size_t size, char *out, size_t room)
{
    while (size > 0 && strchr(" \t\r\n", text[size - 1])) size--;
    while (size > 0 && strchr(" \t\r\n", *text)) text++, size--;
    if (size == 0 || size >= room || memchr(text, '\0', size) || memchr(text, '\n', size))
        return false;
    memcpy(out, text, size);
    out[size] = '\0';
    return true;
}

static xc_status add_key(struct shard *s, size_t i, char *text, struct error *err)
{
    const struct key *key = &s->key[i];
    const char *name = words_at(s->name, (int32_t)i);
    char label[256], full[TAR_MAX_NAME + 300];
    if (!key->has_picture) {
        s->g->others++;
        return XC_OK;
    }
    if (key->has_two)
        return fail(err, XC_ERR_FORMAT, "%s: two pictures of the key %s", s->path, name);
    if (!key->label_kind)
        return fail(err, XC_ERR_FORMAT, "%s: the key %s has no label", s->path, name);
    if (key->label_bytes > MAX_LABEL)
        return fail(err, XC_ERR_LIMIT, "%s: the label of %s has %" PRIu64 " bytes, at most %d",
                    s->path, name, key->label_bytes, MAX_LABEL);
    TRY(pread_all(s->fd, key->label_at, text, (size_t)key->label_bytes, err));
    size_t size = (size_t)key->label_bytes;
    bool ok = key->label_kind == 'j' ? json_label(text, size, label, sizeof label)
                                     : text_label(text, size, label, sizeof label);
    if (!ok)
        return fail(err, XC_ERR_FORMAT, "%s: the label of %s is no word or number", s->path, name);
    snprintf(full, sizeof full, "%s%s", s->prefix, name);
    return gather_add(s->g,
                      &(struct found){.name = full,
                                      .label = label,
                                      .offset = key->picture_at,
                                      .bytes = key->picture_bytes,
                                      .store = s->store,
                                      .weight = 1.0f,
                                      .split = s->split},
                      err);
}

/* Is it a shard? A picture of it has a label beside it then, which a caption alone is not. */
static bool is_labelled(const struct shard *s)
{
    for (size_t i = 0; i < s->keys; i++)
        if (s->key[i].has_picture && rank_of(s->key[i].label_kind) > rank_of('t')) return true;
    return false;
}

static xc_status add_keys(struct shard *s, struct error *err)
{
    char *text = malloc(MAX_LABEL);
    xc_status status = text ? XC_OK : fail_memory(err, MAX_LABEL);
    s->g->numbers = true;
    s->g->d->kind = "webdataset";
    for (size_t i = 0; i < s->keys && status == XC_OK; i++) status = add_key(s, i, text, err);
    free(text);
    return status;
}

static xc_status open_shard(struct shard *s, uint64_t *size, struct error *err)
{
    struct stat info;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0) return fail_errno(err, s->path, "cannot open");
    TRY(gather_store(s->g, (struct store){.kind = STORE_PART, .path = s->path, .fd = s->fd},
                     &s->store, err));
    if (fstat(s->fd, &info) != 0) return fail_errno(err, s->path, "cannot look at");
    if (!S_ISREG(info.st_mode)) return fail(err, XC_ERR_IO, "%s: not a regular file", s->path);
    *size = (uint64_t)info.st_size;
    return XC_OK;
}

/* many: one of several shards, so keys are named under their shard. */
static xc_status read_shard(struct gather *g, const char *path, bool many, struct error *err)
{
    struct shard s = {.g = g, .path = path, .fd = -1, .name = words_new()};
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    char prefix[300] = "";
    size_t links = 0;
    struct tar_input in = {.read = read_fd, .ctx = &s.fd};
    const char *tar = strstr(file, ".tar");
    if (many)
        snprintf(prefix, sizeof prefix, "%.*s/", tar ? (int)(tar - file) : (int)strlen(file), file);
    s.prefix = prefix;
    s.split = split_of_name(file);
    xc_status status = s.name ? open_shard(&s, &in.size, err) : fail_memory(err, 0);
    if (status == XC_OK) {
        status = tar_index(&in, on_member, &s, &links, err);
        g->links += links;
        if (status != XC_OK) error_prefix(err, path);
    }
    const bool labelled = status == XC_OK && is_labelled(&s);
    if (status == XC_OK && many && !labelled)
        status = fail(err, XC_ERR_FORMAT,
                      "%s: holds no labels (KEY.cls or KEY.json), as a shard must", path);
    if (status == XC_OK) {
        g->d->kind = "tar";
        status = labelled ? add_keys(&s, err) : tree_gather(&s.tree, true, g, err);
    }
    tree_free(&s.tree);
    words_free(s.name);
    free(s.key);
    return status;
}

/* A number, and what stands behind it; *at goes behind both. */
static bool read_number(const char **at, const char *end, unsigned long *out)
{
    const size_t digits = strspn(*at, "0123456789");
    *out = strtoul(*at, NULL, 10); /* the largest there is, where it is larger */
    *at += digits;
    if (digits == 0 || strncmp(*at, end, strlen(end)) != 0) return false;
    *at += strlen(end);
    return true;
}

/* "a-{003..010}.tar": the number of digits of the first number is kept. */
static xc_status read_braces(struct gather *g, const char *path, struct error *err)
{
    const char *open = strchr(path, '{'), *at = open + 1;
    const int width = (int)strspn(at, "0123456789");
    unsigned long from, to;
    if (!read_number(&at, "..", &from) || !read_number(&at, "}", &to))
        return fail(err, XC_ERR_ARGUMENT, "%s: braces hold two numbers, as in {000..009}", path);
    if (to < from)
        return fail(err, XC_ERR_ARGUMENT, "%s: braces count up, and %lu is above %lu", path, from,
                    to);
    if (to - from >= MAX_SHARDS)
        return fail(err, XC_ERR_ARGUMENT, "%s: braces from %lu to %lu are more than %d shards",
                    path, from, to, MAX_SHARDS);
    char *shard = NULL;
    xc_status status = XC_OK;
    for (unsigned long i = from; i <= to && status == XC_OK; i++) {
        if (asprintf(&shard, "%.*s%0*lu%s", (int)(open - path), path, width, i, at) < 0)
            return fail_memory(err, 0);
        status = read_shard(g, shard, true, err);
        free(shard);
    }
    return status;
}

static bool ends_with_tar(const char *name)
{
    size_t n = strlen(name);
    return name[0] != '.' && n > 4 && !strcmp(name + n - 4, ".tar");
}

static int is_shard(const struct dirent *entry)
{
    return ends_with_tar(entry->d_name);
}

bool folder_has_shards(const char *path)
{
    bool tars = false, folders = false;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        tars |= ends_with_tar(entry->d_name);
        folders |= entry->d_type == DT_DIR && entry->d_name[0] != '.';
    }
    if (dir) closedir(dir);
    return tars && !folders;
}

static xc_status read_folder(struct gather *g, const char *path, struct error *err)
{
    struct dirent **entry = NULL;
    char *shard = NULL;
    xc_status status = XC_OK;
    int n = scandir(path, &entry, is_shard, alphasort);
    if (n < 0) return fail_errno(err, path, "cannot read");
    for (int i = 0; i < n; i++) {
        if (status == XC_OK && asprintf(&shard, "%s/%s", path, entry[i]->d_name) < 0)
            status = fail_memory(err, 0);
        if (status == XC_OK) {
            status = read_shard(g, shard, n > 1, err);
            free(shard);
        }
        free(entry[i]);
    }
    free(entry);
    return status;
}

xc_status source_tar(struct gather *g, const char *path, struct error *err)
{
    struct stat info;
    const bool there = stat(path, &info) == 0;
    if (!there && strchr(path, '{')) return read_braces(g, path, err);
    if (there && S_ISDIR(info.st_mode)) return read_folder(g, path, err);
    return read_shard(g, path, false, err);
}
