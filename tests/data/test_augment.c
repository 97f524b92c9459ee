/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a picture become what Pillow and torchvision make of it, and are the random numbers those of
 * the distributions? Expected sums were computed by tests/oracle/augment_pillow.py.
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "data/augment.h"

enum { W = 23, H = 17, BYTES = W * H * 3 };

/* The picture of the oracle: smooth colours with edges. */
static void test_picture(uint8_t *rgb)
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            *rgb++ = (uint8_t)((x * 11 + y * 3) % 256);
            *rgb++ = (uint8_t)((x * y * 5 + 40) % 256);
            *rgb++ = (uint8_t)((y * 13 + (x / 5) * 60) % 256);
        }
}

static void make(const char *what, double value, uint8_t *rgb)
{
    static uint8_t scratch[BYTES];
    static const char *const operations[RAND_OPERATIONS] = {
        "identity", "shear-x", "shear-y", "translate-x", "translate-y", "rotate",       "-",
        "-",        "-",       "-",       "posterize",   "solarize",    "autocontrast", "equalize"};
    test_picture(rgb);
    for (int i = 0; i < RAND_OPERATIONS; i++)
        if (!strcmp(what, operations[i])) rand_apply(i, fabs(value), value < 0, rgb, W, H, scratch);
    if (!strcmp(what, "brightness")) colour_brightness(rgb, W * H, (float)value);
    if (!strcmp(what, "contrast")) colour_contrast(rgb, W * H, (float)value);
    if (!strcmp(what, "saturation")) colour_saturation(rgb, W * H, (float)value);
    if (!strcmp(what, "hue")) colour_hue(rgb, W * H, (float)value);
    if (!strcmp(what, "sharpness")) colour_sharpness(rgb, W, H, (float)value, scratch);
}

static void test_pillow(void **state)
{
    (void)state;
    FILE *f = fopen(XC_SOURCE_DIR "/tests/data/augment.tsv", "r");
    char line[256], what[32], expected[65], got[65];
    double value;
    int rows = 0, wrong = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        static uint8_t rgb[BYTES];
        struct sha256 sum;
        if (line[0] == '#' || sscanf(line, "%31s %lf %64s", what, &value, expected) != 3) continue;
        make(what, value, rgb);
        sha256_init(&sum);
        sha256_add(&sum, rgb, sizeof rgb);
        sha256_hex(&sum, got);
        if (strcmp(got, expected) != 0) {
            print_error("%s %g is not Pillow's\n", what, value);
            wrong++;
        }
        rows++;
    }
    fclose(f);
    assert_int_equal(wrong, 0);
    assert_true(rows >= 30);
}

/* torchvision's table: a colour changes by at most nine tenths, either way. */
static void test_rand_colours(void **state)
{
    (void)state;
    static const char *const name[] = {"brightness", "saturation", "contrast", "sharpness"};
    static uint8_t rgb[BYTES], expected[BYTES], scratch[BYTES];
    for (int i = 0; i < 4; i++)
        for (int magnitude = -30; magnitude <= 30; magnitude += 5) {
            make(name[i], (float)(1 + 0.9 * magnitude / 30.0), expected);
            test_picture(rgb);
            rand_apply(6 + i, abs(magnitude), magnitude < 0, rgb, W, H, scratch);
            assert_memory_equal(rgb, expected, BYTES);
        }
}

/* Each picture has its own operations, all equally often, half of them the other way round. */
static void test_rand_choice(void **state)
{
    (void)state;
    enum { KINDS = 2 * RAND_OPERATIONS, DRAWS = 2800 };
    static uint8_t made[KINDS][BYTES], rgb[BYTES], scratch[BYTES];
    int count[KINDS] = {0};
    for (int i = 0; i < KINDS; i++) {
        test_picture(made[i]);
        rand_apply(i / 2, 20, i % 2, made[i], W, H, scratch);
    }
    for (int ops = 1; ops <= 3; ops += 2) {
        const struct augment a = {.rand_ops = ops, .rand_magnitude = 20};
        int single = 0;
        for (uint32_t n = 0; n < DRAWS; n++) {
            const struct view_key key = {5, 1, n};
            test_picture(rgb);
            augment_colours(&a, &key, rgb, W, H, scratch);
            int i = 0;
            while (i < KINDS && memcmp(rgb, made[i], BYTES) != 0) i++;
            if (i < KINDS) single++;
            if (ops == 1 && i < KINDS) count[i]++;
        }
        assert_true(ops == 1 ? single == DRAWS : single < DRAWS / 5);
    }
    for (int i = 0; i < KINDS; i++) {
        const bool signless = memcmp(made[i], made[i ^ 1], BYTES) == 0; /* the first is found */
        const int expected = !signless ? DRAWS / KINDS : i % 2 ? 0 : 2 * DRAWS / KINDS;
        assert_true(abs(count[i] - expected) <= 5 * sqrt(expected));
    }
}

/* Every offset is as likely; outside the picture is black, or the mirror image. */
static void test_pad(void **state)
{
    (void)state;
    enum { SIDE = 9, PAD = 3, PLACES = 2 * PAD + 1, DRAWS = 4900 };
    static uint8_t in[SIDE * SIDE * 3], out[SIDE * SIDE * 3];
    static const char *const spec[] = {"pad=3", "mirror-pad=3"};
    for (int i = 0; i < SIDE * SIDE; i++) {
        in[3 * i] = (uint8_t)(1 + i % SIDE);
        in[3 * i + 1] = (uint8_t)(1 + i / SIDE);
        in[3 * i + 2] = 7;
    }
    for (int mirror = 0; mirror < 2; mirror++) {
        struct augment a;
        struct error err;
        int count[PLACES][PLACES] = {{0}};
        assert_int_equal(augment_parse(spec[mirror], &a, &err), XC_OK);
        for (uint32_t n = 0; n < DRAWS; n++) {
            const struct view_key key = {4, 2, n};
            augment_pad(&a, &key, in, SIDE, SIDE, out);
            const uint8_t *middle = &out[(SIDE / 2 * SIDE + SIDE / 2) * 3];
            const int left = middle[0] - 1 - SIDE / 2, top = middle[1] - 1 - SIDE / 2;
            assert_true(abs(left) <= PAD && abs(top) <= PAD);
            count[top + PAD][left + PAD]++;
            for (int i = 0; i < SIDE * SIDE; i++) {
                int x = i % SIDE + left, y = i / SIDE + top;
                const bool inside = x >= 0 && x < SIDE && y >= 0 && y < SIDE;
                x = x < 0 ? -x : x >= SIDE ? 2 * (SIDE - 1) - x : x;
                y = y < 0 ? -y : y >= SIDE ? 2 * (SIDE - 1) - y : y;
                const bool black = !inside && !mirror;
                assert_int_equal(out[3 * i], black ? 0 : x + 1);
                assert_int_equal(out[3 * i + 1], black ? 0 : y + 1);
                assert_int_equal(out[3 * i + 2], black ? 0 : 7);
            }
        }
        for (int i = 0; i < PLACES * PLACES; i++)
            assert_true(abs(count[i / PLACES][i % PLACES] - 100) <= 50);
    }
}

static void test_crop(void **state)
{
    (void)state;
    struct augment a;
    struct error err;
    double area = 0, ratio = 0, squares = 0, left = 0, width = 2 * log(4.0 / 3.0);
    int n = 20000;
    assert_int_equal(augment_parse("rrc=0.1/0.5", &a, &err), XC_OK);
    for (int i = 0; i < n; i++) {
        struct view_key k = {3, 1, (uint32_t)i};
        struct box b = augment_crop(&a, &k, 400, 400);
        assert_true(b.w >= 1 && b.h >= 1 && b.x >= 0 && b.y >= 0 && b.x + b.w <= 400 &&
                    b.y + b.h <= 400);
        area += (double)b.w * b.h / 160000;
        double r = log((double)b.w / b.h);
        ratio += r;
        squares += r * r;
        left += (double)b.x / (400 - b.w);
    }
    assert_true(fabs(area / n - 0.3) < 0.01);
    assert_true(fabs(ratio / n) < 0.01);
    assert_true(fabs(squares / n * 12 / (width * width) - 1) < 0.03);
    assert_true(fabs(left / n - 0.5) < 0.02);
    struct view_key k = {3, 1, 0}; /* nothing fits: the centre */
    struct box b = augment_crop(&a, &k, 1000, 10);
    assert_true(b.h == 10 && b.w <= 14);
}

static void test_probabilities(void **state)
{
    (void)state;
    struct augment a;
    struct error err;
    static float x[20 * 20];
    int flips = 0, erased = 0;
    double gone = 0;
    assert_int_equal(augment_parse("flip=0.3,erase=0.25", &a, &err), XC_OK);
    for (uint32_t i = 0; i < 10000; i++) {
        struct view_key k = {8, 2, i};
        int zeros = 0;
        flips += augment_flips(&a, &k);
        for (int p = 0; p < 400; p++) x[p] = 1.0f;
        augment_erase(&a, &k, x, 20, 20, 1);
        for (int p = 0; p < 400; p++) zeros += x[p] == 0.0f;
        erased += zeros > 0;
        gone += zeros / 400.0;
    }
    assert_true(abs(flips - 3000) < 200);
    assert_true(abs(erased - 2500) < 200);
    assert_true(fabs(gone / erased - 0.175) < 0.02);
}

/* Lambda of Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)); targets stay sums of 1. */
static void test_mixing(void **state)
{
    (void)state;
    static const double alphas[] = {0.2, 1.0, 3.0};
    for (size_t t = 0; t < 3; t++) {
        double sum = 0, squares = 0;
        int n = 20000;
        struct augment a = {.mixup = alphas[t]};
        for (int i = 0; i < n; i++) {
            struct view_key k = {1, 0, (uint32_t)i};
            float x[2] = {1.0f, 0.0f}, target[4] = {1, 0, 0, 1}, weight[2] = {3, 3};
            augment_mix(&a, &k, x, 2, 1, 1, 1, target, weight, 2);
            assert_true(weight[0] == 3 && weight[1] == 3);
            assert_true(fabsf(x[0] - target[0]) < 1e-6f && fabsf(x[0] + x[1] - 1.0f) < 1e-6f);
            assert_true(fabsf(target[0] + target[1] - 1.0f) < 1e-6f);
            sum += (double)x[0];
            squares += (double)x[0] * (double)x[0];
        }
        double mean = sum / n, variance = squares / n - mean * mean;
        assert_true(fabs(mean - 0.5) < 0.01);
        assert_true(fabs(variance * 4 * (2 * alphas[t] + 1) - 1) < 0.04);
    }
}

static void test_cutmix(void **state)
{
    (void)state;
    struct augment a = {.cutmix = 1.0};
    static float x[3 * 12 * 10];
    for (uint32_t i = 0; i < 500; i++) {
        struct view_key k = {1, 0, i};
        float target[6] = {1, 0, 1, 0, 0, 1}, weight[3] = {1, 1, 1};
        int own = 0;
        for (int p = 0; p < 360; p++) x[p] = (float)(p / 120);
        augment_mix(&a, &k, x, 3, 12, 10, 1, target, weight, 2);
        for (int p = 0; p < 120; p++) {
            own += x[p] == 0.0f;
            assert_true(x[p] == 0.0f || x[p] == 2.0f);
            assert_true(x[120 + p] == 1.0f); /* the middle one keeps itself */
            assert_true(x[p] + x[240 + p] == 2.0f);
        }
        assert_true(fabsf(target[0] - (float)own / 120.0f) < 1e-6f);
        assert_true(target[2] == 1.0f);
    }
}

/* A label teaches with the weight of its own sample, in both pictures together; without one not at
 * all. */
static void test_mixed_weights(void **state)
{
    (void)state;
    static const float pairs[][2] = {{2, 0.5F}, {1, 0}, {0, 3}, {0, 0}};
    const struct augment a = {.mixup = 1.0};
    for (uint32_t i = 0; i < 400; i++) {
        const struct view_key k = {1, 0, i};
        const float *own = pairs[i % 4];
        float x[2] = {1, 0}, target[4] = {1, 0, 0, 1}, weight[2] = {own[0], own[1]};
        augment_mix(&a, &k, x, 2, 1, 1, 1, target, weight, 2);
        for (int c = 0; c < 2; c++) {
            const float taught = weight[0] * target[c] + weight[1] * target[2 + c];
            assert_true(fabsf(taught - own[c]) < 1e-6F);
            assert_true(own[c] > 0 || own[!c] == 0 || (target[c] == 0 && target[2 + c] == 0));
        }
        assert_true(fabsf(weight[0] * target[0] - x[0] * own[0]) < 1e-6F);
    }
}

/* In the first epochs only, each by itself: then the other one, then none. */
static void test_mix_ends(void **state)
{
    (void)state;
    const struct augment a = {.mixup = 0.2, .cutmix = 1.0, .mixup_epochs = 2, .cutmix_epochs = 3};
    bool changed[4] = {false}, halves[4] = {false};
    for (uint32_t epoch = 0; epoch < 4; epoch++)
        for (uint32_t i = 0; i < 100; i++) {
            const struct view_key k = {1, epoch, i};
            float x[2] = {0, 1}, target[4] = {1, 0, 0, 1}, weight[2] = {1, 1};
            augment_mix(&a, &k, x, 2, 1, 1, 1, target, weight, 2);
            changed[epoch] |= x[0] != 0 || target[0] != 1;
            halves[epoch] |= x[0] > 0 && x[0] < 1; /* one pixel is never cut */
        }
    assert_true(halves[0] && halves[1] && !halves[2]);
    assert_true(!changed[3]);
}

static void test_spec(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *whole; /* all numbers written out; NULL: refused */
    } good[] = {
        {"none", "none"},
        {"flip", "flip=0.5"},
        {"pad=4,flip", "pad=4,flip=0.5"},
        {"small", "pad=4,flip=0.5"},
        {"rrc=0.5,mirror-pad=0", NULL},
        {"rrc=0.5", "rrc=0.5/1/0.75/1.3333333333333333"},
        {"cutmix,jitter=0.1,randaug=3/15", "jitter=0.1/0.4/0.4/0,randaug=3/15,cutmix=1/0"},
        {"mixup=0.2/0,cutmix=1/20", "mixup=0.2,cutmix=1/20"},
        {"cutmix=1/1.5", NULL},
        {"cutmix=1/", NULL},
        {"cutmix=1//", NULL},
        {"rrc,pad", NULL},
        {"flip=2", NULL},
        {"flip=0.5/1", NULL},
        {"randaug=1.5", NULL},
        {"flop", NULL},
        {"", NULL},
        {"flip,", NULL},
        {"flip=", NULL},
        {"rrc=1/0.5", NULL},
        {"flip=nan", NULL},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct augment a, again;
        struct error err = {XC_OK, ""};
        xc_status status = augment_parse(good[i].spec, &a, &err);
        if ((status == XC_OK) != (good[i].whole != NULL))
            STOP("\"%s\": %s", good[i].spec, status == XC_OK ? "accepted" : err.text);
        if (status != XC_OK) continue;
        assert_int_equal(augment_parse(good[i].whole, &again, &err), XC_OK);
        assert_memory_equal(&a, &again, sizeof a);
    }
    const char *spec;
    struct augment a;
    struct error err;
    for (int i = 0; augment_name(i, &spec); i++)
        assert_int_equal(augment_parse(spec, &a, &err), XC_OK);
}

RUN(cmocka_unit_test(test_pillow), cmocka_unit_test(test_rand_colours),
    cmocka_unit_test(test_rand_choice), cmocka_unit_test(test_pad), cmocka_unit_test(test_crop),
    cmocka_unit_test(test_probabilities), cmocka_unit_test(test_mixing),
    cmocka_unit_test(test_mixed_weights), cmocka_unit_test(test_cutmix),
    cmocka_unit_test(test_mix_ends), cmocka_unit_test(test_spec))
