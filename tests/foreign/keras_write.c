/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer a node, except that depthwise and pointwise of one layer with nothing between are a
 * SeparableConv2D. Layers are called as nodes are, with _ for /.
 */
#include "keras_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_layer(const struct graph *g, int i)
{
    return strcmp(g->node[i].layer, g->node[i + 1].layer) == 0;
}

/* Is node i the first half of a SeparableConv2D? */
static bool is_half(const struct graph *g, int i)
{
    return node_is_depthwise(&g->node[i]) && i + 1 < g->nodes && g->node[i + 1].kind == OP_CONV &&
           g->node[i + 1].input[0] == i && same_layer(g, i);
}

static void put_name(FILE *f, const char *name)
{
    fputc('"', f);
    for (; *name; name++) fputc(*name == '/' ? '_' : *name, f);
    fputc('"', f);
}

static void put_inputs(FILE *f, const struct graph *g, const struct node *n)
{
    bool list = n->inputs > 1;
    fputs("\"inbound_nodes\":[{\"args\":[", f);
    if (list) fputc('[', f);
    for (int i = 0; i < n->inputs; i++) {
        if (i) fputc(',', f);
        fputs("{\"class_name\":\"__keras_tensor__\",\"config\":{\"keras_history\":[", f);
        put_name(f, g->node[n->input[i]].name);
        fputs(",0,0]}}", f);
    }
    if (list) fputc(']', f);
    fputs("],\"kwargs\":{}}]", f);
}

static void put_window(FILE *f, int kh, int kw, int sy, int sx, struct padding pad, const char *key)
{
    fprintf(f, ",\"%s\":[%d,%d],\"strides\":[%d,%d],\"padding\":\"%s\"", key, kh, kw, sy, sx,
            pad.kind == PAD_SAME ? "same" : "valid");
}

static const char *act_word(struct activation a)
{
    static const char *const words[] = {
        [ACT_NONE] = "linear",     [ACT_RELU] = "relu",  [ACT_ELU] = "elu",
        [ACT_SIGMOID] = "sigmoid", [ACT_CLIP] = "relu6", [ACT_TANH] = "tanh"};
    return words[a.kind];
}

static void put_factors(FILE *f, const struct node *n)
{
    for (int i = 0; i < 2; i++) {
        const float *v = i ? n->affine.shift : n->affine.scale;
        fprintf(f, ",\"%s\":[", i ? "offset" : "scale");
        for (int c = 0; c < n->out.c; c++) fprintf(f, "%s%.9g", c ? "," : "", (double)v[c]);
        fputc(']', f);
    }
}

static const char *class_of(const struct graph *g, int i)
{
    const struct node *n = &g->node[i];
    bool max = n->kind == OP_POOL ? n->pool.kind == POOL_MAX : n->global == POOL_MAX;
    switch (n->kind) {
    case OP_CONV:
        if (i > 0 && n->input[0] == i - 1 && node_is_depthwise(&g->node[i - 1]) &&
            same_layer(g, i - 1))
            return "SeparableConv2D";
        return node_is_depthwise(n) ? "DepthwiseConv2D" : "Conv2D";
    case OP_POOL:
        return max ? "MaxPooling2D" : "AveragePooling2D";
    case OP_GLOBAL_POOL:
        return max ? "GlobalMaxPooling2D" : "GlobalAveragePooling2D";
    default: {
        static const char *const words[OP_COUNT] = {[OP_INPUT] = "InputLayer",
                                                    [OP_DENSE] = "Dense",
                                                    [OP_BATCH_NORM] = "BatchNormalization",
                                                    [OP_AFFINE] = "Rescaling",
                                                    [OP_ACT] = "Activation",
                                                    [OP_SOFTMAX] = "Softmax",
                                                    [OP_ADD] = "Add",
                                                    [OP_CONCAT] = "Concatenate",
                                                    [OP_FLATTEN] = "Flatten",
                                                    [OP_DROPOUT] = "Dropout"};
        return words[n->kind];
    }
    }
}

static void put_config(FILE *f, const struct graph *g, int i, const struct node *window)
{
    const struct node *n = &g->node[i];
    switch (n->kind) {
    case OP_INPUT:
        fprintf(f, ",\"batch_shape\":[null,%d,%d,%d]", n->out.h, n->out.w, n->out.c);
        break;
    case OP_CONV:
        put_window(f, window->conv.kh, window->conv.kw, window->conv.sy, window->conv.sx,
                   window->conv.pad, "kernel_size");
        fprintf(f, ",\"filters\":%d,\"use_bias\":%s", n->conv.oc, n->conv.bias ? "true" : "false");
        break;
    case OP_POOL:
        put_window(f, n->pool.kh, n->pool.kw, n->pool.sy, n->pool.sx, n->pool.pad, "pool_size");
        break;
    case OP_DENSE:
        fprintf(f, ",\"units\":%d", n->units);
        break;
    case OP_BATCH_NORM:
        fprintf(f, ",\"axis\":-1,\"epsilon\":%.9g,\"momentum\":%.9g", n->norm.epsilon,
                n->norm.momentum);
        break;
    case OP_AFFINE:
        put_factors(f, n);
        break;
    case OP_ACT:
        fprintf(f, ",\"activation\":\"%s\"", act_word(n->act));
        break;
    case OP_DROPOUT:
        fprintf(f, ",\"rate\":%.9g", n->dropout);
        break;
    default:
        break;
    }
}

static void put_layer(FILE *f, const struct graph *g, int i)
{
    const struct node *n = &g->node[i];
    bool separable = strcmp(class_of(g, i), "SeparableConv2D") == 0;
    const struct node *window = separable ? &g->node[i - 1] : n;
    fprintf(f, "%s{\"class_name\":\"%s\",\"config\":{\"name\":", i ? "," : "", class_of(g, i));
    put_name(f, n->name);
    put_config(f, g, i, window);
    fputs("},", f);
    put_inputs(f, g, separable ? window : n);
    fputc('}', f);
}

char *keras_write(const struct graph *g)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    fputs("{\"class_name\":\"Functional\",\"config\":{\"name\":\"net\",\"layers\":[", f);
    for (int i = 0; i < g->nodes; i++)
        if (!is_half(g, i)) put_layer(f, g, i);
    fputs("],\"input_layers\":[\"input\",0,0],\"output_layers\":[", f);
    put_name(f, g->node[g->output[0].node].name);
    fputs(",0,0]}}", f);
    fclose(f);
    return text;
}
