/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which part of a network learns, and when? Nodes are in topological order and blocks follow each
 * other, so "everything up to here is frozen" is one number.
 */
#include "train/freeze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/arch.h"

/* ---- the head -------------------------------------------------------------------------------- */

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

bool head_has(const struct graph *g, int node)
{
    const int features = head_begin(g);
    int last = g->output[0].node;
    while (last > 0 && g->node[last].params == 0) last = g->node[last].input[0];
    return node < g->nodes && (features >= 0 ? node > features : node == last);
}

/* ---- the cut --------------------------------------------------------------------------------- */

/* By node: does output 0 depend on it? free() */
static bool *needed_by_output(const struct graph *g)
{
    bool *needed = calloc((size_t)g->nodes, sizeof *needed);
    if (!needed) return NULL;
    needed[g->output[0].node] = true;
    for (int i = g->output[0].node; i > 0; i--)
        for (int k = 0; needed[i] && k < g->node[i].inputs; k++) needed[g->node[i].input[k]] = true;
    return needed;
}

/* The inference plan folds batch norm into what stands before it, which then has no values of its
 * own. */
static bool is_folded(const struct graph *g, int node)
{
    const bool linear = g->node[node].kind == OP_CONV || g->node[node].kind == OP_DENSE;
    for (int i = node + 1; linear && i < g->nodes; i++)
        if (g->node[i].kind == OP_BATCH_NORM && g->node[i].input[0] == node) return true;
    return false;
}

static int earliest_input(const struct node *n, int earliest)
{
    for (int k = 0; k < n->inputs; k++)
        if (n->input[k] < earliest) earliest = n->input[k];
    return earliest;
}

/* Nodes 0 .. last are frozen. The latest of them behind which nothing needs what stands before it;
 * 0 when there is none but the picture. */
static int cut_at(const struct graph *g, const bool *needed, int last)
{
    int earliest = g->nodes;
    for (int i = g->output[0].node; i > 0; i--) {
        if (i <= last && needed[i] && earliest >= i && !is_folded(g, i)) return i;
        if (needed[i]) earliest = earliest_input(&g->node[i], earliest);
    }
    return 0;
}

bool freeze_leaves(const struct graph *g, int cut, int node)
{
    if (node < g->nodes) return node > cut;
    for (int k = 0; k < g->node[node].inputs; k++)
        if (!freeze_leaves(g, cut, g->node[node].input[k])) return false;
    return true;
}

static void copy_auxiliary(struct graph *tail, const struct graph *g, int cut, int *place)
{
    graph_begin_auxiliary(tail);
    for (int i = g->nodes; i < g->all; i++) {
        int input[NODE_MAX_INPUTS];
        for (int k = 0; k < g->node[i].inputs; k++) input[k] = place[g->node[i].input[k]];
        if (freeze_leaves(g, cut, i)) place[i] = graph_copy(tail, g, i, input);
    }
    for (int i = 0; i < g->auxiliaries; i++)
        if (freeze_leaves(g, cut, g->auxiliary[i].node))
            graph_auxiliary(tail, place[g->auxiliary[i].node], g->auxiliary[i].weight);
}

xc_status freeze_tail(const struct graph *g, int cut, struct graph **out, struct error *err)
{
    const struct shape s = g->node[cut].out;
    struct graph *tail = graph_new(s.h, s.w, s.c);
    bool *needed = needed_by_output(g);
    int *place = calloc((size_t)g->all, sizeof *place);
    *out = NULL;
    xc_status status = tail && needed && place ? XC_OK : fail_memory(err, sizeof *tail);
    for (int i = cut + 1; status == XC_OK && i <= g->output[0].node; i++) {
        int input[NODE_MAX_INPUTS];
        for (int k = 0; k < g->node[i].inputs; k++) input[k] = place[g->node[i].input[k]];
        if (needed[i]) place[i] = graph_copy(tail, g, i, input);
    }
    if (status == XC_OK) graph_output(tail, g->output[0].name, place[g->output[0].node]);
    if (status == XC_OK) copy_auxiliary(tail, g, cut, place);
    if (status == XC_OK) status = graph_finish(tail, err);
    free(needed);
    free(place);
    if (status == XC_OK)
        *out = tail;
    else
        graph_free(tail);
    return status;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* "block4" is block4_sepconv1_act .. block4_add. */
static bool belongs(const char *name, const char *word)
{
    const size_t length = strlen(word);
    return strncmp(name, word, length) == 0 &&
           (!name[length] || name[length] == '_' || name[length] == '/');
}

static int first_of(const struct graph *g, const char *word)
{
    for (int i = 1; i < g->nodes; i++)
        if (belongs(g->node[i].name, word)) return i;
    return -1;
}

static int last_of(const struct graph *g, const char *word)
{
    for (int i = g->nodes - 1; i > 0; i--)
        if (belongs(g->node[i].name, word)) return i;
    return -1;
}

static int count_items(const char *list)
{
    int items = 1;
    for (const char *p = list; *p; p++) items += *p == '/';
    return items;
}

/* The flows of an Xception by the numbers of their blocks. */
struct flow {
    const char *word;
    int first, last;
};
enum { STEM, ENTRY, MIDDLE, EXIT, FLOWS };

static void flows_of(const char *arch, struct flow flow[FLOWS])
{
    char text[128];
    arch_knob(arch, "entry", text, sizeof text);
    const int entry = 1 + (text[0] ? count_items(text) : 3);
    arch_knob(arch, "middle", text, sizeof text);
    const int middle = entry + (text[0] ? atoi(text) : 8);
    flow[STEM] = (struct flow){"stem", 1, 1};
    flow[ENTRY] = (struct flow){"entry", 2, entry};
    flow[MIDDLE] = (struct flow){"middle", entry + 1, middle};
    flow[EXIT] = (struct flow){"exit", middle + 1, middle + 2};
}

/* Gives the word of a flow the name of its first or last block; other words stay as they are. */
static xc_status name_block(const char *arch, const char *word, bool first, char name[],
                            size_t size, struct error *err)
{
    struct flow flow[FLOWS];
    flows_of(arch, flow);
    snprintf(name, size, "%s", word);
    for (int i = 0; i < FLOWS; i++) {
        if (strcmp(word, flow[i].word) != 0) continue;
        if (strncmp(arch, "xception,", 9) != 0 && strncmp(arch, "legacy-xception,", 16) != 0)
            return fail(err, XC_ERR_ARGUMENT,
                        "\"%s\" is a part of xception; name a block of this "
                        "network",
                        word);
        snprintf(name, size, "block%d", first ? flow[i].first : flow[i].last);
    }
    return XC_OK;
}

/* The last node that --freeze WORD freezes; -1: none. */
static xc_status last_frozen(const struct graph *g, const char *arch, const char *word, int *last,
                             struct error *err)
{
    char name[FREEZE_TEXT];
    *last = -1;
    if (strcmp(word, "none") == 0) return XC_OK;
    if (strcmp(word, "all-but-head") == 0) {
        *last = head_begin(g);
        if (*last >= 0) return XC_OK;
        return fail(err, XC_ERR_ARGUMENT,
                    "freeze: this network does not end in dense layers behind a mean of maps");
    }
    TRY(name_block(arch, word, false, name, sizeof name, err));
    *last = last_of(g, name);
    if (*last >= 0 && *last < g->output[0].node) return XC_OK;
    return fail(err, XC_ERR_ARGUMENT,
                "freeze: \"%s\" is neither none, stem, entry, middle, all-but-head nor a block "
                "before the last layer",
                word);
}

/* The last node that stays frozen when WORD and what is behind it learn; -1: none. */
static xc_status last_before(const struct graph *g, const char *arch, const char *word, int *last,
                             struct error *err)
{
    char name[FREEZE_TEXT];
    *last = -1;
    if (strcmp(word, "all") == 0) return XC_OK;
    TRY(name_block(arch, word, true, name, sizeof name, err));
    const int first = first_of(g, name);
    if (first > 0) {
        *last = first - 1;
        return XC_OK;
    }
    return fail(err, XC_ERR_ARGUMENT,
                "unfreeze: \"%s\" is neither all, entry, middle, exit nor a block of this network",
                word);
}

/* ---- phases ---------------------------------------------------------------------------------- */

static bool learns(const struct graph *g, int last)
{
    for (int i = 0; i <= last; i++)
        if (g->node[i].params > 0) return true;
    return false;
}

static void add_phase(const struct graph *g, const bool *needed, uint32_t epoch, int last,
                      struct phases *out)
{
    if (!learns(g, last)) last = -1; /* what is frozen has no numbers */
    const int cut = last > 0 ? cut_at(g, needed, last) : 0;
    out->at[out->count++] =
        (struct phase){.epoch = epoch, .last = last, .cut = learns(g, cut) ? cut : 0};
}

/* "BLOCK@EPOCH": both, and where the next one begins. */
static xc_status read_item(const char **list, char word[FREEZE_TEXT], int *epoch, struct error *err)
{
    const size_t length = strcspn(*list, ","), name = strcspn(*list, "@,");
    char *end = NULL;
    const long value = (*list)[name] == '@' ? strtol(*list + name + 1, &end, 10) : 0;
    if (!end || end != *list + length || name == 0 || name >= FREEZE_TEXT || value < 2 ||
        value > INT32_MAX)
        return fail(err, XC_ERR_ARGUMENT,
                    "unfreeze: \"%.*s\" is not BLOCK@EPOCH with an epoch of 2 or more",
                    (int)(length < FREEZE_TEXT ? length : FREEZE_TEXT), *list);
    memcpy(word, *list, name);
    word[name] = '\0';
    *epoch = (int)value;
    *list += length + ((*list)[length] == ',');
    return XC_OK;
}

static xc_status add_unfreezing(const struct graph *g, const char *arch, const struct freezing *f,
                                const bool *needed, struct phases *out, struct error *err)
{
    for (const char *list = f->unfreeze; *list;) {
        const struct phase *before = &out->at[out->count - 1];
        char word[FREEZE_TEXT];
        int epoch = 0, last;
        TRY(read_item(&list, word, &epoch, err));
        TRY(last_before(g, arch, word, &last, err));
        if (out->count == MAX_PHASES)
            return fail(err, XC_ERR_LIMIT, "unfreeze: more than %d times", MAX_PHASES - 1);
        if (epoch > f->epochs || (uint32_t)epoch - 1 <= before->epoch)
            return fail(err, XC_ERR_ARGUMENT,
                        "unfreeze: %s@%d does not come after epoch %u and before the end at %d",
                        word, epoch, before->epoch + 1, f->epochs);
        if (last >= before->last)
            return fail(err, XC_ERR_ARGUMENT, "unfreeze: %s learns before epoch %d already", word,
                        epoch);
        add_phase(g, needed, (uint32_t)epoch - 1, last, out);
    }
    return XC_OK;
}

xc_status freeze_phases(const struct graph *g, const char *arch, const struct freezing *f,
                        struct phases *out, struct error *err)
{
    int last;
    bool *needed = needed_by_output(g);
    *out = (struct phases){0};
    xc_status status = needed ? XC_OK : fail_memory(err, (size_t)g->nodes);
    if (status == XC_OK) status = last_frozen(g, arch, f->freeze, &last, err);
    if (status == XC_OK) {
        add_phase(g, needed, 0, last, out);
        status = add_unfreezing(g, arch, f, needed, out, err);
    }
    free(needed);
    return status;
}

int freeze_phase_of(const struct phases *p, uint32_t epoch)
{
    int i = p->count - 1;
    while (i > 0 && epoch < p->at[i].epoch) i--;
    return i;
}
