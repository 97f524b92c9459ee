/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are rows shown? One table of columns feeds text, Markdown, CSV and JSON; what only machines
 * ask for has no title. Steps are a second table; CSV, which has one table, shows the steps alone
 * when there are any.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "emit.h"

enum table_format table_format_of(const char *word)
{
    static const char *const words[] = {"text", "md", "json", "csv"};
    for (int i = 0; word && i < 4; i++)
        if (strcmp(words[i], word) == 0) return (enum table_format)i;
    return TABLE_TEXT;
}

/* ---- columns --------------------------------------------------------------------------------- */

struct column {
    const char *title, *key; /* title NULL: for machines only */
    size_t at;               /* the double in struct row */
    int digits;              /* after the point */
};
#define COLUMN(title, member, digits)                                                              \
    {                                                                                              \
        title, #member, offsetof(struct row, member), digits                                       \
    }

static const struct column columns[] = {
    COLUMN("ms/image", ms, 2),       COLUMN("min", min_ms, 2),        COLUMN("p99", p99_ms, 2),
    COLUMN(NULL, low_ms, 2),         COLUMN(NULL, high_ms, 2),        COLUMN("Gmac/s", gmacs, 1),
    COLUMN(NULL, peak_gmacs, 1),     COLUMN("% of peak", percent, 1), COLUMN("peak MiB", mib, 1),
    COLUMN("ready ms", ready_ms, 1), COLUMN("first ms", first_ms, 1), COLUMN("old ms", old_ms, 2),
    COLUMN("ratio", ratio, 3),
};
enum { COLUMNS = sizeof columns / sizeof *columns, COMPARED = COLUMNS - 2 };

static double number(const struct row *row, const struct column *c)
{
    return *(const double *)(const void *)((const char *)row + c->at);
}

static bool compared(const struct row *row, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        if (row[i].change) return true;
    return false;
}

/* ---- text and Markdown ----------------------------------------------------------------------- */

/* What stands before the first cell, between two, and behind the last. */
struct style {
    const char *first, *between, *last;
    bool markdown;
};
static const struct style text_style = {"", "  ", "\n", false};
static const struct style md_style = {"| ", " | ", " |\n", true};

static void rule(const struct style *s, int left, int right)
{
    if (!s->markdown) return;
    putchar('|');
    for (int i = 0; i < left; i++) fputs("---|", stdout);
    for (int i = 0; i < right; i++) fputs("--:|", stdout);
    putchar('\n');
}

static void print_head(const struct row *row)
{
    char machine[256];
    const struct sample *s = &row->last;
    machine_name(machine, sizeof machine);
    emit_plain(machine);
    printf("; %s kernels of xception %s\n%s at %ux%ux%u, %" PRIu64
           " multiply-adds; milliseconds are of one image, memory of the whole process\n\n",
           s->level, xc_version(), s->arch, s->height, s->width, s->channels, s->macs);
}

static void print_titles(const struct style *s, int shown)
{
    int right = 0;
    printf("%s%-7s%s%5s%s%-9s", s->first, "threads", s->between, "batch", s->between, "precision");
    for (int i = 0; i < shown; i++) {
        if (!columns[i].title) continue;
        printf("%s%9s", s->between, columns[i].title);
        right++;
    }
    if (shown == COLUMNS) printf("%s%s", s->between, "change");
    fputs(s->last, stdout);
    rule(s, 3, right + (shown == COLUMNS));
}

static void print_number(const struct row *row, int i)
{
    if (i >= COMPARED && !row->change)
        printf("%9s", "-");
    else
        printf("%9.*f", columns[i].digits, number(row, &columns[i]));
}

static void print_row(const struct row *row, const struct style *s, int shown)
{
    const struct config *c = &row->config;
    printf("%s%7u%s%5u%s%-9s", s->first, c->threads, s->between, c->batch, s->between,
           c->precision);
    for (int i = 0; i < shown; i++)
        if (columns[i].title) {
            fputs(s->between, stdout);
            print_number(row, i);
        }
    if (shown == COLUMNS) printf("%s%s", s->between, row->change ? row->change : "new");
    fputs(s->last, stdout);
}

/* lost: what it takes beyond the time of its multiply-adds at the peak. */
static void print_step(const struct step_time *t, const struct row *row, double total,
                       const struct style *s)
{
    const double batch = row->config.batch,
                 ideal = (double)t->macs * batch / row->peak_gmacs * 1e-9;
    char output[40] = "";
    if (t->height) snprintf(output, sizeof output, "%ux%ux%u", t->height, t->width, t->channels);
    printf("%s%-28s%s%-12s%s%-12s%s%9.3f%s%9.2f%s%9.1f%s%9.3f%s", s->first, t->name, s->between,
           t->kind, s->between, output, s->between, t->seconds * 1e3 / batch, s->between,
           total > 0 ? 100 * t->seconds / total : 0, s->between,
           t->seconds > 0 ? 100 * ideal / t->seconds : 0, s->between,
           (t->seconds - ideal) * 1e3 / batch, s->last);
}

static void print_steps(const struct row *row, const struct style *s)
{
    struct step_time all = {.name = "all", .kind = ""};
    for (uint32_t i = 0; i < row->last.steps; i++) {
        all.seconds += row->last.step[i].seconds;
        all.macs += row->last.step[i].macs;
    }
    printf("\n%u thread%s, batch %u, %s: where the time goes\n\n", row->config.threads,
           row->config.threads == 1 ? "" : "s", row->config.batch, row->config.precision);
    printf("%s%-28s%s%-12s%s%-12s%s%9s%s%9s%s%9s%s%9s%s", s->first, "step", s->between, "operator",
           s->between, "output", s->between, "ms/image", s->between, "% of time", s->between,
           "% of peak", s->between, "lost ms", s->last);
    rule(s, 3, 4);
    for (uint32_t i = 0; i < row->last.steps; i++)
        print_step(&row->last.step[i], row, all.seconds, s);
    print_step(&all, row, all.seconds, s);
}

static void print_disturbed(const struct row *row, size_t rows)
{
    bool any = false;
    for (size_t i = 0; i < rows; i++) {
        if (!row[i].disturbed) continue;
        printf("%s%u thread%s, batch %u, %s: others used this machine in %u of %u rounds\n",
               any ? "" : "\n", row[i].config.threads, row[i].config.threads == 1 ? "" : "s",
               row[i].config.batch, row[i].config.precision, row[i].disturbed, row[i].rounds);
        any = true;
    }
}

static void print_text(const struct row *row, size_t rows, const struct style *style)
{
    const int shown = compared(row, rows) ? COLUMNS : COMPARED;
    print_head(row);
    print_titles(style, shown);
    for (size_t i = 0; i < rows; i++) print_row(&row[i], style, shown);
    print_disturbed(row, rows);
    for (size_t i = 0; i < rows; i++)
        if (row[i].last.steps) print_steps(&row[i], style);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void csv_config(const struct config *c)
{
    printf("%u,%u,%s", c->threads, c->batch, c->precision);
}

static void csv_steps(const struct row *row, size_t rows)
{
    puts("threads,batch,precision,step,operator,height,width,channels,macs,ms");
    for (size_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < row[i].last.steps; j++) {
            const struct step_time *t = &row[i].last.step[j];
            csv_config(&row[i].config);
            putchar(',');
            emit_field(FORMAT_CSV, t->name);
            printf(",%s,%u,%u,%u,%" PRIu64 ",%.6g\n", t->kind, t->height, t->width, t->channels,
                   t->macs, t->seconds * 1e3 / row[i].config.batch);
        }
}

static void csv_rows(const struct row *row, size_t rows)
{
    const int shown = compared(row, rows) ? COLUMNS : COMPARED;
    fputs("threads,batch,precision,rounds,disturbed,runs", stdout);
    for (int i = 0; i < shown; i++) printf(",%s", columns[i].key);
    puts(shown == COLUMNS ? ",change" : "");
    for (size_t i = 0; i < rows; i++) {
        csv_config(&row[i].config);
        printf(",%u,%u,%zu", row[i].rounds, row[i].disturbed, row[i].runs);
        for (int j = 0; j < shown; j++) printf(",%.6g", number(&row[i], &columns[j]));
        if (shown == COLUMNS) printf(",%s", row[i].change ? row[i].change : "new");
        putchar('\n');
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_text(const char *key, const char *value)
{
    printf("\"%s\":", key);
    emit_string(value);
    putchar(',');
}

static void json_steps(const struct row *row)
{
    fputs(",\"steps\":[", stdout);
    for (uint32_t i = 0; i < row->last.steps; i++) {
        const struct step_time *t = &row->last.step[i];
        fputs(i ? ",\n{" : "\n{", stdout);
        json_text("name", t->name);
        json_text("operator", t->kind);
        printf("\"output\":[%u,%u,%u],\"macs\":%" PRIu64 ",\"ms\":%.6g}", t->height, t->width,
               t->channels, t->macs, t->seconds * 1e3 / row->config.batch);
    }
    putchar(']');
}

static void json_row(const struct row *row)
{
    const struct config *c = &row->config;
    printf("{\"threads\":%u,\"batch\":%u,\"precision\":\"%s\",\"rounds\":%u,\"disturbed\":%u,"
           "\"runs\":%zu",
           c->threads, c->batch, c->precision, row->rounds, row->disturbed, row->runs);
    for (int i = 0; i < (row->change ? COLUMNS : COMPARED); i++)
        printf(",\"%s\":%.6g", columns[i].key, number(row, &columns[i]));
    if (row->change) printf(",\"change\":\"%s\"", row->change);
    if (row->last.steps) json_steps(row);
    putchar('}');
}

static void print_json(const struct row *row, size_t rows)
{
    char machine[256];
    const struct sample *s = &row->last;
    machine_name(machine, sizeof machine);
    putchar('{');
    json_text("machine", machine);
    json_text("version", xc_version());
    json_text("level", s->level);
    json_text("kind", s->kind);
    json_text("arch", s->arch);
    printf("\"input\":[%u,%u,%u],\"macs\":%" PRIu64 ",\n\"rows\":[", s->height, s->width,
           s->channels, s->macs);
    for (size_t i = 0; i < rows; i++) {
        fputs(i ? ",\n" : "\n", stdout);
        json_row(&row[i]);
    }
    puts("\n]}");
}

void rows_print(const struct row *row, size_t rows, enum table_format format)
{
    if (format == TABLE_JSON)
        print_json(row, rows);
    else if (format == TABLE_CSV && row->last.steps)
        csv_steps(row, rows);
    else if (format == TABLE_CSV)
        csv_rows(row, rows);
    else
        print_text(row, rows, format == TABLE_MD ? &md_style : &text_style);
}
