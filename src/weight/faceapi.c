/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a face-api manifest read? Two passes over the JSON tree: count, then fill. Types beyond
 * float32 and uint8-quantised float32, which no published model uses, are refused by name.
 */
#include "weight/faceapi.h"

#include <jansson.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"

enum { MAX_MANIFEST = 4 << 20 };

static xc_status count_parts(const json_t *root, struct faceapi *out, struct error *err)
{
    if (!json_is_array(root)) return fail(err, XC_ERR_FORMAT, "the manifest is not a list");
    out->groups = json_array_size(root);
    for (size_t i = 0; i < out->groups; i++) {
        const json_t *group = json_array_get(root, i);
        const json_t *weights = json_object_get(group, "weights");
        const json_t *paths = json_object_get(group, "paths");
        if (!json_is_array(weights) || !json_is_array(paths))
            return fail(err, XC_ERR_FORMAT, "group %zu of the manifest lacks weights or paths", i);
        out->tensors += json_array_size(weights);
        out->paths += json_array_size(paths);
    }
    if (out->tensors > WEIGHT_MAX_TENSORS || out->paths > FACEAPI_MAX_PATHS)
        return fail(err, XC_ERR_LIMIT, "%zu tensors in %zu files, the limits are %d and %d",
                    out->tensors, out->paths, WEIGHT_MAX_TENSORS, FACEAPI_MAX_PATHS);
    out->tensor = arena_push(&out->arena, out->tensors, sizeof *out->tensor);
    out->path = arena_push(&out->arena, out->paths, sizeof *out->path);
    out->group = arena_push(&out->arena, out->groups, sizeof *out->group);
    if (!out->tensor || !out->path || !out->group) return fail_memory(err, out->tensors);
    return XC_OK;
}

static xc_status read_shape(const json_t *shape, struct faceapi_tensor *t, struct error *err)
{
    if (!json_is_array(shape) || json_array_size(shape) > WEIGHT_MAX_RANK)
        return fail(err, XC_ERR_FORMAT, "%s: shape is no list of up to %d numbers", t->name,
                    WEIGHT_MAX_RANK);
    t->rank = (int)json_array_size(shape);
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        json_int_t value = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (value < 0 || (uintmax_t)value > SIZE_MAX)
            return fail(err, XC_ERR_FORMAT, "%s: dimension %d is no size", t->name, i);
        t->dim[i] = (size_t)value;
        if (!size_mul(t->count, t->dim[i], &t->count))
            return fail(err, XC_ERR_FORMAT, "%s: the shape has too many elements", t->name);
    }
    return XC_OK;
}

static xc_status read_quantisation(const json_t *given, struct faceapi_tensor *t, struct error *err)
{
    if (!given) return XC_OK;
    const char *type = json_string_value(json_object_get(given, "dtype"));
    const json_t *scale = json_object_get(given, "scale"), *min = json_object_get(given, "min");
    if (!type || !json_is_number(scale) || !json_is_number(min))
        return fail(err, XC_ERR_FORMAT, "%s: quantization lacks dtype, scale or min", t->name);
    if (strcmp(type, "uint8") != 0)
        return fail(err, XC_ERR_UNSUPPORTED, "%s: quantization to %s is not supported", t->name,
                    type);
    t->quantised = true;
    t->scale = json_number_value(scale);
    t->min = json_number_value(min);
    return XC_OK;
}

static xc_status read_tensor(struct faceapi *out, const json_t *entry, struct faceapi_tensor *t,
                             struct error *err)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    if (!name || !type)
        return fail(err, XC_ERR_FORMAT, "a tensor of the manifest lacks name or dtype");
    t->name = arena_strdup(&out->arena, name);
    if (!t->name) return fail_memory(err, strlen(name));
    if (strcmp(type, "float32") != 0)
        return fail(err, XC_ERR_UNSUPPORTED, "%s: type %s is not supported", name, type);
    TRY(read_shape(json_object_get(entry, "shape"), t, err));
    TRY(read_quantisation(json_object_get(entry, "quantization"), t, err));
    t->offset = out->bytes;
    if (!size_mul(t->count, t->quantised ? 1 : sizeof(float), &t->bytes) ||
        !size_add(out->bytes, t->bytes, &out->bytes))
        return fail(err, XC_ERR_FORMAT, "%s: the manifest describes too many bytes", name);
    return XC_OK;
}

static xc_status read_path(struct faceapi *out, const json_t *entry, const char **path,
                           struct error *err)
{
    const char *name = json_string_value(entry);
    if (!name) return fail(err, XC_ERR_FORMAT, "a path of the manifest is not a string");
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strpbrk(name, "/\\"))
        return fail(err, XC_ERR_FORMAT, "the manifest names \"%s\", which is no plain file name",
                    name);
    *path = arena_strdup(&out->arena, name);
    return *path ? XC_OK : fail_memory(err, strlen(name));
}

static xc_status read_groups(const json_t *root, struct faceapi *out, struct error *err)
{
    size_t tensor = 0, path = 0;
    for (size_t g = 0; g < out->groups; g++) {
        const json_t *weights = json_object_get(json_array_get(root, g), "weights");
        const json_t *paths = json_object_get(json_array_get(root, g), "paths");
        size_t before = out->bytes;
        for (size_t i = 0; i < json_array_size(weights); i++)
            TRY(read_tensor(out, json_array_get(weights, i), &out->tensor[tensor++], err));
        for (size_t i = 0; i < json_array_size(paths); i++)
            TRY(read_path(out, json_array_get(paths, i), &out->path[path++], err));
        out->group[g] = (struct faceapi_group){json_array_size(paths), out->bytes - before};
    }
    return XC_OK;
}

xc_status faceapi_read(const void *text, size_t size, struct faceapi *out, struct error *err)
{
    *out = (struct faceapi){0};
    if (size > MAX_MANIFEST)
        return fail(err, XC_ERR_LIMIT, "the manifest has %zu bytes, the limit is %d", size,
                    MAX_MANIFEST);
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    xc_status status = root ? count_parts(root, out, err)
                            : fail(err, XC_ERR_FORMAT, "the manifest is not JSON: line %d: %s",
                                   where.line, where.text);
    if (status == XC_OK) status = read_groups(root, out, err);
    json_decref(root);
    if (status != XC_OK) {
        faceapi_free(out);
        if (err) text_printable(err->text);
    }
    return status;
}

void faceapi_free(struct faceapi *manifest)
{
    arena_free(&manifest->arena);
    *manifest = (struct faceapi){0};
}

void faceapi_decode(const struct faceapi_tensor *t, const uint8_t *shards, float *out)
{
    const uint8_t *from = shards + t->offset;
    if (!t->quantised) {
        if (t->bytes > 0) memcpy(out, from, t->bytes); /* may be unaligned */
        return;
    }
    for (size_t i = 0; i < t->count; i++) out[i] = (float)(from[i] * t->scale + t->min);
}
