/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a whole config become a graph? Layers are built as soon as what they read is there
 * (files list them in order, but nothing has to rely on it); a nested model is built in the place
 * where it stands, its layers under "MODEL/LAYER". Groups of weights in keras-v3 files are numbered
 * here, by class in the order of the list, as Keras does.
 */
#include "foreign/keras_config.h"

#include <stdio.h>
#include <string.h>

#include "foreign/keras_read.h"
#include "weight/json.h"

/* One layer of the model in work. */
struct slot {
    const json_t *json;
    json_t *config;
    const char *name, *class_name, *path;
    struct keras_operand in[KERAS_MAX_INPUTS];
    const struct slot *source[KERAS_MAX_INPUTS]; /* whose value in[i] is; NULL: a constant */
    int inputs;
    bool done;
    struct keras_value value;
};

struct model {
    const char *prefix, *path; /* of node names and of weights: "" and "layers/..." */
    struct slot *slot;
    int slots;
};

static struct keras_value read_model(struct keras_reader *r, const json_t *config,
                                     const char *prefix, const char *path,
                                     const struct keras_value *in);

/* ---- one layer ------------------------------------------------------------------------------- */

static void keep_layer(struct keras_reader *r, int node)
{
    struct keras_config *out = r->out;
    int params = 0;
    for (int i = node; i < r->graph->nodes; i++) params += r->graph->node[i].params;
    if (params == 0 || keras_failed(r)) return;
    if (out->layers == r->room) {
        int room = r->room ? 2 * r->room : 64;
        struct keras_layer *more = arena_push(&out->arena, (size_t)room, sizeof *more);
        if (!more) {
            r->err->status = fail_memory(r->err, sizeof *more);
            return;
        }
        if (r->room) memcpy(more, out->layer, (size_t)r->room * sizeof *more);
        out->layer = more;
        r->room = room;
    }
    const char *name = keras_text(r, "%s", r->name);
    bool nested = strcmp(r->name, r->node_name) != 0;
    const char *scoped = nested ? r->node_name : keras_text(r, "%s/%s", r->name, r->name);
    bool norm = r->graph->node[node].kind == OP_BATCH_NORM;
    out->layer[out->layers++] =
        (struct keras_layer){.name = name,
                             .scoped = scoped,
                             .path = r->path,
                             .node = node,
                             .nodes = r->graph->nodes - node,
                             .no_gamma = norm && !r->bare && !keras_bool(r, "scale", 1),
                             .no_beta = norm && !r->bare && !keras_bool(r, "center", 1)};
}

static void work_on(struct keras_reader *r, const struct model *m, const struct slot *s)
{
    r->name = s->name;
    r->class_name = s->class_name;
    r->node_name = keras_text(r, "%s%s", m->prefix, s->name);
    r->path = s->path;
    r->config = s->config;
    r->inputs = s->inputs;
}

static void read_slot(struct keras_reader *r, const struct model *m, struct slot *s)
{
    work_on(r, m, s);
    s->done = true;
    if (!keras_is_model(s->class_name)) {
        int node = r->graph->nodes;
        s->value = keras_layer_read(r, s->in);
        keep_layer(r, node);
        return;
    }
    if (s->inputs != 1 || !s->in[0].from) keras_refuse(r, "a model of one input is expected");
    if (r->depth == KERAS_MAX_DEPTH)
        keras_refuse(r, "more than %d models inside each other", KERAS_MAX_DEPTH);
    if (keras_failed(r)) return;
    r->depth++;
    s->value = read_model(r, s->config, keras_text(r, "%s/", r->node_name),
                          keras_text(r, "%s/layers", s->path), s->in[0].value);
    r->depth--;
}

/* ---- the layers of a model ------------------------------------------------------------------- */

static struct slot *find_slot(const struct model *m, const char *name)
{
    for (int i = 0; i < m->slots; i++)
        if (strcmp(m->slot[i].name, name) == 0) return &m->slot[i];
    return NULL;
}

/* "conv2d" for the first of a class, then "conv2d_1", ... */
static const char *group_path(struct keras_reader *r, const struct model *m, int i)
{
    int before = 0;
    for (int j = 0; j < i; j++) before += strcmp(m->slot[j].class_name, m->slot[i].class_name) == 0;
    const char *word = keras_snake_case(m->slot[i].class_name, &r->out->arena);
    if (before == 0) return keras_text(r, "%s/%s", m->path, word ? word : "");
    return keras_text(r, "%s/%s_%d", m->path, word ? word : "", before);
}

/* Class, name and config of every layer; names are unique in a model. */
static void list_layers(struct keras_reader *r, struct model *m, const json_t *list)
{
    for (int i = 0; i < m->slots && !keras_failed(r); i++) {
        struct slot *s = &m->slot[i];
        s->json = json_array_get(list, (size_t)i);
        s->config = json_object_get(s->json, "config");
        s->class_name = keras_name(json_object_get(s->json, "class_name"));
        s->name = keras_layer_name(s->json);
        if (!s->name && s->class_name && keras_is_model(s->class_name)) s->name = s->class_name;
        r->name = NULL;
        if (!s->name || !s->class_name || !s->config)
            keras_refuse(r, "layer %d has no name, class or config", i);
        else
            s->path = group_path(r, m, i);
    }
}

static bool is_input(const struct slot *s)
{
    return strcmp(s->class_name, "InputLayer") == 0;
}

/* Whom every layer reads: as written, or (Sequential) the layer before it. */
static void wire(struct keras_reader *r, struct model *m, bool sequential)
{
    for (int i = 0; i < m->slots && !keras_failed(r); i++) {
        struct slot *s = &m->slot[i];
        work_on(r, m, s);
        if (find_slot(m, s->name) != s) keras_refuse(r, "there is another layer of this name");
        if (is_input(s)) continue;
        if (!sequential) s->inputs = keras_inbound(r, s->json, s->in);
        for (int k = 0; k < s->inputs; k++) {
            struct slot *from = s->in[k].from ? find_slot(m, s->in[k].from) : NULL;
            s->source[k] = from;
            if (from)
                s->in[k].value = &from->value;
            else if (s->in[k].from)
                keras_refuse(r, "reads '%s', which is not there", s->in[k].from);
        }
    }
}

static bool ready(const struct slot *s)
{
    for (int k = 0; k < s->inputs; k++)
        if (s->source[k] && !s->source[k]->done) return false;
    return !s->done;
}

static void read_layers(struct keras_reader *r, struct model *m)
{
    bool progress = true;
    while (progress && !keras_failed(r)) {
        progress = false;
        for (int i = 0; i < m->slots && !keras_failed(r); i++) {
            if (!ready(&m->slot[i])) continue;
            read_slot(r, m, &m->slot[i]);
            progress = true;
        }
    }
    for (int i = 0; i < m->slots && !keras_failed(r); i++) {
        if (m->slot[i].done) continue;
        work_on(r, m, &m->slot[i]);
        keras_refuse(r, "reads itself, directly or over other layers");
    }
}

/* ---- models ---------------------------------------------------------------------------------- */

/* Gives the input to the layer that stands for it. */
static void set_input(struct slot *s, const struct keras_value *in)
{
    s->value = *in;
    s->done = true;
}

static struct keras_value read_sequential(struct keras_reader *r, struct model *m,
                                          const struct keras_value *in)
{
    struct keras_value value = *in;
    wire(r, m, true);
    for (int i = 0; i < m->slots && !keras_failed(r); i++) {
        struct slot *s = &m->slot[i];
        if (is_input(s) && i == 0) continue;
        s->in[0] =
            (struct keras_operand){.from = i ? m->slot[i - 1].name : "input", .value = &value};
        s->inputs = 1;
        read_slot(r, m, s);
        value = s->value;
    }
    return value;
}

static struct keras_value read_functional(struct keras_reader *r, struct model *m,
                                          const json_t *config, const struct keras_value *in)
{
    const char *first = keras_end(r, config, "input_layers");
    const char *last = keras_end(r, config, "output_layers");
    struct slot *input = first ? find_slot(m, first) : NULL;
    struct slot *output = last ? find_slot(m, last) : NULL;
    if (!input || !output) keras_refuse(r, "the model's input or output is not one of its layers");
    if (keras_failed(r)) return *in;
    wire(r, m, false);
    set_input(input, in);
    read_layers(r, m);
    return output->value;
}

static struct keras_value read_model(struct keras_reader *r, const json_t *config,
                                     const char *prefix, const char *path,
                                     const struct keras_value *in)
{
    const json_t *list = keras_layer_list(config);
    size_t count = json_array_size(list);
    if (count < 1 || count > (size_t)(KERAS_MAX_LAYERS - r->layers)) {
        keras_refuse(r, "%zu layers, expected 1..%d in all", count, KERAS_MAX_LAYERS);
        return *in;
    }
    r->layers += (int)count;
    struct slot *slot = arena_push(&r->out->arena, count, sizeof *slot);
    if (!slot && !keras_failed(r)) r->err->status = fail_memory(r->err, count * sizeof *slot);
    if (!slot) return *in;
    struct model m = {prefix, path, slot, (int)count};
    list_layers(r, &m, list);
    if (keras_failed(r)) return *in;
    r->name = NULL;
    if (json_object_get(config, "input_layers")) return read_functional(r, &m, config, in);
    return read_sequential(r, &m, in);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void read_top(struct keras_reader *r, const json_t *root)
{
    struct keras_config *out = r->out;
    const char *class_name = keras_name(json_object_get(root, "class_name"));
    int hwc[3] = {0};
    if (!class_name || !keras_is_model(class_name))
        keras_refuse(r, "'%s' is not a model this program knows", class_name ? class_name : "?");
    if (!keras_failed(r)) keras_input_shape(r, root, hwc);
    if (keras_failed(r)) return;
    out->any_size = hwc[0] == 0 || hwc[1] == 0;
    out->graph = graph_new(hwc[0] ? hwc[0] : KERAS_SIDE, hwc[1] ? hwc[1] : KERAS_SIDE, hwc[2]);
    if (!out->graph) {
        r->err->status = fail_memory(r->err, sizeof *out->graph);
        return;
    }
    r->graph = out->graph;
    r->err = &out->graph->err;
    const struct keras_value picture = {.node = 0};
    struct keras_value result =
        read_model(r, json_object_get(root, "config"), "", "layers", &picture);
    r->name = NULL;
    graph_output(r->graph, "logits", keras_plain(r, &result));
}

static xc_status read_config(const char *text, size_t size, const struct weight_file *file,
                             bool bare, struct keras_config *out, struct error *err)
{
    json_error_t where;
    json_t *root = json_modest(text, size, &where);
    *out = (struct keras_config){0};
    if (!root) return fail(err, XC_ERR_FORMAT, "model config: line %d: %s", where.line, where.text);
    struct error mistake = {XC_OK, ""};
    struct keras_reader r = {.out = out, .err = &mistake, .file = file, .bare = bare};
    read_top(&r, root);
    xc_status status = mistake.status;
    if (status != XC_OK)
        status = fail(err, status, "%s", mistake.text);
    else
        status = graph_finish(out->graph, err);
    json_decref(root);
    if (status != XC_OK) keras_config_free(out);
    return status;
}

xc_status keras_config_read(const char *text, size_t size, const struct weight_file *file,
                            struct keras_config *out, struct error *err)
{
    return read_config(text, size, file, false, out, err);
}

xc_status keras_config_read_bare(const char *text, size_t size, const struct weight_file *file,
                                 struct keras_config *out, struct error *err)
{
    return read_config(text, size, file, true, out, err);
}

void keras_config_free(struct keras_config *config)
{
    graph_free(config->graph);
    arena_free(&config->arena);
    *config = (struct keras_config){0};
}

/* ---- weights --------------------------------------------------------------------------------- */

const struct weight_tensor *keras_find(const struct weight_file *file,
                                       const struct keras_layer *layer, int index, const char *role)
{
    char name[KERAS_MAX_DEPTH * (KERAS_MAX_NAME + 32)];
    snprintf(name, sizeof name, "%s/%s", layer->scoped, role);
    const struct weight_tensor *t = weight_find(file, name);
    snprintf(name, sizeof name, "%s/%s", layer->name, role);
    if (!t) t = weight_find(file, name);
    snprintf(name, sizeof name, "%s/%d", layer->path, index);
    return t ? t : weight_find(file, name);
}
