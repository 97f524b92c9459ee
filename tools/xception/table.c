/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a CSV file, one at a time: it may be larger than memory. */
#include "table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

int table_bad(const struct table *t, const char *what)
{
    say_error("%s: line %zu: %s", t->path, t->number, what);
    return EXIT_DATA;
}

int table_no_memory(const struct table *t)
{
    say_error("%s: out of memory", t->path);
    return EXIT_LIMIT;
}

int table_start(struct table *t)
{
    char mark[3];
    t->lines = 0;
    if (fseeko(t->file, 0, SEEK_SET) != 0) {
        say_error("%s: is read twice, which a pipe cannot be: %s", t->path, strerror(errno));
        return EXIT_DATA;
    }
    if (fread(mark, 1, 3, t->file) != 3 || memcmp(mark, "\xef\xbb\xbf", 3) != 0) rewind(t->file);
    return EXIT_DONE;
}

static bool put_byte(struct table *t, int c)
{
    if (t->size == t->room) {
        const size_t room = 2 * t->room + 256;
        char *more = realloc(t->text, room);
        if (!more) return false;
        t->text = more;
        t->room = room;
    }
    t->text[t->size++] = (char)c;
    return true;
}

/* Up to the separator or new line, *end, which is read, too. Quotes as in a data list. */
static int read_field(struct table *t, int *end)
{
    const size_t start = t->size;
    int c = getc(t->file);
    bool open = c == '"';
    for (c = open ? getc(t->file) : c; c != EOF && (open || (c != ',' && c != '\n'));
         c = getc(t->file)) {
        if (open && c == '"' && (c = getc(t->file)) != '"') {
            open = false;
            ungetc(c, t->file);
            continue;
        }
        t->lines += c == '\n';
        if (c == '\0') return table_bad(t, "a NUL byte");
        if (!put_byte(t, c)) return table_no_memory(t);
    }
    if (ferror(t->file)) {
        say_error("%s: %s", t->path, strerror(errno));
        return EXIT_DATA;
    }
    if (open) return table_bad(t, "a quote that does not end");
    t->lines += c == '\n';
    if (c != ',' && t->size > start && t->text[t->size - 1] == '\r') t->size--;
    *end = c;
    return put_byte(t, '\0') ? EXIT_DONE : table_no_memory(t);
}

/* Where the fields of the text begin. */
static bool find_fields(struct table *t)
{
    if (t->fields > t->field_room) {
        char **more = realloc(t->field, 2 * t->fields * sizeof *more);
        if (!more) return false;
        t->field = more;
        t->field_room = 2 * t->fields;
    }
    char *at = t->text;
    for (size_t i = 0; i < t->fields; i++, at += strlen(at) + 1) t->field[i] = at;
    return true;
}

int table_next(struct table *t)
{
    int end;
    do {
        t->size = t->fields = 0;
        t->number = t->lines + 1;
        do {
            const int code = read_field(t, &end);
            if (code != EXIT_DONE) return code;
            t->fields++;
        } while (end == ',');
        if (t->fields == 1 && !*t->text) t->fields = 0;
    } while (!t->fields && end != EOF);
    return find_fields(t) ? EXIT_DONE : table_no_memory(t);
}

int table_open(struct table *t, const char *path)
{
    *t = (struct table){.path = path, .file = fopen(path, "rbe")};
    if (t->file) return table_start(t);
    say_error("%s: %s", path, strerror(errno));
    return EXIT_DATA;
}

void table_free(struct table *t)
{
    free(t->field);
    free(t->text);
    if (t->file) fclose(t->file);
}
