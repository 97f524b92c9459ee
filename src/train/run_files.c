/* SPDX-License-Identifier: Apache-2.0 */
/* How is each file of a run folder written? */
#include "train/run_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "data/sheet.h"
#include "image/draw.h"

char *files_path(const char *folder, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* What the network sees of the first samples of a split. */
static xc_status write_sheet(const struct trainer *t, uint8_t split, const char *path,
                             struct error *err)
{
    const struct shape in = t->model->graph->input;
    struct sheet_opts o = {.split = split,
                           .h = in.h,
                           .w = in.w,
                           .columns = 8,
                           .rows = 4,
                           .preprocess = &t->model->meta.preprocess,
                           .seed = t->s.seed};
    xc_image *image = NULL;
    uint8_t *png = NULL;
    size_t size = 0;
    if (split == XC_SPLIT_TRAIN && trainer_augments(t))
        TRY(augment_parse(t->s.augment, &o.augment, err));
    xc_status status = sheet_make(t->data, &o, &image, err);
    while (status == XC_ERR_LIMIT && o.columns > 1) { /* large pictures: fewer of them */
        o.columns /= 2;
        o.rows = (o.rows + 1) / 2;
        status = sheet_make(t->data, &o, &image, err);
    }
    if (status == XC_ERR_LIMIT) return XC_OK; /* one alone is too large */
    if (status == XC_OK) status = png_encode(image, &png, &size, err);
    image_free(image);
    if (status == XC_ERR_UNSUPPORTED) return XC_OK; /* a build without PNG */
    if (status == XC_OK) status = file_write(path, png, size, err);
    free(png);
    return status;
}

/* Which samples were held out. */
static xc_status write_split(const struct dataset *d, const char *path, struct error *err)
{
    struct text text = {0};
    text_add(&text, "path,label,split\n");
    for (size_t i = 0; i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        text_add_csv(&text, s->name);
        text_add(&text, ",");
        text_add_csv(&text, d->class_name[s->label]);
        text_add(&text, ",%s\n", split_name((xc_split)s->split));
    }
    const xc_status status =
        text.failed ? fail_memory(err, text.size) : file_write(path, text.at, text.size, err);
    free(text.at);
    return status;
}

/* ---- pictures that cannot be read ------------------------------------------------------------ */

struct lines {
    const char **at;
    size_t count, room;
};

static bool add_line(struct lines *l, const char *line)
{
    if (l->count == l->room) {
        const size_t room = 2 * l->room + 16;
        const char **more = realloc(l->at, room * sizeof *more);
        if (!more) return false;
        l->at = more;
        l->room = room;
    }
    l->at[l->count++] = line;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those that an earlier process met, and this one's: sorted, each once. free(out->at) */
static xc_status bad_lines(const struct run_state *s, struct lines *out, struct error *err)
{
    const struct feed *feed[] = {s->trainer->train, s->trainer->val};
    bool good = true;
    size_t kept = 0;
    *out = (struct lines){0};
    for (size_t at = 0; good && at < s->bad_size; at += strlen(s->bad + at) + 1)
        good = add_line(out, s->bad + at);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; good && feed[k] && feed_bad(feed[k], i); i++)
            good = add_line(out, feed_bad(feed[k], i));
    if (!good) {
        free(out->at);
        return fail_memory(err, out->room * sizeof *out->at);
    }
    if (out->count) qsort(out->at, out->count, sizeof *out->at, by_text);
    for (size_t i = 0; i < out->count; i++)
        if (kept == 0 || strcmp(out->at[i], out->at[kept - 1]) != 0) out->at[kept++] = out->at[i];
    out->count = kept;
    return XC_OK;
}

xc_status files_bad(const struct run_state *s, uint64_t *count, struct error *err)
{
    struct lines lines;
    TRY(bad_lines(s, &lines, err));
    *count = lines.count;
    free(lines.at);
    return XC_OK;
}

xc_status files_keep_bad(struct run_state *s, struct error *err)
{
    struct lines lines;
    size_t size = 0, used = 0;
    TRY(bad_lines(s, &lines, err));
    for (size_t i = 0; i < lines.count; i++) size += strlen(lines.at[i]) + 1;
    char *bad = size > 0 ? malloc(size) : NULL;
    for (size_t i = 0; bad && i < lines.count; i++)
        used = (size_t)(stpcpy(bad + used, lines.at[i]) - bad) + 1;
    free(lines.at);
    if (size > 0 && !bad) return fail_memory(err, size);
    free(s->bad);
    s->bad = bad;
    s->bad_size = size;
    return XC_OK;
}

static xc_status write_bad(const struct run_state *s, const char *path, struct error *err)
{
    struct text text = {0};
    struct lines lines;
    TRY(bad_lines(s, &lines, err));
    for (size_t i = 0; i < lines.count; i++) text_add(&text, "%s\n", lines.at[i]);
    free(lines.at);
    xc_status status = text.failed ? fail_memory(err, text.size) : XC_OK;
    if (status == XC_OK && text.size > 0) status = file_write(path, text.at, text.size, err);
    free(text.at);
    return status;
}

xc_status files_read_bad(struct run_state *s, const char *folder, struct error *err)
{
    enum { MOST = 1 << 28 };
    char *path = files_path(folder, "bad.txt");
    struct file_view view;
    xc_status status = path ? XC_OK : fail_memory(err, 1);
    if (status == XC_OK && access(path, F_OK) == 0 &&
        (status = file_read(path, MOST, &view, err)) == XC_OK) {
        s->bad = file_text(&view);
        if (!s->bad) status = fail_memory(err, view.size);
        s->bad_size = s->bad ? view.size : 0;
        for (size_t i = 0; i < s->bad_size; i++)
            if (s->bad[i] == '\n') s->bad[i] = '\0';
        file_release(&view);
    }
    free(path);
    return status;
}

/* ---- which ones ------------------------------------------------------------------------------ */

enum file {
    FILE_ARGS,
    FILE_SPLIT,
    FILE_SHEET_TRAIN,
    FILE_SHEET_VAL,
    FILE_BEST,
    FILE_LAST,
    FILE_METRICS,
    FILE_CURVES,
    FILE_EVENTS,
    FILE_BAD,
    FILE_STATE,
    FILES
};

static const char *const name[FILES] = {[FILE_ARGS] = "args.json",
                                        [FILE_SPLIT] = "split.csv",
                                        [FILE_SHEET_TRAIN] = "batch-train.png",
                                        [FILE_SHEET_VAL] = "batch-val.png",
                                        [FILE_BEST] = "best.safetensors",
                                        [FILE_LAST] = "last.safetensors",
                                        [FILE_METRICS] = "metrics.csv",
                                        [FILE_CURVES] = "curves.svg",
                                        [FILE_EVENTS] = "events.out.tfevents.0.xception",
                                        [FILE_BAD] = "bad.txt",
                                        [FILE_STATE] = "state.safetensors"};

static xc_status write_one(const struct run_state *s, const char *folder, enum file file,
                           const char *path, struct error *err)
{
    switch (file) {
    case FILE_ARGS:
        return file_write(path, s->args, strlen(s->args), err);
    case FILE_SPLIT:
        return s->trainer->data->val_split > 0 ? write_split(s->trainer->data, path, err) : XC_OK;
    case FILE_SHEET_TRAIN:
        return write_sheet(s->trainer, XC_SPLIT_TRAIN, path, err);
    case FILE_SHEET_VAL:
        return write_sheet(s->trainer, XC_SPLIT_VAL, path, err);
    case FILE_BEST:
        return trainer_save(s->trainer, true, path, err);
    case FILE_LAST:
        return trainer_save(s->trainer, false, path, err);
    case FILE_METRICS:
        return history_csv(&s->history, path, err);
    case FILE_CURVES:
        return s->history.rows ? history_svg(&s->history, folder, path, err) : XC_OK;
    case FILE_EVENTS:
        return history_events(&s->history, (double)time(NULL) - s->seconds, path, err);
    case FILE_BAD:
        return write_bad(s, path, err);
    default:
        return state_write(s, path, err);
    }
}

static xc_status write_from(const struct run_state *s, const char *folder, int from, int end,
                            struct error *err)
{
    for (int i = from; i < end; i++) {
        char *path = files_path(folder, name[i]);
        const xc_status status =
            path ? write_one(s, folder, (enum file)i, path, err) : fail_memory(err, 1);
        free(path);
        TRY(status);
    }
    return XC_OK;
}

/* What a run writes before its first state, the log aside. */
static bool is_early(const char *entry)
{
    int number, end = 0;
    for (int i = 0; i < FILES; i++)
        if (i != FILE_CURVES && i != FILE_BAD && i != FILE_STATE && strcmp(entry, name[i]) == 0)
            return true;
    if (sscanf(entry, "teacher-%d.safetensors%n", &number, &end) == 1 && end > 0 && !entry[end])
        return true;
    return strncmp(entry, ".xception-", 10) == 0;
}

/* A second line of metrics.csv: an epoch was done, and its weights are worth something. */
static bool has_epoch(const char *folder)
{
    char *path = files_path(folder, name[FILE_METRICS]);
    FILE *f = path ? fopen(path, "r") : NULL;
    int lines = 0;
    for (int c; f && lines < 2 && (c = getc(f)) != EOF;) lines += c == '\n';
    if (f) fclose(f);
    free(path);
    return lines > 1;
}

/* The log comes first: what looks like a run's files without one is somebody's. */
bool files_unborn(const char *folder)
{
    DIR *dir = opendir(folder);
    bool early = dir != NULL, files = false, log = false;
    for (struct dirent *e; early && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (strcmp(e->d_name, "log.txt") == 0)
            log = true;
        else
            early = files = is_early(e->d_name);
    }
    if (dir) closedir(dir);
    return early && (log || !files) && !has_epoch(folder);
}

void files_clear(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (is_early(e->d_name)) unlinkat(dirfd(dir), e->d_name, 0);
    if (dir) closedir(dir);
}

xc_status files_begin(const struct run_state *s, const char *folder, struct error *err)
{
    return write_from(s, folder, FILE_ARGS, FILE_BEST, err);
}

xc_status files_save(const struct run_state *s, const char *folder, bool best, struct error *err)
{
    return write_from(s, folder, best ? FILE_BEST : FILE_LAST, FILES, err);
}

/* ---- teachers -------------------------------------------------------------------------------- */

static char *teacher_path(const char *folder, int i)
{
    char *path = NULL;
    return asprintf(&path, "%s/teacher-%d.safetensors", folder, i + 1) < 0 ? NULL : path;
}

xc_status files_teachers(const struct teacher_models *m, const char *folder, struct error *err)
{
    const xc_save_opts opts = XC_SAVE_OPTS_INIT;
    for (int i = 0; i < m->count; i++) {
        char *path = teacher_path(folder, i);
        const xc_status status =
            path ? model_save(m->model[i], path, &opts, err) : fail_memory(err, 1);
        free(path);
        TRY(status);
    }
    return XC_OK;
}

static xc_status open_model(const struct machine *m, const char *path, xc_model **out,
                            struct error *err)
{
    struct file_view view;
    TRY(file_map(path, FILES_MODEL_MAX, &view, err));
    const xc_status status = model_from_file(m, path, view, out, err);
    if (status != XC_OK) file_release(&view);
    return status;
}

xc_status files_read_teachers(const struct machine *m, const char *folder, int count,
                              struct teacher_models *out, struct error *err)
{
    *out = (struct teacher_models){.count = 0};
    for (int i = 0; i < count; i++) {
        char *path = teacher_path(folder, i);
        const xc_status status =
            path ? open_model(m, path, &out->model[i], err) : fail_memory(err, 1);
        free(path);
        if (status != XC_OK) teacher_models_unref(out);
        TRY(status);
        out->count++;
    }
    return XC_OK;
}
