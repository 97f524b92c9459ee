/* SPDX-License-Identifier: Apache-2.0 */
/* Does a scan find what is wrong, does a packed set hold the same, does a sheet show the samples?
 */
#include "support.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/pack.h"
#include "data/scan.h"
#include "data/sheet.h"
#include "image/draw.h"
#include "image/image.h"

static struct dataset *make_set(const char *root)
{
    put_picture(root, "set/train/a/1.ppm", 8, 4, 100);
    put_picture(root, "set/train/a/2.ppm", 8, 4, 110);
    put_picture(root, "set/train/b/3.ppm", 8, 4, 120);
    put_picture(root, "set/train/b/4.ppm", 8, 4, 110); /* as 2, another label */
    put_picture(root, "set/val/a/5.ppm", 8, 4, 100);   /* as 1, another split */
    put_picture(root, "set/val/b/6.ppm", 4, 8, 120);   /* another shape than 3 */
    put_text(root, "set/val/b/7.ppm", "P6 broken");
    return open_or_fail(root, "set", NULL);
}

static bool count_calls(void *user, uint64_t done, uint64_t all)
{
    assert_true(done <= all);
    return ++*(int *)user < 2;
}

static void test_scan(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset *d = make_set(root);
    struct pool *pool = NULL;
    struct error err = {XC_OK, ""};
    assert_int_equal(pool_new(3, &pool, &err), XC_OK);
    for (int threads = 0; threads < 2; threads++) {
        struct scan s;
        assert_int_equal(scan_run(d, threads ? pool : NULL, NULL, NULL, &s, &err), XC_OK);
        assert_int_equal(s.unreadable, 1);
        assert_int_equal(s.same, 2);
        assert_int_equal(s.leaks, 1);
        assert_int_equal(s.conflicts, 1);
        assert_int_equal(s.sample[4].same_as, 0);
        assert_int_equal(s.sample[3].same_as, 1);
        assert_int_equal(s.sample[5].same_as, 5);
        assert_non_null(strstr(s.sample[6].reason, "val/b/7.ppm: "));
        assert_true(fabs(s.mean[1] - 110.0) < 1e-9);
        assert_true(fabs(s.std[2] - sqrt(400.0 / 6.0)) < 1e-9);
        scan_free(&s);
    }
    pool_free(pool);
    dataset_free(d);
    scratch_end(root);
}

static void test_scan_stops(void **state)
{
    (void)state;
    char *root = scratch_new(), name[32];
    struct error err = {XC_OK, ""};
    struct scan s;
    int calls = 0;
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "%c/%d.ppm", "ab"[i % 2], i);
        put_picture(root, name, 1, 1, 0);
    }
    struct dataset *d = open_or_fail(root, "", NULL);
    assert_int_equal(scan_run(d, NULL, count_calls, &calls, &s, &err), XC_ERR_CANCELLED);
    assert_int_equal(calls, 2);
    dataset_free(d);
    scratch_end(root);
}

static void same_samples(const struct dataset *a, const struct dataset *b, bool same_names)
{
    assert_int_equal(a->samples, b->samples);
    assert_int_equal(a->classes, b->classes);
    for (int c = 0; c < a->classes; c++) assert_string_equal(a->class_name[c], b->class_name[c]);
    for (int s = 0; s < XC_SPLITS; s++) assert_int_equal(a->count[s], b->count[s]);
    if (same_names) assert_string_equal(a->fingerprint, b->fingerprint);
}

static void test_pack(void **state)
{
    (void)state;
    char *root = scratch_new(), path[256];
    struct dataset *d = make_set(root), *packed;
    struct error err = {XC_OK, ""};
    struct pack_opts opts = {0};
    uint32_t files;
    snprintf(path, sizeof path, "%s/p.tar", root);
    assert_int_equal(dataset_pack(d, path, &opts, &files, &err), XC_OK);
    assert_int_equal(files, 1);
    packed = open_or_fail(root, "p.tar", NULL);
    same_samples(d, packed, true);
    dataset_free(packed);
    opts.shard_bytes = 3000;
    snprintf(path, sizeof path, "%s/shards", root);
    assert_int_equal(dataset_pack(d, path, &opts, &files, &err), XC_OK);
    assert_true(files > 2);
    packed = open_or_fail(root, "shards", NULL);
    same_samples(d, packed, false);
    dataset_free(packed);
    snprintf(path, sizeof path, "%s/no/such/p.tar", root);
    opts.shard_bytes = 0;
    assert_int_equal(dataset_pack(d, path, &opts, &files, &err), XC_ERR_IO);
    dataset_free(d);
    scratch_end(root);
}

static bool until(void *user, uint64_t done, uint64_t all)
{
    return done < *(const uint64_t *)user && done <= all;
}

static int entries(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder)) count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

/* Neither the file in the making nor shards that were whole. */
static void test_pack_stopped(void **state)
{
    (void)state;
    char *root = scratch_new(), out[256], path[300];
    struct dataset *d = make_set(root);
    uint64_t last = d->samples - 1;
    snprintf(out, sizeof out, "%s/out", root);
    assert_int_equal(mkdir(out, 0777), 0);
    for (int shards = 0; shards < 2; shards++) {
        struct error err = {XC_OK, ""};
        struct pack_opts opts = {.shard_bytes = shards ? 3000 : 0, .tick = until, .user = &last};
        uint32_t files;
        snprintf(path, sizeof path, shards ? "%s" : "%s/p.tar", out);
        assert_int_equal(dataset_pack(d, path, &opts, &files, &err), XC_ERR_CANCELLED);
        assert_non_null(strstr(err.text, "stopped at"));
        assert_int_equal(entries(out), 0);
    }
    dataset_free(d);
    scratch_end(root);
}

/* Names that would climb out of the archive, or hide in it; and what a tar cannot say. */
static void test_pack_lists(void **state)
{
    (void)state;
    char *root = scratch_new(), path[256];
    struct error err = {XC_OK, ""};
    struct pack_opts opts = {0};
    uint32_t files;
    put_picture(root, "a.ppm", 2, 2, 7);
    put_picture(root, ".hidden/b.ppm", 2, 2, 9);
    put_text(root, "lists/l.csv", "path,label\n../a.ppm,x\n../.hidden/b.ppm,y\n");
    put_text(root, "lists/w.csv", "path,label,weight\n../a.ppm,x,1\n../.hidden/b.ppm,y,2\n");
    put_text(root, "lists/g.csv", "path,label,group\n../a.ppm,x,1\n../.hidden/b.ppm,y,1\n");
    put_text(root, "lists/c.csv", "path,label\n../a.ppm,x\n../.hidden/b.ppm,../y\n");
    struct dataset *d = open_or_fail(root, "lists/l.csv", NULL);
    snprintf(path, sizeof path, "%s/p.tar", root);
    assert_int_equal(dataset_pack(d, path, &opts, &files, &err), XC_OK);
    struct dataset *packed = open_or_fail(root, "p.tar", NULL);
    same_samples(d, packed, false);
    dataset_free(packed);
    dataset_free(d);
    static const char *const refused[][2] = {{"lists/w.csv", "weighs 2"},
                                             {"lists/g.csv", "has a group"},
                                             {"lists/c.csv", "cannot be a folder"}};
    for (int i = 0; i < 3; i++) {
        d = open_or_fail(root, refused[i][0], NULL);
        assert_int_equal(dataset_pack(d, path, &opts, &files, &err), XC_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, refused[i][1]));
        dataset_free(d);
    }
    scratch_end(root);
}

static void test_pack_pixels(void **state)
{
    (void)state;
#ifdef XC_PNG
    char *root = scratch_new(), path[256];
    static uint8_t records[2 * 3073];
    struct error err = {XC_OK, ""};
    struct pack_opts opts = {0};
    struct sample_bytes bytes = {0};
    xc_image *image = NULL;
    uint32_t files;
    for (size_t i = 0; i < sizeof records; i++) records[i] = (uint8_t)(i * 7);
    records[0] = 0;
    records[3073] = 1;
    put_bytes(root, "c/test_batch.bin", records, sizeof records);
    struct dataset *d = open_or_fail(root, "c", NULL);
    snprintf(path, sizeof path, "%s/p.tar", root);
    assert_int_equal(dataset_pack(d, path, &opts, &files, &err), XC_OK);
    struct dataset *packed = open_or_fail(root, "p.tar", NULL);
    assert_int_equal(packed->samples, 2);
    assert_int_equal(dataset_image(packed, 0, &bytes, NULL, &image, &err), XC_OK);
    assert_string_equal(image->info.file_type, "png");
    assert_int_equal(image->pixels[0], records[1]);
    assert_int_equal(image->pixels[1], records[1025]);
    image_free(image);
    sample_bytes_free(&bytes);
    dataset_free(packed);
    dataset_free(d);
    scratch_end(root);
#endif
}

static void test_sheet(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset *d = make_set(root);
    struct error err = {XC_OK, ""};
    xc_preprocess keras;
    xc_image *image = NULL;
    assert_int_equal(preprocess_named("keras", &keras, &err), XC_OK);
    struct sheet_opts o = {
        .split = XC_SPLIT_VAL, .h = 16, .w = 16, .columns = 2, .rows = 2, .preprocess = &keras};
    assert_int_equal(sheet_make(d, &o, &image, &err), XC_OK);
    assert_int_equal(image->info.width, 3 * 4 + 2 * 64); /* enlarged four times */
    int reds = 0, shades = 0, inks = 0;
    for (uint32_t y = 0; y < image->info.height; y++)
        for (uint32_t x = 0; x < image->info.width; x++) {
            const uint8_t *p = image->pixels + y * (size_t)image->stride + 3 * (size_t)x;
            reds += p[0] == 200;
            shades += p[0] == 100 || p[0] == 120;
            inks += p[0] == 40;
        }
    assert_int_equal(reds, 64 * 64); /* the broken one */
    assert_int_equal(shades, 2 * 64 * 64);
    assert_true(inks > 20);
    image_free(image);
    xc_image *mixed = NULL; /* a pair of train is, when mixing is asked for */
    o.split = XC_SPLIT_TRAIN;
    assert_int_equal(sheet_make(d, &o, &image, &err), XC_OK);
    o.augment.mixup = 1;
    assert_int_equal(sheet_make(d, &o, &mixed, &err), XC_OK);
    const size_t bytes = image->info.height * (size_t)image->stride;
    assert_int_not_equal(memcmp(image->pixels, mixed->pixels, bytes), 0);
    image_free(image);
    image_free(mixed);
    o.split = XC_SPLIT_TEST;
    assert_int_equal(sheet_make(d, &o, &image, &err), XC_ERR_ARGUMENT);
    dataset_free(d);
    scratch_end(root);
}

/* What is written reads back the same. */
static void test_png(void **state)
{
    (void)state;
#ifdef XC_PNG
    static const xc_pixel_format formats[] = {XC_GREY8, XC_RGB8, XC_RGBA8};
    for (size_t f = 0; f < 3; f++) {
        struct error err = {XC_OK, ""};
        xc_image *image = NULL, *again = NULL;
        uint8_t *png;
        size_t size, n = 13 * 7 * (size_t)formats[f];
        assert_int_equal(image_blank(13, 7, formats[f], &image, &err), XC_OK);
        for (size_t i = 0; i < n; i++) image->pixels[i] = (uint8_t)(i * 31);
        assert_int_equal(png_encode(image, &png, &size, &err), XC_OK);
        assert_int_equal(image_decode(png, size, NULL, &again, &err), XC_OK);
        assert_memory_equal(image->pixels, again->pixels, n);
        free(png);
        image_free(again);
        image_free(image);
    }
#endif
}

RUN(cmocka_unit_test(test_scan), cmocka_unit_test(test_scan_stops), cmocka_unit_test(test_pack),
    cmocka_unit_test(test_pack_stopped), cmocka_unit_test(test_pack_lists),
    cmocka_unit_test(test_pack_pixels), cmocka_unit_test(test_sheet), cmocka_unit_test(test_png))
