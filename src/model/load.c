/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does one of our model files become a model? The architecture string in the file says which
 * tensors there are, of which shape; the file can only agree or be refused, so it never sizes
 * memory. F32 tensors are used where they lie, other types are converted into the flat block. A
 * packed file has arrays instead of parameters (packed.c).
 */
#include "model/packed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* ---- is every tensor there, and nothing else? ------------------------------------------------ */

#define SHAPE_TEXT 128

static void shape_text(int rank, const size_t *dim, char out[SHAPE_TEXT])
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < rank && at < SHAPE_TEXT; i++) {
        int n = snprintf(out + at, SHAPE_TEXT - at, i ? "x%zu" : "%zu", dim[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    if (rank == 0) snprintf(out, SHAPE_TEXT, "()");
}

static xc_status check_shape(const struct param *p, const struct weight_tensor *t,
                             struct error *err)
{
    size_t dim[4] = {0};
    bool same = p->rank == t->rank;
    for (int i = 0; i < p->rank; i++) {
        dim[i] = (size_t)p->dim[i];
        same = same && dim[i] == t->dim[i];
    }
    if (same) return XC_OK;
    char got[SHAPE_TEXT], want[SHAPE_TEXT];
    shape_text(t->rank, t->dim, got);
    shape_text(p->rank, dim, want);
    return fail(err, XC_ERR_SHAPE, "%s: shape %s, expected %s", p->name, got, want);
}

static xc_status check_tensor(const struct param *p, const struct weight_file *file,
                              struct error *err)
{
    const struct weight_tensor *t = weight_find(file, p->name);
    if (!t) return fail(err, XC_ERR_TENSOR, "%s: the tensor is missing", p->name);
    TRY(check_shape(p, t, err));
    if (t->type == DTYPE_F32 || t->type == DTYPE_F16 || t->type == DTYPE_BF16 ||
        t->type == DTYPE_F64)
        return XC_OK;
    return fail(err, XC_ERR_TENSOR, "%s: type %s, expected F32, F16, BF16 or F64", p->name,
                dtype_name(t->type));
}

static xc_status check_tensors(const struct param_table *table, const struct weight_file *file,
                               struct error *err)
{
    for (int i = 0; i < table->count; i++) TRY(check_tensor(&table->at[i], file, err));
    for (int i = 0; file->tensors != table->count && i < file->tensors; i++)
        if (param_find(table, file->tensor[i].name) < 0)
            return fail(err, XC_ERR_TENSOR, "%s: the architecture has no such tensor",
                        file->tensor[i].name);
    return XC_OK;
}

/* ---- where do the numbers lie? --------------------------------------------------------------- */

static bool usable_in_place(const struct weight_tensor *t)
{
    return t->type == DTYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0;
}

static xc_status convert(const struct weight_tensor *t, float *out, struct error *err)
{
    const uint8_t *from = t->data;
    for (size_t i = 0; i < t->count; i++) {
        uint16_t half;
        double wide;
        if (t->type == DTYPE_F64) {
            memcpy(&wide, from + i * sizeof wide, sizeof wide);
            out[i] = (float)wide;
            if (isfinite(wide) && !isfinite(out[i]))
                return fail(err, XC_ERR_NUMBER, "%s: %g does not fit float32", t->name, wide);
        } else {
            memcpy(&half, from + i * sizeof half, sizeof half);
            out[i] = t->type == DTYPE_F16 ? f32_from_f16(half) : f32_from_bf16(half);
        }
    }
    return XC_OK;
}

static xc_status copy_numbers(xc_model *model, const struct weight_file *file, struct error *err)
{
    const struct param_table *table = &model->graph->param;
    TRY(model_make_block(model, err));
    for (int i = 0; i < table->count; i++) {
        const struct weight_tensor *t = weight_find(file, table->at[i].name);
        float *to = model->block + table->at[i].offset;
        if (t->type == DTYPE_F32)
            memcpy(to, t->data, t->bytes);
        else
            TRY(convert(t, to, err));
    }
    return XC_OK;
}

static xc_status point_at_numbers(xc_model *model, const struct weight_file *file,
                                  struct error *err)
{
    const struct param_table *table = &model->graph->param;
    const float **data = arena_push(&model->arena, (size_t)table->count, sizeof *data);
    if (!data) return fail_memory(err, sizeof *data);
    for (int i = 0; i < table->count; i++) {
        const struct weight_tensor *t = weight_find(file, table->at[i].name);
        if (!usable_in_place(t)) return copy_numbers(model, file, err);
        data[i] = (const float *)(const void *)t->data;
    }
    model->data = data;
    return XC_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static xc_status read_container(struct file_view view, struct weight_file *out, struct error *err)
{
    enum weight_format format = weight_probe(view.data, view.size);
    if (format != WEIGHT_SAFETENSORS && format != WEIGHT_UNKNOWN)
        return fail(err, XC_ERR_UNSUPPORTED,
                    "this is a file of another program (%s): import or convert it first",
                    weight_format_name(format));
    TRY(safetensors_read(view.data, view.size, out, err));
    if (meta_is_ours(out)) return XC_OK;
    weight_file_free(out);
    return fail(err, XC_ERR_UNSUPPORTED,
                "these safetensors are not one of our models: import or convert them first");
}

static xc_status fill(xc_model *model, const struct weight_file *file, struct error *err)
{
    TRY(meta_read(file, model->info.classes, &model->arena, &model->meta, err));
    if (model->meta.packing[0]) {
        TRY(packed_read(model, file, err));
    } else {
        TRY(check_tensors(&model->graph->param, file, err));
        TRY(point_at_numbers(model, file, err));
    }
    return model_ready(model, err);
}

xc_status model_from_file(const struct machine *m, const char *name, struct file_view view,
                          xc_model **out, struct error *err)
{
    struct weight_file file = {0};
    const char *arch = NULL;
    xc_model *model = NULL;
    xc_status status = read_container(view, &file, err);
    if (status == XC_OK) status = meta_architecture(&file, &arch, err);
    if (status == XC_OK) status = model_new(m, arch, NULL, &model, err);
    if (status == XC_OK) status = fill(model, &file, err);
    weight_file_free(&file);
    if (status == XC_OK) {
        model->file = view;
        *out = model;
    } else {
        if (err) text_printable(err->text); /* it may quote the file */
        error_prefix(err, name);
        model_unref(model);
    }
    return status;
}
