/* SPDX-License-Identifier: Apache-2.0 */
/* What is in args.json? */
#include "train/run_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "model/meta.h"

#define ARGS_MAX ((size_t)32 << 20) /* lines of a weight and a name each, of 100,000 classes */
#define BLOCKS "blocks"
#define PAIRS "pairs"

/* The data set's own fingerprint does not know which samples were held out, and what they weigh. */
void args_fingerprint(const struct dataset *d, char hex[65])
{
    struct sha256 sum;
    sha256_init(&sum);
    sha256_add(&sum, d->fingerprint, strlen(d->fingerprint));
    for (size_t i = 0; i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        sha256_add(&sum, &s->split, 1);
        if (s->weight < 1 || s->weight > 1) sha256_add(&sum, &s->weight, sizeof s->weight);
    }
    sha256_hex(&sum, hex);
}

/* From the root. Links are not followed: the name of a link may tell more than what it leads to. */
static char *absolute(const char *path)
{
    char *folder = *path == '/' ? NULL : getcwd(NULL, 0), *whole = NULL;
    if (folder && asprintf(&whole, "%s/%s", folder, path) < 0) whole = NULL;
    free(folder);
    return whole;
}

/* Which class is which number: neither names nor labels of samples say that. */
static void class_order(const struct dataset *d, char hex[65])
{
    struct sha256 sum;
    sha256_init(&sum);
    for (int i = 0; i < d->classes; i++)
        sha256_add(&sum, d->class_name[i], strlen(d->class_name[i]) + 1);
    sha256_hex(&sum, hex);
}

/* Those that were given, for the data to be opened with once more. NULL: they were found. */
static json_t *classes_json(const struct dataset *d)
{
    json_t *json = d->classes_given ? json_array() : NULL;
    for (int i = 0; json && i < d->classes; i++)
        if (json_array_append_new(json, json_string(d->class_name[i]))) {
            json_decref(json);
            return NULL;
        }
    return json;
}

static json_t *data_json(const struct dataset *d)
{
    char hex[65], order[65], content[65], *path = absolute(d->path);
    const bool has_content = dataset_content(d, content);
    args_fingerprint(d, hex);
    class_order(d, order);
    json_t *json = json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:f,s:I,s:s,s:s?,s:s,s:o*,s:b}", "path", path ? path : d->path,
        "kind", d->kind, "train", (json_int_t)d->count[XC_SPLIT_TRAIN], "val",
        (json_int_t)d->count[XC_SPLIT_VAL], "test", (json_int_t)d->count[XC_SPLIT_TEST],
        "val_split", d->val_split, "split_seed", (json_int_t)d->split_seed, "fingerprint", hex,
        "content", has_content ? content : NULL, "class_order", order, "classes", classes_json(d),
        "drop_unknown", d->drop_unknown);
    free(path);
    if (!d->classes_given || json_object_get(json, "classes")) return json;
    json_decref(json); /* a name is no text, or there is no memory */
    return NULL;
}

/* Of the architecture and all numbers. */
static void model_hash(const xc_model *m, char hex[65])
{
    struct sha256 sum;
    sha256_init(&sum);
    sha256_add(&sum, m->arch, strlen(m->arch));
    for (int i = 0; i < m->graph->param.count; i++)
        sha256_add(&sum, m->data[i], m->graph->param.at[i].count * sizeof *m->data[i]);
    sha256_hex(&sum, hex);
}

static json_t *start_json(const struct start *s)
{
    char hex[65];
    struct arena arena = {0};
    const char *pixels = s->from ? meta_preprocess(&s->from->meta.preprocess, &arena) : NULL;
    if (s->from) model_hash(s->from, hex);
    json_t *json =
        json_pack("{s:s?,s:s?,s:s*,s:s?,s:i,s:i,s:s?,s:b}", "arch", s->arch, "from",
                  s->from ? hex : NULL, "pixels", pixels, "head", s->head, "height", s->h, "width",
                  s->w, "preprocess", s->preprocess, "upright", !s->from && !s->as_stored);
    arena_free(&arena);
    return json;
}

static json_t *teachers_json(const struct teacher_models *m)
{
    char hex[65];
    json_t *json = m->count > 0 ? json_array() : NULL;
    for (int i = 0; json && i < m->count; i++) {
        model_hash(m->model[i], hex);
        if (json_array_append_new(json, json_string(hex))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static json_t *weights_json(const float *weight, int classes)
{
    json_t *json = weight ? json_array() : NULL;
    for (int i = 0; json && i < classes; i++)
        if (json_array_append_new(json, json_real((double)weight[i]))) {
            json_decref(json);
            return NULL;
        }
    return json;
}

xc_status args_write(const struct run_start *start, const struct trainer *made, char **text,
                     struct error *err)
{
    const struct dataset *d = start->data;
    json_t *json =
        json_pack("{s:s,s:s,s:o,s:o,s:s,s:o*,s:o,s:o*,s:s*,s:s}", "xception", XC_VERSION,
                  "architecture", made->model->arch, "data", data_json(d), "start",
                  start_json(&start->start), "from", made->model->meta.source, "teachers",
                  teachers_json(&start->teachers), "settings", settings_json(&made->s),
                  "class_weights", weights_json(start->class_weight, d->classes), "sums",
                  !made->s.bf16             ? NULL
                  : made->m->bf16.in_blocks ? BLOCKS
                                            : "pairs",
                  "command", start->command ? start->command : "");
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

xc_status args_machine(const char *text, const struct machine *m, struct machine *out,
                       struct error *err)
{
    json_t *json;
    TRY(parse(text, &json, err));
    const char *sums = json_string_value(json_object_get(json, "sums"));
    const bool blocks = sums && strcmp(sums, BLOCKS) == 0;
    const bool known =
        blocks || !json_object_get(json, "sums") || (sums && strcmp(sums, PAIRS) == 0);
    json_decref(json);
    *out = *m;
    if (!known)
        return fail(err, XC_ERR_FORMAT,
                    "args: \"sums\" is neither \"" PAIRS "\" nor \"" BLOCKS "\"");
    if (blocks == m->bf16.in_blocks) return XC_OK;
    if (blocks)
        return fail(err, XC_ERR_ARGUMENT,
                    "args: the run adds brain floats up in blocks, as tile registers do, which "
                    "this processor (or cpu) has not: it would go on with other bits");
    machine_init(out, m->flags & ~(unsigned)CPU_AMX);
    return XC_OK;
}

/* ---- once more ------------------------------------------------------------------------------- */

void args_free(struct args_kept *keep)
{
    json_decref(keep->json);
    free(keep->class_weight);
    *keep = (struct args_kept){0};
}

/* The first word in which two preprocessings differ, and what each says of it. */
static xc_status compare_pixels(json_t *said, const json_t *now, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(said, key, value)
    {
        const json_t *other = json_object_get(now, key);
        if (json_equal(value, other)) continue;
        char *was = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        char *is = other ? json_dumps(other, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
        const xc_status status = fail(
            err, XC_ERR_ARGUMENT,
            "args: the preprocessing of the run's start model had %s %s, that of this one has %s",
            key, was ? was : "?", is ? is : "none");
        free(was);
        free(is);
        return status;
    }
    return XC_OK;
}

/* The same numbers may look at pixels in another way. (Older files do not say how.) */
static xc_status check_pixels(const json_t *start, const xc_model *from, struct error *err)
{
    struct arena arena = {0};
    const char *said = json_string_value(json_object_get(start, "pixels"));
    if (!said || json_string_value(json_object_get(start, "preprocess"))) return XC_OK;
    const char *pixels = meta_preprocess(&from->meta.preprocess, &arena);
    json_t *then = json_loads(said, 0, NULL), *now = pixels ? json_loads(pixels, 0, NULL) : NULL;
    xc_status status = XC_OK;
    if (!then)
        status = fail(err, XC_ERR_FORMAT, "args: \"pixels\" is no JSON");
    else
        status = now ? compare_pixels(then, now, err) : fail_memory(err, 1);
    json_decref(then);
    json_decref(now);
    arena_free(&arena);
    return status;
}

static xc_status check_from(const json_t *json, const xc_model *from, struct error *err)
{
    char hex[65];
    const char *said = json_string_value(json_object_get(json_object_get(json, "start"), "from"));
    if (!said && from)
        return fail(err, XC_ERR_ARGUMENT, "args: the run began with random weights, not a model");
    if (!said) return XC_OK;
    if (!from)
        return fail(err, XC_ERR_ARGUMENT,
                    "args: the run began with a model, which has to be given (SHA-256 of its "
                    "parameters %.12s..)",
                    said);
    TRY(start_check(from, err));
    model_hash(from, hex);
    if (strcmp(hex, said) == 0) return check_pixels(json_object_get(json, "start"), from, err);
    return fail(
        err, XC_ERR_ARGUMENT,
        "args: the run began with another model: SHA-256 of its parameters %.12s.., of this "
        "one's %.12s..",
        said, hex);
}

static xc_status compare_teachers(const json_t *list, const struct teacher_models *m,
                                  struct error *err)
{
    char hex[65];
    const size_t n = json_array_size(list);
    if (n != (size_t)m->count)
        return fail(err, XC_ERR_ARGUMENT, "args: the run had %zu teachers, given are %d", n,
                    m->count);
    for (int i = 0; i < m->count; i++) {
        const char *said = json_string_value(json_array_get(list, (size_t)i));
        model_hash(m->model[i], hex);
        if (!said || strcmp(hex, said) != 0)
            return fail(err, XC_ERR_ARGUMENT,
                        "args: teacher %d was another model: SHA-256 of its parameters %.12s.., of "
                        "this one's %.12s..",
                        i + 1, said ? said : "", hex);
    }
    return XC_OK;
}

static xc_status read_weights(const json_t *json, struct run_start *out, struct args_kept *keep,
                              struct error *err)
{
    const json_t *list = json_object_get(json, "class_weights");
    const size_t n = json_array_size(list);
    if (!list && out->settings.class_weights == CLASS_WEIGHTS_GIVEN)
        return fail(err, XC_ERR_FORMAT, "args: class weights were given, and are not there");
    if (!list) return XC_OK;
    if (n != (size_t)out->data->classes)
        return fail(err, XC_ERR_FORMAT, "args: %zu class weights, the data have %d classes", n,
                    out->data->classes);
    keep->class_weight = malloc(n * sizeof *keep->class_weight);
    if (!keep->class_weight) return fail_memory(err, n * sizeof *keep->class_weight);
    for (size_t i = 0; i < n; i++)
        keep->class_weight[i] = (float)json_number_value(json_array_get(list, i));
    out->class_weight = keep->class_weight;
    return XC_OK;
}

static xc_status read_start(const json_t *json, const xc_model *from, struct run_start *out,
                            struct error *err)
{
    const json_t *s = json_object_get(json, "start");
    const json_int_t h = json_integer_value(json_object_get(s, "height"));
    const json_int_t w = json_integer_value(json_object_get(s, "width"));
    const char *arch = json_string_value(json_object_get(s, "arch"));
    if (!arch == !from || h < 0 || w < 0 || h > INT16_MAX || w > INT16_MAX)
        return fail(err, XC_ERR_FORMAT, "args: \"start\" is missing or wrong");
    out->start = (struct start){.arch = arch,
                                .from = from,
                                .head = json_string_value(json_object_get(s, "head")),
                                .h = (int)h,
                                .w = (int)w,
                                .preprocess = json_string_value(json_object_get(s, "preprocess")),
                                .as_stored = !json_is_true(json_object_get(s, "upright"))};
    return XC_OK;
}

xc_status args_start(const char *text, const struct dataset *data, const xc_model *from,
                     const struct teacher_models *teachers, struct run_start *out,
                     struct args_kept *keep, struct error *err)
{
    *out = (struct run_start){.data = data, .teachers = *teachers};
    *keep = (struct args_kept){0};
    TRY(parse(text, &keep->json, err));
    TRY(args_check_data(text, data, err));
    TRY(args_settings(text, &out->settings, err));
    TRY(check_from(keep->json, from, err));
    TRY(compare_teachers(json_object_get(keep->json, "teachers"), teachers, err));
    TRY(read_start(keep->json, from, out, err));
    return read_weights(keep->json, out, keep, err);
}

static xc_status open_from(json_t *data, struct dataset **out, struct error *err)
{
    const char *path = json_string_value(json_object_get(data, "path"));
    const json_t *classes = json_object_get(data, "classes");
    const size_t n = json_array_size(classes);
    struct dataset_opts opts = {
        .classes = (int)n,
        .drop_unknown = json_is_true(json_object_get(data, "drop_unknown")),
        .val_split = json_number_value(json_object_get(data, "val_split")),
        .seed = (uint64_t)json_integer_value(json_object_get(data, "split_seed"))};
    if (!path) return fail(err, XC_ERR_FORMAT, "args: the data have no path");
    if (!classes) return dataset_open(path, &opts, out, err);
    const char **name = calloc(n + 1, sizeof *name);
    if (!name) return fail_memory(err, n * sizeof *name);
    bool good = n <= DATASET_MAX_CLASSES;
    for (size_t i = 0; good && i < n; i++)
        good = (name[i] = json_string_value(json_array_get(classes, i)));
    opts.class_name = name;
    const xc_status status = good ? dataset_open(path, &opts, out, err)
                                  : fail(err, XC_ERR_FORMAT, "args: \"classes\" is wrong");
    free(name);
    return status;
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
    const char *content = json_string_value(json_object_get(from, "content"));
    const char *order = json_string_value(json_object_get(from, "class_order"));
    char now[65];
    xc_status status = XC_OK;
    args_fingerprint(data, hex);
    class_order(data, now);
    const double part = json_number_value(json_object_get(from, "val_split"));
    const json_int_t seed = json_integer_value(json_object_get(from, "split_seed"));
    if (part > 0 && !(data->val_split > 0))
        status = fail(err, XC_ERR_ARGUMENT,
                      "%s: the run held out %g %% of train with seed %ju (--val-split, --seed), of "
                      "these data nothing is",
                      data->path, 100 * part, (uintmax_t)seed);
    else if (!said || strcmp(said, hex) != 0)
        status = fail(err, XC_ERR_FORMAT,
                      "%s: the data have changed since the run began: fingerprint %.12s.. (%zu "
                      "train, %zu val), it was %.12s..",
                      data->path, hex, data->count[XC_SPLIT_TRAIN], data->count[XC_SPLIT_VAL],
                      said ? said : "");
    else if (order && strcmp(order, now) != 0) /* older files do not say it */
        status =
            fail(err, XC_ERR_FORMAT,
                 "%s: the classes are not those of the run, or stand in another order", data->path);
    else if (content && dataset_content(data, hex) && strcmp(content, hex) != 0)
        status = fail(err, XC_ERR_FORMAT,
                      "%s: pictures have changed since the run began: content %.12s.., it was "
                      "%.12s..",
                      data->path, hex, content);
    json_decref(json);
    return status;
}

xc_status args_teachers(const char *text, int *count, struct error *err)
{
    json_t *json;
    TRY(parse(text, &json, err));
    const size_t n = json_array_size(json_object_get(json, "teachers"));
    *count = (int)(n > XC_MAX_TEACHERS ? 0 : n);
    json_decref(json);
    if (n <= XC_MAX_TEACHERS) return XC_OK;
    return fail(err, XC_ERR_FORMAT, "args: %zu teachers, at most %d are possible", n,
                XC_MAX_TEACHERS);
}

xc_status args_check_teachers(const char *text, const struct teacher_models *m, struct error *err)
{
    json_t *json;
    TRY(parse(text, &json, err));
    const xc_status status = compare_teachers(json_object_get(json, "teachers"), m, err);
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

xc_status args_read(const char *path, char **text, struct error *err)
{
    struct file_view view;
    *text = NULL;
    TRY(file_read(path, ARGS_MAX, &view, err));
    if (!memchr(view.data, '\0', view.size)) *text = file_text(&view);
    const xc_status status = *text ? XC_OK : fail(err, XC_ERR_FORMAT, "%s: not a text", path);
    file_release(&view);
    return status;
}

xc_status args_check_file(const char *text, const char *path, struct error *err)
{
    char *file;
    TRY(args_read(path, &file, err));
    const bool same = strcmp(file, text) == 0;
    const xc_status status = same ? XC_OK : name_difference(text, file, path, err);
    free(file);
    return status;
}
