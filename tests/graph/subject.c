/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a network under test and compares it with the plain formulas. */
#include "graph/subject.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"

#include "graph/plan_int.h"

void subject_make(struct subject *s, struct graph *g, uint64_t seed, enum dtype type)
{
    *s = (struct subject){.g = g, .seed = seed};
    xc_status status = graph_finish(g, &s->err);
    if (status != XC_OK) print_message("seed %llu: %s\n", (unsigned long long)seed, s->err.text);
    assert_int_equal(status, XC_OK);
    s->data = net_data(g, seed);
    const struct weights_source from = {.data = (const float *const *)s->data};
    kernels_init(&s->k, type, cpu_flags());
    status = weights_new(g, &from, &s->k, NULL, &s->w, &s->err);
    assert_int_equal(status, XC_OK);
}

void subject_make_fast(struct subject *s)
{
    s->direct = s->w;
    assert_int_equal(weights_fast(s->g, s->direct, NULL, &s->k, NULL, &s->w, &s->err), XC_OK);
}

void subject_free(struct subject *s)
{
    weights_free(s->w);
    weights_free(s->direct);
    net_data_free(s->data);
    graph_free(s->g);
}

void trial_make(struct trial *t, struct subject *s, int batch, const int *tap, int taps)
{
    struct shape in = s->g->input;
    struct plan_opts opts = {{batch, in.h, in.w, in.c}, tap, taps, s->band_bytes};
    xc_status status = plan_new(s->g, s->w, &s->k, &opts, &t->plan, &s->err);
    if (status != XC_OK) print_message("seed %llu: %s\n", (unsigned long long)s->seed, s->err.text);
    assert_int_equal(status, XC_OK);
    t->arena = aligned_new(plan_arena_bytes(t->plan));
    t->scratch = aligned_new(MOST_THREADS * plan_scratch_bytes(t->plan));
    assert_non_null(t->arena);
    assert_non_null(t->scratch);
}

void trial_free(struct trial *t)
{
    plan_free(t->plan);
    free(t->arena);
    free(t->scratch);
}

static char *pixel(const struct view *v, int n, int y, int x)
{
    return (char *)v->data + n * v->image + y * v->row + x * v->pixel;
}

static void write_image(const struct view *v, const struct subject *s, int image, int from)
{
    size_t i = (size_t)from * (size_t)v->h * (size_t)v->w * (size_t)v->c;
    for (int y = 0; y < v->h; y++)
        for (int x = 0; x < v->w; x++)
            for (int c = 0; c < v->c; c++) {
                double value = net_input(s->seed, i++);
                char *p = pixel(v, image, y, x);
                if (v->type == DTYPE_F64)
                    ((double *)(void *)p)[c] = value;
                else if (v->type == DTYPE_F32)
                    ((float *)(void *)p)[c] = (float)value;
                else
                    ((uint16_t *)(void *)p)[c] = bf16_from_f32((float)value);
            }
}

void trial_run(struct trial *t, const struct subject *s, int images, int first_image,
               struct pool *pool)
{
    struct view in;
    assert_true(plan_view(t->plan, 0, t->arena, &in));
    for (int i = 0; i < images; i++) write_image(&in, s, i, first_image + i);
    assert_int_equal(plan_run(t->plan, t->arena, t->scratch, pool, NULL), XC_OK);
}

struct busy {
    struct trial *trial;
    const struct subject *subject;
    int images, first_image;
    struct pool *pool;
};

static void run_inside(void *ctx, size_t from, size_t to)
{
    const struct busy *b = ctx;
    (void)to;
    if (from == 0) trial_run(b->trial, b->subject, b->images, b->first_image, b->pool);
}

void trial_run_busy(struct trial *t, const struct subject *s, int images, int first_image,
                    struct pool *pool)
{
    struct busy busy = {t, s, images, first_image, pool};
    trial_run(t, s, images, first_image + images, NULL); /* so that nothing right is left over */
    pool_for(pool, 2, 1, run_inside, &busy);
}

static enum dtype read_type(const struct subject *s)
{
    return s->k.type == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
}

static void copy_pixel(const struct view *v, const char *from, char *to, size_t bytes)
{
    if (v->type != DTYPE_BF16)
        memcpy(to, from, bytes);
    else
        for (int c = 0; c < v->c; c++)
            ((float *)(void *)to)[c] = f32_from_bf16(((const uint16_t *)(const void *)from)[c]);
}

void *trial_read(const struct trial *t, const struct subject *s, int node, int image, size_t *bytes)
{
    struct view v;
    assert_true(plan_view(t->plan, node, t->arena, &v));
    size_t row = (size_t)v.c * dtype_size(read_type(s));
    *bytes = row * (size_t)v.h * (size_t)v.w;
    char *out = malloc(*bytes), *to = out;
    assert_non_null(out);
    for (int y = 0; y < v.h; y++)
        for (int x = 0; x < v.w; x++, to += row) copy_pixel(&v, pixel(&v, image, y, x), to, row);
    return out;
}

bool trial_same(const struct subject *s, const struct trial *a, int image_a, const struct trial *b,
                int image_b)
{
    bool same = true;
    for (int i = 0; i < s->g->outputs; i++) {
        size_t bytes, other;
        void *x = trial_read(a, s, s->g->output[i].node, image_a, &bytes);
        void *y = trial_read(b, s, s->g->output[i].node, image_b, &other);
        same = same && bytes == other && memcmp(x, y, bytes) == 0;
        free(x);
        free(y);
    }
    return same;
}

uint64_t subject_seed(void)
{
    const char *given = getenv("XC_TEST_SEED");
    return given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
}

/* ---- against the plain formulas -------------------------------------------------------------- */

int subject_taps(const struct subject *s, int *tap)
{
    int norm_of[SUBJECT_MAX_NODES], taps = 0;
    const struct graph *g = s->g;
    assert_true(g->nodes <= SUBJECT_MAX_NODES);
    fold_find(g, norm_of);
    for (int i = 0; i < g->nodes; i++)
        if (norm_of[i] < 0) tap[taps++] = i;
    return taps;
}

static double value_in(const void *data, enum dtype type, size_t i)
{
    return type == DTYPE_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

/* The largest error of image `image` of a node, as a part of the largest value. */
static double error_of(const struct trial *t, const struct subject *s, int node, int image,
                       const double *right)
{
    size_t bytes;
    void *got = trial_read(t, s, node, image, &bytes);
    size_t count = bytes / dtype_size(read_type(s));
    double worst = 0, largest = 1;
    for (size_t i = 0; i < count; i++) {
        double expected = right[(size_t)image * count + i];
        double difference = fabs(value_in(got, read_type(s), i) - expected);
        worst = worse(worst, difference);
        largest = fmax(largest, fabs(expected));
    }
    free(got);
    return worst / largest;
}

static double worst_error(const struct trial *t, const struct subject *s, int batch, double **right,
                          const int *node, int nodes)
{
    double worst = 0;
    for (int i = 0; i < nodes; i++)
        for (int image = 0; image < batch; image++) {
            worst = worse(worst, error_of(t, s, node[i], image, right[node[i]]));
        }
    return worst;
}

static double **right_answers(const struct subject *s, int batch)
{
    struct shape shapes[SUBJECT_MAX_NODES], in = s->g->input;
    struct error err = {0};
    in.n = batch;
    assert_int_equal(graph_shapes(s->g, in, shapes, &err), XC_OK);
    return naive_run(s->g, shapes, s->data, s->seed);
}

void assert_numbers(struct subject *s, int batch, double tolerance)
{
    struct trial fused, tapped;
    int tap[SUBJECT_MAX_NODES], outputs[GRAPH_MAX_OUTPUTS], taps = subject_taps(s, tap);
    double **right = right_answers(s, batch);
    trial_make(&tapped, s, batch, tap, taps);
    trial_make(&fused, s, batch, NULL, 0);
    trial_run(&tapped, s, batch, 0, NULL);
    trial_run(&fused, s, batch, 0, NULL);
    for (int i = 0; i < s->g->outputs; i++) outputs[i] = s->g->output[i].node;
    double a = worst_error(&tapped, s, batch, right, tap, taps);
    double b = worst_error(&fused, s, batch, right, outputs, s->g->outputs);
    if (!(a <= tolerance) || !(b <= tolerance))
        print_message("seed %llu: error %g tapped, %g fused\n", (unsigned long long)s->seed, a, b);
    naive_free(s->g, right);
    trial_free(&tapped);
    trial_free(&fused);
    assert_true(a <= tolerance);
    assert_true(b <= tolerance);
}
