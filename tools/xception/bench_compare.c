/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is it faster than it was? The rows of an older `--format json`, found by threads, batch and
 * precision. A change is one when the ratio leaves what the rounds of both spread over, and 1 %.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "say.h"

#define LEAST_CHANGE 0.01

struct old {
    double ms, low, high;
};

/* The member `key` of a row; false when it is no number above zero. */
static bool take(const json_t *row, const char *key, double *out)
{
    const json_t *value = json_object_get(row, key);
    *out = json_is_number(value) ? json_number_value(value) : 0;
    return *out > 0;
}

static bool is_config(const json_t *row, const struct config *c)
{
    double threads, batch;
    const char *precision = json_string_value(json_object_get(row, "precision"));
    return take(row, "threads", &threads) && take(row, "batch", &batch) && precision &&
           (uint32_t)threads == c->threads && (uint32_t)batch == c->batch &&
           strcmp(precision, c->precision) == 0;
}

static double spread(double low, double high, double middle)
{
    return (high - low) / 2 / middle;
}

static void compare(struct row *row, const struct old *old)
{
    const double noise = LEAST_CHANGE + spread(old->low, old->high, old->ms) +
                         spread(row->low_ms, row->high_ms, row->ms);
    row->old_ms = old->ms;
    row->ratio = row->ms / old->ms;
    row->change = row->ratio > 1 + noise ? "slower" : row->ratio < 1 - noise ? "faster" : "same";
}

/* The sentence names the place: path, and the row of the file. */
static int compare_row(struct row *row, const json_t *list, const char *path)
{
    struct old old;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (!is_config(entry, &row->config)) continue;
        if (!take(entry, "ms", &old.ms) || !take(entry, "low_ms", &old.low) ||
            !take(entry, "high_ms", &old.high)) {
            say_error("--compare: %s: row %zu: ms, low_ms and high_ms are not all numbers above 0",
                      path, i);
            return EXIT_DATA;
        }
        compare(row, &old);
        break;
    }
    return EXIT_DONE;
}

/* Are the file's numbers of the same kind? Older ones do not say. */
static int same_kind(const json_t *root, const struct sample *now, const char *path)
{
    const char *kind = json_string_value(json_object_get(root, "kind"));
    const char *level = json_string_value(json_object_get(root, "level"));
    if (!kind) kind = now->kind;
    if (!level) level = now->level;
    if (!strcmp(kind, "training") != !strcmp(now->kind, "training")) {
        say_error("--compare: %s: %s, not %s", path, kind, now->kind);
        return EXIT_DATA;
    }
    if (strcmp(kind, now->kind) != 0 || strcmp(level, now->level) != 0)
        say_hint("--compare: %s: %s with %s kernels, this is %s with %s", path, kind, level,
                 now->kind, now->level);
    return EXIT_DONE;
}

/* Is the file about the same network at the same size? */
static int same_network(const json_t *root, const struct sample *now, const char *path)
{
    const char *arch = json_string_value(json_object_get(root, "arch"));
    const json_t *input = json_object_get(root, "input");
    const json_int_t side[3] = {now->height, now->width, now->channels};
    bool same = arch && strcmp(arch, now->arch) == 0;
    for (size_t i = 0; i < 3; i++)
        same = same && json_integer_value(json_array_get(input, i)) == side[i];
    if (same) return EXIT_DONE;
    say_error("--compare: %s: of %s at %dx%d, not of %s at %ux%u", path, arch ? arch : "nothing",
              (int)json_integer_value(json_array_get(input, 0)),
              (int)json_integer_value(json_array_get(input, 1)), now->arch, now->height,
              now->width);
    return EXIT_DATA;
}

int rows_compare(struct row *row, size_t rows, const char *path)
{
    json_error_t error;
    FILE *in = fopen(path, "rbe");
    if (!in) {
        say_error("%s: cannot open: %s [XC-E0003]", path, strerror(errno));
        return EXIT_DATA;
    }
    json_t *root = json_loadf(in, 0, &error);
    fclose(in);
    if (!root) {
        say_error("%s: %s [XC-E0004]", path, error.text);
        return EXIT_DATA;
    }
    const json_t *list = json_object_get(root, "rows");
    int code = EXIT_DONE;
    if (!json_is_array(list)) {
        say_error("--compare: %s: has no rows, so it is not of xception bench --format json", path);
        code = EXIT_DATA;
    }
    if (code == EXIT_DONE && rows) code = same_network(root, &row->last, path);
    if (code == EXIT_DONE && rows) code = same_kind(root, &row->last, path);
    for (size_t i = 0; i < rows && code == EXIT_DONE; i++) code = compare_row(&row[i], list, path);
    json_decref(root);
    return code;
}
