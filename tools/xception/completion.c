/* SPDX-License-Identifier: Apache-2.0 */
/* completion: what may follow on the command line, for bash, zsh and fish. Written from the option
 * tables; installed beside the command, so that most users need not call this. */
#include <stdio.h>
#include <string.h>

#include "say.h"
#include "topics.h"
#include "verbs.h"

/* What a shell puts behind a flag or a verb when there is no list of words: a file. */
static bool takes_file(const char *arg)
{
    static const char *const words[] = {"FILE", "DIR", "MODEL", "DATA",
                                        "RUN",  "OUT", "DEST",  "INDEX"};
    for (size_t i = 0; arg && i < sizeof words / sizeof *words; i++)
        if (strstr(arg, words[i])) return true;
    return false;
}

/* The words of "a|b|c", each between two marks. */
static void put_choices(const char *choices, const char *between)
{
    for (const char *p = choices; *p; p++) {
        if (*p == '|')
            fputs(between, stdout);
        else
            putchar(*p);
    }
}

/* Inside quotes of a shell and of zsh's brackets. */
static void put_safe(const char *text, const char *escaped)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            fputs("'\\''", stdout);
        else if (strchr(escaped, *p))
            printf("\\%c", *p);
        else
            putchar(*p);
    }
}

/* ---- bash ------------------------------------------------------------------------------------ */

static void bash_values(const struct verb *verb)
{
    const struct option *o;
    for (int i = 0; (o = verb_option(verb, i)); i++) {
        if (!o->help || !o->arg || o->arg[0] == '[') continue;
        printf("    %s:--%s", verb->name, o->name);
        if (o->letter) printf(" | %s:-%c", verb->name, o->letter);
        printf(")");
        if (o->choices) {
            printf(" COMPREPLY=($(compgen -W '");
            put_choices(o->choices, " ");
            printf("' -- \"$cur\"));");
        } else if (takes_file(o->arg)) {
            printf(" mapfile -t COMPREPLY < <(compgen -f -- \"$cur\");");
        }
        printf(" return ;;\n");
    }
}

static void bash(void)
{
    printf(
        "# xception(1) completion for bash\n_xception()\n{\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= flags= i\n"
        "    COMPREPLY=()\n"
        "    [[ $cur == = ]] && cur=\n"
        "    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n");
    printf("        --threads | --cpu | --config) ((i++)) ;;\n        -*) ;;\n"
           "        *) verb=${COMP_WORDS[i]}; break ;;\n        esac\n    done\n"
           "    case $verb:$prev in\n");
    for (int v = 0; verbs[v]; v++) bash_values(verbs[v]);
    printf("    esac\n    case $verb in\n    '') flags='");
    for (int v = 0; verbs[v]; v++) printf("%s ", verbs[v]->name);
    printf("--help --version' ;;\n");
    for (int v = 0; verbs[v]; v++) {
        const struct option *o;
        printf("    %s) flags='", verbs[v]->name);
        for (int i = 0; (o = verb_option(verbs[v], i)); i++)
            if (o->help) printf("--%s ", o->name);
        printf("' ;;\n");
    }
    printf("    esac\n    case $verb:$cur in\n    :* | *:-*) ;;\n    help:*) flags='");
    for (int v = 0; verbs[v]; v++) printf("%s ", verbs[v]->name);
    for (const struct topic *t = topics; t->name; t++) printf("%s ", t->name);
    printf("' ;;\n    *) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n    "
           "esac\n"
           "    COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n}\n"
           "complete -o filenames -o bashdefault -F _xception xception\n");
}

/* ---- zsh ------------------------------------------------------------------------------------- */

static void zsh_option(const struct option *o)
{
    const bool repeats = o->arg && strlen(o->arg) > 3 && strstr(o->arg, "...");
    const bool may = o->arg && o->arg[0] == '[';
    printf(" \\\n            ");
    const char *value = may ? "=-" : o->arg ? "=" : "";
    if (o->letter && repeats)
        printf("'*'{-%c+,--%s=}'", o->letter, o->name);
    else if (o->letter)
        printf("'(-%c --%s)'{-%c%s,--%s%s}'", o->letter, o->name, o->letter, o->arg ? "+" : "",
               o->name, value);
    else
        printf("'%s--%s%s", repeats ? "*" : "", o->name, value);
    printf("[");
    put_safe(option_help(o), "[]:");
    printf("]");
    if (o->arg) {
        printf("%s:", may ? ":" : "");
        put_safe(o->arg, "[]:");
        printf(":");
        if (o->choices) {
            printf("(");
            put_choices(o->choices, " ");
            printf(")");
        } else if (takes_file(o->arg)) {
            printf("_files");
        }
    }
    printf("'");
}

static void zsh(void)
{
    printf("#compdef xception\n# xception(1) completion for zsh\n_xception()\n{\n"
           "    local -a verbs=(\n");
    for (int v = 0; verbs[v]; v++) {
        printf("        '%s:", verbs[v]->name);
        put_safe(verbs[v]->summary, ":");
        printf("'\n");
    }
    printf("    )\n    local -a topics=(");
    for (const struct topic *t = topics; t->name; t++) printf(" %s", t->name);
    printf(" )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n"
           "    fi\n    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
           "    case $verb in\n");
    for (int v = 0; verbs[v]; v++) {
        const struct option *o;
        printf("    %s)\n        _arguments -s -S", verbs[v]->name);
        for (int i = 0; (o = verb_option(verbs[v], i)); i++)
            if (o->help) zsh_option(o);
        if (strcmp(verbs[v]->name, "help") == 0)
            printf(" \\\n            ':verb:(( ${verbs} ${topics} ))'");
        else if (*verbs[v]->operands)
            printf(" \\\n            '*:file:_files'");
        printf(" ;;\n");
    }
    printf("    esac\n}\n_xception \"$@\"\n");
}

/* ---- fish ------------------------------------------------------------------------------------ */

static void fish_option(const struct verb *verb, const struct option *o)
{
    printf("complete -c xception -n '__fish_seen_subcommand_from %s' -l %s", verb->name, o->name);
    if (o->letter) printf(" -s %c", o->letter);
    if (o->arg && o->arg[0] != '[') printf(takes_file(o->arg) ? " -r -F" : " -x");
    if (o->choices) {
        printf(" -a '");
        put_choices(o->choices, " ");
        printf("'");
    }
    printf(" -d '");
    for (const char *p = option_help(o); *p; p++) {
        if (*p == '\'' || *p == '\\') putchar('\\');
        putchar(*p);
    }
    printf("'\n");
}

static void fish(void)
{
    printf("# xception(1) completion for fish\n");
    for (int v = 0; verbs[v]; v++) {
        const struct option *o;
        printf("complete -c xception -n __fish_use_subcommand -f -a %s -d '", verbs[v]->name);
        put_safe(verbs[v]->summary, "");
        printf("'\n");
        for (int i = 0; (o = verb_option(verbs[v], i)); i++)
            if (o->help) fish_option(verbs[v], o);
    }
    printf("complete -c xception -n '__fish_seen_subcommand_from help' -f -a '");
    for (int v = 0; verbs[v]; v++) printf("%s ", verbs[v]->name);
    for (const struct topic *t = topics; t->name; t++) printf("%s ", t->name);
    printf("'\n");
}

/* ---- the verb -------------------------------------------------------------------------------- */

static const struct option options[] = {OPTIONS_END};

static int run(const struct args *args)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } shell[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (int i = 0; args->operands == 1 && i < 3; i++) {
        if (strcmp(args->operand[0], shell[i].name) != 0) continue;
        shell[i].write();
        return EXIT_DONE;
    }
    if (args->operands > 1)
        say_usage("takes one of bash, zsh and fish, got %d words", args->operands);
    else
        say_usage("takes one of bash, zsh and fish, got %s",
                  args->operands ? args->operand[0] : "nothing");
    return EXIT_USAGE;
}

const struct verb verb_completion = {
    .name = "completion",
    .summary = "print what a shell needs to complete flags and words",
    .operands = "bash|zsh|fish",
    .text = "Prints a script for a shell. An installed xception brings these files along;\n"
            "call this for one that was built and not installed.",
    .examples = "source <(xception completion bash)\tfor this bash\n"
                "xception completion zsh > ~/.zfunc/_xception\tfor zsh, with ~/.zfunc in $fpath\n"
                "xception completion fish > ~/.config/fish/completions/xception.fish\tfor fish\n",
    .options = options,
    .run = run};
