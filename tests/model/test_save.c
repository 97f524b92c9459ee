/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a model come back from its file as it was, and is every other file refused with one
 * sentence? The wrong files are the right one, read, changed in one thing, and written again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "model/change.h"
#include "model/setup.h"

#define KERNEL "block2_sepconv1/pointwise_kernel"
#define VARIANCE "block1_conv1_bn/moving_variance"

static int set_up(void **state)
{
    return saved_new(state, NULL);
}

/* ---- what comes back ------------------------------------------------------------------------- */

static void test_comes_back(void **state)
{
    struct saved *f = *state;
    xc_load_opts opts = XC_LOAD_OPTS_INIT;
    for (int copy = 0; copy < 2; copy++) {
        xc_model *model = NULL;
        opts.read_into_memory = copy;
        CHECK(xc_model_load(f->context, f->path, &opts, &model));
        const xc_model_info *a = xc_model_get_info(f->model), *b = xc_model_get_info(model);
        assert_string_equal(a->arch, b->arch);
        assert_int_equal(b->params, a->params);
        assert_memory_equal(&a->preprocess, &b->preprocess, sizeof a->preprocess);
        assert_null(model->block); /* not copied twice */
        same_answers(f->model, model);
        xc_model_unref(model);
    }
}

/* A mean of all numbers; words are the first one's. */
static void test_mix(void **state)
{
    struct saved *f = *state;
    const char *labels[] = {"a", "b", "c", "d", "e"};
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_save_opts save = XC_SAVE_OPTS_INIT;
    xc_model *first = NULL, *other = NULL, *mean = NULL, *none = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    create.seed = 99;
    save.labels = labels;
    save.label_count = 5;
    CHECK(xc_model_save(f->model, f->path, &save));
    CHECK(xc_model_load(f->context, f->path, NULL, &first));
    CHECK(xc_model_create(f->context, f->model->arch, &create, &other));
    CHECK(xc_model_mix(first, other, 0.25, &mean));
    const struct param_table *table = &mean->graph->param;
    for (int p = 0; p < table->count; p++)
        for (size_t k = 0; k < table->at[p].count; k++) {
            const double want =
                0.75 * (double)f->model->data[p][k] + 0.25 * (double)other->data[p][k];
            assert_true(fabs((double)mean->data[p][k] - want) <= 1e-6 * (1e-6 + fabs(want)));
        }
    assert_int_equal(mean->info.classes, 5);
    for (uint32_t c = 0; c < 5; c++) assert_string_equal(xc_model_label(mean, c), labels[c]);
    assert_int_equal(xc_model_mix(f->model, other, 1.5, &none), XC_ERR_ARGUMENT);
    xc_model_unref(other);
    CHECK(xc_model_create(f->context, "xception,input=71x71x3,middle=1", &create, &other));
    REFUSED(xc_model_mix(f->model, other, 0.5, &none), XC_ERR_SHAPE, "numbers; the other model");
    assert_null(none);
    xc_model_unref(first);
    xc_model_unref(other);
    xc_model_unref(mean);
}

/* The same tensors are not the same network, nor the same classes. */
static void test_mix_of_strangers(void **state)
{
    struct saved *f = *state;
    const char *labels[] = {"a", "b", "c", "d", "e"};
    char arch[256];
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_save_opts save = XC_SAVE_OPTS_INIT;
    xc_model *other = NULL, *third = NULL, *mean = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    snprintf(arch, sizeof arch, "%s,act=elu", f->model->arch);
    CHECK(xc_model_create(f->context, arch, &create, &other));
    REFUSED(xc_model_mix(f->model, other, 0.5, &mean), XC_ERR_SHAPE, "is another network than");
    xc_model_unref(other);
    save.labels = labels;
    save.label_count = 5;
    CHECK(xc_model_save(f->model, f->path, &save));
    CHECK(xc_model_load(f->context, f->path, NULL, &other));
    labels[3] = "e", labels[4] = "d";
    CHECK(xc_model_save(f->model, f->path, &save));
    CHECK(xc_model_load(f->context, f->path, NULL, &third));
    REFUSED(xc_model_mix(other, third, 0.5, &mean), XC_ERR_SHAPE,
            "class 3 is \"d\"; of the other model \"e\"");
    assert_null(mean);
    xc_model_unref(other);
    xc_model_unref(third);
}

/* In 16 bits a kernel is the nearest number there is, and a second round changes nothing. */
static void test_half(void **state)
{
    struct saved *f = *state;
    static const char *const word[] = {"f16", "bf16"};
    for (int i = 0; i < 2; i++) {
        xc_save_opts opts = XC_SAVE_OPTS_INIT;
        xc_model *model = NULL;
        opts.store = word[i];
        CHECK(xc_model_save(f->model, f->path, &opts));
        CHECK(xc_model_load(f->context, f->path, NULL, &model));
        const struct param_table *table = &model->graph->param;
        for (int p = 0; p < table->count; p++)
            for (size_t k = 0; k < table->at[p].count; k++) {
                const float was = f->model->data[p][k];
                const float want = table->at[p].rank < 2 ? was
                                   : i == 0              ? f32_from_f16(f16_from_f32(was))
                                                         : f32_from_bf16(bf16_from_f32(was));
                assert_true(model->data[p][k] == want);
            }
        char first[65], second[65];
        CHECK(xc_file_sha256(f->path, first));
        CHECK(xc_model_save(model, f->path, &opts));
        CHECK(xc_file_sha256(f->path, second));
        assert_string_equal(first, second);
        xc_model_unref(model);
        opts.store = "f8";
        REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "f32, f16, bf16");
    }
}

static void test_unaligned_memory(void **state)
{
    struct saved *f = *state;
    xc_model *model = NULL;
    uint8_t *bytes = malloc(f->file.size + 1);
    assert_non_null(bytes);
    memcpy(bytes + 1, f->file.data, f->file.size);
    CHECK(xc_model_load_memory(f->context, bytes + 1, f->file.size, &model));
    assert_non_null(model->block);
    same_answers(f->model, model);
    xc_model_unref(model);
    free(bytes);
}

static void test_same_model_same_bytes(void **state)
{
    struct saved *f = *state;
    struct file_view again;
    xc_model *model = NULL;
    CHECK(xc_model_load(f->context, f->path, NULL, &model));
    CHECK(xc_model_save(model, f->path, NULL)); /* over the file that is mapped */
    assert_int_equal(file_read(f->path, SIZE_MAX, &again, NULL), XC_OK);
    assert_int_equal(again.size, f->file.size);
    assert_memory_equal(again.data, f->file.data, again.size);
    file_release(&again);
    xc_model_unref(model);
}

static void test_words_are_replaced(void **state)
{
    struct saved *f = *state;
    const char *labels[] = {"rose", "peony \"white\"", "\xc3\xa9t\xc3\xa9", "", "tulip"};
    xc_save_opts opts = XC_SAVE_OPTS_INIT;
    xc_preprocess p;
    xc_model *model = NULL;
    CHECK(xc_preprocess_named("timm-331", &p));
    p.mean[1] = 0.1f;
    p.crop = 0.9030000000000001;
    opts.labels = labels;
    opts.label_count = 5;
    opts.preprocess = &p;
    opts.licence = "CC0-1.0";
    CHECK(xc_model_save(f->model, f->path, &opts));
    CHECK(xc_model_load(f->context, f->path, NULL, &model));
    for (uint32_t i = 0; i < 5; i++) assert_string_equal(xc_model_label(model, i), labels[i]);
    assert_null(xc_model_label(model, 5));
    assert_memory_equal(&xc_model_get_info(model)->preprocess, &p, sizeof p);
    assert_string_equal(xc_model_get_info(model)->licence, "CC0-1.0");
    xc_model_unref(model);

    opts.label_count = 4;
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "4 labels for 5 classes");
    opts.label_count = 5;
    labels[2] = "\xff";
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "label 2 is not UTF-8");
    opts.labels = NULL;
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "labels is NULL");
    opts.label_count = 0;
    p.crop = 0;
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "crop");
    CHECK(xc_model_load(f->context, f->path, NULL, &model)); /* the old file stands */
    xc_model_unref(model);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void change_nothing(struct weight_file *file)
{
    (void)file;
}

static void swap_sides(struct weight_file *file)
{
    struct weight_tensor *t = tensor(file, KERNEL);
    size_t side = t->dim[2];
    t->dim[2] = t->dim[3];
    t->dim[3] = side;
}

static void lose_a_side(struct weight_file *file)
{
    struct weight_tensor *t = tensor(file, KERNEL);
    t->rank = 3;
    t->dim[1] = t->dim[2];
    t->dim[2] = t->dim[3];
}

static void lose(struct weight_file *file)
{
    struct weight_tensor *t = tensor(file, KERNEL);
    *t = file->tensor[--file->tensors];
}

static void add(struct weight_file *file)
{
    static struct weight_tensor more[WEIGHT_MAX_TENSORS];
    memcpy(more, file->tensor, (size_t)file->tensors * sizeof *more);
    more[file->tensors] = more[0];
    more[file->tensors++].name = "num_batches_tracked";
    file->tensor = more;
}

static void to_int(struct weight_file *file)
{
    tensor(file, KERNEL)->type = DTYPE_I32;
}

static void put_nan(struct weight_file *file)
{
    numbers(file, KERNEL)[17] = NAN;
}

static void put_infinity(struct weight_file *file)
{
    numbers(file, KERNEL)[3] = -INFINITY;
}

static void put_negative_variance(struct weight_file *file)
{
    numbers(file, VARIANCE)[1] = -0.25f;
}

static void no_format(struct weight_file *file)
{
    drop_meta(file, "format");
}

static void later_format(struct weight_file *file)
{
    set_meta(file, "format", "xception-model-2");
}

static void no_architecture(struct weight_file *file)
{
    drop_meta(file, "architecture");
}

static void bad_architecture(struct weight_file *file)
{
    set_meta(file, "architecture", "exception");
}

static void no_preprocess(struct weight_file *file)
{
    drop_meta(file, "preprocess");
}

static void bad_preprocess(struct weight_file *file)
{
    set_meta(file, "preprocess", "{\"fit\":\"stretch\"}");
}

static void bad_json(struct weight_file *file)
{
    set_meta(file, "preprocess", "{\"fit\":");
}

#define OTHER                                                                                      \
    "\"apply_exif\":false,\"drop_alpha\":true,\"pad\":[0,0,0],\"crop\":1,\"mean\":"                \
    "[0,0,0,0],\"std\":[1,1,1,1],\"filter\":\"box\",\"colour\":\"rgb\""

static void unknown_member(struct weight_file *file)
{
    set_meta(file, "preprocess",
             "{\"fit\":\"crop\",\"divisor\":1,\"background\":[0,0,0],\"gamma\":1," OTHER "}");
}

static void unknown_word(struct weight_file *file)
{
    set_meta(file, "preprocess",
             "{\"fit\":\"squeeze\",\"divisor\":1,\"background\":[0,0,0]," OTHER "}");
}

static void byte_out_of_range(struct weight_file *file)
{
    set_meta(file, "preprocess",
             "{\"fit\":\"crop\",\"divisor\":1,\"background\":[0,4294967296,0]," OTHER "}");
}

static void zero_divisor(struct weight_file *file)
{
    set_meta(file, "preprocess",
             "{\"fit\":\"crop\",\"divisor\":0,\"background\":[0,0,0]," OTHER "}");
}

static void labels(struct weight_file *file, const char *text)
{
    set_meta(file, "format", "xception-model-1");
    for (int i = 0; i < file->metas; i++)
        if (strcmp(file->meta[i].key, "preprocess") == 0) {
            static struct weight_meta more[8];
            memcpy(more, file->meta, (size_t)file->metas * sizeof *more);
            more[file->metas++] = (struct weight_meta){"labels", text};
            file->meta = more;
            return;
        }
}

static void few_labels(struct weight_file *file)
{
    labels(file, "[\"a\",\"b\"]");
}

static void number_as_label(struct weight_file *file)
{
    labels(file, "[\"a\",\"b\",\"c\",\"d\",5]");
}

static void no_list_of_labels(struct weight_file *file)
{
    labels(file, "{\"a\":1}");
}

static const struct wrong {
    change_fn *change;
    xc_status status;
    const char *text;
} WRONG[] = {
    {swap_sides, XC_ERR_SHAPE, "memory: " KERNEL ": shape 1x1x16x8, expected 1x1x8x16"},
    {lose_a_side, XC_ERR_SHAPE, KERNEL ": shape 1x8x16, expected 1x1x8x16"},
    {lose, XC_ERR_TENSOR, KERNEL ": the tensor is missing"},
    {add, XC_ERR_TENSOR, "num_batches_tracked: the architecture has no such tensor"},
    {to_int, XC_ERR_TENSOR, KERNEL ": type I32, expected F32, F16, BF16 or F64"},
    {put_nan, XC_ERR_NUMBER, KERNEL ": number 17 is NaN"},
    {put_infinity, XC_ERR_NUMBER, KERNEL ": number 3 is infinite"},
    {put_negative_variance, XC_ERR_NUMBER, VARIANCE ": number 1 is -0.25"},
    {no_format, XC_ERR_UNSUPPORTED, "import or convert"},
    {later_format, XC_ERR_UNSUPPORTED, "\"xception-model-2\" is not known"},
    {no_architecture, XC_ERR_FORMAT, "no \"architecture\""},
    {bad_architecture, XC_ERR_ARCH, "exception"},
    {no_preprocess, XC_ERR_FORMAT, "no \"preprocess\""},
    {bad_preprocess, XC_ERR_FORMAT, "preprocess: "},
    {bad_json, XC_ERR_FORMAT, "preprocess: "},
    {unknown_member, XC_ERR_FORMAT, "preprocess: "},
    {unknown_word, XC_ERR_FORMAT, "preprocess: "},
    {byte_out_of_range, XC_ERR_FORMAT, "preprocess: "},
    {zero_divisor, XC_ERR_FORMAT, "preprocess: "},
    {few_labels, XC_ERR_FORMAT, "labels: 2 for 5 classes"},
    {number_as_label, XC_ERR_FORMAT, "labels: number 4 is not a string"},
    {no_list_of_labels, XC_ERR_FORMAT, "labels: not a JSON array"},
};

static void test_wrong_files(void **state)
{
    struct saved *f = *state;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        xc_model *model = NULL;
        struct buffer b = changed(f->file, WRONG[i].change);
        REFUSED(xc_model_load_memory(f->context, b.data, b.size, &model), WRONG[i].status,
                WRONG[i].text);
        assert_null(model);
        free(b.data);
    }
}

static void test_right_file_through_the_same_hands(void **state)
{
    struct saved *f = *state;
    xc_model *model = NULL;
    struct buffer b = changed(f->file, change_nothing);
    CHECK(xc_model_load_memory(f->context, b.data, b.size, &model));
    same_answers(f->model, model);
    xc_model_unref(model);
    free(b.data);
}

static void test_truncated(void **state)
{
    struct saved *f = *state;
    xc_model *model = NULL;
    for (size_t cut = 0; cut < f->file.size; cut += cut < 64 ? 1 : 4099)
        REFUSED(xc_model_load_memory(f->context, f->file.data, cut, &model), XC_ERR_FORMAT,
                "memory: ");
    REFUSED(xc_model_load_memory(f->context, "\x89HDF\r\n\x1a\n....", 12, &model),
            XC_ERR_UNSUPPORTED, "Keras HDF5");
    REFUSED(xc_model_load(f->context, ".", NULL, &model), XC_ERR_IO, "is a directory");
    REFUSED(xc_model_load(f->context, "/nowhere/m.safetensors", NULL, &model), XC_ERR_IO,
            "/nowhere/m.safetensors: ");
    REFUSED(xc_model_save(f->model, "/nowhere/m.safetensors", NULL), XC_ERR_IO, "/nowhere");
}

/* ---- other number types ---------------------------------------------------------------------- */

static struct arena wide_arena;

static void widen(struct weight_file *file)
{
    for (int i = 0; i < file->tensors; i++) {
        struct weight_tensor *t = &file->tensor[i];
        const float *from = (const float *)(const void *)t->data;
        double *to = arena_push(&wide_arena, t->count, sizeof *to);
        for (size_t k = 0; k < t->count; k++) to[k] = (double)from[k];
        t->type = DTYPE_F64;
        t->bytes = t->count * sizeof *to;
        t->data = (const uint8_t *)to;
    }
}

static void halve(struct weight_file *file)
{
    for (int i = 0; i < file->tensors; i++) {
        struct weight_tensor *t = &file->tensor[i];
        const float *from = (const float *)(const void *)t->data;
        uint16_t *to = arena_push(&wide_arena, t->count, sizeof *to);
        for (size_t k = 0; k < t->count; k++) {
            uint32_t bits;
            memcpy(&bits, &from[k], sizeof bits);
            to[k] = (uint16_t)(bits >> 16);
        }
        t->type = DTYPE_BF16;
        t->bytes = t->count * sizeof *to;
        t->data = (const uint8_t *)to;
    }
}

static void test_other_types(void **state)
{
    struct saved *f = *state;
    xc_model *model = NULL;
    struct buffer b = changed(f->file, widen);
    CHECK(xc_model_load_memory(f->context, b.data, b.size, &model));
    same_answers(f->model, model);
    xc_model_unref(model);
    free(b.data);

    b = changed(f->file, halve);
    CHECK(xc_model_load_memory(f->context, b.data, b.size, &model));
    for (size_t k = 0; k < model->graph->param.total; k++) {
        float exact = f->model->block[k], got = model->block[k];
        assert_true(fabsf(got - exact) <= fabsf(exact) / 128);
    }
    xc_model_unref(model);
    free(b.data);
    arena_free(&wide_arena);
    wide_arena = (struct arena){0};
}

/* Through the file, and then in the answers of a session: each precision, and packed. */
static void test_decision(void **state)
{
    struct saved *f = *state;
    const double least[5] = {1, 1, 1, 1, 1};
    xc_decision d = XC_DECISION_INIT;
    xc_save_opts opts = XC_SAVE_OPTS_INIT;
    assert_true(xc_model_decision(f->model)->temperature == 1);
    d.temperature = 0.5;
    d.least = least;
    d.reject = XC_REJECT_MAX_LOGIT;
    d.reject_below = 1e30;
    opts.decision = &d;
    for (int packed = 0; packed < 2; packed++) {
        xc_model *model = NULL;
        size_t n;
        opts.pack = packed ? "" : NULL;
        CHECK(xc_model_save(f->model, f->path, &opts));
        CHECK(xc_model_load(f->context, f->path, NULL, &model));
        assert_true(xc_model_decision(model)->temperature == 0.5);
        assert_memory_equal(xc_model_decision(model)->least, least, sizeof least);
        xc_session *session = make_session(model, 2, XC_PRECISION_F32, NULL);
        float *input = make_input(2, SIDE, 3);
        CHECK(xc_run(session, input, 2));
        float *logit = read_result(session, "logits", &n),
              *prob = read_result(session, "probs", &n);
        for (int i = 0; i < 2; i++) {
            double sum = 0;
            for (int c = 0; c < 5; c++) sum += exp(2 * (double)logit[5 * i + c]);
            for (int c = 0; c < 5; c++)
                assert_true(
                    fabs(exp(2 * (double)logit[5 * i + c]) / sum - (double)prob[5 * i + c]) < 1e-7);
        }
        assert_true(xc_session_unknown(session, 1)); /* no logit is that high */
        assert_false(xc_session_unknown(session, 2));
        free(input);
        free(logit);
        free(prob);
        xc_session_free(session);
        xc_model_unref(model);
    }
    d.temperature = -1;
    REFUSED(xc_model_save(f->model, f->path, &opts), XC_ERR_ARGUMENT, "temperature -1");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, saved_free)

RUN(WITH(test_comes_back), WITH(test_mix), WITH(test_mix_of_strangers), WITH(test_half),
    WITH(test_unaligned_memory), WITH(test_same_model_same_bytes), WITH(test_words_are_replaced),
    WITH(test_wrong_files), WITH(test_right_file_through_the_same_hands), WITH(test_truncated),
    WITH(test_other_types), WITH(test_decision))
