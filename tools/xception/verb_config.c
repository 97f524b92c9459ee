/* SPDX-License-Identifier: Apache-2.0 */
/* config: which settings count, and where does each come from? What is printed is a configuration
 * file itself. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    {"all", 'a', NULL, NULL, 0, 0, "also flags that nobody set, as comments"}, OPTIONS_END};

static void show_files(const char *named)
{
    char path[4096];
    enum option_source source;
    for (int i = 0; config_file(i, named, path, sizeof path, &source); i++)
        if (*path) printf("# %s: %s\n", path, access(path, R_OK) == 0 ? "read" : "not there");
}

static void show_from(const struct args *args, int i)
{
    char name[96];
    option_variable(args->option[i], name, sizeof name);
    if (args->source[i] == FROM_ENVIRONMENT)
        printf("    # %s\n", name);
    else
        printf("    # %s:%d\n", args->from[i], args->line[i]);
}

static bool is_repeated(const struct args *args, int i)
{
    for (int k = 0; k < args->repeats; k++)
        if (args->repeat[k].option == i) return true;
    return false;
}

/* As it can be read back: what would begin a comment has a backslash. */
static void show_value(const char *name, const char *value)
{
    printf("%s = ", name);
    for (const char *c = value; *c; c++) {
        if (*c == '#' && (c == value || c[-1] == ' ' || c[-1] == '\t')) putchar('\\');
        putchar(*c);
    }
}

static void show_option(const struct args *args, int i, bool all)
{
    const struct option *o = args->option[i];
    if (!o->help) return;
    if (!args->value[i]) {
        if (all) printf("# %s = %s\n", o->name, o->arg ? o->arg : "no");
        return;
    }
    if (!is_repeated(args, i)) {
        show_value(o->name, o->arg ? args->value[i] : "yes");
        show_from(args, i);
    }
    for (int k = 0; k < args->repeats; k++) {
        if (args->repeat[k].option != i) continue;
        show_value(o->name, args->repeat[k].value);
        show_from(args, i);
    }
}

static int show(const struct args *mine, const struct verb *only)
{
    const char *named = arg_text(mine, "config");
    char flag[4200];
    snprintf(flag, sizeof flag, "--config=%s", named ? named : "");
    char *argv[] = {flag};
    show_files(named);
    for (int v = 0; verbs[v]; v++) {
        struct args args;
        if (only && verbs[v] != only) continue;
        if (!args_parse(&args, verbs[v], named ? 1 : 0, argv)) return EXIT_USAGE;
        bool any = arg_on(mine, "all");
        for (int i = 0; i < args.options; i++) any |= args.value[i] && args.source[i] != FROM_FLAG;
        if (!any) continue;
        printf("\n[%s]\n", verbs[v]->name);
        for (int i = 0; i < args.options; i++)
            if (args.source[i] != FROM_FLAG) show_option(&args, i, arg_on(mine, "all"));
    }
    return EXIT_DONE;
}

static int run(const struct args *args)
{
    const struct verb *only = NULL;
    if (args->operands < 1 || args->operands > 2 || strcmp(args->operand[0], "show") != 0) {
        say_usage("takes 'show' and perhaps a verb, got %d word%s", args->operands,
                  args->operands == 1 ? "" : "s");
        say_hint("xception config show");
        return EXIT_USAGE;
    }
    if (args->operands == 2 && !(only = verb_find(args->operand[1]))) {
        say_usage("'%s' is not a verb", args->operand[1]);
        return EXIT_USAGE;
    }
    return show(args, only);
}

const struct verb verb_config = {
    .name = "config",
    .summary = "show the settings that count, and where they come from",
    .operands = "show [VERB]",
    .text = "Flags may be kept in files: a section for each verb, keys are the long flags.\n"
            "The site's file is read first, then the user's, then that of --config; then come\n"
            "the environment (XCEPTION_FLAG) and the command line. A later one wins.\n"
            "What is printed can be such a file itself; '#' begins a comment, '\\#' does not.",
    .examples = "xception config show\twhat was set, by which line of which file\n"
                "xception config show train --all\tand every other flag of train, as a comment\n"
                "xception config show --config fast.conf\twhat this file would change\n",
    .options = options,
    .run = run};
