/* SPDX-License-Identifier: Apache-2.0 */
/* Man pages in mdoc(7), made from the same tables as help. */
#include <string.h>
#include <xception.h>

#include "help.h"
#include "say.h"
#include "verbs.h"

/* Text of a table as mdoc text: a sentence begins a line; what mdoc would act on is escaped. */
static void text(const char *s, FILE *out)
{
    bool start = true;
    for (; *s; s++) {
        if (start && (*s == '.' || *s == '\'')) fputs("\\&", out);
        start = *s == '\n';
        if (*s == '\\')
            fputs("\\e", out);
        else
            fputc(*s, out);
        if (*s != '.' || s[1] != ' ') continue;
        fputc('\n', out);
        start = true;
        s++;
    }
}

static void option(const struct option *o, FILE *out)
{
    fprintf(out, ".It ");
    if (o->letter) fprintf(out, "Fl %c , ", o->letter);
    fprintf(out, "Fl -%s", o->name);
    if (o->arg) fprintf(out, " Ar %s", o->arg);
    fputc('\n', out);
    text(option_help(o), out);
    fputs(o->choices ? ":" : "", out);
    for (const char *p = o->choices; p && *p;) {
        int word = (int)strcspn(p, "|");
        fprintf(out, "\n.Cm %.*s%s", word, p, p[word] ? " ," : "");
        p += word + (p[word] == '|');
    }
    fputc('\n', out);
}

static void environment(FILE *out)
{
    fprintf(out, ".Sh ENVIRONMENT\n"
                 "A flag that takes a value is also read from\n.Ev XCEPTION_FLAG :\n"
                 "upper case, dashes as underscores, for example\n.Ev XCEPTION_THREADS .\n"
                 "The command line wins.\n"
                 ".Sh FILES\n.Bl -tag -width Ds\n"
                 ".It Pa /etc/xdg/xception/config\n.It Pa ~/.config/xception/config\n"
                 "Settings: a section for each verb, keys are the long flags.\n"
                 "The environment wins over them.\n"
                 "xception config show tells what came from where.\n.El\n");
}

static void exit_status(FILE *out)
{
    fprintf(out, ".Sh EXIT STATUS\n.Bl -tag -width 3n -compact\n");
#define EXIT_X(name, code, meaning) fprintf(out, ".It %d\n%s\n", code, meaning);
    EXIT_LIST(EXIT_X)
#undef EXIT_X
    fprintf(out, ".El\n");
}

#define MAN_DATE "November 28, 2026" /* of the last change to what the pages say */

/* A line of which nothing is a request or an escape. */
static void literal(const char *line, int length, FILE *out)
{
    fputs("\\&", out);
    for (int i = 0; i < length; i++)
        if (line[i] == '\\')
            fputs("\\e", out);
        else
            fputc(line[i], out);
    fputc('\n', out);
}

static void verb_page(const struct verb *verb, FILE *out)
{
    fprintf(out, ".Dd " MAN_DATE "\n.Dt XCEPTION-%s 1\n.Os\n.Sh NAME\n", verb->name);
    fprintf(out, ".Nm xception-%s\n.Nd %s\n.Sh SYNOPSIS\n.Nm xception %s\n.Op Ar flags\n",
            verb->name, verb->summary, verb->name);
    if (*verb->operands) fprintf(out, ".Op Ar %s\n", verb->operands);
    fprintf(out, ".Sh DESCRIPTION\n");
    text(verb->text, out);
    fprintf(out, "\n.Pp\nThe flags are:\n.Bl -tag -width Ds\n");
    const struct option *o;
    for (int i = 0; (o = verb_option(verb, i)); i++)
        if (o->help) option(o, out);
    fprintf(out, ".El\n");
    environment(out);
    exit_status(out);
    fprintf(out, ".Sh EXAMPLES\n");
    for (const char *p = verb->examples; *p;) {
        int command = (int)strcspn(p, "\t"), line = (int)strcspn(p, "\n");
        fprintf(out, "%.*s:\n.Bd -literal -offset indent\n", line - command - 1, p + command + 1);
        literal(p, command, out);
        fprintf(out, ".Ed\n");
        p += line + (p[line] == '\n');
        if (*p) fprintf(out, ".Pp\n");
    }
    fprintf(out, ".Sh SEE ALSO\n.Xr xception 1\n");
}

static void main_page(FILE *out)
{
    fprintf(out, ".Dd " MAN_DATE "\n.Dt XCEPTION 1\n.Os\n.Sh NAME\n.Nm xception\n"
                 ".Nd Xception image classifiers on ordinary CPUs\n.Sh SYNOPSIS\n"
                 ".Nm\n.Ar verb\n.Op Ar flags\n.Op Ar files\n.Sh DESCRIPTION\nThe verbs are:\n"
                 ".Bl -tag -width Ds\n");
    for (int i = 0; verbs[i]; i++)
        fprintf(out, ".It Xr xception-%s 1\n%s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(out, ".El\n.Pp\nResults go to standard output, everything else to standard error.\n");
    environment(out);
    exit_status(out);
}

void man_page(const struct verb *verb, FILE *out)
{
    if (verb)
        verb_page(verb, out);
    else
        main_page(out);
}
