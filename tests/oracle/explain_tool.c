/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_tool noise SEED SAMPLES COUNT    SmoothGrad's noise, (samples, count) float64
 * explain_tool pca FILE ROWS WIDTH K       of float32 rows: scores (rows, k), axes (k, width),
 *                                          variances (k), all float64
 *
 * What oracles of explanations need and the command does not print. Writes to stdout.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/explain.h"
#include "explain/pca.h"

static void die(const char *what)
{
    fprintf(stderr, "explain_tool: %s\n", what);
    exit(1);
}

static void *memory(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) die("out of memory");
    return p;
}

static void put(const double *x, size_t count)
{
    if (fwrite(x, sizeof *x, count, stdout) != count) die("cannot write");
}

static int noise(char **word)
{
    const uint64_t seed = strtoull(word[0], NULL, 10);
    const uint32_t samples = (uint32_t)atoi(word[1]), count = (uint32_t)atoi(word[2]);
    for (uint32_t s = 0; s < samples; s++)
        for (uint32_t i = 0; i < count; i++) {
            const double x = smoothgrad_noise(seed, s, i);
            put(&x, 1);
        }
    return 0;
}

static int components(char **word)
{
    const size_t count = (size_t)atoi(word[1]), width = (size_t)atoi(word[2]);
    const int k = atoi(word[3]);
    float *rows = memory(count * width, sizeof *rows);
    FILE *f = fopen(word[0], "rb");
    if (!f || fread(rows, sizeof *rows, count * width, f) != count * width) die(word[0]);
    fclose(f);
    double *score = memory(count * (size_t)k, sizeof *score);
    double *axis = memory(width * (size_t)k, sizeof *axis), *variance = memory((size_t)k, 8);
    const struct pca p = {.rows = rows, .count = count, .width = width, .components = k};
    struct error err;
    if (pca(&p, score, axis, variance, &err) != XC_OK) die(err.text);
    put(score, count * (size_t)k);
    put(axis, width * (size_t)k);
    put(variance, (size_t)k);
    free(rows);
    free(score);
    free(axis);
    free(variance);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "noise") == 0) return noise(argv + 2);
    if (argc == 6 && strcmp(argv[1], "pca") == 0) return components(argv + 2);
    die("noise SEED SAMPLES COUNT, or pca FILE ROWS WIDTH K");
}
