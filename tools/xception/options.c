/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of flags and operands, GNU style: --flag value, --flag=value, -k3, -k 3, -qh, mixed with
 * operands, "--" ends flags. Before them come the configuration files (config.h), then the
 * environment as XCEPTION_<FLAG>. Numbers and choices are checked here, once, against the table.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "say.h"

#define MAX_WORD 64

const struct option global_options[] = {
    {"threads", 0, "N", NULL, 1, 256, "cores to use (default: all that this process may use)"},
    {"cpu", 0, "LEVEL", NULL, 0, 0,
     RARE "highest instruction set to use: ref, ref-fma, avx2, avx512, "
          "avx512bf16, amx"},
    {"config", 0, "FILE", NULL, 0, 0, RARE "settings, read after those of the site and the user"},
    {"quiet", 'q', NULL, NULL, 0, 0, "print results and errors only"},
    {"help", 'h', NULL, NULL, 0, 0, "show this help"},
    {"version", 0, NULL, NULL, 0, 0, "show the version"},
    OPTIONS_END};

static bool has_own(const struct verb *verb, const char *name)
{
    for (const struct option *o = verb->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0) return true;
    return false;
}

const struct option *verb_option(const struct verb *verb, int i)
{
    for (const struct option *o = verb->options; o && o->name; o++)
        if (i-- == 0) return o;
    for (const struct option *o = global_options; o->name; o++)
        if (!has_own(verb, o->name) && i-- == 0) return o;
    return NULL;
}

bool option_is_rare(const struct option *o)
{
    return o->help && *o->help == *RARE;
}

const char *option_help(const struct option *o)
{
    return o->help + option_is_rare(o);
}

bool parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    if (!*text) return false;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9') return false;
        value = value * 10 + (uint64_t)(*p - '0');
        if (value > max) return false;
    }
    if (value < min) return false;
    *out = (uint32_t)value;
    return true;
}

/* Edit distance with insertion, deletion and substitution; words longer than MAX_WORD are far away.
 */
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_WORD + 1], n = strlen(b);
    if (strlen(a) > MAX_WORD || n > MAX_WORD) return MAX_WORD;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

const char *nearest_word(const char *typed, const char *const *words)
{
    const char *best = NULL;
    size_t least = strlen(typed) / 3 + 1;
    for (; *words; words++) {
        size_t d = strncmp(*words, typed, strlen(typed)) == 0 ? 1 : distance(typed, *words);
        if (d > least || (best && d == least)) continue;
        best = *words;
        least = d;
    }
    return best;
}

static int find(const struct args *args, const char *name, size_t length)
{
    for (int i = 0; i < args->options; i++)
        if (strlen(args->option[i]->name) == length &&
            memcmp(args->option[i]->name, name, length) == 0)
            return i;
    return -1;
}

static int find_letter(const struct args *args, char letter)
{
    for (int i = 0; i < args->options; i++)
        if (args->option[i]->letter == letter) return i;
    return -1;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);
    while (choices) {
        size_t word = strcspn(choices, "|");
        if (word == length && memcmp(choices, value, length) == 0) return true;
        choices = choices[word] ? choices + word + 1 : NULL;
    }
    return false;
}

static bool may_repeat(const struct option *o)
{
    const size_t length = o->arg ? strlen(o->arg) : 0;
    return length > 3 && strcmp(o->arg + length - 3, "...") == 0;
}

static bool add_repeat(struct args *args, int i, const char *value)
{
    if (args->repeats == MAX_REPEATS) {
        say_usage("--%s: more than %d of such flags", args->option[i]->name, MAX_REPEATS);
        return false;
    }
    args->repeat[args->repeats].option = i;
    args->repeat[args->repeats++].value = value;
    return true;
}

static void forget_repeats(struct args *args, int i)
{
    int kept = 0;
    for (int k = 0; k < args->repeats; k++)
        if (args->repeat[k].option != i) args->repeat[kept++] = args->repeat[k];
    args->repeats = kept;
}

bool args_set(struct args *args, int i, const char *value, const char *from,
              enum option_source source)
{
    const struct option *o = args->option[i];
    uint32_t number;
    if (o->choices && !is_choice(o->choices, value)) {
        say_usage("%s: '%s' is not one of %s", from, value, o->choices);
        return false;
    }
    if (o->max && !parse_number(value, o->min, o->max, &number)) {
        say_usage("%s: '%s' is not a whole number from %u to %u", from, value, o->min, o->max);
        return false;
    }
    if (source < args->source[i]) return true;
    if (source > args->source[i]) forget_repeats(args, i);
    args->value[i] = value;
    args->from[i] = from;
    args->source[i] = source;
    return !may_repeat(o) || add_repeat(args, i, value);
}

/* from: what the user typed, "--top" or "-k" */
static bool set(struct args *args, int i, const char *value, const char *typed)
{
    const char *from = args->option[i]->name;
    if (!args_set(args, i, value, typed, FROM_FLAG)) return false;
    args->from[i] = from; /* typed is a buffer of the parser */
    return true;
}

static bool unknown_flag(const struct args *args, const char *flag)
{
    const char *words[MAX_OPTIONS + 1] = {0};
    for (int i = 0, n = 0; i < args->options; i++)
        if (args->option[i]->help) words[n++] = args->option[i]->name;
    const char *near = strncmp(flag, "--", 2) == 0 ? nearest_word(flag + 2, words) : NULL;
    say_usage("unknown flag %s", flag);
    if (near)
        say_hint("did you mean --%s?", near);
    else
        say_hint("xception help --all %s lists the flags", args->verb->name);
    return false;
}

/* One "--flag" word; *at is the index of the last word used. */
static bool parse_long(struct args *args, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *name = word + 2, *equals = strchr(name, '=');
    char flag[MAX_WORD];
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    int i = find(args, name, length);
    snprintf(flag, sizeof flag, "--%.*s", (int)(length < 60 ? length : 60), name);
    if (i < 0) return unknown_flag(args, flag);
    if (!args->option[i]->arg) {
        if (equals) {
            say_usage("%s takes no value, got '%s'", flag, equals + 1);
            return false;
        }
        return set(args, i, "", flag);
    }
    if (equals) return set(args, i, equals + 1, flag);
    if (args->option[i]->arg[0] == '[') return set(args, i, "", flag);
    if (*at + 1 >= argc) {
        say_usage("%s needs a value: %s", flag, args->option[i]->arg);
        return false;
    }
    return set(args, i, argv[++*at], flag);
}

/* One "-abc" word: switches, the last of which may take the rest, or the next word, as its value.
 */
static bool parse_short(struct args *args, int argc, char **argv, int *at)
{
    for (const char *p = argv[*at] + 1; *p; p++) {
        char flag[3] = {'-', *p, 0};
        int i = find_letter(args, *p);
        if (i < 0) return unknown_flag(args, flag);
        if (!args->option[i]->arg) {
            if (!set(args, i, "", flag)) return false;
            continue;
        }
        if (p[1]) return set(args, i, p + 1, flag);
        if (*at + 1 >= argc) {
            say_usage("%s needs a value: %s", flag, args->option[i]->arg);
            return false;
        }
        return set(args, i, argv[++*at], flag);
    }
    return true;
}

void option_variable(const struct option *o, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "XCEPTION_");
    for (const char *p = o->name; *p && at + 1 < size; p++)
        text[at++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    text[at] = 0;
}

int args_find(const struct args *args, const char *name)
{
    return find(args, name, strlen(name));
}

static bool read_environment(struct args *args)
{
    for (int i = 0; i < args->options; i++) {
        char name[MAX_WORD];
        option_variable(args->option[i], name, sizeof name);
        const char *value = getenv(name);
        if (!value || !*value || !args->option[i]->arg) continue;
        if (!args_set(args, i, value, name, FROM_ENVIRONMENT)) return false;
        args->from[i] = args->option[i]->name; /* name is gone; the source says the rest */
    }
    return true;
}

/* The last --config of the command line, or what the environment says; NULL: none. */
static const char *named_config(int argc, char **argv)
{
    const char *path = getenv("XCEPTION_CONFIG");
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0) path = argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) path = argv[++i];
    }
    return path && *path ? path : NULL;
}

/* Help comes also where a configuration is wrong: it tells how to mend that. */
static bool asks_for_help(const struct verb *verb, int argc, char **argv)
{
    bool asked = strcmp(verb->name, "help") == 0;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        asked |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
    return asked;
}

/* "check|stats DATA": the first operand, where it is one of these. What else it may be, the verb
 * says. */
static const char *action_of(const struct args *args)
{
    char actions[128];
    const char *operands = args->verb->operands;
    snprintf(actions, sizeof actions, "%.*s", (int)strcspn(operands, " "), operands);
    return args->operands && is_choice(actions, args->operand[0]) ? args->operand[0] : NULL;
}

static bool is_met(const struct args *args, const struct need *n)
{
    const bool action = !*n->of;
    const char *value = action ? action_of(args) : arg_text(args, n->of);
    if (!arg_typed(args, n->flag) || (action && !value)) return true;
    if (value && (!n->words || is_choice(n->words, value))) return true;
    if (action)
        say_usage("--%s is of %s, this is %s", n->flag, n->words, value);
    else if (n->words)
        say_usage("--%s is of --%s %s", n->flag, n->of, n->words);
    else
        say_usage("--%s is of --%s, which is not there", n->flag, n->of);
    return false;
}

bool args_parse(struct args *args, const struct verb *verb, int argc, char **argv)
{
    *args = (struct args){.verb = verb, .operand = argv};
    for (const struct option *o; args->options < MAX_OPTIONS;) {
        if (!(o = verb_option(verb, args->options))) break;
        args->option[args->options++] = o;
    }
    if (!asks_for_help(verb, argc, argv) &&
        (!config_read(args, named_config(argc, argv)) || !read_environment(args)))
        return false;
    bool flags = true;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        bool ok = true;
        if (flags && strcmp(word, "--") == 0)
            flags = false;
        else if (flags && strncmp(word, "--", 2) == 0)
            ok = parse_long(args, argc, argv, &i);
        else if (flags && word[0] == '-' && word[1])
            ok = parse_short(args, argc, argv, &i);
        else
            args->operand[args->operands++] = word;
        if (!ok) return false;
    }
    for (const struct need *n = verb->needs; n && n->flag; n++)
        if (!asks_for_help(verb, argc, argv) && !is_met(args, n)) return false;
    return true;
}

const char *arg_text(const struct args *args, const char *name)
{
    int i = find(args, name, strlen(name));
    return i < 0 ? NULL : args->value[i];
}

const char *arg_each(const struct args *args, const char *name, int i)
{
    const int option = find(args, name, strlen(name));
    for (int k = 0; k < args->repeats; k++)
        if (args->repeat[k].option == option && i-- == 0) return args->repeat[k].value;
    return NULL;
}

bool arg_on(const struct args *args, const char *name)
{
    return arg_text(args, name) != NULL;
}

uint32_t arg_number(const struct args *args, const char *name, uint32_t otherwise)
{
    const char *text = arg_text(args, name);
    uint32_t value = otherwise;
    if (text && !parse_number(text, 0, UINT32_MAX, &value)) return otherwise;
    return value;
}

const char *arg_giver(const struct args *args, const char *name)
{
    static char text[4200];
    const int i = args_find(args, name);
    if (args->source[i] == FROM_ENVIRONMENT)
        option_variable(args->option[i], text, sizeof text);
    else if (args->line[i] && args->source[i] != FROM_FLAG)
        snprintf(text, sizeof text, "%s:%d: %s", args->from[i], args->line[i], name);
    else
        snprintf(text, sizeof text, "--%s", name);
    return text;
}

bool arg_size(const struct args *args, uint32_t *height, uint32_t *width)
{
    const char *text = arg_text(args, "size");
    char first[16];
    *height = *width = 0;
    if (!text) return true;
    size_t length = strcspn(text, "x");
    if (length < sizeof first) {
        memcpy(first, text, length);
        first[length] = 0;
        const char *second = text[length] ? text + length + 1 : first;
        if (parse_number(first, 1, 16384, height) && parse_number(second, 1, 16384, width))
            return true;
    }
    say_usage("%s: '%s' is not N or HxW with sides from 1 to 16384", arg_giver(args, "size"), text);
    return false;
}

bool arg_bytes(const struct args *args, const char *name, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *text = arg_text(args, name);
    char *end;
    if (!text) return true;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    const int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (*text >= '1' && *text <= '9' && errno == 0 && !end[unit != NULL] &&
        number <= UINT64_MAX >> shift) {
        *bytes = (uint64_t)number << shift;
        return true;
    }
    say_usage("%s: '%s' is not a number of bytes, as 500M or 4G", arg_giver(args, name), text);
    return false;
}

/* A number and its unit at *at, which goes behind them: digits and a point, no 0x10, no 1e3. */
static bool take_time(const char **at, char unit, double scale, double *seconds)
{
    const char *text = *at;
    const size_t digits = strspn(text, "0123456789.");
    char *end;
    if (digits == 0 || text[digits] != unit) return false;
    const double number = strtod(text, &end);
    if (end != text + digits) return false;
    *seconds += number * scale;
    *at = end + (unit != 0);
    return true;
}

bool arg_time(const struct args *args, const char *name, double *seconds)
{
    const char *text = arg_text(args, name), *at = text;
    double sum = 0;
    if (!text) return true;
    if (!take_time(&at, 0, 1, &sum)) {
        take_time(&at, 'h', 3600, &sum);
        take_time(&at, 'm', 60, &sum);
        take_time(&at, 's', 1, &sum);
    }
    if (*at == 0 && sum > 0 && sum <= 1e9) {
        *seconds = sum;
        return true;
    }
    say_usage("%s: '%s' is not a time such as 90s, 30m, 1.5h or 1h30m", arg_giver(args, name),
              text);
    return false;
}

bool arg_typed(const struct args *args, const char *name)
{
    return arg_text(args, name) && args->source[args_find(args, name)] == FROM_FLAG;
}

const char *arg_unless(const struct args *args, const char *name, const char *other)
{
    return arg_typed(args, other) && !arg_typed(args, name) ? NULL : arg_text(args, name);
}

const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}
