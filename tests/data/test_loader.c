/* SPDX-License-Identifier: Apache-2.0 */
/* Are batches the same bytes for any number of threads, in any part of an epoch, with any cache? */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "data/loader.h"
#include "data/order.h"
#include "image/image.h"

static xc_preprocess keras;

/* 23 pictures of three classes and different sizes; two of them broken. */
static struct dataset *make_set(const char *root, bool broken)
{
    char name[64];
    for (int i = 0; i < 23; i++) {
        snprintf(name, sizeof name, "train/c%d/%02d.ppm", i % 3, i);
        put_picture(root, name, 20 + 7 * i, 30 + 5 * (i % 4), (uint8_t)(10 * i));
    }
    if (broken) {
        put_text(root, "train/c1/04.ppm", "P6 9 9 255\nshort");
        put_text(root, "train/c2/11.ppm", "");
    }
    return open_or_fail(root, "", NULL);
}

static struct loader_opts opts_of(const char *augment)
{
    struct error err = {XC_OK, ""};
    assert_int_equal(preprocess_named("keras", &keras, &err), XC_OK);
    struct loader_opts o = {.shuffle = true,
                            .batch = 4,
                            .h = 24,
                            .w = 20,
                            .c = 3,
                            .threads = 1,
                            .seed = 5,
                            .preprocess = &keras};
    if (augment_parse(augment, &o.augment, &err) != XC_OK) STOP("%s", err.text);
    return o;
}

static struct loader *new_loader(const struct dataset *d, const struct loader_opts *o)
{
    struct loader *l = NULL;
    struct error err = {XC_OK, ""};
    if (loader_new(d, o, &l, &err) != XC_OK) STOP("%s", err.text);
    return l;
}

/* The sum over what is left of the epoch; *batches: how many there were. */
static void sum_epoch(struct loader *l, int classes, char hex[65], int *batches)
{
    const struct batch *b;
    struct error err = {XC_OK, ""};
    struct sha256 sum;
    sha256_init(&sum);
    for (*batches = 0;; ++*batches) {
        if (loader_next(l, &b, &err) != XC_OK) STOP("%s", err.text);
        if (!b) break;
        size_t n = (size_t)b->n;
        sha256_add(&sum, b->x, n * (size_t)(b->h * b->w * b->c) * sizeof *b->x);
        sha256_add(&sum, b->label, n * sizeof *b->label);
        sha256_add(&sum, b->weight, n * sizeof *b->weight);
        sha256_add(&sum, b->sample, n * sizeof *b->sample);
        if (b->target) sha256_add(&sum, b->target, n * (size_t)classes * sizeof *b->target);
    }
    sha256_hex(&sum, hex);
}

static void run_epoch(const struct dataset *d, const struct loader_opts *o, uint32_t epoch,
                      char hex[65])
{
    struct loader *l = new_loader(d, o);
    int batches;
    loader_begin(l, epoch, epoch, 0);
    sum_epoch(l, d->classes, hex, &batches);
    assert_int_equal(batches, 6);
    loader_free(l);
}

static void test_same_bytes(void **state)
{
    (void)state;
    static const char *const specs[] = {"none", "rrc,flip,jitter=0.4/0.4/0.4/0.1,erase=0.5",
                                        "small", "rrc,randaug,mixup", "mirror-pad=3,cutmix,mixup"};
    char *root = scratch_new();
    struct dataset *d = make_set(root, true);
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct loader_opts o = opts_of(specs[i]);
        char one[65], many[65], other[65];
        run_epoch(d, &o, 1, one);
        run_epoch(d, &o, 2, other);
        assert_string_not_equal(one, other);
        for (o.threads = 2; o.threads <= 5; o.threads += 3) {
            run_epoch(d, &o, 1, many);
            assert_string_equal(one, many);
        }
        o.cache_bytes = 40000; /* some of them fit */
        o.ahead = 2;
        run_epoch(d, &o, 1, many);
        assert_string_equal(one, many);
        o.seed++;
        run_epoch(d, &o, 1, many);
        assert_string_not_equal(one, many);
    }
    dataset_free(d);
    scratch_end(root);
}

/* The second epoch through a filled cache; a part of an epoch; a loader used again. */
static void test_begin_anywhere(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset *d = make_set(root, false);
    struct loader_opts o = opts_of("rrc,flip,cutmix");
    o.threads = 3;
    o.cache_bytes = 1 << 24;
    char whole[65], part[65], again[65];
    int batches;
    struct error err = {XC_OK, ""};
    const struct batch *b;
    struct loader *l = new_loader(d, &o);
    loader_begin(l, 0, 0, 0);
    sum_epoch(l, 3, whole, &batches);
    loader_begin(l, 0, 0, 0);
    for (int i = 0; i < 2; i++) assert_int_equal(loader_next(l, &b, &err), XC_OK);
    assert_int_equal(b->position, 4);
    sum_epoch(l, 3, part, &batches);
    assert_int_equal(batches, 4);
    loader_begin(l, 0, 0, 8);
    sum_epoch(l, 3, again, &batches);
    assert_string_equal(part, again);
    loader_begin(l, 7, 0, 0);
    assert_int_equal(loader_next(l, &b, &err), XC_OK);
    loader_begin(l, 0, 0, 0); /* drops what is in flight */
    sum_epoch(l, 3, again, &batches);
    assert_string_equal(whole, again);
    loader_begin(l, 0, 0, 100);
    sum_epoch(l, 3, again, &batches);
    assert_int_equal(batches, 0);
    loader_free(l);
    dataset_free(d);
    scratch_end(root);
}

/* With a cache the files are read once: a second epoch does not see what happens to them, and is
 * the same bytes. */
static void test_cache_is_hit(void **state)
{
    (void)state;
    static const char *const specs[] = {"none", "rrc,flip"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        char *root = scratch_new(), first[65], second[65];
        int batches;
        uint32_t sample;
        struct dataset *d = make_set(root, false);
        struct loader_opts o = opts_of(specs[i]);
        o.threads = 3;
        o.cache_bytes = 1 << 24;
        struct loader *l = new_loader(d, &o);
        loader_begin(l, 0, 0, 0);
        sum_epoch(l, 3, first, &batches);
        for (size_t k = 0; k < d->samples; k++) put_text(root, d->sample[k].name, "gone");
        loader_begin(l, 0, 0, 0);
        sum_epoch(l, 3, second, &batches);
        assert_string_equal(first, second);
        assert_null(loader_bad(l, 0, &sample));
        loader_free(l);
        dataset_free(d);
        scratch_end(root);
    }
}

static void test_every_sample_once(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset *d = make_set(root, true);
    struct loader_opts o = opts_of("none");
    struct error err = {XC_OK, ""};
    const struct batch *b;
    int seen[23] = {0}, last = 0;
    o.threads = 4;
    struct loader *l = new_loader(d, &o);
    loader_begin(l, 3, 3, 0);
    while (loader_next(l, &b, &err) == XC_OK && b) {
        for (int i = 0; i < b->n; i++) {
            const struct sample *s = &d->sample[b->sample[i]];
            bool broken = strstr(s->name, "04.ppm") || strstr(s->name, "11.ppm");
            assert_int_equal(b->bad[i], broken);
            seen[b->sample[i]]++;
            assert_int_equal(b->label[i], s->label);
            assert_true(b->weight[i] == (broken ? 0.0f : 1.0f));
        }
        last = b->n;
    }
    assert_int_equal(last, 3);
    for (int i = 0; i < 23; i++) assert_int_equal(seen[i], 1);
    uint32_t sample;
    for (int i = 0; i < 2; i++)
        assert_non_null(strstr(loader_bad(l, (size_t)i, &sample), ".ppm: "));
    assert_null(loader_bad(l, 2, &sample));
    loader_free(l);
    o.drop_last = true;
    l = new_loader(d, &o);
    assert_int_equal(loader_batches(l), 5);
    loader_free(l);
    dataset_free(d);
    scratch_end(root);
}

/* Rows that cannot be read repeat others: the mirror place of the batch first, as mixing pairs them
 * and then leaves the pair as it is. */
static void test_bad_rows_repeat(void **state)
{
    (void)state;
    static const char *const specs[] = {"none", "mixup", "cutmix"};
    enum { ROW = 24 * 20 * 3, N = 23 };
    char *root = scratch_new();
    struct dataset *d = make_set(root, true);
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct loader_opts o = opts_of(specs[i]);
        struct error err = {XC_OK, ""};
        const struct batch *b;
        o.batch = N;
        o.threads = 3;
        struct loader *l = new_loader(d, &o);
        loader_begin(l, 2, 2, 0);
        assert_int_equal(loader_next(l, &b, &err), XC_OK);
        int bad = 0;
        for (int k = 0; k < N; k++) {
            const int other = N - 1 - k;
            if (!b->bad[k]) continue;
            bad++;
            assert_false(b->bad[other]);
            assert_memory_equal(b->x + k * ROW, b->x + other * ROW, ROW * sizeof *b->x);
            assert_float_equal(b->weight[k] + b->weight[other], 1, 1e-6);
        }
        assert_int_equal(bad, 2);
        assert_false(batch_is_bad(b));
        loader_free(l);
    }
    dataset_free(d);
    scratch_end(root);
}

static void test_which_row_repeats(void **state)
{
    (void)state;
    static const struct {
        const char *bad, *expected; /* row by row; '.': as it was */
    } row[] = {{"..x.", "..1."},   {"x..x", "1..1"},   {"..x..", "..3.."},
               {".xxx.", ".444."}, {"xx.xx", "22.22"}, {"xxx", "..."}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const int n = (int)strlen(row[i].bad);
        bool bad[5];
        float x[10];
        for (int k = 0; k < n; k++) {
            bad[k] = row[i].bad[k] == 'x';
            x[2 * k] = x[2 * k + 1] = (float)k;
        }
        batch_repeat(bad, n, 2, x);
        for (int k = 0; k < n; k++) {
            const char c = row[i].expected[k];
            assert_true(x[2 * k] == (float)(c == '.' ? k : c - '0'));
            assert_true(x[2 * k + 1] == x[2 * k]);
        }
    }
}

/* Without augmentation a batch holds what evaluation sees. */
static void test_plain_is_evaluation(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset *d = make_set(root, false);
    struct loader_opts o = opts_of("none");
    struct error err = {XC_OK, ""};
    struct sample_bytes bytes = {0};
    const struct batch *b;
    static float expected[24 * 20 * 3];
    o.shuffle = false;
    struct loader *l = new_loader(d, &o);
    loader_begin(l, 0, 0, 0);
    assert_int_equal(loader_next(l, &b, &err), XC_OK);
    for (size_t i = 0; i < 4; i++) {
        xc_image *image = NULL;
        assert_int_equal(b->sample[i], i);
        assert_int_equal(dataset_image(d, i, &bytes, NULL, &image, &err), XC_OK);
        assert_int_equal(image_prepare(image, &keras, 24, 20, 3, expected, &err), XC_OK);
        assert_memory_equal(expected, b->x + i * 24 * 20 * 3, sizeof expected);
        image_free(image);
    }
    sample_bytes_free(&bytes);
    loader_free(l);
    dataset_free(d);
    scratch_end(root);
}

static void test_bad_by_policy(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset *d = make_set(root, true);
    struct loader_opts o = opts_of("flip");
    const struct batch *b;
    for (int limit = 0; limit < 2; limit++) {
        struct error err = {XC_OK, ""};
        xc_status status;
        o.stop_on_bad = limit == 0;
        o.most_bad = (size_t)limit;
        o.threads = 3;
        struct loader *l = new_loader(d, &o);
        loader_begin(l, 0, 0, 0);
        do status = loader_next(l, &b, &err);
        while (status == XC_OK && b);
        assert_int_equal(status, XC_ERR_FORMAT);
        assert_non_null(
            strstr(err.text, limit ? "2 pictures cannot be read, the limit is 1" : ".ppm"));
        loader_free(l);
    }
    dataset_free(d);
    scratch_end(root);
}

static void test_order(void **state)
{
    (void)state;
    static uint8_t seen[1000];
    for (uint32_t n = 1; n <= 1000; n = n * 3 / 2 + 1) {
        int moved = 0;
        memset(seen, 0, sizeof seen);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = order_at(9, 4, n, i);
            assert_true(at < n && !seen[at]);
            seen[at] = 1;
            moved += at != order_at(9, 5, n, i);
        }
        assert_true(n < 10 || moved > (int)n / 2);
    }
    /* where sample 0 of 16 stands is uniform over epochs: chi-square of 15 degrees, 0.1 % at 37.7
     */
    int count[16] = {0};
    double chi = 0;
    for (uint32_t epoch = 0; epoch < 16000; epoch++) count[order_at(1, epoch, 16, 0)]++;
    for (int i = 0; i < 16; i++) chi += (count[i] - 1000.0) * (count[i] - 1000.0) / 1000.0;
    assert_true(chi < 37.7);
}

static void test_refused(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset *d = make_set(root, false);
    struct loader *l = NULL;
    struct error err = {XC_OK, ""};
    struct loader_opts o = opts_of("none");
    o.split = XC_SPLIT_VAL;
    assert_int_equal(loader_new(d, &o, &l, &err), XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "no val samples"));
    o.split = XC_SPLIT_TRAIN;
    o.threads = 0;
    assert_int_equal(loader_new(d, &o, &l, &err), XC_ERR_ARGUMENT);
    o.threads = 1;
    o.c = 1;
    assert_int_equal(loader_new(d, &o, &l, &err), XC_ERR_SHAPE);
    dataset_free(d);
    scratch_end(root);
}

RUN(cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_begin_anywhere),
    cmocka_unit_test(test_cache_is_hit), cmocka_unit_test(test_every_sample_once),
    cmocka_unit_test(test_bad_rows_repeat), cmocka_unit_test(test_which_row_repeats),
    cmocka_unit_test(test_plain_is_evaluation), cmocka_unit_test(test_bad_by_policy),
    cmocka_unit_test(test_order), cmocka_unit_test(test_refused))
