/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a member of a layer's config read without trust? Every number has a range, every refusal
 * names layer, class and key. Unknown keys are nobody's business: Keras versions differ in them.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "foreign/keras_read.h"

bool keras_failed(const struct keras_reader *r)
{
    return r->err->status != XC_OK;
}

void keras_refuse(struct keras_reader *r, const char *format, ...)
{
    if (keras_failed(r)) return;
    char facts[ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(facts, sizeof facts, format, args);
    va_end(args);
    if (r->name)
        r->err->status =
            fail(r->err, XC_ERR_UNSUPPORTED, "layer '%s' (%s): %s", r->name, r->class_name, facts);
    else
        r->err->status = fail(r->err, XC_ERR_UNSUPPORTED, "model config: %s", facts);
}

const char *keras_text(struct keras_reader *r, const char *format, ...)
{
    char text[KERAS_MAX_DEPTH * (KERAS_MAX_NAME + 32)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy = arena_strdup(&r->out->arena, text);
    if (!copy && !keras_failed(r)) r->err->status = fail_memory(r->err, sizeof text);
    return copy ? copy : "";
}

const json_t *keras_member(const struct keras_reader *r, const char *key)
{
    const json_t *member = json_object_get(r->config, key);
    return json_is_null(member) ? NULL : member;
}

static bool in_range(const json_t *json, int least, int most)
{
    return json_is_integer(json) && json_integer_value(json) >= least &&
           json_integer_value(json) <= most;
}

int keras_int(struct keras_reader *r, const char *key, int absent, int least, int most)
{
    const json_t *json = keras_member(r, key);
    if (!json) return absent;
    if (in_range(json, least, most)) return (int)json_integer_value(json);
    keras_refuse(r, "%s is not a whole number of %d..%d", key, least, most);
    return absent;
}

void keras_pair_of(struct keras_reader *r, const json_t *json, const char *key, int absent,
                   int least, int most, int out[2])
{
    bool list = json_is_array(json);
    out[0] = out[1] = absent;
    if (!json) return;
    if (list && json_array_size(json) != 2) keras_refuse(r, "%s is not a pair", key);
    for (size_t i = 0; i < 2; i++) {
        const json_t *one = list ? json_array_get(json, i) : json;
        if (in_range(one, least, most))
            out[i] = (int)json_integer_value(one);
        else
            keras_refuse(r, "%s is not two whole numbers of %d..%d", key, least, most);
    }
}

void keras_pair(struct keras_reader *r, const char *key, int absent, int least, int most,
                int out[2])
{
    keras_pair_of(r, keras_member(r, key), key, absent, least, most, out);
}

bool keras_bool(struct keras_reader *r, const char *key, bool absent)
{
    const json_t *json = keras_member(r, key);
    if (!json) return absent;
    if (!json_is_boolean(json)) keras_refuse(r, "%s is neither true nor false", key);
    return json_is_true(json);
}

double keras_number(struct keras_reader *r, const char *key, double absent)
{
    const json_t *json = keras_member(r, key);
    if (!json) return absent;
    if (json_is_number(json) && isfinite(json_number_value(json))) return json_number_value(json);
    keras_refuse(r, "%s is not a number", key);
    return absent;
}

const char *keras_word(struct keras_reader *r, const char *key, const char *absent)
{
    const json_t *json = keras_member(r, key);
    if (!json) return absent;
    const char *word = keras_name(json);
    if (word) return word;
    keras_refuse(r, "%s is not a word", key);
    return absent;
}

/* {"class_name": "__numpy__", "config": {"value": [...]}} */
static const json_t *array_of_record(const json_t *json)
{
    const char *kind = json_string_value(json_object_get(json, "class_name"));
    if (!kind || (strcmp(kind, "__numpy__") != 0 && strcmp(kind, "__tensor__") != 0)) return json;
    return json_object_get(json_object_get(json, "config"), "value");
}

int keras_numbers(const json_t *json, double out[4])
{
    json = array_of_record(json);
    while (json_is_array(json) && json_array_size(json) == 1) json = json_array_get(json, 0);
    size_t count = json_is_array(json) ? json_array_size(json) : 1;
    if (count < 1 || count > 4) return 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(json) ? json_array_get(json, i) : json;
        if (!json_is_number(one) || !isfinite(json_number_value(one))) return 0;
        out[i] = json_number_value(one);
    }
    return (int)count;
}

const char *keras_name(const json_t *json)
{
    const char *text = json_string_value(json);
    size_t length = json_string_length(json);
    if (!text || length < 1 || length > KERAS_MAX_NAME) return NULL;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) return NULL;
    return text;
}
