/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands before and after the trunk of a network? One table gives the words of head=, the
 * names of the layers and what they take; reading, writing and building all go through it.
 *
 * A dense layer and its activation (dense:100:relu) are one layer of two nodes, `dense` and
 * `dense_relu`, as in Keras; dense:100/relu are two layers.
 */
#include "network/head.h"

#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "network/name.h"

enum kind { AVG, MAX, FLATTEN, DROPOUT, DENSE, BN, SOFTMAX, RELU, ELU, SIGMOID, TANH, WORDS };

static const struct {
    const char *word, *layer;
    struct activation act; /* rows from RELU on */
} table[WORDS] = {
    [AVG] = {"avg", "avg_pool", {ACT_NONE, 0, 0}},
    [MAX] = {"max", "max_pool", {ACT_NONE, 0, 0}},
    [FLATTEN] = {"flatten", "flatten", {ACT_NONE, 0, 0}},
    [DROPOUT] = {"dropout", "dropout", {ACT_NONE, 0, 0}},
    [DENSE] = {"dense", "dense", {ACT_NONE, 0, 0}},
    [BN] = {"bn", "batch_norm", {ACT_NONE, 0, 0}},
    [SOFTMAX] = {"softmax", "softmax", {ACT_NONE, 0, 0}},
    [RELU] = {"relu", "relu", {ACT_RELU, 0, 0}},
    [ELU] = {"elu", "elu", {ACT_ELU, 1, 0}},
    [SIGMOID] = {"sigmoid", "sigmoid", {ACT_SIGMOID, 0, 0}},
    [TANH] = {"tanh", "tanh", {ACT_TANH, 0, 0}},
};

static int find_word(const char *text)
{
    int i = 0;
    while (i < WORDS && strcmp(table[i].word, text) != 0) i++;
    return i;
}

/* ---- text that is put together --------------------------------------------------------------- */

struct text {
    char at[ARCH_TEXT_MAX];
    size_t used;
};

/* What does not fit is cut: opts_note refuses a string that long. */
static void append(struct text *t, const char *what)
{
    size_t length = strnlen(what, sizeof t->at - 1 - t->used);
    memcpy(t->at + t->used, what, length);
    t->used += length;
    t->at[t->used] = '\0';
}

static void append_number(struct text *t, const char *before, double value)
{
    char number[DECIMAL_SIZE];
    decimal_write(value, number);
    append(t, before);
    append(t, number);
}

/* The part of *rest up to a separator, copied; false when it is longer than any word here. */
static bool cut(const char **rest, char separator, char *out, size_t size)
{
    const char *end = strchrnul(*rest, separator);
    size_t length = (size_t)(end - *rest);
    if (length >= size) return false;
    memcpy(out, *rest, length);
    out[length] = '\0';
    *rest = *end ? end + 1 : NULL;
    return true;
}

/* ---- pre= ------------------------------------------------------------------------------------ */

/* "0.5" or "0.5+1+-3": how many numbers, 0 when text is none of that. */
static int read_factors(const char *text, double value[4])
{
    const double most = 1e9;
    for (int i = 0; i < 4; i++) {
        text = decimal_read(text, &value[i]);
        if (!text || value[i] > most || value[i] < -most) return 0;
        if (!*text) return i + 1;
        if (*text++ != '+') return 0;
    }
    return 0;
}

static void write_factors(struct text *t, const double *value, int count)
{
    append_number(t, ":", value[0]);
    for (int i = 1; i < count; i++) append_number(t, "+", value[i]);
}

static bool read_affine(const char *token, int c, struct pre_layer *p, struct text *t)
{
    char word[16], scale_text[192], shift_text[192];
    double scale[4], shift[4];
    if (!cut(&token, ':', word, sizeof word) || !token || strcmp(word, "affine") != 0) return false;
    if (!cut(&token, ':', scale_text, sizeof scale_text) || !token) return false;
    if (!cut(&token, ':', shift_text, sizeof shift_text) || token) return false;
    int scales = read_factors(scale_text, scale), shifts = read_factors(shift_text, shift);
    if ((scales != 1 && scales != c) || (shifts != 1 && shifts != c)) return false;
    p->channels = scales > shifts ? scales : shifts;
    for (int i = 0; i < p->channels; i++) {
        p->scale[i] = (float)scale[scales == 1 ? 0 : i];
        p->shift[i] = (float)shift[shifts == 1 ? 0 : i];
    }
    append(t, *t->at ? "/affine" : "affine");
    write_factors(t, scale, scales);
    write_factors(t, shift, shifts);
    return true;
}

static void take_pre(struct arch_opts *o, struct head *head)
{
    const char *rest = opts_text(o, "pre");
    struct text canonical = {"", 0};
    char token[512];
    if (!rest) return;
    while (rest) {
        bool fits = head->pres < HEAD_MAX_LAYERS && cut(&rest, '/', token, sizeof token) &&
                    read_affine(token, o->input.c, &head->pre[head->pres], &canonical);
        if (!fits) {
            opts_bad(o, "pre",
                     "expected affine:SCALE:SHIFT, up to %d of them joined by /; SCALE and SHIFT: "
                     "one number, or %d joined by +, one a channel",
                     HEAD_MAX_LAYERS, o->input.c);
            return;
        }
        head->pres++;
    }
    opts_note(o, "pre", canonical.at);
}

struct graph *head_open(const struct arch_opts *o, const struct head *head, int *x)
{
    struct graph *g = graph_new(o->input.h, o->input.w, o->input.c);
    *x = 0;
    for (int i = 0; g && i < head->pres; i++) {
        const struct pre_layer *p = &head->pre[i];
        *x = graph_affine(g, numbered("rescaling", i).text, *x, p->scale, p->shift, p->channels);
    }
    return g;
}

/* ---- head= ----------------------------------------------------------------------------------- */

static bool read_number(const char *text, double least, double most, double *out)
{
    const char *end = decimal_read(text, out);
    return end && !*end && *out >= least && *out <= most;
}

/* The arguments behind a word: those of `dropout:R`, `dense:N[:ACT]`, `bn[:EPSILON[:MOMENTUM]]`. */
static bool read_arguments(const char *rest, struct head_layer *l)
{
    char first[DECIMAL_SIZE] = "", second[DECIMAL_SIZE] = "";
    const char *end = first;
    if (rest && (!cut(&rest, ':', first, sizeof first) || !*first)) return false;
    if (rest && (!cut(&rest, ':', second, sizeof second) || !*second)) return false;
    if (rest) return false;
    switch (l->word) {
    case DROPOUT:
        return !*second && read_number(first, 0, 0.99, &l->value[0]);
    case DENSE:
        end = opts_read_int(first, 1, ARCH_MAX_CHANNELS, &l->units);
        l->act = *second ? find_word(second) : 0;
        return end && !*end && (!*second || (l->act >= SOFTMAX && l->act < WORDS));
    case BN:
        return (!*first || read_number(first, 0, 1, &l->value[0])) &&
               (!*second || read_number(second, 0, 1, &l->value[1]));
    default:
        return !*first;
    }
}

static bool read_layer(const char *token, const struct head *head, struct head_layer *l)
{
    char word[16];
    *l = (struct head_layer){.value = {head->norm.epsilon, head->norm.momentum}};
    if (!cut(&token, ':', word, sizeof word)) return false;
    l->word = find_word(word);
    return l->word < WORDS && read_arguments(token, l);
}

static void write_layer(struct text *t, const struct head *head, const struct head_layer *l)
{
    bool momentum = l->value[1] != head->norm.momentum;
    append(t, *t->at ? "/" : "");
    append(t, table[l->word].word);
    if (l->word == DROPOUT) append_number(t, ":", l->value[0]);
    if (l->word == DENSE) append(t, name(":%d%s", l->units, l->act ? ":" : "").text);
    if (l->word == DENSE && l->act) append(t, table[l->act].word);
    if (l->word != BN) return;
    if (momentum || l->value[0] != head->norm.epsilon) append_number(t, ":", l->value[0]);
    if (momentum) append_number(t, ":", l->value[1]);
}

static void take_layers(struct arch_opts *o, const char *rest, struct head *head)
{
    struct text canonical = {"", 0};
    char token[128] = "";
    if (strcmp(rest, "none") == 0) rest = NULL;
    while (rest) {
        struct head_layer *l = &head->layer[head->layers];
        if (head->layers == HEAD_MAX_LAYERS) {
            opts_bad(o, "head", "more than %d layers", HEAD_MAX_LAYERS);
            return;
        }
        if (!cut(&rest, '/', token, sizeof token) || !read_layer(token, head, l)) {
            opts_bad(o, "head",
                     "%.60s: expected avg, max, flatten, dropout:RATE, dense:UNITS[:ACT], "
                     "bn[:EPSILON[:MOMENTUM]], relu, elu, sigmoid, tanh or softmax, joined by /, "
                     "or none; RATE 0 to 0.99, UNITS 1 to %d",
                     token, ARCH_MAX_CHANNELS);
            return;
        }
        write_layer(&canonical, head, l);
        head->layers++;
    }
    opts_note(o, "head", head->layers ? canonical.at : "none");
}

static int last_dense(const struct head *head)
{
    int i = head->layers - 1;
    while (i >= 0 && head->layer[i].word != DENSE) i--;
    return i;
}

/* A softmax at the very end speaks for the last dense layer, if that has no activation. */
static bool is_prediction(const struct head *head, int i)
{
    int d = last_dense(head);
    return head->layer[i].word == SOFTMAX && i == head->layers - 1 && d >= 0 && !head->layer[d].act;
}

static struct name layer_name(const struct head *head, int i)
{
    int before = 0;
    if (i == last_dense(head)) return name("predictions");
    if (is_prediction(head, i)) return name("predictions_softmax");
    for (int j = 0; j < i; j++) before += head->layer[j].word == head->layer[i].word;
    return numbered(table[head->layer[i].word].layer, before);
}

static int activate(struct graph *g, const char *layer, int word, int x)
{
    return word == SOFTMAX ? graph_softmax(g, layer, x) : graph_act(g, layer, x, table[word].act);
}

static int dense(struct graph *g, const char *layer, int x, int units, int act)
{
    graph_layer(g, layer);
    x = graph_dense(g, layer, x, units, true);
    if (act) x = activate(g, name("%s_%s", layer, table[act].word).text, act, x);
    graph_layer(g, NULL);
    return x;
}

static int build_layer(struct graph *g, const struct head *head, int i, int x)
{
    const struct head_layer *l = &head->layer[i];
    const struct name n = layer_name(head, i);
    struct batch_norm_attr norm = head->norm;
    norm.epsilon = l->value[0];
    norm.momentum = l->value[1];
    switch (l->word) {
    case AVG:
        return graph_global_pool(g, n.text, x, POOL_AVERAGE);
    case MAX:
        return graph_global_pool(g, n.text, x, POOL_MAX);
    case FLATTEN:
        return graph_flatten(g, n.text, x);
    case DROPOUT:
        return graph_dropout(g, n.text, x, l->value[0]);
    case DENSE:
        return dense(g, n.text, x, l->units, l->act);
    case BN:
        return graph_batch_norm(g, n.text, x, norm);
    default:
        return activate(g, n.text, l->word, x);
    }
}

void head_close_custom(struct graph *g, const struct head *head, int x)
{
    for (int i = 0; i < head->layers; i++) x = build_layer(g, head, i, x);
    graph_output(g, "predictions", x);
}

/* ---- the usual end --------------------------------------------------------------------------- */

/* 0, UNITS, or UNITSxLAYERS. */
static void take_fc(struct arch_opts *o, struct head *head)
{
    const int units = head->fc_units, layers = head->fc_layers;
    const char *s = opts_text(o, "fc");
    char text[32];
    if (!s) return;
    head->fc_units = 0;
    head->fc_layers = strcmp(s, "0") != 0;
    if (!head->fc_layers) {
        if (layers) opts_note(o, "fc", "0");
        return;
    }
    s = opts_read_int(s, 1, ARCH_MAX_CHANNELS, &head->fc_units);
    if (s && *s == 'x') s = opts_read_int(s + 1, 1, 8, &head->fc_layers);
    if (!s || *s) {
        opts_bad(o, "fc",
                 "expected 0, UNITS or UNITSxLAYERS (4096x2), UNITS 1 to %d, LAYERS 1 to 8",
                 ARCH_MAX_CHANNELS);
        head->fc_layers = 0;
        return;
    }
    if (head->fc_units == units && head->fc_layers == layers) return;
    snprintf(text, sizeof text, "%dx%d", head->fc_units, head->fc_layers);
    opts_note(o, "fc", text);
}

static void refuse_own(struct arch_opts *o, unsigned knobs)
{
    static const char why[] = "head= replaces the end of the network that this knob is about";
    if (knobs & HEAD_FC) opts_refuse(o, "fc", why);
    if (knobs & HEAD_DROPOUT) opts_refuse(o, "dropout", why);
    if (knobs & HEAD_SOFTMAX) opts_refuse(o, "softmax", why);
    if (knobs & HEAD_SOFTMAX) opts_refuse(o, "sigmoid", why);
}

void head_take(struct arch_opts *o, const struct flavour *flavour, unsigned knobs,
               struct head *head)
{
    *head = (struct head){.norm = flavour->norm};
    take_pre(o, head);
    const char *layers = opts_text(o, "head");
    head->custom = layers != NULL;
    if (layers) {
        take_layers(o, layers, head);
        refuse_own(o, knobs);
        return;
    }
    head->flatten = (knobs & HEAD_FLATTEN) != 0;
    if (head->flatten) {
        head->fc_units = 4096;
        head->fc_layers = 2;
    }
    if (knobs & HEAD_FC) take_fc(o, head);
    if (knobs & HEAD_DROPOUT) head->dropout = opts_real(o, "dropout", 0, 0, 0.99);
    if (!(knobs & HEAD_SOFTMAX)) return;
    head->sigmoid = opts_switch(o, "sigmoid", false);
    if (!head->sigmoid)
        head->softmax = opts_switch(o, "softmax", !flavour->timm);
    else
        opts_refuse(o, "softmax", "sigmoid=on stands in its place");
}

void head_predict(struct graph *g, const struct head *head, int logits)
{
    if (head->softmax) logits = graph_softmax(g, "predictions_softmax", logits);
    if (head->sigmoid) logits = graph_act(g, "predictions_sigmoid", logits, table[SIGMOID].act);
    graph_output(g, "predictions", logits);
}

static int dropout(struct graph *g, const struct head *head, int before, int x)
{
    if (head->dropout <= 0) return x;
    return graph_dropout(g, numbered("dropout", before).text, x, head->dropout);
}

void head_close(struct graph *g, const struct head *head, int x, int classes)
{
    if (head->custom) {
        head_close_custom(g, head, x);
        return;
    }
    int dropouts = 0;
    x = head->flatten ? graph_flatten(g, "flatten", x)
                      : graph_global_pool(g, "avg_pool", x, POOL_AVERAGE);
    for (int i = 1; i <= head->fc_layers; i++) {
        x = dense(g, name("fc%d", i).text, x, head->fc_units, RELU);
        if (head->flatten) x = dropout(g, head, dropouts++, x);
    }
    if (!dropouts) x = dropout(g, head, 0, x);
    graph_layer(g, "predictions");
    x = graph_dense(g, "predictions", x, classes, true);
    head_predict(g, head, x);
    graph_layer(g, NULL);
}
