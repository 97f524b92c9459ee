/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and reading the configuration files. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "verbs.h"

#define MAX_CONFIG_FILE (1u << 20)
#define MAX_CONFIG_DIRS 16

/* ---- where they are -------------------------------------------------------------------------- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Entry i, counted from the end, of a list divided by colons: the first is the most important. */
static bool site_folder(int i, char *path, size_t size)
{
    const char *dirs = variable("XDG_CONFIG_DIRS"), *at[MAX_CONFIG_DIRS];
    int count = 0;
    if (!dirs) dirs = "/etc/xdg";
    for (const char *p = dirs; p && count < MAX_CONFIG_DIRS; p = strchr(p, ':')) {
        p += *p == ':';
        at[count++] = p;
    }
    if (i >= count) return false;
    const char *dir = at[count - 1 - i];
    snprintf(path, size, "%.*s/xception/config", (int)strcspn(dir, ":"), dir);
    return true;
}

static void user_file(char *path, size_t size)
{
    const char *config = variable("XDG_CONFIG_HOME"), *home = variable("HOME");
    *path = 0;
    if (config)
        snprintf(path, size, "%s/xception/config", config);
    else if (home)
        snprintf(path, size, "%s/.config/xception/config", home);
}

bool config_file(int i, const char *named, char *path, size_t size, enum option_source *source)
{
    int sites = 0;
    char unused[8];
    if (site_folder(i, path, size)) {
        *source = FROM_SITE;
        return true;
    }
    while (site_folder(sites, unused, sizeof unused)) sites++;
    *source = i == sites ? FROM_USER : FROM_FILE;
    if (i == sites) user_file(path, size);
    if (i == sites + 1 && named) snprintf(path, size, "%s", named);
    return i == sites || (i == sites + 1 && named);
}

/* ---- lines ----------------------------------------------------------------------------------- */

struct reading {
    struct args *args;
    const char *path;
    enum option_source source;
    int line;
    const char *section; /* NULL above the first */
};

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length && strchr(" \t\r\n", text[length - 1])) text[--length] = 0;
    return text;
}

static bool unknown_key(const struct reading *r, const struct verb *verb, const char *key)
{
    const char *words[MAX_OPTIONS + 1] = {0};
    const struct option *o;
    for (int i = 0, n = 0; (o = verb_option(verb, i)) && n < MAX_OPTIONS; i++)
        if (o->help) words[n++] = o->name;
    const char *near = nearest_word(key, words);
    say_usage("%s:%d: '%s' is not a flag of %s", r->path, r->line, key, verb->name);
    if (near)
        say_hint("did you mean '%s'?", near);
    else
        say_hint("xception help --all %s lists the flags", verb->name);
    return false;
}

/* Above the sections a key must be a flag of some verb. */
static bool known_somewhere(const char *key)
{
    const struct option *o;
    for (int v = 0; verbs[v]; v++)
        for (int i = 0; (o = verb_option(verbs[v], i)); i++)
            if (strcmp(o->name, key) == 0) return true;
    return false;
}

/* A switch as what a flag gives: "" for on, NULL for off; other text is a mistake. */
static bool read_switch(const char *text, const char **value)
{
    static const char *const on[] = {"yes", "true", "on", "1"};
    static const char *const off[] = {"no", "false", "off", "0"};
    for (int i = 0; i < 4; i++) {
        *value = strcmp(text, on[i]) == 0 ? "" : NULL;
        if (*value || strcmp(text, off[i]) == 0) return true;
    }
    return false;
}

static bool set_key(const struct reading *r, int i, const char *key, const char *text)
{
    const char *value = text;
    char where[4200];
    snprintf(where, sizeof where, "%s:%d: %s", r->path, r->line, key);
    if (!r->args->option[i]->arg && !read_switch(text, &value)) {
        say_usage("%s: '%s' is not yes or no", where, text);
        return false;
    }
    if (!value && r->source >= r->args->source[i]) { /* off again */
        r->args->value[i] = NULL;
        r->args->source[i] = r->source;
    }
    if (!value) return true;
    if (!args_set(r->args, i, value, where, r->source)) return false;
    r->args->from[i] = r->path;
    r->args->line[i] = r->line;
    return true;
}

static bool read_key(const struct reading *r, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals) {
        say_usage("%s:%d: '%.40s' is neither [VERB] nor KEY = VALUE", r->path, r->line, line);
        return false;
    }
    *equals = 0;
    const char *key = trim(line), *value = trim(equals + 1);
    const struct verb *verb = r->section ? verb_find(r->section) : NULL;
    if (verb && verb != r->args->verb) return true;
    const int i = args_find(r->args, key);
    if (i >= 0) return set_key(r, i, key, value);
    if (verb) return unknown_key(r, verb, key);
    if (known_somewhere(key)) return true;
    say_usage("%s:%d: '%s' is not a flag of any verb", r->path, r->line, key);
    return false;
}

static bool read_section(struct reading *r, char *line)
{
    const char *names[MAX_VERBS + 1] = {0};
    char *end = strchr(line, ']');
    if (!end || *trim(end + 1)) {
        say_usage("%s:%d: '%.40s' is not [VERB]", r->path, r->line, line);
        return false;
    }
    *end = 0;
    r->section = trim(line + 1);
    if (verb_find(r->section)) return true;
    for (int i = 0; verbs[i]; i++) names[i] = verbs[i]->name;
    const char *near = nearest_word(r->section, names);
    say_usage("%s:%d: [%.40s] is not a verb", r->path, r->line, r->section);
    if (near) say_hint("did you mean [%s]?", near);
    return false;
}

/* '#' begins a comment at the start of a line, and behind white space; "\\#" is a '#' there. */
static void cut_comment(char *line)
{
    for (char *p = line; *p; p++) {
        if (p > line && p[-1] != ' ' && p[-1] != '\t') continue;
        if (*p == '#') *p = 0;
        if (!*p) return;
        if (!strncmp(p, "\\#", 2)) memmove(p, p + 1, strlen(p));
    }
}

static bool read_lines(struct reading *r, char *text)
{
    for (char *line = text; line; r->line++) {
        char *next = strchr(line, '\n');
        if (next) *next++ = 0;
        cut_comment(line);
        line = trim(line);
        if (*line == '[' ? !read_section(r, line) : *line && !read_key(r, line)) return false;
        line = next;
    }
    return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Values point into the text, so it stays until the program ends. */
struct text {
    struct text *before;
    char at[];
};
static struct text *texts;

static char *new_text(size_t size)
{
    struct text *t = calloc(1, sizeof *t + size);
    if (!t) return NULL;
    t->before = texts;
    texts = t;
    return t->at;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    char *text = file ? new_text(MAX_CONFIG_FILE + 2) : NULL;
    const size_t size = text ? fread(text, 1, MAX_CONFIG_FILE + 1, file) : 0;
    bool good = false;
    if (!text || ferror(file))
        say_usage("%s: %s", path, strerror(errno));
    else if (size > MAX_CONFIG_FILE)
        say_usage("%s: more than %u bytes of settings", path, MAX_CONFIG_FILE);
    else if (strlen(text) < size)
        say_usage("%s: byte %zu is NUL, so this is not a text file", path, strlen(text));
    else
        good = true;
    if (file) fclose(file);
    return good ? text : NULL;
}

static bool is_absent(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (file) fclose(file);
    return !file && (errno == ENOENT || errno == ENOTDIR);
}

bool config_read(struct args *args, const char *named)
{
    static char path[MAX_CONFIG_DIRS + 2][4096];
    enum option_source source;
    for (int i = 0;
         i < MAX_CONFIG_DIRS + 2 && config_file(i, named, path[i], sizeof path[i], &source); i++) {
        if (!*path[i] || (source != FROM_FILE && is_absent(path[i]))) continue;
        char *text = read_file(path[i]);
        struct reading r = {.args = args, .path = path[i], .source = source, .line = 1};
        if (!text || !read_lines(&r, text)) return false;
    }
    return true;
}
