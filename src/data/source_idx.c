/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are the files of MNIST and its likes read? IDX: a magic number, big-endian sizes, bytes; two
 * files a split, of pictures and of labels, which belong together by name. Either may be gzip.
 */
#include "data/source.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/checked.h"

enum { GREY = 0x803, COLOURS = 0x804 };

xc_status idx_parse(const uint8_t *bytes, size_t size, bool labels, struct idx *out,
                    struct error *err)
{
    struct bytes b = bytes_of(bytes, size);
    *out = (struct idx){.h = 1, .w = 1, .c = 1};
    uint32_t magic = bytes_u32be(&b);
    bool pictures = magic == GREY || magic == COLOURS;
    if (b.failed || (labels ? magic != IDX_LABELS : !pictures))
        return fail(err, XC_ERR_FORMAT, "not an IDX file of %s (magic 0x%08x)",
                    labels ? "labels" : "pictures", magic);
    out->n = bytes_u32be(&b);
    if (pictures) {
        out->h = bytes_u32be(&b);
        out->w = bytes_u32be(&b);
    }
    if (magic == COLOURS) out->c = bytes_u32be(&b);
    size_t numbers;
    bool fits = size_mul(out->n, out->h, &numbers) && size_mul(numbers, out->w, &numbers) &&
                size_mul(numbers, out->c, &numbers);
    if (b.failed || !fits || numbers != bytes_left(&b))
        return fail(err, XC_ERR_FORMAT, "%ux%ux%ux%u numbers announced, %zu bytes follow", out->n,
                    out->h, out->w, out->c, bytes_left(&b));
    if (out->h < 1 || out->w < 1 || out->h > 4096 || out->w > 4096 ||
        (out->c != 1 && out->c != 3 && out->c != 4))
        return fail(err, XC_ERR_FORMAT, "pictures of %ux%ux%u", out->h, out->w, out->c);
    out->numbers = bytes + b.at;
    return XC_OK;
}

/* *bytes: free() */
static xc_status read_idx(const char *path, bool labels, uint8_t **bytes, struct idx *out,
                          struct error *err)
{
    size_t size;
    TRY(read_whole(path, bytes, &size, err));
    xc_status status = idx_parse(*bytes, size, labels, out, err);
    if (status != XC_OK) error_prefix(err, path);
    return status;
}

static xc_status add_pairs(struct gather *g, const char *prefix, uint8_t split, const struct idx *p,
                           const struct idx *labels, uint32_t store, struct error *err)
{
    struct raw_shape shape = {p->h, p->w, p->c, false};
    char name[64], label[8];
    const struct raw_shape *first = &g->d->raw;
    if (first->h && (first->h != p->h || first->w != p->w || first->c != p->c))
        return fail(err, XC_ERR_FORMAT, "pictures of %ux%ux%u and of %ux%ux%u in one set", first->h,
                    first->w, first->c, p->h, p->w, p->c);
    g->d->raw = shape;
    size_t bytes = (size_t)p->h * p->w * p->c; /* below 4096 * 4096 * 4 */
    for (uint32_t i = 0; i < p->n; i++) {
        snprintf(name, sizeof name, "%s/%08u", prefix, i);
        snprintf(label, sizeof label, "%u", labels->numbers[i]);
        TRY(gather_add(g,
                       &(struct found){.name = name,
                                       .label = label,
                                       .offset = i * bytes,
                                       .bytes = bytes,
                                       .store = store,
                                       .weight = 1.0f,
                                       .split = split},
                       err));
    }
    return XC_OK;
}

/* "train-images-idx3-ubyte.gz" to the path of its labels; NULL: no such name. */
static char *labels_path(const char *path)
{
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *word = strstr(file, "images"), *three = word ? strpbrk(word + 6, "34") : NULL;
    char *out = NULL;
    struct stat info;
    if (!three) return NULL;
    int tail = (int)strcspn(three + 1, ".");
    if (asprintf(&out, "%.*slabels%.*s1%s", (int)(word - path), path, (int)(three - word - 6),
                 word + 6, three + 1) < 0)
        return NULL;
    if (stat(out, &info) == 0) return out;
    /* one of the two inflated: try the other spelling */
    bool gzip = strstr(three, ".gz") != NULL;
    char *other = NULL;
    if (asprintf(&other, "%.*slabels%.*s1%.*s%s", (int)(word - path), path, (int)(three - word - 6),
                 word + 6, tail, three + 1, gzip ? "" : ".gz") < 0)
        other = NULL;
    if (other && stat(other, &info) == 0) {
        free(out);
        return other;
    }
    free(other);
    return out;
}

static xc_status read_pair(struct gather *g, const char *path, struct error *err)
{
    struct idx pictures, labels;
    uint8_t *pixels = NULL, *numbers = NULL;
    uint32_t store;
    uint8_t split = split_of_name(path);
    char *second = labels_path(path);
    if (!second)
        return fail(err, XC_ERR_FORMAT,
                    "%s: the name of an IDX file of pictures has \"images\" and "
                    "\"idx3\", for its labels to be found",
                    path);
    xc_status status = read_idx(path, false, &pixels, &pictures, err);
    if (status == XC_OK) status = read_idx(second, true, &numbers, &labels, err);
    if (status == XC_OK && pictures.n != labels.n)
        status = fail(err, XC_ERR_FORMAT, "%s: %u pictures, but %u labels in %s", path, pictures.n,
                      labels.n, second);
    if (status == XC_OK) {
        struct store memory = {.kind = STORE_MEMORY,
                               .path = path,
                               .fd = -1,
                               .memory = pixels,
                               .at = (size_t)(pictures.numbers - pixels)};
        pixels = NULL;
        status = gather_store(g, memory, &store, err);
    }
    if (status == XC_OK)
        status = add_pairs(g, split_name((xc_split)split), split, &pictures, &labels, store, err);
    free(pixels);
    free(numbers);
    free(second);
    return status;
}

/* Pictures by name; without .gz where both stand. */
static bool is_pictures(const char *name)
{
    return strstr(name, "images") && strstr(name, "idx") && strstr(name, "ubyte");
}

static int is_entry(const struct dirent *entry)
{
    return is_pictures(entry->d_name);
}

bool folder_has_idx(const char *path)
{
    bool found = false;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
        found = is_pictures(entry->d_name);
    if (dir) closedir(dir);
    return found;
}

static bool same_but_gzip(const char *a, const char *b)
{
    size_t n = strlen(a);
    return !strncmp(a, b, n) && !strcmp(b + n, ".gz");
}

/* Samples are named by split and number. first: the file of each split, or NULL. */
static xc_status take_split(const char **first, const char *path, const char *name,
                            struct error *err)
{
    const uint8_t split = split_of_name(path);
    if (first[split])
        return fail(err, XC_ERR_FORMAT,
                    "%s and %s both hold %s pictures: a folder is one set, with a pair of files a "
                    "split",
                    first[split], name, split_name((xc_split)split));
    first[split] = name;
    return XC_OK;
}

xc_status source_idx(struct gather *g, const char *path, struct error *err)
{
    struct stat info;
    const char *first[XC_SPLITS] = {NULL};
    struct dirent **entry = NULL;
    char *file = NULL;
    g->numbers = true;
    g->d->kind = "idx";
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) return read_pair(g, path, err);
    int n = scandir(path, &entry, is_entry, alphasort);
    xc_status status = n < 0 ? fail_errno(err, path, "cannot read") : XC_OK;
    for (int i = 0; i < n; i++) {
        bool twice = i > 0 && same_but_gzip(entry[i - 1]->d_name, entry[i]->d_name);
        if (status == XC_OK && !twice && asprintf(&file, "%s/%s", path, entry[i]->d_name) < 0)
            status = fail_memory(err, 0);
        if (status == XC_OK && !twice) {
            status = take_split(first, file, entry[i]->d_name, err);
            if (status == XC_OK) status = read_pair(g, file, err);
            free(file);
        }
    }
    for (int i = 0; i < n; i++) free(entry[i]);
    free(entry);
    return status;
}
