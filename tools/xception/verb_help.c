/* SPDX-License-Identifier: Apache-2.0 */
/* help: the verbs, one verb, or (--man) the same as a man page. */
#include "help.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    {"man", 0, NULL, NULL, 0, 0, "print the man page (mdoc) instead"}, OPTIONS_END};

static int run(const struct args *args)
{
    const struct verb *verb = NULL;
    if (args->operands > 1) {
        say_usage("takes one verb, got %d words", args->operands);
        return EXIT_USAGE;
    }
    if (args->operands == 1 && !(verb = verb_find(args->operand[0]))) {
        say_usage("'%s' is not a verb", args->operand[0]);
        say_hint("'xception help' lists the verbs");
        return EXIT_USAGE;
    }
    if (arg_on(args, "man"))
        man_page(verb, stdout);
    else if (verb)
        help_verb(verb, stdout);
    else
        help_all(stdout);
    return EXIT_DONE;
}

const struct verb verb_help = {
    .name = "help",
    .summary = "show how a verb is used",
    .operands = "VERB",
    .text = "Shows the verbs, or the flags and examples of one verb.",
    .examples = "xception help\tlist the verbs\n"
                "xception help classify\tflags and examples of classify\n"
                "xception help --man summary | man -l -\tthe same as a man page\n",
    .options = options,
    .run = run};
