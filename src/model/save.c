/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a model become a file? Every parameter as F32 under its own name, in the order of the
 * table, and the metadata of meta.h; through a temporary file, so that a crash leaves the old file
 * or the new one.
 */
#include "model/meta.h"

static xc_status write_piece(void *user, const void *data, size_t size, struct error *err)
{
    return file_out_write(user, data, size, err);
}

static struct weight_tensor tensor_of(const struct param *p, const float *data)
{
    struct weight_tensor t = {.name = p->name,
                              .type = DTYPE_F32,
                              .rank = p->rank,
                              .count = p->count,
                              .bytes = p->count * sizeof *data,
                              .data = (const uint8_t *)data};
    for (int i = 0; i < p->rank; i++) t.dim[i] = (size_t)p->dim[i];
    return t;
}

static xc_status write_file(const struct weight_tensor *tensor, int tensors,
                            const struct weight_meta *meta, int metas, const char *path,
                            struct error *err)
{
    struct file_out out;
    TRY(file_out_open(path, &out, err));
    xc_status status = safetensors_write(tensor, tensors, meta, metas, write_piece, &out, err);
    if (status == XC_OK) status = file_out_commit(&out, err);
    if (status != XC_OK) file_out_abort(&out);
    return status;
}

/* The model's own words, with what the caller replaces. */
static xc_status replaced(const xc_model *model, const xc_save_opts *opts, struct model_meta *out,
                          struct error *err)
{
    *out = model->meta;
    if (opts->labels && opts->label_count != model->info.classes)
        return fail(err, XC_ERR_ARGUMENT, "%u labels for %u classes", opts->label_count,
                    model->info.classes);
    if (opts->labels) out->labels = opts->labels;
    if (opts->preprocess) out->preprocess = *opts->preprocess;
    if (opts->licence) out->licence = opts->licence;
    return XC_OK;
}

xc_status model_save(const xc_model *model, const char *path, const xc_save_opts *opts,
                     struct error *err)
{
    const struct param_table *table = &model->graph->param;
    struct arena a = {0};
    struct model_meta meta;
    struct weight_meta entry[META_KEYS];
    int entries = 0;
    if (!model->data)
        return fail(err, XC_ERR_ARGUMENT, "%s: the model has no weights to save", path);
    xc_status status = replaced(model, opts, &meta, err);
    if (status == XC_OK)
        status = meta_write(model->arch, model->info.classes, &meta, &a, entry, &entries, err);
    struct weight_tensor *tensor = arena_push(&a, (size_t)table->count, sizeof *tensor);
    if (status == XC_OK && !tensor) status = fail_memory(err, sizeof *tensor);
    if (status == XC_OK) {
        for (int i = 0; i < table->count; i++) tensor[i] = tensor_of(&table->at[i], model->data[i]);
        status = write_file(tensor, table->count, entry, entries, path, err);
    }
    arena_free(&a);
    return status;
}
