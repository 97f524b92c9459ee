/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does the command speak on stderr, and with which code does it exit? Every message is
 * "xception VERB: WHERE: WHAT" and may be followed by one "hint:" line.
 */
#ifndef TOOL_SAY_H
#define TOOL_SAY_H

#include <xception.h>

/* X(name, code, meaning): the one list of exit codes. */
#define EXIT_LIST(X)                                                                               \
    X(EXIT_DONE, 0, "all done")                                                                    \
    X(EXIT_SOME_FAILED, 1, "done, but some inputs failed or findings exist")                       \
    X(EXIT_USAGE, 2, "wrong usage or configuration")                                               \
    X(EXIT_DATA, 3, "data unreadable or none found, or an output that cannot be made")             \
    X(EXIT_MODEL, 4, "model unreadable, or it does not fit")                                       \
    X(EXIT_LIMIT, 6, "out of memory, disk full, or a limit hit")                                   \
    X(EXIT_NUMBERS, 7, "numbers went bad: NaN or infinite")                                        \
    X(EXIT_GATE, 8, "a gate was missed, such as --min-top1")                                       \
    X(EXIT_HUNG_UP, 129, "stopped by SIGHUP; train and study have saved what there was")           \
    X(EXIT_INTERRUPTED, 130, "stopped by SIGINT, likewise")                                        \
    X(EXIT_TERMINATED, 143, "stopped by SIGTERM, likewise")

enum exit_code {
#define EXIT_X(name, code, meaning) name = code,
    EXIT_LIST(EXIT_X)
#undef EXIT_X
};

void say_verb(const char *verb); /* the word after "xception" in every message; NULL: none */
void say_quiet(bool quiet);      /* drop hints and lines */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_usage(const char *format, ...) __attribute__((format(printf, 1, 2))); /* with its id */
void say_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_line(const char *format, ...) __attribute__((format(printf, 1, 2))); /* what goes on */
/* A word of a command in a hint, with quotes where a shell needs them; free(), NULL: no memory. */
char *shell_word(const char *text);
/* What is wrong with a picture; `why` may begin with its name already. */
void say_picture(const char *path, const char *why, xc_status status);
/* The exit code: what is EXIT_DATA or EXIT_MODEL, unless the status itself says memory, space,
 * numbers or usage. */
int code_of(xc_status status, int what);
/* xc_error_of the status with its id; gives the exit code. */
int say_status(xc_status status, int what);
/* Flushes stdout; a failed write becomes a sentence and EXIT_LIMIT. */
int finish_stdout(int code);

#endif
