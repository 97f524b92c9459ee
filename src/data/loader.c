/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of batches under one mutex. A worker takes the next place of the epoch when the batch it
 * falls into has a slot (fewer than `ahead` batches are out), makes it outside the mutex, and the
 * last one of a batch ends it and calls the reader. Reasons of bad pictures wait in their slot
 * until the batch is handed out, so their order does not depend on threads either.
 */
#include "data/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/rounding.h"
#include "data/order.h"
#include "data/view.h"
#include "thread/start.h"

enum { MOST_THREADS = 64, MOST_AHEAD = 64, USUAL_AHEAD = 3 };

struct slot {
    struct batch batch;
    float *x, *weight, *target;
    int32_t *label;
    uint32_t *sample;
    bool *bad;
    char **reason; /* (batch): why one is bad */
    int left;      /* samples still to be made */
    bool ready;
};

struct bad {
    uint32_t sample;
    char *reason;
};

struct worker {
    struct loader *l;
    struct viewer *viewer;
    pthread_t thread;
};

struct loader {
    const struct dataset *d;
    struct loader_opts o;
    xc_preprocess preprocess;
    struct viewing viewing;
    uint32_t *index; /* samples of the split, ascending names */
    uint32_t samples;
    bool soft;
    struct worker *worker;
    int workers;
    struct slot *slot;
    struct bad *bad;
    size_t bads, bad_room;

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t work, ready, idle;
    uint32_t epoch, view;
    uint32_t first, end;     /* places of this epoch: first .. end - 1 */
    uint32_t next;           /* place to be taken */
    uint32_t handed, let_go; /* batches given to the reader, given back by it */
    int busy;                /* workers inside a sample */
    bool stopped;
};

/* ---- one sample ------------------------------------------------------------------------------ */

static void set_targets(const struct loader *l, const struct sample *s, float *target)
{
    memset(target, 0, (size_t)l->d->classes * sizeof *target);
    target[s->label] = 1.0f;
    for (int32_t k = 0; k < s->extra_count; k++) target[s->extra[k]] = 1.0f;
}

static void make_sample(struct worker *w, struct slot *slot, uint32_t place, int i)
{
    struct loader *l = w->l;
    const struct loader_opts *o = &l->o;
    struct error err = {XC_OK, ""};
    uint32_t at = o->shuffle ? order_at(o->seed, l->epoch, l->samples, place) : place;
    struct view_key key = {o->seed, l->view, l->index[at]};
    const struct sample *s = &l->d->sample[key.sample];
    size_t size = (size_t)o->h * (size_t)o->w * (size_t)o->c, n = (size_t)i;
    slot->sample[n] = key.sample;
    slot->label[n] = s->label;
    slot->weight[n] = s->weight;
    slot->bad[n] = false;
    if (l->soft) set_targets(l, s, slot->target + n * (size_t)l->d->classes);
    if (viewer_make(w->viewer, &key, slot->x + n * size, &err) == XC_OK) return;
    memset(slot->x + n * size, 0, size * sizeof *slot->x);
    slot->weight[n] = 0.0f;
    slot->bad[n] = true;
    slot->reason[n] = strdup(err.text);
}

/* Which row does a bad one repeat? The one that mixing pairs it with, which it then leaves as it is
 * (but for mixup's rounding); else the next. Itself: none can be read. */
static int row_beside(const bool *bad, int n, int row)
{
    int i = row;
    if (!bad[n - 1 - row]) return n - 1 - row;
    do i = (i + 1) % n;
    while (bad[i] && i != row);
    return i;
}

void batch_repeat(const bool *bad, int n, size_t width, float *x)
{
    for (int i = 0; i < n; i++) {
        const int from = bad[i] ? row_beside(bad, n, i) : i;
        if (from == i) continue;
        memcpy(x + (size_t)i * width, x + (size_t)from * width, width * sizeof *x);
    }
}

bool batch_is_bad(const struct batch *b)
{
    for (int i = 0; i < b->n; i++)
        if (!b->bad[i]) return false;
    return true;
}

/* All its samples are made. */
static void end_batch(struct loader *l, struct slot *slot)
{
    const struct loader_opts *o = &l->o;
    struct view_key key = {o->seed, l->view, slot->batch.position};
    batch_repeat(slot->bad, slot->batch.n, (size_t)o->h * (size_t)o->w * (size_t)o->c, slot->x);
    if (!augment_has_mix(&o->augment)) return;
    augment_mix(&o->augment, &key, slot->x, slot->batch.n, o->h, o->w, o->c, slot->target,
                slot->weight, l->d->classes);
}

/* ---- workers --------------------------------------------------------------------------------- */

static uint32_t batch_of(const struct loader *l, uint32_t place)
{
    return (place - l->first) / (uint32_t)l->o.batch;
}

static struct slot *slot_of(const struct loader *l, uint32_t batch)
{
    return &l->slot[batch % (uint32_t)l->o.ahead];
}

static bool has_work(const struct loader *l)
{
    return l->next < l->end && batch_of(l, l->next) - l->let_go < (uint32_t)l->o.ahead;
}

/* A slot for the batch that starts at this place. */
static void open_slot(struct loader *l, struct slot *slot, uint32_t place)
{
    uint32_t left = l->end - place, most = (uint32_t)l->o.batch;
    slot->batch.n = slot->left = (int)(left < most ? left : most);
    slot->batch.position = place;
    slot->ready = false;
}

/* With the mutex held; lets it go while a sample is made. */
static void work_once(struct worker *w)
{
    struct loader *l = w->l;
    uint32_t place = l->next++;
    struct slot *slot = slot_of(l, batch_of(l, place));
    int i = (int)((place - l->first) % (uint32_t)l->o.batch);
    if (i == 0) open_slot(l, slot, place);
    l->busy++;
    pthread_mutex_unlock(&l->mutex);
    make_sample(w, slot, place, i);
    pthread_mutex_lock(&l->mutex);
    if (slot->left == 1) {
        pthread_mutex_unlock(&l->mutex); /* nobody else is at this slot */
        end_batch(l, slot);
        pthread_mutex_lock(&l->mutex);
    }
    if (--slot->left == 0) {
        slot->ready = true;
        pthread_cond_signal(&l->ready);
    }
    if (--l->busy == 0) pthread_cond_signal(&l->idle);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct loader *l = w->l;
    rounding_rules();
    pthread_mutex_lock(&l->mutex);
    while (!l->stopped) {
        if (has_work(l))
            work_once(w);
        else
            pthread_cond_wait(&l->work, &l->mutex);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* ---- the reader ------------------------------------------------------------------------------ */

static void drop_reasons(struct slot *slot, int n)
{
    for (int i = 0; i < n; i++) {
        free(slot->reason[i]);
        slot->reason[i] = NULL;
    }
}

void loader_begin(struct loader *l, uint32_t epoch, uint32_t view, uint32_t position)
{
    pthread_mutex_lock(&l->mutex);
    l->next = l->end; /* nobody takes another one */
    while (l->busy > 0) pthread_cond_wait(&l->idle, &l->mutex);
    for (int i = 0; i < l->o.ahead; i++) {
        drop_reasons(&l->slot[i], l->o.batch);
        l->slot[i].ready = false;
    }
    uint32_t end = loader_batches(l) * (uint32_t)l->o.batch;
    l->end = end < l->samples ? end : l->samples;
    l->first = l->next = position < l->end ? position : l->end;
    l->epoch = epoch;
    l->view = view;
    l->handed = l->let_go = 0;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
}

static bool is_listed(const struct loader *l, uint32_t sample)
{
    for (size_t i = 0; i < l->bads; i++)
        if (l->bad[i].sample == sample) return true;
    return false;
}

/* Takes the reason over. */
static xc_status list_bad(struct loader *l, uint32_t sample, char *reason, struct error *err)
{
    if (is_listed(l, sample)) {
        free(reason);
        return XC_OK;
    }
    if (l->bads == l->bad_room) {
        size_t room = l->bad_room ? l->bad_room * 2 : 16;
        struct bad *grown = realloc(l->bad, room * sizeof *grown);
        if (!grown) {
            free(reason);
            return fail_memory(err, room * sizeof *grown);
        }
        l->bad = grown;
        l->bad_room = room;
    }
    l->bad[l->bads++] = (struct bad){sample, reason};
    if (l->o.stop_on_bad) return fail(err, XC_ERR_FORMAT, "%s", reason);
    if (l->o.most_bad == 0 || l->bads <= l->o.most_bad) return XC_OK;
    return fail(err, XC_ERR_FORMAT, "%zu pictures cannot be read, the limit is %zu; the last: %s",
                l->bads, l->o.most_bad, reason);
}

static xc_status list_all_bad(struct loader *l, struct slot *slot, struct error *err)
{
    xc_status status = XC_OK;
    for (int i = 0; i < slot->batch.n && status == XC_OK; i++) {
        char *reason = slot->reason[i];
        slot->reason[i] = NULL;
        if (reason) status = list_bad(l, slot->sample[i], reason, err);
    }
    return status;
}

xc_status loader_next(struct loader *l, const struct batch **out, struct error *err)
{
    struct slot *slot = NULL;
    *out = NULL;
    pthread_mutex_lock(&l->mutex);
    l->let_go = l->handed;
    pthread_cond_broadcast(&l->work);
    if (l->first + (uint64_t)l->handed * (uint32_t)l->o.batch < l->end) {
        slot = slot_of(l, l->handed);
        /* its slot was another batch's before it is opened */
        while (
            !(slot->ready && slot->batch.position == l->first + l->handed * (uint32_t)l->o.batch))
            pthread_cond_wait(&l->ready, &l->mutex);
        l->handed++;
    }
    pthread_mutex_unlock(&l->mutex);
    if (!slot) return XC_OK;
    TRY(list_all_bad(l, slot, err));
    *out = &slot->batch;
    return XC_OK;
}

const char *loader_bad(const struct loader *l, size_t i, uint32_t *sample)
{
    if (i >= l->bads) return NULL;
    *sample = l->bad[i].sample;
    return l->bad[i].reason ? l->bad[i].reason : "out of memory";
}

uint32_t loader_samples(const struct loader *l)
{
    return l->samples;
}

uint32_t loader_batches(const struct loader *l)
{
    uint32_t n = (uint32_t)l->o.batch;
    return l->samples / n + (!l->o.drop_last && l->samples % n != 0);
}

/* ---- life ------------------------------------------------------------------------------------ */

static xc_status opts_check(const struct dataset *d, struct loader_opts *o, struct error *err)
{
    if (o->ahead == 0) o->ahead = USUAL_AHEAD;
    if (o->batch < 1 || o->batch > 65536)
        return fail(err, XC_ERR_ARGUMENT, "batch: %d is not in 1..65536", o->batch);
    if (o->threads < 1 || o->threads > MOST_THREADS)
        return fail(err, XC_ERR_ARGUMENT, "decode threads: %d is not in 1..%d", o->threads,
                    MOST_THREADS);
    if (o->ahead < 2 || o->ahead > MOST_AHEAD)
        return fail(err, XC_ERR_ARGUMENT, "batches ahead: %d is not in 2..%d", o->ahead,
                    MOST_AHEAD);
    if (o->split >= XC_SPLITS || d->count[o->split] == 0)
        return fail(err, XC_ERR_ARGUMENT, "%s: no %s samples", d->path,
                    o->split < XC_SPLITS ? split_name((xc_split)o->split) : "such");
    return XC_OK;
}

static xc_status slot_init(struct loader *l, struct slot *s, struct error *err)
{
    const struct loader_opts *o = &l->o;
    size_t n = (size_t)o->batch, size = (size_t)o->h * (size_t)o->w * (size_t)o->c, bytes,
           targets = 0;
    if (!size_mul(n, size, &bytes) || !size_mul(bytes, sizeof *s->x, &bytes) ||
        (l->soft && !size_mul(n * sizeof *s->target, (size_t)l->d->classes, &targets)))
        return fail_memory(err, SIZE_MAX);
    s->x = aligned_new(bytes);
    s->label = calloc(n, sizeof *s->label);
    s->weight = calloc(n, sizeof *s->weight);
    s->sample = calloc(n, sizeof *s->sample);
    s->bad = calloc(n, sizeof *s->bad);
    s->reason = calloc(n, sizeof *s->reason);
    if (l->soft) s->target = calloc(1, targets);
    if (!s->x || !s->label || !s->weight || !s->sample || !s->bad || !s->reason ||
        (l->soft && !s->target))
        return fail_memory(err, bytes);
    s->batch = (struct batch){.h = o->h,
                              .w = o->w,
                              .c = o->c,
                              .x = s->x,
                              .label = s->label,
                              .weight = s->weight,
                              .target = s->target,
                              .sample = s->sample,
                              .bad = s->bad};
    return XC_OK;
}

static xc_status index_make(struct loader *l, struct error *err)
{
    l->index = calloc(l->d->count[l->o.split], sizeof *l->index);
    if (!l->index) return fail_memory(err, l->d->count[l->o.split] * sizeof *l->index);
    for (size_t i = 0; i < l->d->samples; i++)
        if (l->d->sample[i].split == l->o.split) l->index[l->samples++] = (uint32_t)i;
    return XC_OK;
}

static xc_status start_workers(struct loader *l, struct error *err)
{
    xc_status status = XC_OK;
    l->worker = calloc((size_t)l->o.threads, sizeof *l->worker);
    if (!l->worker) return fail_memory(err, 0);
    for (int i = 0; i < l->o.threads && status == XC_OK; i++) {
        struct worker *w = &l->worker[i];
        w->l = l;
        status = viewer_new(&l->viewing, &w->viewer, err);
        int code = status == XC_OK ? thread_start(&w->thread, 0, work, w) : 0;
        if (code != 0) {
            viewer_free(w->viewer);
            status = fail(err, XC_ERR_MEMORY, "cannot start decode thread %d: %s", i + 1,
                          strerror(code));
        }
        if (status == XC_OK) l->workers++;
    }
    return status;
}

static xc_status set_up(struct loader *l, struct error *err)
{
    struct loader_opts *o = &l->o;
    l->preprocess = *o->preprocess;
    l->viewing = (struct viewing){.d = l->d,
                                  .preprocess = &l->preprocess,
                                  .augment = &o->augment,
                                  .limits = XC_IMAGE_LIMITS_INIT,
                                  .h = o->h,
                                  .w = o->w,
                                  .c = o->c};
    TRY(viewing_init(&l->viewing, err));
    l->soft = l->d->multi_label || augment_has_mix(&o->augment);
    TRY(index_make(l, err));
    if (o->cache_bytes > 0) TRY(cache_new(l->d->samples, o->cache_bytes, &l->viewing.cache, err));
    l->slot = calloc((size_t)o->ahead, sizeof *l->slot);
    if (!l->slot) return fail_memory(err, 0);
    for (int i = 0; i < o->ahead; i++) TRY(slot_init(l, &l->slot[i], err));
    return start_workers(l, err);
}

xc_status loader_new(const struct dataset *d, const struct loader_opts *opts, struct loader **out,
                     struct error *err)
{
    struct loader_opts o = *opts;
    TRY(opts_check(d, &o, err));
    struct loader *l = calloc(1, sizeof *l);
    if (!l) return fail_memory(err, sizeof *l);
    l->d = d;
    l->o = o;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    pthread_cond_init(&l->idle, NULL);
    xc_status status = set_up(l, err);
    if (status == XC_OK)
        *out = l;
    else
        loader_free(l);
    return status;
}

static void slot_free(struct slot *s, int batch)
{
    if (s->reason) drop_reasons(s, batch);
    free(s->x);
    free(s->label);
    free(s->weight);
    free(s->sample);
    free(s->target);
    free(s->bad);
    free(s->reason);
}

void loader_free(struct loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->stopped = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
    for (int i = 0; i < l->workers; i++) {
        pthread_join(l->worker[i].thread, NULL);
        viewer_free(l->worker[i].viewer);
    }
    for (int i = 0; l->slot && i < l->o.ahead; i++) slot_free(&l->slot[i], l->o.batch);
    for (size_t i = 0; i < l->bads; i++) free(l->bad[i].reason);
    cache_free(l->viewing.cache);
    pthread_cond_destroy(&l->idle);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->mutex);
    free(l->bad);
    free(l->slot);
    free(l->worker);
    free(l->index);
    free(l);
}
