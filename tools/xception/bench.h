/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the files of `xception bench` hand to each other?
 *
 *   verb_bench.c      flags -> configurations, and the order of everything
 *   bench_machine.c   who else uses this machine, and what is it?
 *   bench_spawn.c     one configuration in a process of its own: peak memory and the cold start are
 *                     those of a program that does nothing else
 *   bench_child.c     what that process measures
 *   bench_rows.c      samples of several rounds -> one row
 *   bench_compare.c   rows against those of an older --format json
 *   bench_print.c     rows -> text, Markdown, JSON, CSV
 */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include <xception.h>

#include "options.h"

struct config {
    uint32_t threads, batch;
    const char *precision;
    int model; /* an open file that the process gets as MODEL_FD; -1: the one of --model */
};

struct step_time {
    char name[80], kind[24];
    uint32_t height, width, channels;
    uint64_t macs;  /* an image */
    double seconds; /* a run: the median */
};

/* What one process says about one configuration; run_seconds and step follow it on the pipe. */
struct sample {
    char arch[512], level[24], kind[16]; /* kind: direct, fast, training */
    uint32_t height, width, channels;
    uint64_t macs;       /* an image */
    double ready, first; /* when the weights were, and the logits; seconds_now() there */
    double peak;         /* multiply-adds a second, the mean of before and after */
    double others;       /* share of the machine that others used meanwhile */
    uint64_t resident;   /* bytes, at most */
    uint32_t runs, steps;
    double *run_seconds;
    struct step_time *step;
};
void sample_free(struct sample *s);

struct row {
    struct config config;
    uint32_t rounds, disturbed; /* rounds in which others used more than BENCH_NOISE */
    struct sample last;         /* its steps, and what is the same in every round */
    size_t runs;
    /* Milliseconds are of an image. low and high: of the rounds' medians. */
    double ms, min_ms, p99_ms, low_ms, high_ms, ready_ms, first_ms;
    double gmacs, peak_gmacs, percent, mib;
    double old_ms, ratio; /* with --compare, or 0 */
    const char *change;   /* "faster", "slower", "same"; NULL: nothing to compare with */
};

#define BENCH_NOISE 0.035 /* share of the machine that others may use */

/* ---- bench_machine.c */
/* Waits until others leave the machine alone for 1.4 s, at most `limit` seconds; then says how busy
 * it was. */
void machine_wait(uint32_t limit);
struct load {
    double busy, total, own; /* seconds of all cores; of this process */
    bool known;
};
struct load machine_load(void);
double machine_others(const struct load *from, const struct load *to); /* 0..1 */
void machine_name(char *text, size_t size); /* "AMD EPYC (family 25 model 17), 2 cores" */

/* ---- bench_child.c: the exit code; a sample on fd when it is EXIT_DONE */
int bench_child(const struct args *args, int fd);

/* ---- bench_spawn.c */
enum { RESULT_FD = 3, MODEL_FD = 4 };
enum { BENCH_SECONDS = 3 }; /* to measure for, when nothing else is said */
#define MODEL_FD_PATH "/proc/self/fd/4"
/* Runs this command for one configuration; ready and first become seconds since it was started. */
int bench_spawn(const struct args *args, const struct config *config, bool layers,
                struct sample *out);

/* ---- bench_rows.c: takes the samples' memory */
int row_make(const struct config *config, struct sample *sample, uint32_t rounds, struct row *out);
void row_free(struct row *row);
double median(double *values, size_t count); /* sorts them */

/* ---- bench_compare.c: fills old_ms, ratio and change where the old file has the configuration;
 * with no rows: can the file be compared with? */
int rows_compare(struct row *row, size_t rows, const char *path);

/* ---- bench_print.c */
enum table_format { TABLE_TEXT, TABLE_MD, TABLE_JSON, TABLE_CSV };
#define TABLE_FORMATS "text|md|json|csv"
enum table_format table_format_of(const char *word); /* NULL: text */
void rows_print(const struct row *row, size_t rows, enum table_format format);

#endif
