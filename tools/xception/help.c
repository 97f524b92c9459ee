/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, made from the tables: nothing about a flag is written twice. */
#include "help.h"

#include <string.h>
#include <xception.h>

#include "verbs.h"

#define FLAG_COLUMN 26

void help_all(FILE *out)
{
    fprintf(out, "xception %s: Xception image classifiers on ordinary CPUs\n\n", xc_version());
    fprintf(out, "usage: xception VERB [FLAGS] [FILES]\n\nverbs:\n");
    for (int i = 0; verbs[i]; i++) fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(out, "\nxception VERB --help shows the flags of a verb.\n"
                 "Results go to standard output, everything else to standard error.\n"
                 "exit: 0 done, 1 some inputs failed, 2 wrong usage, 3 no readable data,\n"
                 "      4 model unreadable, 6 memory or disk, 7 bad numbers\n");
}

static void print_option(const struct option *o, FILE *out)
{
    char flag[64];
    char letter[4] = "   ";
    const char *arg = o->arg ? o->arg : "", *space = *arg && *arg != '[' ? " " : "";
    if (o->letter) snprintf(letter, sizeof letter, "-%c,", o->letter);
    snprintf(flag, sizeof flag, "%s --%s%s%s", letter, o->name, space, arg);
    fprintf(out, "  %-*s %s", FLAG_COLUMN, flag, o->help);
    if (o->choices) {
        fprintf(out, ": ");
        for (const char *p = o->choices; *p; p++) {
            if (*p == '|')
                fputs(", ", out);
            else
                fputc(*p, out);
        }
    }
    fputc('\n', out);
}

static void print_examples(const char *examples, FILE *out)
{
    fprintf(out, "\nexamples:\n");
    while (*examples) {
        int command = (int)strcspn(examples, "\t"), line = (int)strcspn(examples, "\n");
        fprintf(out, "  %.*s\n      %.*s\n", command, examples, line - command - 1,
                examples + command + 1);
        examples += line + (examples[line] == '\n');
    }
}

void help_verb(const struct verb *verb, FILE *out)
{
    fprintf(out, "usage: xception %s [FLAGS]%s%s\n\n%s\n\nflags:\n", verb->name,
            *verb->operands ? " " : "", verb->operands, verb->text);
    const struct option *o;
    for (int i = 0; (o = verb_option(verb, i)); i++)
        if (o->help) print_option(o, out);
    print_examples(verb->examples, out);
}
