/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the numbers those that kernel.h promises, to the last bit? Order and rounding of the sums,
 * and what becomes of NaN, infinity and ties. Each promise is kept by the plain kernels with and
 * without the fused multiply-add instruction.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/kernel.h"

#include <cmocka.h> /* last: it has a macro called fail */

enum { TABLES = 2 };
static struct kernels tables[TABLES];

static int setup(void **state)
{
    (void)state;
    kernels_init(&tables[0], DTYPE_F32, 0);
    kernels_init(&tables[1], DTYPE_F32, cpu_flags() & CPU_FMA);
    return 0;
}

static struct view view_of(float *data, int n, int h, int w, int c)
{
    const ptrdiff_t pixel = c * (ptrdiff_t)sizeof(float);
    return (struct view){data, n, h, w, c, h * w * pixel, w * pixel, pixel, DTYPE_F32};
}

/* Numbers whose products and sums all round. */
static void fill(float *v, int count)
{
    for (int i = 0; i < count; i++) v[i] = sinf((float)i + 0.5f) * (float)(1 + i % 7);
}

enum { SIDE = 5, IC = 70, OC = 67 };

static void a_sum_is_fused_and_k_ascends(void **state)
{
    (void)state;
    static float in[SIDE * SIDE * IC], weight[3 * 3 * IC * OC], bias[OC], out[SIDE * SIDE * OC];
    static const float zeros[IC];
    fill(in, SIDE * SIDE * IC);
    fill(weight, 3 * 3 * IC * OC);
    fill(bias, OC);
    const struct conv_call call = {.in = view_of(in, 1, SIDE, SIDE, IC),
                                   .out = view_of(out, 1, SIDE, SIDE, OC),
                                   .window = {3, 3, 1, 1, 1, 1, 1, 1},
                                   .groups = 1,
                                   .weight = weight,
                                   .epilogue = {.bias = bias}};
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        memset(out, 0xc5, sizeof out);
        k->conv(&call, 0, SIDE * SIDE);
        for (int i = 0; i < SIDE * SIDE * OC; i++) {
            const int o = i % OC, y = i / OC / SIDE, x = i / OC % SIDE;
            float acc = bias[o];
            for (int tap = 0; tap < 9; tap++) {
                const int iy = y - 1 + tap / 3, ix = x - 1 + tap % 3;
                const bool padding = iy < 0 || iy >= SIDE || ix < 0 || ix >= SIDE;
                const float *v = padding ? zeros : in + (iy * SIDE + ix) * IC;
                for (int c = 0; c < IC; c++) acc = fmaf(v[c], weight[(tap * IC + c) * OC + o], acc);
            }
            assert_memory_equal(&acc, &out[i], sizeof acc);
        }
    }
}

/* 0 times infinity is NaN: a tap that is skipped would leave the bias, one that goes through the
 * prologue would add its shift. */
static void padding_reads_zero(void **state)
{
    (void)state;
    float in[1] = {1}, out[4], scale[1] = {2}, shift[1] = {5}, weight[4] = {0, 0, 0, INFINITY};
    const struct conv_call call = {.in = view_of(in, 1, 1, 1, 1),
                                   .out = view_of(out, 1, 2, 2, 1),
                                   .window = {2, 2, 1, 1, 1, 1, 1, 1},
                                   .groups = 1,
                                   .weight = weight,
                                   .prologue = {scale, shift, {ACT_NONE, 0, 0}}};
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        conv_fn *const kernel[] = {k->conv, k->depthwise};
        for (int i = 0; i < 2; i++) {
            kernel[i](&call, 0, 4);
            assert_true(out[0] > 0 && isinf(out[0]));
            for (int p = 1; p < 4; p++) assert_true(isnan(out[p]));
        }
    }
}

static void a_global_mean_adds_its_chunks(void **state)
{
    (void)state;
    enum { W = 37, H = 19, C = 3 };
    static float in[H * W * C], out[C];
    fill(in, H * W * C);
    const struct global_pool_call call = {.in = view_of(in, 1, H, W, C),
                                          .out = view_of(out, 1, 1, 1, C)};
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        memset(out, 0xc5, sizeof out);
        k->global_average(&call, 0, C);
        for (int c = 0; c < C; c++) {
            float total = 0, chunk = 0;
            for (int p = 0; p < H * W; p++) {
                chunk += in[p * C + c];
                if (p % REDUCE_CHUNK != REDUCE_CHUNK - 1 && p != H * W - 1) continue;
                total += chunk;
                chunk = 0;
            }
            total /= H * W;
            assert_memory_equal(&total, &out[c], sizeof total);
        }
    }
}

/* A 2x2 window at the corner of a 3x3 image of ones, one row and column of padding. */
static void padding_counts_only_when_asked(void **state)
{
    (void)state;
    float in[9], out[4];
    for (int i = 0; i < 9; i++) in[i] = 1;
    struct pool_call call = {.in = view_of(in, 1, 3, 3, 1),
                             .out = view_of(out, 1, 2, 2, 1),
                             .window = {2, 2, 2, 2, 1, 1, 1, 1}};
    const float counted[] = {0.25f, 0.5f, 0.5f, 1}, absent[] = {1, 1, 1, 1};
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        call.count_pad = true;
        memset(out, 0xc5, sizeof out);
        k->pool_average(&call, 0, 4);
        assert_memory_equal(out, counted, sizeof out);
        call.count_pad = false;
        memset(out, 0xc5, sizeof out);
        k->pool_average(&call, 0, 4);
        assert_memory_equal(out, absent, sizeof out);
    }
}

static void an_activation_keeps_nan(void **state)
{
    (void)state;
    float in[] = {NAN, -0.0f, -INFINITY, INFINITY, -3, 3}, out[6];
    struct map_call call = {.in = view_of(in, 1, 1, 1, 6), .out = view_of(out, 1, 1, 1, 6)};
    const float ends[][6] = {
        [ACT_NONE] = {0, 0, -INFINITY, INFINITY, -3, 3},
        [ACT_RELU] = {0, 0, 0, INFINITY, 0, 3},
        [ACT_ELU] = {0, 0, -1, INFINITY, -0.95021293f, 3},
        [ACT_SIGMOID] = {0, 0.5f, 0, 1},
        [ACT_CLIP] = {0, 0, -1, 1, -1, 1},
        [ACT_TANH] = {0, 0, -1, 1},
    };
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        for (int kind = ACT_NONE; kind <= ACT_TANH; kind++) {
            call.epilogue.act = (struct activation){(enum act)kind, kind == ACT_CLIP ? -1 : 1, 1};
            memset(out, 0xc5, sizeof out);
            k->map(&call, 0, 1);
            assert_true(isnan(out[0]));
            const int exact = kind == ACT_SIGMOID || kind == ACT_TANH ? 4 : 6;
            for (int i = 1; i < exact; i++) assert_true(out[i] == ends[kind][i]);
            if (kind == ACT_RELU) assert_true(signbit(out[1])); /* 0 > -0 is false */
        }
    }
}

static void a_maximum_keeps_nan(void **state)
{
    (void)state;
    float in[9], out[1];
    const struct pool_call window = {.in = view_of(in, 1, 3, 3, 1),
                                     .out = view_of(out, 1, 1, 1, 1),
                                     .window = {3, 3, 1, 1, 1, 1, 0, 0}};
    const struct global_pool_call whole = {.in = window.in, .out = window.out};
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        for (int place = 0; place < 9; place++) {
            for (int i = 0; i < 9; i++) in[i] = (float)i;
            in[place] = NAN;
            memset(out, 0xc5, sizeof out);
            k->pool_max(&window, 0, 1);
            assert_true(isnan(out[0]));
            out[0] = 0;
            k->global_max(&whole, 0, 1);
            assert_true(isnan(out[0]));
        }
        for (int i = 0; i < 9; i++) in[i] = -INFINITY;
        memset(out, 0xc5, sizeof out);
        k->pool_max(&window, 0, 1);
        assert_true(out[0] == -INFINITY);
    }
}

/* Ties of zeros, infinities, subnormal numbers; here and there no number. */
static uint16_t awkward_bf16(uint32_t *state, bool nan)
{
    static const uint16_t some[] = {0x0000, 0x8000, 0x0001, 0x807f, 0x3f80, 0xbf80,
                                    0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0, 0xffc1};
    *state = *state * 1664525u + 1013904223u;
    return some[(*state >> 16) % (nan && *state >> 24 < 16 ? 12 : *state >> 30 ? 10 : 2)];
}

/* At each level, and with channels behind the last whole vector. */
static void a_maximum_of_bf16_is_the_plain_one(void **state)
{
    (void)state;
    enum { IN = 7, OUT = 4, C = 203 }; /* four vectors of 32, two, and some */
    static uint16_t in[IN * IN * C], addend[OUT * OUT * C], want[OUT * OUT * C], out[OUT * OUT * C];
    const ptrdiff_t pixel = C * (ptrdiff_t)sizeof *in;
    struct view from = {in, 1, IN, IN, C, IN * IN * pixel, IN * pixel, pixel, DTYPE_BF16};
    struct view to = {out, 1, OUT, OUT, C, OUT * OUT * pixel, OUT * pixel, pixel, DTYPE_BF16};
    struct pool_call call = {
        .type = DTYPE_BF16, .in = from, .out = to, .window = {3, 3, 2, 2, 1, 1, 1, 1}};
    uint32_t random = 1;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < IN * IN * C; i++) in[i] = awkward_bf16(&random, round % 4 == 3);
        for (int i = 0; i < OUT * OUT * C; i++) addend[i] = awkward_bf16(&random, false);
        call.epilogue.add = to;
        call.epilogue.add.data = round % 2 ? addend : NULL;
        call.epilogue.act.kind = round % 3 ? ACT_NONE : ACT_RELU;
        for (size_t level = 0; cpu_level(level); level++) {
            unsigned allowed;
            struct kernels k;
            assert_true(cpu_level_flags(cpu_level(level), &allowed));
            kernels_init(&k, DTYPE_BF16, cpu_flags() & allowed);
            memset(out, 0xc5, sizeof out);
            k.pool_max(&call, 0, OUT * OUT);
            if (level == 0) memcpy(want, out, sizeof out);
            assert_memory_equal(out, want, sizeof out);
        }
    }
}

static void a_map_may_be_in_place(void **state)
{
    (void)state;
    enum { C = 131 };
    float v[2 * C], scale[C], shift[C], want[2 * C];
    fill(v, 2 * C);
    fill(scale, C);
    fill(shift, C);
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        for (int i = 0; i < 2 * C; i++) {
            const float sum = fmaf(scale[i % C], v[i], shift[i % C]) + v[i];
            want[i] = sum > 0 ? sum : 0;
        }
        const struct view pixels = view_of(v, 1, 1, 2, C);
        const struct map_call call = {.in = pixels,
                                      .out = pixels,
                                      .prologue = {scale, shift, {ACT_NONE, 0, 0}},
                                      .epilogue = {.add = pixels, .act = {ACT_RELU, 0, 0}}};
        k->map(&call, 0, 2);
        assert_memory_equal(v, want, sizeof v);
    }
}

static void run_softmax(const struct kernels *k, float *in, float *out, int c)
{
    const struct softmax_call call = {.in = view_of(in, 1, 1, 1, c),
                                      .out = view_of(out, 1, 1, 1, c)};
    k->softmax(&call, 0, 1);
}

static void softmax_bears_anything(void **state)
{
    (void)state;
    float out[1000], ties[1000];
    float huge[] = {3e38f, -3e38f, 3e38f}, far[] = {0, -INFINITY, -200}, bad[] = {1, NAN, 2};
    for (int i = 0; i < 1000; i++) ties[i] = i % 2 ? 17 : 16;
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        run_softmax(k, ties, out, 1000);
        double sum = 0;
        for (int i = 0; i < 1000; i++) sum += (double)out[i];
        assert_true(fabs(sum - 1) < 1e-5);
        for (int i = 2; i < 1000; i++) assert_memory_equal(&out[i], &out[i - 2], sizeof *out);
        assert_true(out[1] > out[0]);
        run_softmax(k, huge, out, 3);
        assert_true(out[0] == 0.5f && out[1] == 0 && out[2] == 0.5f);
        run_softmax(k, far, out, 3);
        assert_true(out[0] == 1 && out[1] == 0 && out[2] == 0);
        run_softmax(k, bad, out, 3);
        assert_true(isnan(out[0]) && isnan(out[1]) && isnan(out[2]));
        run_softmax(k, huge, huge, 3); /* in place */
        assert_true(huge[0] == 0.5f && huge[1] == 0 && huge[2] == 0.5f);
        huge[0] = huge[2] = 3e38f;
        huge[1] = -3e38f;
    }
}

static void a_peak_counts_what_it_did(void **state)
{
    (void)state;
    for (const struct kernels *k = tables; k < tables + TABLES; k++) {
        assert_true(k->peak(1) > 0);
        assert_int_equal(k->peak(7), 7 * k->peak(1));
    }
}

/* What the processor has, as the system sees it: a level that is not found is not tested either. */
static void flags_are_the_processors(void **state)
{
    (void)state;
    static const struct {
        unsigned flag;
        const char *words; /* all of them */
    } row[] = {{CPU_FMA, " fma "},
               {CPU_AVX2, " avx2 "},
               {CPU_AVX512, " avx512f  avx512bw  avx512dq  avx512vl "},
               {CPU_VNNI, " avx512_vnni "},
               {CPU_BF16, " avx512_bf16 "},
               {CPU_AMX, " avx512_bf16  amx_bf16  amx_tile "}};
    char line[8192] = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file) && strncmp(line, "flags", 5) != 0) continue;
    if (file) fclose(file);
    if (strncmp(line, "flags", 5) != 0) {
        print_message("skipped: /proc/cpuinfo has no flags\n");
        skip();
    }
    line[strcspn(line, "\n")] = ' ';
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        bool all = true;
        char words[64];
        snprintf(words, sizeof words, "%s", row[i].words);
        for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
            char padded[40];
            snprintf(padded, sizeof padded, " %s ", word);
            all = all && strstr(line, padded);
        }
        if (!(cpu_flags() & row[i].flag) == all) print_error("%s\n", row[i].words);
        assert_int_equal(!(cpu_flags() & row[i].flag), !all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_is_fused_and_k_ascends),
        cmocka_unit_test(padding_reads_zero),
        cmocka_unit_test(a_global_mean_adds_its_chunks),
        cmocka_unit_test(padding_counts_only_when_asked),
        cmocka_unit_test(an_activation_keeps_nan),
        cmocka_unit_test(a_maximum_keeps_nan),
        cmocka_unit_test(a_maximum_of_bf16_is_the_plain_one),
        cmocka_unit_test(a_map_may_be_in_place),
        cmocka_unit_test(softmax_bears_anything),
        cmocka_unit_test(a_peak_counts_what_it_did),
        cmocka_unit_test(flags_are_the_processors),
    };
    return cmocka_run_group_tests_name("kernel contract", tests, setup, NULL);
}
