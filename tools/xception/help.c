/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, made from the tables: nothing about a flag is written twice. */
#include "help.h"

#include <string.h>
#include <xception.h>

#include "topics.h"
#include "verbs.h"

enum { FLAG_COLUMN = 26, LINE = 96 };

void help_all(FILE *out)
{
    fprintf(out, "xception %s: Xception image classifiers on ordinary CPUs\n\n", xc_version());
    fprintf(out, "usage: xception VERB [FLAGS] [FILES]\n\nverbs:\n");
    for (int i = 0; verbs[i]; i++) fprintf(out, "  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(out, "\ntopics, for xception help TOPIC:\n");
    for (const struct topic *t = topics; t->name; t++)
        fprintf(out, "  %-12s %s\n", t->name, t->summary);
    fprintf(out, "\nxception VERB --help shows the flags of a verb.\n"
                 "Results go to standard output, everything else to standard error.\n");
}

/* Words behind a column, cut into lines. */
struct lines {
    FILE *out;
    int at;
};

static void put_word(struct lines *l, const char *word, int length)
{
    if (l->at > FLAG_COLUMN + 3 && l->at + 1 + length > LINE) {
        fprintf(l->out, "\n%*s", FLAG_COLUMN + 2, "");
        l->at = FLAG_COLUMN + 2;
    }
    fprintf(l->out, " %.*s", length, word);
    l->at += 1 + length;
}

static void put_words(struct lines *l, const char *text, const char *between)
{
    while (*text) {
        const int length = (int)strcspn(text, between);
        char word[128];
        const bool listed = *between == '|' && text[length];
        snprintf(word, sizeof word, "%.*s%s", length, text, listed ? "," : "");
        put_word(l, word, (int)strlen(word));
        text += length + (text[length] != 0);
    }
}

static void print_option(const struct option *o, FILE *out)
{
    char flag[64], help[256];
    char letter[4] = "   ";
    const char *arg = o->arg ? o->arg : "", *space = *arg && *arg != '[' ? " " : "";
    if (o->letter) snprintf(letter, sizeof letter, "-%c,", o->letter);
    snprintf(flag, sizeof flag, "%s --%s%s%s", letter, o->name, space, arg);
    snprintf(help, sizeof help, "%s%s", option_help(o), o->choices ? ":" : "");
    struct lines l = {out, fprintf(out, "  %-*s", FLAG_COLUMN, flag)};
    put_words(&l, help, " ");
    if (o->choices) put_words(&l, o->choices, "|");
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

void help_verb(const struct verb *verb, bool all, FILE *out)
{
    int rare = 0;
    fprintf(out, "usage: xception %s [FLAGS]%s%s\n\n%s\n\nflags:\n", verb->name,
            *verb->operands ? " " : "", verb->operands, verb->text);
    const struct option *o;
    for (int i = 0; (o = verb_option(verb, i)); i++) {
        rare += option_is_rare(o) && !all;
        if (o->help && (all || !option_is_rare(o))) print_option(o, out);
    }
    if (rare) fprintf(out, "\n%d more: xception help --all %s\n", rare, verb->name);
    print_examples(verb->examples, out);
}
