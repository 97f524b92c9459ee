/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures made on the fly, a small network, and files compared. */
#include "train/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

enum { SIDE = 15, CLASSES = 3, TRAIN = 48, VAL = 18 };

static const int usual = SIDE, larger = SIDE + 1;

static xc_status describe(void *user, uint64_t i, xc_source_sample *out)
{
    static const char *const label[CLASSES] = {"blue", "green", "red"};
    static char name[16];
    const int side = *(const int *)user;
    snprintf(name, sizeof name, "%03d.ppm", (int)i);
    out->name = name;
    out->label = label[i % CLASSES];
    out->bytes = (uint64_t)(side * side);
    out->split = i < TRAIN ? XC_SPLIT_TRAIN : XC_SPLIT_VAL;
    return XC_OK;
}

static xc_status read_picture(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    const int side = *(const int *)user;
    char head[32];
    const int length = snprintf(head, sizeof head, "P6 %d %d 255\n", side, side);
    *size = (size_t)length + (size_t)(3 * side * side);
    if (*size > room) return XC_OK;
    uint8_t *out = (uint8_t *)to + length;
    memcpy(to, head, (size_t)length);
    for (int k = 0; k < 3 * side * side; k++) {
        const float noise = rng_uniform(5, RNG_TEST, (uint32_t)i, 0, (uint32_t)k);
        const int strong = k % 3 == 2 - (int)(i % CLASSES);
        out[k] = (uint8_t)(noise * 160 + (strong ? 90 : 20));
    }
    return XC_OK;
}

xc_dataset *runs_data(bool other)
{
    xc_dataset *set = NULL;
    union {
        const int *from;
        void *to;
    } side = {.from = other ? &larger : &usual};
    const xc_source source = {.size = sizeof source,
                              .user = side.to,
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

bool runs_same(const char *folder, const char *a, const char *b)
{
    return same_file(folder, a, b, "best.safetensors") &&
           same_file(folder, a, b, "last.safetensors") && same_metrics(folder, a, b);
}
