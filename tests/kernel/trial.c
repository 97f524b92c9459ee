/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks every family goes through: formula, canary, cuts, bits.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/trial.h"

enum { CANARY = 0xc5 };

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t dice_word(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int dice_int(struct dice *d, int low, int high)
{
    return low + (int)(dice_word(d) % (uint64_t)(high - low + 1));
}

double dice_number(struct dice *d)
{
    const double x = dice_int(d, -(1 << 20), (1 << 20) - 1) * 0x1p-19;
    return dice_int(d, 0, 30) ? x : copysign(0, x);
}

double number_of(enum dtype type, const void *array, ptrdiff_t i)
{
    if (type == DTYPE_F64) return ((const double *)array)[i];
    if (type == DTYPE_F32) return (double)((const float *)array)[i];
    return (double)f32_from_bf16(((const uint16_t *)array)[i]);
}

double number_at(const struct view *v, int n, int y, int x, int c)
{
    const char *pixel = (const char *)v->data + n * v->image + y * v->row + x * v->pixel;
    return number_of(v->type, pixel, c);
}

static void set_number(enum dtype type, void *array, size_t i, double value)
{
    if (type == DTYPE_F64)
        ((double *)array)[i] = value;
    else if (type == DTYPE_F32)
        ((float *)array)[i] = (float)value;
    else
        ((uint16_t *)array)[i] = bf16_from_f32((float)value);
}

void dice_fill(enum dtype type, struct dice *d, void *array, size_t count)
{
    for (size_t i = 0; i < count; i++) set_number(type, array, i, dice_number(d));
}

enum dtype dice_type(const struct trial *t, struct dice *d)
{
    if (t->type != DTYPE_BF16) return t->type;
    return dice_int(d, 0, 2) ? DTYPE_BF16 : DTYPE_F32;
}

/* Reading too far is more likely than reading too early. */
static bool is_at_end(uint64_t word)
{
    return word % 8 > 2;
}

static struct guarded *keep(struct trial *t, size_t bytes, bool at_end)
{
    if (t->blocks == TRIAL_BLOCKS) abort();
    struct guarded *block = &t->block[t->blocks++];
    *block = guarded_new(bytes, at_end);
    return block;
}

static double trial_number(const struct trial *t, struct dice *d)
{
    return t->size * dice_number(d);
}

const void *trial_numbers(struct trial *t, struct dice *d, enum dtype type, size_t count)
{
    void *array = keep(t, count * dtype_size(type), is_at_end(dice_word(d)))->first;
    for (size_t i = 0; i < count; i++) set_number(type, array, i, trial_number(t, d));
    return array;
}

/* Strides with gaps; returns the bytes from the first number to behind the last. */
static size_t draw_strides(struct dice *d, struct view *v)
{
    const int size = (int)dtype_size(v->type);
    v->pixel = (v->c + (dice_int(d, 0, 1) ? dice_int(d, 0, 20) : 0)) * size;
    v->row = v->w * v->pixel + dice_int(d, 0, 3) * size;
    v->image = v->h * v->row + dice_int(d, 0, 3) * size;
    return (size_t)((v->n - 1) * v->image + (v->h - 1) * v->row + (v->w - 1) * v->pixel +
                    v->c * size);
}

void trial_input(struct trial *t, struct dice *d, struct view *v, struct shape s, enum dtype type)
{
    *v = (struct view){.n = s.n, .h = s.h, .w = s.w, .c = s.c, .type = type};
    const size_t bytes = draw_strides(d, v);
    unsigned char *memory = keep(t, bytes, is_at_end(dice_word(d)))->first;
    memset(memory, 0xff, bytes);
    v->data = memory;
    const int pixels = s.n * s.h * s.w;
    const int poison = dice_int(d, 0, 19) ? -1 : dice_int(d, 0, pixels - 1);
    for (int p = 0; p < pixels; p++) {
        unsigned char *pixel =
            memory + p / s.w / s.h * v->image + p / s.w % s.h * v->row + p % s.w * v->pixel;
        for (int i = 0; i < s.c; i++)
            set_number(type, pixel, (size_t)i,
                       p == poison && i == s.c / 2 ? NAN : trial_number(t, d));
    }
}

void trial_output(struct trial *t, struct dice *d, struct view *v, struct shape s, enum dtype type)
{
    *v = (struct view){.n = s.n, .h = s.h, .w = s.w, .c = s.c, .type = type};
    const size_t bytes = draw_strides(d, v);
    const struct guarded *block = keep(t, bytes, is_at_end(dice_word(d)));
    t->output = block->room;
    t->output_bytes = block->room_bytes;
    v->data = block->first;
    t->out = *v;
}

struct guarded packed_copy(enum dtype type, enum packing packing, const struct matrix *m,
                           const void *plain)
{
    const size_t size = dtype_size(type);
    size_t numbers;
    if (!packing_numbers(packing, m, &numbers)) abort();
    const struct guarded copy = guarded_new(numbers * size, true);
    for (size_t i = 0; i < packing_panels(packing, m); i++) {
        const struct panel p = packing_panel(packing, m, i);
        for (size_t row = 0; row < m->rows; row++)
            for (size_t j = 0; j < p.columns; j++)
                memcpy(copy.first + panel_at(&p, row, j) * size,
                       (const char *)plain + (row * m->columns * m->groups + p.first + j) * size,
                       size);
    }
    return copy;
}

int dice_channels(struct dice *d)
{
    static const int edges[] = {1, 3, 7, 8, 9, 24, 63, 64, 65, 72, 88, 130};
    if (dice_int(d, 0, 1)) return dice_int(d, 1, 40);
    return edges[dice_int(d, 0, (int)(sizeof edges / sizeof *edges) - 1)];
}

struct activation dice_activation(struct dice *d)
{
    static const struct activation kinds[] = {
        {ACT_NONE, 0, 0},    {ACT_RELU, 0, 0},  {ACT_ELU, 1, 0},  {ACT_ELU, 0.5, 0},
        {ACT_SIGMOID, 0, 0}, {ACT_CLIP, -1, 1}, {ACT_CLIP, 0, 6}, {ACT_TANH, 0, 0},
    };
    return kinds[dice_int(d, 0, (int)(sizeof kinds / sizeof *kinds) - 1)];
}

struct prologue dice_prologue(struct trial *t, struct dice *d, int c)
{
    struct prologue p = {0};
    if (dice_int(d, 0, 1)) {
        p.scale = trial_numbers(t, d, t->exact, (size_t)c);
        p.shift = trial_numbers(t, d, t->exact, (size_t)c);
    }
    if (dice_int(d, 0, 1)) p.act = dice_activation(d);
    return p;
}

struct epilogue dice_epilogue(struct trial *t, struct dice *d, const struct view *out, bool bias,
                              enum dtype add)
{
    struct epilogue e = {0};
    const struct shape shape = {out->n, out->h, out->w, out->c};
    const double size = t->size;
    t->size *= size; /* as large as products */
    if (bias && dice_int(d, 0, 1)) e.bias = trial_numbers(t, d, t->exact, (size_t)out->c);
    if (dice_int(d, 0, 1)) trial_input(t, d, &e.add, shape, add);
    t->size = size;
    e.act = dice_activation(d);
    return e;
}

/* How many windows of this extent fit, with padding behind of less than an extent. */
static int draw_places(struct dice *d, int side, int pad, int extent, int stride)
{
    const int room = side + pad + dice_int(d, 0, extent - 1) - extent;
    return room < 0 ? 1 : room / stride + 1;
}

static int dice_extent(struct dice *d)
{
    static const int large[] = {5, 7, 9};
    return dice_int(d, 0, 7) ? dice_int(d, 1, 4) : large[dice_int(d, 0, 2)];
}

struct window dice_window(struct dice *d, int h, int w, int *oh, int *ow)
{
    struct window win = {.kh = dice_extent(d),
                         .kw = dice_extent(d),
                         .sy = dice_int(d, 1, 3),
                         .sx = dice_int(d, 1, 3),
                         .dy = dice_int(d, 1, 2),
                         .dx = dice_int(d, 1, 2)};
    const int tall = (win.kh - 1) * win.dy + 1, wide = (win.kw - 1) * win.dx + 1;
    win.pad_top = dice_int(d, 0, tall - 1);
    win.pad_left = dice_int(d, 0, wide - 1);
    *oh = draw_places(d, h, win.pad_top, tall, win.sy);
    *ow = draw_places(d, w, win.pad_left, wide, win.sx);
    return win;
}

struct want want_sum(const struct trial *t, double value, double magnitude, int terms)
{
    const double flushed = t->type == DTYPE_BF16 ? 0x1p-125 * (terms + 2) : 0;
    return (struct want){value, t->epsilon * (terms + 2) * magnitude + flushed};
}

static double activated(struct activation a, double x)
{
    switch (a.kind) {
    case ACT_NONE:
        return x;
    case ACT_RELU:
        return x < 0 ? 0 : x;
    case ACT_ELU:
        return x < 0 ? a.alpha * expm1(x) : x;
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_CLIP:
        return x < a.alpha ? a.alpha : x > a.beta ? a.beta : x;
    case ACT_TANH:
        return tanh(x);
    }
    return NAN;
}

struct want want_activation(const struct trial *t, struct activation a, struct want v)
{
    const double y = activated(a, v.value); /* no slope is above 1 for the alphas drawn */
    const bool exact = a.kind == ACT_NONE || a.kind == ACT_RELU || a.kind == ACT_CLIP;
    return (struct want){y, v.bound + (exact ? 0 : 4 * t->epsilon * fabs(y))};
}

struct want want_prologue(const struct trial *t, const struct prologue *p, double x, int c)
{
    struct want v = {x, 0};
    if (p->scale) {
        const double scaled = number_of(t->exact, p->scale, c) * x;
        const double shift = number_of(t->exact, p->shift, c);
        v = want_sum(t, scaled + shift, fabs(scaled) + fabs(shift), 1);
    }
    return want_activation(t, p->act, v);
}

/* Half of a brain float's last digit is the most that rounding changes. */
static struct want rounded(struct want v)
{
    v.bound += 0x1p-8 * (fabs(v.value) + v.bound) + 0x1p-126;
    return v;
}

struct want want_operand(const struct trial *t, const struct prologue *p, double x, int c)
{
    const struct want v = want_prologue(t, p, x, c);
    return t->type == DTYPE_BF16 ? rounded(v) : v;
}

struct want want_epilogue(const struct trial *t, const struct epilogue *e, struct want v, int n,
                          int y, int x, int c)
{
    if (e->add.data) {
        const double add = number_at(&e->add, n, y, x, c);
        v.value += add;
        v.bound += t->epsilon * (fabs(v.value) + fabs(add));
    }
    return want_activation(t, e->act, v);
}

struct trial *trial_new(const struct family *family, enum dtype type, uint64_t seed)
{
    struct trial *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->family = family;
    t->type = type;
    t->exact = type == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
    t->epsilon = type == DTYPE_F64 ? 0x1p-52 : 0x1p-23;
    struct dice d = {seed};
    /* sums of brain floats take subnormal numbers for zero: let products be such, at times */
    t->size = type == DTYPE_BF16 && dice_int(&d, 0, 2) == 0 ? 0x1p-62 : 1;
    family->draw(t, &d);
    return t;
}

void trial_free(struct trial *t)
{
    if (!t) return;
    for (int i = 0; i < t->blocks; i++) guarded_free(&t->block[i]);
    free(t->first);
    free(t);
}

static const char *refuse(struct trial *t, const char *what, int n, int y, int x, int c)
{
    snprintf(t->reason, sizeof t->reason, "%s: (%d, %d, %d, %d) %s", t->family->name, n, y, x, c,
             what);
    return t->reason;
}

/* Calls visit for every output number, in order, until one answers with a reason. */
typedef const char *visit_fn(struct trial *t, int n, int y, int x, int c, void *ctx);
static const char *each_output(struct trial *t, visit_fn *visit, void *ctx)
{
    const struct view *o = &t->out;
    const char *reason = NULL;
    for (int p = 0; p < o->n * o->h * o->w && !reason; p++)
        for (int c = 0; c < o->c && !reason; c++)
            reason = visit(t, p / o->w / o->h, p / o->w % o->h, p % o->w, c, ctx);
    return reason;
}

static const char *check_value(struct trial *t, int n, int y, int x, int c, void *ctx)
{
    (void)ctx;
    struct want want = t->family->want(t, n, y, x, c);
    if (t->out.type == DTYPE_BF16) want = rounded(want);
    const double got = number_at(&t->out, n, y, x, c);
    if (isnan(want.value) && isnan(got)) return NULL;
    if (got == want.value || fabs(got - want.value) <= want.bound) return NULL;
    char what[128];
    snprintf(what, sizeof what, "is %.17g, the formula gives %.17g +- %.3g", got, want.value,
             want.bound);
    return refuse(t, what, n, y, x, c);
}

/* ctx: memory like t->output, with other results. */
static const char *check_bits(struct trial *t, int n, int y, int x, int c, void *ctx)
{
    const enum dtype type = t->out.type;
    const size_t size = dtype_size(type);
    const double mine = number_at(&t->out, n, y, x, c);
    const ptrdiff_t offset = (const unsigned char *)t->out.data - t->output + n * t->out.image +
                             y * t->out.row + x * t->out.pixel + c * (ptrdiff_t)size;
    const unsigned char *other = ctx;
    if (memcmp(t->output + offset, other + offset, size) == 0) return NULL;
    if (isnan(mine) && isnan(number_of(type, other + offset, 0))) return NULL;
    char what[64];
    snprintf(what, sizeof what, "%.17g has other bits, %.17g", number_of(type, other + offset, 0),
             mine);
    return refuse(t, what, n, y, x, c);
}

static const char *spoil(struct trial *t, int n, int y, int x, int c, void *ctx)
{
    (void)ctx;
    unsigned char *pixel = t->out.data;
    memset(pixel + n * t->out.image + y * t->out.row + x * t->out.pixel +
               c * (ptrdiff_t)dtype_size(t->out.type),
           CANARY, dtype_size(t->out.type));
    return NULL;
}

/* With every number of the output made canary again, nothing else may be left. */
static const char *check_canary(struct trial *t)
{
    each_output(t, spoil, NULL);
    for (size_t i = 0; i < t->output_bytes; i++)
        if (t->output[i] != CANARY) {
            snprintf(t->reason, sizeof t->reason, "%s: wrote outside its output, at byte %td",
                     t->family->name, t->output + i - (unsigned char *)t->out.data);
            return t->reason;
        }
    return NULL;
}

struct range {
    const struct trial *trial;
    const struct kernels *kernels;
    size_t from, to;
};

static void run_range(void *ctx)
{
    const struct range *r = ctx;
    r->trial->family->run(r->kernels, r->trial, r->from, r->to);
}

/* What a kernel must leave as it was: rounding and flushing, and no tile registers in use. */
static unsigned machine_state(void)
{
    unsigned state = 0;
#ifdef __x86_64__
    state = __builtin_ia32_stmxcsr() & ~0x3fu; /* but for what has happened */
    if (cpu_flags() & CPU_AMX) {
        unsigned in_use, high;
        __asm__("xgetbv" : "=a"(in_use), "=d"(high) : "c"(1));
        state |= in_use & 3u << 17;
    }
#endif
    return state;
}

/* address: which was refused. */
static const char *refuse_access(struct trial *t, const unsigned char *address)
{
    snprintf(t->reason, sizeof t->reason, "%s: touched memory that no operand is near to",
             t->family->name);
    for (int i = 0; i < t->blocks; i++) {
        const struct guarded *g = &t->block[i];
        const ptrdiff_t byte = address - g->first;
        if (byte < -(ptrdiff_t)g->room_bytes || byte > 2 * (ptrdiff_t)g->room_bytes) continue;
        snprintf(t->reason, sizeof t->reason, "%s: touched byte %td of the %zu of operand %d",
                 t->family->name, byte, g->bytes, i);
    }
    return t->reason;
}

/* Random pieces, later ones first. */
static const char *run_pieces(struct trial *t, const struct kernels *k, struct dice *d, size_t from,
                              size_t to)
{
    if (to - from < 2 || dice_int(d, 0, 3) == 0) {
        struct range range = {t, k, from, to};
        const void *address = guarded_call(run_range, &range);
        return address ? refuse_access(t, address) : NULL;
    }
    const size_t cut = from + (size_t)dice_int(d, 1, (int)(to - from) - 1);
    const char *reason = run_pieces(t, k, d, cut, to);
    return reason ? reason : run_pieces(t, k, d, from, cut);
}

static unsigned char *copy_output(const struct trial *t)
{
    unsigned char *copy = malloc(t->output_bytes);
    if (!copy) abort();
    return memcpy(copy, t->output, t->output_bytes);
}

static void hint(struct trial *t, const char *what)
{
    const size_t used = strlen(t->reason);
    snprintf(t->reason + used, sizeof t->reason - used, " (%s)", what);
}

/* The formula takes long: bits that it has agreed with need it no more. Where there are others it
 * says whether they are wrong or only other ones. */
static const char *check_result(struct trial *t)
{
    if (t->first && !each_output(t, check_bits, t->first)) return NULL;
    const char *reason = each_output(t, check_value, NULL);
    if (reason) return reason;
    if (!t->first) t->first = copy_output(t);
    reason = each_output(t, check_bits, t->first);
    if (reason) hint(t, "first table and this one");
    return reason;
}

const char *trial_check(struct trial *t, const struct kernels *k, uint64_t seed)
{
    struct dice d = {seed};
    struct range all = {t, k, 0, t->units};
    const unsigned before = machine_state();
    memset(t->output, CANARY, t->output_bytes);
    const void *address = guarded_call(run_range, &all);
    if (machine_state() != before) {
        snprintf(t->reason, sizeof t->reason, "%s: left the processor in another state",
                 t->family->name);
        return t->reason;
    }
    const char *reason = address ? refuse_access(t, address) : check_result(t);
    if (reason) return reason;
    unsigned char *whole = copy_output(t);
    memset(t->output, CANARY, t->output_bytes);
    reason = run_pieces(t, k, &d, 0, t->units);
    if (!reason) reason = each_output(t, check_bits, whole);
    if (reason) hint(t, "whole and in pieces");
    free(whole);
    return reason ? reason : check_canary(t);
}

static const char *hash_number(struct trial *t, int n, int y, int x, int c, void *ctx)
{
    uint64_t *hash = ctx, bits;
    const double value = number_at(&t->out, n, y, x, c);
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value)) bits = 0x7ff8000000000000u;
    for (int i = 0; i < 64; i += 8) *hash = (*hash ^ (bits >> i & 0xff)) * 0x100000001b3u; /* FNV */
    return NULL;
}

uint64_t trial_hash(const struct trial *t, uint64_t hash)
{
    struct trial copy = *t;
    copy.out.data = copy.first + ((unsigned char *)t->out.data - t->output);
    each_output(&copy, hash_number, &hash);
    return hash;
}
