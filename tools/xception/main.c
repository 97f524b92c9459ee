/* SPDX-License-Identifier: Apache-2.0 */
/* Which verbs exist? Finds the verb, reads its flags and hands over. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "help.h"
#include "say.h"
#include "verbs.h"

/* A data set of shards keeps each of them open. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int print_version(void)
{
    printf("xception %s\n", xc_version());
    return finish_stdout(EXIT_DONE);
}

static int unknown_verb(const char *word)
{
    const char *names[MAX_VERBS + 1] = {0};
    for (int i = 0; verbs[i]; i++) names[i] = verbs[i]->name;
    const char *near = nearest_word(word, names);
    say_usage("'%s' is not a verb", word);
    if (near)
        say_hint("did you mean 'xception %s'?", near);
    else
        say_hint("'xception help' lists the verbs");
    return EXIT_USAGE;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
    struct args args;
    say_verb(verb->name);
    if (!args_parse(&args, verb, argc, argv)) return EXIT_USAGE;
    say_quiet(arg_on(&args, "quiet"));
    if (arg_on(&args, "help")) {
        help_verb(verb, false, stdout);
        return finish_stdout(EXIT_DONE);
    }
    if (arg_on(&args, "version")) return print_version();
    return finish_stdout(verb->run(&args));
}

static bool takes_value(const char *flag)
{
    for (const struct option *o = global_options; o->name; o++)
        if (o->arg && strncmp(flag, "--", 2) == 0 && strcmp(flag + 2, o->name) == 0) return true;
    return false;
}

/* Flags of every verb may stand before it: moves the verb's word to the front. */
static void put_verb_first(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1]) at += takes_value(argv[at]) ? 2 : 1;
    if (at >= argc) return;
    char *verb = argv[at];
    memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
    argv[1] = verb;
}

int main(int argc, char **argv)
{
    put_verb_first(argc, argv);
    raise_file_limit();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    if (argc < 2) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (word[0] == '-' && strcmp(word, "--version") && strcmp(word, "-h") &&
        strcmp(word, "--help")) {
        say_usage("no verb behind %s; xception help lists them", word);
        return EXIT_USAGE;
    }
    if (strcmp(word, "--version") == 0) return print_version();
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        help_all(stdout);
        return finish_stdout(EXIT_DONE);
    }
    const struct verb *verb = verb_find(word);
    if (!verb) return unknown_verb(word);
    return run_verb(verb, argc - 2, argv + 2);
}
