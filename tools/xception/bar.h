/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far is a run? One line that is redrawn on a terminal; on anything else a line each ten
 * seconds.
 */
#ifndef TOOL_BAR_H
#define TOOL_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct bar {
    bool quiet, terminal, open; /* open: a line on the terminal is not yet ended */
    double shown;               /* when */
};
bool bar_terminal(void); /* is standard error one that can be drawn on? */
void bar_begin(struct bar *bar, bool quiet);
/* Is it time to draw again? */
bool bar_due(struct bar *bar);
/* "HEAD [====>    ] 42% TAIL"; of = 0: no bar. */
void bar_draw(struct bar *bar, const char *head, uint64_t done, uint64_t of, const char *tail);
/* The line goes away, so that another can be printed. */
void bar_clear(struct bar *bar);
/* "6m54s", "4h00m" */
#define BAR_TIME 32
void bar_time(double seconds, char text[BAR_TIME]);
/* The pace of what this process does: what a run did before it was stopped says nothing of it. */
struct bar_pace {
    double time, done; /* of the first call; time 0: there was none */
};
/* Seconds that each of `done` takes, since the first call; 0 at that, and where `done` begins anew.
 */
double bar_each(struct bar_pace *pace, double done);

#endif
