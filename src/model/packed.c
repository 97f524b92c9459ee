/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which arrays are in a packed file, and does one fit its architecture? Written: the weights that
 * kernels of one level read, array by array. Read: the architecture says which arrays there are,
 * how large and in which order; the file can only agree or be refused.
 *
 * What surprises: the numbers are not looked at. Nothing of a packed file is in memory before a
 * kernel reads it, and a NaN in it gives answers that are NaN.
 */
#include "model/packed.h"

#include <stdio.h>
#include <string.h>

/* ---- forms ----------------------------------------------------------------------------------- */

/* What this processor may not have is not tried: products of pairs need no packing of their own. */
xc_status packed_form(const struct machine *m, const char *level, xc_precision precision,
                      struct kernels *out, struct error *err)
{
    unsigned flags;
    precision = machine_precision(m, precision);
    if (precision == XC_PRECISION_F64)
        return fail(err, XC_ERR_ARGUMENT, "precision: a packed file is float32 or bf16");
    *out = *machine_kernels(m, precision);
    if (!level[0]) return XC_OK;
    TRY(machine_level("pack", level, &flags, err));
    kernels_init(out, out->type, flags & ~(unsigned)CPU_BF16);
    return XC_OK;
}

/* One word when layers of all kinds are packed alike. */
const char *packed_form_text(const struct kernels *form, struct arena *a)
{
    const enum packing conv = form->conv_packing, pointwise = form->pointwise_packing;
    const char *type = form->type == DTYPE_BF16 ? "bf16" : "f32";
    if (pointwise == conv && form->dense_packing == conv)
        return arena_printf(a, "%s %s", type, packing_name(conv));
    return arena_printf(a, "%s %s %s %s", type, packing_name(conv), packing_name(pointwise),
                        packing_name(form->dense_packing));
}

static xc_status parse_form(const char *text, struct kernels *form, struct arena *a,
                            struct error *err)
{
    char type[8], word[3][16];
    int words = sscanf(text, "%7s %15s %15s %15s", type, word[0], word[1], word[2]) - 1;
    enum packing *const packing[] = {&form->conv_packing, &form->pointwise_packing,
                                     &form->dense_packing};
    bool known = words == 1 || words == 3;
    *form = (struct kernels){.type = DTYPE_F32};
    if (known && strcmp(type, "bf16") == 0) form->type = DTYPE_BF16;
    for (int i = 0; known && i < 3; i++)
        known = packing_parse(word[words == 1 ? 0 : i], packing[i]);
    const char *same = known ? packed_form_text(form, a) : "";
    if (!same) return fail_memory(err, sizeof word);
    if (strcmp(same, text) == 0) return XC_OK;
    return fail(err, XC_ERR_UNSUPPORTED, "packing \"%.60s\" is not known here", text);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static const char *array_name(const struct graph *g, const struct weights_part *part,
                              struct arena *a)
{
    return arena_printf(a, "%s/%s", g->node[part->node].name, weights_role_name(part->role));
}

static struct weight_tensor tensor_of(const struct weights_part *part, const char *name,
                                      const void *block)
{
    return (struct weight_tensor){.name = name,
                                  .type = part->type,
                                  .rank = 1,
                                  .dim = {part->count},
                                  .count = part->count,
                                  .bytes = part->bytes,
                                  .data = (const uint8_t *)block + part->at};
}

xc_status packed_tensors(const xc_model *model, const struct kernels *form, struct arena *a,
                         struct weights **weights, struct weight_tensor **out, int *count,
                         struct error *err)
{
    const struct graph *g = model->graph;
    const struct weights_source from = {.data = model->data, .copy_all = true};
    struct weights_part *part;
    TRY(weights_parts(g, form, a, &part, count, err));
    *out = arena_push(a, (size_t)*count, sizeof **out);
    if (!*out) return fail_memory(err, (size_t)*count * sizeof **out);
    TRY(weights_new(g, &from, form, model->machine->pool, weights, err));
    for (int i = 0; i < *count; i++) {
        const char *name = array_name(g, &part[i], a);
        if (!name) return fail_memory(err, sizeof **out);
        (*out)[i] = tensor_of(&part[i], name, weights_block(*weights));
    }
    return XC_OK;
}

/* The arrays of a safetensors file lie side by side from its first byte of data: when names and
 * sizes are right, places are. */
static xc_status check_array(const struct weight_tensor *got, const struct weights_part *want,
                             const char *name, struct error *err)
{
    if (!name) return fail_memory(err, sizeof *got);
    if (strcmp(got->name, name) != 0)
        return fail(err, XC_ERR_TENSOR, "%s: expected %s in its place", got->name, name);
    if (got->type != want->type)
        return fail(err, XC_ERR_TENSOR, "%s: type %s, expected %s", name, dtype_name(got->type),
                    dtype_name(want->type));
    if (got->rank != 1 || got->count != want->count)
        return fail(err, XC_ERR_SHAPE, "%s: %zu numbers of rank %d, expected %zu of rank 1", name,
                    got->count, got->rank, want->count);
    if (got->offset != want->at)
        return fail(err, XC_ERR_FORMAT, "%s: data begins at %zu, expected %zu", name, got->offset,
                    want->at);
    return XC_OK;
}

static xc_status check_arrays(const struct graph *g, const struct kernels *form,
                              const struct weight_file *file, struct arena *a, struct error *err)
{
    struct weights_part *part;
    int parts;
    TRY(weights_parts(g, form, a, &part, &parts, err));
    for (int i = 0; i < parts && i < file->tensors; i++)
        TRY(check_array(&file->tensor[i], &part[i], array_name(g, &part[i], a), err));
    if (file->tensors == parts) return XC_OK;
    return fail(err, XC_ERR_TENSOR, "%d arrays, expected %d", file->tensors, parts);
}

xc_status packed_read(xc_model *model, const struct weight_file *file, struct error *err)
{
    struct weights_packed *packed = &model->packed;
    struct arena scratch = {0};
    xc_status status = parse_form(model->meta.packing, &packed->form, &scratch, err);
    if (status == XC_OK) status = check_arrays(model->graph, &packed->form, file, &scratch, err);
    arena_free(&scratch);
    if (status != XC_OK) return status;
    packed->block = file->tensors ? (const void *)file->tensor[0].data : "";
    packed->file = &model->file;
    return XC_OK;
}
