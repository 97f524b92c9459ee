/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a network take the knobs of its architecture string? One by one: each opts_* call says
 * which knob there is, what it may be and what it is by default, and gives the value. So the list
 * of calls in a network's file is the only list of its knobs.
 *
 * The first mistake is kept in o->err and later calls give defaults: a network checks once, at
 * opts_done. Knobs that differ from their default are appended to the canonical string in the order
 * of the calls.
 */
#ifndef XC_NETWORK_ARCH_OPTS_H
#define XC_NETWORK_ARCH_OPTS_H

#include "network/arch.h"

#define ARCH_TEXT_MAX 4096 /* bytes of an architecture string, with its zero */
#define ARCH_MAX_KNOBS 32
#define ARCH_MAX_LIST 16
#define ARCH_MAX_CHANNELS 65536 /* of a layer, or of the input; classes */
#define ARCH_MAX_SIDE 65536
#define ARCH_MAX_REPEATS 256

struct int_list {
    int count, at[ARCH_MAX_LIST];
};

struct knob {
    const char *name, *value;
    bool taken;
};

struct arch_opts {
    const struct arch *arch;
    struct arch_input input; /* resolved: every field is set */
    bool classes_given;
    bool any_side; /* set by the network: maps smaller than a window are meant */
    struct knob knob[ARCH_MAX_KNOBS];
    int knobs;
    const char *known[ARCH_MAX_KNOBS]; /* what the network asked for: for "did you mean" */
    int knowns;
    char spec[ARCH_TEXT_MAX];      /* cut up: knob[] points into it */
    char canonical[ARCH_TEXT_MAX]; /* ",knob=value" of every knob that is not the default */
    struct error err;
};

/* Cuts the string, finds the network, takes input= and classes=; wanted: as for arch_build. */
XC_NODISCARD xc_status opts_parse(struct arch_opts *o, const char *spec,
                                  const struct arch_input *wanted, struct error *err);
/* The first mistake, or a knob that nobody asked for. */
XC_NODISCARD xc_status opts_done(struct arch_opts *o, struct error *err);

bool opts_switch(struct arch_opts *o, const char *knob, bool def); /* on|off */
/* words: "none|relu|elu"; gives the number of the word. */
int opts_choice(struct arch_opts *o, const char *knob, const char *words, int def);
int opts_int(struct arch_opts *o, const char *knob, int def, int least, int most);
double opts_real(struct arch_opts *o, const char *knob, double def, double least, double most);
/* "32/64": between `fewest` and `most` numbers, each in [1, top]. list: the default, then the
 * value. */
void opts_list(struct arch_opts *o, const char *knob, struct int_list *list, int fewest, int most,
               int top);
/* Has the knob this word, in place of its usual values? */
bool opts_is(struct arch_opts *o, const char *knob, const char *word);
/* Refuses a knob that another one makes meaningless. */
void opts_refuse(struct arch_opts *o, const char *knob, const char *why);

/* For knobs with a grammar of their own: the value (NULL when not given), the complaint about it,
 * and its canonical text. */
const char *opts_text(struct arch_opts *o, const char *knob);
void opts_bad(struct arch_opts *o, const char *knob, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void opts_note(struct arch_opts *o, const char *knob, const char *text);

/* Decimal digits only, in [least, most]; what follows, or NULL. */
const char *opts_read_int(const char *text, int least, int most, int *out);

#endif
