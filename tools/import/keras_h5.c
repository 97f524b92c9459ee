/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a legacy Keras file name its weights? Attribute layer_names lists groups in file order;
 * each group's weight_names lists its datasets, as paths below the group. Those paths are followed,
 * never guessed: Keras 1 has "convolution2d_1_W:0" directly in the group, Keras 2.0.5
 * "conv2d_1_1/kernel:0" (TensorFlow made the scope unique, so that it is not the layer's name),
 * Keras 3 "conv2d_1/kernel". Hence LAYER is the entry of layer_names, unless the entry is a nested
 * model, which shows by several folders among its weight_names: then LAYER is the folder.
 */
#include <jansson.h>
#include <string.h>

#include "keras.h"
#include "weight/foreign.h"

static const char *const ROOTS[] = {"/", "/model_weights"};

/* The group that holds layer_names, or NULL. The attribute may be split (layer_names0). */
static const char *find_root(struct h5 *h5)
{
    for (size_t i = 0; i < sizeof ROOTS / sizeof *ROOTS; i++) {
        if (i > 0 && !h5_find(h5, ROOTS[i])) continue;
        if (h5_has_attribute(h5, ROOTS[i], "layer_names") ||
            h5_has_attribute(h5, ROOTS[i], "layer_names0"))
            return ROOTS[i];
    }
    return NULL;
}

bool keras_h5_is(struct h5 *h5)
{
    return find_root(h5) != NULL;
}

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static bool is_nested(const struct h5_texts *weights)
{
    size_t first = folder_length(weights->at[0]);
    for (size_t i = 1; i < weights->count; i++)
        if (folder_length(weights->at[i]) != first ||
            strncmp(weights->at[i], weights->at[0], first) != 0)
            return true;
    return false;
}

/* "conv2d_1_1/kernel:0" -> "kernel"; "convolution2d_1_W:0" and "block1_conv1_W_1:0" -> "kernel" */
static const char *weight_word(struct arena *arena, const char *path, const char *layer)
{
    static const char *const KERAS_1[][2] = {{"W", "kernel"},
                                             {"b", "bias"},
                                             {"running_mean", "moving_mean"},
                                             {"running_std", "moving_variance"}};
    const char *slash = strrchr(path, '/');
    char *word = arena_strdup(arena, slash ? slash + 1 : path);
    if (!word) return NULL;
    char *colon = strrchr(word, ':');
    if (colon && colon[1] && colon[1 + strspn(colon + 1, "0123456789")] == '\0') *colon = '\0';
    size_t prefix = strlen(layer);
    if (strncmp(word, layer, prefix) == 0 && word[prefix] == '_' && word[prefix + 1])
        word += prefix + 1;
    for (size_t i = 0; i < sizeof KERAS_1 / sizeof *KERAS_1; i++) {
        const size_t length = strlen(KERAS_1[i][0]);
        const char *rest = word + length; /* nothing, or "_1" */
        if (strncmp(word, KERAS_1[i][0], length) != 0) continue;
        if (!*rest || (*rest == '_' && rest[1] && !rest[1 + strspn(rest + 1, "0123456789")]))
            return KERAS_1[i][1];
    }
    return word;
}

/* The last folder above the weight */
static const char *inner_layer(struct arena *arena, const char *path, const char *entry)
{
    size_t length = folder_length(path);
    if (length == 0) return entry;
    char *folder = arena_strdup(arena, path);
    if (!folder) return NULL;
    folder[length] = '\0';
    const char *slash = strrchr(folder, '/');
    return slash ? slash + 1 : folder;
}

static const char *tensor_name(struct import *im, const char *entry, const char *path, bool nested)
{
    const char *layer = nested ? inner_layer(&im->arena, path, entry) : entry;
    const char *word = layer ? weight_word(&im->arena, path, layer) : NULL;
    const char *name = word ? arena_printf(&im->arena, "%s/%s", layer, word) : NULL;
    if (!name || !import_has(im, name)) return name;
    int folder = (int)folder_length(path);
    return arena_printf(&im->arena, "%s/%.*s/%s", entry, folder, path, word);
}

static xc_status import_layer(struct import *im, struct h5 *h5, const char *root, const char *entry,
                              struct error *err)
{
    const char *slash = root[1] ? "/" : "";
    const char *group = arena_printf(&im->arena, "%s%s%s", root, slash, entry);
    if (!group) return fail_memory(err, strlen(entry));
    const struct h5_node *node = h5_find(h5, group);
    if (!node || !node->is_group)
        return fail(err, XC_ERR_FORMAT, "layer_names lists %s, which is no group", entry);
    struct h5_texts weights;
    TRY(h5_texts(h5, group, "weight_names", &weights, err));
    if (!weights.found) return fail(err, XC_ERR_FORMAT, "%s: no attribute weight_names", group);
    bool nested = weights.count > 0 && is_nested(&weights);
    for (size_t i = 0; i < weights.count; i++) {
        const char *path = arena_printf(&im->arena, "%s/%s", group, weights.at[i]);
        const char *name = tensor_name(im, entry, weights.at[i], nested);
        if (!path || !name) return fail_memory(err, strlen(weights.at[i]));
        TRY(h5_tensor(h5, path, name, im, err));
    }
    return XC_OK;
}

static xc_status put_layer_names(struct import *im, const struct h5_texts *layers,
                                 struct error *err)
{
    json_t *list = json_array();
    xc_status status = XC_OK;
    for (size_t i = 0; status == XC_OK && i < layers->count; i++)
        if (json_array_append_new(list, json_string(layers->at[i])) != 0)
            status = fail(err, XC_ERR_FORMAT, "a layer name is not UTF-8");
    char *text = status == XC_OK ? json_dumps(list, JSON_COMPACT) : NULL;
    if (status == XC_OK && !text) status = fail_memory(err, layers->count);
    if (text) status = import_meta(im, FOREIGN_LAYER_NAMES, text, err);
    free(text);
    json_decref(list);
    return status;
}

xc_status keras_h5_import(struct import *im, struct h5 *h5, struct error *err)
{
    const char *root = find_root(h5), *config, *version;
    struct h5_texts layers;
    TRY(h5_texts(h5, root, "layer_names", &layers, err));
    TRY(h5_text(h5, "/", "model_config", &config, err));
    TRY(h5_text(h5, root, "keras_version", &version, err));
    if (!version) TRY(h5_text(h5, "/", "keras_version", &version, err));
    TRY(import_meta(im, FOREIGN_FORMAT, FOREIGN_KERAS_H5, err));
    TRY(import_meta(im, FOREIGN_CONFIG, config, err));
    TRY(import_meta(im, FOREIGN_VERSION, version, err));
    TRY(put_layer_names(im, &layers, err));
    for (size_t i = 0; i < layers.count; i++) TRY(import_layer(im, h5, root, layers.at[i], err));
    return XC_OK;
}
