/* SPDX-License-Identifier: Apache-2.0 */
/* How far is a run? */
#include "bar.h"
#include "seconds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH = 24 };

double bar_each(struct bar_pace *pace, double done)
{
    if (pace->time <= 0 || done <= pace->done)
        *pace = (struct bar_pace){.time = seconds_now(), .done = done};
    return done > pace->done ? (seconds_now() - pace->time) / (done - pace->done) : 0;
}

bool bar_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && !(term && strcmp(term, "dumb") == 0);
}

void bar_begin(struct bar *bar, bool quiet)
{
    *bar = (struct bar){.quiet = quiet, .terminal = bar_terminal(), .shown = seconds_now()};
}

bool bar_due(struct bar *bar)
{
    const double now = seconds_now();
    if (bar->quiet || now - bar->shown < (bar->terminal ? 0.1 : 10)) return false;
    bar->shown = now;
    return true;
}

/* Columns of the terminal; 0: nobody knows. */
static size_t columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* A line that is wider than the terminal could not be drawn over. */
void bar_draw(struct bar *bar, const char *head, uint64_t done, uint64_t of, const char *tail)
{
    char cells[WIDTH + 1], line[512];
    const size_t most = bar->terminal ? columns() : 0;
    const size_t words = strlen(head) + strlen(tail) + sizeof " [] 100% " - 1;
    const size_t left = most > words + 1 ? most - words - 1 : 0;
    const size_t width = most == 0 || left > WIDTH ? WIDTH : left;
    const size_t full = of ? (size_t)(done * width / of) : 0;
    memset(cells, ' ', width);
    cells[width] = '\0';
    for (size_t i = 0; i < full && i < width; i++) cells[i] = i + 1 == full ? '>' : '=';
    const int percent = of ? (int)(done * 100 / of) : 0;
    if (!bar->terminal)
        snprintf(line, sizeof line, "%s %d%% %s", head, percent, tail);
    else if (width > 0)
        snprintf(line, sizeof line, "%s [%s] %3d%% %s", head, cells, percent, tail);
    else
        snprintf(line, sizeof line, "%s %3d%% %s", head, percent, tail);
    if (most > 1 && strlen(line) >= most) line[most - 1] = '\0';
    fprintf(stderr, bar->terminal ? "\r%s\033[K" : "%s\n", line);
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
