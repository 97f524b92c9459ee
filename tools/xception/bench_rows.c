/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do the samples of several rounds become one row? By medians of the rounds: a process may be
 * unlucky with its memory, or have a neighbour. The best run and the 99th percentile are of all
 * runs.
 */
#include <stdlib.h>

#include "bench.h"
#include "say.h"

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void sample_free(struct sample *s)
{
    free(s->run_seconds);
    free(s->step);
    *s = (struct sample){0};
}

void row_free(struct row *row)
{
    sample_free(&row->last);
}

/* The times of all runs, sorted; NULL when out of memory. */
static double *all_runs(const struct sample *sample, uint32_t rounds, size_t *count)
{
    *count = 0;
    for (uint32_t r = 0; r < rounds; r++) *count += sample[r].runs;
    double *all = malloc((*count + 1) * sizeof *all);
    size_t at = 0;
    for (uint32_t r = 0; r < rounds && all; r++)
        for (uint32_t i = 0; i < sample[r].runs; i++) all[at++] = sample[r].run_seconds[i];
    if (all) qsort(all, *count, sizeof *all, ascending);
    return all;
}

/* Milliseconds an image, the share of the peak, and the rest of what a round has one number of. */
static bool take_medians(struct row *row, struct sample *sample, uint32_t rounds)
{
    enum { MS, PERCENT, PEAK, MIB, READY, FIRST, FACTS };
    const double batch = row->config.batch;
    double *value[FACTS];
    double *room = malloc(rounds * FACTS * sizeof *room);
    if (!room) return false;
    for (int i = 0; i < FACTS; i++) value[i] = room + (size_t)i * rounds;
    for (uint32_t r = 0; r < rounds; r++) {
        struct sample *s = &sample[r];
        const double seconds = median(s->run_seconds, s->runs);
        value[MS][r] = seconds / batch * 1e3;
        value[PERCENT][r] = 100 * (double)s->macs * batch / seconds / s->peak;
        value[PEAK][r] = s->peak * 1e-9;
        value[MIB][r] = (double)s->resident / (1 << 20);
        value[READY][r] = s->ready * 1e3;
        value[FIRST][r] = s->first * 1e3;
        if (s->others > BENCH_NOISE) row->disturbed++;
    }
    row->ms = median(value[MS], rounds); /* sorts them */
    row->low_ms = value[MS][0];
    row->high_ms = value[MS][rounds - 1];
    row->gmacs = (double)row->last.macs / row->ms * 1e-6;
    row->percent = median(value[PERCENT], rounds);
    row->peak_gmacs = median(value[PEAK], rounds);
    row->mib = median(value[MIB], rounds);
    row->ready_ms = median(value[READY], rounds);
    row->first_ms = median(value[FIRST], rounds);
    free(room);
    return true;
}

int row_make(const struct config *config, struct sample *sample, uint32_t rounds, struct row *out)
{
    *out = (struct row){.config = *config, .rounds = rounds};
    double *all = all_runs(sample, rounds, &out->runs);
    out->last = sample[rounds - 1];
    bool good = all && out->runs && take_medians(out, sample, rounds);
    if (good) {
        const double scale = 1e3 / config->batch;
        out->min_ms = all[0] * scale;
        out->p99_ms = all[(out->runs * 99 + 99) / 100 - 1] * scale;
    }
    free(all);
    for (uint32_t r = 0; r + 1 < rounds; r++) sample_free(&sample[r]);
    if (good) return EXIT_DONE;
    row_free(out);
    say_error("out of memory for the times of %u rounds", rounds);
    return EXIT_LIMIT;
}
