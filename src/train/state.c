/* SPDX-License-Identifier: Apache-2.0 */
/* What must be on disk so that a run goes on with the same bits? */
#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "model/meta.h"

#define STATE_FORMAT "xception-train-1"
#define STATE_MAX ((size_t)1 << 36)
enum { STATE_KEYS = META_KEYS + 3, STATE_TENSORS = TRAINER_BLOCKS + 1 };

/* ---- the cursor as JSON ---------------------------------------------------------------------- */

#define CURSOR_FORMAT "{s:I,s:i,s:I,s:I,s:I,s:I,s:F,s:F,s:i,s:F}"

static json_t *cursor_json(const struct run_state *s)
{
    const struct cursor *c = &s->trainer->at;
    return json_pack("{s:I,s:i,s:I,s:I,s:I,s:I,s:f,s:f,s:i,s:f}", "step", (json_int_t)c->step,
                     "epoch", (int)c->epoch, "position", (json_int_t)c->position, "rows",
                     (json_int_t)c->sum.rows, "top1", (json_int_t)c->sum.top1, "top5",
                     (json_int_t)c->sum.top5, "loss", c->sum.loss, "best_top1", c->best_top1,
                     "best_epoch", (int)c->best_epoch, "seconds", s->seconds);
}

static xc_status cursor_read(const char *text, struct cursor *c, double *seconds, struct error *err)
{
    json_int_t step, position, rows, top1, top5;
    int epoch, best_epoch;
    json_error_t where = {.text = "not a JSON object"};
    json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, &where) : NULL;
    const int bad =
        !json || json_unpack_ex(json, &where, JSON_STRICT, CURSOR_FORMAT, "step", &step, "epoch",
                                &epoch, "position", &position, "rows", &rows, "top1", &top1, "top5",
                                &top5, "loss", &c->sum.loss, "best_top1", &c->best_top1,
                                "best_epoch", &best_epoch, "seconds", seconds);
    json_decref(json);
    if (bad) return fail(err, XC_ERR_FORMAT, "cursor: %s", where.text);
    if (step < 0 || epoch < 0 || best_epoch < 0 || position < 0 || position > UINT32_MAX ||
        rows < 0 || top1 < 0 || top5 < 0)
        return fail(err, XC_ERR_FORMAT, "cursor: a negative number");
    c->step = (uint64_t)step;
    c->epoch = (uint32_t)epoch;
    c->position = (uint32_t)position;
    c->sum.rows = (uint64_t)rows;
    c->sum.top1 = (uint64_t)top1;
    c->sum.top5 = (uint64_t)top5;
    c->best_epoch = (uint32_t)best_epoch;
    return XC_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct writing {
    struct arena arena;
    struct weight_meta meta[STATE_KEYS];
    struct weight_tensor tensor[STATE_TENSORS];
    int metas, tensors;
    char hash[65];
};

static int by_key(const void *a, const void *b)
{
    const struct weight_meta *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* Of the metadata but for the sum itself, and of the tensors in their order. */
static void sum_up(const struct weight_meta *meta, int metas, const struct weight_tensor *tensor,
                   int tensors, char hash[65])
{
    struct sha256 sum;
    sha256_init(&sum);
    for (int i = 0; i < metas; i++) {
        if (strcmp(meta[i].key, "sha256") == 0) continue;
        sha256_add(&sum, meta[i].key, strlen(meta[i].key) + 1);
        sha256_add(&sum, meta[i].value, strlen(meta[i].value) + 1);
    }
    for (int i = 0; i < tensors; i++) sha256_add(&sum, tensor[i].data, tensor[i].bytes);
    sha256_hex(&sum, hash);
}

static void put_tensor(struct writing *w, struct weight_tensor t, const void *data)
{
    t.data = data;
    w->tensor[w->tensors++] = t;
}

static void list_tensors(struct writing *w, const struct run_state *s)
{
    struct trainer_block block[TRAINER_BLOCKS];
    const int blocks = trainer_blocks(s->trainer, block);
    const size_t rows = s->history.rows;
    for (int i = 0; i < blocks; i++)
        put_tensor(w,
                   (struct weight_tensor){.name = block[i].name,
                                          .type = DTYPE_F32,
                                          .rank = 1,
                                          .dim = {block[i].count},
                                          .count = block[i].count,
                                          .bytes = block[i].count * sizeof(float)},
                   block[i].data);
    if (rows == 0) return;
    put_tensor(w,
               (struct weight_tensor){.name = "history",
                                      .type = DTYPE_F64,
                                      .rank = 2,
                                      .dim = {rows, HISTORY_WIDTH},
                                      .count = rows * HISTORY_WIDTH,
                                      .bytes = rows * sizeof *s->history.row},
               s->history.row);
}

static xc_status list_metadata(struct writing *w, const struct run_state *s, struct error *err)
{
    const xc_model *m = s->trainer->model;
    json_t *json = cursor_json(s);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    const char *cursor = text ? arena_strdup(&w->arena, text) : NULL;
    json_decref(json);
    free(text);
    if (!cursor) return fail_memory(err, 1);
    TRY(meta_write(m->arch, m->info.classes, &m->meta, &w->arena, w->meta, &w->metas, err));
    for (int i = 0; i < w->metas; i++)
        if (strcmp(w->meta[i].key, "format") == 0) w->meta[i].value = STATE_FORMAT;
    w->meta[w->metas++] = (struct weight_meta){"args", s->args};
    w->meta[w->metas++] = (struct weight_meta){"cursor", cursor};
    qsort(w->meta, (size_t)w->metas, sizeof *w->meta, by_key);
    sum_up(w->meta, w->metas, w->tensor, w->tensors, w->hash);
    w->meta[w->metas++] = (struct weight_meta){"sha256", w->hash};
    return XC_OK;
}

static xc_status put_bytes(void *user, const void *data, size_t size, struct error *err)
{
    return file_out_write(user, data, size, err);
}

static xc_status write_file(const struct writing *w, const char *path, struct error *err)
{
    struct file_out out;
    TRY(file_out_open(path, &out, err));
    xc_status status =
        safetensors_write(w->tensor, w->tensors, w->meta, w->metas, put_bytes, &out, err);
    if (status == XC_OK) status = file_out_commit(&out, err);
    if (status != XC_OK) file_out_abort(&out);
    return status;
}

xc_status state_write(const struct run_state *s, const char *path, struct error *err)
{
    struct writing w = {0};
    TRY(trainer_check(s->trainer, err));
    list_tensors(&w, s);
    xc_status status = list_metadata(&w, s, err);
    if (status == XC_OK) status = write_file(&w, path, err);
    arena_free(&w.arena);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct state_file {
    struct file_view view;
    struct weight_file weights;
    char *path;
};

static xc_status verify(const struct state_file *f, struct error *err)
{
    const struct weight_file *w = &f->weights;
    const char *format = weight_meta_find(w, "format"), *said = weight_meta_find(w, "sha256");
    struct weight_meta meta[STATE_KEYS];
    char hash[65];
    if (!format || strcmp(format, STATE_FORMAT) != 0)
        return fail(err, XC_ERR_FORMAT, "this is no state of a training run");
    if (!said || w->metas > STATE_KEYS || !weight_meta_find(w, "args"))
        return fail(err, XC_ERR_FORMAT, "the metadata are not those of a state");
    memcpy(meta, w->meta, (size_t)w->metas * sizeof *meta);
    qsort(meta, (size_t)w->metas, sizeof *meta, by_key);
    sum_up(meta, w->metas, w->tensor, w->tensors, hash);
    if (strcmp(hash, said) == 0) return XC_OK;
    return fail(err, XC_ERR_FORMAT, "the file is damaged: its SHA-256 is %.12s.., it says %.12s..",
                hash, said);
}

xc_status state_open(const char *path, struct state_file **out, struct error *err)
{
    struct state_file *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) return fail_memory(err, sizeof *f);
    xc_status status = file_map(path, STATE_MAX, &f->view, err);
    if (status == XC_OK) {
        status = safetensors_read(f->view.data, f->view.size, &f->weights, err);
        if (status == XC_OK) status = verify(f, err);
        if (status != XC_OK) error_prefix(err, path);
    }
    f->path = strdup(path);
    if (status == XC_OK && !f->path) status = fail_memory(err, strlen(path));
    if (status == XC_OK)
        *out = f;
    else
        state_close(f);
    return status;
}

void state_close(struct state_file *f)
{
    if (!f) return;
    weight_file_free(&f->weights);
    file_release(&f->view);
    free(f->path);
    free(f);
}

const char *state_args(const struct state_file *f)
{
    return weight_meta_find(&f->weights, "args");
}

xc_status state_epoch(const struct state_file *f, uint32_t *epoch, struct error *err)
{
    struct cursor c = {0};
    double seconds;
    const xc_status status =
        cursor_read(weight_meta_find(&f->weights, "cursor"), &c, &seconds, err);
    const bool open = c.position == 0 && c.sum.rows > 0; /* its evaluation was not done */
    *epoch = open && c.epoch > 0 ? c.epoch - 1 : c.epoch;
    if (status != XC_OK) error_prefix(err, f->path);
    return status;
}

static xc_status make_model(const struct state_file *f, const struct machine *m, uint32_t classes,
                            xc_model **out, struct error *err)
{
    const char *arch = weight_meta_find(&f->weights, "architecture");
    if (!arch) return fail(err, XC_ERR_FORMAT, "the metadata has no \"architecture\"");
    TRY(model_new(m, arch, NULL, out, err));
    if ((*out)->info.classes != classes)
        return fail(err, XC_ERR_SHAPE, "the network has %u classes, the data %u",
                    (*out)->info.classes, classes);
    TRY(model_make_block(*out, err));
    TRY(meta_read(&f->weights, classes, &(*out)->arena, &(*out)->meta, err));
    return model_ready(*out, err);
}

xc_status state_model(const struct state_file *f, const struct machine *m, uint32_t classes,
                      xc_model **out, struct error *err)
{
    *out = NULL;
    const xc_status status = make_model(f, m, classes, out, err);
    if (status == XC_OK) return XC_OK;
    error_prefix(err, f->path);
    model_unref(*out);
    *out = NULL;
    return status;
}

static xc_status restore_block(const struct state_file *f, const struct trainer_block *b,
                               struct error *err)
{
    const struct weight_tensor *t = weight_find(&f->weights, b->name);
    if (!t) return fail(err, XC_ERR_TENSOR, "%s: the tensor is missing", b->name);
    if (t->type != DTYPE_F32 || t->count != b->count)
        return fail(err, XC_ERR_SHAPE, "%s: %zu numbers of type %s, expected %zu of F32", b->name,
                    t->count, dtype_name(t->type), b->count);
    memcpy(b->data, t->data, t->bytes);
    return XC_OK;
}

static xc_status restore_history(const struct state_file *f, struct history *h, struct error *err)
{
    const struct weight_tensor *t = weight_find(&f->weights, "history");
    struct history_row row;
    if (!t) return XC_OK;
    if (t->type != DTYPE_F64 || t->rank != 2 || t->dim[1] != HISTORY_WIDTH)
        return fail(err, XC_ERR_SHAPE, "history: rows are not of %d numbers", HISTORY_WIDTH);
    for (size_t i = 0; i < t->dim[0]; i++) {
        memcpy(&row, t->data + i * sizeof row, sizeof row);
        TRY(history_add(h, &row, err));
    }
    return XC_OK;
}

static xc_status restore(const struct state_file *f, struct run_state *s, struct error *err)
{
    struct trainer_block block[TRAINER_BLOCKS];
    const int blocks = trainer_blocks(s->trainer, block);
    for (int i = 0; i < blocks; i++) TRY(restore_block(f, &block[i], err));
    TRY(restore_history(f, &s->history, err));
    TRY(cursor_read(weight_meta_find(&f->weights, "cursor"), &s->trainer->at, &s->seconds, err));
    if (s->trainer->at.best_epoch > s->history.rows)
        return fail(err, XC_ERR_FORMAT, "cursor: best epoch %u of %zu", s->trainer->at.best_epoch,
                    s->history.rows);
    return trainer_check(s->trainer, err);
}

xc_status state_restore(const struct state_file *f, struct run_state *s, struct error *err)
{
    const xc_status status = restore(f, s, err);
    if (status != XC_OK) error_prefix(err, f->path);
    return status;
}
