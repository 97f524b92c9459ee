/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tar holds "split/class/name"; shards hold KEY.jpg and KEY.json (the class by name and by
 * number) in a shuffled order, a new shard where the last one is full. Every file is
 * written beside its place and renamed when it is complete.
 */
#include "data/pack.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data/order.h"
#include "data/source.h"
#include "data/tar.h"
#include "image/draw.h"

struct packing {
    const struct dataset *d;
    const struct pack_opts *opts;
    const char *path;
    struct file_out out;
    bool open;
    uint64_t written; /* into the open file */
    size_t done;      /* samples */
    uint32_t files;
    uint32_t shards[XC_SPLITS]; /* that are written */
    struct sample_bytes bytes;
    struct words *name; /* of members, as they would be with short stems */
    int32_t *of_sample; /* of them */
    uint32_t *has_name; /* samples that would have it */
    struct error *err;
};

static const uint8_t zeros[2 * TAR_BLOCK];

static xc_status put_member(struct packing *p, const char *name, const void *bytes, size_t size)
{
    uint8_t header[TAR_HEADER_MOST];
    size_t n = tar_header(name, size, header), pad = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
    if (n == 0) return fail(p->err, XC_ERR_LIMIT, "%s: the name is too long for a tar", name);
    TRY(file_out_write(&p->out, header, n, p->err));
    TRY(file_out_write(&p->out, bytes, size, p->err));
    TRY(file_out_write(&p->out, zeros, pad, p->err));
    p->written += n + size + pad;
    return XC_OK;
}

static xc_status close_file(struct packing *p)
{
    if (!p->open) return XC_OK;
    TRY(file_out_write(&p->out, zeros, sizeof zeros, p->err));
    TRY(file_out_commit(&p->out, p->err));
    p->open = false;
    p->files++;
    return XC_OK;
}

static char *shard_path(const struct packing *p, xc_split split, uint32_t shard)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s-%06u.tar", p->path, split_name(split), shard) < 0 ? NULL : path;
}

static xc_status open_file(struct packing *p, xc_split split, uint32_t shard)
{
    char *path = p->opts->shard_bytes ? shard_path(p, split, shard) : strdup(p->path);
    if (!path) return fail_memory(p->err, 0);
    xc_status status = file_out_open(path, &p->out, p->err);
    p->open = status == XC_OK;
    p->written = 0;
    free(path);
    return status;
}

/* The encoded picture into p->bytes, and how its name ends. */
static xc_status encode(struct packing *p, size_t index, const char **ending)
{
    if (!p->d->raw.h) {
        const char *name = p->d->sample[index].name, *dot = strrchr(name, '.');
        TRY(dataset_read(p->d, index, &p->bytes, p->err));
        bool jpeg = p->bytes.size > 2 && p->bytes.data[0] == 0xff && p->bytes.data[1] == 0xd8;
        bool webp = p->bytes.size > 12 && !memcmp(p->bytes.data + 8, "WEBP", 4);
        *ending = path_is_image(name) ? dot : jpeg ? ".jpg" : webp ? ".webp" : ".png";
        return XC_OK;
    }
    xc_image *image = NULL;
    TRY(dataset_image(p->d, index, &p->bytes, NULL, &image, p->err));
    uint8_t *png = NULL;
    size_t size = 0;
    xc_status status = png_encode(image, &png, &size, p->err);
    image_free(image);
    if (status != XC_OK) return status;
    sample_bytes_free(&p->bytes);
    p->bytes = (struct sample_bytes){png, size, size};
    *ending = ".png";
    return XC_OK;
}

/* The part of the name behind split and class folders, or the whole, without its end. */
static void stem_of(const struct dataset *d, const struct sample *s, bool whole, char *out,
                    size_t room)
{
    const char *name = s->name, *class_name = d->class_name[s->label];
    const char *slash = strchr(name, '/');
    uint8_t split;
    if (!whole && slash && split_parse(name, (size_t)(slash - name), &split)) name = slash + 1;
    size_t n = strlen(class_name);
    if (!whole && !strncmp(name, class_name, n) && name[n] == '/') name += n + 1;
    while (*name == '/') name++;
    const char *dot = path_is_image(name) ? strrchr(name, '.') : NULL;
    snprintf(out, room, "%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
    for (char *p = out; p; p = strchr(p, '/')) /* hidden, or out of the archive */
        for (p += *p == '/'; *p == '.'; p++) *p = '_';
}

static xc_status put_tree_sample(struct packing *p, size_t index)
{
    const struct sample *s = &p->d->sample[index];
    char stem[TAR_MAX_NAME], name[TAR_MAX_NAME + 512];
    const char *ending;
    TRY(encode(p, index, &ending));
    stem_of(p->d, s, p->has_name[p->of_sample[index]] > 1, stem, sizeof stem);
    snprintf(name, sizeof name, "%s/%s/%s%s", split_name((xc_split)s->split),
             p->d->class_name[s->label], stem, ending);
    return put_member(p, name, p->bytes.data, p->bytes.size);
}

static xc_status put_shard_sample(struct packing *p, size_t index, uint32_t number)
{
    const struct sample *s = &p->d->sample[index];
    char name[64];
    const char *ending;
    TRY(encode(p, index, &ending));
    snprintf(name, sizeof name, "%08u%s", number, ending);
    TRY(put_member(p, name, p->bytes.data, p->bytes.size));
    snprintf(name, sizeof name, "%08u.json", number);
    json_t *label = json_pack("{s:s,s:i}", "label", p->d->class_name[s->label], "index", s->label);
    char *text = label ? json_dumps(label, JSON_COMPACT) : NULL;
    xc_status status =
        text ? put_member(p, name, text, strlen(text))
             : fail(p->err, XC_ERR_FORMAT, "class %s is not UTF-8", p->d->class_name[s->label]);
    free(text);
    json_decref(label);
    return status;
}

/* Samples of a list may be told apart by folders that are not part of a short stem. */
static xc_status count_names(struct packing *p)
{
    const struct dataset *d = p->d;
    p->name = words_new();
    p->of_sample = calloc(d->samples, sizeof *p->of_sample);
    p->has_name = calloc(d->samples, sizeof *p->has_name);
    if (!p->name || !p->of_sample || !p->has_name)
        return fail_memory(p->err, d->samples * sizeof *p->of_sample);
    for (size_t i = 0; i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        char stem[TAR_MAX_NAME], name[TAR_MAX_NAME + 512];
        const char *ending = path_is_image(s->name) ? strrchr(s->name, '.') : "";
        stem_of(d, s, false, stem, sizeof stem);
        const int n = snprintf(name, sizeof name, "%d/%d/%s%s", s->split, s->label, stem, ending);
        p->of_sample[i] = words_put(p->name, name, (size_t)n);
        if (p->of_sample[i] < 0) return fail_memory(p->err, (size_t)n);
        p->has_name[p->of_sample[i]]++;
    }
    return XC_OK;
}

static xc_status tell(struct packing *p)
{
    const struct pack_opts *o = p->opts;
    p->done++;
    if (!o->tick || o->tick(o->user, p->done, p->d->samples)) return XC_OK;
    return fail(p->err, XC_ERR_CANCELLED, "%s: stopped at %zu of %zu samples, nothing is left",
                p->path, p->done, p->d->samples);
}

static xc_status pack_tree(struct packing *p)
{
    TRY(count_names(p));
    TRY(open_file(p, XC_SPLIT_TRAIN, 0));
    for (size_t i = 0; i < p->d->samples; i++) {
        TRY(put_tree_sample(p, i));
        TRY(tell(p));
    }
    return close_file(p);
}

static xc_status close_shard(struct packing *p, xc_split split)
{
    TRY(close_file(p));
    p->shards[split]++;
    return XC_OK;
}

static xc_status pack_split(struct packing *p, xc_split split, const uint32_t *index, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (p->open && p->written >= p->opts->shard_bytes) TRY(close_shard(p, split));
        if (!p->open) TRY(open_file(p, split, p->shards[split]));
        TRY(put_shard_sample(p, index[order_at(p->opts->seed, 0, n, i)], i));
        TRY(tell(p));
    }
    return close_shard(p, split);
}

/* Some shards look like a whole set. */
static void remove_shards(const struct packing *p)
{
    for (int split = 0; split < XC_SPLITS; split++)
        for (uint32_t i = 0; i < p->shards[split]; i++) {
            char *path = shard_path(p, (xc_split)split, i);
            if (path) unlink(path);
            free(path);
        }
}

/* Shards of an earlier set would be read as some of this one. */
static xc_status holds_no_shard(const char *path, struct error *err)
{
    xc_status status = XC_OK;
    DIR *folder = opendir(path);
    if (!folder) return fail_errno(err, path, "cannot open");
    for (const struct dirent *e; status == XC_OK && (e = readdir(folder));) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && !strcmp(dot, ".tar"))
            status =
                fail(err, XC_ERR_ARGUMENT,
                     "%s: holds %s already: shards go into a folder without any", path, e->d_name);
    }
    closedir(folder);
    return status;
}

static xc_status pack_shards(struct packing *p)
{
    if (mkdir(p->path, 0777) != 0 && errno != EEXIST)
        return fail_errno(p->err, p->path, "cannot make");
    TRY(holds_no_shard(p->path, p->err));
    uint32_t *index = calloc(p->d->samples, sizeof *index);
    xc_status status = index ? XC_OK : fail_memory(p->err, p->d->samples * sizeof *index);
    for (int split = 0; split < XC_SPLITS && status == XC_OK; split++) {
        uint32_t n = 0;
        for (size_t i = 0; i < p->d->samples; i++)
            if (p->d->sample[i].split == split) index[n++] = (uint32_t)i;
        if (n > 0) status = pack_split(p, (xc_split)split, index, n);
    }
    free(index);
    return status;
}

static bool is_whole(const char *word)
{
    return *word && !word[strspn(word, "0123456789")];
}

/* Labels that are all whole numbers are read as the numbers of classes. */
static xc_status check_numbers(const struct dataset *d, struct error *err)
{
    int whole = 0, wrong = -1;
    char number[16];
    for (int i = 0; i < d->classes; i++) {
        snprintf(number, sizeof number, "%d", i);
        whole += is_whole(d->class_name[i]);
        if (wrong < 0 && strcmp(number, d->class_name[i]) != 0) wrong = i;
    }
    if (whole < d->classes || wrong < 0) return XC_OK;
    return fail(err, XC_ERR_UNSUPPORTED,
                "%s: class %d is named %s: shards would take that for its number; a tar without "
                "shards keeps it",
                d->path, wrong, d->class_name[wrong]);
}

/* What a tar cannot say. */
static xc_status check(const struct dataset *d, const struct pack_opts *opts, struct error *err)
{
    if (d->multi_label)
        return fail(err, XC_ERR_UNSUPPORTED, "%s: samples with several labels cannot be packed",
                    d->path);
    for (const struct sample *s = d->sample; s < d->sample + d->samples; s++) {
        if (s->group && d->count[XC_SPLIT_VAL] == 0)
            return fail(
                err, XC_ERR_UNSUPPORTED,
                "%s: %s has a group, which a tar cannot keep for a later split: split first",
                d->path, s->name);
        if (s->weight < 1 || s->weight > 1)
            return fail(err, XC_ERR_UNSUPPORTED, "%s: %s weighs %g, which a tar cannot keep",
                        d->path, s->name, (double)s->weight);
    }
    if (opts->shard_bytes) TRY(check_numbers(d, err));
    for (int i = 0; i < d->classes && !opts->shard_bytes; i++)
        if (d->class_name[i][0] == '.' || strchr(d->class_name[i], '/'))
            return fail(err, XC_ERR_UNSUPPORTED,
                        "%s: class %s cannot be a folder of a tar; shards keep it", d->path,
                        d->class_name[i]);
    return XC_OK;
}

xc_status dataset_pack(const struct dataset *d, const char *path, const struct pack_opts *opts,
                       uint32_t *files, struct error *err)
{
    struct packing p = {.d = d, .opts = opts, .path = path, .err = err};
    *files = 0;
    TRY(check(d, opts, err));
    xc_status status = opts->shard_bytes ? pack_shards(&p) : pack_tree(&p);
    if (p.open) file_out_abort(&p.out);
    if (status != XC_OK) remove_shards(&p);
    sample_bytes_free(&p.bytes);
    words_free(p.name);
    free(p.of_sample);
    free(p.has_name);
    *files = p.files;
    return status;
}
