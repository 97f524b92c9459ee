/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on stderr. Control characters in them are shown as '?', so that a file name cannot steer
 * the terminal. */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

static const char *current_verb;
static bool quiet;

void say_verb(const char *verb)
{
    current_verb = verb;
}

void say_quiet(bool on)
{
    quiet = on;
}

__attribute__((format(printf, 3, 0))) static void speak(const char *prefix, const char *suffix,
                                                        const char *format, va_list list)
{
    char line[2048];
    vsnprintf(line, sizeof line, format, list);
    for (char *p = line; *p;) {
        size_t n = utf8_printable(p);
        if (n == 0) *p = '?', n = 1; /* of C1 the second byte is the next turn's */
        p += n;
    }
    fprintf(stderr, "%s%s%s\n", prefix, line, suffix);
}

static void prefix(char *text, size_t size)
{
    snprintf(text, size, "xception%s%s: ", current_verb ? " " : "",
             current_verb ? current_verb : "");
}

#define SPEAK(prefix, suffix)                                                                      \
    do {                                                                                           \
        va_list list;                                                                              \
        va_start(list, format);                                                                    \
        speak(prefix, suffix, format, list);                                                       \
        va_end(list);                                                                              \
    } while (0)

void say_error(const char *format, ...)
{
    char start[64];
    prefix(start, sizeof start);
    SPEAK(start, "");
}

void say_usage(const char *format, ...)
{
    char start[64];
    prefix(start, sizeof start);
    SPEAK(start, " [XC-E0100]");
}

void say_hint(const char *format, ...)
{
    if (!quiet) SPEAK("  hint: ", "");
}

void say_line(const char *format, ...)
{
    if (!quiet) SPEAK("", "");
}

char *shell_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/.,_+:=@%-";
    char *word = NULL;
    size_t size;
    if (*text && !text[strspn(text, plain)]) return strdup(text);
    FILE *out = open_memstream(&word, &size);
    if (!out) return NULL;
    fputc('\'', out);
    for (const char *p = text; *p; p++) fputs(*p == '\'' ? "'\\''" : (const char[]){*p, '\0'}, out);
    fputc('\'', out);
    return fclose(out) == 0 ? word : NULL;
}

void say_picture(const char *path, const char *why, xc_status status)
{
    const bool named = strncmp(why, path, strlen(path)) == 0;
    say_error("%s%s%s [%s]", named ? "" : path, named ? "" : ": ", why, xc_status_id(status));
}

int code_of(xc_status status, int what)
{
    switch (status) {
    case XC_ERR_ARGUMENT:
    case XC_ERR_ARCH:
        return EXIT_USAGE;
    case XC_ERR_LIMIT:
    case XC_ERR_MEMORY:
    case XC_ERR_SPACE:
        return EXIT_LIMIT;
    case XC_ERR_NUMBER:
        return what == EXIT_MODEL ? EXIT_MODEL : EXIT_NUMBERS;
    default:
        return what;
    }
}

int say_status(xc_status status, int what)
{
    say_error("%s [%s]", xc_error_of(status), xc_status_id(status));
    return code_of(status, what);
}

int finish_stdout(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    say_error("standard output: %s", strerror(errno));
    return EXIT_LIMIT;
}
