/* SPDX-License-Identifier: Apache-2.0 */
/* Does the public interface to data sets say what is in one, and refuse what it cannot take? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "model/setup.h"

/* Six pictures of 2x1 grey pixels: two classes in train and val, one picture twice, one broken. */
static const struct {
    const char *name, *label, *bytes;
    xc_split split;
} picture[] = {
    {"train/a", "cat", "P5 2 1 255 aa", XC_SPLIT_TRAIN},
    {"train/b", "cat", "P5 2 1 255 bb", XC_SPLIT_TRAIN},
    {"train/c", "dog", "P5 2 1 255 cc", XC_SPLIT_TRAIN},
    {"train/d", "dog", "P5 2 1 255 d", XC_SPLIT_TRAIN},
    {"val/a", "dog", "P5 2 1 255 aa", XC_SPLIT_VAL},
    {"val/b", "cat", "P5 1 1 255 b", XC_SPLIT_VAL},
};
enum { PICTURES = sizeof picture / sizeof *picture };

static xc_status describe(void *user, uint64_t i, xc_source_sample *out)
{
    (void)user;
    out->name = picture[i].name;
    out->label = picture[i].label;
    out->split = picture[i].split;
    out->bytes = strlen(picture[i].bytes);
    return XC_OK;
}

static xc_status read_bytes(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    (void)user;
    *size = strlen(picture[i].bytes);
    if (*size <= room) memcpy(to, picture[i].bytes, *size);
    return XC_OK;
}

static const xc_source source = {
    .size = sizeof source, .samples = PICTURES, .describe = describe, .read = read_bytes};

static int set_up(void **state)
{
    xc_dataset *set = NULL;
    CHECK(xc_dataset_new(&source, NULL, &set));
    *state = set;
    return 0;
}

static int tear_down(void **state)
{
    xc_dataset_free(*state);
    return 0;
}

static void contents(void **state)
{
    const xc_dataset *set = *state;
    xc_dataset_info info;
    xc_sample sample;
    xc_dataset_get_info(set, &info);
    assert_string_equal(info.kind, "program");
    assert_int_equal(info.samples, PICTURES);
    assert_int_equal(info.classes, 2);
    assert_int_equal(info.split[XC_SPLIT_TRAIN], 4);
    assert_int_equal(info.split[XC_SPLIT_VAL], 2);
    assert_int_equal(info.split[XC_SPLIT_TEST], 0);
    assert_false(info.multi_label);
    assert_int_equal(strlen(info.fingerprint), 64);
    assert_string_equal(xc_dataset_class(set, 0), "cat");
    assert_string_equal(xc_dataset_class(set, 1), "dog");
    assert_null(xc_dataset_class(set, 2));
    assert_null(xc_dataset_note(set, 0)); /* nothing was left out */
    for (uint32_t i = 0; i < PICTURES; i++) {
        CHECK(xc_dataset_sample(set, i, &sample));
        assert_string_equal(sample.name, picture[i].name);
        assert_string_equal(xc_dataset_class(set, sample.label), picture[i].label);
        assert_int_equal(sample.split, picture[i].split);
        assert_int_equal(sample.bytes, strlen(picture[i].bytes));
        assert_true(sample.weight == 1 && sample.group == 0 && sample.extra_count == 0);
    }
    CHECK(xc_dataset_trainable(set));
    assert_string_equal(xc_split_name(XC_SPLIT_VAL), "val");
    assert_null(xc_split_name((xc_split)XC_SPLITS));
}

static void bytes_and_pixels(void **state)
{
    const xc_dataset *set = *state;
    char bytes[32] = "";
    size_t size = 0;
    xc_image *image = NULL;
    xc_image_info info;
    CHECK(xc_dataset_read(set, 2, bytes, 3, &size)); /* no room: the size alone */
    assert_int_equal(size, 13);
    assert_int_equal(bytes[0], 0);
    CHECK(xc_dataset_read(set, 2, bytes, sizeof bytes, &size));
    assert_memory_equal(bytes, picture[2].bytes, 13);
    CHECK(xc_dataset_image(set, 2, NULL, &image));
    xc_image_get_info(image, &info);
    assert_int_equal(info.width, 2);
    assert_int_equal(info.height, 1);
    assert_memory_equal(xc_image_row(image, 0), "cc", 2);
    xc_image_free(image);
    REFUSED(xc_dataset_image(set, 3, NULL, &image), XC_ERR_FORMAT, "train/d");
    assert_null(image);
}

static bool count_calls(void *user, uint64_t done, uint64_t all)
{
    assert_true(done <= all && all == PICTURES);
    ++*(int *)user;
    return true;
}

static bool no_more(void *user, uint64_t done, uint64_t all)
{
    (void)user, (void)done, (void)all;
    return false;
}

static void scanned(void **state)
{
    const xc_dataset *set = *state;
    xc_context *context = make_context(2);
    xc_scan *scan = NULL;
    xc_scan_info info;
    xc_scanned one;
    int calls = 0;
    CHECK(xc_dataset_scan(context, set, count_calls, &calls, &scan));
    assert_true(calls > 0);
    xc_scan_get_info(scan, &info);
    assert_int_equal(info.samples, PICTURES);
    assert_int_equal(info.unreadable, 1);
    assert_int_equal(info.same, 1);
    assert_int_equal(info.leaks, 1);
    assert_int_equal(info.conflicts, 1);
    CHECK(xc_scan_sample(scan, 3, &one));
    assert_non_null(one.reason);
    CHECK(xc_scan_sample(scan, 4, &one));
    assert_null(one.reason);
    assert_int_equal(one.same_as, 0);
    assert_int_equal(one.width, 2);
    REFUSED(xc_scan_sample(scan, PICTURES, &one), XC_ERR_ARGUMENT, "sample 6, there are 6");
    REFUSED(xc_scan_sample(scan, 0, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_scan_sample(NULL, 0, &one), XC_ERR_ARGUMENT, "scan is NULL");
    xc_scan_free(scan);
    REFUSED(xc_dataset_scan(context, set, no_more, NULL, &scan), XC_ERR_CANCELLED, "");
    assert_null(scan);
    REFUSED(xc_dataset_scan(NULL, set, NULL, NULL, &scan), XC_ERR_ARGUMENT, "context is NULL");
    REFUSED(xc_dataset_scan(context, NULL, NULL, NULL, &scan), XC_ERR_ARGUMENT, "dataset is NULL");
    REFUSED(xc_dataset_scan(context, set, NULL, NULL, NULL), XC_ERR_ARGUMENT, "out is NULL");
    xc_scan_free(NULL);
    xc_scan_get_info(NULL, &info);
    xc_context_free(context);
}

/* What is written is the same set. */
static void packed(void **state)
{
    const xc_dataset *set = *state;
    char folder[] = "/tmp/xception-data-XXXXXX", tar[64], png[64];
    xc_dataset *back = NULL;
    xc_dataset_info info;
    xc_sheet_opts sheet = XC_SHEET_OPTS_INIT;
    uint32_t files = 0;
    assert_non_null(mkdtemp(folder));
    snprintf(tar, sizeof tar, "%s/set.tar", folder);
    snprintf(png, sizeof png, "%s/sheet.png", folder);
    CHECK(xc_dataset_pack(set, tar, 0, 0, NULL, NULL, &files));
    assert_int_equal(files, 1);
    CHECK(xc_dataset_open(tar, NULL, &back));
    xc_dataset_get_info(back, &info);
    assert_string_equal(info.kind, "tar");
    assert_int_equal(info.samples, PICTURES);
    assert_int_equal(info.split[XC_SPLIT_VAL], 2);
    xc_dataset_free(back);
    sheet.height = sheet.width = 8;
#ifdef XC_PNG
    CHECK(xc_dataset_sheet(set, &sheet, png));
    assert_int_equal(access(png, R_OK), 0);
#else
    REFUSED(xc_dataset_sheet(set, &sheet, png), XC_ERR_UNSUPPORTED, "");
#endif
    sheet.rows = 2000;
    REFUSED(xc_dataset_sheet(set, &sheet, png), XC_ERR_ARGUMENT, "a sheet of");
    sheet = (xc_sheet_opts)XC_SHEET_OPTS_INIT;
    sheet.augment = "flop";
    REFUSED(xc_dataset_sheet(set, &sheet, png), XC_ERR_ARGUMENT, "flop");
    REFUSED(xc_dataset_sheet(set, NULL, NULL), XC_ERR_ARGUMENT, "path is NULL");
    REFUSED(xc_dataset_sheet(NULL, NULL, png), XC_ERR_ARGUMENT, "dataset is NULL");
    REFUSED(xc_dataset_pack(set, NULL, 0, 0, NULL, NULL, NULL), XC_ERR_ARGUMENT, "path is NULL");
    REFUSED(xc_dataset_pack(NULL, tar, 0, 0, NULL, NULL, NULL), XC_ERR_ARGUMENT, "dataset is NULL");
    remove(png);
    remove(tar);
    assert_int_equal(rmdir(folder), 0);
}

static xc_status describe_wrong(void *user, uint64_t i, xc_source_sample *out)
{
    (void)user, (void)i, (void)out;
    return (xc_status)99;
}

static xc_status read_wrong(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    (void)user, (void)i, (void)to, (void)room, (void)size;
    return (xc_status)-1;
}

/* A program's callbacks may say what they like; we say what is in the list. */
static void other_statuses(void **state)
{
    (void)state;
    xc_dataset *set = NULL;
    xc_image *image = NULL;
    xc_source wrong = source;
    wrong.describe = describe_wrong;
    assert_int_equal(xc_dataset_new(&wrong, NULL, &set), XC_ERR_IO);
    wrong = source;
    wrong.read = read_wrong;
    CHECK(xc_dataset_new(&wrong, NULL, &set));
    assert_int_equal(xc_dataset_image(set, 0, NULL, &image), XC_ERR_IO);
    xc_dataset_free(set);
}

static void held_out(void **state)
{
    (void)state;
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    const char *const cats[] = {"cat"};
    xc_dataset *set = NULL;
    xc_dataset_info info;
    xc_source train = source;
    opts.val_split = 0.5;
    REFUSED(xc_dataset_new(&source, &opts, &set), XC_ERR_ARGUMENT, "a validation split of 2");
    train.samples = 4;
    CHECK(xc_dataset_new(&train, &opts, &set));
    xc_dataset_get_info(set, &info);
    assert_int_equal(info.split[XC_SPLIT_TRAIN], 2); /* one of each class has gone to val */
    assert_int_equal(info.split[XC_SPLIT_VAL], 2);
    xc_dataset_free(set);
    opts = (xc_dataset_opts)XC_DATASET_OPTS_INIT;
    opts.classes = cats;
    opts.class_count = 1;
    REFUSED(xc_dataset_new(&source, &opts, &set), XC_ERR_FORMAT, "dog");
    assert_null(set);
    opts.drop_unknown = true;
    CHECK(xc_dataset_new(&source, &opts, &set));
    xc_dataset_get_info(set, &info);
    assert_int_equal(info.samples, 3);
    assert_non_null(strstr(xc_dataset_note(set, 0), "3 samples"));
    REFUSED(xc_dataset_trainable(set), XC_ERR_FORMAT, "one class");
    xc_dataset_free(set);
}

static void refused(void **state)
{
    const xc_dataset *set = *state;
    xc_dataset *out = NULL;
    xc_sample sample;
    xc_image *image = NULL;
    size_t size;
    xc_source wrong = source;
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    REFUSED(xc_dataset_new(NULL, NULL, &out), XC_ERR_ARGUMENT, "source is NULL");
    REFUSED(xc_dataset_new(&source, NULL, NULL), XC_ERR_ARGUMENT, "out is NULL");
    wrong.describe = NULL;
    REFUSED(xc_dataset_new(&wrong, NULL, &out), XC_ERR_ARGUMENT, "describe is NULL");
    wrong = source;
    wrong.read = NULL;
    REFUSED(xc_dataset_new(&wrong, NULL, &out), XC_ERR_ARGUMENT, "read is NULL");
    wrong = source;
    wrong.size = 0;
    REFUSED(xc_dataset_new(&wrong, NULL, &out), XC_ERR_ARGUMENT, "xc_source.size is 0");
    opts.size = 3;
    REFUSED(xc_dataset_new(&source, &opts, &out), XC_ERR_ARGUMENT, "xc_dataset_opts.size is 3");
    REFUSED(xc_dataset_open(NULL, NULL, &out), XC_ERR_ARGUMENT, "path is NULL");
    REFUSED(xc_dataset_open("nowhere", NULL, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_dataset_open("nowhere", NULL, &out), XC_ERR_IO, "nowhere");
    assert_null(out);
    REFUSED(xc_dataset_sample(set, PICTURES, &sample), XC_ERR_ARGUMENT, "sample 6, there are 6");
    REFUSED(xc_dataset_sample(set, 0, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_dataset_sample(NULL, 0, &sample), XC_ERR_ARGUMENT, "dataset is NULL");
    REFUSED(xc_dataset_image(set, PICTURES, NULL, &image), XC_ERR_ARGUMENT, "sample 6");
    REFUSED(xc_dataset_image(NULL, 0, NULL, &image), XC_ERR_ARGUMENT, "dataset is NULL");
    REFUSED(xc_dataset_image(set, 0, NULL, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_dataset_read(NULL, 0, NULL, 0, &size), XC_ERR_ARGUMENT, "dataset is NULL");
    REFUSED(xc_dataset_read(set, 0, NULL, 0, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_dataset_trainable(NULL), XC_ERR_ARGUMENT, "dataset is NULL");
    xc_dataset_free(NULL);
    xc_dataset_get_info(NULL, NULL);
    assert_null(xc_dataset_class(NULL, 0));
    assert_null(xc_dataset_note(NULL, 0));
}

static void augmentations(void **state)
{
    (void)state;
    const char *spec = NULL;
    int count = 0;
    for (; xc_augment_name(count, &spec); count++) assert_non_null(spec);
    assert_true(count > 2);
    assert_non_null(xc_augment_name(0, NULL));
    assert_null(xc_augment_name(-1, &spec));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents), cmocka_unit_test(bytes_and_pixels), cmocka_unit_test(scanned),
        cmocka_unit_test(packed),   cmocka_unit_test(other_statuses),   cmocka_unit_test(held_out),
        cmocka_unit_test(refused),  cmocka_unit_test(augmentations)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
