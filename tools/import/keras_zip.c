/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a .keras file? Three members: metadata.json (the version), config.json (the network),
 * model.weights.h5 (see keras_v3.c). Nothing in the configuration is ever carried out. */
#include <jansson.h>
#include <string.h>

#include "weight/foreign.h"
#include "archive.h"

enum { MAX_CONFIG = 8 << 20 };

/* Text of a member; NULL when there is none */
static xc_status read_text(struct archive *archive, struct import *im, const char *name,
                           const char **out, struct error *err)
{
    struct member member;
    *out = NULL;
    TRY(archive_read(archive, name, false, &member, err));
    if (!member.data) return XC_OK;
    if (member.size > MAX_CONFIG)
        return fail(err, XC_ERR_LIMIT, "%s has %zu bytes, the limit is %d", name, member.size,
                    MAX_CONFIG);
    char *text = arena_push(&im->arena, member.size + 1, 1);
    if (!text) return fail_memory(err, member.size);
    memcpy(text, member.data, member.size);
    if (strlen(text) != member.size) return fail(err, XC_ERR_FORMAT, "%s holds a NUL", name);
    *out = text;
    return XC_OK;
}

static xc_status put_version(struct import *im, const char *metadata, struct error *err)
{
    json_t *root = metadata ? json_loads(metadata, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *version = json_string_value(json_object_get(root, "keras_version"));
    xc_status status = import_meta(im, FOREIGN_VERSION, version, err);
    json_decref(root);
    return status;
}

static xc_status import_members(struct import *im, struct archive *archive, struct member *weights,
                                struct error *err)
{
    const char *metadata, *config;
    TRY(read_text(archive, im, "metadata.json", &metadata, err));
    TRY(read_text(archive, im, "config.json", &config, err));
    TRY(archive_read(archive, "model.weights.h5", false, weights, err));
    if (!weights->data)
        return fail(err, XC_ERR_UNSUPPORTED, "the .keras file has no model.weights.h5%s",
                    archive_has(archive, "model.weights.npz") ? ", only .npz" : "");
    TRY(put_version(im, metadata, err));
    return import_meta(im, FOREIGN_CONFIG, config, err);
}

xc_status import_keras_zip(struct import *im, const void *bytes, size_t size, struct error *err)
{
    struct archive *archive = NULL;
    struct member weights;
    TRY(archive_open(bytes, size, im, &archive, err));
    xc_status status = import_members(im, archive, &weights, err);
    archive_close(archive);
    return status == XC_OK ? import_hdf5(im, weights.data, weights.size, err) : status;
}
