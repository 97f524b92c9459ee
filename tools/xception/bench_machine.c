/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else uses this machine? Read from the kernel's counters of processor time (/proc/stat). Where
 * there are none, nobody does.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "say.h"
#include "seconds.h"

#define LOOK_SECONDS 0.7
#define QUIET_LOOKS 2 /* one after the other */

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

struct load machine_load(void)
{
    double part[8] = {0}; /* user nice system idle iowait irq softirq steal, in ticks */
    struct load load = {0};
    struct rusage own;
    FILE *file = fopen("/proc/stat", "re");
    if (!file) return load;
    load.known = fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &part[0], &part[1], &part[2],
                        &part[3], &part[4], &part[5], &part[6], &part[7]) == 8;
    fclose(file);
    const double tick = (double)sysconf(_SC_CLK_TCK);
    for (int i = 0; i < 8; i++) {
        load.total += part[i] / tick;
        if (i != 3 && i != 4) load.busy += part[i] / tick;
    }
    if (getrusage(RUSAGE_SELF, &own) == 0)
        load.own = seconds_of(own.ru_utime) + seconds_of(own.ru_stime);
    return load;
}

double machine_others(const struct load *from, const struct load *to)
{
    const double total = to->total - from->total;
    const double others = (to->busy - from->busy) - (to->own - from->own);
    if (!from->known || !to->known || total <= 0 || others <= 0) return 0;
    return others < total ? others / total : 1;
}

static double look(void)
{
    const struct timespec pause = {0, (long)(LOOK_SECONDS * 1e9)};
    const struct load from = machine_load();
    nanosleep(&pause, NULL);
    const struct load to = machine_load();
    return machine_others(&from, &to);
}

void machine_wait(uint32_t limit)
{
    const double end = seconds_now() + limit;
    double others = 0;
    for (int quiet = 0; limit && quiet < QUIET_LOOKS;) {
        if (quiet == 0 && others > 0 && seconds_now() > end) {
            say_error("others use %.0f %% of this machine, and did for %u s: measured all the same",
                      others * 100, limit);
            return;
        }
        others = look();
        quiet = others < BENCH_NOISE ? quiet + 1 : 0;
    }
}

/* The value of a line "key  : value" of /proc/cpuinfo. */
static void cpu_fact(const char *key, char *value, size_t size)
{
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");
    value[0] = 0;
    while (file && !value[0] && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0) continue;
        const char after = line[strlen(key)];
        if (after != '\t' && after != ' ' && after != ':') continue;
        colon[strcspn(colon, "\n")] = 0;
        if (colon[1] == ' ') snprintf(value, size, "%s", colon + 2);
    }
    if (file) fclose(file);
}

void machine_name(char *text, size_t size)
{
    char name[128], family[16], model[16];
    cpu_fact("model name", name, sizeof name);
    cpu_fact("cpu family", family, sizeof family);
    cpu_fact("model", model, sizeof model);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int used = snprintf(text, size, "%s", *name ? name : "unknown processor");
    if (*family && used > 0 && (size_t)used < size)
        used += snprintf(text + used, size - (size_t)used, " (family %s model %s)", family, model);
    if (used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ", %ld core%s", cores, cores == 1 ? "" : "s");
}
