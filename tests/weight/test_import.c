/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is every foreign format read as foreign.h says, and every hostile file refused with its reason?
 * In this process, on the files of make_fixtures.py; the numbers there are 0.5, 1.5, 2.5, ...
 * What surprises: libhdf5 leaks when it meets a broken file, which is not ours to find.
 */
#include "harness.h"
#include "weight/fixture.h"

#include <stdlib.h>

#include "import.h"
#include "weight/foreign.h"

enum { LIMIT = 8 << 20 };

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\n";
}

static xc_status import_bytes(struct import *im, const uint8_t *data, size_t size,
                              struct error *err)
{
    *im = (struct import){.limit = LIMIT};
    switch (weight_probe(data, size)) {
    case WEIGHT_HDF5:
        return import_hdf5(im, data, size, err);
    case WEIGHT_KERAS_ZIP:
        return import_keras_zip(im, data, size, err);
    case WEIGHT_TORCH_ZIP:
        return import_torch_zip(im, data, size, err);
    case WEIGHT_TORCH_OLD:
        return import_torch_old(im, data, size, err);
    default:
        return fail(err, XC_ERR_UNSUPPORTED, "unknown");
    }
}

static void load(const char *name, struct file_view *view)
{
    char path[1024];
    struct error err;
    snprintf(path, sizeof path, FIXTURES "%s", name);
    if (file_read(path, SIZE_MAX, view, &err) != XC_OK) FAIL("%s", err.text);
}

static double number(const struct weight_tensor *t, size_t i)
{
    float f;
    double d;
    int64_t n;
    uint16_t h;
    switch (t->type) {
    case DTYPE_F32:
        memcpy(&f, t->data + 4 * i, sizeof f);
        return (double)f;
    case DTYPE_F64:
        memcpy(&d, t->data + 8 * i, sizeof d);
        return d;
    case DTYPE_I64:
        memcpy(&n, t->data + 8 * i, sizeof n);
        return (double)n;
    default:
        memcpy(&h, t->data + 2 * i, sizeof h);
        return (double)(t->type == DTYPE_F16 ? f32_from_f16(h) : f32_from_bf16(h));
    }
}

struct expected {
    const char *name;
    enum dtype type;
    int rank;
    size_t dim[4];
    size_t probes;
    double value[6]; /* the first ones */
};

static void check_tensor(const char *file, const struct weight_tensor *t,
                         const struct expected *want)
{
    if (strcmp(t->name, want->name) != 0) FAIL("%s: %s, expected %s", file, t->name, want->name);
    if (t->type != want->type || t->rank != want->rank ||
        memcmp(t->dim, want->dim, (size_t)t->rank * sizeof *t->dim) != 0)
        FAIL("%s: %s has another type or shape", file, t->name);
    for (size_t i = 0; i < want->probes; i++)
        if (number(t, i) != want->value[i])
            FAIL("%s: %s[%zu] is %g, expected %g", file, t->name, i, number(t, i), want->value[i]);
}

/* The tensors of file, all of them, in this order. */
static void check_file(const char *file, const struct expected *want, int count, struct import *im,
                       struct file_view *view)
{
    struct error err;
    load(file, view);
    if (import_bytes(im, view->data, view->size, &err) != XC_OK) FAIL("%s: %s", file, err.text);
    if (im->tensors != count) FAIL("%s: %d tensors, expected %d", file, im->tensors, count);
    for (int i = 0; i < count; i++) check_tensor(file, &im->tensor[i], &want[i]);
}
#define CHECK(file, want) check_file(file, want, sizeof want / sizeof *want, &im, &view)

static const char *meta(const struct import *im, const char *key)
{
    for (int i = 0; i < im->metas; i++)
        if (strcmp(im->meta[i].key, key) == 0) return im->meta[i].value;
    return "";
}

static void release(struct import *im, struct file_view *view)
{
    import_free(im);
    file_release(view);
}

static void test_keras_1(void **state)
{
    (void)state;
    static const struct expected want[] = {
        {"convolution2d_1/kernel", DTYPE_F32, 4, {1, 1, 3, 2}, 2, {0.5, 1.5}},
        {"batchnormalization_1/gamma", DTYPE_F32, 1, {2}, 1, {0.5}},
        {"batchnormalization_1/beta", DTYPE_F32, 1, {2}, 1, {2.5}},
        {"batchnormalization_1/moving_mean", DTYPE_F32, 1, {2}, 1, {4.5}},
        {"batchnormalization_1/moving_variance", DTYPE_F32, 1, {2}, 1, {6.5}},
        {"separableconvolution2d_1/depthwise_kernel", DTYPE_F32, 4, {1, 1, 2, 1}, 0, {0}},
        {"separableconvolution2d_1/pointwise_kernel", DTYPE_F32, 4, {1, 1, 2, 2}, 0, {0}},
        {"dense_2/kernel", DTYPE_F32, 2, {2, 3}, 2, {0.5, 1.5}},
        {"dense_2/bias", DTYPE_F32, 1, {3}, 3, {0.5, 1.5, 2.5}},
    };
    struct import im;
    struct file_view view;
    CHECK("keras1.h5", want);
    assert_string_equal(meta(&im, FOREIGN_FORMAT), FOREIGN_KERAS_H5);
    assert_string_equal(meta(&im, FOREIGN_LAYER_NAMES),
                        "[\"input_1\",\"convolution2d_1\",\"batchnormalization_1\","
                        "\"separableconvolution2d_1\",\"dense_2\"]");
    assert_string_equal(meta(&im, FOREIGN_CONFIG), "");
    release(&im, &view);
}

static void test_keras_2(void **state)
{
    (void)state;
    static const struct expected want[] = {
        {"conv2d_1/kernel", DTYPE_F32, 4, {1, 1, 1, 2}, 2, {0.5, 1.5}},
        {"conv2d_1/bias", DTYPE_F32, 1, {2}, 0, {0}},
        {"block1_conv1/kernel", DTYPE_F32, 2, {2, 2}, 0, {0}},
        {"dense/kernel", DTYPE_F32, 2, {1, 2}, 0, {0}},
        {"dense/bias", DTYPE_F32, 1, {1}, 0, {0}},
        {"dense/dense/kernel", DTYPE_F32, 2, {2, 1}, 1, {10.5}}, /* the name was taken */
    };
    struct import im;
    struct file_view view;
    CHECK("keras2.hdf5", want);
    assert_string_equal(meta(&im, FOREIGN_CONFIG), "{\"class_name\": \"Model\"}");
    assert_string_equal(meta(&im, FOREIGN_VERSION), "2.0.5");
    release(&im, &view);
}

static void test_split_attributes(void **state)
{
    (void)state;
    static const struct expected want[] = {
        {"a/kernel", DTYPE_F32, 1, {2}, 2, {0.5, 1.5}},
        {"b/kernel", DTYPE_F32, 1, {3}, 3, {0.5, 1.5, 2.5}},
    };
    struct import im;
    struct file_view view;
    CHECK("split.h5", want);
    release(&im, &view);
}

static void test_keras_3(void **state)
{
    (void)state;
    static const struct expected want[] = {
        {"layers/conv2d/0", DTYPE_F32, 2, {1, 2}, 1, {0.5}},
        {"layers/conv2d_1/0", DTYPE_F32, 2, {1, 2}, 1, {1.5}},
        {"layers/conv2d_2/0", DTYPE_F32, 2, {1, 2}, 1, {2.5}},
        {"layers/conv2d_3/0", DTYPE_F32, 2, {1, 2}, 1, {3.5}},
        {"layers/conv2d_4/0", DTYPE_F32, 2, {1, 2}, 1, {4.5}},
        {"layers/conv2d_5/0", DTYPE_F32, 2, {1, 2}, 1, {5.5}},
        {"layers/conv2d_6/0", DTYPE_F32, 2, {1, 2}, 1, {6.5}},
        {"layers/conv2d_7/0", DTYPE_F32, 2, {1, 2}, 1, {7.5}},
        {"layers/conv2d_8/0", DTYPE_F32, 2, {1, 2}, 1, {8.5}},
        {"layers/conv2d_9/0", DTYPE_F32, 2, {1, 2}, 1, {9.5}},
        {"layers/conv2d_10/0", DTYPE_F32, 2, {1, 2}, 1, {10.5}}, /* not by name */
        {"layers/conv2d_11/0", DTYPE_F32, 2, {1, 2}, 1, {11.5}},
        {"layers/types/0", DTYPE_F16, 1, {3}, 3, {0.5, 1.5, 2.5}},
        {"layers/types/1", DTYPE_F64, 1, {3}, 3, {0.5, 1.5, 2.5}},
        {"layers/types/2", DTYPE_I64, 1, {2}, 2, {7, 9}},
        {"layers/types/3", DTYPE_F32, 1, {2}, 2, {0.5, 1.5}}, /* big-endian in the file */
        {"layers/types/4", DTYPE_F32, 0, {0}, 1, {2.5}},
        {"layers/types/5", DTYPE_BF16, 1, {3}, 3, {0.5, 1.5, 2.5}},
        {"layers/types/6", DTYPE_F32, 2, {0, 4}, 0, {0}},
    };
    struct import im;
    struct file_view view;
    CHECK("keras3.weights.h5", want);
    assert_string_equal(meta(&im, FOREIGN_FORMAT), FOREIGN_KERAS_V3);
    assert_non_null(strstr(meta(&im, FOREIGN_VAR_NAMES), "\"layers/conv2d_3\":\"layer_3\""));
    release(&im, &view);
}

static void test_other_keras(void **state)
{
    (void)state;
    static const struct expected old[] = {{"layers/dense/0", DTYPE_F32, 2, {2, 2}, 1, {0.5}}};
    static const struct expected packed[] = {
        {"layers/dense/0", DTYPE_F32, 2, {8, 8}, 2, {0.5, 1.5}}};
    static const struct expected zipped[] = {{"layers/dense/0", DTYPE_F32, 2, {2, 3}, 1, {0.5}},
                                             {"layers/dense/1", DTYPE_F32, 1, {3}, 1, {0.5}}};
    struct import im;
    struct file_view view;
    CHECK("keras2_13.weights.h5", old);
    release(&im, &view);
    CHECK("packed.weights.h5", packed); /* chunks, shuffle, gzip */
    release(&im, &view);
    CHECK("deflated.keras", zipped);
    release(&im, &view);
    CHECK("tiny.keras", zipped);
    assert_string_equal(meta(&im, FOREIGN_CONFIG), "{\"class_name\": \"Functional\"}");
    assert_string_equal(meta(&im, FOREIGN_VERSION), "3.3.3");
    release(&im, &view);
}

static void test_torch(void **state)
{
    (void)state;
    static const struct expected want[] = {
        {"conv1.weight", DTYPE_F32, 4, {2, 3, 1, 1}, 2, {0.5, 1.5}},
        {"bn1.num_batches_tracked", DTYPE_I64, 0, {0}, 1, {77}},
        {"rows", DTYPE_F32, 2, {3, 4}, 2, {0.5, 1.5}},
        {"columns", DTYPE_F32, 2, {4, 3}, 4, {0.5, 4.5, 8.5, 1.5}}, /* the same, turned */
        {"expanded", DTYPE_F32, 2, {2, 2}, 4, {5.5, 6.5, 5.5, 6.5}},
        {"small", DTYPE_I64, 1, {2}, 2, {-3, 4}},
        {"bytes", DTYPE_I64, 1, {2}, 2, {200, 1}},
        {"half", DTYPE_F16, 1, {2}, 2, {0.5, 1.5}},
        {"double", DTYPE_F64, 1, {2}, 2, {0.5, 1.5}},
        {"empty", DTYPE_F32, 2, {0, 2}, 0, {0}},
        {"old", DTYPE_F32, 1, {2}, 2, {0.5, 1.5}},
    };
    static const char *const FILES[] = {"plain.pth", "wrapped.pth", "legacy.pth"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        struct import im;
        struct file_view view;
        CHECK(FILES[i], want);
        assert_string_equal(meta(&im, FOREIGN_FORMAT), FOREIGN_TORCH);
        release(&im, &view);
    }
}

static const struct {
    const char *file;
    xc_status status;
    const char *words;
} BAD[] = {
    {"bad_cycle.h5", XC_ERR_FORMAT, "/layers/dense/up: a group that contains itself"},
    {"bad_soft.h5", XC_ERR_UNSUPPORTED, "/layers/dense/vars/1: a soft link"},
    {"bad_external_link.h5", XC_ERR_UNSUPPORTED, "an external link"},
    {"bad_external_data.h5", XC_ERR_UNSUPPORTED, "in another file"},
    {"bad_virtual.h5", XC_ERR_UNSUPPORTED, "virtual dataset"},
    {"bad_committed.h5", XC_ERR_UNSUPPORTED, "neither a group nor a dataset"},
    {"bad_lzf.h5", XC_ERR_UNSUPPORTED, "filter 32000"},
    {"bad_deep.h5", XC_ERR_LIMIT, "deeper than 16"},
    {"bad_bomb.h5", XC_ERR_LIMIT, "more than 8388608 bytes"},
    {"bad_text.h5", XC_ERR_UNSUPPORTED, "type that is not supported"},
    {"bad_name.h5", XC_ERR_LIMIT, "more than 255 letters"},
    {"bad_other.h5", XC_ERR_UNSUPPORTED, "not from Keras"},
    {"bad_layer.h5", XC_ERR_FORMAT, "lists gone"},
    {"bad_weight.h5", XC_ERR_FORMAT, "no such dataset"},
    {"bad_names.h5", XC_ERR_FORMAT, "not a list of strings"},
    {"bad_climb.keras", XC_ERR_FORMAT, "\"assets/../../x\": refused"},
    {"bad_absolute.keras", XC_ERR_FORMAT, "\"/etc/x\": refused"},
    {"bad_npz.keras", XC_ERR_UNSUPPORTED, "only .npz"},
    {"bad_bomb.keras", XC_ERR_LIMIT, "unpacks to more than"},
    {"bad_nul.keras", XC_ERR_FORMAT, "NUL"},
    {"bad_crc.keras", XC_ERR_FORMAT, "model.weights.h5 is broken"},
    {"bad_climb.pth", XC_ERR_FORMAT, "\"../x\": refused"},
    {"bad_system.pth", XC_ERR_UNSUPPORTED, "posix system"},
    {"bad_system_old.pth", XC_ERR_UNSUPPORTED, "posix system"},
    {"bad_deflated.pth", XC_ERR_UNSUPPORTED, "compressed by method 8"},
    {"bad_order.pth", XC_ERR_UNSUPPORTED, "little-endian"},
    {"bad_little.pth", XC_ERR_UNSUPPORTED, "little-endian"},
    {"bad_missing.pth", XC_ERR_FORMAT, "not in the file"},
    {"bad_nothing.pth", XC_ERR_UNSUPPORTED, "no state dict"},
    {"bad_list.pth", XC_ERR_UNSUPPORTED, "no state dict"},
    {"bad_twice.pth", XC_ERR_FORMAT, "two tensors are named a"},
    {"bad_expanded.pth", XC_ERR_LIMIT, "a: more than"},
    {"bad_cut.pth", XC_ERR_FORMAT, "cut off"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct import im;
        struct file_view view;
        struct error err = {XC_OK, ""};
        load(BAD[i].file, &view);
        xc_status status = import_bytes(&im, view.data, view.size, &err);
        if (status != BAD[i].status || !strstr(err.text, BAD[i].words))
            FAIL("%s: %d \"%s\", expected \"%s\"", BAD[i].file, status, err.text, BAD[i].words);
        release(&im, &view);
    }
}

/* A cut file is refused, whatever is missing. */
static void test_truncation(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t step; /* libhdf5 takes its time to refuse */
    } CUT[] = {{"legacy.pth", 1}, {"plain.pth", 7}, {"tiny.keras", 61}, {"packed.weights.h5", 61}};
    for (size_t i = 0; i < sizeof CUT / sizeof *CUT; i++) {
        struct file_view view;
        load(CUT[i].file, &view);
        for (size_t cut = 0; cut < view.size; cut += CUT[i].step) {
            struct import im;
            uint8_t *part = malloc(cut ? cut : 1);
            memcpy(part, view.data, cut);
            if (import_bytes(&im, part, cut, NULL) == XC_OK)
                FAIL("%s was accepted with %zu bytes", CUT[i].file, cut);
            import_free(&im);
            free(part);
        }
        file_release(&view);
    }
}

RUN(cmocka_unit_test(test_keras_1), cmocka_unit_test(test_keras_2),
    cmocka_unit_test(test_split_attributes), cmocka_unit_test(test_keras_3),
    cmocka_unit_test(test_other_keras), cmocka_unit_test(test_torch), cmocka_unit_test(test_bad),
    cmocka_unit_test(test_truncation))
