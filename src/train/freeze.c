/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which part of a network learns? Nodes are in topological order and blocks follow each other, so
 * "everything up to here is frozen" is one number. The head as a network of its own is what trains
 * when all before it is frozen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/start.h"

/* ---- the head ----------------------------------------------------------------------------------
 */

static bool may_be_head(const struct node *n)
{
    return n->inputs == 1 &&
           (n->kind == OP_SOFTMAX || n->kind == OP_ACT || n->kind == OP_DROPOUT ||
            n->kind == OP_DENSE || n->kind == OP_BATCH_NORM || n->kind == OP_FLATTEN);
}

int head_begin(const struct graph *g)
{
    int i = g->output[0].node;
    bool dense = false;
    while (may_be_head(&g->node[i])) {
        dense = dense || g->node[i].kind == OP_DENSE;
        i = g->node[i].input[0];
    }
    return dense && g->node[i].kind == OP_GLOBAL_POOL ? i : -1;
}

static int copy_node(struct graph *to, const struct graph *g, const struct node *n, int x)
{
    switch (n->kind) {
    case OP_DENSE: {
        bool bias = false;
        for (int i = 0; i < n->params; i++)
            bias = bias || g->param.at[n->param[i]].role == PARAM_BIAS;
        return graph_dense(to, n->name, x, n->units, bias);
    }
    case OP_BATCH_NORM:
        return graph_batch_norm(to, n->name, x, n->norm);
    case OP_ACT:
        return graph_act(to, n->name, x, n->act);
    case OP_DROPOUT:
        return graph_dropout(to, n->name, x, n->dropout);
    case OP_FLATTEN:
        return graph_flatten(to, n->name, x);
    default:
        return graph_softmax(to, n->name, x);
    }
}

xc_status head_graph(const struct graph *g, int features, struct graph **out, struct error *err)
{
    const struct shape s = g->node[features].out;
    struct graph *head = graph_new(s.h, s.w, s.c);
    int x = 0;
    *out = NULL;
    if (!head) return fail_memory(err, sizeof *head);
    for (int i = features + 1; i <= g->output[0].node; i++) {
        graph_layer(head, g->node[i].layer);
        x = copy_node(head, g, &g->node[i], x);
    }
    graph_layer(head, NULL);
    graph_output(head, g->output[0].name, x);
    const xc_status status = graph_finish(head, err);
    if (status == XC_OK)
        *out = head;
    else
        graph_free(head);
    return status;
}

/* ---- words -------------------------------------------------------------------------------------
 */

/* The last node of a block or layer: "block4" is block4_sepconv1_act .. block4_add. */
static int last_of(const struct graph *g, const char *word)
{
    const size_t length = strlen(word);
    int last = -1;
    for (int i = 0; i < g->nodes; i++) {
        const char *name = g->node[i].name;
        if (strncmp(name, word, length) != 0) continue;
        if (!name[length] || name[length] == '_' || name[length] == '/') last = i;
    }
    return last;
}

static int count_items(const char *list)
{
    int items = 1;
    for (const char *p = list; *p; p++) items += *p == '/';
    return items;
}

/* The number of the last block of stem, entry and middle flow of an Xception; 0: no such word. */
static int flow_block(const char *arch, const char *word)
{
    char entry[128], middle[16];
    arch_knob(arch, "entry", entry, sizeof entry);
    arch_knob(arch, "middle", middle, sizeof middle);
    const int entries = 1 + (entry[0] ? count_items(entry) : 3);
    const int middles = middle[0] ? atoi(middle) : 8;
    if (strcmp(word, "stem") == 0) return 1;
    if (strcmp(word, "entry") == 0) return entries;
    return strcmp(word, "middle") == 0 ? entries + middles : 0;
}

xc_status frozen_until(const struct graph *g, const char *arch, const char *word, int *out,
                       struct error *err)
{
    char block[32];
    const bool flows = strncmp(arch, "xception,", 9) == 0;
    const int number = flow_block(arch, word);
    *out = -1;
    if (strcmp(word, "none") == 0) return XC_OK;
    if (strcmp(word, "all-but-head") == 0) {
        *out = head_begin(g);
        if (*out >= 0) return XC_OK;
        return fail(err, XC_ERR_ARGUMENT,
                    "freeze: this network does not end in dense layers behind a mean of maps");
    }
    if (number > 0 && !flows)
        return fail(err, XC_ERR_ARGUMENT,
                    "freeze: \"%s\" is a part of xception; name a block of this network", word);
    snprintf(block, sizeof block, "block%d", number);
    *out = last_of(g, number > 0 ? block : word);
    if (*out >= 0 && *out < g->output[0].node) return XC_OK;
    return fail(err, XC_ERR_ARGUMENT,
                "freeze: \"%s\" is neither none, stem, entry, middle, all-but-head nor a block "
                "before the last layer",
                word);
}
