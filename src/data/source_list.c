/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which samples does a list name? CSV (RFC 4180 quotes) and TSV with the columns path, label and,
 * under a heading, split, weight and group in any order; JSON lines with members of the same names.
 * Paths are relative to the list. Several labels of a sample are divided by '|' (JSON: an array).
 */
#include "data/source.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/decimal.h"
#include "image/image.h"

enum column { PATH, LABEL, SPLIT, WEIGHT, GROUP, COLUMNS, IGNORED = COLUMNS };
enum { MAX_FIELD = 8192, MAX_FIELDS = 64 };

static const struct {
    const char *word;
    enum column column;
} headings[] = {
    {"path", PATH},   {"file", PATH},   {"filename", PATH}, {"filepath", PATH},
    {"image", PATH},  {"label", LABEL}, {"class", LABEL},   {"labels", LABEL},
    {"split", SPLIT}, {"set", SPLIT},   {"weight", WEIGHT}, {"group", GROUP},
};

struct list {
    struct gather *g;
    const char *at, *end;
    char separator;
    uint32_t store;
    size_t line, passed; /* of this row, its first one; all that were read */
    enum column column[MAX_FIELDS];
    int columns;
    char *field; /* (MAX_FIELDS, MAX_FIELD) */
    int fields;
    struct error *err;
};

static xc_status refuse(const struct list *l, const char *why)
{
    return fail(l->err, XC_ERR_FORMAT, "line %zu: %s", l->line, why);
}

static char *field_at(const struct list *l, int i)
{
    return l->field + (size_t)i * MAX_FIELD;
}

/* One field up to its separator or the end of the line. */
static xc_status read_field(struct list *l, char *out)
{
    size_t n = 0;
    bool quoted = l->separator == ',' && l->at < l->end && *l->at == '"';
    bool open = quoted;
    l->at += quoted;
    while (l->at < l->end) {
        char c = *l->at;
        if (open && c == '"') {
            open = l->at + 1 < l->end && l->at[1] == '"';
            l->at += open ? 1 : 0;
            if (!open) {
                l->at++;
                continue;
            }
        } else if (!open && (c == l->separator || c == '\n')) {
            break;
        }
        if (n + 1 == MAX_FIELD) return refuse(l, "a field above 8191 bytes");
        if (c == '\0') return refuse(l, "a NUL byte");
        l->passed += c == '\n';
        out[n++] = c;
        l->at++;
    }
    if (open) return refuse(l, "a quote that does not end");
    if (n > 0 && out[n - 1] == '\r') n--;
    out[n] = '\0';
    return XC_OK;
}

/* The next line that is not empty; fields = 0 at the end. */
static xc_status read_row(struct list *l)
{
    for (l->fields = 0; l->at < l->end && l->fields == 0;) {
        l->line = l->passed + 1;
        for (bool more = true; more;) {
            if (l->fields == MAX_FIELDS) return refuse(l, "more than 64 fields");
            TRY(read_field(l, field_at(l, l->fields++)));
            more = l->at < l->end && *l->at == l->separator;
            l->passed += l->at < l->end && *l->at == '\n';
            l->at += l->at < l->end;
        }
        if (l->fields == 1 && field_at(l, 0)[0] == '\0') l->fields = 0;
    }
    return XC_OK;
}

/* Blanks around a word do not count. */
static enum column heading_of(const char *word)
{
    word += strspn(word, " \t");
    size_t length = strlen(word);
    while (length && strchr(" \t", word[length - 1])) length--;
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++)
        if (strlen(headings[i].word) == length && !strncasecmp(headings[i].word, word, length))
            return headings[i].column;
    return IGNORED;
}

static bool has_picture(struct list *l)
{
    for (int i = 0; i < l->fields; i++)
        if (path_is_image(field_at(l, i))) return true;
    return false;
}

/* Does the first row name columns? Without one the columns are path, label. */
static xc_status read_heading(struct list *l, bool *is_heading)
{
    bool seen[COLUMNS + 1] = {false};
    for (int i = 0; i < l->fields; i++) {
        enum column c = heading_of(field_at(l, i));
        if (c != IGNORED && seen[c]) c = IGNORED;
        seen[c] = true;
        l->column[i] = c;
    }
    l->columns = l->fields;
    *is_heading = seen[PATH] && seen[LABEL];
    if (*is_heading) return XC_OK;
    if (seen[PATH] != seen[LABEL] && !has_picture(l))
        return refuse(l, seen[PATH] ? "a heading without \"label\"" : "a heading without \"path\"");
    if (l->fields < 2) return refuse(l, "one column, at least path and label are needed");
    for (int i = 0; i < l->fields; i++) l->column[i] = i == 0 ? PATH : i == 1 ? LABEL : IGNORED;
    return XC_OK;
}

static xc_status add_sample(struct list *l, const char *path, const char *label, const char *split,
                            const char *weight, const char *group)
{
    struct found found = {.name = path,
                          .label = label,
                          .group = group,
                          .store = l->store,
                          .weight = 1.0f,
                          .divided = true};
    double number = 1.0;
    if (!path || !*path) return refuse(l, "no path");
    if (!label || !*label) return refuse(l, "no label");
    if (split && *split && !split_parse(split, strlen(split), &found.split))
        return fail(l->err, XC_ERR_FORMAT, "line %zu: \"%s\" is no split (train, val, test)",
                    l->line, split);
    const char *end = weight && *weight ? decimal_read(weight, &number) : "";
    if (!end || *end)
        return fail(l->err, XC_ERR_FORMAT, "line %zu: the weight \"%s\" is no number", l->line,
                    weight);
    found.weight = (float)number;
    xc_status status = gather_add(l->g, &found, l->err);
    if (status == XC_OK) return XC_OK;
    char place[32];
    snprintf(place, sizeof place, "line %zu", l->line);
    error_prefix(l->err, place);
    return status;
}

static xc_status read_table(struct list *l)
{
    bool first = true, heading = false;
    for (;; first = false) {
        TRY(read_row(l));
        if (l->fields == 0) return XC_OK;
        if (first) TRY(read_heading(l, &heading));
        if (first && heading) continue;
        if (l->fields != l->columns)
            return fail(l->err, XC_ERR_FORMAT, "line %zu: %d fields, the first line has %d",
                        l->line, l->fields, l->columns);
        const char *value[COLUMNS + 1] = {NULL};
        for (int i = 0; i < l->fields; i++) value[l->column[i]] = field_at(l, i);
        TRY(add_sample(l, value[PATH], value[LABEL], value[SPLIT], value[WEIGHT], value[GROUP]));
    }
}

/* A JSON value as text; arrays divided by '|'. False: no word, number or array of such. */
static bool json_text(const json_t *value, char *out, size_t room)
{
    int n = -1;
    if (json_is_string(value)) n = snprintf(out, room, "%s", json_string_value(value));
    if (json_is_integer(value))
        n = snprintf(out, room, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_real(value) && room >= DECIMAL_SIZE) {
        decimal_write(json_real_value(value), out);
        n = (int)strlen(out);
    }
    if (!json_is_array(value)) return n >= 0 && (size_t)n < room;
    size_t used = 0, i;
    const json_t *item;
    json_array_foreach(value, i, item)
    {
        if (json_is_array(item) || used + 2 > room) return false;
        if (i > 0) out[used++] = '|';
        if (!json_text(item, out + used, room - used)) return false;
        used += strlen(out + used);
    }
    return json_array_size(value) > 0;
}

static xc_status read_object(struct list *l, const json_t *object)
{
    const char *value[COLUMNS + 1] = {NULL};
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        enum column c = headings[i].column;
        const json_t *item = json_object_get(object, headings[i].word);
        if (!item || value[c] || json_is_null(item)) continue;
        if (!json_text(item, field_at(l, (int)c), MAX_FIELD))
            return fail(l->err, XC_ERR_FORMAT, "line %zu: \"%s\" is no word or number", l->line,
                        headings[i].word);
        value[c] = field_at(l, (int)c);
    }
    return add_sample(l, value[PATH], value[LABEL], value[SPLIT], value[WEIGHT], value[GROUP]);
}

static bool is_blank(const char *text, size_t size)
{
    while (size > 0 && (*text == ' ' || *text == '\t' || *text == '\r')) text++, size--;
    return size == 0;
}

static xc_status read_lines(struct list *l)
{
    while (l->at < l->end) {
        const char *stop = memchr(l->at, '\n', (size_t)(l->end - l->at));
        size_t length = (size_t)((stop ? stop : l->end) - l->at);
        l->line++;
        if (!is_blank(l->at, length)) {
            if (length > MAX_FIELD * (size_t)COLUMNS) return refuse(l, "above 40960 bytes");
            json_error_t why;
            json_t *object = json_loadb(l->at, length, JSON_REJECT_DUPLICATES, &why);
            xc_status status = json_is_object(object)
                                   ? read_object(l, object)
                                   : refuse(l, object ? "no JSON object" : why.text);
            json_decref(object);
            TRY(status);
        }
        l->at += length + (stop != NULL);
    }
    return XC_OK;
}

xc_status list_parse(struct gather *g, const char *text, size_t size, char separator,
                     uint32_t store, struct error *err)
{
    struct list l = {
        .g = g, .at = text, .end = text + size, .separator = separator, .store = store, .err = err};
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) l.at += 3;
    l.field = malloc((size_t)MAX_FIELDS * MAX_FIELD);
    if (!l.field) return fail_memory(err, (size_t)MAX_FIELDS * MAX_FIELD);
    xc_status status = separator ? read_table(&l) : read_lines(&l);
    free(l.field);
    return status;
}

/* The sizes of the files, for the fingerprint; a file that is not there fails when it is read. */
static void look_at_files(struct gather *g, const char *folder)
{
    for (size_t i = 0; i < g->d->samples; i++) {
        struct sample *s = &g->d->sample[i];
        struct stat info;
        char *path = NULL;
        if (asprintf(&path, "%s%s%s", s->name[0] == '/' ? "" : folder, s->name[0] == '/' ? "" : "/",
                     s->name) < 0)
            continue;
        if (stat(path, &info) == 0) s->bytes = (uint64_t)info.st_size;
        free(path);
    }
}

xc_status source_list(struct gather *g, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    char separator = dot && !strcasecmp(dot, ".csv")   ? ','
                     : dot && !strcasecmp(dot, ".tsv") ? '\t'
                                                       : 0;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + (slash == path)) : strdup(".");
    uint8_t *text = NULL;
    size_t size;
    uint32_t store;
    xc_status status = folder ? read_whole(path, &text, &size, err) : fail_memory(err, 0);
    g->numbers = true;
    g->d->kind = "list";
    if (status == XC_OK)
        status = gather_store(g, (struct store){.kind = STORE_FILES, .path = folder, .fd = -1},
                              &store, err);
    if (status == XC_OK) {
        status = list_parse(g, (const char *)text, size, separator, store, err);
        if (status != XC_OK) error_prefix(err, path);
    }
    if (status == XC_OK) look_at_files(g, folder);
    free(text);
    free(folder);
    return status;
}
