/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three ways to find the tensor of a parameter: the config says its name, a table of names does
 * (names.h), or the order of the file. Plus the report of what was found. What the numbers of a
 * found tensor are is in foreign_copy.c.
 */
#include "foreign/foreign_map.h"

#include <stdio.h>
#include <string.h>

xc_status foreign_map_new(const struct weight_file *file, const struct graph *graph, bool torch,
                          struct arena *a, struct foreign_map *out, struct error *err)
{
    size_t params = (size_t)graph->param.count, tensors = (size_t)file->tensors;
    *out = (struct foreign_map){.file = file,
                                .graph = graph,
                                .torch = torch,
                                .from = arena_push(a, params, sizeof *out->from),
                                .users = arena_push(a, tensors, sizeof *out->users),
                                .missing = graph->param.count,
                                .how = ""};
    return out->from && out->users ? XC_OK : fail_memory(err, params * sizeof *out->from);
}

static void set(struct foreign_map *map, int param, struct foreign_source source)
{
    struct foreign_source *old = &map->from[param];
    bool had = old->tensor || old->constant, has = source.tensor || source.constant;
    map->missing += (int)had - (int)has;
    if (old->tensor) map->users[old->tensor - map->file->tensor]--;
    if (source.tensor) map->users[source.tensor - map->file->tensor]++;
    map->named += (int)(source.tensor != NULL) - (int)(old->tensor != NULL);
    *old = source;
}

/* ---- by the config --------------------------------------------------------------------------- */

static const struct weight_tensor *find(const struct foreign_map *map,
                                        const struct keras_layer *layer, int index,
                                        enum param_role role)
{
    const struct weight_tensor *t = keras_find(map->file, layer, index, param_role_name(role));
    return t || role != PARAM_DEPTHWISE ? t : keras_find(map->file, layer, index, "kernel");
}

/* The word for the second kernel of a separable convolution, which is not a role of its own. */
static const struct weight_tensor *find_kernel(const struct foreign_map *map,
                                               const struct keras_layer *layer, int index)
{
    const struct weight_tensor *t = keras_find(map->file, layer, index, "kernel");
    return t ? t : keras_find(map->file, layer, index, "pointwise_kernel");
}

static struct foreign_source source_of(const struct foreign_map *map,
                                       const struct keras_layer *layer, enum param_role role,
                                       int *index)
{
    if (role == PARAM_GAMMA && layer->no_gamma) return (struct foreign_source){NULL, true, 1};
    if (role == PARAM_BETA && layer->no_beta) return (struct foreign_source){NULL, true, 0};
    int i = (*index)++;
    if (role == PARAM_KERNEL) return (struct foreign_source){.tensor = find_kernel(map, layer, i)};
    return (struct foreign_source){.tensor = find(map, layer, i, role)};
}

void foreign_map_by_config(struct foreign_map *map, const struct keras_config *config,
                           const int *node)
{
    map->how = "the names of its config";
    for (int l = 0; l < config->layers; l++) {
        const struct keras_layer *layer = &config->layer[l];
        int index = 0;
        for (int n = layer->node; n < layer->node + layer->nodes; n++)
            for (int p = 0; p < config->graph->node[n].params; p++) {
                int theirs = config->graph->node[n].param[p];
                int ours = map->graph->node[node[n]].param[p];
                enum param_role role = config->graph->param.at[theirs].role;
                set(map, ours, source_of(map, layer, role, &index));
            }
    }
}

/* ---- by a table of names --------------------------------------------------------------------- */

void foreign_map_by_names(struct foreign_map *map, enum names_scheme scheme)
{
    map->how = names_scheme_text(scheme);
    for (int i = 0; i < map->graph->param.count; i++) {
        char name[NAMES_SIZE];
        const struct weight_tensor *t = NULL;
        for (int k = 0; !t && names_of_param(scheme, map->graph, i, k, name); k++)
            t = weight_find(map->file, name);
        set(map, i, (struct foreign_source){.tensor = t});
    }
}

/* ---- by order -------------------------------------------------------------------------------- */

/* Counters (of steps, of batches) are whole numbers and nobody's parameters. */
static bool is_free(const struct foreign_map *map, const struct weight_tensor *t)
{
    return t->type != DTYPE_I64 && t->type != DTYPE_I32 && map->users[t - map->file->tensor] == 0;
}

/* What stands after the last slash, when it is a word of ours. */
static bool called_alike(const struct param *p, const struct weight_tensor *t)
{
    static const enum param_role roles[] = {PARAM_KERNEL,  PARAM_DEPTHWISE, PARAM_BIAS,
                                            PARAM_GAMMA,   PARAM_BETA,      PARAM_MEAN,
                                            PARAM_VARIANCE};
    const char *ours = strrchr(p->name, '/'), *theirs = strrchr(t->name, '/');
    if (!ours || !theirs || strcmp(ours, theirs) == 0) return true;
    if (strcmp(theirs, "/pointwise_kernel") == 0) return false;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(theirs + 1, param_role_name(roles[i])) == 0) return false;
    return true;
}

static const struct weight_tensor *next_free(const struct foreign_map *map, const struct param *p)
{
    for (int i = 0; i < map->file->tensors; i++)
        if (is_free(map, &map->file->tensor[i]) && called_alike(p, &map->file->tensor[i]))
            return &map->file->tensor[i];
    return NULL;
}

xc_status foreign_map_by_order(struct foreign_map *map, const int *order, int count,
                               struct error *err)
{
    int free_tensors = 0, named = map->named;
    for (int i = 0; i < map->file->tensors; i++)
        free_tensors += is_free(map, &map->file->tensor[i]);
    if (free_tensors != map->missing)
        return fail(err, XC_ERR_TENSOR, "%d tensors for %d parameters", free_tensors, map->missing);
    for (int i = 0; i < count; i++) {
        if (map->from[order[i]].tensor || map->from[order[i]].constant) continue;
        const struct weight_tensor *t = next_free(map, &map->graph->param.at[order[i]]);
        set(map, order[i], (struct foreign_source){.tensor = t});
    }
    map->ordered = map->named - named;
    map->named = named;
    return XC_OK;
}

/* ---- report ---------------------------------------------------------------------------------- */

struct text {
    char *at;
    size_t size, used;
};

/* Counts where there is no memory yet. */
static void line(struct text *text, const char *a, const char *b, const char *c, const char *d)
{
    char *at = text->at ? text->at + text->used : NULL;
    int n = snprintf(at, text->at ? text->size - text->used : 0, "%s%s%s%s\n", a, b, c, d);
    text->used += n > 0 ? (size_t)n : 0;
}

static void write_report(const struct foreign_map *map, const char *arch, struct text *text)
{
    for (int i = 0; i < map->graph->param.count; i++) {
        const struct weight_tensor *t = map->from[i].tensor;
        const char *name = map->graph->param.at[i].name;
        if (t) line(text, "mapped ", t->name, " -> ", name);
        if (!t) line(text, "filled with ", map->from[i].value == 0 ? "0" : "1", " -> ", name);
    }
    for (int i = 0; i < map->file->tensors; i++)
        if (map->users[i] == 0) line(text, "unused ", map->file->tensor[i].name, "", "");
    char count[32];
    snprintf(count, sizeof count, "%d", map->ordered);
    line(text, "as ", arch, ", mapped by ", map->how);
    if (map->ordered) line(text, "mapped by their order: ", count, " tensors", "");
}

const char *foreign_map_report(const struct foreign_map *map, const char *arch, struct arena *a)
{
    struct text text = {0};
    write_report(map, arch, &text);
    text.size = text.used + 1;
    text.used = 0;
    text.at = arena_push(a, text.size, 1);
    if (text.at) write_report(map, arch, &text);
    return text.at;
}
