/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does .weights.h5 name its weights? By place: "/layers/conv2d_2/vars/0", where conv2d_2 is the
 * snake-case class with a count and NOT the layer's name; that may stand in the attribute `name` of
 * vars. HDF5 lists by name ("conv2d_10" before "conv2d_2"), so the order of the file is taken from
 * the addresses, which grow as Keras writes.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "keras.h"
#include "weight/foreign.h"

/* State of training, at the root */
static bool is_skipped(const char *path)
{
    static const char *const SKIPPED[] = {"/optimizer/", "/metrics/"};
    for (size_t i = 0; i < sizeof SKIPPED / sizeof *SKIPPED; i++)
        if (strncmp(path, SKIPPED[i], strlen(SKIPPED[i])) == 0) return true;
    return false;
}

static bool ends_with(const char *text, const char *tail)
{
    size_t length = strlen(text), t = strlen(tail);
    return length >= t && strcmp(text + length - t, tail) == 0;
}

bool keras_v3_is(struct h5 *h5)
{
    size_t count;
    const struct h5_node *node = h5_nodes(h5, &count);
    for (size_t i = 0; i < count; i++)
        if (node[i].is_group && ends_with(node[i].path, "/vars")) return true;
    return false;
}

/* "/layers/a/vars" -> "layers/a"; 2.13's word for layers is replaced on the way. */
static char *plain_path(struct arena *arena, const char *path)
{
    static const char OLD[] = "_layer_checkpoint_dependencies";
    char *out = arena_push(arena, strlen(path) + 1, 1), *end = out;
    while (out && *path) {
        path += *path == '/';
        size_t length = strcspn(path, "/");
        bool is_old = length == strlen(OLD) && strncmp(path, OLD, length) == 0;
        bool is_vars = length == 4 && strncmp(path, "vars", length) == 0;
        const char *part = is_old ? "layers" : path;
        size_t kept = is_old ? strlen("layers") : is_vars ? 0 : length;
        if (kept && end > out) *end++ = '/';
        memcpy(end, part, kept);
        end += kept;
        path += length;
    }
    return out;
}

static int by_address(const void *a, const void *b)
{
    const struct h5_node *const *x = a, *const *y = b;
    if ((*x)->address != (*y)->address) return (*x)->address < (*y)->address ? -1 : 1;
    return strcmp((*x)->path, (*y)->path);
}

static xc_status import_sorted(struct import *im, struct h5 *h5, const struct h5_node **sorted,
                               struct error *err)
{
    size_t count, found = 0;
    const struct h5_node *node = h5_nodes(h5, &count);
    for (size_t i = 0; i < count; i++)
        if (!node[i].is_group && !is_skipped(node[i].path)) sorted[found++] = &node[i];
    qsort(sorted, found, sizeof(struct h5_node *), by_address);
    for (size_t i = 0; i < found; i++) {
        const char *name = plain_path(&im->arena, sorted[i]->path);
        if (!name) return fail_memory(err, strlen(sorted[i]->path));
        TRY(h5_tensor(h5, sorted[i]->path, name, im, err));
    }
    return XC_OK;
}

static xc_status put_names(json_t *names, struct import *im, struct h5 *h5, struct error *err)
{
    size_t count;
    const struct h5_node *node = h5_nodes(h5, &count);
    for (size_t i = 0; i < count; i++) {
        if (!node[i].is_group || !ends_with(node[i].path, "/vars") || is_skipped(node[i].path))
            continue;
        const char *name, *path = plain_path(&im->arena, node[i].path);
        if (!path) return fail_memory(err, strlen(node[i].path));
        TRY(h5_text(h5, node[i].path, "name", &name, err));
        if (name && json_object_set_new(names, path, json_string(name)) != 0)
            return fail(err, XC_ERR_FORMAT, "%s: the name is not UTF-8", path);
    }
    return XC_OK;
}

static xc_status import_names(struct import *im, struct h5 *h5, struct error *err)
{
    json_t *names = json_object();
    xc_status status = names ? put_names(names, im, h5, err) : fail_memory(err, 1);
    char *text = status == XC_OK ? json_dumps(names, JSON_COMPACT) : NULL;
    if (status == XC_OK && !text) status = fail_memory(err, 1);
    if (text) status = import_meta(im, FOREIGN_VAR_NAMES, text, err);
    free(text);
    json_decref(names);
    return status;
}

xc_status keras_v3_import(struct import *im, struct h5 *h5, struct error *err)
{
    size_t count;
    (void)h5_nodes(h5, &count);
    TRY(import_meta(im, FOREIGN_FORMAT, FOREIGN_KERAS_V3, err));
    TRY(import_names(im, h5, err));
    const struct h5_node **sorted = arena_push(&im->arena, count, sizeof *sorted);
    if (!sorted) return fail_memory(err, count);
    return import_sorted(im, h5, sorted, err);
}
