/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do foreign tensors become one of our models? Find the architecture (the file's own config,
 * the caller's string, or the names), map every parameter to a tensor, check all shapes, and only
 * then take memory and convert.
 *
 * Pixels are scaled once: when the network does it itself (a Rescaling layer, preprocess_input in
 * the graph: pre= in the architecture string), the recipe hands it bytes 0..255 as they are.
 */
#include "foreign/foreign_model.h"

#include <string.h>

#include "foreign/foreign_map.h"
#include "model/imagenet.h"
#include "foreign/keras_trunk.h"
#include "weight/foreign.h"

struct import {
    struct arena arena;
    struct weight_file file;
    struct keras_config config; /* graph NULL: the file has none */
    struct keras_match match;   /* architecture and graph, however found */
    enum names_scheme scheme;
    struct foreign_map map;
};

static void import_free(struct import *im)
{
    keras_config_free(&im->config);
    graph_free(im->match.graph);
    weight_file_free(&im->file);
    arena_free(&im->arena);
}

/* ---- which network --------------------------------------------------------------------------- */

static bool has_bare_norm(const struct keras_config *config)
{
    for (int i = 0; i < config->layers; i++)
        if (config->layer[i].no_gamma || config->layer[i].no_beta) return true;
    return false;
}

static xc_status find_by_config(struct import *im, const char *text, struct error *err)
{
    const size_t size = strlen(text);
    TRY(keras_config_read(text, size, &im->file, &im->config, err));
    xc_status status = keras_recognise(im->config.graph, &im->arena, &im->match, err);
    if (status != XC_ERR_UNSUPPORTED || !has_bare_norm(&im->config)) return status;
    keras_config_free(&im->config);
    TRY(keras_config_read_bare(text, size, &im->file, &im->config, err));
    return keras_recognise(im->config.graph, &im->arena, &im->match, err);
}

static xc_status find_by_names(struct import *im, const char *arch, struct error *err)
{
    static const struct arch_input own = {0};
    char guess[NAMES_SIZE];
    if (arch)
        im->scheme = names_scheme_of(&im->file);
    else
        TRY(names_recognise(&im->file, &im->scheme, guess, err));
    return arch_build(arch ? arch : guess, &own, &im->match.graph, &im->match.arch, err);
}

static bool is_torch(const struct import *im)
{
    const char *format = weight_meta_find(&im->file, FOREIGN_FORMAT);
    if (format) return strcmp(format, FOREIGN_TORCH) == 0;
    return names_scheme_is_torch(im->scheme);
}

/* ---- which tensors --------------------------------------------------------------------------- */

/* Our parameters in the order in which the file should have them. */
static int *order_of(struct import *im)
{
    const struct graph *ours = im->match.graph, *theirs = im->config.graph;
    int *order = arena_push(&im->arena, (size_t)ours->param.count, sizeof *order);
    int at = 0;
    for (int i = 0; order && !theirs && i < ours->param.count; i++) order[i] = i;
    for (int l = 0; order && theirs && l < im->config.layers; l++) {
        const struct keras_layer *layer = &im->config.layer[l];
        for (int n = layer->node; n < layer->node + layer->nodes; n++)
            for (int p = 0; p < theirs->node[n].params && at < ours->param.count; p++)
                order[at++] = ours->node[im->match.node[n]].param[p];
    }
    return order;
}

/* By name; what has another name in this file, by order. The sentence about a missing name stands
 * unless no name at all was found. */
static xc_status map_tensors(struct import *im, struct error *err)
{
    const struct graph *g = im->match.graph;
    struct error why = {XC_OK, ""};
    TRY(foreign_map_new(&im->file, g, is_torch(im), &im->arena, &im->map, err));
    if (im->config.graph)
        foreign_map_by_config(&im->map, &im->config, im->match.node);
    else
        foreign_map_by_names(&im->map, im->scheme);
    int *order = order_of(im);
    if (!order) return fail_memory(err, sizeof *order);
    xc_status status = XC_OK;
    if (im->map.missing && !im->map.torch)
        status = foreign_map_by_order(&im->map, order, g->param.count, &why);
    if (status != XC_OK && im->map.named == 0)
        return fail(err, status, "no tensor has a known name, and by order there are %s", why.text);
    return foreign_map_check(&im->map, err);
}

/* ---- the model ------------------------------------------------------------------------------- */

static xc_status copy_numbers(const struct import *im, xc_model *model, struct error *err)
{
    TRY(model_make_block(model, err));
    const struct param_table *table = &model->graph->param;
    for (int i = 0; i < table->count; i++)
        TRY(foreign_map_copy(&im->map, i, model->block + table->at[i].offset, err));
    return XC_OK;
}

/* Is this the top that ImageNet's thousand classes are published under? */
static bool is_published_top(const struct import *im, const xc_model *model)
{
    const struct keras_config *config = &im->config;
    if (model->info.classes != IMAGENET_CLASSES) return false;
    if (!config->graph) return im->map.named > 0;
    return strcmp(config->layer[config->layers - 1].name, "predictions") == 0;
}

static xc_status add_labels(xc_model *model, struct error *err)
{
    const char **label = arena_push(&model->arena, IMAGENET_CLASSES, sizeof *label);
    if (!label) return fail_memory(err, sizeof *label);
    for (uint32_t i = 0; i < IMAGENET_CLASSES; i++) label[i] = imagenet_label(i);
    model->meta.labels = label;
    return XC_OK;
}

static xc_status describe(const struct import *im, const char *source, xc_model *model,
                          struct error *err)
{
    const char *slash = strrchr(source, '/');
    model->meta.source = arena_strdup(&model->arena, slash ? slash + 1 : source);
    model->meta.report = foreign_map_report(&im->map, model->arch, &model->arena);
    if (!model->meta.source || !model->meta.report) return fail_memory(err, strlen(source));
    if (is_published_top(im, model)) TRY(add_labels(model, err));
    return model_ready(model, err);
}

xc_status model_from_foreign(const struct machine *m, const char *source, const char *arch,
                             struct file_view view, xc_model **out, struct error *err)
{
    struct import im = {0};
    xc_model *model = NULL;
    xc_status status = safetensors_read(view.data, view.size, &im.file, err);
    const char *config = status == XC_OK ? weight_meta_find(&im.file, FOREIGN_CONFIG) : NULL;
    if (status == XC_OK)
        status = config ? find_by_config(&im, config, err) : find_by_names(&im, arch, err);
    if (status == XC_OK && config && arch)
        status = fail(err, XC_ERR_ARGUMENT, "the file says its own architecture, not %s", arch);
    if (status == XC_OK) status = map_tensors(&im, err);
    if (status == XC_OK) status = model_new(m, im.match.arch, NULL, &model, err);
    if (status == XC_OK) status = copy_numbers(&im, model, err);
    if (status == XC_OK) status = describe(&im, source, model, err);
    import_free(&im);
    if (status == XC_OK) {
        file_release(&view);
        *out = model;
    } else {
        model_unref(model);
    }
    return status;
}
