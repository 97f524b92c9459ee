/* SPDX-License-Identifier: Apache-2.0 */
/* How far is a run? */
#include "bar.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 24 };

double bar_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void bar_begin(struct bar *bar, bool quiet)
{
    *bar = (struct bar){.quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1, .shown = bar_now()};
}

bool bar_due(struct bar *bar)
{
    const double now = bar_now();
    if (bar->quiet || now - bar->shown < (bar->terminal ? 0.1 : 10)) return false;
    bar->shown = now;
    return true;
}

void bar_draw(struct bar *bar, const char *head, uint64_t done, uint64_t of, const char *tail)
{
    char line[WIDTH + 1];
    const size_t full = of ? (size_t)(done * WIDTH / of) : 0;
    memset(line, ' ', WIDTH);
    line[WIDTH] = '\0';
    for (size_t i = 0; i < full && i < WIDTH; i++) line[i] = i + 1 == full ? '>' : '=';
    const int percent = of ? (int)(done * 100 / of) : 0;
    if (bar->terminal)
        fprintf(stderr, "\r%s [%s] %3d%% %s\033[K", head, line, percent, tail);
    else
        fprintf(stderr, "%s %d%% %s\n", head, percent, tail);
    bar->open = bar->terminal;
    fflush(stderr);
}

void bar_clear(struct bar *bar)
{
    if (bar->open) fprintf(stderr, "\r\033[K");
    bar->open = false;
}

void bar_time(double seconds, char text[BAR_TIME])
{
    const unsigned long s = seconds > 0 && seconds < 1e8 ? (unsigned long)(seconds + 0.5) : 0;
    if (s < 60)
        snprintf(text, BAR_TIME, "%lus", s);
    else if (s < 3600)
        snprintf(text, BAR_TIME, "%lum%02lus", s / 60, s % 60);
    else
        snprintf(text, BAR_TIME, "%luh%02lum", s / 3600, s / 60 % 60);
}
