/* SPDX-License-Identifier: Apache-2.0 */
/* How do pictures become rows, and rows files? A layer's numbers, averaged over its pixels. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "npy.h"
#include "say.h"

enum { BATCH = 8 };

void rows_free(struct rows *r)
{
    if (!r->storage) {
        for (size_t i = 0; i < r->count; i++) free(r->path[i]);
        free(r->at);
    }
    free(r->path);
    free(r->storage);
    free(r->text);
    *r = (struct rows){0};
}

void rows_normalize(struct rows *r)
{
    for (size_t i = 0; i < r->count; i++) {
        float *row = r->at + i * r->width;
        double length = 0;
        for (size_t j = 0; j < r->width; j++) length += (double)row[j] * (double)row[j];
        const double times = length > 0 ? 1 / sqrt(length) : 0;
        for (size_t j = 0; j < r->width; j++) row[j] = (float)((double)row[j] * times);
    }
}

/* ---- computing ------------------------------------------------------------------------------- */

struct work {
    const struct pictures *pictures;
    xc_session *session;
    const char *layer;
    uint32_t h, w, c; /* of the layer */
    size_t inputs;    /* numbers of one input */
    float *input, *map;
    size_t which[BATCH]; /* pictures of this batch */
    struct rows *out;
    struct bar bar;
};

static void mean_of(const struct work *k, const float *map, float *row)
{
    const size_t pixels = (size_t)k->h * k->w;
    for (uint32_t c = 0; c < k->c; c++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += (double)map[p * k->c + c];
        row[c] = (float)(sum / (double)pixels);
    }
}

static xc_status run_batch(struct work *k, uint32_t n)
{
    struct rows *r = k->out;
    const size_t one = (size_t)k->h * k->w * k->c;
    size_t written;
    if (n == 0) return XC_OK;
    xc_status status = xc_run(k->session, k->input, n);
    if (status == XC_OK)
        status = xc_session_read(k->session, k->layer, k->map, BATCH * one, &written);
    for (uint32_t i = 0; i < n && status == XC_OK; i++) {
        float *row = r->at + r->count * r->width;
        mean_of(k, k->map + i * one, row);
        for (size_t j = 0; j < r->width; j++)
            if (!isfinite(row[j])) return XC_ERR_NUMBER;
        r->path[r->count] = strdup(k->pictures->path[k->which[i]]);
        if (!r->path[r->count++]) status = XC_ERR_MEMORY;
    }
    return status;
}

/* False: not read, and said. */
static bool load(struct work *k, size_t i, uint32_t at)
{
    const char *path = k->pictures->path[i];
    xc_image *image = NULL;
    xc_status status = picture_load(path, &image);
    if (status == XC_OK) status = xc_prepare(k->session, image, k->input + at * k->inputs);
    xc_image_free(image);
    k->which[at] = i;
    if (status == XC_OK) return true;
    bar_clear(&k->bar);
    say_picture(path, xc_error_of(status), status);
    k->out->failed++;
    return false;
}

static int run_all(struct work *k, const struct args *args)
{
    const char *policy = arg_text(args, "on-bad-image");
    const bool stop = policy && strcmp(policy, "stop") == 0;
    uint32_t n = 0;
    for (size_t i = 0; i < k->pictures->count; i++) {
        const bool good = load(k, i, n);
        if (!good && stop) return EXIT_DATA;
        n += good;
        if (bar_due(&k->bar)) bar_draw(&k->bar, "embed", i, k->pictures->count, "");
        if (n < BATCH && i + 1 < k->pictures->count) continue;
        const size_t done = k->out->count;
        const xc_status status = run_batch(k, n);
        if (status == XC_ERR_NUMBER) {
            say_error("%s: the numbers of %s are not finite",
                      k->pictures->path[k->which[k->out->count - done]], k->layer);
            return EXIT_NUMBERS;
        }
        if (status != XC_OK) return say_status(status, EXIT_MODEL);
        n = 0;
    }
    bar_clear(&k->bar);
    if (k->out->count == 0) return EXIT_DATA;
    return k->out->failed || k->pictures->unreadable ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int open_session(const struct args *args, xc_model *model, struct work *k)
{
    const char *layer = arg_text(args, "layer");
    xc_session_opts o = XC_SESSION_OPTS_INIT;
    xc_preprocess preprocess;
    int code = engine_preprocess(args, model, &preprocess);
    if (code != EXIT_DONE) return code;
    if (!arg_size(args, &o.height, &o.width)) return EXIT_USAGE;
    o.precision = engine_model_precision(args, model);
    k->layer = layer ? layer : xc_model_feature_layer(model);
    o.max_batch = BATCH;
    o.preprocess = &preprocess;
    o.taps = &k->layer;
    o.tap_count = 1;
    xc_status status = xc_session_new(model, &o, &k->session);
    if (status == XC_OK) status = xc_session_shape(k->session, k->layer, &k->h, &k->w, &k->c);
    if (status == XC_OK) return EXIT_DONE;
    return engine_layer_status(args, model, status, EXIT_MODEL);
}

static int take_memory(struct work *k)
{
    uint32_t h, w, c;
    xc_session_size(k->session, &h, &w, &c);
    k->inputs = (size_t)h * w * c;
    k->input = calloc(k->inputs, BATCH * sizeof *k->input);
    k->map = calloc((size_t)k->h * k->w * k->c, BATCH * sizeof *k->map);
    k->out->width = k->c;
    k->out->at = calloc(k->pictures->count + 1, k->c * sizeof *k->out->at);
    k->out->path = calloc(k->pictures->count + 1, sizeof *k->out->path);
    if (k->input && k->map && k->out->at && k->out->path) return EXIT_DONE;
    say_error("out of memory for %zu rows of %u numbers", k->pictures->count, k->c);
    return EXIT_LIMIT;
}

int rows_compute(const struct args *args, const struct pictures *pictures, const struct rows *known,
                 struct rows *out)
{
    struct work k = {.pictures = pictures, .out = out};
    xc_context *context = NULL;
    xc_model *model = NULL;
    int code = engine_open(args, &context);
    if (code == EXIT_DONE)
        code = engine_model(context, arg_text(args, "model"), arg_text(args, "arch"), &model);
    if (code == EXIT_DONE) code = open_session(args, model, &k);
    if (code == EXIT_DONE && known->count && !near_fits(args, known, k.c)) code = EXIT_DATA;
    if (code == EXIT_DONE) code = take_memory(&k);
    if (code == EXIT_DONE) {
        bar_begin(&k.bar, arg_on(args, "quiet"));
        code = run_all(&k, args);
    }
    free(k.input);
    free(k.map);
    xc_session_free(k.session);
    xc_model_unref(model);
    xc_context_free(context);
    return code;
}

/* ---- files ----------------------------------------------------------------------------------- */

bool rows_names(const char *path, char *names, size_t room)
{
    const size_t n = strlen(path);
    if (n < 5 || strcmp(path + n - 4, ".npy") != 0 || n + 1 > room) return false;
    memcpy(names, path, n - 4);
    memcpy(names + n - 4, ".txt", 5);
    return true;
}

bool rows_path(const char *path)
{
    char names[4096];
    if (rows_names(path, names, sizeof names)) return true;
    say_usage("%s: an index is a .npy file", path);
    return false;
}

int rows_save(const struct rows *r, const char *path)
{
    const uint64_t dim[] = {r->count, r->width};
    char names[4096];
    size_t room = 1, at = 0;
    if (!rows_names(path, names, sizeof names)) return EXIT_USAGE;
    for (size_t i = 0; i < r->count; i++) room += strlen(r->path[i]) + 1;
    char *text = malloc(room);
    if (!text) {
        say_error("out of memory");
        return EXIT_LIMIT;
    }
    for (size_t i = 0; i < r->count; i++)
        at += (size_t)snprintf(text + at, room - at, "%s\n", r->path[i]);
    xc_status status = xc_file_write(names, text, at); /* first: a list is no index */
    if (status == XC_OK) status = npy_save(path, r->at, 2, dim);
    free(text);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}

/* One name a row; the lines stay where they are. */
static bool read_names(const char *names, struct rows *out)
{
    FILE *f = fopen(names, "rb");
    size_t room = 0, lines = 0;
    if (!f) return false;
    out->path = calloc(out->count + 1, sizeof *out->path);
    const ssize_t length = getdelim(&out->text, &room, '\0', f);
    fclose(f);
    if (!out->path || length < 0) return false;
    char *rest = out->text;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        if (lines == out->count) return false;
        out->path[lines++] = line;
    }
    return lines == out->count;
}

int rows_load(const char *path, struct rows *out)
{
    struct npy npy;
    char why[128], names[4096];
    if (!npy_load(path, &npy, why, sizeof why)) {
        say_error("%s: %s", path, why);
        return EXIT_DATA;
    }
    out->storage = npy.bytes;
    out->at = npy.bytes;
    out->count = (size_t)npy.rows;
    out->width = (size_t)npy.columns;
    for (size_t i = 0; i < out->count * out->width; i++)
        if (!isfinite(out->at[i])) {
            say_error("%s: row %zu has a number that is not finite", path, i / out->width);
            return EXIT_DATA;
        }
    if (rows_names(path, names, sizeof names) && read_names(names, out)) return EXIT_DONE;
    say_error("%s: there are no %zu names beside it in a .txt file", path, out->count);
    return EXIT_DATA;
}
