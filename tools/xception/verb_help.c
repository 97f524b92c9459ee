/* SPDX-License-Identifier: Apache-2.0 */
/* help: the verbs, one verb, a topic, or (--man) the same as a man page. */
#include "help.h"
#include "say.h"
#include "topics.h"
#include "verbs.h"

static const struct option options[] = {
    {"all", 'a', NULL, NULL, 0, 0, "every flag, also those for rare needs"},
    {"man", 0, NULL, NULL, 0, 0, "print the man page (mdoc) instead"},
    OPTIONS_END};

static int run(const struct args *args)
{
    if (args->operands > 1) {
        say_usage("takes one verb or topic, got %d words", args->operands);
        return EXIT_USAGE;
    }
    const char *word = args->operands ? args->operand[0] : NULL;
    const struct verb *verb = word ? verb_find(word) : NULL;
    const struct topic *topic = word ? topic_find(word) : NULL;
    if (word && !verb && !topic) {
        say_usage("'%s' is neither a verb nor a topic", word);
        say_hint("'xception help' lists both");
        return EXIT_USAGE;
    }
    if (arg_on(args, "man") && word && !verb) {
        say_usage("'%s' is a topic, and only verbs have man pages", word);
        return EXIT_USAGE;
    }
    if (arg_on(args, "man"))
        man_page(verb, stdout);
    else if (verb)
        help_verb(verb, arg_on(args, "all"), stdout);
    else if (!topic)
        help_all(stdout);
    if (topic && !arg_on(args, "man")) {
        if (verb) putchar('\n'); /* data is both */
        topic->print(stdout);
    }
    return EXIT_DONE;
}

const struct verb verb_help = {
    .name = "help",
    .summary = "show how a verb is used, or what a topic says",
    .operands = "VERB|TOPIC",
    .text = "Shows verbs and topics, the flags and examples of one verb, or one topic.",
    .examples = "xception help\tlist the verbs\n"
                "xception help classify\tflags and examples of classify\n"
                "xception help arch\tthe networks and the strings that name them\n"
                "xception help --man summary | man -l -\tthe same as a man page\n",
    .options = options,
    .run = run};
