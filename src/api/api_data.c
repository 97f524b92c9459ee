/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets of the public interface. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/dataset.h"
#include "data/pack.h"
#include "data/scan.h"
#include "data/sheet.h"
#include "image/draw.h"

struct xc_scan {
    struct scan s;
};

static xc_status read_opts(const xc_dataset_opts *from, struct dataset_opts *to)
{
    xc_dataset_opts o = XC_DATASET_OPTS_INIT;
    TRY(options_read(&o, sizeof o, from, "xc_dataset_opts"));
    if (o.class_count > DATASET_MAX_CLASSES)
        return fail(api_error(), XC_ERR_ARGUMENT, "%u classes, at most %d", o.class_count,
                    DATASET_MAX_CLASSES);
    if (o.class_count && !o.classes)
        return fail(api_error(), XC_ERR_ARGUMENT, "class_count is %u, classes is NULL",
                    o.class_count);
    for (uint32_t i = 0; i < o.class_count; i++)
        if (!o.classes[i]) return fail(api_error(), XC_ERR_ARGUMENT, "class %u has no name", i);
    *to = (struct dataset_opts){.class_name = o.classes,
                                .classes = (int)o.class_count,
                                .drop_unknown = o.drop_unknown,
                                .val_split = o.val_split,
                                .seed = o.seed};
    return XC_OK;
}

static xc_status wrap(struct dataset *d, xc_dataset **out)
{
    *out = malloc(sizeof **out);
    if (!*out) {
        dataset_free(d);
        return fail_memory(api_error(), sizeof **out);
    }
    (*out)->d = d;
    return XC_OK;
}

xc_status xc_dataset_open(const char *path, const xc_dataset_opts *opts, xc_dataset **out)
{
    ROUNDING_RULES;
    struct dataset_opts o;
    struct dataset *d;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!path) return refuse_null("path");
    TRY(read_opts(opts, &o));
    TRY(dataset_open(path, &o, &d, api_error()));
    return wrap(d, out);
}

xc_status xc_dataset_new(const xc_source *source, const xc_dataset_opts *opts, xc_dataset **out)
{
    ROUNDING_RULES;
    xc_source s = {.size = sizeof s};
    struct dataset_opts o;
    struct dataset *d;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!source) return refuse_null("source");
    TRY(options_read(&s, sizeof s, source, "xc_source"));
    if (!s.describe) return refuse_null("source->describe");
    if (!s.read) return refuse_null("source->read");
    TRY(read_opts(opts, &o));
    TRY(dataset_call(&s, &o, &d, api_error()));
    return wrap(d, out);
}

void xc_dataset_free(xc_dataset *dataset)
{
    if (!dataset) return;
    dataset_free(dataset->d);
    free(dataset);
}

void xc_dataset_get_info(const xc_dataset *dataset, xc_dataset_info *out)
{
    if (!dataset || !out) return;
    const struct dataset *d = dataset->d;
    *out = (xc_dataset_info){.kind = d->kind,
                             .classes = (uint32_t)d->classes,
                             .samples = d->samples,
                             .multi_label = d->multi_label,
                             .raw_height = d->raw.h,
                             .raw_width = d->raw.w,
                             .raw_channels = d->raw.c,
                             .fingerprint = d->fingerprint};
    for (int i = 0; i < XC_SPLITS; i++) out->split[i] = d->count[i];
}

const char *xc_dataset_class(const xc_dataset *dataset, uint32_t index)
{
    bool there = dataset && index < (uint32_t)dataset->d->classes;
    return there ? dataset->d->class_name[index] : NULL;
}

const char *xc_dataset_note(const xc_dataset *dataset, uint32_t index)
{
    return dataset && index < dataset->d->notes ? dataset->d->note[index] : NULL;
}

const char *xc_split_name(xc_split split)
{
    return split_name(split);
}

static xc_status index_check(const xc_dataset *dataset, uint64_t index, const void *out)
{
    if (!dataset) return refuse_null("dataset");
    if (!out) return refuse_null("out");
    if (index < dataset->d->samples) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT, "sample %ju, there are %zu", (uintmax_t)index,
                dataset->d->samples);
}

xc_status xc_dataset_sample(const xc_dataset *dataset, uint64_t index, xc_sample *out)
{
    TRY(index_check(dataset, index, out));
    const struct sample *s = &dataset->d->sample[index];
    *out = (xc_sample){.name = s->name,
                       .bytes = s->bytes,
                       .extra = s->extra,
                       .extra_count = (uint32_t)s->extra_count,
                       .label = (uint32_t)s->label,
                       .group = s->group,
                       .weight = s->weight,
                       .split = (xc_split)s->split};
    return XC_OK;
}

xc_status xc_dataset_image(const xc_dataset *dataset, uint64_t index, const xc_image_limits *limits,
                           xc_image **out)
{
    ROUNDING_RULES;
    xc_image_limits l = XC_IMAGE_LIMITS_INIT;
    struct sample_bytes bytes = {0};
    if (out) *out = NULL;
    TRY(index_check(dataset, index, out));
    TRY(options_read(&l, sizeof l, limits, "xc_image_limits"));
    xc_status status = dataset_image(dataset->d, index, &bytes, &l, out, api_error());
    sample_bytes_free(&bytes);
    return status;
}

xc_status xc_dataset_read(const xc_dataset *dataset, uint64_t index, void *to, size_t room,
                          size_t *size)
{
    struct sample_bytes bytes = {0};
    if (!to && room > 0) return refuse_null("to");
    TRY(index_check(dataset, index, size));
    xc_status status = dataset_read(dataset->d, index, &bytes, api_error());
    if (status == XC_OK) *size = bytes.size;
    if (status == XC_OK && bytes.size > 0 && bytes.size <= room) memcpy(to, bytes.data, bytes.size);
    sample_bytes_free(&bytes);
    return status;
}

xc_status xc_dataset_trainable(const xc_dataset *dataset)
{
    if (!dataset) return refuse_null("dataset");
    return dataset_trainable(dataset->d, api_error());
}

xc_status xc_dataset_scan(xc_context *context, const xc_dataset *dataset, xc_progress_fn *progress,
                          void *user, xc_scan **out)
{
    ROUNDING_RULES;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!context) return refuse_null("context");
    if (!dataset) return refuse_null("dataset");
    xc_scan *scan = calloc(1, sizeof *scan);
    if (!scan) return fail_memory(api_error(), sizeof *scan);
    xc_status status =
        scan_run(dataset->d, context->machine.pool, progress, user, &scan->s, api_error());
    if (status == XC_OK)
        *out = scan;
    else
        free(scan);
    return status;
}

void xc_scan_free(xc_scan *scan)
{
    if (!scan) return;
    scan_free(&scan->s);
    free(scan);
}

void xc_scan_get_info(const xc_scan *scan, xc_scan_info *out)
{
    if (!scan || !out) return;
    const struct scan *s = &scan->s;
    *out = (xc_scan_info){.samples = s->samples,
                          .unreadable = s->unreadable,
                          .same = s->same,
                          .leaks = s->leaks,
                          .conflicts = s->conflicts,
                          .near = s->near,
                          .near_leaks = s->near_leaks,
                          .near_conflicts = s->near_conflicts,
                          .misnamed = s->misnamed};
    for (int c = 0; c < 3; c++) {
        out->mean[c] = s->mean[c];
        out->std[c] = s->std[c];
    }
}

xc_status xc_scan_sample(const xc_scan *scan, uint64_t index, xc_scanned *out)
{
    if (!scan) return refuse_null("scan");
    if (!out) return refuse_null("out");
    if (index >= scan->s.samples)
        return fail(api_error(), XC_ERR_ARGUMENT, "sample %ju, there are %zu", (uintmax_t)index,
                    scan->s.samples);
    const struct scanned *s = &scan->s.sample[index];
    *out = (xc_scanned){s->reason, s->width, s->height, s->same_as, s->near_to, s->content};
    return XC_OK;
}

xc_status xc_dataset_pack(const xc_dataset *dataset, const char *path, uint64_t shard_bytes,
                          uint64_t seed, xc_progress_fn *progress, void *user, uint32_t *files)
{
    ROUNDING_RULES;
    struct pack_opts o = {shard_bytes, seed, progress, user};
    uint32_t written;
    if (!dataset) return refuse_null("dataset");
    if (!path) return refuse_null("path");
    return dataset_pack(dataset->d, path, &o, files ? files : &written, api_error());
}

static xc_status write_png(const xc_image *image, const char *path)
{
    uint8_t *png;
    size_t size;
    TRY(png_encode(image, &png, &size, api_error()));
    const xc_status status = file_write(path, png, size, api_error());
    free(png);
    return status;
}

static uint32_t number_or(uint32_t given, uint32_t usual)
{
    return given ? given : usual;
}

xc_status xc_dataset_sheet(const xc_dataset *dataset, const xc_sheet_opts *opts, const char *path)
{
    ROUNDING_RULES;
    xc_sheet_opts o = XC_SHEET_OPTS_INIT;
    xc_preprocess keras;
    xc_image *image = NULL;
    if (!dataset) return refuse_null("dataset");
    if (!path) return refuse_null("path");
    TRY(options_read(&o, sizeof o, opts, "xc_sheet_opts"));
    TRY(preprocess_named("keras", &keras, api_error()));
    if ((int)o.split < 0 || (int)o.split >= XC_SPLITS)
        return fail(api_error(), XC_ERR_ARGUMENT, "split: %d is no xc_split", (int)o.split);
    if (o.height > 4096 || o.width > 4096 || o.columns > 1024 || o.rows > 1024)
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "a sheet of %ux%u cells of %ux%u, expected at most 1024x1024 of 4096x4096",
                    o.columns, o.rows, o.height, o.width);
    TRY(options_read(&keras, sizeof keras, o.preprocess, "xc_preprocess"));
    struct sheet_opts sheet = {.split = (uint8_t)o.split,
                               .h = (int)number_or(o.height, 160),
                               .w = (int)number_or(o.width, 160),
                               .columns = (int)number_or(o.columns, 8),
                               .rows = (int)number_or(o.rows, 6),
                               .preprocess = &keras,
                               .seed = o.seed,
                               .epoch = o.epoch};
    TRY(augment_parse(o.augment ? o.augment : "none", &sheet.augment, api_error()));
    xc_status status = sheet_make(dataset->d, &sheet, &image, api_error());
    if (status == XC_OK) status = write_png(image, path);
    image_free(image);
    return status;
}

const char *xc_augment_name(int32_t i, const char **spec)
{
    const char *meaning;
    const char *name = augment_name(i, &meaning);
    if (spec && name) *spec = meaning;
    return name;
}
