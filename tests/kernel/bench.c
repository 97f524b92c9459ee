/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast is each kernel of each level, on the layers of Xception at 299x299? The median processor
 * time of some runs, each with other weights, so that they come from memory as in a forward pass.
 * Nothing is judged here.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "kernel/bench.h"
#include "kernel/trial.h"

enum job_kind {
    CONV,
    DEPTHWISE,
    POINTWISE,
    SEPARABLE, /* depthwise into a scratch of BLOCK_ROWS rows, pointwise from it */
    DENSE,
    POOL_MAX,
    GLOBAL_AVERAGE,
    MAP,
    SOFTMAX
};

enum {
    LINE = 64,
    ROOM = 3 << 20,      /* numbers of an input or output */
    WEIGHTS = 20 << 20,  /* numbers to take weights from: more than caches hold */
    SEPARABLE_ROWS = 98, /* of the scratch */
    SCRATCH = SEPARABLE_ROWS * (2048 + 16)
};

struct job {
    const char *name;
    enum job_kind kind;
    int side, c, out_side, oc, k, stride; /* square */
    int times;                            /* in one forward pass */
    int groups;                           /* of CONV */
};

static const struct job jobs[] = {
    {"conv 299 3>32 3x3/2", CONV, 299, 3, 149, 32, 3, 2, 1, 1},
    {"conv 149 32>64 3x3", CONV, 149, 32, 147, 64, 3, 1, 1, 1},
    {"depthwise 147 64", DEPTHWISE, 147, 64, 147, 64, 3, 1, 1, 1},
    {"depthwise 147 128", DEPTHWISE, 147, 128, 147, 128, 3, 1, 1, 1},
    {"depthwise 74 128", DEPTHWISE, 74, 128, 74, 128, 3, 1, 1, 1},
    {"depthwise 74 256", DEPTHWISE, 74, 256, 74, 256, 3, 1, 1, 1},
    {"depthwise 37 256", DEPTHWISE, 37, 256, 37, 256, 3, 1, 1, 1},
    {"depthwise 37 728", DEPTHWISE, 37, 728, 37, 728, 3, 1, 1, 1},
    {"depthwise 19 728", DEPTHWISE, 19, 728, 19, 728, 3, 1, 26, 1},
    {"depthwise 10 1024", DEPTHWISE, 10, 1024, 10, 1024, 3, 1, 1, 1},
    {"depthwise 10 1536", DEPTHWISE, 10, 1536, 10, 1536, 3, 1, 1, 1},
    {"pointwise 147 64>128", POINTWISE, 147, 64, 147, 128, 1, 1, 1, 1},
    {"pointwise 147 128>128", POINTWISE, 147, 128, 147, 128, 1, 1, 1, 1},
    {"pointwise 74 128>256", POINTWISE, 74, 128, 74, 256, 1, 1, 1, 1},
    {"pointwise 74 256>256", POINTWISE, 74, 256, 74, 256, 1, 1, 1, 1},
    {"pointwise 37 256>728", POINTWISE, 37, 256, 37, 728, 1, 1, 1, 1},
    {"pointwise 37 728>728", POINTWISE, 37, 728, 37, 728, 1, 1, 1, 1},
    {"pointwise 19 728>728", POINTWISE, 19, 728, 19, 728, 1, 1, 25, 1},
    {"pointwise 19 728>1024", POINTWISE, 19, 728, 19, 1024, 1, 1, 1, 1},
    {"pointwise 10 1024>1536", POINTWISE, 10, 1024, 10, 1536, 1, 1, 1, 1},
    {"pointwise 10 1536>2048", POINTWISE, 10, 1536, 10, 2048, 1, 1, 1, 1},
    {"pointwise 147 64>128 /2", POINTWISE, 147, 64, 74, 128, 1, 2, 1, 1},
    {"pointwise 74 128>256 /2", POINTWISE, 74, 128, 37, 256, 1, 2, 1, 1},
    {"pointwise 37 256>728 /2", POINTWISE, 37, 256, 19, 728, 1, 2, 1, 1},
    {"pointwise 19 728>1024 /2", POINTWISE, 19, 728, 10, 1024, 1, 2, 1, 1},
    {"pool_max 147 128 3x3/2", POOL_MAX, 147, 128, 74, 128, 3, 2, 1, 1},
    {"pool_max 74 256 3x3/2", POOL_MAX, 74, 256, 37, 256, 3, 2, 1, 1},
    {"pool_max 37 728 3x3/2", POOL_MAX, 37, 728, 19, 728, 3, 2, 1, 1},
    {"pool_max 19 1024 3x3/2", POOL_MAX, 19, 1024, 10, 1024, 3, 2, 1, 1},
    {"global_average 10 2048", GLOBAL_AVERAGE, 10, 2048, 1, 2048, 10, 1, 1, 1},
    {"dense 2048>1000", DENSE, 1, 2048, 1, 1000, 1, 1, 1, 1},
    {"softmax 1000", SOFTMAX, 1, 1000, 1, 1000, 1, 1, 1, 1},
    {"separable 147 128>128", SEPARABLE, 147, 128, 147, 128, 3, 1, 0, 1},
    {"separable 74 256>256", SEPARABLE, 74, 256, 74, 256, 3, 1, 0, 1},
    {"separable 37 728>728", SEPARABLE, 37, 728, 37, 728, 3, 1, 0, 1},
    {"separable 19 728>728", SEPARABLE, 19, 728, 19, 728, 3, 1, 0, 1},
    {"separable 10 1536>2048", SEPARABLE, 10, 1536, 10, 2048, 3, 1, 0, 1},
    {"conv 56 64>64 3x3", CONV, 56, 64, 56, 64, 3, 1, 0, 1}, /* ResNet */
    {"conv 28 128>128 3x3", CONV, 28, 128, 28, 128, 3, 1, 0, 1},
    {"conv 14 256>256 3x3", CONV, 14, 256, 14, 256, 3, 1, 0, 1},
    {"conv 7 512>512 3x3", CONV, 7, 512, 7, 512, 3, 1, 0, 1},
    {"conv 19 728>728 3x3 /14", CONV, 19, 728, 19, 728, 3, 1, 0, 14},
    {"conv 19 728>728 3x3 /91", CONV, 19, 728, 19, 728, 3, 1, 0, 91},
    {"conv 28 128>128 3x3 /4", CONV, 28, 128, 28, 128, 3, 1, 0, 4},
    {"conv 14 512>512 3x3 /8", CONV, 14, 512, 14, 512, 3, 1, 0, 8},
    {"conv 8 256>256 3x3 /8", CONV, 8, 256, 8, 256, 3, 1, 0, 8},
    {"map 147 128 add, relu", MAP, 147, 128, 147, 128, 1, 1, 0, 1},
};

/* Pixels as plans lay them: on lines, unless they are much smaller. */
static struct view square(float *data, int side, int c)
{
    const ptrdiff_t bytes = c * (ptrdiff_t)sizeof(float);
    const ptrdiff_t pixel = 2 * bytes < LINE ? bytes : (bytes + LINE - 1) / LINE * LINE;
    return (struct view){data,         1,     side,     side, c, side * side * pixel,
                         side * pixel, pixel, DTYPE_F32};
}

/* Units [from, to) of v as they lie in a scratch whose rows are an odd number of lines apart. */
static struct view in_scratch(struct view v, float *scratch, size_t from)
{
    v.pixel = (v.pixel / LINE | 1) * LINE;
    v.row = v.w * v.pixel;
    v.image = v.h * v.row;
    v.data = (char *)scratch - (ptrdiff_t)from * v.pixel;
    return v;
}

static void run_separable(const struct kernels *k, const struct conv_call *depthwise,
                          const struct conv_call *pointwise, float *scratch)
{
    const size_t pixels = (size_t)(pointwise->out.h * pointwise->out.w);
    struct conv_call first = *depthwise, second = *pointwise;
    for (size_t from = 0; from < pixels; from += SEPARABLE_ROWS) {
        const size_t to = pixels - from < SEPARABLE_ROWS ? pixels : from + SEPARABLE_ROWS;
        first.out = second.in = in_scratch(pointwise->in, scratch, from);
        k->depthwise(&first, from, to);
        k->pointwise(&second, from, to);
    }
}

static void run(const struct kernels *k, const struct job *job, float *in, float *weight,
                float *out)
{
    const struct view x = square(in, job->side, job->c), y = square(out, job->out_side, job->oc);
    const size_t pixels = (size_t)job->out_side * (size_t)job->out_side, oc = (size_t)job->oc;
    const bool depthwise = job->kind == DEPTHWISE || job->kind == SEPARABLE;
    const bool same = depthwise || job->kind == POOL_MAX || job->side == job->out_side;
    const int pad = same ? job->k / 2 : 0;
    const struct window window = {job->k, job->k, job->stride, job->stride, 1, 1, pad, pad};
    const struct epilogue relu = {.act = {ACT_RELU, 0, 0}};
    struct conv_call conv = {.in = x,
                             .out = y,
                             .window = window,
                             .groups = depthwise ? job->c : job->groups,
                             .weight = weight,
                             .epilogue = relu};
    const struct conv_call pointwise = {.in = x,
                                        .out = y,
                                        .window = {1, 1, job->stride, job->stride, 1, 1, 0, 0},
                                        .groups = 1,
                                        .weight = weight + 9 * job->c,
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
        k->pointwise(&pointwise, 0, pixels);
        break;
    case SEPARABLE:
        run_separable(k, &conv, &pointwise, out + ROOM);
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
        return 2 * outputs * taps * job->c / job->groups;
    case DEPTHWISE:
        return 2 * outputs * taps;
    case SEPARABLE:
        return 2 * outputs * (job->c + taps * job->c / job->oc);
    default:
        return outputs * taps;
    }
}

/* Numbers that lie between the weights of one run and those of the next. */
static size_t weight_numbers(const struct job *job)
{
    const size_t taps = (size_t)(job->k * job->k), c = (size_t)job->c, oc = (size_t)job->oc;
    const size_t columns = (oc + 15) / 16 * 16;
    switch (job->kind) {
    case CONV: {
        const size_t groups = (size_t)job->groups;
        return taps * c * ((oc / groups + 15) / 16 * 16);
    }
    case POINTWISE:
    case DENSE:
        return c * columns;
    case DEPTHWISE:
        return taps * c;
    case SEPARABLE:
        return taps * c + c * columns;
    default:
        return 0;
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_time(const struct kernels *k, const struct job *job, float *in, float *weight,
                          float *out)
{
    enum { MOST = 200, LEAST = 5 };
    double time[MOST], spent = 0;
    const size_t numbers = weight_numbers(job);
    size_t at = 0;
    int runs = 0;
    for (; runs < LEAST || (runs < MOST && spent < 0.1); runs++) {
        if (at + numbers > WEIGHTS) at = 0;
        const double start = seconds();
        run(k, job, in, weight + at, out);
        time[runs] = seconds() - start;
        spent += time[runs];
        at += numbers;
    }
    qsort(time, (size_t)runs, sizeof *time, ascending);
    return time[runs / 2];
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

static void bench_level(const struct kernels *k, float *in, float *weight, float *out)
{
    double sum = 0, least = 0;
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        const struct job *job = &jobs[i];
        const double peak = peak_gflops(k->level), t = median_time(k, job, in, weight, out);
        const double rate = operations(job) / t * 1e-9;
        sum += t * job->times;
        if (job->kind < DENSE) least += operations(job) / peak * 1e-9 * job->times;
        printf("%-10s %-24s %9.3f ms %8.2f GFLOP/s", k->level, job->name, t * 1e3, rate);
        printf(peak > 0 ? " %6.1f %% of %.0f\n" : "\n", rate / peak * 100, peak);
    }
    printf("%-10s %-24s %9.3f ms", k->level, "xception 299", sum * 1e3);
    printf(isfinite(least) ? " %25.1f %%\n" : "\n", least / sum * 100);
}

int bench_kernels(const char *level)
{
    const size_t count = 2 * (size_t)ROOM + SCRATCH + WEIGHTS;
    float *in = aligned_new(count * sizeof *in), *out = in + ROOM, *weight = out + ROOM + SCRATCH;
    if (!in) return 1;
    for (size_t i = 0; i < count; i++) in[i] = (float)(i % 1013) / 1013 - 0.5f;
    const char *before = "";
    for (size_t i = 0; cpu_level(i); i++) {
        struct kernels k;
        unsigned allowed = 0;
        if (!cpu_level_flags(cpu_level(i), &allowed)) continue;
        kernels_init(&k, DTYPE_F32, allowed & cpu_flags());
        if (strcmp(k.level, before) == 0) continue;
        before = k.level;
        if (!level || strcmp(level, k.level) == 0) bench_level(&k, in, weight, out);
    }
    free(in);
    return 0;
}
