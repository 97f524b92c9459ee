/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/subject.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

void subject_make(struct subject *s, struct graph *g, uint64_t seed, enum dtype type)
{
    *s = (struct subject){.g = g, .seed = seed};
    xc_status status = graph_finish(g, &s->err);
    if (status != XC_OK) print_message("seed %llu: %s\n", (unsigned long long)seed, s->err.text);
    assert_int_equal(status, XC_OK);
    s->data = net_data(g, seed);
    kernels_init(&s->k, type, cpu_flags());
    status = weights_new(g, (const float *const *)s->data, &s->k, NULL, &s->w, &s->err);
    assert_int_equal(status, XC_OK);
}

void subject_free(struct subject *s)
{
    weights_free(s->w);
    net_data_free(s->data);
    graph_free(s->g);
}

void trial_make(struct trial *t, struct subject *s, int batch, const int *tap, int taps)
{
    struct shape in = s->g->input;
    struct plan_opts opts = {{batch, in.h, in.w, in.c}, tap, taps};
    xc_status status = plan_new(s->g, s->w, &s->k, &opts, &t->plan, &s->err);
    if (status != XC_OK) print_message("seed %llu: %s\n", (unsigned long long)s->seed, s->err.text);
    assert_int_equal(status, XC_OK);
    t->arena = aligned_new(plan_arena_bytes(t->plan));
    assert_non_null(t->arena);
}

void trial_free(struct trial *t)
{
    plan_free(t->plan);
    free(t->arena);
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
                if (s->k.type == DTYPE_F64)
                    ((double *)(void *)p)[c] = value;
                else
                    ((float *)(void *)p)[c] = (float)value;
            }
}

void trial_run(struct trial *t, const struct subject *s, int images, int first_image,
               struct pool *pool)
{
    struct view in;
    assert_true(plan_view(t->plan, 0, t->arena, &in));
    for (int i = 0; i < images; i++) write_image(&in, s, i, first_image + i);
    assert_int_equal(plan_run_images(t->plan, images, t->arena, pool, NULL), XC_OK);
}

void *trial_read(const struct trial *t, const struct subject *s, int node, int image, size_t *bytes)
{
    struct view v;
    assert_true(plan_view(t->plan, node, t->arena, &v));
    size_t row = (size_t)v.c * dtype_size(s->k.type);
    *bytes = row * (size_t)v.h * (size_t)v.w;
    char *out = malloc(*bytes), *to = out;
    assert_non_null(out);
    for (int y = 0; y < v.h; y++)
        for (int x = 0; x < v.w; x++, to += row) memcpy(to, pixel(&v, image, y, x), row);
    return out;
}
