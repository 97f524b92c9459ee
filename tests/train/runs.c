/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures made on the fly, a small network, and files compared. */
#include "train/runs.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "train/history.h"
#include "weight/weight.h"

enum { SIDE = 15, CLASSES = 3, TRAIN = 48, VAL = 18 };

static const struct kind {
    int side;
    bool several, broken, unequal;
    float red, others; /* what a sample weighs */
} kinds[] = {[RUNS_USUAL] = {SIDE, .red = 1, .others = 1},
             [RUNS_OTHER] = {SIDE + 1, .red = 1, .others = 1},
             [RUNS_SEVERAL] = {SIDE, .several = true, .red = 1, .others = 1},
             [RUNS_BROKEN] = {SIDE, .broken = true, .red = 1, .others = 1},
             [RUNS_UNEQUAL] = {SIDE, .unequal = true, .red = 1, .others = 1},
             [RUNS_DOUBLE] = {SIDE, .red = 2, .others = 2},
             [RUNS_NO_RED] = {SIDE, .red = 0, .others = 1},
             [RUNS_NOTHING] = {SIDE, .red = 0, .others = 0}};

enum { RED = 4 };

/* The colours of picture i, as bits: blue 1, green 2, red 4. */
static int colours(const struct kind *kind, uint64_t i)
{
    static const int unequal[] = {4, 4, 4, 2, 2, 1};
    if (kind->unequal) return unequal[i % 6];
    return kind->several ? 1 + (int)(i * 5 % 7) : 1 << i % CLASSES;
}

static xc_status describe(void *user, uint64_t i, xc_source_sample *out)
{
    static const char *const label[] = {"",    "blue",     "green",     "blue|green",
                                        "red", "blue|red", "green|red", "blue|green|red"};
    static char name[16];
    const struct kind *kind = user;
    snprintf(name, sizeof name, "%03d.ppm", (int)i);
    out->name = name;
    out->label = label[colours(kind, i)];
    out->bytes = (uint64_t)(kind->side * kind->side);
    out->weight = colours(kind, i) == RED ? kind->red : kind->others;
    out->split = i < TRAIN ? XC_SPLIT_TRAIN : XC_SPLIT_VAL;
    return XC_OK;
}

static xc_status read_picture(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    const struct kind *kind = user;
    const int side = kind->side;
    char head[32];
    const int length = snprintf(head, sizeof head, "P6 %d %d 255\n", side, side);
    *size = (size_t)length + (size_t)(3 * side * side);
    if (*size > room) return XC_OK;
    uint8_t *out = (uint8_t *)to + length;
    memcpy(to, head, (size_t)length);
    for (int k = 0; k < 3 * side * side; k++) {
        const float noise = rng_uniform(5, RNG_TEST, (uint32_t)i, 0, (uint32_t)k);
        const int strong = colours(kind, i) >> (2 - k % 3) & 1;
        out[k] = (uint8_t)(noise * 160 + (strong ? 90 : 20));
    }
    if (kind->broken && i % 10 == 3) *size /= 2;
    return XC_OK;
}

xc_dataset *runs_data(enum runs_kind which)
{
    xc_dataset *set = NULL;
    union {
        const struct kind *from;
        void *to;
    } kind = {.from = &kinds[which]};
    const xc_source source = {.size = sizeof source,
                              .user = kind.to,
                              .samples = TRAIN + VAL,
                              .describe = describe,
                              .read = read_picture};
    if (xc_dataset_new(&source, NULL, &set) != XC_OK) print_error("%s\n", xc_error());
    assert_non_null(set);
    return set;
}

char *runs_folder(void)
{
    char *folder = strdup("/tmp/xception-runs-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

void runs_end(char *folder)
{
    char *command = NULL;
    assert_true(asprintf(&command, "rm -rf '%s'", folder) > 0);
    assert_int_equal(system(command), 0);
    free(command);
    free(folder);
}

xc_context *runs_context(int threads)
{
    xc_context *context = NULL;
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    opts.threads = threads;
    assert_int_equal(xc_context_new(&opts, &context), XC_OK);
    return context;
}

xc_train_opts runs_opts(const char *folder, const char *name)
{
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    opts.folder = path;
    opts.arch = RUNS_ARCH;
    opts.recipe = "cifar";
    opts.augment = "pad=2,flip";
    opts.epochs = 3;
    opts.batch = 12;
    opts.lr = 0.05;
    opts.warmup = 0;
    opts.ema = 0.9;
    opts.seed = 7;
    return opts;
}

xc_train_opts runs_opts_adamw(const char *folder, const char *name)
{
    xc_train_opts opts = runs_opts(folder, name);
    opts.optimizer = "adamw";
    opts.lr = 0.002;
    opts.batch = 6;
    opts.accumulate = 2;
    return opts;
}

void runs_opts_free(xc_train_opts *opts)
{
    union {
        const char *from;
        void *to;
    } path = {.from = opts->folder};
    free(path.to);
}

char *runs_read(const char *folder, const char *name, const char *file, size_t *size)
{
    char *path = NULL, *bytes = NULL;
    assert_true(asprintf(&path, "%s/%s/%s", folder, name, file) > 0);
    FILE *in = fopen(path, "rb");
    if (!in) print_error("%s is not there\n", path);
    assert_non_null(in);
    fseek(in, 0, SEEK_END);
    *size = (size_t)ftell(in);
    rewind(in);
    bytes = calloc(1, *size + 1);
    assert_int_equal(fread(bytes, 1, *size, in), *size);
    fclose(in);
    free(path);
    return bytes;
}

void runs_train(const xc_train_opts *opts, enum runs_kind kind, int threads, xc_status expected)
{
    xc_dataset *data = runs_data(kind);
    xc_context *context = runs_context(threads);
    const xc_status status = xc_train(context, data, opts);
    if (status != expected) print_error("%s\n", xc_error());
    assert_int_equal(status, expected);
    xc_context_free(context);
    xc_dataset_free(data);
}

void runs_resume(const xc_train_opts *opts, enum runs_kind kind, xc_status expected)
{
    xc_dataset *data = runs_data(kind);
    xc_context *context = runs_context(2);
    const xc_status status = xc_train_resume(context, data, opts);
    if (status != expected) print_error("%s\n", xc_error());
    assert_int_equal(status, expected);
    xc_context_free(context);
    xc_dataset_free(data);
}

int runs_rows(const char *folder, const char *name)
{
    size_t size;
    int lines = 0;
    char *csv = runs_read(folder, name, "metrics.csv", &size);
    for (const char *c = csv; *c; c++) lines += *c == '\n';
    free(csv);
    return lines - 1;
}

double runs_last(const char *folder, const char *name, const char *column)
{
    size_t size;
    char *csv = runs_read(folder, name, "metrics.csv", &size);
    const char *at = strstr(csv, column), *row = csv;
    assert_non_null(at);
    for (const char *line = csv; (line = strchr(line, '\n')) && line[1];) row = ++line;
    for (const char *c = csv; c < at; c++)
        if (*c == ',') row = strchr(row, ',') + 1;
    const double value = strtod(row, NULL);
    free(csv);
    return value;
}

static bool same_file(const char *folder, const char *a, const char *b, const char *file)
{
    size_t na, nb;
    char *x = runs_read(folder, a, file, &na), *y = runs_read(folder, b, file, &nb);
    const bool same = na == nb && memcmp(x, y, na) == 0;
    if (!same) print_error("%s of %s and %s differ\n", file, a, b);
    free(x);
    free(y);
    return same;
}

/* Clears the columns of time: seconds (2) and images_per_second (the last). */
static void without_times(char *csv)
{
    int column = 0;
    for (char *c = csv; *c; c++) {
        column = *c == ',' ? column + 1 : *c == '\n' ? 0 : column;
        if ((column == 2 || column == 9) && *c != ',') *c = '_';
    }
}

/* Numbers of several lengths become one '_'. */
static void squeeze(char *text)
{
    char *to = text;
    for (char *c = text; *c; c++)
        if (*c != '_' || to == text || to[-1] != '_') *to++ = *c;
    *to = '\0';
}

static bool same_metrics(const char *folder, const char *a, const char *b)
{
    size_t na, nb;
    char *x = runs_read(folder, a, "metrics.csv", &na),
         *y = runs_read(folder, b, "metrics.csv", &nb);
    without_times(x);
    without_times(y);
    squeeze(x);
    squeeze(y);
    const bool same = strcmp(x, y) == 0;
    if (!same) print_error("metrics of %s and %s differ:\n%s%s", a, b, x, y);
    free(x);
    free(y);
    return same;
}

/* ---- states ---------------------------------------------------------------------------------- */

/* All tensors; of the history all columns but those of time. */
static bool same_tensor(const struct weight_tensor *x, const struct weight_tensor *y)
{
    if (!y || x->count != y->count || x->bytes != y->bytes) return false;
    if (strcmp(x->name, "history") != 0) return memcmp(x->data, y->data, x->bytes) == 0;
    for (size_t i = 0; i < x->count; i++) {
        const size_t column = i % HISTORY_WIDTH;
        const bool time = column == offsetof(struct history_row, seconds) / sizeof(double) ||
                          column == HISTORY_WIDTH - 1;
        if (!time && memcmp(x->data + 8 * i, y->data + 8 * i, 8) != 0) return false;
    }
    return true;
}

/* The cursor without its last member, the seconds. */
static bool same_cursor(const struct weight_file *x, const struct weight_file *y)
{
    const char *a = weight_meta_find(x, "cursor"), *b = weight_meta_find(y, "cursor");
    const char *end = a ? strstr(a, "\"seconds\"") : NULL;
    return end && b && strncmp(a, b, (size_t)(end - a)) == 0;
}

static bool same_state(const char *folder, const char *a, const char *b)
{
    const char *run[] = {a, b};
    char *bytes[2];
    size_t size;
    struct weight_file file[2];
    struct error err;
    for (int i = 0; i < 2; i++) {
        bytes[i] = runs_read(folder, run[i], "state.safetensors", &size);
        assert_int_equal(safetensors_read(bytes[i], size, &file[i], &err), XC_OK);
    }
    bool same = file[0].tensors == file[1].tensors && same_cursor(&file[0], &file[1]);
    if (!same) print_error("cursors of %s and %s differ\n", a, b);
    for (int i = 0; same && i < file[0].tensors; i++) {
        const struct weight_tensor *t = &file[0].tensor[i];
        same = same_tensor(t, weight_find(&file[1], t->name));
        if (!same) print_error("%s in the states of %s and %s differ\n", t->name, a, b);
    }
    for (int i = 0; i < 2; i++) {
        weight_file_free(&file[i]);
        free(bytes[i]);
    }
    return same;
}

bool runs_same_results(const char *folder, const char *a, const char *b)
{
    return same_file(folder, a, b, "best.safetensors") &&
           same_file(folder, a, b, "last.safetensors") && same_metrics(folder, a, b);
}

bool runs_same(const char *folder, const char *a, const char *b)
{
    return runs_same_results(folder, a, b) && same_state(folder, a, b);
}
