/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a model become a file? Every parameter as F32 (kernels in 16 bits if asked for) under
 * its own name, in the order of the table, or the arrays of a packed file; and the metadata of
 * meta.h. Through a temporary file, so that a crash leaves the old file or the new one.
 */
#include "model/packed.h"

#include <math.h>
#include <string.h>

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
    if (opts->label_count && !opts->labels)
        return fail(err, XC_ERR_ARGUMENT, "label_count is %u, labels is NULL", opts->label_count);
    if (opts->labels && opts->label_count != model->info.classes)
        return fail(err, XC_ERR_ARGUMENT, "%u labels for %u classes", opts->label_count,
                    model->info.classes);
    if (opts->labels) out->labels = opts->labels;
    if (opts->preprocess) out->preprocess = *opts->preprocess;
    const int channels = (int)model->info.channels;
    if (opts->preprocess && (channels == 1 || channels == 3))
        TRY(preprocess_fits(&out->preprocess, channels, err));
    if (opts->licence) out->licence = opts->licence;
    if (opts->decision) out->decision = *opts->decision;
    return XC_OK;
}

/* What is to be written, until it is. */
struct saving {
    struct arena arena;
    struct weights *weights; /* of a packed file */
    struct weight_tensor *tensor;
    int tensors, entries;
    struct weight_meta entry[META_KEYS];
};

static xc_status store_type(const char *word, enum dtype *out, struct error *err)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    static const char *const words[] = {"f32", "f16", "bf16"};
    *out = DTYPE_F32;
    for (int i = 0; word && i < 3; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *out = types[i];
        return XC_OK;
    }
    if (!word) return XC_OK;
    return fail(err, XC_ERR_ARGUMENT, "store \"%.20s\" is not one of f32, f16, bf16", word);
}

static xc_status narrow(struct weight_tensor *t, enum dtype type, struct arena *a,
                        struct error *err)
{
    const float *from = (const float *)t->data;
    uint16_t *to = arena_push(a, t->count, sizeof *to);
    if (!to) return fail_memory(err, t->count * sizeof *to);
    for (size_t i = 0; i < t->count; i++) {
        to[i] = type == DTYPE_F16 ? f16_from_f32(from[i]) : bf16_from_f32(from[i]);
        if (type == DTYPE_F16 && isinf(f32_from_f16(to[i])))
            return fail(err, XC_ERR_NUMBER, "%s: %g does not fit a half float, which ends at 65504",
                        t->name, (double)from[i]);
    }
    t->type = type;
    t->bytes = t->count * sizeof *to;
    t->data = (const uint8_t *)to;
    return XC_OK;
}

static xc_status list_parameters(struct saving *s, const xc_model *model, const char *store,
                                 struct error *err)
{
    enum dtype type;
    TRY(store_type(store, &type, err));
    const struct param_table *table = &model->graph->param;
    s->tensors = table->count;
    s->tensor = arena_push(&s->arena, (size_t)table->count, sizeof *s->tensor);
    if (!s->tensor) return fail_memory(err, (size_t)table->count * sizeof *s->tensor);
    for (int i = 0; i < table->count; i++) {
        s->tensor[i] = tensor_of(&table->at[i], model->data[i]);
        if (type != DTYPE_F32 && table->at[i].rank > 1)
            TRY(narrow(&s->tensor[i], type, &s->arena, err));
    }
    return XC_OK;
}

static xc_status list_arrays(struct saving *s, const xc_model *model, const xc_save_opts *opts,
                             struct model_meta *meta, struct error *err)
{
    struct kernels form;
    TRY(packed_form(model->machine, opts->pack, opts->precision, &form, err));
    if (opts->original && !meta_is_sha256(opts->original))
        return fail(err, XC_ERR_ARGUMENT, "original: not a SHA-256 in 64 hex digits");
    if (opts->original) meta->original = opts->original;
    meta->packing = packed_form_text(&form, &s->arena);
    if (!meta->packing) return fail_memory(err, sizeof form);
    return packed_tensors(model, &form, &s->arena, &s->weights, &s->tensor, &s->tensors, err);
}

static xc_status list(struct saving *s, const xc_model *model, const xc_save_opts *opts,
                      struct error *err)
{
    struct model_meta meta;
    TRY(replaced(model, opts, &meta, err));
    TRY(opts->pack ? list_arrays(s, model, opts, &meta, err)
                   : list_parameters(s, model, opts->store, err));
    return meta_write(model->arch, model->info.classes, &meta, &s->arena, s->entry, &s->entries,
                      err);
}

/* What goes with a packed file, or with one that is not. */
static xc_status check(const xc_save_opts *opts, struct error *err)
{
    if (opts->pack && opts->store)
        return fail(err, XC_ERR_ARGUMENT,
                    "store: not of a packed file (pack), which has precision");
    if (!opts->pack && opts->original)
        return fail(err, XC_ERR_ARGUMENT, "original: only a packed file (pack) has one");
    if (!opts->pack && opts->precision != XC_PRECISION_F32)
        return fail(err, XC_ERR_ARGUMENT,
                    "precision: only a packed file (pack) may be other than float32");
    return XC_OK;
}

xc_status model_save(const xc_model *model, const char *path, const xc_save_opts *opts,
                     struct error *err)
{
    struct saving s = {0};
    if (model->packed.block) return model_need_original(model, "saving and converting", err);
    TRY(check(opts, err));
    if (!model->data)
        return fail(err, XC_ERR_ARGUMENT, "%s: the model has no weights to save", path);
    xc_status status = list(&s, model, opts, err);
    if (status == XC_OK) status = write_file(s.tensor, s.tensors, s.entry, s.entries, path, err);
    weights_free(s.weights);
    arena_free(&s.arena);
    return status;
}
