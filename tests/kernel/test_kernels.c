/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is every kernel of every level right? Random trials of all families against their formulas; the
 * checker itself is shown wrong kernels. `test_kernels --bench [LEVEL]` times all levels or one
 * instead, and `test_kernels --seed N` repeats a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/bench.h"
#include "kernel/blocks.h"
#include "kernel/levels.h"
#include "kernel/trial.h"

#include <cmocka.h> /* last: it has a macro called fail */

enum { TRIALS = 24, LEVELS = 16 };

static const struct family *const families[] = {
    &conv_family,          &deep_family,       &grouped_family,        &depthwise_family,
    &depthwise_3x3_family, &pointwise_family,  &dense_family,          &pool_max_family,
    &pool_average_family,  &global_max_family, &global_average_family, &map_family,
    &quarters_family,      &series_family,     &softmax_family,        &winograd_in_family,
    &winograd_out_family,
};
enum { FAMILIES = sizeof families / sizeof *families };

static uint64_t seed;

/* The tables that differ on this processor, the plain one first. */
static int all_levels(enum dtype type, struct kernels table[LEVELS])
{
    int count = 0;
    unsigned allowed;
    for (size_t i = 0; cpu_level(i); i++) {
        if (!level_differs(i, type, cpu_flags())) continue;
        assert_true(count < LEVELS && cpu_level_flags(cpu_level(i), &allowed));
        kernels_init(&table[count++], type, allowed & cpu_flags());
    }
    return count;
}

/* All tables have the same bits. */
static void check_trial(const struct family *family, enum dtype type, uint64_t one_seed,
                        const struct kernels *table, int levels)
{
    struct trial *t = trial_new(family, type, one_seed);
    assert_non_null(t);
    for (int level = 0; level < levels; level++) {
        const char *reason = trial_check(t, &table[level], one_seed);
        if (reason)
            fail_msg("%s, %s, --seed %llu: %s", table[level].level, dtype_name(type),
                     (unsigned long long)one_seed, reason);
    }
    trial_free(t);
}

static void check_family(const struct family *family, enum dtype type)
{
    struct kernels table[LEVELS], blocks[2]; /* those with the order of sums of tile registers */
    int levels = all_levels(type, table), tiles = 0;
    kernels_init(&blocks[0], DTYPE_BF16, cpu_flags() & CPU_FMA);
    blocks_kernels(&blocks[0]);
    if (table[levels - 1].in_blocks) blocks[++tiles] = table[--levels];
    for (uint64_t i = 0; i < TRIALS; i++) {
        check_trial(family, type, seed + i, table, levels);
        if (type == DTYPE_BF16) check_trial(family, type, seed + i, blocks, 1 + tiles);
    }
}

static void every_level_follows_the_formulas(void **state)
{
    struct kernels best;
    (void)state;
    kernels_init(&best, DTYPE_BF16, cpu_flags());
    if (!best.in_blocks) print_message("skipped: no tile registers, no level amx\n");
    for (int i = 0; i < FAMILIES; i++) {
        check_family(families[i], DTYPE_F32);
        check_family(families[i], DTYPE_F64);
        check_family(families[i], DTYPE_BF16);
    }
}

/* A compiler, an option or a sanitizer that changes one bit shows up here. Whoever changes how
 * trials are drawn enters the new hash, after seeing it from gcc and clang. */
static void every_build_has_the_same_bits(void **state)
{
    (void)state;
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < TRIALS * FAMILIES * 2; i++) {
        const enum dtype type = i % 2 ? DTYPE_F64 : DTYPE_F32;
        struct trial *t = trial_new(families[i / 2 % FAMILIES], type, i);
        struct kernels k;
        kernels_init(&k, type, cpu_flags());
        assert_non_null(t);
        assert_null(trial_check(t, &k, i));
        hash = trial_hash(t, hash);
        trial_free(t);
    }
    if (hash != 0x7ae75c4bd899c1dau)
        fail_msg("the trials hash to 0x%016llx", (unsigned long long)hash);
}

/* Rows that lie one below the other without gaps, as in networks: `pixels` of them, in float32 or
 * brain floats; what is added lies where the output goes if in_place. */
enum { FLAT_PIXELS = 75, FLAT_IN = 801, FLAT_OUT = 41 };
struct flat {
    enum dtype type;
    int pixels, c;
    float in[FLAT_PIXELS * FLAT_IN], weight[FLAT_IN * FLAT_OUT], add[FLAT_PIXELS * FLAT_OUT];
};

static void run_flat(const struct flat *f, const struct kernels *k, bool in_place, float *out)
{
    const ptrdiff_t size = (ptrdiff_t)dtype_size(f->type);
    const struct matrix m = {(size_t)f->c, FLAT_OUT, 1};
    const struct guarded w = packed_copy(f->type, k->pointwise_packing, &m, f->weight);
    struct conv_call call = {.type = f->type, .groups = 1, .weight = w.first};
    call.in = (struct view){
        (void *)f->in,           1,           1,      f->pixels, f->c, f->pixels * f->c * size,
        f->pixels * f->c * size, f->c * size, f->type};
    call.out = (struct view){out,
                             1,
                             1,
                             f->pixels,
                             FLAT_OUT,
                             f->pixels * FLAT_OUT * size,
                             f->pixels * FLAT_OUT * size,
                             FLAT_OUT * size,
                             f->type};
    call.window = (struct window){1, 1, 1, 1, 1, 1, 0, 0};
    call.packing = k->pointwise_packing;
    call.epilogue.add = call.out;
    if (in_place)
        memcpy(out, f->add, sizeof f->add);
    else
        call.epilogue.add.data = (void *)f->add;
    k->pointwise(&call, 0, (size_t)f->pixels);
    struct guarded used = w;
    guarded_free(&used);
}

/* plain: whose bits k must have. kernel.h lets a pointwise convolution add what lies where its
 * output goes, so every number must be read once, before it is written. */
static void check_flat(const struct flat *f, const struct kernels *plain, const struct kernels *k)
{
    static float want[FLAT_PIXELS * FLAT_OUT], got[FLAT_PIXELS * FLAT_OUT];
    run_flat(f, plain, false, want);
    for (int in_place = 0; in_place < 2; in_place++) {
        run_flat(f, k, in_place, got);
        if (memcmp(want, got, (size_t)(f->pixels * FLAT_OUT) * dtype_size(f->type)) != 0)
            fail_msg("%s, %s: %d pixels of %d, added %s", k->level, dtype_name(f->type), f->pixels,
                     f->c, in_place ? "in place" : "from elsewhere");
    }
}

static void flat_rows(void **state)
{
    (void)state;
    static const int pixels[] = {1, 13, 16, 27, 32, 45, 59, FLAT_PIXELS}, depth[] = {70, FLAT_IN};
    static struct flat f;
    struct dice d = {seed};
    for (size_t i = 0; i < 4 * sizeof pixels / sizeof *pixels; i++) {
        struct kernels table[LEVELS], blocks;
        f.pixels = pixels[i / 4];
        f.type = i % 2 ? DTYPE_BF16 : DTYPE_F32;
        f.c = depth[i / 2 % 2];
        dice_fill(f.type, &d, f.in, sizeof f.in / sizeof *f.in);
        dice_fill(f.type, &d, f.weight, sizeof f.weight / sizeof *f.weight);
        dice_fill(f.type, &d, f.add, sizeof f.add / sizeof *f.add);
        kernels_init(&blocks, DTYPE_BF16, cpu_flags() & CPU_FMA);
        blocks_kernels(&blocks);
        const int levels = all_levels(f.type, table);
        for (int k = 1; k < levels; k++)
            check_flat(&f, table[k].in_blocks ? &blocks : &table[0], &table[k]);
    }
}

/* And no level is left out: they end with the best one, and none comes twice. */
static void no_slot_is_empty(void **state)
{
    (void)state;
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F64, DTYPE_BF16};
    for (size_t j = 0; j < sizeof types / sizeof *types; j++) {
        struct kernels table[LEVELS], best;
        const int levels = all_levels(types[j], table);
        kernels_init(&best, types[j], cpu_flags());
        assert_string_equal(table[levels - 1].level, best.level);
        for (int i = 0; i < levels; i++) {
            if (i) assert_string_not_equal(table[i].level, table[i - 1].level);
            const struct kernels *k = &table[i];
            assert_int_equal(k->type, types[j]);
            assert_non_null(k->level);
            assert_true(k->conv && k->depthwise && k->pointwise && k->dense);
            assert_true(k->pool_max && k->pool_average && k->global_max && k->global_average);
            assert_true(k->map && k->quarters && k->series && k->softmax);
            assert_true(k->winograd_in && k->winograd_out);
        }
    }
}

static void levels_have_names_and_flags(void **state)
{
    (void)state;
    unsigned before = 0, allowed;
    for (size_t i = 0; cpu_level(i); i++) {
        assert_true(cpu_level_flags(cpu_level(i), &allowed));
        assert_int_equal(allowed & before, before);
        before = allowed;
    }
    assert_string_equal(cpu_level(0), "ref");
    assert_false(cpu_level_flags("sse9", &allowed));
    char text[32], cut[8];
    cpu_flags_text(0, text, sizeof text);
    assert_string_equal(text, "");
    cpu_flags_text(before, text, sizeof text);
    assert_string_equal(text, "fma avx2 avx512 vnni bf16 amx");
    cpu_flags_text(before, cut, sizeof cut);
    assert_string_equal(cut, "fma avx");
    cpu_flags_text(before, cut, 0);
}

/* ---- is the checker alive? Wrong kernels, and what must be said of them. --------------------- */

static void right(const struct conv_call *call, size_t from, size_t to)
{
    struct kernels k;
    kernels_init(&k, call->type, 0);
    k.depthwise(call, from, to);
}

/* The first number of output unit `unit`. */
static float *first_number(const struct conv_call *call, size_t unit)
{
    const struct view *o = &call->out;
    const size_t w = (size_t)o->w, h = (size_t)o->h;
    char *at = o->data;
    at += (ptrdiff_t)(unit / w / h) * o->image + (ptrdiff_t)(unit / w % h) * o->row;
    return (float *)(void *)(at + (ptrdiff_t)(unit % w) * o->pixel);
}

static void change_last_bit(float *number)
{
    uint32_t bits;
    memcpy(&bits, number, sizeof bits);
    bits ^= 1;
    memcpy(number, &bits, sizeof bits);
}

static void rounds_differently(const struct conv_call *call, size_t from, size_t to)
{
    right(call, from, to);
    for (size_t unit = from; unit < to; unit++) change_last_bit(first_number(call, unit));
}

static void rounds_by_the_range(const struct conv_call *call, size_t from, size_t to)
{
    right(call, from, to);
    if (from > 0) change_last_bit(first_number(call, from));
}

static void writes_behind_the_pixel(const struct conv_call *call, size_t from, size_t to)
{
    right(call, from, to);
    first_number(call, to - 1)[call->out.c] = 1;
}

static void stops_early(const struct conv_call *call, size_t from, size_t to)
{
    right(call, from, to - (to > from + 1));
}

static void forgets_the_bias(const struct conv_call *call, size_t from, size_t to)
{
    struct conv_call wrong = *call;
    wrong.epilogue.bias = NULL;
    right(&wrong, from, to);
}

static void takes_padding_for_zeros(const struct conv_call *call, size_t from, size_t to)
{
    struct conv_call wrong = *call;
    if (call->window.pad_top == 0) return right(call, from, to);
    wrong.window.pad_top--;
    right(&wrong, from, to);
}

/* Behind the last number, by one byte. */
static void reads_too_far(const struct conv_call *call, size_t from, size_t to)
{
    const struct window *win = &call->window;
    const float *weight = call->weight;
    const volatile char *end = (const volatile char *)(weight + win->kh * win->kw * call->in.c);
    (void)*end;
    right(call, from, to);
}

static void reads_too_early(const struct conv_call *call, size_t from, size_t to)
{
    const volatile char *first = call->in.data;
    (void)first[-1];
    right(call, from, to);
}

static void wrong_kernels_are_caught(void **state)
{
    (void)state;
    static const struct {
        conv_fn *kernel;
        const char *words;
    } faults[] = {
        {rounds_differently, "(first table and this one)"},
        {rounds_by_the_range, "(whole and in pieces)"},
        {writes_behind_the_pixel, "wrote outside its output"},
        {stops_early, "the formula gives"},
        {forgets_the_bias, "the formula gives"},
        {takes_padding_for_zeros, "the formula gives"},
        {reads_too_far, "touched byte"},
        {reads_too_early, "touched byte -1 of"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        int caught = 0;
        for (uint64_t draw = 0; draw < TRIALS; draw++) {
            struct kernels k;
            kernels_init(&k, DTYPE_F32, 0);
            struct trial *t = trial_new(&depthwise_family, DTYPE_F32, draw);
            assert_non_null(t);
            assert_null(trial_check(t, &k, draw));
            k.depthwise = faults[i].kernel;
            const char *reason = trial_check(t, &k, draw);
            caught += reason && strstr(reason, faults[i].words);
            trial_free(t);
        }
        if (!caught) fail_msg("fault %zu was not caught", i);
    }
}

int main(int argc, char **argv)
{
    seed = (uint64_t)time(NULL);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) return bench_kernels(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) seed = strtoull(argv[2], NULL, 10);
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_slot_is_empty),
        cmocka_unit_test(levels_have_names_and_flags),
        cmocka_unit_test(every_level_follows_the_formulas),
        cmocka_unit_test(flat_rows),
        cmocka_unit_test(every_build_has_the_same_bits),
        cmocka_unit_test(wrong_kernels_are_caught),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
