/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does the metadata of a model file (meta.h) become structs, and back? Parsing is jansson's;
 * what is checked here is that every member is there, has its type and is in range.
 */
#include "model/meta.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "model/decision.h"
#include "weight/json.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17))

/* ---- writing --------------------------------------------------------------------------------- */

/* Takes the reference; NULL in, NULL out. */
static const char *dump(json_t *json, struct arena *a)
{
    char *text = json ? json_dumps(json, DUMP_FLAGS) : NULL;
    const char *copy = text ? arena_strdup(a, text) : NULL;
    free(text);
    json_decref(json);
    return copy;
}

static json_t *bytes3(const uint8_t v[3])
{
    return json_pack("[i,i,i]", v[0], v[1], v[2]);
}

static json_t *floats4(const float v[4])
{
    return json_pack("[f,f,f,f]", (double)v[0], (double)v[1], (double)v[2], (double)v[3]);
}

const char *meta_preprocess(const xc_preprocess *p, struct arena *a)
{
    return dump(json_pack("{s:s,s:s,s:s,s:b,s:b,s:o,s:o,s:f,s:f,s:o,s:o}", "fit", fit_name(p->fit),
                          "filter", filter_name(p->filter), "colour", colour_name(p->colour),
                          "apply_exif", p->apply_exif, "drop_alpha", p->drop_alpha, "background",
                          bytes3(p->background), "pad", bytes3(p->pad), "crop", p->crop, "divisor",
                          (double)p->divisor, "mean", floats4(p->mean), "std", floats4(p->std)),
                a);
}

static xc_status labels_text(const char *const *label, uint32_t count, struct arena *a,
                             const char **out, struct error *err)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        if (json_array_append_new(array, json_string(label[i])) == 0) continue;
        json_decref(array);
        return fail(err, XC_ERR_ARGUMENT, "label %u is not UTF-8 text", i);
    }
    *out = dump(array, a);
    return *out ? XC_OK : fail_memory(err, count);
}

xc_status meta_write(const char *arch, uint32_t classes, const struct model_meta *meta,
                     struct arena *a, struct weight_meta out[META_KEYS], int *count,
                     struct error *err)
{
    int n = 0;
    TRY(preprocess_check(&meta->preprocess, err));
    out[n++] = (struct weight_meta){"architecture", arch};
    if (!decision_is_plain(&meta->decision)) {
        TRY(decision_check(&meta->decision, classes, err));
        const char *text = decision_write(&meta->decision, classes, a);
        if (!text) return fail_memory(err, classes);
        out[n++] = (struct weight_meta){"decision", text};
    }
    out[n++] = (struct weight_meta){"format", meta->packing[0] ? META_PACKED : META_FORMAT};
    if (meta->labels) {
        const char *text = NULL;
        TRY(labels_text(meta->labels, classes, a, &text, err));
        out[n++] = (struct weight_meta){"labels", text};
    }
    if (meta->licence[0]) out[n++] = (struct weight_meta){"licence", meta->licence};
    if (meta->original[0]) out[n++] = (struct weight_meta){"original", meta->original};
    if (meta->packing[0]) out[n++] = (struct weight_meta){"packing", meta->packing};
    const char *preprocess = meta_preprocess(&meta->preprocess, a);
    if (!preprocess) return fail_memory(err, sizeof meta->preprocess);
    out[n++] = (struct weight_meta){"preprocess", preprocess};
    if (meta->source[0]) out[n++] = (struct weight_meta){"source", meta->source};
    *count = n;
    return XC_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

bool meta_is_ours(const struct weight_file *file)
{
    const char *format = weight_meta_find(file, "format");
    return format && (strncmp(format, "xception-model-", strlen("xception-model-")) == 0 ||
                      strncmp(format, "xception-packed-", strlen("xception-packed-")) == 0);
}

xc_status meta_architecture(const struct weight_file *file, const char **out, struct error *err)
{
    const char *format = weight_meta_find(file, "format");
    *out = weight_meta_find(file, "architecture");
    if (!format || (strcmp(format, META_FORMAT) != 0 && strcmp(format, META_PACKED) != 0))
        return fail(err, XC_ERR_UNSUPPORTED,
                    "format \"%s\" is not known here, only \"%s\" and \"%s\"", format ? format : "",
                    META_FORMAT, META_PACKED);
    if (!*out) return fail(err, XC_ERR_FORMAT, "the metadata has no \"architecture\"");
    return XC_OK;
}

static xc_status read_labels(const char *text, uint32_t classes, struct arena *a,
                             struct model_meta *out, struct error *err)
{
    xc_status status = XC_OK;
    json_error_t where;
    json_t *array = json_modest(text, strlen(text), &where);
    const char **label = arena_push(a, classes, sizeof *label);
    if (!json_is_array(array)) {
        status = fail(err, XC_ERR_FORMAT, "labels: not a JSON array of strings");
    } else if (json_array_size(array) != classes) {
        status =
            fail(err, XC_ERR_FORMAT, "labels: %zu for %u classes", json_array_size(array), classes);
    } else if (!label) {
        status = fail_memory(err, classes * sizeof *label);
    }
    for (uint32_t i = 0; status == XC_OK && i < classes; i++) {
        const char *word = json_string_value(json_array_get(array, i));
        if (!word)
            status = fail(err, XC_ERR_FORMAT, "labels: number %u is not a string", i);
        else if (!(label[i] = arena_strdup(a, word)))
            status = fail_memory(err, strlen(word));
    }
    json_decref(array);
    if (status == XC_OK) out->labels = label;
    return status;
}

struct words { /* members that are not yet of their type */
    const char *fit, *filter, *colour;
    int apply_exif, drop_alpha;
    json_int_t background[3], pad[3];
    double divisor, mean[4], std[4];
};

static bool bytes_from(const json_int_t v[3], uint8_t out[3])
{
    for (int i = 0; i < 3; i++) {
        if (v[i] < 0 || v[i] > 255) return false;
        out[i] = (uint8_t)v[i];
    }
    return true;
}

static bool preprocess_from(const struct words *w, xc_preprocess *p)
{
    p->size = sizeof *p;
    p->apply_exif = w->apply_exif != 0;
    p->drop_alpha = w->drop_alpha != 0;
    p->divisor = (float)w->divisor;
    for (int c = 0; c < 4; c++) {
        p->mean[c] = (float)w->mean[c];
        p->std[c] = (float)w->std[c];
    }
    return fit_parse(w->fit, &p->fit) && filter_parse(w->filter, &p->filter) &&
           colour_parse(w->colour, &p->colour) && bytes_from(w->background, p->background) &&
           bytes_from(w->pad, p->pad);
}

static xc_status read_preprocess(const char *text, xc_preprocess *out, struct error *err)
{
    xc_preprocess p = {0};
    struct words w = {0};
    json_error_t where = {.text = "not a JSON object"};
    json_t *json = json_modest(text, strlen(text), &where);
    xc_status status = XC_OK;
    if (!json_is_object(json) ||
        json_unpack_ex(json, &where, JSON_STRICT,
                       "{s:s,s:s,s:s,s:b,s:b,s:[III],s:[III],s:F,s:F,s:[FFFF],s:[FFFF]}", "fit",
                       &w.fit, "filter", &w.filter, "colour", &w.colour, "apply_exif",
                       &w.apply_exif, "drop_alpha", &w.drop_alpha, "background", &w.background[0],
                       &w.background[1], &w.background[2], "pad", &w.pad[0], &w.pad[1], &w.pad[2],
                       "crop", &p.crop, "divisor", &w.divisor, "mean", &w.mean[0], &w.mean[1],
                       &w.mean[2], &w.mean[3], "std", &w.std[0], &w.std[1], &w.std[2], &w.std[3]))
        status = fail(err, XC_ERR_FORMAT, "preprocess: %s", where.text);
    else if (!preprocess_from(&w, &p))
        status = fail(err, XC_ERR_FORMAT, "preprocess: a word or a byte is out of range");
    json_decref(json);
    struct error why;
    if (status == XC_OK && preprocess_check(&p, &why) != XC_OK)
        status = fail(err, XC_ERR_FORMAT, "preprocess: %s", why.text);
    if (status == XC_OK) *out = p;
    return status;
}

static xc_status read_text(const struct weight_file *file, const char *key, struct arena *a,
                           const char **out, struct error *err)
{
    const char *text = weight_meta_find(file, key);
    if (!text) return XC_OK;
    *out = arena_strdup(a, text);
    return *out ? XC_OK : fail_memory(err, strlen(text));
}

#define SHA256_DIGITS 64

bool meta_is_sha256(const char *text)
{
    return strlen(text) == SHA256_DIGITS && strspn(text, "0123456789abcdef") == SHA256_DIGITS;
}

static xc_status read_packing(const struct weight_file *file, struct arena *a,
                              struct model_meta *out, struct error *err)
{
    if (strcmp(weight_meta_find(file, "format"), META_PACKED) != 0) return XC_OK;
    TRY(read_text(file, "packing", a, &out->packing, err));
    TRY(read_text(file, "original", a, &out->original, err));
    if (!out->packing[0]) return fail(err, XC_ERR_FORMAT, "the metadata has no \"packing\"");
    if (!out->original[0] || meta_is_sha256(out->original)) return XC_OK;
    return fail(err, XC_ERR_FORMAT, "original: not a SHA-256 in 64 hex digits");
}

xc_status meta_read(const struct weight_file *file, uint32_t classes, struct arena *a,
                    struct model_meta *out, struct error *err)
{
    const char *labels = weight_meta_find(file, "labels");
    const char *preprocess = weight_meta_find(file, "preprocess");
    const char *decision = weight_meta_find(file, "decision");
    TRY(read_text(file, "source", a, &out->source, err));
    TRY(read_text(file, "licence", a, &out->licence, err));
    TRY(read_packing(file, a, out, err));
    if (labels) TRY(read_labels(labels, classes, a, out, err));
    if (decision) TRY(decision_read(decision, classes, a, &out->decision, err));
    if (!preprocess) return fail(err, XC_ERR_FORMAT, "the metadata has no \"preprocess\"");
    return read_preprocess(preprocess, &out->preprocess, err);
}
