/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do foreign tensors become the right parameters? A small network's numbers are written under the
 * names and in the layouts of each kind of file (the way there is written out here, apart from the
 * code under test) and must come back bit for bit; then everything that can be wrong with a file.
 */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keras_write.h"
#include "foreign/foreign_bytes.h"
#include "model/imagenet.h"
#include "foreign/foreign_model.h"
#include "foreign/names.h"
#include "weight/foreign.h"

#define FAIL(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))
#define SMALL "stem=8/8,entry=16/24/32,middle=1,exit=40/48/56,input=71x71x3"

static struct machine machine;

static int set_up(void **state)
{
    (void)state;
    machine_init(&machine, cpu_flags());
    return 0;
}

static struct graph *graph_of(const char *arch)
{
    static const struct arch_input own = {0};
    struct graph *g = NULL;
    struct error err = {XC_OK, ""};
    if (arch_build(arch, &own, &g, NULL, &err) != XC_OK) FAIL("%s: %s\n", arch, err.text);
    return g;
}

/* Number i of parameter p: all different, all exact in half precision. */
static float number(int p, size_t i)
{
    return (float)((p * 37 + (int)(i % 512) * 5) % 2048) / 256;
}

static bool is_pytorch(enum names_scheme scheme)
{
    return scheme == NAMES_CADENE || scheme == NAMES_ALIGNED;
}

/* Parameter p under its name number k; torch: (kh, kw, in, out) becomes (out, in, kh, kw), and
 * (kh, kw, c, 1) becomes (c, 1, kh, kw). */
static void put(struct foreign_bytes *f, const struct graph *g, int p, const char *name, bool torch)
{
    const struct param *param = &g->param.at[p];
    size_t d[4] = {1, 1, 1, 1}, dim[4];
    for (int i = 0; i < param->rank; i++) d[i] = (size_t)param->dim[i];
    memcpy(dim, d, sizeof dim);
    bool depthwise = param->role == PARAM_DEPTHWISE;
    if (torch && param->rank == 4)
        memcpy(dim, (size_t[4]){depthwise ? d[2] : d[3], depthwise ? d[3] : d[2], d[0], d[1]},
               sizeof dim);
    if (torch && param->rank == 2) memcpy(dim, (size_t[4]){d[1], d[0], 1, 1}, sizeof dim);
    float *out = foreign_data(foreign_add(f, name, DTYPE_F32, param->rank, dim));
    for (size_t i = 0; i < param->count; i++) {
        size_t o = i % d[3], c = i / d[3] % d[2], y = i / d[3] / d[2];
        size_t to = i;
        if (torch && param->rank == 4)
            to =
                ((depthwise ? c : o) * (depthwise ? 1 : d[2]) + (depthwise ? 0 : c)) * d[0] * d[1] +
                y;
        if (torch && param->rank == 2) to = i % d[1] * d[0] + i / d[1];
        out[to] = number(p, i);
    }
}

static struct foreign_bytes *tensors_of(const char *arch, enum names_scheme scheme, int k)
{
    struct foreign_bytes *f = calloc(1, sizeof *f);
    struct graph *g = graph_of(arch);
    assert_non_null(f);
    for (int p = 0; p < g->param.count; p++) {
        char name[NAMES_SIZE];
        if (!names_of_param(scheme, g, p, k, name)) names_of_param(scheme, g, p, 0, name);
        put(f, g, p, name, is_pytorch(scheme));
    }
    graph_free(g);
    return f;
}

static xc_status import(struct foreign_bytes *f, const char *arch, xc_model **out,
                        struct error *err)
{
    struct file_view view = foreign_view(f);
    xc_status status = model_from_foreign(&machine, "folder/file.bin", arch, view, out, err);
    if (status != XC_OK) file_release(&view);
    foreign_free(f);
    free(f);
    return status;
}

static xc_model *must_import(struct foreign_bytes *f, const char *arch)
{
    xc_model *model = NULL;
    struct error err = {XC_OK, ""};
    if (import(f, arch, &model, &err) != XC_OK) FAIL("%s: %s\n", arch ? arch : "?", err.text);
    return model;
}

static void check_numbers(const xc_model *model)
{
    const struct param_table *table = &model->graph->param;
    for (int p = 0; p < table->count; p++)
        for (size_t i = 0; i < table->at[p].count; i++)
            if (model->data[p][i] != number(p, i))
                FAIL("%s[%zu] is %g, expected %g\n", table->at[p].name, i,
                     (double)model->data[p][i], (double)number(p, i));
}

/* ---- every kind of file ---------------------------------------------------------------------- */

static void test_schemes(void **state)
{
    static const struct {
        const char *arch;
        enum names_scheme scheme;
        int k;
        const char *format;
    } all[] = {
        {"xception," SMALL ",classes=5", NAMES_OURS, 0, FOREIGN_KERAS_H5},
        {"xception," SMALL ",classes=5", NAMES_KERAS1, 0, FOREIGN_KERAS_H5},
        {"xception," SMALL ",classes=5", NAMES_KERAS1, 1, FOREIGN_KERAS_H5},
        {"xception," SMALL ",head=avg/bn/dense:4", NAMES_KERAS3, 0, FOREIGN_KERAS_V3},
        {"xception," SMALL ",head=avg/bn/dense:4", NAMES_NESTED, 0, FOREIGN_KERAS_V3},
        {"legacy-xception," SMALL ",classes=5", NAMES_CADENE, 0, FOREIGN_TORCH},
        {"legacy-xception," SMALL ",classes=5", NAMES_CADENE, 1, NULL},
        {"tiny-xception-age-gender", NAMES_FACEAPI, 0, FOREIGN_FACEAPI},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct foreign_bytes *f = tensors_of(all[i].arch, all[i].scheme, all[i].k);
        if (all[i].format) foreign_meta(f, FOREIGN_FORMAT, all[i].format);
        xc_model *model = must_import(f, all[i].arch);
        check_numbers(model);
        assert_string_equal(model->info.source, "file.bin");
        assert_null(strstr(model->meta.report, "unused"));
        model_unref(model);
    }
}

/* The published top brings its labels; other networks bring none. */
static void test_labels(void **state)
{
    (void)state;
    xc_model *model = must_import(tensors_of("legacy-xception," SMALL, NAMES_CADENE, 0),
                                  "legacy-xception," SMALL);
    assert_string_equal(model->meta.labels[1], imagenet_label(1));
    assert_string_equal(model->info.flavour, "timm");
    assert_true(model->info.preprocess.fit == XC_FIT_CROP);
    model_unref(model);
    model = must_import(tensors_of("xception," SMALL ",classes=5", NAMES_OURS, 0),
                        "xception," SMALL ",classes=5");
    assert_null(model->meta.labels);
    assert_true(model->info.preprocess.divisor == 127.5f);
    model_unref(model);
}

/* Checkpoints differ in rank, type and in what else they hold. */
static void test_variants(void **state)
{
    const char *arch = "legacy-xception," SMALL ",classes=5";
    (void)state;
    struct foreign_bytes *f = tensors_of(arch, NAMES_CADENE, 0);
    struct weight_tensor *t = foreign_find(f, "block3.rep.1.pointwise.weight");
    t->rank = 2; /* (out, in) */
    t = foreign_find(f, "block3.rep.1.conv1.weight");
    t->rank = 3; /* (c, kh, kw) */
    t->dim[1] = t->dim[2], t->dim[2] = t->dim[3];
    foreign_add(f, "bn1.num_batches_tracked", DTYPE_I64, 0, NULL);
    for (int i = 0; i < f->tensors; i += 3) {
        struct weight_tensor old = f->tensor[i], *wide = &f->tensor[i];
        if (old.type != DTYPE_F32) continue;
        wide->type = DTYPE_F64;
        wide->bytes *= 2;
        wide->data = arena_push(&f->arena, wide->count, sizeof(double));
        for (size_t k = 0; k < old.count; k++)
            ((double *)foreign_data(wide))[k] = (double)((const float *)foreign_data(&old))[k];
    }
    xc_model *model = must_import(f, arch);
    check_numbers(model);
    assert_non_null(strstr(model->meta.report, "unused bn1.num_batches_tracked\n"));
    assert_non_null(strstr(model->meta.report, "mapped conv1.weight -> block1_conv1/kernel\n"));
    model_unref(model);
}

static void test_half_precision(void **state)
{
    const char *arch = "xception," SMALL ",classes=5";
    (void)state;
    struct foreign_bytes *f = tensors_of(arch, NAMES_OURS, 0);
    struct weight_tensor *half = foreign_find(f, "predictions/kernel");
    struct weight_tensor *brain = foreign_find(f, "predictions/bias");
    half->type = DTYPE_F16, half->bytes /= 2;
    brain->type = DTYPE_BF16, brain->bytes /= 2;
    for (size_t i = 0; i < half->count; i++) ((uint16_t *)foreign_data(half))[i] = 0x3C00;
    for (size_t i = 0; i < brain->count; i++) ((uint16_t *)foreign_data(brain))[i] = 0xC040;
    xc_model *model = must_import(f, arch);
    const struct param_table *table = &model->graph->param;
    assert_true(model->data[param_find(table, "predictions/kernel")][7] == 1.0f);
    assert_true(model->data[param_find(table, "predictions/bias")][4] == -3.0f);
    model_unref(model);
}

/* Names of one's own: the order of layers decides, and every shape is checked. */
static void test_order(void **state)
{
    const char *arch = "mini-xception";
    (void)state;
    struct foreign_bytes *f = tensors_of(arch, NAMES_OURS, 0);
    for (int i = 0; i < f->tensors; i++)
        f->tensor[i].name = arena_printf(&f->arena, "tensor_%d", i);
    xc_model *model = must_import(f, arch);
    check_numbers(model);
    assert_non_null(strstr(model->meta.report, "by their order"));
    model_unref(model);

    struct error err = {XC_OK, ""};
    f = tensors_of(arch, NAMES_OURS, 0);
    for (int i = 0; i < f->tensors; i++)
        f->tensor[i].name = arena_printf(&f->arena, "tensor_%d", i);
    struct weight_tensor swap = f->tensor[5];
    f->tensor[5] = f->tensor[6], f->tensor[6] = swap;
    assert_int_equal(import(f, arch, &model, &err), XC_ERR_SHAPE);
}

/* Auto-named layers (conv2d_17, ...) among known names; moving statistics after everything else, as
 * a nested model has them. */
static void test_rest_by_order(void **state)
{
    const char *arch = "xception," SMALL ",classes=5";
    (void)state;
    struct foreign_bytes *f = tensors_of(arch, NAMES_OURS, 0);
    for (int i = 0; i < f->tensors; i++) {
        const char *name = f->tensor[i].name, *part = strrchr(name, '/');
        if (strstr(name, "_residual"))
            f->tensor[i].name = arena_printf(&f->arena, "conv2d_%d%s", i, part);
    }
    struct weight_tensor sorted[WEIGHT_MAX_TENSORS];
    int count = 0;
    for (int moving = 0; moving < 2; moving++)
        for (int i = 0; i < f->tensors; i++)
            if ((strstr(f->tensor[i].name, "/moving_") != NULL) == (moving == 1))
                sorted[count++] = f->tensor[i];
    memcpy(f->tensor, sorted, (size_t)count * sizeof *sorted);
    xc_model *model = must_import(f, arch);
    check_numbers(model);
    model_unref(model);
}

/* ---- with a config --------------------------------------------------------------------------- */

static struct foreign_bytes *whole_model(const char *arch, enum names_scheme scheme, char **config)
{
    struct graph *g = graph_of(arch);
    struct foreign_bytes *f = tensors_of(arch, scheme, 0);
    *config = keras_write(g);
    foreign_meta(f, FOREIGN_CONFIG, *config);
    graph_free(g);
    return f;
}

static void test_config(void **state)
{
    static const char *const archs[] = {
        "xception," SMALL ",head=avg/bn/dense:6:relu/dropout:0.5/dense:3",
        "xception," SMALL ",classes=4,pre=affine:0.5:-1",
        "mini-xception,base=5/8,strides=2/2/2/1,input=48x48x1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        for (int v3 = 0; v3 < 2; v3++) {
            char *config;
            enum names_scheme scheme = v3 ? NAMES_KERAS3 : NAMES_OURS;
            xc_model *model = must_import(whole_model(archs[i], scheme, &config), NULL);
            check_numbers(model);
            bool pre = strstr(archs[i], "pre=") != NULL;
            const xc_preprocess *p = &model->info.preprocess;
            assert_int_equal(p->divisor == 1 && p->mean[0] == 0 && p->std[2] == 1, pre);
            model_unref(model);
            free(config);
        }
}

/* Batch norm with scale=False: the file has no gamma, the model has ones. */
static void test_no_gamma(void **state)
{
    char *config;
    (void)state;
    struct foreign_bytes *f =
        whole_model("xception," SMALL ",head=avg/bn/dense:3", NAMES_OURS, &config);
    char *at = strstr(config, "\"batch_norm\",\"axis\":-1,\"epsilon\":0.001,\"momentum\":0.99");
    assert_non_null(at);
    memcpy(strstr(at, "\"momentum\":0.99"), "\"scale\":false  ", 15);
    int gamma = (int)(foreign_find(f, "batch_norm/gamma") - f->tensor);
    memmove(&f->tensor[gamma], &f->tensor[gamma + 1],
            (size_t)(--f->tensors - gamma) * sizeof *f->tensor);
    xc_model *model = must_import(f, NULL);
    int p = param_find(&model->graph->param, "batch_norm/gamma");
    assert_true(model->data[p][0] == 1 && model->data[p][55] == 1);
    assert_true(model->data[p + 1][3] == number(p + 1, 3));
    assert_non_null(strstr(model->meta.report, "filled with 1 -> batch_norm/gamma\n"));
    model_unref(model);
    free(config);
}

/* ---- wrong files ----------------------------------------------------------------------------- */

static void drop(struct foreign_bytes *f)
{
    f->tensors -= 2;
}

static void reshape(struct foreign_bytes *f)
{
    struct weight_tensor *t = foreign_find(f, "block2.skip.weight");
    size_t first = t->dim[0];
    t->dim[0] = t->dim[1], t->dim[1] = first;
}

static void whole_numbers(struct foreign_bytes *f)
{
    foreign_find(f, "conv3.pointwise.weight")->type = DTYPE_I32;
}

static void not_a_number(struct foreign_bytes *f)
{
    ((float *)foreign_data(foreign_find(f, "bn2.bias")))[3] = NAN;
}

static void too_large(struct foreign_bytes *f)
{
    struct weight_tensor *t = foreign_find(f, "bn2.bias");
    t->type = DTYPE_F64, t->bytes *= 2;
    t->data = arena_push(&f->arena, t->count, sizeof(double));
    ((double *)foreign_data(t))[0] = 1e300;
}

static void negative_variance(struct foreign_bytes *f)
{
    ((float *)foreign_data(foreign_find(f, "bn2.running_var")))[0] = -1;
}

static void bad_config(struct foreign_bytes *f)
{
    foreign_meta(f, FOREIGN_CONFIG, "{\"class_name\":\"Model\"");
}

static void other_names(struct foreign_bytes *f)
{
    for (int i = 0; i < f->tensors; i++) f->tensor[i].name = arena_printf(&f->arena, "layer%d", i);
}

static void own_head(struct foreign_bytes *f)
{
    foreign_find(f, "fc.weight")->name = "classifier.0.weight";
    foreign_find(f, "fc.bias")->name = "classifier.0.bias";
}

static const struct {
    void (*spoil)(struct foreign_bytes *f);
    bool known; /* is the architecture given? */
    xc_status status;
    const char *says;
} wrong[] = {
    {drop, true, XC_ERR_TENSOR, "no tensor for predictions/kernel (2 of 110 parameters"},
    {reshape, true, XC_ERR_SHAPE, "block2.skip.weight: shape 16x24x1x1, expected 24x16x1x1"},
    {whole_numbers, true, XC_ERR_TENSOR, "conv3.pointwise.weight: type I32"},
    {not_a_number, true, XC_ERR_NUMBER, "block1_conv2_bn/beta"},
    {too_large, true, XC_ERR_NUMBER, "bn2.bias: 1e+300 does not fit"},
    {negative_variance, true, XC_ERR_NUMBER, "a variance is not negative"},
    {bad_config, true, XC_ERR_FORMAT, "model config"},
    {own_head, false, XC_ERR_TENSOR, "give the architecture"},
    {other_names, false, XC_ERR_TENSOR, "the first is 'layer0'"},
};

static void test_wrong(void **state)
{
    const char *arch = "legacy-xception," SMALL ",classes=5";
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        xc_model *model = NULL;
        struct error err = {XC_OK, ""};
        struct foreign_bytes *f = tensors_of(arch, NAMES_CADENE, 0);
        foreign_meta(f, FOREIGN_FORMAT, FOREIGN_TORCH);
        wrong[i].spoil(f);
        xc_status status = import(f, wrong[i].known ? arch : NULL, &model, &err);
        if (status != wrong[i].status || !strstr(err.text, wrong[i].says))
            FAIL("fault %zu gives %d \"%s\", expected %d \"%s\"\n", i, status, err.text,
                 wrong[i].status, wrong[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemes),  cmocka_unit_test(test_labels),
        cmocka_unit_test(test_variants), cmocka_unit_test(test_half_precision),
        cmocka_unit_test(test_order),    cmocka_unit_test(test_rest_by_order),
        cmocka_unit_test(test_config),   cmocka_unit_test(test_no_gamma),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
