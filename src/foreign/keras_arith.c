/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do Rescaling, Normalization and the operators that preprocess_input leaves in a graph
 * (TrueDivide, Subtract, ...) do? All are scale * x + shift with constants; a chain of them is
 * multiplied out in double and becomes one affine node when another layer reads it.
 */
#include <math.h>
#include <string.h>

#include "foreign/keras_read.h"

struct factors {
    int scales, shifts; /* 1 or the number of channels */
    double scale[4], shift[4];
};

struct shape keras_shape(const struct keras_reader *r, int node)
{
    return node < 0 ? (struct shape){0} : r->graph->node[node].out;
}

int keras_plain(struct keras_reader *r, struct keras_value *v)
{
    if (v->padded) keras_refuse(r, "reads a ZeroPadding2D, which only a 'valid' convolution may");
    if (!v->scaled) return v->node;
    float scale[4] = {0}, shift[4] = {0};
    for (int i = 0; i < v->factors; i++) {
        scale[i] = (float)v->scale[i];
        shift[i] = (float)v->shift[i];
    }
    const char *name = keras_text(r, "(arithmetic before %s)", r->node_name);
    int node = graph_affine(r->graph, name, v->node, scale, shift, v->factors);
    *v = (struct keras_value){.node = node};
    return node;
}

static bool fits(int count, int c)
{
    return count == 1 || count == c;
}

static struct keras_value scaled(struct keras_reader *r, struct keras_value v,
                                 const struct factors *f)
{
    struct shape s = keras_shape(r, v.node);
    if (v.padded) (void)keras_plain(r, &v);
    if (!fits(f->scales, s.c) || !fits(f->shifts, s.c))
        keras_refuse(r, "%d numbers for %d channels", f->scales > 1 ? f->scales : f->shifts, s.c);
    if (keras_failed(r)) return v;
    struct keras_value out = {.node = v.node, .scaled = true, .factors = v.scaled ? v.factors : 1};
    if (f->scales > 1 || f->shifts > 1) out.factors = s.c;
    for (int i = 0; i < out.factors; i++) {
        int old = v.factors > 1 ? i : 0;
        double by = f->scale[f->scales > 1 ? i : 0], plus = f->shift[f->shifts > 1 ? i : 0];
        out.scale[i] = (v.scaled ? v.scale[old] : 1) * by;
        out.shift[i] = (v.scaled ? v.shift[old] : 0) * by + plus;
        if (!isfinite((float)out.scale[i]) || !isfinite((float)out.shift[i]))
            keras_refuse(r, "its numbers do not fit float32");
    }
    return out;
}

/* ---- layers ---------------------------------------------------------------------------------- */

struct keras_value keras_rescaling(struct keras_reader *r, struct keras_operand *in)
{
    const json_t *scale = keras_member(r, "scale"), *offset = keras_member(r, "offset");
    struct factors f = {1, 1, {1}, {0}};
    if (scale) f.scales = keras_numbers(scale, f.scale);
    if (offset) f.shifts = keras_numbers(offset, f.shift);
    if (f.scales == 0 || f.shifts == 0) keras_refuse(r, "scale and offset must be numbers");
    return scaled(r, *in->value, &f);
}

/* mean or variance: in the config, else weight number index of the file */
static int statistics(struct keras_reader *r, const char *key, int index, double out[4])
{
    const json_t *json = keras_member(r, key);
    if (json) return keras_numbers(json, out);
    const struct keras_layer layer = {.name = r->name, .scoped = r->node_name, .path = r->path};
    const struct weight_tensor *t = r->file ? keras_find(r->file, &layer, index, key) : NULL;
    if (!t || t->type != DTYPE_F32 || t->count < 1 || t->count > 4) return 0;
    for (size_t i = 0; i < t->count; i++) {
        float value;
        memcpy(&value, t->data + i * sizeof value, sizeof value);
        out[i] = (double)value;
    }
    return (int)t->count;
}

/* (x - mean) / max(sqrt(variance), 1e-7), as Keras has it */
struct keras_value keras_normalization(struct keras_reader *r, struct keras_operand *in)
{
    double mean[4] = {0}, variance[4] = {0};
    int means = statistics(r, "mean", 0, mean), variances = statistics(r, "variance", 1, variance);
    keras_axis_is_channels(r, in->value->node);
    if (keras_bool(r, "invert", false)) keras_refuse(r, "invert is not supported");
    if (means == 0 || means != variances)
        keras_refuse(r, "needs one mean and one variance, or one a channel (<= 4)");
    struct factors f = {means, means, {0}, {0}};
    for (int i = 0; i < means; i++) {
        if (!(variance[i] >= 0)) keras_refuse(r, "variance %g is negative", variance[i]);
        f.scale[i] = 1 / fmax(sqrt(variance[i]), 1e-7);
        f.shift[i] = -mean[i] * f.scale[i];
    }
    return scaled(r, *in->value, &f);
}

/* ---- operators: one map and one constant ----------------------------------------------------- */

/* The map; *constant is the other one. *reversed (may be NULL, then it is refused): the constant
 * stands first. */
static struct keras_value operands(struct keras_reader *r, struct keras_operand *in,
                                   const struct keras_operand **constant, bool *reversed)
{
    bool swapped = r->inputs == 2 && !in[0].from;
    const struct keras_operand *map = &in[swapped];
    *constant = &in[!swapped];
    if (reversed) *reversed = swapped;
    if (r->inputs != 2 || !map->from || (*constant)->from || (swapped && !reversed))
        keras_refuse(r, "only arithmetic of a map with a constant is known");
    return keras_failed(r) ? (struct keras_value){.node = -1} : *map->value;
}

struct keras_value keras_plus(struct keras_reader *r, struct keras_operand *in)
{
    bool reversed;
    const struct keras_operand *k;
    struct keras_value v = operands(r, in, &k, &reversed);
    struct factors f = {1, k->numbers, {1}, {0}};
    memcpy(f.shift, k->number, sizeof f.shift);
    return scaled(r, v, &f);
}

struct keras_value keras_minus(struct keras_reader *r, struct keras_operand *in)
{
    bool reversed;
    const struct keras_operand *k;
    struct keras_value v = operands(r, in, &k, &reversed);
    struct factors f = {1, k->numbers, {reversed ? -1 : 1}, {0}};
    for (int i = 0; i < 4; i++) f.shift[i] = reversed ? k->number[i] : -k->number[i];
    return scaled(r, v, &f);
}

struct keras_value keras_times(struct keras_reader *r, struct keras_operand *in)
{
    bool reversed;
    const struct keras_operand *k;
    struct keras_value v = operands(r, in, &k, &reversed);
    struct factors f = {k->numbers, 1, {0}, {0}};
    memcpy(f.scale, k->number, sizeof f.scale);
    return scaled(r, v, &f);
}

struct keras_value keras_divided(struct keras_reader *r, struct keras_operand *in)
{
    const struct keras_operand *k;
    struct keras_value v = operands(r, in, &k, NULL);
    struct factors f = {k->numbers, 1, {0}, {0}};
    for (int i = 0; i < k->numbers; i++) f.scale[i] = 1 / k->number[i];
    return scaled(r, v, &f);
}
