/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who reads whom in a Keras config, and where does the picture come in? Two generations write it
 * differently: Keras 2 as nested lists [layer, node, tensor, {arguments}], Keras 3 as calls with
 * "__keras_tensor__" records. Node numbers are ignored (Keras 2 counts a nested model's first call
 * from 1), so a layer that is called twice is refused.
 */
#include <string.h>

#include "foreign/keras_read.h"

/* ---- operands -------------------------------------------------------------------------------- */

struct operands {
    struct keras_operand *at;
    int count;
};

static void push_map(struct keras_reader *r, struct operands *o, const json_t *reference)
{
    const char *from = keras_name(json_array_get(reference, 0));
    const json_t *tensor = json_array_get(reference, 2);
    if (!from)
        keras_refuse(r, "its inputs are not written as Keras writes them");
    else if (json_is_integer(tensor) && json_integer_value(tensor) != 0)
        keras_refuse(r, "reads another than the first output of '%s'", from);
    else if (o->count == KERAS_MAX_INPUTS)
        keras_refuse(r, "reads more than %d values", KERAS_MAX_INPUTS);
    else
        o->at[o->count++] = (struct keras_operand){.from = from};
}

static void push_constant(struct keras_reader *r, struct operands *o, const json_t *json)
{
    struct keras_operand k = {.numbers = 0};
    k.numbers = keras_numbers(json, k.number);
    if (k.numbers == 0)
        keras_refuse(r, "is called with something that is neither a map nor up to four numbers");
    else if (o->count == KERAS_MAX_INPUTS)
        keras_refuse(r, "reads more than %d values", KERAS_MAX_INPUTS);
    else
        o->at[o->count++] = k;
}

static const json_t *keras_tensor(const json_t *json)
{
    const char *kind = json_string_value(json_object_get(json, "class_name"));
    if (!kind || strcmp(kind, "__keras_tensor__") != 0) return NULL;
    return json_object_get(json_object_get(json, "config"), "keras_history");
}

/* ---- Keras 3: {"args": [...], "kwargs": {...}} ----------------------------------------------- */

static bool holds_tensor(const json_t *list)
{
    return json_is_array(list) && keras_tensor(json_array_get(list, 0));
}

static void push_argument(struct keras_reader *r, struct operands *o, const json_t *json)
{
    const json_t *history = keras_tensor(json);
    if (history)
        push_map(r, o, history);
    else if (holds_tensor(json))
        for (size_t i = 0; i < json_array_size(json) && !keras_failed(r); i++)
            push_argument(r, o, json_array_get(json, i));
    else if (!json_is_null(json))
        push_constant(r, o, json);
}

static void read_call(struct keras_reader *r, struct operands *o, const json_t *call)
{
    const json_t *args = json_object_get(call, "args"), *kwargs = json_object_get(call, "kwargs");
    for (size_t i = 0; i < json_array_size(args) && !keras_failed(r); i++)
        push_argument(r, o, json_array_get(args, i));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)kwargs, key, value)
    {
        if (keras_tensor(value)) keras_refuse(r, "is called with a map by name");
    }
}

/* ---- Keras 2: [[layer, node, tensor, {arguments}], ...], or one such list alone -------------- */

/* The second operand of an operator: {"y": 127.5} or {"y": ["layer", 0, 0]}. */
static void push_second(struct keras_reader *r, struct operands *o, const json_t *arguments)
{
    const json_t *y = json_object_get(arguments, "y");
    if (!y) return;
    if (json_is_string(json_array_get(y, 0)))
        push_map(r, o, y);
    else
        push_constant(r, o, y);
}

static void push_reference(struct keras_reader *r, struct operands *o, const json_t *reference)
{
    const char *from = json_string_value(json_array_get(reference, 0));
    if (from && strcmp(from, "_CONSTANT_VALUE") == 0)
        push_constant(r, o, json_array_get(reference, 2));
    else
        push_map(r, o, reference);
    push_second(r, o, json_array_get(reference, 3));
}

static void read_references(struct keras_reader *r, struct operands *o, const json_t *node)
{
    if (json_is_string(json_array_get(node, 0))) {
        push_reference(r, o, node);
        return;
    }
    for (size_t i = 0; i < json_array_size(node) && !keras_failed(r); i++)
        push_reference(r, o, json_array_get(node, i));
}

int keras_inbound(struct keras_reader *r, const json_t *layer,
                  struct keras_operand out[KERAS_MAX_INPUTS])
{
    struct operands o = {out, 0};
    const json_t *calls = json_object_get(layer, "inbound_nodes");
    const json_t *first = json_array_get(calls, 0);
    if (json_array_size(calls) > 1)
        keras_refuse(r, "is called %zu times: shared layers are not supported",
                     json_array_size(calls));
    if (json_is_object(first))
        read_call(r, &o, first);
    else
        read_references(r, &o, first);
    return keras_failed(r) ? -1 : o.count;
}

/* ---- the ends of a model --------------------------------------------------------------------- */

const char *keras_end(struct keras_reader *r, const json_t *config, const char *key)
{
    const json_t *ends = json_object_get(config, key);
    if (json_is_array(json_array_get(ends, 0))) {
        if (json_array_size(ends) != 1)
            keras_refuse(r, "%s: %zu of them, expected 1", key, json_array_size(ends));
        ends = json_array_get(ends, 0);
    }
    const char *name = keras_name(json_array_get(ends, 0));
    if (!name) keras_refuse(r, "%s does not name a layer", key);
    return keras_failed(r) ? NULL : name;
}

bool keras_is_model(const char *class_name)
{
    return strcmp(class_name, "Functional") == 0 || strcmp(class_name, "Model") == 0 ||
           strcmp(class_name, "Sequential") == 0;
}

const json_t *keras_layer_list(const json_t *config)
{
    return json_is_array(config) ? config : json_object_get(config, "layers");
}

const char *keras_layer_name(const json_t *layer)
{
    const char *name = keras_name(json_object_get(json_object_get(layer, "config"), "name"));
    return name ? name : keras_name(json_object_get(layer, "name"));
}

/* The shape that a layer says it takes, batch first; NULL when it does not say. */
static const json_t *shape_said(const json_t *config)
{
    static const char *const keys[] = {"batch_shape", "batch_input_shape", "build_input_shape"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *shape = json_object_get(config, keys[i]);
        if (json_is_array(shape)) return shape;
    }
    return NULL;
}

/* The layer that the model begins with: the named input of a Functional, the first of a Sequential.
 */
static const json_t *first_layer(struct keras_reader *r, const json_t *config)
{
    const json_t *list = keras_layer_list(config);
    if (!json_object_get(config, "input_layers")) return json_array_get(list, 0);
    const char *name = keras_end(r, config, "input_layers");
    for (size_t i = 0; name && i < json_array_size(list); i++) {
        const json_t *layer = json_array_get(list, i);
        const char *own = keras_layer_name(layer);
        if (own && strcmp(own, name) == 0) return layer;
    }
    return NULL;
}

void keras_input_shape(struct keras_reader *r, const json_t *model, int hwc[3])
{
    const json_t *config = json_object_get(model, "config"), *shape = NULL;
    for (int depth = 0; depth <= KERAS_MAX_DEPTH && config && !shape; depth++) {
        const json_t *first = first_layer(r, config);
        const json_t *outer = shape_said(config);
        config = json_object_get(first, "config");
        shape = shape_said(config);
        if (!shape) shape = outer;
    }
    for (size_t i = 0; i < 3; i++) {
        const json_t *one = json_array_get(shape, i + 1);
        json_int_t n = json_integer_value(one);
        hwc[i] = n >= 1 && n <= 1 << 16 ? (int)n : 0;
        bool open = json_is_null(one) && i < 2;
        if (hwc[i] == 0 && !open) break;
        if (i == 2 && json_array_size(shape) == 4) return;
    }
    keras_refuse(r, "its input is not one picture (height, width, channels)");
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}

const char *keras_snake_case(const char *class_name, struct arena *a)
{
    size_t length = strlen(class_name), at = 0;
    char *out = arena_push(a, length, 2);
    for (size_t i = 0; out && i < length; i++) {
        char c = class_name[i];
        if (i > 0 && upper(c) && (lower(class_name[i + 1]) || lower(class_name[i - 1])))
            out[at++] = '_';
        out[at++] = upper(c) ? (char)(c - 'A' + 'a') : c;
    }
    return out;
}
