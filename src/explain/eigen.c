/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which are the largest eigenvalues of a matrix that is only known by what it does? Lanczos: in the
 * space of v, Av, A^2 v, ... the matrix is tridiagonal, and its ends are found early. Every new
 * direction is made orthogonal to all before it, twice; where nothing new is left (fewer different
 * eigenvalues than directions), a fresh one is drawn. The small matrix is solved by Jacobi's
 * rotations.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/rng.h"
#include "explain/pca.h"

enum { MOST_STEPS = 320, FIRST_CHECK = 24 };
#define PRECISION 1e-13 /* of a residual over the largest eigenvalue */

struct lanczos {
    eigen_fn *apply;
    void *ctx;
    size_t n;
    int k, room, steps;      /* directions there can be, there are */
    double *v;               /* (room + 1, n) */
    double *alpha, *beta;    /* (room): diagonal, and beside it */
    double *small, *vectors; /* (room, room): the matrix, then its eigenvectors by column */
    int *order;
};

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add(double *to, const double *from, double times, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += times * from[i];
}

/* Orthogonal to the first `count` directions; its length before it was made 1. */
static double straighten(const struct lanczos *l, double *v, int count)
{
    for (int twice = 0; twice < 2; twice++)
        for (int j = 0; j < count; j++) {
            const double *other = l->v + (size_t)j * l->n;
            add(v, other, -dot(v, other, l->n), l->n);
        }
    const double length = sqrt(dot(v, v, l->n));
    for (size_t i = 0; i < l->n && length > 0; i++) v[i] /= length;
    return length;
}

static void draw(const struct lanczos *l, int which)
{
    double *v = l->v + (size_t)which * l->n;
    for (size_t i = 0; i < l->n; i++)
        v[i] = rng_normal(0, RNG_EXPLAIN, (uint32_t)which, 1, (uint32_t)i);
    straighten(l, v, which);
}

/* One more direction. */
static void step(struct lanczos *l)
{
    const int j = l->steps++;
    double *v = l->v + (size_t)j * l->n, *next = v + l->n;
    l->apply(l->ctx, v, next);
    l->alpha[j] = dot(v, next, l->n);
    const double size = sqrt(dot(next, next, l->n));
    l->beta[j] = straighten(l, next, j + 1);
    if (l->beta[j] > size * 1e-12) return;
    l->beta[j] = 0;
    draw(l, j + 1);
}

/* ---- the small matrix ------------------------------------------------------------------------ */

/* Turns rows and columns p and q so that a[p][q] becomes 0. */
static void rotate(double *a, double *vectors, int n, int p, int q)
{
    const double apq = a[p * n + q];
    if (apq == 0) return;
    const double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
    const double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double c = 1 / sqrt(t * t + 1), s = t * c;
    for (int i = 0; i < n; i++) {
        const double x = a[i * n + p], y = a[i * n + q];
        a[i * n + p] = c * x - s * y;
        a[i * n + q] = s * x + c * y;
    }
    for (int i = 0; i < n; i++) {
        const double x = a[p * n + i], y = a[q * n + i];
        a[p * n + i] = c * x - s * y;
        a[q * n + i] = s * x + c * y;
    }
    for (int i = 0; i < n; i++) {
        const double x = vectors[i * n + p], y = vectors[i * n + q];
        vectors[i * n + p] = c * x - s * y;
        vectors[i * n + q] = s * x + c * y;
    }
}

static double outside(const double *a, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (i != j) sum += a[i * n + j] * a[i * n + j];
    return sum;
}

static void solve_small(struct lanczos *l)
{
    enum { MOST_SWEEPS = 30 };
    const int m = l->steps;
    double *a = l->small, all = 0;
    memset(a, 0, (size_t)m * (size_t)m * sizeof *a);
    memset(l->vectors, 0, (size_t)m * (size_t)m * sizeof *a);
    for (int i = 0; i < m; i++) {
        a[i * m + i] = l->alpha[i];
        l->vectors[i * m + i] = 1;
        if (i + 1 < m) a[i * m + i + 1] = a[(i + 1) * m + i] = l->beta[i];
        all += l->alpha[i] * l->alpha[i];
    }
    for (int sweep = 0; sweep < MOST_SWEEPS && outside(a, m) > 1e-32 * all; sweep++)
        for (int p = 0; p < m; p++)
            for (int q = p + 1; q < m; q++) rotate(a, l->vectors, m, p, q);
    for (int i = 0; i < m; i++) { /* largest first */
        int at = i;
        for (; at > 0 && a[l->order[at - 1] * m + l->order[at - 1]] < a[i * m + i]; at--)
            l->order[at] = l->order[at - 1];
        l->order[at] = i;
    }
}

/* How far are the k vectors from being eigenvectors? */
static bool is_good(const struct lanczos *l)
{
    const int m = l->steps;
    const double largest = fabs(l->small[l->order[0] * m + l->order[0]]);
    for (int i = 0; i < l->k; i++)
        if (fabs(l->beta[m - 1] * l->vectors[(m - 1) * m + l->order[i]]) > PRECISION * largest)
            return false;
    return true;
}

static void give(const struct lanczos *l, double *value, double *vector)
{
    const int m = l->steps;
    memset(vector, 0, (size_t)l->k * l->n * sizeof *vector);
    for (int i = 0; i < l->k; i++) {
        const int column = l->order[i];
        value[i] = fmax(l->small[column * m + column], 0);
        for (int j = 0; j < m; j++)
            add(vector + (size_t)i * l->n, l->v + (size_t)j * l->n, l->vectors[j * m + column],
                l->n);
    }
}

xc_status eigen_largest(eigen_fn *apply, void *ctx, size_t n, int k, double *value, double *vector,
                        struct error *err)
{
    const int room = n < MOST_STEPS ? (int)n : MOST_STEPS;
    const size_t m = (size_t)room;
    size_t numbers = 0;
    if (!size_mul(m + 1, n, &numbers)) return fail_memory(err, SIZE_MAX);
    struct lanczos l = {.apply = apply, .ctx = ctx, .n = n, .k = k, .room = room};
    l.v = calloc(numbers, sizeof *l.v);
    l.alpha = calloc(2 * m, sizeof *l.alpha);
    l.small = calloc(2 * m * m, sizeof *l.small);
    l.order = calloc(m, sizeof *l.order);
    const bool memory = l.v && l.alpha && l.small && l.order;
    if (memory) {
        l.beta = l.alpha + m;
        l.vectors = l.small + m * m;
        draw(&l, 0);
        for (int check = FIRST_CHECK; l.steps < room;) {
            step(&l);
            if (l.steps < check && l.steps < room) continue;
            solve_small(&l);
            if (l.steps >= k && is_good(&l)) break;
            check += check / 2;
        }
        give(&l, value, vector);
    }
    free(l.v);
    free(l.alpha);
    free(l.small);
    free(l.order);
    return memory ? XC_OK : fail_memory(err, numbers * sizeof *l.v);
}
