/* SPDX-License-Identifier: Apache-2.0 */
/* Which pictures are alike? By the cosine of their rows, all against all. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "say.h"

enum { NEIGHBOURS = 5, THRESHOLD = 95 };

static float cosine(const float *a, const float *b, size_t width)
{
    float part[8] = {0}, sum = 0;
    size_t j = 0;
    for (; j + 8 <= width; j += 8)
        for (int k = 0; k < 8; k++) part[k] += a[j + (size_t)k] * b[j + (size_t)k];
    for (; j < width; j++) sum += a[j] * b[j];
    for (int k = 0; k < 8; k++) sum += part[k];
    return sum;
}

/* ---- nearest --------------------------------------------------------------------------------- */

struct hit {
    float alike;
    size_t row;
};

/* The k nearest rows, nearest first; of equals the earlier. */
static size_t find(const struct rows *index, const float *query, struct hit *hit, size_t k)
{
    size_t found = 0;
    for (size_t i = 0; i < index->count; i++) {
        const float alike = cosine(query, index->at + i * index->width, index->width);
        if (found == k && !(alike > hit[k - 1].alike)) continue;
        size_t at = found < k ? found++ : k - 1;
        for (; at > 0 && alike > hit[at - 1].alike; at--) hit[at] = hit[at - 1];
        hit[at] = (struct hit){alike, i};
    }
    return found;
}

static void print_hits(enum format format, const char *path, const struct rows *index,
                       const struct hit *hit, size_t found)
{
    const char separator = format == FORMAT_CSV ? ',' : '\t';
    if (format == FORMAT_JSONL) {
        fputs("{\"path\":", stdout);
        emit_string(path);
        fputs(",\"nearest\":[", stdout);
    }
    for (size_t i = 0; i < found; i++) {
        const char *name = index->path[hit[i].row];
        if (format == FORMAT_JSONL) {
            fputs(i ? ",{\"path\":" : "{\"path\":", stdout);
            emit_string(name);
            printf(",\"cosine\":%.6f}", (double)hit[i].alike);
        } else {
            emit_field(format, path);
            printf("%c%zu%c", separator, i + 1, separator);
            emit_field(format, name);
            printf("%c%.6f\n", separator, (double)hit[i].alike);
        }
    }
    if (format == FORMAT_JSONL) puts("]}");
}

bool near_fits(const struct args *args, const struct rows *index, size_t width)
{
    if (index->width == width) return true;
    say_error("%s: rows of %zu numbers, this model gives %zu", arg_text(args, "nearest"),
              index->width, width);
    return false;
}

int near_print(const struct args *args, struct rows *index, struct rows *queries)
{
    const size_t k = arg_number(args, "top", NEIGHBOURS);
    const enum format format = format_of(arg_text(args, "format"));
    if (!near_fits(args, index, queries->width)) return EXIT_DATA;
    struct hit *hit = calloc(k, sizeof *hit);
    if (!hit) {
        say_error("out of memory for %zu neighbours", k);
        return EXIT_LIMIT;
    }
    rows_normalize(index);
    rows_normalize(queries);
    if (format == FORMAT_CSV) puts("path,rank,nearest,cosine");
    for (size_t i = 0; i < queries->count; i++) {
        const size_t found = find(index, queries->at + i * queries->width, hit, k);
        print_hits(format, queries->path[i], index, hit, found);
    }
    free(hit);
    return EXIT_DONE;
}

/* ---- duplicates ------------------------------------------------------------------------------ */

struct pair {
    float alike;
    size_t a, b;
};

static int most_alike_first(const void *x, const void *y)
{
    const struct pair *p = x, *q = y;
    if (p->alike != q->alike) return p->alike < q->alike ? 1 : -1;
    if (p->a != q->a) return p->a < q->a ? -1 : 1;
    return p->b < q->b ? -1 : p->b > q->b;
}

#define ROUNDING 1e-6F /* of a row's cosine with itself */

static bool find_pairs(const struct rows *r, float least, struct pair **out, size_t *count)
{
    size_t room = 0;
    for (size_t i = 0; i < r->count; i++)
        for (size_t j = i + 1; j < r->count; j++) {
            const float alike = cosine(r->at + i * r->width, r->at + j * r->width, r->width);
            if (!(alike >= least - ROUNDING)) continue;
            if (*count == room) {
                room = room ? 2 * room : 256;
                struct pair *more = realloc(*out, room * sizeof *more);
                if (!more) return false;
                *out = more;
            }
            (*out)[(*count)++] = (struct pair){alike, i, j};
        }
    return true;
}

int duplicates_print(const struct args *args, struct rows *rows)
{
    const uint32_t percent = arg_number(args, "threshold", THRESHOLD);
    const enum format format = format_of(arg_text(args, "format"));
    const char separator = format == FORMAT_CSV ? ',' : '\t';
    struct pair *pair = NULL;
    size_t count = 0;
    rows_normalize(rows);
    if (!find_pairs(rows, (float)percent / 100, &pair, &count)) {
        free(pair);
        say_error("out of memory: more than %zu pairs", count);
        return EXIT_LIMIT;
    }
    if (count) qsort(pair, count, sizeof *pair, most_alike_first);
    if (format == FORMAT_CSV) puts("path,other,cosine");
    for (size_t i = 0; i < count; i++) {
        const char *a = rows->path[pair[i].a], *b = rows->path[pair[i].b];
        if (format == FORMAT_JSONL) {
            fputs("{\"path\":", stdout);
            emit_string(a);
            fputs(",\"other\":", stdout);
            emit_string(b);
            printf(",\"cosine\":%.6f}\n", (double)pair[i].alike);
            continue;
        }
        emit_field(format, a);
        putchar(separator);
        emit_field(format, b);
        printf("%c%.6f\n", separator, (double)pair[i].alike);
    }
    free(pair);
    return count ? EXIT_SOME_FAILED : EXIT_DONE;
}
