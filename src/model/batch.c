/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a batch run? In rounds of some images a thread, each in an arena of its own, a lane.
 * Apart, each thread runs images of its own and waits for nobody until the round ends; in turn, one
 * image runs after the other, its steps divided over the threads, so that a thread's part of the
 * maps stays in its cache. Which is faster depends on caches and memory, not on the network alone,
 * so it is measured on the way; the bits are the same. What is left over (and all of a batch that
 * has fewer images than there are threads) runs in the first lane.
 */
#include "base/clock.h"
#include "model/session_int.h"

enum {
    ROUND = 4,      /* images a thread, at most */
    COLD = 2,       /* rounds that say nothing */
    TRY_AGAIN = 64, /* rounds, then the slower way once */
    SLOWLY = 8
};

/* What can be read of an image: the next one in this lane overwrites it. */
static void keep_results(const xc_session *s, void *arena, uint32_t image)
{
    const enum dtype type = session_result_type(s);
    for (const struct result *r = s->result; r < s->result + s->results; r++) {
        char *to = r->data + image * r->count * dtype_size(type);
        struct softmax_call call = {.type = type};
        if (r->shared || !plan_view(s->plan, r->node, arena, &call.in)) continue;
        if (!r->softmax) {
            numbers_gather(&call.in, to, type);
            continue;
        }
        call.out = call.in;
        call.out.data = to; /* of one pixel; its input is of this type, too: types.c */
        s->kernels->softmax(&call, 0, 1);
    }
}

/* Image i of the batch into a lane. */
static xc_status load_image(const struct batch *b, uint32_t i, uint32_t at)
{
    xc_session *s = b->session;
    struct lane *lane = &s->lane[at];
    const char *input = (const char *)lane->staging;
    struct view view;
    if (b->input)
        input = b->input + i * s->input_count * dtype_size(b->type);
    else
        TRY(session_prepare(s, b->picture[i], lane->staging, &lane->err));
    if (!plan_view(s->plan, 0, s->arena[at], &view))
        return fail(&lane->err, XC_ERR_INTERNAL, "the plan does not keep its input");
    numbers_scatter(s->kernels, input, b->type, &view);
    return XC_OK;
}

static xc_status stopped(xc_status status, struct error *err)
{
    return status == XC_OK ? XC_OK : fail(err, status, "the run was %s", xc_status_text(status));
}

/* One image in the first lane, its steps divided over the threads. */
static xc_status run_image(const struct batch *b, struct pool *pool)
{
    xc_session *s = b->session;
    struct error *err = &s->lane[0].err;
    TRY(load_image(b, b->done, 0));
    TRY(stopped(plan_run_timed(s->plan, s->arena[0], s->scratch, pool, &s->cancel, b->seconds),
                err));
    keep_results(s, s->arena[0], b->done);
    return XC_OK;
}

/* The first rounds find cold caches; then each way is tried twice. */
static enum way next_way(const xc_session *s)
{
    const enum way faster = s->seconds[WAY_TURN] < s->seconds[WAY_APART] ? WAY_TURN : WAY_APART;
    if (s->rounds < COLD) return WAY_APART;
    if (s->rounds < COLD + 2 * WAYS) return (enum way)(s->rounds % WAYS);
    return s->rounds % TRY_AGAIN ? faster : (enum way)(WAYS - 1 - faster);
}

/* Others on the machine only make a round longer, so that a short one says more than a long one. */
static void remember(xc_session *s, enum way way, double seconds)
{
    const double before = s->seconds[way];
    const bool known = s->rounds >= COLD + WAYS;
    if (s->rounds++ < COLD) return;
    s->seconds[way] = !known || seconds < before ? seconds : before + (seconds - before) / SLOWLY;
}

/* Lane i has every lanes-th image from i on. */
static bool begin(const struct batch *b, size_t i, uint32_t k)
{
    xc_session *s = b->session;
    struct lane *lane = &s->lane[i];
    lane->image = b->done + k * s->lanes + (uint32_t)i;
    lane->status = load_image(b, lane->image, (uint32_t)i);
    return lane->status == XC_OK;
}

static bool finish(const xc_session *s, size_t i, size_t scratch, struct pool *pool)
{
    struct lane *lane = &s->lane[i];
    lane->status = stopped(
        plan_run(s->plan, s->arena[i], (char *)s->scratch + scratch, pool, &s->cancel), &lane->err);
    if (lane->status == XC_OK) keep_results(s, s->arena[i], lane->image);
    return lane->status == XC_OK;
}

static void run_apart(void *ctx, size_t from, size_t to)
{
    const struct batch *b = ctx;
    const size_t scratch = plan_scratch_bytes(b->session->plan);
    for (size_t i = from; i < to; i++)
        for (uint32_t k = 0; k < b->each; k++)
            if (!begin(b, i, k) || !finish(b->session, i, i * scratch, NULL)) break;
}

struct turn {
    const struct batch *batch;
    uint32_t k;
};

static void begin_turn(void *ctx, size_t from, size_t to)
{
    const struct turn *t = ctx;
    for (size_t i = from; i < to; i++) (void)begin(t->batch, i, t->k);
}

static void run_in_turn(const struct batch *b, struct pool *pool)
{
    const xc_session *s = b->session;
    for (struct turn t = {b, 0}; t.k < b->each; t.k++) {
        pool_for(pool, s->lanes, 1, begin_turn, &t);
        for (size_t i = 0; i < s->lanes; i++)
            if (s->lane[i].status != XC_OK || !finish(s, i, 0, pool)) return;
    }
}

/* `each` images in every lane. The sentence is that of the first image that failed. */
static xc_status run_round(struct batch *b, struct pool *pool, struct error *err)
{
    xc_session *s = b->session;
    const enum way way = next_way(s);
    const double start = clock_seconds();
    const struct lane *first = NULL;
    if (way == WAY_APART)
        pool_for(pool, s->lanes, 1, run_apart, b);
    else
        run_in_turn(b, pool);
    for (const struct lane *lane = s->lane; lane < s->lane + s->lanes; lane++)
        if (lane->status != XC_OK && (!first || lane->image < first->image)) first = lane;
    if (first && err) *err = first->err;
    if (first) return first->status;
    remember(s, way, (clock_seconds() - start) / b->each);
    b->done += b->each * s->lanes;
    return XC_OK;
}

xc_status batch_run(struct batch *b, struct error *err)
{
    xc_session *s = b->session;
    struct pool *pool = s->model->machine->pool;
    const bool rounds = s->lanes > 1 && !b->seconds; /* steps are timed one by one */
    s->ran = 0;
    atomic_store(&s->cancel, false);
    for (uint32_t left; rounds && (left = (b->n - b->done) / s->lanes) > 0;) {
        b->each = left < ROUND ? left : ROUND;
        TRY(run_round(b, pool, err));
    }
    for (; b->done < b->n; b->done++) {
        xc_status status = run_image(b, pool);
        if (status != XC_OK && err) *err = s->lane[0].err;
        TRY(status);
    }
    s->ran = b->n;
    return XC_OK;
}
