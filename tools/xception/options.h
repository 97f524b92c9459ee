/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which flags does a verb take, and what did the user give? One table a verb; parsing, help, man
 * page, completion, configuration files and environment (XCEPTION_<FLAG>) are all read from it.
 * Nothing here prints results.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct option {
    const char *name;    /* "top" for --top */
    char letter;         /* 'k' for -k, or 0 */
    const char *arg;     /* what the value is called, "N"; "[=N]": it may be absent, then it is "";
                            "N...": the flag may be given again; NULL = a switch */
    const char *choices; /* "stretch|crop|pad": the only values allowed; NULL = anything */
    uint32_t min, max;   /* both 0 = not a number */
    const char *help;    /* one line, no capital, no full stop; NULL = not for people; RARE "..." */
};
#define RARE "~" /* in front of a help text: in the man page and in help --all, not in --help */
const char *option_help(const struct option *o); /* without that mark */
bool option_is_rare(const struct option *o);
#define OPTIONS_END                                                                                \
    {                                                                                              \
        0                                                                                          \
    }

/* A flag that means nothing without another. What stands in a configuration is for all occasions.
 */
struct need {
    const char *flag;
    const char *of;    /* "mix" for --mix; "" = the first operand, an action */
    const char *words; /* "pack|sheet": the values that it may have; NULL = any */
};
#define NEEDS_END                                                                                  \
    {                                                                                              \
        0                                                                                          \
    }

struct args;

struct verb {
    const char *name;
    const char *summary;  /* one line */
    const char *operands; /* "FILE|DIR|-...", or "" */
    const char *text;     /* a paragraph for help and man page */
    const char *examples; /* lines "COMMAND<TAB>what it does" */
    const struct option *options;
    const struct need *needs;            /* NULL: none */
    int (*run)(const struct args *args); /* returns the exit code */
};

#define MAX_OPTIONS 96
#define MAX_REPEATS 64

/* Where a value came from; a later one wins. */
enum option_source { FROM_NOWHERE, FROM_SITE, FROM_USER, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct args {
    const struct verb *verb;
    const struct option *option[MAX_OPTIONS]; /* verb_option 0, 1, ... */
    const char *value[MAX_OPTIONS];           /* NULL = not given; "" = a switch that is on */
    int options;
    const char *from[MAX_OPTIONS]; /* the flag, or the file; NULL = not given */
    int line[MAX_OPTIONS];         /* of that file */
    enum option_source source[MAX_OPTIONS];
    struct {
        int option;
        const char *value;
    } repeat[MAX_REPEATS]; /* every value of flags that may be given again, in their order */
    int repeats;
    char **operand;
    int operands;
};

extern const struct option global_options[];

/* Option i of a verb: its own, then the global ones but for those it has itself; NULL past the
 * last. */
const struct option *verb_option(const struct verb *verb, int i);

/* Reads the configuration files, the environment, then argv (words after the verb; reordered so
 * that operands stand together). False: the sentence is on stderr already, exit with 2. */
bool args_parse(struct args *args, const struct verb *verb, int argc, char **argv);
/* Option i gets a value, unless a later source has given one. from: as in struct args; it and value
 * must outlive args. False after printing the sentence. */
bool args_set(struct args *args, int i, const char *value, const char *from,
              enum option_source source);
int args_find(const struct args *args, const char *name); /* -1: no such option */
/* $TMPDIR, or /tmp */
const char *temporary_folder(void);
/* XCEPTION_TOP of --top, at most `size` bytes. */
void option_variable(const struct option *o, char *text, size_t size);

/* By flag name; the name must be in the table. */
bool arg_on(const struct args *args, const char *name);
const char *arg_text(const struct args *args, const char *name); /* NULL = not given */
/* Value i = 0, 1, ... of a flag that may be given again; NULL past the last. */
const char *arg_each(const struct args *args, const char *name, int i);
/* Who gave it, to begin a complaint with: "--size", "XCEPTION_SIZE", "FILE:3: size"; until the next
 * call. */
const char *arg_giver(const struct args *args, const char *name);
uint32_t arg_number(const struct args *args, const char *name, uint32_t otherwise);
/* "299" or "150x200" (height x width); both 0 when not given. False after printing the sentence. */
bool arg_size(const struct args *args, uint32_t *height, uint32_t *width);
/* "500M", "4G" (powers of 1024) or a plain number; not given: as it was. False: said already. */
bool arg_bytes(const struct args *args, const char *name, uint64_t *bytes);

/* Seconds of "90", "90s", "30m", "1.5h", "1h30m"; not given: as it was. False: said already. */
bool arg_time(const struct args *args, const char *name, double *seconds);
/* On the command line, not in a configuration or the environment. */
bool arg_typed(const struct args *args, const char *name);
/* Its text, but NULL where `other`, which takes its place, was typed and this was not. */
const char *arg_unless(const struct args *args, const char *name, const char *other);

/* A whole decimal number in min..max, nothing around it. */
bool parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *out);
/* The nearest of words (NULL-terminated) to what was typed, or NULL when nothing is near. */
const char *nearest_word(const char *typed, const char *const *words);

#endif
