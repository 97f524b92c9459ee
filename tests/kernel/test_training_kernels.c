/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the kernels of training give the plain kernels' bits on every level (tile registers: those of
 * blocks.h), however their units are cut, and write nothing else? In float32, and with brain floats
 * in any of their maps. Each trial is a function of its seed: the same call over the same memory by
 * the plain kernel at once, and by another in two ranges; then all of the memory is compared.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "harness.h"
#include "kernel/blocks.h"
#include "kernel/levels.h"

enum { TRIALS = 200, ROOM = 1 << 16, MAPS = 4, SPARE = 64 };

struct table { /* what calls read and write: maps, then vectors of channels and weights */
    float map[MAPS][ROOM], vector[8][ROOM / 16];
    uint16_t rounded[MAPS][ROOM], weight[ROOM / 16];
    uint8_t index[ROOM];
};

struct trial {
    struct table *t;
    const struct training_kernels *k;
    uint64_t seed;
    uint32_t next;
    bool cut;
    enum dtype type;
};

static int draw(struct trial *s, int low, int high)
{
    const float u = rng_uniform(s->seed, RNG_TEST, 1, 0, s->next++);
    return low + (int)(u * (float)(high - low + 1));
}

/* Numbers of one long row, begun elsewhere by each seed; zeros and equal numbers among them. */
static float numbers[ROOM];

static void make_numbers(void)
{
    for (size_t i = 0; i < ROOM; i++)
        numbers[i] = i % 11 == 3   ? 0
                     : i % 89 == 5 ? 0x1p-66f /* products of two are subnormal */
                                   : (float)rng_normal(1, RNG_TEST, 0, 1, (uint32_t)i);
}

static void fill(struct table *t, uint64_t seed)
{
    float *at = &t->map[0][0];
    uint16_t *half = &t->rounded[0][0];
    const size_t count = offsetof(struct table, rounded) / sizeof *at;
    const size_t halves = (offsetof(struct table, index) - offsetof(struct table, rounded)) / 2;
    for (size_t i = 0; i < count; i++) at[i] = numbers[(i + seed * 7919) % ROOM];
    for (size_t i = 0; i < halves; i++) half[i] = bf16_from_f32(numbers[(i + seed * 7727) % ROOM]);
    memset(t->index, 0, sizeof t->index);
}

/* A view into map m with gaps of its own. */
static struct view view_of(struct trial *s, int m, struct shape shape)
{
    struct view v = {.n = shape.n, .h = shape.h, .w = shape.w, .c = shape.c};
    v.type = s->type == DTYPE_BF16 && draw(s, 0, 3) == 0 ? DTYPE_F32 : s->type;
    v.data = s->t->map[m] + SPARE;
    if (v.type == DTYPE_BF16) v.data = s->t->rounded[m] + SPARE;
    const ptrdiff_t number = (ptrdiff_t)dtype_size(v.type);
    v.pixel = (shape.c + draw(s, 0, 2) * 3) * number;
    v.row = v.pixel * shape.w + draw(s, 0, 1) * 5 * number;
    v.image = v.row * shape.h + draw(s, 0, 1) * 7 * number;
    return v;
}

static struct shape shape_of(struct trial *s)
{
    const int small = draw(s, 0, 2);
    return (struct shape){draw(s, 1, 3), draw(s, 1, 9), draw(s, 1, 11),
                          draw(s, 1, small ? 20 : 70)};
}

static struct prologue prologue_of(struct trial *s)
{
    static const struct activation act[] = {{ACT_NONE, 0, 0},  {ACT_RELU, 0, 0},
                                            {ACT_ELU, 0.5, 0}, {ACT_SIGMOID, 0, 0},
                                            {ACT_TANH, 0, 0},  {ACT_CLIP, -1, 0.5}};
    struct prologue p = {.act = act[draw(s, 0, 5)]};
    if (!draw(s, 0, 1)) return p;
    p.scale = s->t->vector[0];
    p.shift = s->t->vector[1];
    return p;
}

/* A window and the shape that it makes of `in`; false: it does not fit. */
static bool window_of(struct trial *s, struct shape in, struct window *w, struct shape *out)
{
    const bool usual = draw(s, 0, 1);
    *w = (struct window){.kh = usual ? 3 : draw(s, 1, 3),
                         .kw = usual ? 3 : draw(s, 1, 4),
                         .sy = usual ? 1 : draw(s, 1, 2),
                         .sx = usual ? 1 : draw(s, 1, 3),
                         .dy = usual ? 1 : draw(s, 1, 2),
                         .dx = usual ? 1 : draw(s, 1, 2),
                         .pad_top = draw(s, 0, 2),
                         .pad_left = draw(s, 0, 2)};
    *out = in;
    out->h = (in.h + w->pad_top + draw(s, 0, 2) - (w->kh - 1) * w->dy - 1) / w->sy + 1;
    out->w = (in.w + w->pad_left + draw(s, 0, 2) - (w->kw - 1) * w->dx - 1) / w->sx + 1;
    return in.h >= (w->kh - 1) * w->dy && in.w >= (w->kw - 1) * w->dx && out->h > 0 && out->w > 0;
}

static size_t pixels_of(const struct view *v)
{
    return (size_t)v->n * (size_t)v->h * (size_t)v->w;
}

/* All units, in two ranges when the trial is cut. */
#define DO(s, name, call, units)                                                                   \
    do {                                                                                           \
        const size_t all = (units), part = (size_t)draw(s, 0, (int)all);                           \
        const size_t at = (s)->cut ? part : all;                                                   \
        (s)->k->name(call, 0, at);                                                                 \
        if (at < all) (s)->k->name(call, at, all);                                                 \
    } while (0)

/* ---- trials ---------------------------------------------------------------------------------- */

static void conv_dw(struct trial *s)
{
    struct shape in = shape_of(s), out;
    struct conv_dw_call call = {.dw = s->t->map[2], .groups = draw(s, 1, 3)};
    const bool wide = draw(s, 0, 7) == 0; /* channels are taken a few hundred at a time */
    if (wide) {
        call.groups = 1;
        in = (struct shape){draw(s, 1, 3), draw(s, 1, 4), draw(s, 1, 4), draw(s, 240, 1100)};
    }
    const bool broad = !wide && draw(s, 0, 5) == 0; /* several tiles each way */
    if (broad) {
        call.groups = draw(s, 1, 2);
        in = (struct shape){draw(s, 1, 3), draw(s, 1, 8), draw(s, 1, 8),
                            call.groups * draw(s, 14, 70)};
    }
    in.c = (in.c + call.groups - 1) / call.groups * call.groups;
    if (!window_of(s, in, &call.window, &out)) return;
    if (wide || broad) {
        call.window = (struct window){.kh = 1, .kw = 1, .sy = 1, .sx = 1, .dy = 1, .dx = 1};
        out = in;
    }
    out.c = draw(s, 1, 14) * call.groups * draw(s, 1, 2);
    if (broad) out.c = call.groups * (draw(s, 0, 1) ? draw(s, 14, 70) : 16 * draw(s, 1, 4));
    call.in = view_of(s, 0, in);
    call.dout = view_of(s, 1, out);
    call.prologue = prologue_of(s);
    call.images = draw(s, 0, 2);
    const struct chunks chunks = chunks_of(&call.dout, call.images);
    const size_t rows = (size_t)(call.window.kh * call.window.kw * in.c / call.groups);
    const size_t units = rows * chunk_groups(&chunks);
    if (units * (size_t)out.c > ROOM) return;
    DO(s, conv_dw, &call, units);
    const struct sum_parts_call sum = {.numbers = rows * (size_t)out.c,
                                       .parts = chunk_groups(&chunks),
                                       .part = s->t->map[2],
                                       .sum = s->t->map[3]};
    DO(s, sum_parts, &sum, sum.numbers);
    const struct channel_sum_call bias = {.in = call.dout, .sum = s->t->vector[7]};
    DO(s, channel_sum, &bias, (size_t)out.c);
}

static void depthwise_grad(struct trial *s)
{
    struct shape in = shape_of(s), out;
    struct depthwise_grad_call call = {.weight = s->t->vector[2], .add = draw(s, 0, 1)};
    if (s->type == DTYPE_BF16) call.weight = s->t->weight;
    if (!window_of(s, in, &call.window, &out)) return;
    call.in = view_of(s, 0, in);
    call.dout = view_of(s, 1, out);
    call.prologue = prologue_of(s);
    if (draw(s, 0, 3)) call.dx = view_of(s, 2, in);
    if (draw(s, 0, 3)) call.dw = s->t->vector[3];
    call.images = draw(s, 0, 2);
    const struct chunks chunks = chunks_of(&call.dout, call.images);
    DO(s, depthwise_grad, &call, (size_t)in.c * chunk_groups(&chunks));
}

static void pools(struct trial *s)
{
    struct shape in = shape_of(s), out;
    struct pool_index_call call = {.index = s->t->index};
    if (!window_of(s, in, &call.window, &out)) return;
    call.in = view_of(s, 0, in);
    call.out = view_of(s, 1, out);
    call.prologue = prologue_of(s);
    DO(s, pool_index, &call, pixels_of(&call.out));
    struct pool_dx_call back = {.dout = view_of(s, 2, out),
                                .dx = view_of(s, 3, in),
                                .window = call.window,
                                .index = s->t->index,
                                .add = draw(s, 0, 1)};
    DO(s, pool_max_dx, &back, pixels_of(&back.dx));
    back.index = NULL;
    back.dx = view_of(s, 0, in);
    back.count_pad = draw(s, 0, 1);
    DO(s, pool_average_dx, &back, pixels_of(&back.dx));
}

static void norms(struct trial *s)
{
    const struct shape shape = shape_of(s);
    const struct view in = view_of(s, 0, shape), dout = view_of(s, 1, shape);
    const struct prologue prologue = prologue_of(s);
    const int images = draw(s, 0, 2);
    const struct chunks cut = chunks_of(&in, images);
    const size_t chunks = chunk_count(&cut);
    const struct norm_sums_call sums = {.in = in, .images = images, .partial = s->t->map[2]};
    DO(s, norm_sums, &sums, chunks);
    const struct norm_dsums_call dsums = {.in = in,
                                          .dout = dout,
                                          .images = images,
                                          .prologue = prologue,
                                          .mean = s->t->vector[2],
                                          .partial = s->t->map[3]};
    DO(s, norm_dsums, &dsums, chunks);
}

static void maps(struct trial *s)
{
    const struct shape shape = shape_of(s);
    const struct view in = view_of(s, 0, shape), dout = view_of(s, 1, shape);
    const bool over = draw(s, 0, 1), add = draw(s, 0, 1);
    const struct view dx = over ? dout : view_of(s, 2, shape);
    const struct prologue prologue = prologue_of(s);
    const struct norm_dx_call norm = {.in = in,
                                      .dout = dout,
                                      .dx = dx,
                                      .prologue = prologue,
                                      .mean = s->t->vector[2],
                                      .a = s->t->vector[3],
                                      .b = s->t->vector[4],
                                      .k = s->t->vector[5],
                                      .add = add};
    DO(s, norm_dx, &norm, pixels_of(&in));
    const struct map_dx_call map = {.in = in,
                                    .dout = dout,
                                    .dx = dx,
                                    .prologue = prologue,
                                    .factor = draw(s, 0, 1) ? s->t->vector[6] : NULL,
                                    .add = add};
    DO(s, map_dx, &map, pixels_of(&in));
}

static struct tap_range taps_of(struct trial *s)
{
    return (struct tap_range){0, 1, draw(s, 0, 1) ? 1 : draw(s, 1, 3)};
}

/* The room for weights is that of a map; its size, and what lies behind, are compared with it. */
static void packs(struct trial *s)
{
    struct pack_call call = {.from = s->t->map[0],
                             .to = s->type == DTYPE_BF16 ? (void *)s->t->rounded[1] : s->t->map[1],
                             .y = taps_of(s),
                             .x = taps_of(s),
                             .k = draw(s, 1, 40),
                             .o = draw(s, 1, 70),
                             .groups = draw(s, 0, 1) ? 1 : draw(s, 1, 3),
                             .packing = s->type == DTYPE_BF16 ? PACK_PAIRS16 : PACK_PANEL16,
                             .backward = draw(s, 0, 1)};
    call.kw = call.x.count;
    if (draw(s, 0, 5) == 0) call.packing = PACK_PLAIN;
    if (call.backward && draw(s, 0, 1)) {
        call.kw = 4;
        call.x = (struct tap_range){draw(s, 0, 1), draw(s, 1, 2), 2};
        call.y = (struct tap_range){draw(s, 0, 2), draw(s, 1, 3), draw(s, 1, 2)};
    }
    const struct matrix m = pack_matrix(&call);
    size_t room;
    if (!packing_numbers(call.packing, &m, &room) || room > ROOM) return;
    const int rows = call.y.first + call.y.count * call.y.step;
    if (rows * call.kw * call.k * call.o * call.groups > ROOM) return;
    DO(s, pack, &call, packing_panels(call.packing, &m));
}

/* ---- comparing ------------------------------------------------------------------------------- */

typedef void trial_fn(struct trial *s);

/* What every run of a seed begins with, what the plain kernel makes of it, and what another does.
 */
static struct table *base, *want, *got;

static int set_up(void **state)
{
    struct table **const table[] = {&base, &want, &got};
    (void)state;
    for (int i = 0; i < 3; i++) assert_non_null(*table[i] = aligned_new(sizeof **table[i]));
    make_numbers();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(base);
    free(want);
    free(got);
    return 0;
}

static void run(trial_fn *trial, enum dtype type, const struct training_kernels *k, uint64_t seed,
                bool cut, struct table *t)
{
    struct trial s = {t, k, seed, 0, cut, type};
    memcpy(t, base, sizeof *t);
    trial(&s);
}

/* As `want`, which is the seed's? */
static bool same(trial_fn *trial, enum dtype type, const struct training_kernels *k, uint64_t seed)
{
    run(trial, type, k, seed, true, got);
    return memcmp(want, got, sizeof *want) == 0;
}

enum { LEVELS = 16 };
struct level { /* one that differs from the one below */
    const char *word;
    struct training_kernels k;
    bool in_blocks;
};

static int all_levels(enum dtype type, struct level level[LEVELS])
{
    int count = 0;
    for (size_t i = 0; cpu_level(i); i++) {
        unsigned allowed = 0;
        struct kernels k;
        if (!level_differs(i, type, cpu_flags())) continue;
        assert_true(count < LEVELS && cpu_level_flags(cpu_level(i), &allowed));
        kernels_init(&k, type, cpu_flags() & allowed);
        level[count].word = cpu_level(i);
        level[count].in_blocks = k.in_blocks;
        training_kernels_init(&level[count++].k, type, cpu_flags() & allowed);
    }
    return count;
}

static void compare_type(trial_fn *trial, const char *name, enum dtype type)
{
    struct training_kernels plain, blocks;
    struct level level[LEVELS];
    const int levels = all_levels(type, level);
    training_kernels_init(&plain, type, cpu_flags() & CPU_FMA); /* "ref" is among the levels */
    blocks = plain;
    blocks_training(&blocks);
    for (uint64_t seed = 0; seed < TRIALS; seed++) {
        fill(base, seed);
        run(trial, type, &plain, seed, false, want);
        for (int i = 0; i < levels; i++) {
            if (level[i].in_blocks) run(trial, type, &blocks, seed, false, want);
            const bool equal = same(trial, type, &level[i].k, seed);
            if (!equal)
                print_error("%s, %s: other bits on %s, seed %d\n", name, dtype_name(type),
                            level[i].word, (int)seed);
            assert_true(equal);
        }
    }
    if (type == DTYPE_BF16 && !level[levels - 1].in_blocks)
        print_message("skipped: no tile registers, no level amx\n");
}

static void compare(trial_fn *trial, const char *name)
{
    compare_type(trial, name, DTYPE_F32);
    compare_type(trial, name, DTYPE_BF16);
}

static void convolutions(void **state)
{
    (void)state;
    compare(conv_dw, "conv_dw");
    compare(depthwise_grad, "depthwise_grad");
}

static void others(void **state)
{
    (void)state;
    compare(pools, "pools");
    compare(norms, "norms");
    compare(maps, "maps");
    compare(packs, "packs");
}

/* What is kept is worth 1 / (1 - rate), is a part of 1 - rate, and is another with each step, layer
 * and sample. */
static void dropout(void **state)
{
    enum { N = 2, PIXELS = 12, C = 85, COUNT = N * PIXELS * C };
    static const struct { /* one thing differs from the first one in each row */
        struct draw draw;
        uint32_t layer;
    } row[] = {{{7, 3, 0}, 1}, {{8, 3, 0}, 1}, {{7, 4, 0}, 1}, {{7, 3, 2}, 1}, {{7, 3, 0}, 2}};
    enum { ROWS = sizeof row / sizeof *row };
    static float in[COUNT], out[ROWS][COUNT];
    struct training_kernels k;
    (void)state;
    training_kernels_init(&k, DTYPE_F32, cpu_flags());
    for (int i = 0; i < COUNT; i++) in[i] = 1;
    for (int r = 0; r < ROWS; r++) {
        struct dropout_call call = {
            .type = DTYPE_F32,
            .in = {in, N, 3, 4, C, PIXELS * C * 4, 4 * C * 4, C * 4, DTYPE_F32},
            .rate = 0.25,
            .layer = row[r].layer,
            .draw = &row[r].draw};
        call.out = call.in;
        call.out.data = out[r];
        k.dropout(&call, 0, N * PIXELS);
        int kept = 0, as_first = 0;
        for (int i = 0; i < COUNT; i++) {
            const bool is = out[r][i] > 0;
            assert_true(fabsf(out[r][i] - (is ? 4 / 3.0F : 0)) < 1e-6F);
            kept += is;
            as_first += is == (out[0][i] > 0);
        }
        print_message("kept %d of %d, %d as in the first\n", kept, COUNT, as_first);
        assert_true(abs(kept - COUNT * 3 / 4) < COUNT / 25);
        /* two masks agree by chance in 1 - 2 x 3/4 x 1/4 of their numbers */
        if (r) assert_true(abs(as_first - COUNT * 5 / 8) < COUNT / 20);
    }
    int same = 0; /* the samples of a batch */
    for (int i = 0; i < COUNT / N; i++) same += (out[0][i] > 0) == (out[0][COUNT / N + i] > 0);
    assert_true(abs(same - COUNT / N * 5 / 8) < COUNT / N / 15);
}

/* One number off in the last place, one unit left out. */
static struct training_kernels honest;

static void one_bit_off(const struct conv_dw_call *call, size_t from, size_t to)
{
    honest.conv_dw(call, from, to);
    if (from < to) *(uint32_t *)call->dw += 1;
}

static void planted(void **state)
{
    (void)state;
    training_kernels_init(&honest, DTYPE_F32, cpu_flags() & CPU_FMA);
    struct training_kernels wrong = honest;
    wrong.conv_dw = one_bit_off;
    int caught = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        fill(base, seed);
        run(conv_dw, DTYPE_F32, &honest, seed, false, want);
        assert_true(same(conv_dw, DTYPE_F32, &honest, seed));
        caught += !same(conv_dw, DTYPE_F32, &wrong, seed);
    }
    assert_true(caught > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolutions), cmocka_unit_test(dropout),
                                       cmocka_unit_test(others), cmocka_unit_test(planted)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
