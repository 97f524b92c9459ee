/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn_tool table ARCH            our parameters: name and dimensions, one line each
 * learn_tool run FOLDER ARCH BATCH TYPE STEPS KIND LR MOMENTUM RHO EPSILON NESTEROV DECAY
 * learn_tool time ARCH BATCH THREADS STEPS TYPE    milliseconds of each kind of kernel
 *
 * What an oracle in Python steers: STEPS steps of training from FOLDER/param, with batches of
 * FOLDER/input and rows of FOLDER/target (all float64). Prints the loss of each step; writes the
 * gradient of the last one and the parameters to FOLDER/grad and FOLDER/param_out. TYPE is f32 or
 * f64; KIND sgd, rmsprop, adamw (f32 only), or none. TYPE of `time` is f32 or bf16.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/learn.h"
#include "network/arch.h"
#include "train/optimizer.h"

struct lesson {
    const char *folder;
    struct graph *g;
    struct kernels k;
    struct training_kernels t;
    struct learn *learn;
    struct optimizer *optimizer; /* or NULL */
    double lr;
    int batch, steps;
    size_t pixels, classes; /* of a batch */
    double *input, *target, *loss;
    char *in, *to, *param, *grad; /* in the numbers of the kernels */
    float *state;
    void *arena;
};

static void die(const char *what)
{
    fprintf(stderr, "learn_tool: %s\n", what);
    exit(1);
}

static void *memory(size_t bytes)
{
    void *p = aligned_new(bytes);
    if (!p) die("out of memory");
    return p;
}

static FILE *open_in(const struct lesson *l, const char *name, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", l->folder, name);
    FILE *f = fopen(path, mode);
    if (!f) die(path);
    return f;
}

static void read_numbers(const struct lesson *l, const char *name, double *to, size_t count)
{
    FILE *f = open_in(l, name, "rb");
    if (fread(to, sizeof *to, count, f) != count) die("a file is too short");
    fclose(f);
}

static void convert(enum dtype type, const double *from, char *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float single = (float)from[i];
        if (type == DTYPE_F64)
            memcpy(to + i * sizeof *from, &from[i], sizeof *from);
        else
            memcpy(to + i * sizeof single, &single, sizeof single);
    }
}

static void write_numbers(const struct lesson *l, const char *name, const char *from, size_t count)
{
    FILE *f = open_in(l, name, "wb");
    for (size_t i = 0; i < count; i++) {
        double value;
        float single;
        memcpy(&value, from + (l->k.type == DTYPE_F64 ? i * sizeof value : 0), sizeof value);
        memcpy(&single, from + (l->k.type == DTYPE_F64 ? 0 : i * sizeof single), sizeof single);
        if (l->k.type != DTYPE_F64) value = (double)single;
        if (fwrite(&value, sizeof value, 1, f) != 1) die("cannot write");
    }
    if (fclose(f)) die("cannot write");
}

static struct graph *network(const char *arch)
{
    struct graph *g;
    struct error err;
    if (arch_build(arch, NULL, &g, NULL, &err) != XC_OK) die(err.text);
    return g;
}

static int table(const char *arch)
{
    struct graph *g = network(arch);
    for (int i = 0; i < g->param.count; i++) {
        const struct param *p = &g->param.at[i];
        printf("%s", p->name);
        for (int j = 0; j < p->rank; j++) printf(" %d", p->dim[j]);
        printf("\n");
    }
    graph_free(g);
    return 0;
}

/* ---- how long does a step take? -------------------------------------------------------------- */

static void print_times(const struct learn *l, const double *seconds, int steps)
{
    double all = 0;
    for (int i = 0; i < learn_steps(l); i++) {
        double sum = 0;
        bool seen = false;
        for (int j = 0; j < learn_steps(l); j++) {
            const bool same = strcmp(learn_kernel(l, i), learn_kernel(l, j)) == 0;
            seen |= same && j < i;
            if (same) sum += seconds[j];
        }
        all += seconds[i];
        if (!seen) printf("%-16s %8.1f ms\n", learn_kernel(l, i), sum / steps * 1e3);
    }
    printf("%-16s %8.1f ms\n", "step", all / steps * 1e3);
}

static int time_steps(char **word)
{
    struct graph *g = network(word[0]);
    const int batch = atoi(word[1]), steps = atoi(word[3]);
    const struct shape in = {batch, g->input.h, g->input.w, g->input.c};
    const struct learn_opts opts = {.input = in, .threads = atoi(word[2])};
    const enum dtype type = strcmp(word[4], "bf16") == 0 ? DTYPE_BF16 : DTYPE_F32;
    const size_t pixels = (size_t)(batch * in.h * in.w) * (size_t)in.c;
    struct kernels k;
    struct training_kernels t;
    struct learn *l;
    struct pool *pool;
    struct error err;
    kernels_init(&k, type, cpu_flags());
    training_kernels_init(&t, type, cpu_flags());
    if (learn_new(g, &k, &t, &opts, &l, &err) != XC_OK) die(err.text);
    if (pool_new(atoi(word[2]), &pool, &err) != XC_OK) die(err.text);
    float *input = memory(pixels * sizeof *input), *param = memory(g->param.total * sizeof *param);
    for (size_t i = 0; i < pixels; i++) input[i] = (float)(i % 251) / 125 - 1;
    for (size_t i = 0; i < g->param.total; i++) param[i] = (float)(i % 13) / 13 - 0.45f;
    struct learn_io io = {
        .input = input,
        .target = memory((size_t)(batch * g->node[g->output[0].node].out.c) * sizeof(float)),
        .param = param,
        .grad = memory(g->param.total * sizeof(float)),
        .loss = memory((size_t)batch * sizeof(double)),
        .scale = 1};
    void *arena = memory(learn_arena_bytes(l));
    if (learn_run(l, &io, arena, pool, NULL) != XC_OK) die("cannot run");
    io.seconds = memory((size_t)learn_steps(l) * sizeof *io.seconds);
    for (int i = 0; i < steps; i++)
        if (learn_run(l, &io, arena, pool, NULL) != XC_OK) die("cannot run");
    print_times(l, io.seconds, steps);
    pool_free(pool);
    return 0;
}

/* ---- lessons --------------------------------------------------------------------------------- */

static void open_optimizer(struct lesson *l, char **word)
{
    static const char *const kinds[] = {"sgd", "rmsprop", "adamw"};
    struct error err;
    for (int i = 0; i < 3; i++) {
        if (strcmp(word[0], kinds[i]) != 0) continue;
        const struct optimizer_opts opts = {.kind = (enum optimizer_kind)i,
                                            .momentum = atof(word[2]),
                                            .rho = atof(word[3]),
                                            .epsilon = atof(word[4]),
                                            .nesterov = atoi(word[5]),
                                            .decay = atof(word[6])};
        if (optimizer_new(&opts, &l->g->param, NULL, &l->optimizer, &err) != XC_OK) die(err.text);
        l->state = memory(optimizer_state_count(l->optimizer) * sizeof(float));
        optimizer_start(l->optimizer, l->state);
    }
    l->lr = atof(word[1]);
}

static void open_lesson(struct lesson *l, char **word)
{
    struct error err;
    l->folder = word[0];
    l->g = network(word[1]);
    l->batch = atoi(word[2]);
    l->steps = atoi(word[4]);
    const enum dtype type = strcmp(word[3], "f64") == 0 ? DTYPE_F64 : DTYPE_F32;
    const struct shape in = {l->batch, l->g->input.h, l->g->input.w, l->g->input.c};
    const size_t total = l->g->param.total, size = dtype_size(type);
    const struct learn_opts opts = {.input = in};
    l->pixels = (size_t)in.n * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    l->classes = (size_t)(l->batch * l->g->node[l->g->output[0].node].out.c);
    kernels_init(&l->k, type, cpu_flags());
    training_kernels_init(&l->t, type, cpu_flags());
    if (learn_new(l->g, &l->k, &l->t, &opts, &l->learn, &err) != XC_OK) die(err.text);
    l->arena = memory(learn_arena_bytes(l->learn));
    l->input = memory((size_t)l->steps * l->pixels * sizeof(double));
    l->target = memory((size_t)l->steps * l->classes * sizeof(double));
    l->loss = memory((size_t)l->batch * sizeof(double));
    l->in = memory(l->pixels * size);
    l->to = memory(l->classes * size);
    l->param = memory(total * size);
    l->grad = memory(total * size);
    double *first = memory(total * sizeof *first);
    read_numbers(l, "param", first, total);
    convert(type, first, l->param, total);
    free(first);
    read_numbers(l, "input", l->input, (size_t)l->steps * l->pixels);
    read_numbers(l, "target", l->target, (size_t)l->steps * l->classes);
    open_optimizer(l, word + 5);
}

static void step(struct lesson *l, int t, struct pool *pool)
{
    const struct learn_io io = {.input = l->in,
                                .target = l->to,
                                .param = l->param,
                                .grad = l->grad,
                                .loss = l->loss,
                                .scale = 1.0 / l->batch};
    double sum = 0;
    convert(l->k.type, l->input + (size_t)t * l->pixels, l->in, l->pixels);
    convert(l->k.type, l->target + (size_t)t * l->classes, l->to, l->classes);
    memset(l->grad, 0, l->g->param.total * dtype_size(l->k.type));
    if (learn_run(l->learn, &io, l->arena, pool, NULL) != XC_OK) die("cannot run");
    for (int n = 0; n < l->batch; n++) sum += l->loss[n];
    printf("%.17g\n", sum);
    if (l->optimizer)
        optimizer_step(l->optimizer, (uint64_t)t + 1, l->lr, (float *)(void *)l->param,
                       (const float *)(const void *)l->grad, l->state, pool);
}

int main(int argc, char **argv)
{
    struct lesson l = {0};
    struct pool *pool;
    struct error err;
    if (argc == 3 && strcmp(argv[1], "table") == 0) return table(argv[2]);
    if (argc == 7 && strcmp(argv[1], "time") == 0) return time_steps(argv + 2);
    if (argc != 14 || strcmp(argv[1], "run") != 0) die("see the head of its source");
    open_lesson(&l, argv + 2);
    if (pool_new(pool_default_threads(), &pool, &err) != XC_OK) die(err.text);
    for (int t = 0; t < l.steps; t++) step(&l, t, pool);
    write_numbers(&l, "grad", l.grad, l.g->param.total);
    write_numbers(&l, "param_out", l.param, l.g->param.total);
    return 0;
}
