/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast is each kernel of each level, on shapes of Xception at 299x299? The least processor time
 * of some runs, with warm caches. Nothing is judged here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/bench.h"
#include "kernel/trial.h"

enum job_kind { CONV, DEPTHWISE, POINTWISE, DENSE, POOL_MAX, GLOBAL_AVERAGE, MAP, SOFTMAX };

struct job {
    const char *name;
    enum job_kind kind;
    int side, c, out_side, oc, k, stride; /* square */
};

static const struct job jobs[] = {
    {"conv 299 3>32 3x3/2", CONV, 299, 3, 149, 32, 3, 2},
    {"conv 149 32>64 3x3", CONV, 149, 32, 147, 64, 3, 1},
    {"depthwise 147 128", DEPTHWISE, 147, 128, 147, 128, 3, 1},
    {"depthwise 19 728", DEPTHWISE, 19, 728, 19, 728, 3, 1},
    {"conv 28 128>128 3x3", CONV, 28, 128, 26, 128, 3, 1},
    {"conv 7 512>512 3x3", CONV, 9, 512, 7, 512, 3, 1},
    {"pointwise 147 64>128", POINTWISE, 147, 64, 147, 128, 1, 1},
    {"pointwise 147 128>128", POINTWISE, 147, 128, 147, 128, 1, 1},
    {"pointwise 74 128>256", POINTWISE, 74, 128, 74, 256, 1, 1},
    {"pointwise 74 256>256", POINTWISE, 74, 256, 74, 256, 1, 1},
    {"pointwise 37 256>728", POINTWISE, 37, 256, 37, 728, 1, 1},
    {"pointwise 37 728>728", POINTWISE, 37, 728, 37, 728, 1, 1},
    {"pointwise 19 728>728", POINTWISE, 19, 728, 19, 728, 1, 1},
    {"pointwise 19 728>1024", POINTWISE, 19, 728, 19, 1024, 1, 1},
    {"pointwise 10 1024>1536", POINTWISE, 10, 1024, 10, 1536, 1, 1},
    {"pointwise 10 1536>2048", POINTWISE, 10, 1536, 10, 2048, 1, 1},
    {"pointwise 147 64>128 /2", POINTWISE, 147, 64, 74, 128, 1, 2},
    {"pointwise 19 728>1024 /2", POINTWISE, 19, 728, 10, 1024, 1, 2},
    {"dense 2048>1000", DENSE, 1, 2048, 1, 1000, 1, 1},
    {"pool_max 147 128 3x3/2", POOL_MAX, 147, 128, 74, 128, 3, 2},
    {"global_average 10 2048", GLOBAL_AVERAGE, 10, 2048, 1, 2048, 10, 1},
    {"map 147 128 add, relu", MAP, 147, 128, 147, 128, 1, 1},
    {"softmax 1000", SOFTMAX, 1, 1000, 1, 1000, 1, 1},
};

static struct view square(float *data, int side, int c)
{
    const ptrdiff_t pixel = c * (ptrdiff_t)sizeof(float);
    return (struct view){data, 1, side, side, c, side * side * pixel, side * pixel, pixel};
}

static void run(const struct kernels *k, const struct job *job, float *in, float *weight,
                float *out)
{
    const struct view x = square(in, job->side, job->c), y = square(out, job->out_side, job->oc);
    const size_t pixels = (size_t)job->out_side * (size_t)job->out_side, oc = (size_t)job->oc;
    const int pad = job->kind == DEPTHWISE || job->kind == POOL_MAX ? job->k / 2 : 0;
    const struct window window = {job->k, job->k, job->stride, job->stride, 1, 1, pad, pad};
    const struct epilogue relu = {.act = {ACT_RELU, 0, 0}};
    const struct conv_call conv = {.in = x,
                                   .out = y,
                                   .window = window,
                                   .groups = job->kind == DEPTHWISE ? job->c : 1,
                                   .weight = weight,
                                   .epilogue = relu};
    const struct dense_call dense = {.in = x, .out = y, .weight = weight};
    const struct pool_call pool = {.in = x, .out = y, .window = window};
    const struct global_pool_call global = {.in = x, .out = y};
    const struct map_call map = {.in = x, .out = y, .epilogue = {.add = x, .act = relu.act}};
    const struct softmax_call softmax = {.in = x, .out = y};
    switch (job->kind) {
    case CONV:
        k->conv(&conv, 0, pixels);
        break;
    case DEPTHWISE:
        k->depthwise(&conv, 0, pixels);
        break;
    case POINTWISE:
        k->pointwise(&conv, 0, pixels);
        break;
    case DENSE:
        k->dense(&dense, 0, oc);
        break;
    case POOL_MAX:
        k->pool_max(&pool, 0, pixels);
        break;
    case GLOBAL_AVERAGE:
        k->global_average(&global, 0, oc);
        break;
    case MAP:
        k->map(&map, 0, pixels);
        break;
    case SOFTMAX:
        k->softmax(&softmax, 0, pixels);
        break;
    }
}

/* Multiply-adds and additions, twice and once; what else happens is not counted. */
static double operations(const struct job *job)
{
    const double outputs = (double)job->out_side * job->out_side * job->oc, taps = job->k * job->k;
    switch (job->kind) {
    case CONV:
    case POINTWISE:
    case DENSE:
        return 2 * outputs * taps * job->c;
    case DEPTHWISE:
        return 2 * outputs * taps;
    default:
        return outputs * taps;
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The weights as this level wants them: free(). */
static float *packed_weights(const struct kernels *k, const struct job *job, const float *weight)
{
    const struct matrix m = {(size_t)(job->k * job->k * job->c), (size_t)job->oc, 1};
    const struct matrix taps = {(size_t)(job->k * job->k), (size_t)job->c, 1};
    switch (job->kind) {
    case CONV:
        return packed_copy(DTYPE_F32, k->conv_packing, &m, weight);
    case POINTWISE:
        return packed_copy(DTYPE_F32, k->pointwise_packing, &m, weight);
    case DENSE:
        return packed_copy(DTYPE_F32, k->dense_packing, &m, weight);
    default:
        return packed_copy(DTYPE_F32, PACK_PLAIN, &taps, weight);
    }
}

static double best_time(const struct kernels *k, const struct job *job, float *in, float *weight,
                        float *out)
{
    float *packed = packed_weights(k, job, weight);
    double best = 1e9, spent = 0;
    for (int i = 0; i < 3 || (i < 100 && spent < 0.3); i++) {
        const double start = seconds();
        run(k, job, in, packed, out);
        const double time = seconds() - start;
        best = time < best ? time : best;
        spent += time;
    }
    free(packed);
    return best;
}

/* How fast twelve independent chains of multiply-adds are; 0 where nobody has written them. */
#if defined(__x86_64__)
#define CHAINS(width)                                                                              \
    "1: vfmadd213ps %%" width "15, %%" width "15, %%" width "0\n"                                  \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "1\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "2\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "3\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "4\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "5\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "6\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "7\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "8\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "9\n"                                     \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "10\n"                                    \
    "vfmadd213ps %%" width "15, %%" width "15, %%" width "11\n"                                    \
    "dec %0\n"                                                                                     \
    "jnz 1b"
#define CHAIN_REGISTERS                                                                            \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm15"
static double peak_gflops(const char *level)
{
    enum { STEPS = 100000, LANES_512 = 16, LANES_256 = 8 };
    const bool wide = strncmp(level, "avx512", 6) == 0;
    if (!wide && strcmp(level, "avx2") != 0) return 0;
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        long steps = STEPS;
        const double start = seconds();
        if (wide)
            __asm__ volatile("vxorps %%xmm15, %%xmm15, %%xmm15\n" CHAINS("zmm")
                             : "+r"(steps)::CHAIN_REGISTERS);
        else
            __asm__ volatile("vxorps %%xmm15, %%xmm15, %%xmm15\n" CHAINS("ymm")
                             : "+r"(steps)::CHAIN_REGISTERS);
        const double time = seconds() - start;
        best = time < best ? time : best;
    }
    return STEPS * 12.0 * 2 * (wide ? LANES_512 : LANES_256) / best * 1e-9;
}
#else
static double peak_gflops(const char *level)
{
    (void)level;
    return 0;
}
#endif

int bench_kernels(void)
{
    enum { ROOM = 3 << 20 };
    float *numbers = malloc(3 * ROOM * sizeof *numbers);
    if (!numbers) return 1;
    for (int i = 0; i < 3 * ROOM; i++) numbers[i] = (float)(i % 1013) / 1013 - 0.5f;
    const char *before = "";
    for (size_t i = 0; cpu_level(i); i++) {
        struct kernels k;
        unsigned allowed = 0;
        if (!cpu_level_flags(cpu_level(i), &allowed)) continue;
        kernels_init(&k, DTYPE_F32, allowed & cpu_flags());
        if (strcmp(k.level, before) == 0) continue;
        before = k.level;
        for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++) {
            const double t =
                best_time(&k, &jobs[j], numbers, numbers + ROOM, numbers + 2 * (size_t)ROOM);
            const double peak = peak_gflops(k.level), rate = operations(&jobs[j]) / t * 1e-9;
            printf("%-10s %-24s %9.3f ms %8.2f GFLOP/s", k.level, jobs[j].name, t * 1e3, rate);
            printf(peak > 0 ? " %6.1f %% of %.0f\n" : "\n", rate / peak * 100, peak);
        }
    }
    free(numbers);
    return 0;
}
