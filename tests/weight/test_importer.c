/* SPDX-License-Identifier: Apache-2.0 */
/* Does xception-import, as a process, hand back what its contract says? Real files (their numbers
 * were read with h5py), fixtures, a face-api manifest with all that can be wrong with its shards.
 */
#include "harness.h"
#include "weight/fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weight/foreign.h"
#include "weight/weight.h"

static const struct foreign_limits LIMITS = {4ull << 30, 60, 256 << 20};

static xc_status import(const char *path, struct file_view *view, struct weight_file *out,
                        struct error *err)
{
    *err = (struct error){XC_OK, ""};
    xc_status status = foreign_read(XC_IMPORTER, path, &LIMITS, view, err);
    if (status != XC_OK) return status;
    status = safetensors_read(view->data, view->size, out, err);
    if (status != XC_OK) file_release(view);
    return status;
}

static float value(const struct weight_tensor *t, size_t i)
{
    float f;
    memcpy(&f, t->data + 4 * i, sizeof f);
    return f;
}

static const struct {
    const char *file;
    const char *format;
    int tensors;
    struct {
        const char *name;
        size_t count;
        float first, last;
    } at[2];
} REAL[] = {
    {"faces/fer2013_big_XCEPTION.54-0.66.hdf5",
     FOREIGN_KERAS_H5,
     46,
     {{"conv2d_1/kernel", 288, 0x1.069b62p-5f, -0x1.47d5a4p-3f},
      {"conv2d_5/bias", 7, 0x1.fd7cbep-5f, 0x1.9d0f34p-6f}}},
    {"faces/fer2013_mini_XCEPTION.102-0.66.hdf5",
     FOREIGN_KERAS_H5,
     80,
     {{"conv2d_1/kernel", 72, -0x1.a9f614p-115f, 0x1.4664bap-3f},
      {"conv2d_7/bias", 7, 0x1.0d3d34p-4f, 0x1.30ac9ap-9f}}},
    {"faces/tiny_XCEPTION_KDEF.hdf5",
     FOREIGN_KERAS_H5,
     80,
     {{"conv2d_1/kernel", 45, -0x1.5d806cp-2f, 0x1.97d770p-3f},
      {"conv2d_7/bias", 7, 0x1.17093cp-14f, 0x1.b90a04p-10f}}},
    {"kitchenware/kitchenware_xception_model_val-acc_0.901.keras",
     FOREIGN_KERAS_V3,
     238,
     {{"layers/functional/layers/conv2d/0", 864, 0x1.9b8434p-2f, 0x1.132b0ep-1f},
      {"layers/dense_1/1", 6, -0x1.04aa10p-7f, -0x1.180f4ep-7f}}},
    {"age_gender/age_gender_model-weights_manifest.json",
     FOREIGN_FACEAPI,
     51,
     {{"entry_flow/conv_in/filters", 864, -0x1.4dbb38p-4f, 0x1.e978fep-4f},
      {"fc/gender/bias", 2, -0x1.222658p-4f, 0x1.22265ap-4f}}},
};

static void test_real(void **state)
{
    (void)state;
    if (access(XC_SHARED_DIR "/data/faces", R_OK) != 0) {
        print_message("skipped: no data in %s\n", XC_SHARED_DIR);
        skip();
    }
    for (size_t i = 0; i < sizeof REAL / sizeof *REAL; i++) {
        char path[1024];
        struct file_view view;
        struct weight_file f;
        struct error err;
        snprintf(path, sizeof path, XC_SHARED_DIR "/data/%s", REAL[i].file);
        if (import(path, &view, &f, &err) != XC_OK) FAIL("%s", err.text);
        assert_int_equal(f.tensors, REAL[i].tensors);
        assert_string_equal(weight_meta_find(&f, FOREIGN_FORMAT), REAL[i].format);
        const struct weight_tensor *first = &f.tensor[0], *last = &f.tensor[f.tensors - 1];
        assert_string_equal(first->name, REAL[i].at[0].name);
        assert_string_equal(last->name, REAL[i].at[1].name);
        assert_int_equal(first->count, REAL[i].at[0].count);
        assert_int_equal(last->count, REAL[i].at[1].count);
        assert_true(value(first, 0) == REAL[i].at[0].first);
        assert_true(value(first, first->count - 1) == REAL[i].at[0].last);
        assert_true(value(last, 0) == REAL[i].at[1].first);
        assert_true(value(last, last->count - 1) == REAL[i].at[1].last);
        weight_file_free(&f);
        file_release(&view);
    }
}

static const struct {
    const char *file;
    xc_status status;
    const char *words; /* or the number of tensors */
    int tensors;
} FIXTURE[] = {
    {FIXTURES "plain.pth", XC_OK, "", 11},
    {FIXTURES "legacy.pth", XC_OK, "", 11},
    {FIXTURES "deflated.keras", XC_OK, "", 2},
    {FIXTURES "packed.weights.h5", XC_OK, "", 1},
    {FIXTURES "bad_system.pth", XC_ERR_UNSUPPORTED,
     "bad_system.pth: the pickle names \"posix system\"", 0},
    {FIXTURES "bad_cycle.h5", XC_ERR_FORMAT, "bad_cycle.h5: /layers/dense/up: a group that", 0},
    {FIXTURES "bad_bomb.h5", XC_ERR_LIMIT, "bad_bomb.h5: ", 0},
    {FIXTURES "bad_external_data.h5", XC_ERR_UNSUPPORTED, "another file", 0},
    {FIXTURES "absent.h5", XC_ERR_IO, "absent.h5: cannot open: No such file", 0},
    {FIXTURES "", XC_ERR_IO, "is a directory", 0},
    {"/dev/null", XC_ERR_IO, "not a regular file", 0},
    {XC_SOURCE_DIR "/LICENSE", XC_ERR_UNSUPPORTED, "LICENSE: not a weight file", 0},
};

static void test_fixtures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FIXTURE / sizeof *FIXTURE; i++) {
        struct file_view view;
        struct weight_file f;
        struct error err;
        xc_status status = import(FIXTURE[i].file, &view, &f, &err);
        if (status != FIXTURE[i].status || !strstr(err.text, FIXTURE[i].words))
            FAIL("%s: %d \"%s\"", FIXTURE[i].file, status, err.text);
        if (status != XC_OK) continue;
        assert_int_equal(f.tensors, FIXTURE[i].tensors);
        weight_file_free(&f);
        file_release(&view);
    }
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_shards(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"whole", "half", "none", "long", "link", "pipe", "m.json"};
    static const struct {
        const char *paths;
        xc_status status;
        const char *words;
    } CASE[] = {
        {"\"half\",\"half\"", XC_OK, ""},
        {"\"whole\"", XC_OK, ""},
        {"\"whole\",\"none\"", XC_OK, ""},
        {"\"half\"", XC_ERR_FORMAT, "4 bytes fewer"},
        {"\"long\"", XC_ERR_FORMAT, "more bytes"},
        {"\"whole\",\"half\"", XC_ERR_FORMAT, "more bytes"},
        {"\"absent\"", XC_ERR_IO, "absent: cannot open"},
        {"\"link\"", XC_ERR_IO, "link: cannot open"},
        {"\"pipe\"", XC_ERR_IO, "not a regular file"},
        {"\"../whole\"", XC_ERR_FORMAT, "no plain file name"},
    };
    char folder[] = "/tmp/xc-import-XXXXXX", path[256], text[512];
    assert_non_null(mkdtemp(folder));
    put(folder, "whole", "abcdefgh");
    put(folder, "half", "abcd");
    put(folder, "none", "");
    put(folder, "long", "abcdefghi");
    snprintf(path, sizeof path, "%s/link", folder);
    assert_int_equal(symlink("whole", path), 0);
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (size_t i = 0; i < sizeof CASE / sizeof *CASE; i++) {
        struct file_view view;
        struct weight_file f;
        struct error err;
        snprintf(text, sizeof text,
                 "[{\"weights\":[{\"name\":\"a\",\"shape\":[2],\"dtype\":\"float32\"}],"
                 "\"paths\":[%s]}]",
                 CASE[i].paths);
        put(folder, "m.json", text);
        snprintf(path, sizeof path, "%s/m.json", folder);
        xc_status status = import(path, &view, &f, &err);
        if (status != CASE[i].status || !strstr(err.text, CASE[i].words))
            FAIL("%s: %d \"%s\"", CASE[i].paths, status, err.text);
        if (status != XC_OK) continue;
        assert_memory_equal(f.tensor[0].data, i == 0 ? "abcdabcd" : "abcdefgh", 8);
        weight_file_free(&f);
        file_release(&view);
    }
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void test_usage(void **state)
{
    (void)state;
    struct foreign_limits odd = LIMITS;
    odd.seconds = UINT32_MAX;
    struct file_view view;
    struct error err;
    assert_int_equal(foreign_read(XC_IMPORTER, FIXTURES "plain.pth", &odd, &view, &err),
                     XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "usage"));
    odd.seconds = 60;
    odd.output = 64; /* what is in the file counts, before what is written */
    assert_int_equal(foreign_read(XC_IMPORTER, FIXTURES "plain.pth", &odd, &view, &err),
                     XC_ERR_LIMIT);
}

RUN(cmocka_unit_test(test_real), cmocka_unit_test(test_fixtures), cmocka_unit_test(test_shards),
    cmocka_unit_test(test_usage))
