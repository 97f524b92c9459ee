/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which layers are one box? A batch norm belongs to the layer that it follows; an activation to the
 * layer that its name begins with, else to what it follows, else to what reads it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagram_int.h"

enum role { MAIN, NORM, ACT };

/* A layer while boxes are made. */
struct item {
    xc_layer layer;
    int input[BOX_INPUTS], inputs, readers, reader; /* items; reader: the last one */
    int box;
    enum role role;
};

static bool is_one_of(const char *word, const char *words)
{
    size_t length = strlen(word);
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        if (n == length && memcmp(p, word, n) == 0) return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static int find_item(const struct item *item, int count, const char *name, size_t length)
{
    for (int i = count - 1; i >= 0; i--)
        if (strlen(item[i].layer.name) == length && memcmp(item[i].layer.name, name, length) == 0)
            return i;
    return -1;
}

static void read_inputs(struct item *item, int self)
{
    struct item *it = &item[self];
    for (const char *p = it->layer.inputs; *p;) {
        size_t n = strcspn(p, ",");
        int from = find_item(item, self, p, n);
        if (from >= 0 && it->inputs < BOX_INPUTS) {
            it->input[it->inputs++] = from;
            item[from].readers++;
            item[from].reader = self;
        }
        p += n + (p[n] == ',');
    }
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Does an activation stand in front of what reads it? */
static bool leads(const struct item *item, int self)
{
    const struct item *it = &item[self];
    if (it->role != ACT || it->readers != 1 || it->inputs != 1) return false;
    const struct item *reader = &item[it->reader];
    if (reader->role != MAIN || reader->inputs != 1) return false;
    int from = it->input[0];
    while (item[from].role == NORM && item[from].inputs == 1) from = item[from].input[0];
    if (starts_with(it->layer.name, item[from].layer.name) &&
        strlen(item[from].layer.name) >= strlen(reader->layer.name))
        return false;
    return starts_with(it->layer.name, reader->layer.name) || item[it->input[0]].readers > 1;
}

static bool follows(const struct item *item, int self)
{
    const struct item *it = &item[self];
    return it->role != MAIN && it->inputs == 1 && item[it->input[0]].readers == 1 &&
           item[it->input[0]].box >= 0 && strcmp(item[it->input[0]].layer.kind, "Input") != 0;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void append(char *text, const char *more)
{
    size_t length = strlen(text);
    snprintf(text + length, BOX_TEXT - length, "%s%s", length ? ", " : "", more);
}

static enum box_kind kind_of(const char *kind)
{
    if (is_one_of(kind, "Input")) return BOX_INPUT;
    if (is_one_of(kind, "Conv")) return BOX_CONV;
    if (is_one_of(kind, "SepConv DepthwiseConv GroupedConv")) return BOX_SEPARABLE;
    if (is_one_of(kind, "MaxPool AvgPool GlobalMaxPool GlobalAvgPool")) return BOX_POOL;
    if (is_one_of(kind, "Dense")) return BOX_DENSE;
    if (is_one_of(kind, "Add")) return BOX_ADD;
    if (is_one_of(kind, "Concat")) return BOX_CONCAT;
    return BOX_OTHER;
}

/* "3x3/2 valid groups 4" as ", 3x3 / 2 valid, 4 segments"; a 1x1 has no border to speak of. */
static void window_words(const char *detail, char *text)
{
    char window[24] = "", stride[24] = "";
    const char *groups = strstr(detail, "groups ");
    size_t n = strcspn(detail, " ,"), slash = strcspn(detail, "/");
    if (!strchr(detail, 'x') || n >= sizeof window) return;
    if (slash < n)
        snprintf(stride, sizeof stride, " / %.*s", (int)(n - slash - 1), detail + slash + 1);
    snprintf(window, sizeof window, "%.*s", (int)(slash < n ? slash : n), detail);
    const bool valid = starts_with(detail + n, " valid") && strcmp(window, "1x1") != 0;
    size_t length = strlen(text);
    snprintf(text + length, BOX_TEXT - length, "%s%s%s", window, stride, valid ? " valid" : "");
    if (!groups) return;
    length = strlen(text);
    snprintf(text + length, BOX_TEXT - length, ", %.*s segments", (int)strcspn(groups + 7, ", "),
             groups + 7);
}

static void main_words(const xc_layer *layer, char *text)
{
    static const struct {
        const char *kind, *word;
    } words[] = {{"SepConv", "SeparableConv"},
                 {"DepthwiseConv", "Depthwise"},
                 {"GroupedConv", "Conv"},
                 {"GlobalAvgPool", "Global average"},
                 {"GlobalMaxPool", "Global maximum"}};
    const char *word = layer->kind;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].kind, layer->kind) == 0) word = words[i].word;
    const enum box_kind kind = kind_of(layer->kind);
    if (kind == BOX_INPUT) {
        snprintf(text, BOX_TEXT, "%" PRIu32 " × %" PRIu32 " × %" PRIu32, layer->height,
                 layer->width, layer->channels);
    } else if (kind == BOX_CONV || kind == BOX_SEPARABLE) {
        snprintf(text, BOX_TEXT, "%s %" PRIu32 ", ", word, layer->channels);
        window_words(layer->detail, text);
    } else if (kind == BOX_DENSE) {
        snprintf(text, BOX_TEXT, "%s %" PRIu32, word, layer->channels);
    } else {
        snprintf(text, BOX_TEXT, "%s%s", word, kind == BOX_POOL && *layer->detail ? " " : "");
        if (kind == BOX_POOL) window_words(layer->detail, text);
    }
}

/* What a convolution or dense layer applies itself: "3x3 same, ReLU", "Softmax". */
static const char *own_activation(const xc_layer *layer)
{
    const char *comma = strrchr(layer->detail, ',');
    if (strcmp(layer->kind, "Dense") == 0) return layer->detail;
    return comma && comma[1] == ' ' ? comma + 2 : "";
}

/* ---- items to boxes -------------------------------------------------------------------------- */

static void open_box(struct diagram *d, struct item *it)
{
    struct box *b = &d->box[d->boxes];
    it->box = d->boxes++;
    b->kind = kind_of(it->layer.kind);
    snprintf(b->name, sizeof b->name, "%s", it->layer.name);
    main_words(&it->layer, b->line[1]);
    if (*own_activation(&it->layer)) append(b->line[2], own_activation(&it->layer));
}

static void close_item(struct diagram *d, const struct item *it, int self)
{
    struct box *b = &d->box[it->box];
    b->end = (uint32_t)self;
    b->params += it->layer.params;
    b->height = it->layer.height;
    b->width = it->layer.width;
    b->channels = it->layer.channels;
    if (it->role == NORM && strcmp(it->layer.kind, "BatchNorm") == 0) b->norm = true;
}

static void place_items(struct diagram *d, struct item *item, int count)
{
    for (int i = 0; i < count; i++) item[i].box = -1;
    for (int i = 0; i < count; i++) {
        struct item *it = &item[i];
        if (leads(item, i)) continue;
        if (follows(item, i)) {
            it->box = item[it->input[0]].box;
            if (it->role == ACT) append(d->box[it->box].line[2], it->layer.kind);
        } else {
            open_box(d, it);
        }
        close_item(d, it, i);
        if (it->inputs == 1 && leads(item, it->input[0])) {
            append(d->box[it->box].line[0], item[it->input[0]].layer.kind);
            item[it->input[0]].box = it->box;
        }
    }
}

static void join_boxes(struct diagram *d, const struct item *item, int count)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < item[i].inputs; k++) {
            struct box *b = &d->box[item[i].box];
            const int from = item[item[i].input[k]].box;
            if (from < 0 || from == item[i].box || b->inputs == BOX_INPUTS) continue;
            b->input[b->inputs++] = from;
            d->box[from].readers++;
        }
    }
}

static enum role role_of(const char *kind)
{
    if (is_one_of(kind, "BatchNorm Affine")) return NORM;
    return is_one_of(kind, "ReLU ELU Sigmoid Clip Tanh Linear Softmax Dropout") ? ACT : MAIN;
}

/* "BN" in the box, unless that goes for all of them. */
static void say_norm(struct diagram *d)
{
    int with = 0, without = 0;
    for (int i = 0; i < d->boxes; i++) {
        const bool conv = d->box[i].kind == BOX_CONV || d->box[i].kind == BOX_SEPARABLE;
        with += conv && d->box[i].norm;
        without += conv && !d->box[i].norm;
    }
    d->all_norm = with > 0 && without == 0;
    for (int i = 0; i < d->boxes && !d->all_norm; i++) {
        struct box *b = &d->box[i];
        char after[BOX_TEXT];
        if (!b->norm) continue;
        memcpy(after, b->line[2], sizeof after);
        snprintf(b->line[2], BOX_TEXT, "BN%s%.50s", *after ? ", " : "", after);
    }
}

bool boxes_make(struct diagram *d, const xc_model *model)
{
    const xc_model_info *info = xc_model_get_info(model);
    const int count = (int)info->layers;
    struct item *item = calloc((size_t)count + 1, sizeof *item);
    d->box = calloc((size_t)count + 1, sizeof *d->box);
    d->box_of = calloc((size_t)count + 1, sizeof *d->box_of);
    bool good = item && d->box && d->box_of;
    for (int i = 0; good && i < count; i++) {
        good = xc_model_layer(model, (uint32_t)i, &item[i].layer) == XC_OK;
        if (!good) break;
        item[i].role = role_of(item[i].layer.kind);
        read_inputs(item, i);
    }
    if (good) {
        place_items(d, item, count);
        join_boxes(d, item, count);
        say_norm(d);
        for (int i = 0; i < count; i++) d->box_of[i] = item[i].box;
        d->layers = info->layers;
        d->params = info->params;
        d->macs = info->macs;
        d->height = info->height;
        d->width = info->width;
        d->channels = info->channels;
    }
    free(item);
    return good;
}
