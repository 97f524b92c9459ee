/* SPDX-License-Identifier: Apache-2.0 */
/* What is in args.json? */
#include "train/run_args.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

#define ARGS_MAX ((size_t)1 << 20)

/* The data set's own fingerprint does not know which samples were held out. */
static void fingerprint(const struct dataset *d, char hex[65])
{
    struct sha256 sum;
    sha256_init(&sum);
    sha256_add(&sum, d->fingerprint, strlen(d->fingerprint));
    for (size_t i = 0; i < d->samples; i++) sha256_add(&sum, &d->sample[i].split, 1);
    sha256_hex(&sum, hex);
}

static json_t *data_json(const struct dataset *d)
{
    char hex[65], *path = realpath(d->path, NULL);
    fingerprint(d, hex);
    json_t *json = json_pack("{s:s,s:s,s:I,s:I,s:I,s:f,s:I,s:s}", "path", path ? path : d->path,
                             "kind", d->kind, "train", (json_int_t)d->count[XC_SPLIT_TRAIN], "val",
                             (json_int_t)d->count[XC_SPLIT_VAL], "test",
                             (json_int_t)d->count[XC_SPLIT_TEST], "val_split", d->val_split,
                             "split_seed", (json_int_t)d->split_seed, "fingerprint", hex);
    free(path);
    return json;
}

xc_status args_write(const xc_model *model, const struct dataset *data,
                     const struct settings *settings, const char *command, char **text,
                     struct error *err)
{
    json_t *json =
        json_pack("{s:s,s:s,s:o*,s:o*,s:s,s:s}", "xception", XC_VERSION, "architecture",
                  model->arch, "data", data_json(data), "settings", settings_json(settings), "from",
                  model->meta.source, "command", command ? command : "");
    *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return *text ? XC_OK : fail(err, XC_ERR_ARGUMENT, "the path or the command is not UTF-8 text");
}

static xc_status parse(const char *text, json_t **out, struct error *err)
{
    json_error_t where;
    *out = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    return *out ? XC_OK : fail(err, XC_ERR_FORMAT, "args: line %d: %s", where.line, where.text);
}

xc_status args_settings(const char *text, struct settings *out, struct error *err)
{
    json_t *json;
    TRY(parse(text, &json, err));
    const xc_status status = settings_from_json(json_object_get(json, "settings"), out, err);
    json_decref(json);
    return status;
}

static xc_status open_from(json_t *data, struct dataset **out, struct error *err)
{
    const char *path = json_string_value(json_object_get(data, "path"));
    const struct dataset_opts opts = {
        .val_split = json_number_value(json_object_get(data, "val_split")),
        .seed = (uint64_t)json_integer_value(json_object_get(data, "split_seed"))};
    if (!path) return fail(err, XC_ERR_FORMAT, "args: the data have no path");
    return dataset_open(path, &opts, out, err);
}

xc_status args_open_data(const char *text, struct dataset **out, struct error *err)
{
    json_t *json;
    *out = NULL;
    TRY(parse(text, &json, err));
    const xc_status status = open_from(json_object_get(json, "data"), out, err);
    json_decref(json);
    return status;
}

xc_status args_check_data(const char *text, const struct dataset *data, struct error *err)
{
    json_t *json;
    char hex[65];
    TRY(parse(text, &json, err));
    const json_t *from = json_object_get(json, "data");
    const char *said = json_string_value(json_object_get(from, "fingerprint"));
    xc_status status = XC_OK;
    fingerprint(data, hex);
    if (!said || strcmp(said, hex) != 0)
        status = fail(err, XC_ERR_FORMAT,
                      "%s: the data have changed since the run began: fingerprint %.12s.. (%zu "
                      "train, %zu val), it was %.12s..",
                      data->path, hex, data->count[XC_SPLIT_TRAIN], data->count[XC_SPLIT_VAL],
                      said ? said : "");
    json_decref(json);
    return status;
}

static const char *architecture(const json_t *json)
{
    const char *arch = json_string_value(json_object_get(json, "architecture"));
    return arch ? arch : "";
}

/* The two differ: in which way? */
static xc_status name_difference(const char *text, const char *file, const char *path,
                                 struct error *err)
{
    json_t *a, *b = NULL;
    TRY(parse(text, &a, err));
    xc_status status = parse(file, &b, err);
    if (status == XC_OK)
        status = strcmp(architecture(a), architecture(b)) != 0
                     ? fail(err, XC_ERR_FORMAT, "architecture %.150s, the state has %.150s",
                            architecture(b), architecture(a))
                     : fail(err, XC_ERR_FORMAT, "other arguments than those of the state");
    error_prefix(err, path);
    json_decref(a);
    json_decref(b);
    return status;
}

xc_status args_check_file(const char *text, const char *path, struct error *err)
{
    struct file_view view;
    TRY(file_read(path, ARGS_MAX, &view, err));
    char *file = file_text(&view);
    const size_t length = strlen(text);
    xc_status status = file ? XC_OK : fail_memory(err, view.size);
    if (file && (view.size != length || memcmp(file, text, length) != 0))
        status = name_difference(text, file, path, err);
    free(file);
    file_release(&view);
    return status;
}
