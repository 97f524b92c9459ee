/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a packed file answer as the model that it was made from, at every level and for any number
 * of threads? Is it used where it lies? Is every other file refused, and everything that needs the
 * parameters?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph/plan_int.h"
#include "harness.h"
#include "kernel/levels.h"
#include "model/change.h"
#include "model/setup.h"

#define ORIGINAL "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FIRST "block1_conv1/kernel"
#define SECOND "block1_conv1/bias"

static xc_save_opts packing(const char *level, xc_precision precision)
{
    xc_save_opts opts = XC_SAVE_OPTS_INIT;
    opts.pack = level;
    opts.precision = precision;
    opts.original = ORIGINAL;
    return opts;
}

static void pack(const struct saved *f, const char *level, xc_precision precision)
{
    const xc_save_opts opts = packing(level, precision);
    CHECK(xc_model_save(f->model, f->path, &opts));
}

static int set_up(void **state)
{
    const xc_save_opts opts = packing("", XC_PRECISION_F32);
    return saved_new(state, &opts);
}

/* ---- the same answers ------------------------------------------------------------------------ */

static const xc_precision precisions[] = {XC_PRECISION_F32, XC_PRECISION_BF16};
enum { PRECISIONS_PACKED = sizeof precisions / sizeof *precisions };

static bool differs(size_t level, xc_precision precision)
{
    return level_differs(level, precision == XC_PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32,
                         cpu_flags());
}

/* Packed for one level, run at each. */
static void run_at_all_levels(struct saved *f, xc_precision precision)
{
    for (size_t run = 0; cpu_level(run); run++) {
        if (!differs(run, precision)) continue;
        xc_context *context = make_context_at(1 + (int)(run % 3), cpu_level(run));
        xc_model *model = NULL;
        CHECK(xc_model_load(context, f->path, NULL, &model));
        same_answers_in(precision, f->model, model);
        xc_model_unref(model);
        xc_context_free(context);
    }
}

static void test_same_bits(void **state)
{
    for (size_t made = 0; cpu_level(made); made++)
        for (int p = 0; p < PRECISIONS_PACKED; p++) {
            if (!differs(made, precisions[p])) continue;
            pack(*state, cpu_level(made), precisions[p]);
            run_at_all_levels(*state, precisions[p]);
        }
}

static void test_used_where_it_lies(void **state)
{
    struct saved *f = *state;
    xc_load_opts opts = XC_LOAD_OPTS_INIT;
    for (int i = 0; i < 2 * PRECISIONS_PACKED; i++) {
        const struct weights *weights;
        xc_model *model = NULL;
        pack(f, "", precisions[i / 2]);
        opts.read_into_memory = i % 2;
        CHECK(xc_model_load(f->context, f->path, &opts, &model));
        assert_int_equal(model_weights(model, precisions[i / 2], XC_ALGO_DIRECT, &weights, NULL),
                         XC_OK);
        assert_int_equal(weights_bytes(weights), 0);
        const uint8_t *at = weights->ready[graph_find(model->graph, "block1_conv1")].weight;
        assert_true(at > model->file.data && at < model->file.data + model->file.size);
        xc_model_unref(model);
    }
}

/* Left to itself, a packed model runs in what it was packed in, wherever that is. */
static void test_has_a_precision(void **state)
{
    struct saved *f = *state;
    for (int p = 0; p < PRECISIONS_PACKED; p++)
        for (size_t level = 0; cpu_level(level); level++) {
            if (!differs(level, precisions[p])) continue;
            xc_context *context = make_context_at(1, cpu_level(level));
            xc_session_opts other = XC_SESSION_OPTS_INIT;
            xc_session *session = NULL;
            xc_model *model = NULL;
            pack(f, "", precisions[p]);
            CHECK(xc_model_load(context, f->path, NULL, &model));
            assert_int_equal(model_precision(model, XC_PRECISION_AUTO), precisions[p]);
            session = make_session(model, 1, XC_PRECISION_AUTO, NULL);
            xc_session_free(session);
            other.precision = precisions[!p];
            REFUSED(xc_session_new(model, &other, &session), XC_ERR_UNSUPPORTED,
                    precisions[p] == XC_PRECISION_BF16 ? "it runs in precision bf16, or auto"
                                                       : "it runs in precision f32, or auto");
            CHECK(xc_session_new(model, NULL, &session));
            xc_session_free(session);
            xc_model_unref(model);
            xc_context_free(context);
        }
}

/* A caller's bytes may lie anywhere. */
static void test_unaligned_memory(void **state)
{
    struct saved *f = *state;
    uint8_t *memory = malloc(f->file.size + 64);
    assert_non_null(memory);
    for (size_t shift = 0; shift < 64; shift += 9) {
        xc_model *model = NULL;
        memcpy(memory + shift, f->file.data, f->file.size);
        CHECK(xc_model_load_memory(f->context, memory + shift, f->file.size, &model));
        same_answers(f->model, model);
        xc_model_unref(model);
    }
    free(memory);
}

static void test_says_what_it_is(void **state)
{
    struct saved *f = *state;
    xc_model *model = NULL;
    struct kernels k;
    char text[64];
    kernels_init(&k, DTYPE_F32, cpu_flags());
    snprintf(text, sizeof text, "f32 %s", packing_name(k.conv_packing));
    CHECK(xc_model_load(f->context, f->path, NULL, &model));
    const xc_model_info *info = xc_model_get_info(model), *from = xc_model_get_info(f->model);
    assert_string_equal(info->packing, text);
    assert_string_equal(info->original, ORIGINAL);
    assert_string_equal(info->arch, from->arch);
    assert_true(info->has_weights);
    assert_memory_equal(&info->preprocess, &from->preprocess, sizeof info->preprocess);
    assert_string_equal(from->packing, "");
    xc_model_unref(model);
    pack(f, "ref", XC_PRECISION_BF16);
    CHECK(xc_model_load(f->context, f->path, NULL, &model));
    assert_string_equal(xc_model_get_info(model)->packing, "bf16 plain");
    xc_model_unref(model);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void test_needs_the_original(void **state)
{
    struct saved *f = *state;
    xc_session_opts wide = XC_SESSION_OPTS_INIT;
    xc_save_opts opts = XC_SAVE_OPTS_INIT;
    xc_session *session = NULL;
    xc_model *model = NULL;
    CHECK(xc_model_load(f->context, f->path, NULL, &model));
    REFUSED(xc_model_save(model, f->path, NULL), XC_ERR_UNSUPPORTED, "(SHA-256 " ORIGINAL ")");
    opts.pack = "";
    REFUSED(xc_model_save(model, f->path, &opts), XC_ERR_UNSUPPORTED, "saving and converting");
    wide.precision = XC_PRECISION_F64;
    REFUSED(xc_session_new(model, &wide, &session), XC_ERR_UNSUPPORTED, "or auto, alone");
    same_answers(f->model, model);
    xc_model_unref(model);
    opts.pack = "sse9";
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "\"sse9\" is none of ref, ");
    opts.pack = "";
    opts.original = "abc";
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "original: ");
    opts.original = NULL;
    opts.precision = XC_PRECISION_F64;
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "float32 or bf16");
    opts.pack = NULL;
    opts.precision = XC_PRECISION_BF16;
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "only a packed file");
    opts.precision = XC_PRECISION_F32;
    opts.original = ORIGINAL;
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "original: only a packed");
    opts.pack = "";
    opts.store = "f16";
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "store: not of a packed");
}

static void change_nothing(struct weight_file *file)
{
    (void)file;
}

static void lose_the_last(struct weight_file *file)
{
    file->tensors--;
}

static void lose_one(struct weight_file *file)
{
    *tensor(file, FIRST) = file->tensor[--file->tensors];
}

static void swap(struct weight_file *file)
{
    struct weight_tensor *x = tensor(file, FIRST), *y = tensor(file, SECOND), t = *x;
    *x = *y;
    *y = t;
}

static void rename_one(struct weight_file *file)
{
    tensor(file, FIRST)->name = "block1_conv1/weight";
}

static void resize(struct weight_file *file, size_t lines)
{
    struct weight_tensor *t = tensor(file, SECOND);
    t->bytes = 64 * lines;
    t->count = t->dim[0] = t->bytes / sizeof(float);
}

static void shorten(struct weight_file *file)
{
    resize(file, 0);
}

static void lengthen(struct weight_file *file)
{
    resize(file, 2);
}

static void fold_up(struct weight_file *file)
{
    struct weight_tensor *t = tensor(file, SECOND);
    t->rank = 2;
    t->dim[1] = t->dim[0];
    t->dim[0] = 1;
}

static void to_int(struct weight_file *file)
{
    tensor(file, FIRST)->type = DTYPE_I32;
}

static void other_architecture(struct weight_file *file)
{
    set_meta(file, "architecture", SMALL_ARCH ",classes=17");
}

static void wider_architecture(struct weight_file *file)
{
    set_meta(file, "architecture", "xception,width=0.25,middle=1,classes=5");
}

static void no_packing(struct weight_file *file)
{
    drop_meta(file, "packing");
}

static void unknown_packing(struct weight_file *file)
{
    set_meta(file, "packing", "f32 panel32");
}

static void unknown_type(struct weight_file *file)
{
    set_meta(file, "packing", "f8 plain");
}

static void other_type(struct weight_file *file)
{
    set_meta(file, "packing", "bf16 pairs16 pairs16 panel16");
}

static void words_behind(struct weight_file *file)
{
    set_meta(file, "packing", "f32 plain plain");
}

static void bad_hash(struct weight_file *file)
{
    set_meta(file, "original", "0123");
}

static void later_format(struct weight_file *file)
{
    set_meta(file, "format", "xception-packed-2");
}

static void not_packed(struct weight_file *file)
{
    set_meta(file, "format", "xception-model-1");
}

static const struct wrong {
    change_fn *change;
    xc_status status;
    const char *text;
} WRONG[] = {
    {lose_the_last, XC_ERR_TENSOR, "arrays, expected "},
    {lose_one, XC_ERR_TENSOR, "expected " FIRST " in its place"},
    {swap, XC_ERR_TENSOR, SECOND ": expected " FIRST " in its place"},
    {rename_one, XC_ERR_TENSOR, "block1_conv1/weight: expected " FIRST " in its place"},
    {shorten, XC_ERR_SHAPE, SECOND ": 0 numbers of rank 1, expected 16 of rank 1"},
    {lengthen, XC_ERR_SHAPE, SECOND ": 32 numbers of rank 1, expected 16 of rank 1"},
    {fold_up, XC_ERR_SHAPE, SECOND ": 16 numbers of rank 2, expected 16 of rank 1"},
    {to_int, XC_ERR_TENSOR, FIRST ": type I32, expected F32"},
    {other_architecture, XC_ERR_SHAPE, "memory: "},
    {wider_architecture, XC_ERR_SHAPE, "memory: "},
    {no_packing, XC_ERR_FORMAT, "no \"packing\""},
    {unknown_packing, XC_ERR_UNSUPPORTED, "packing \"f32 panel32\" is not known"},
    {unknown_type, XC_ERR_UNSUPPORTED, "packing \"f8 plain\" is not known"},
    {other_type, XC_ERR_TENSOR, FIRST ": type F32, expected BF16"},
    {words_behind, XC_ERR_UNSUPPORTED, "packing \"f32 plain plain\" is not known"},
    {bad_hash, XC_ERR_FORMAT, "original: "},
    {later_format, XC_ERR_UNSUPPORTED, "\"xception-packed-2\" is not known"},
    {not_packed, XC_ERR_SHAPE, FIRST ": shape "},
};

static void test_wrong_files(void **state)
{
    struct saved *f = *state;
    xc_model *model = NULL;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        struct buffer b = changed(f->file, WRONG[i].change);
        REFUSED(xc_model_load_memory(f->context, b.data, b.size, &model), WRONG[i].status,
                WRONG[i].text);
        assert_null(model);
        free(b.data);
    }
    struct buffer b = changed(f->file, change_nothing);
    CHECK(xc_model_load_memory(f->context, b.data, b.size, &model));
    same_answers(f->model, model);
    xc_model_unref(model);
    free(b.data);
}

/* Cut at the end of each array, a byte before, and a byte behind. */
static void test_truncated(void **state)
{
    struct saved *f = *state;
    struct weight_file file;
    xc_model *model = NULL;
    assert_int_equal(safetensors_read(f->file.data, f->file.size, &file, NULL), XC_OK);
    size_t start = (size_t)(file.tensor[0].data - f->file.data);
    assert_int_equal(start % 64, 0);
    for (int i = 0; i < file.tensors; i++)
        for (size_t near = 0; near < 3; near++)
            REFUSED(xc_model_load_memory(f->context, f->file.data,
                                         start + file.tensor[i].offset + near - 1, &model),
                    XC_ERR_FORMAT, "memory: ");
    for (size_t cut = 0; cut < start; cut += 7)
        REFUSED(xc_model_load_memory(f->context, f->file.data, cut, &model), XC_ERR_FORMAT,
                "memory: ");
    weight_file_free(&file);
}

/* Two arrays that share bytes: the text of the header, changed in one digit. */
static void test_overlap(void **state)
{
    struct saved *f = *state;
    xc_model *model = NULL;
    uint8_t *copy = malloc(f->file.size);
    assert_non_null(copy);
    memcpy(copy, f->file.data, f->file.size);
    char *entry = memmem(copy, f->file.size, SECOND, strlen(SECOND));
    assert_non_null(entry);
    char *begin = strchr(strstr(entry, "data_offsets"), '[') + 1;
    begin[strcspn(begin, ",") - 1] ^= 1;
    REFUSED(xc_model_load_memory(f->context, copy, f->file.size, &model), XC_ERR_FORMAT, SECOND);
    free(copy);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, saved_free)

RUN(WITH(test_same_bits), WITH(test_used_where_it_lies), WITH(test_has_a_precision),
    WITH(test_unaligned_memory), WITH(test_says_what_it_is), WITH(test_needs_the_original),
    WITH(test_wrong_files), WITH(test_truncated), WITH(test_overlap))
