/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a network take the knobs of its architecture string? The string is cut in place at its
 * commas and equal signs; nothing is allocated. Strings come from model files too, so bytes that a
 * terminal would act on are refused before anything is quoted in a sentence.
 */
#include "network/arch_opts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"

/* ---- complaints ------------------------------------------------------------------------------ */

void opts_bad(struct arch_opts *o, const char *knob, const char *format, ...)
{
    char why[ERROR_TEXT_SIZE];
    const char *value = "";
    va_list args;
    if (o->err.status != XC_OK) return;
    for (int i = 0; i < o->knobs; i++)
        if (strcmp(o->knob[i].name, knob) == 0) value = o->knob[i].value;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    o->err.status = fail(&o->err, XC_ERR_ARCH, "%s: %s=%.60s: %s", o->arch->name, knob, value, why);
}

static int least_of(int a, int b)
{
    return a < b ? a : b;
}

/* Letters to insert, delete or replace (Levenshtein); words of 31 letters at most. */
static int edits(const char *a, const char *b)
{
    int row[32];
    int n = (int)strlen(a), m = (int)strlen(b);
    if (n > 31 || m > 31) return 32;
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int replaced = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = least_of(replaced, least_of(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

/* The word nearest to text when it is a small typing mistake away, or else NULL. */
static const char *nearest(const char *text, const char *const *words, int count)
{
    const char *best = NULL;
    int fewest = (int)strlen(text) / 3 + 1;
    for (int i = 0; i < count; i++) {
        int n = edits(text, words[i]);
        if (n > fewest || (best && n == fewest)) continue;
        fewest = n;
        best = words[i];
    }
    return best;
}

/* ---- the string ------------------------------------------------------------------------------ */

static xc_status check_text(const char *spec, struct error *err)
{
    size_t length = strlen(spec);
    if (length >= ARCH_TEXT_MAX)
        return fail(err, XC_ERR_ARCH, "the architecture string has %zu bytes, at most %d", length,
                    ARCH_TEXT_MAX - 1);
    for (size_t i = 0; i < length; i++)
        if (spec[i] <= ' ' || spec[i] > '~')
            return fail(err, XC_ERR_ARCH,
                        "the architecture string has a byte 0x%02x at %zu; only visible ASCII is "
                        "allowed",
                        (unsigned char)spec[i], i);
    return XC_OK;
}

static xc_status add_knob(struct arch_opts *o, char *text, struct error *err)
{
    const char *arch = o->arch->name;
    char *equals = strchr(text, '=');
    if (!*text) return fail(err, XC_ERR_ARCH, "%s: a comma with no knob behind it", arch);
    if (!equals) return fail(err, XC_ERR_ARCH, "%s: %.60s: expected KNOB=VALUE", arch, text);
    *equals = '\0';
    for (int i = 0; i < o->knobs; i++)
        if (strcmp(o->knob[i].name, text) == 0)
            return fail(err, XC_ERR_ARCH, "%s: %.60s=%.60s: this knob was given before", arch, text,
                        equals + 1);
    if (o->knobs == ARCH_MAX_KNOBS)
        return fail(err, XC_ERR_ARCH, "%s: more than %d knobs", arch, ARCH_MAX_KNOBS);
    o->knob[o->knobs++] = (struct knob){text, equals + 1, false};
    return XC_OK;
}

static xc_status find_network(const char *name, const struct arch **out, struct error *err)
{
    const char *names[ARCH_MAX_KNOBS];
    char all[ERROR_TEXT_SIZE - 128] = "";
    int count = 0;
    *out = arch_find(name);
    if (*out) return XC_OK;
    for (; arch_at(count) && count < ARCH_MAX_KNOBS; count++) {
        names[count] = arch_at(count)->name;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", count ? ", " : "", names[count]);
    }
    const char *near = nearest(name, names, count);
    if (near)
        return fail(err, XC_ERR_ARCH, "%.60s: no such network (did you mean %s?)", name, near);
    return fail(err, XC_ERR_ARCH, "%.60s: no such network; there are %s", name, all);
}

const char *opts_read_int(const char *text, int least, int most, int *out)
{
    int64_t value = 0;
    const char *s = text;
    for (; *s >= '0' && *s <= '9'; s++) {
        value = 10 * value + (*s - '0');
        if (value > most) return NULL;
    }
    if (s == text || value < least) return NULL;
    *out = (int)value;
    return s;
}

/* SIDE, HxW or HxWxC. */
static void take_input(struct arch_opts *o)
{
    const char *s = opts_text(o, "input");
    struct arch_input *in = &o->input;
    if (!s) return;
    s = opts_read_int(s, 1, ARCH_MAX_SIDE, &in->h);
    in->w = in->h;
    if (s && *s == 'x') s = opts_read_int(s + 1, 1, ARCH_MAX_SIDE, &in->w);
    if (s && *s == 'x') s = opts_read_int(s + 1, 1, ARCH_MAX_CHANNELS, &in->c);
    if (!s || *s)
        opts_bad(o, "input", "expected HxWxC, HxW or one side, sides 1 to %d, channels 1 to %d",
                 ARCH_MAX_SIDE, ARCH_MAX_CHANNELS);
}

static xc_status prefer(struct arch_opts *o, const struct arch_input *wanted, struct error *err)
{
    struct arch_input *in = &o->input;
    if (wanted->h) in->h = wanted->h;
    if (wanted->w) in->w = wanted->w;
    if (wanted->c) in->c = wanted->c;
    if (wanted->classes) in->classes = wanted->classes;
    if (wanted->classes) o->classes_given = true;
    bool sides = in->h >= 1 && in->h <= ARCH_MAX_SIDE && in->w >= 1 && in->w <= ARCH_MAX_SIDE;
    if (!sides || in->c < 1 || in->c > ARCH_MAX_CHANNELS)
        return fail(err, XC_ERR_ARGUMENT,
                    "%s: input %dx%dx%d: expected sides 1 to %d and channels 1 to %d",
                    o->arch->name, in->h, in->w, in->c, ARCH_MAX_SIDE, ARCH_MAX_CHANNELS);
    if (in->classes < 1 || in->classes > ARCH_MAX_CHANNELS)
        return fail(err, XC_ERR_ARGUMENT, "%s: %d classes: expected 1 to %d", o->arch->name,
                    in->classes, ARCH_MAX_CHANNELS);
    return XC_OK;
}

/* classes= is always written by arch_build, so it leaves no note of its own. */
static void take_classes(struct arch_opts *o)
{
    const char *s = opts_text(o, "classes");
    if (!s) return;
    s = opts_read_int(s, 1, ARCH_MAX_CHANNELS, &o->input.classes);
    if (!s || *s) opts_bad(o, "classes", "expected 1 to %d", ARCH_MAX_CHANNELS);
    o->classes_given = true;
}

xc_status opts_parse(struct arch_opts *o, const char *spec, const struct arch_input *wanted,
                     struct error *err)
{
    *o = (struct arch_opts){0};
    TRY(check_text(spec, err));
    memcpy(o->spec, spec, strlen(spec) + 1);
    char *rest = o->spec;
    const char *name = strsep(&rest, ",");
    TRY(find_network(name, &o->arch, err));
    while (rest) TRY(add_knob(o, strsep(&rest, ","), err));
    const struct arch *a = o->arch;
    o->input = (struct arch_input){a->side, a->side, a->channels, a->classes};
    take_input(o);
    take_classes(o);
    return wanted ? prefer(o, wanted, err) : XC_OK;
}

/* "a, b, c", each once. */
static void list_known(const struct arch_opts *o, char *out, size_t room)
{
    size_t at = 0;
    *out = '\0';
    for (int i = 0; i < o->knowns && at < room; i++) {
        int first = 0;
        while (strcmp(o->known[first], o->known[i]) != 0) first++;
        if (first == i)
            at += (size_t)snprintf(out + at, room - at, "%s%s", at ? ", " : "", o->known[i]);
    }
}

xc_status opts_done(struct arch_opts *o, struct error *err)
{
    if (o->err.status != XC_OK) return fail(err, o->err.status, "%s", o->err.text);
    for (int i = 0; i < o->knobs; i++) {
        if (o->knob[i].taken) continue;
        const char *near = nearest(o->knob[i].name, o->known, o->knowns);
        char known[320];
        list_known(o, known, sizeof known);
        return fail(err, XC_ERR_ARCH, "%s: %.60s=%.60s: no such knob%s%s%s; there are %s",
                    o->arch->name, o->knob[i].name, o->knob[i].value, near ? " (did you mean " : "",
                    near ? near : "", near ? "?)" : "", known);
    }
    return XC_OK;
}

/* ---- one knob -------------------------------------------------------------------------------- */

const char *opts_text(struct arch_opts *o, const char *knob)
{
    if (o->knowns < ARCH_MAX_KNOBS) o->known[o->knowns++] = knob;
    for (int i = 0; i < o->knobs; i++) {
        if (strcmp(o->knob[i].name, knob) != 0) continue;
        o->knob[i].taken = true;
        return o->knob[i].value;
    }
    return NULL;
}

void opts_note(struct arch_opts *o, const char *knob, const char *text)
{
    size_t used = strlen(o->canonical), room = sizeof o->canonical - used;
    int n = snprintf(o->canonical + used, room, ",%s=%s", knob, text);
    if (n < 0 || (size_t)n >= room) opts_bad(o, knob, "the architecture string gets too long");
}

bool opts_is(struct arch_opts *o, const char *knob, const char *word)
{
    const char *text = opts_text(o, knob);
    if (!text || strcmp(text, word) != 0) return false;
    opts_note(o, knob, word);
    return true;
}

void opts_refuse(struct arch_opts *o, const char *knob, const char *why)
{
    if (opts_text(o, knob)) opts_bad(o, knob, "%s", why);
}

/* The number of the word that equals text, or -1. */
static int word_number(const char *words, const char *text)
{
    size_t length = strlen(text);
    for (int i = 0;; i++) {
        size_t n = strcspn(words, "|");
        if (n == length && memcmp(words, text, n) == 0) return i;
        if (!words[n]) return -1;
        words += n + 1;
    }
}

int opts_choice(struct arch_opts *o, const char *knob, const char *words, int def)
{
    const char *text = opts_text(o, knob);
    if (!text) return def;
    int i = word_number(words, text);
    if (i < 0) {
        opts_bad(o, knob, "expected %s", words);
        return def;
    }
    if (i != def) opts_note(o, knob, text);
    return i;
}

bool opts_switch(struct arch_opts *o, const char *knob, bool def)
{
    return opts_choice(o, knob, "off|on", def) == 1;
}

int opts_int(struct arch_opts *o, const char *knob, int def, int least, int most)
{
    const char *text = opts_text(o, knob);
    char tidy[16];
    int value = def;
    if (!text) return def;
    const char *end = opts_read_int(text, least, most, &value);
    if (!end || *end) {
        opts_bad(o, knob, "expected a whole number from %d to %d", least, most);
        return def;
    }
    snprintf(tidy, sizeof tidy, "%d", value);
    if (value != def) opts_note(o, knob, tidy);
    return value;
}

double opts_real(struct arch_opts *o, const char *knob, double def, double least, double most)
{
    const char *text = opts_text(o, knob);
    char tidy[DECIMAL_SIZE], from[DECIMAL_SIZE], to[DECIMAL_SIZE];
    double value = def;
    if (!text) return def;
    const char *end = decimal_read(text, &value);
    if (!end || *end || value < least || value > most) {
        decimal_write(least, from);
        decimal_write(most, to);
        opts_bad(o, knob, "expected a number from %s to %s", from, to);
        return def;
    }
    decimal_write(value, tidy);
    if (value != def) opts_note(o, knob, tidy);
    return value;
}

static bool read_list(const char *text, struct int_list *list, int most, int top)
{
    for (list->count = 0; list->count < most; text++) {
        text = opts_read_int(text, 1, top, &list->at[list->count++]);
        if (!text) return false;
        if (!*text) return true;
        if (*text != '/') return false;
    }
    return false;
}

static bool list_equal(const struct int_list *a, const struct int_list *b)
{
    return a->count == b->count && memcmp(a->at, b->at, (size_t)a->count * sizeof a->at[0]) == 0;
}

static void note_list(struct arch_opts *o, const char *knob, const struct int_list *list)
{
    char text[ARCH_MAX_LIST * 12] = "";
    for (int i = 0; i < list->count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%d", i ? "/" : "", list->at[i]);
    }
    opts_note(o, knob, text);
}

void opts_list(struct arch_opts *o, const char *knob, struct int_list *list, int fewest, int most,
               int top)
{
    const char *text = opts_text(o, knob);
    struct int_list given = {0};
    if (!text) return;
    if (!read_list(text, &given, most, top) || given.count < fewest) {
        if (fewest == most)
            opts_bad(o, knob, "expected %d numbers joined by /, each 1 to %d", most, top);
        else
            opts_bad(o, knob, "expected %d to %d numbers joined by /, each 1 to %d", fewest, most,
                     top);
        return;
    }
    if (!list_equal(&given, list)) note_list(o, knob, &given);
    *list = given;
}
