/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tensors are in these safetensors bytes? Layout: u64 N (little-endian), N bytes of JSON,
 * then the data. Everything that the format leaves open to trickery is refused: numbers that are
 * not whole, unknown members, holes, overlaps, trailing bytes. Values are not looked at.
 * What surprises: the header is counted before it is parsed, because eight megabytes of "[[],[],"
 * would cost half a gigabyte as a JSON tree.
 */
#include "weight/weight.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/text.h"
#include "weight/json.h"

/* '{', '[' and ',' outside strings; a tensor of rank 8 with its neighbours needs 14 */
enum { MAX_MARKS = 32 * WEIGHT_MAX_TENSORS };

static bool is_modest(const char *text, size_t size)
{
    bool quoted = false;
    size_t marks = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '"') quoted = !quoted;
        if (quoted && c == '\\') i++;
        if (!quoted && (c == '{' || c == '[' || c == ',')) marks++;
    }
    return marks <= MAX_MARKS;
}

json_t *json_modest(const char *text, size_t size, json_error_t *where)
{
    if (is_modest(text, size)) return json_loadb(text, size, JSON_REJECT_DUPLICATES, where);
    *where = (json_error_t){.line = 1};
    snprintf(where->text, sizeof where->text, "more than %d members", MAX_MARKS);
    return NULL;
}

static bool read_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (size_t)json_integer_value(value);
    return (uintmax_t)json_integer_value(value) <= SIZE_MAX;
}

static bool read_type(const char *word, enum dtype *out)
{
    for (int type = DTYPE_F32; type <= DTYPE_I64; type++) {
        *out = (enum dtype)type;
        if (strcmp(word, dtype_name(*out)) == 0) return true;
    }
    return false;
}

static xc_status read_shape(const json_t *shape, struct weight_tensor *t, struct error *err)
{
    if (!json_is_array(shape)) return fail(err, XC_ERR_FORMAT, "%s: shape is no list", t->name);
    if (json_array_size(shape) > WEIGHT_MAX_RANK)
        return fail(err, XC_ERR_LIMIT, "%s: rank %zu, the limit is %d", t->name,
                    json_array_size(shape), WEIGHT_MAX_RANK);
    t->rank = (int)json_array_size(shape);
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        if (!read_size(json_array_get(shape, (size_t)i), &t->dim[i]))
            return fail(err, XC_ERR_FORMAT, "%s: dimension %d is no size", t->name, i);
        if (!size_mul(t->count, t->dim[i], &t->count))
            return fail(err, XC_ERR_FORMAT, "%s: the shape has too many elements", t->name);
    }
    return XC_OK;
}

static xc_status read_place(const json_t *place, struct weight_tensor *t, struct error *err)
{
    size_t end, expected;
    if (json_array_size(place) != 2 || !read_size(json_array_get(place, 0), &t->offset) ||
        !read_size(json_array_get(place, 1), &end) || end < t->offset)
        return fail(err, XC_ERR_FORMAT, "%s: data_offsets is not [begin, end]", t->name);
    t->bytes = end - t->offset;
    if (!size_mul(t->count, dtype_size(t->type), &expected) || expected != t->bytes)
        return fail(err, XC_ERR_FORMAT, "%s: %zu elements of type %s do not fill %zu bytes",
                    t->name, t->count, dtype_name(t->type), t->bytes);
    return XC_OK;
}

static xc_status read_tensor(const json_t *entry, struct weight_tensor *t, struct error *err)
{
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *place = json_object_get(entry, "data_offsets");
    if (json_object_size(entry) != 3 || !type || !shape || !place)
        return fail(err, XC_ERR_FORMAT, "%s: not just dtype, shape and data_offsets", t->name);
    if (!read_type(type, &t->type))
        return fail(err, XC_ERR_UNSUPPORTED, "%s: type %s is not supported", t->name, type);
    TRY(read_shape(shape, t, err));
    return read_place(place, t, err);
}

static xc_status read_metadata(json_t *entries, struct weight_file *out, struct error *err)
{
    if (!json_is_object(entries)) return fail(err, XC_ERR_FORMAT, "__metadata__ is not an object");
    out->meta = arena_push(&out->arena, json_object_size(entries), sizeof *out->meta);
    if (!out->meta) return fail_memory(err, json_object_size(entries));
    const char *key;
    json_t *value;
    json_object_foreach(entries, key, value)
    {
        if (!json_is_string(value))
            return fail(err, XC_ERR_FORMAT, "__metadata__: %s is not a string", key);
        struct weight_meta *m = &out->meta[out->metas++];
        m->key = arena_strdup(&out->arena, key);
        m->value = arena_strdup(&out->arena, json_string_value(value));
        if (!m->key || !m->value) return fail_memory(err, json_string_length(value));
    }
    return XC_OK;
}

static xc_status read_entries(json_t *root, struct weight_file *out, struct error *err)
{
    json_t *metadata = json_object_get(root, "__metadata__");
    size_t tensors = json_object_size(root) - (metadata ? 1 : 0);
    if (tensors > WEIGHT_MAX_TENSORS)
        return fail(err, XC_ERR_LIMIT, "%zu tensors, the limit is %d", tensors, WEIGHT_MAX_TENSORS);
    if (metadata) TRY(read_metadata(metadata, out, err));
    out->tensor = arena_push(&out->arena, tensors, sizeof *out->tensor);
    if (!out->tensor) return fail_memory(err, tensors);
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (value == metadata) continue;
        struct weight_tensor *t = &out->tensor[out->tensors++];
        t->name = arena_strdup(&out->arena, key);
        if (!t->name) return fail_memory(err, strlen(key));
        TRY(read_tensor(value, t, err));
    }
    return XC_OK;
}

/* Empty tensors share their offset with the next one and stand before it. */
static int by_place(const void *a, const void *b)
{
    const struct weight_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static xc_status settle(struct weight_file *out, const uint8_t *data, size_t size,
                        struct error *err)
{
    qsort(out->tensor, (size_t)out->tensors, sizeof *out->tensor, by_place);
    size_t at = 0;
    for (int i = 0; i < out->tensors; i++) {
        struct weight_tensor *t = &out->tensor[i];
        if (t->offset != at)
            return fail(err, XC_ERR_FORMAT, "%s: data begins at %zu, expected %zu (%s)", t->name,
                        t->offset, at, t->offset > at ? "a hole" : "an overlap");
        if (t->bytes > size - at)
            return fail(err, XC_ERR_FORMAT, "%s: data ends %zu bytes after the file", t->name,
                        t->bytes - (size - at));
        t->data = data + at;
        at += t->bytes;
    }
    if (at != size) return fail(err, XC_ERR_FORMAT, "%zu bytes after the last tensor", size - at);
    return XC_OK;
}

static xc_status parse_header(const char *text, size_t size, json_t **out, struct error *err)
{
    if (size == 0 || text[0] != '{')
        return fail(err, XC_ERR_FORMAT, "the safetensors header does not begin with '{'");
    if (!is_modest(text, size))
        return fail(err, XC_ERR_LIMIT, "the safetensors header has more than %d values", MAX_MARKS);
    json_error_t where;
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (*out) return XC_OK;
    if (json_error_code(&where) == json_error_out_of_memory || !where.text[0])
        return fail_memory(err, size);
    return fail(err, XC_ERR_FORMAT, "the safetensors header is not JSON: byte %d: %s",
                where.position, where.text);
}

xc_status safetensors_read(const void *bytes, size_t count, struct weight_file *out,
                           struct error *err)
{
    *out = (struct weight_file){0};
    struct bytes b = bytes_of(bytes, count);
    uint64_t length = bytes_u64le(&b);
    if (b.failed) return fail(err, XC_ERR_FORMAT, "%zu bytes are no safetensors file", count);
    if (length > WEIGHT_MAX_HEADER)
        return fail(err, XC_ERR_LIMIT,
                    "the safetensors header has %" PRIu64 " bytes, the limit is %u", length,
                    WEIGHT_MAX_HEADER);
    const char *text = (const char *)bytes_take(&b, (size_t)length);
    if (!text)
        return fail(err, XC_ERR_FORMAT,
                    "the safetensors header needs %" PRIu64 " bytes, %zu are left", length,
                    count - b.at);
    json_t *root = NULL;
    xc_status status = parse_header(text, (size_t)length, &root, err);
    if (status == XC_OK) status = read_entries(root, out, err);
    size_t left = bytes_left(&b);
    if (status == XC_OK) status = settle(out, bytes_take(&b, left), left, err);
    json_decref(root);
    if (status != XC_OK) {
        weight_file_free(out);
        if (err) text_printable(err->text);
    }
    return status;
}

void weight_file_free(struct weight_file *file)
{
    arena_free(&file->arena);
    *file = (struct weight_file){0};
}

const struct weight_tensor *weight_find(const struct weight_file *file, const char *name)
{
    for (int i = 0; i < file->tensors; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    return NULL;
}

const char *weight_meta_find(const struct weight_file *file, const char *key)
{
    for (int i = 0; i < file->metas; i++)
        if (strcmp(file->meta[i].key, key) == 0) return file->meta[i].value;
    return NULL;
}
