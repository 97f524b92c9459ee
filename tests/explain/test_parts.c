/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an explanation that are arithmetic: colours, enlarged maps, eigenvalues, components.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "explain/explain.h"
#include "explain/pca.h"
#include "harness.h"

static double normal(uint32_t stream, size_t i)
{
    return rng_normal(7, RNG_TEST, stream, 0, (uint32_t)i);
}

/* ---- colours --------------------------------------------------------------------------------- */

static double linear(uint8_t v)
{
    const double x = v / 255.0;
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

static double lab_f(double t)
{
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

/* CIELAB of a colour of the screen. */
static void lab_of(double t, double lab[3])
{
    uint8_t c[3];
    heat_colour(t, c);
    const double r = linear(c[0]), g = linear(c[1]), b = linear(c[2]);
    const double x = lab_f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
    const double y = lab_f(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
    const double z = lab_f((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883);
    lab[0] = 116 * y - 16, lab[1] = 500 * (x - y), lab[2] = 200 * (y - z);
}

static void colours_are_even(void **state)
{
    (void)state;
    enum { STEPS = 16 };
    double last[3], lab[3], least = 1e9, most = 0;
    lab_of(0, last);
    assert_true(last[0] < 10);
    for (int i = 1; i <= STEPS; i++) {
        lab_of((double)i / STEPS, lab);
        const double d[3] = {lab[0] - last[0], lab[1] - last[1], lab[2] - last[2]};
        const double distance = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
        assert_true(d[0] > 0.5); /* lighter */
        least = fmin(least, distance);
        most = fmax(most, distance);
        memcpy(last, lab, sizeof last);
    }
    assert_true(last[0] > 92);
    if (!(most < 1.1 * least)) print_error("steps of %g to %g\n", least, most);
    assert_true(most < 1.1 * least); /* colours are whole numbers */
}

static void colours_outside(void **state)
{
    (void)state;
    uint8_t a[3], b[3];
    heat_colour(0, a), heat_colour(-3, b);
    assert_memory_equal(a, b, 3);
    heat_colour(NAN, b);
    assert_memory_equal(a, b, 3);
    heat_colour(1, a), heat_colour(INFINITY, b);
    assert_memory_equal(a, b, 3);
}

/* ---- enlarging ------------------------------------------------------------------------------- */

static void enlarging(void **state)
{
    (void)state;
    const float from[] = {0, 9, 1, 9, 2, 9, 10, 9, 11, 9, 12, 9}; /* (2, 3) of two channels */
    float to[4 * 6];
    enlarge(from, 2, 3, 2, false, 4, 6, to); /* centres at 0.25, 0.75, ... of a pixel */
    const float row[] = {0, 0.25f, 0.75f, 1.25f, 1.75f, 2};
    const float down[] = {0, 2.5f, 7.5f, 10};
    for (int i = 0; i < 24; i++) assert_true(fabsf(to[i] - row[i % 6] - down[i / 6]) < 1e-5f);
    enlarge(from, 2, 3, 2, true, 3, 5, to); /* corners stay */
    for (int i = 0; i < 15; i++)
        assert_true(fabsf(to[i] - 0.5f * (float)(i % 5) - 5 * (float)(i / 5)) < 1e-5f);
    enlarge(from + 1, 2, 3, 2, true, 1, 1, to);
    assert_true(to[0] == 9);
}

/* ---- components ------------------------------------------------------------------------------ */

static void diagonal(void *ctx, const double *x, double *y)
{
    const size_t n = *(const size_t *)ctx;
    for (size_t i = 0; i < n; i++) y[i] = x[i] * (i < 2 ? 50 : i == 2 ? 40 : (double)(i % 7));
}

/* Also twice the same eigenvalue, and fewer different ones than directions. */
static void eigenvalues(void **state)
{
    (void)state;
    for (size_t n = 3; n <= 200; n += 197) {
        double value[3], vector[3 * 200];
        struct error err = {0};
        assert_int_equal(eigen_largest(diagonal, &n, n, 3, value, vector, &err), XC_OK);
        assert_true(fabs(value[0] - 50) < 1e-9 && fabs(value[1] - 50) < 1e-9);
        assert_true(fabs(value[2] - 40) < 1e-9);
        assert_true(fabs(fabs(vector[2 * n + 2]) - 1) < 1e-6);
    }
}

/* Rows with known directions: score k has deviation 9, 5, 2; then a little noise in all. */
static float *make_rows(size_t count, size_t width)
{
    float *rows = calloc(count * width, sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < width; j++) {
            double v = 3 + 0.01 * normal(2, i * width + j);
            for (uint32_t k = 0; k < 3; k++)
                v += (k == 0   ? 9
                      : k == 1 ? 5
                               : 2) *
                     normal(10 + k, i) * normal(20 + k, j) / sqrt((double)width);
            rows[i * width + j] = (float)v;
        }
    return rows;
}

static void components(void **state)
{
    (void)state;
    static const size_t shape[][2] = {{60, 17}, {17, 60}, {300, 400}};
    for (size_t t = 0; t < 3; t++) {
        const size_t count = shape[t][0], width = shape[t][1];
        float *rows = make_rows(count, width);
        double *score = calloc(count * 3, sizeof *score), *axis = calloc(width * 3, sizeof *axis);
        double variance[3];
        struct error err = {0};
        const struct pca p = {.rows = rows, .count = count, .width = width, .components = 3};
        assert_int_equal(pca(&p, score, axis, variance, &err), XC_OK);
        for (size_t a = 0; a < 3; a++) {
            double own = 0, mean = 0, most = 0;
            for (size_t i = 0; i < count; i++) mean += score[i * 3 + a];
            for (size_t i = 0; i < count; i++) own += score[i * 3 + a] * score[i * 3 + a];
            assert_true(fabs(mean) < 1e-9 * (double)count);
            assert_true(fabs(own / (double)(count - 1) - variance[a]) < 1e-9 * variance[0]);
            for (size_t j = 0; j < width; j++)
                if (fabs(axis[a * width + j]) > fabs(most)) most = axis[a * width + j];
            assert_true(most > 0);
            for (size_t b = 0; b < 3; b++) { /* axes at right angles, scores not correlated */
                double angle = 0, together = 0;
                for (size_t j = 0; j < width; j++)
                    angle += axis[a * width + j] * axis[b * width + j];
                for (size_t i = 0; i < count; i++) together += score[i * 3 + a] * score[i * 3 + b];
                assert_true(fabs(angle - (a == b)) < 1e-9);
                assert_true(a == b || fabs(together) < 1e-6 * (double)count * variance[0]);
            }
        }
        assert_true(variance[0] > variance[1] && variance[1] > variance[2] && variance[2] > 0.1);
        free(rows);
        free(score);
        free(axis);
    }
}

static void components_of_nothing(void **state)
{
    (void)state;
    const float same[5 * 3] = {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3};
    double score[5 * 2], variance[2];
    struct error err = {0};
    struct pca p = {.rows = same, .count = 5, .width = 3, .components = 2};
    assert_int_equal(pca(&p, score, NULL, variance, &err), XC_OK);
    for (int i = 0; i < 10; i++) assert_true(fabs(score[i]) < 1e-12);
    assert_true(fabs(variance[0]) < 1e-12);
    p.components = 4;
    assert_int_equal(pca(&p, score, NULL, NULL, &err), XC_ERR_ARGUMENT);
    const float line[2 * 7] = {1, 2, 3, 4, 5, 6, 7,
                               3, 1, 4, 1, 5, 9, 2}; /* fewer rows than numbers */
    double axis[2 * 7];
    p = (struct pca){.rows = line, .count = 2, .width = 7, .components = 2};
    assert_int_equal(pca(&p, score, axis, variance, &err), XC_OK);
    assert_true(score[0] * score[2] < -1);
    assert_true(!(fabs(score[1]) > 0) && !(fabs(score[3]) > 0));
    for (int i = 7; i < 14; i++) assert_true(!(fabs(axis[i]) > 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_are_even), cmocka_unit_test(colours_outside),
        cmocka_unit_test(enlarging),        cmocka_unit_test(eigenvalues),
        cmocka_unit_test(components),       cmocka_unit_test(components_of_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
