/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a session give the same bits however it is run? Threads, batch, position, neighbours, other
 * sessions on other threads, and a machine that has no memory left once it runs.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "model/setup.h"

#define SIDE 71
#define MOST 5

static const char *const TAPS[] = {"block2_pool", "block4_sepconv1_act", "avg_pool", NULL};
static const char *const RESULTS[] = {"logits", "probs", "block2_pool", "avg_pool"};
#define RESULT_COUNT (sizeof RESULTS / sizeof *RESULTS)

/* ---- an allocator that counts, and can be told to fail (the linker wraps the names) ---------- */

static atomic_int allocations;
static atomic_int fail_from = -1; /* number of the first allocation that fails; -1 = none does */

static int next_allocation_works(void)
{
    int number = atomic_fetch_add(&allocations, 1), from = atomic_load(&fail_from);
    return from < 0 || number < from;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t unit, size_t size);
int __real_posix_memalign(void **out, size_t unit, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t unit, size_t size);
int __wrap_posix_memalign(void **out, size_t unit, size_t size);

void *__wrap_malloc(size_t size)
{
    return next_allocation_works() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return next_allocation_works() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return next_allocation_works() ? __real_realloc(old, size) : NULL;
}

void *__wrap_aligned_alloc(size_t unit, size_t size)
{
    return next_allocation_works() ? __real_aligned_alloc(unit, size) : NULL;
}

int __wrap_posix_memalign(void **out, size_t unit, size_t size)
{
    return next_allocation_works() ? __real_posix_memalign(out, unit, size) : 12;
}

/* ---- the same bits --------------------------------------------------------------------------- */

struct results {
    float *data[RESULT_COUNT];
    size_t count[RESULT_COUNT]; /* numbers of all images */
};

static struct results read_all(const xc_session *session)
{
    struct results r;
    for (size_t i = 0; i < RESULT_COUNT; i++)
        r.data[i] = read_result(session, RESULTS[i], &r.count[i]);
    return r;
}

static void free_all(struct results *r)
{
    for (size_t i = 0; i < RESULT_COUNT; i++) free(r->data[i]);
}

/* Image `at` of n in a is image `of` of m in b. */
static void same_image(const struct results *a, uint32_t at, uint32_t n, const struct results *b,
                       uint32_t of, uint32_t m)
{
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        size_t one = a->count[i] / n;
        assert_int_equal(one, b->count[i] / m);
        assert_memory_equal(a->data[i] + at * one, b->data[i] + of * one, one * sizeof(float));
    }
}

static xc_model *small_model(xc_context *context)
{
    return make_model(context, SMALL_ARCH ",classes=10", SIDE, XC_WEIGHTS_RANDOM);
}

/* All MOST images at once, on one thread: what everything else is compared with. */
static struct results reference(float **input)
{
    xc_context *context = make_context(1);
    xc_model *model = small_model(context);
    xc_session *session = make_session(model, MOST, XC_PRECISION_F32, TAPS);
    *input = make_input(MOST, SIDE, 3);
    CHECK(xc_run(session, *input, MOST));
    struct results r = read_all(session);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
    return r;
}

static void test_threads_and_batches(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 7};
    float *input;
    const size_t image = SIDE * SIDE * 3;
    struct results want = reference(&input);
    for (size_t t = 0; t < 4; t++) {
        xc_context *context = make_context(threads[t]);
        xc_model *model = small_model(context);
        xc_session *session = make_session(model, MOST, XC_PRECISION_F32, TAPS);
        for (uint32_t n = 1; n <= MOST; n++)
            for (uint32_t first = 0; first + n <= MOST; first += 2) {
                CHECK(xc_run(session, input + first * image, n));
                struct results got = read_all(session);
                for (uint32_t i = 0; i < n; i++) same_image(&got, i, n, &want, first + i, MOST);
                free_all(&got);
            }
        xc_session_free(session);
        xc_model_unref(model);
        xc_context_free(context);
    }
    free_all(&want);
    free(input);
}

/* NaN in one image stays there. */
static void test_neighbours(void **state)
{
    (void)state;
    float *input;
    struct results want = reference(&input);
    xc_context *context = make_context(2);
    xc_model *model = small_model(context);
    xc_session *session = make_session(model, 3, XC_PRECISION_F32, TAPS);
    for (size_t i = SIDE * SIDE * 3; i < 2 * SIDE * SIDE * 3; i++) input[i] = NAN;
    CHECK(xc_run(session, input, 3));
    struct results got = read_all(session);
    same_image(&got, 0, 3, &want, 0, MOST);
    same_image(&got, 2, 3, &want, 2, MOST);
    assert_true(isnan(got.data[0][got.count[0] / 3]));
    CHECK(xc_run(session, input + 2 * SIDE * SIDE * 3, 1)); /* in the first lane */
    struct results alone = read_all(session);
    same_image(&alone, 0, 1, &want, 2, MOST);
    free_all(&alone);
    free_all(&got);
    free_all(&want);
    free(input);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

struct worker {
    xc_model *model; /* one reference */
    const float *input;
    const struct results *want;
    uint32_t offset;
};

static void *work(void *ctx)
{
    const struct worker *w = ctx;
    xc_session *session = make_session(w->model, 2, XC_PRECISION_F32, TAPS);
    xc_model_unref(w->model); /* the session has its own */
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t first = (w->offset + round) % (MOST - 1);
        CHECK(xc_run(session, w->input + first * (size_t)(SIDE * SIDE * 3), 2));
        struct results got = read_all(session);
        same_image(&got, 0, 2, w->want, first, MOST);
        same_image(&got, 1, 2, w->want, first + 1, MOST);
        free_all(&got);
    }
    xc_session_free(session);
    return NULL;
}

static void test_sessions_share_a_model(void **state)
{
    (void)state;
    enum { WORKERS = 64 };
    float *input;
    struct results want = reference(&input);
    xc_context *context = make_context(2);
    xc_model *model = small_model(context);
    pthread_t thread[WORKERS];
    struct worker worker[WORKERS];
    for (uint32_t i = 0; i < WORKERS; i++) {
        worker[i] = (struct worker){xc_model_ref(model), input, &want, i};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    }
    xc_model_unref(model);
    for (uint32_t i = 0; i < WORKERS; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    free_all(&want);
    free(input);
    xc_context_free(context);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void test_runs_without_memory(void **state)
{
    (void)state;
    float *input;
    struct results want = reference(&input);
    xc_context *context = make_context(3);
    xc_model *model = small_model(context);
    xc_session *session = make_session(model, MOST, XC_PRECISION_F32, TAPS);
    float logits[30];
    size_t count = 0;
    int before = atomic_load(&allocations);
    atomic_store(&fail_from, 0);
    xc_status status = xc_run(session, input, MOST);
    xc_status again = xc_run(session, input, 3);
    xc_status read = xc_session_read(session, "logits", logits, 30, &count);
    atomic_store(&fail_from, -1);
    int after = atomic_load(&allocations);
    assert_int_equal(status, XC_OK);
    assert_int_equal(again, XC_OK);
    assert_int_equal(read, XC_OK);
    assert_int_equal(after - before, 0);
    struct results got = read_all(session);
    for (uint32_t i = 0; i < 3; i++) same_image(&got, i, 3, &want, i, MOST);
    free_all(&got);
    free_all(&want);
    free(input);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

/* Activations of a larger batch take no more memory; a lane a thread, from as many images on. */
static void test_memory_of_batches(void **state)
{
    (void)state;
    static const uint32_t batch[] = {1, 2, 3, 4, 1024};
    uint64_t bytes[5];
    xc_context *context = make_context(3);
    xc_model *model = small_model(context);
    for (size_t i = 0; i < 5; i++) {
        xc_session *session = make_session(model, batch[i], XC_PRECISION_F32, NULL);
        bytes[i] = xc_session_arena_bytes(session);
        xc_session_free(session);
    }
    assert_true(bytes[0] == bytes[1]);
    assert_true(bytes[1] < bytes[2] && bytes[2] < 3 * bytes[1]);
    assert_true(bytes[2] == bytes[3] && bytes[3] == bytes[4]);
    xc_model_unref(model);
    xc_context_free(context);
}

/* Everything from a context to a session, as often as it takes until no allocation fails. */
static xc_status try_all(xc_context **context, xc_model **model, xc_session **session)
{
    xc_context_opts c = XC_CONTEXT_OPTS_INIT;
    xc_create_opts m = XC_CREATE_OPTS_INIT;
    xc_session_opts s = XC_SESSION_OPTS_INIT;
    c.threads = 2;
    m.height = m.width = SIDE;
    m.weights = XC_WEIGHTS_GOLDEN;
    s.max_batch = 2;
    s.taps = TAPS;
    s.tap_count = 3;
    xc_status status = xc_context_new(&c, context);
    if (status == XC_OK) status = xc_model_create(*context, SMALL_ARCH, &m, model);
    if (status == XC_OK) status = xc_session_new(*model, &s, session);
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    xc_status status = XC_ERR_MEMORY;
    int failures = 0;
    for (int n = 0; status != XC_OK; n++) {
        xc_context *context = NULL;
        xc_model *model = NULL;
        xc_session *session = NULL;
        atomic_store(&allocations, 0);
        atomic_store(&fail_from, n);
        status = try_all(&context, &model, &session);
        atomic_store(&fail_from, -1);
        if (status != XC_OK) {
            assert_int_equal(status, XC_ERR_MEMORY);
            assert_null(session);
            failures++;
        }
        xc_session_free(session);
        xc_model_unref(model);
        xc_context_free(context);
    }
    assert_true(failures > 20);
}

static void test_every_allocation_of_a_load_may_fail(void **state)
{
    (void)state;
    const char *labels[10] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    const char *path = "test_session.safetensors";
    xc_context *context = make_context(1);
    xc_model *model = small_model(context);
    xc_save_opts save = XC_SAVE_OPTS_INIT;
    save.labels = labels;
    save.label_count = 10;
    CHECK(xc_model_save(model, path, &save));
    xc_model_unref(model);
    xc_status status = XC_ERR_MEMORY;
    int failures = -1;
    for (; status != XC_OK; failures++) {
        model = NULL;
        atomic_store(&allocations, 0);
        atomic_store(&fail_from, failures + 1);
        status = xc_model_load(context, path, NULL, &model);
        atomic_store(&fail_from, -1);
        if (status != XC_OK) assert_int_equal(status, XC_ERR_MEMORY);
        assert_true((status == XC_OK) == (model != NULL));
    }
    assert_true(failures > 20);
    assert_string_equal(xc_model_label(model, 9), "j");
    xc_model_unref(model);
    xc_context_free(context);
    unlink(path);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void test_read(void **state)
{
    (void)state;
    xc_context *context = make_context(1);
    xc_model *model = small_model(context);
    xc_session *session = make_session(model, 2, XC_PRECISION_F32, TAPS);
    float *input = make_input(2, SIDE, 3), few[4];
    double wide[20];
    size_t count = 77;
    REFUSED(xc_session_read(session, "logits", NULL, 0, &count), XC_ERR_ARGUMENT,
            "nothing has run");
    REFUSED(xc_run(session, input, 0), XC_ERR_ARGUMENT, "n: 0, this session takes 1..2");
    REFUSED(xc_run(session, input, 3), XC_ERR_ARGUMENT, "n: 3, this session takes 1..2");
    CHECK(xc_run(session, input, 2));
    REFUSED(xc_session_read(session, "logits", few, 4, &count), XC_ERR_ARGUMENT,
            "logits: 20 numbers, room for 4");
    REFUSED(xc_session_read(session, "block3_pool", NULL, 0, &count), XC_ERR_ARGUMENT,
            "block3_pool: neither an output nor a tapped layer");
    float *logits = read_result(session, "logits", &count),
          *probs = read_result(session, "probs", &count);
    CHECK(xc_session_read_f64(session, "logits", wide, 20, NULL));
    for (int i = 0; i < 20; i++) assert_true(wide[i] == (double)logits[i]);
    for (int n = 0; n < 2; n++) {
        double sum = 0, all = 0;
        for (int i = 0; i < 10; i++) sum += exp((double)logits[n * 10 + i]);
        for (int i = 0; i < 10; i++) {
            assert_true(fabs(exp((double)logits[n * 10 + i]) / sum - (double)probs[n * 10 + i]) <
                        1e-6);
            all += (double)probs[n * 10 + i];
        }
        assert_true(fabs(all - 1) < 1e-6);
    }
    free(logits);
    free(probs);
    free(input);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

/* A network without a softmax answers with the same probabilities as its twin with one. */
static void test_probs_without_softmax(void **state)
{
    (void)state;
    xc_context *context = make_context(1);
    xc_model *with = make_model(context, "xception,width=0.125,middle=0,head=avg/dense:6:softmax",
                                SIDE, XC_WEIGHTS_RANDOM);
    xc_model *without = make_model(context, "xception,width=0.125,middle=0,head=avg/dense:6", SIDE,
                                   XC_WEIGHTS_RANDOM);
    xc_session *a = make_session(with, 1, XC_PRECISION_F32, NULL);
    xc_session *b = make_session(without, 1, XC_PRECISION_F32, NULL);
    float *input = make_input(1, SIDE, 3);
    size_t na, nb;
    assert_true(xc_model_get_info(with)->has_softmax);
    assert_false(xc_model_get_info(without)->has_softmax);
    CHECK(xc_run(a, input, 1));
    CHECK(xc_run(b, input, 1));
    float *pa = read_result(a, "probs", &na), *pb = read_result(b, "probs", &nb);
    assert_int_equal(na, 6);
    assert_int_equal(nb, 6);
    assert_memory_equal(pa, pb, sizeof(float) * 6);
    free(pa);
    free(pb);
    pa = read_result(a, "logits", &na), pb = read_result(b, "logits", &nb);
    assert_memory_equal(pa, pb, sizeof(float) * 6);
    free(pa);
    free(pb);
    free(input);
    xc_session_free(a);
    xc_session_free(b);
    xc_model_unref(with);
    xc_model_unref(without);
    xc_context_free(context);
}

static void test_map_at_the_end(void **state)
{
    (void)state;
    xc_context *context = make_context(1);
    xc_model *model = make_model(context, SMALL_ARCH ",head=none", SIDE, XC_WEIGHTS_RANDOM);
    xc_session *session = make_session(model, 1, XC_PRECISION_F64, NULL);
    float *input = make_input(1, SIDE, 3);
    uint8_t grey[64 * 64 * 3] = {0};
    xc_image *image = NULL;
    xc_answer answer;
    size_t count = 0;
    CHECK(xc_image_wrap(grey, 64, 64, 64 * 3, XC_RGB8, &image));
    CHECK(xc_run(session, input, 1));
    CHECK(xc_session_read(session, "logits", NULL, 0, &count));
    assert_int_equal(count, 3 * 3 * 256);
    REFUSED(xc_classify(session, (const xc_image *const *)&image, 1, 1, &answer), XC_ERR_ARGUMENT,
            "gives features");
    xc_image_free(image);
    free(input);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

/* ---- classifying ----------------------------------------------------------------------------- */

static void test_classify(void **state)
{
    (void)state;
    static uint8_t pixels[3][80 * 90 * 3];
    xc_context *context = make_context(1);
    xc_model *model = small_model(context);
    xc_session *session = make_session(model, 3, XC_PRECISION_F32, NULL);
    xc_image *image[3];
    xc_answer answer[3 * 12];
    size_t count;
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < sizeof pixels[i]; k++)
            pixels[i][k] = (uint8_t)(k * 7 + k / 270 * (size_t)i);
        CHECK(xc_image_wrap(pixels[i], 90, 80, 270, XC_RGB8, &image[i]));
    }
    CHECK(xc_classify(session, (const xc_image *const *)image, 3, 12, answer));
    float *probs = read_result(session, "probs", &count);
    for (int n = 0; n < 3; n++) {
        const xc_answer *a = answer + n * 12;
        for (int i = 0; i < 10; i++) {
            assert_true(a[i].prob == probs[n * 10 + (int)a[i].index]);
            assert_true(i == 0 || a[i - 1].prob >= a[i].prob);
            assert_null(a[i].label);
        }
        assert_int_equal(a[10].index, UINT32_MAX); /* only ten classes */
        assert_int_equal(a[11].index, UINT32_MAX);
    }
    for (int i = 0; i < 3; i++) xc_image_free(image[i]);
    free(probs);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

/* Pictures are prepared in the lanes where they run. The caller hears of the first that cannot be,
 * and gets the answers that each picture gets alone. */

enum { PICTURES = 7, CLASSES = 10, TALL = 12000 };

static void wrap_pictures(uint8_t *pixels, const uint32_t *height, xc_image **image)
{
    for (uint32_t i = 0; i < PICTURES; i++)
        CHECK(xc_image_wrap(pixels + i * 300, height[i] ? 1 : 90, height[i] ? height[i] : 80,
                            height[i] ? 3 : 270, XC_RGB8, &image[i]));
}

static void same_answers_alone(xc_session *alone, xc_image **image, const xc_answer *want)
{
    xc_answer got[CLASSES];
    for (uint32_t i = 0; i < PICTURES; i++, want += CLASSES) {
        CHECK(xc_classify(alone, (const xc_image *const *)&image[i], 1, CLASSES, got));
        for (uint32_t k = 0; k < CLASSES; k++) {
            assert_int_equal(got[k].index, want[k].index);
            assert_true(got[k].prob == want[k].prob);
        }
    }
}

static void test_pictures_in_lanes(void **state)
{
    (void)state;
    static uint8_t pixels[TALL * 3];
    static const uint32_t usual[PICTURES] = {0}, odd[PICTURES] = {0, 0, 0, TALL - 1, 0, TALL, 0};
    xc_context *context = make_context(3);
    xc_model *model = small_model(context);
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_preprocess crop = xc_model_get_info(model)->preprocess;
    xc_session *session = NULL, *alone = NULL;
    xc_image *good[PICTURES], *bad[PICTURES];
    xc_answer answer[PICTURES * CLASSES];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7 + i / 270);
    wrap_pictures(pixels, usual, good);
    wrap_pictures(pixels, odd, bad);
    crop.fit = XC_FIT_CROP;
    crop.crop = 0.01;
    opts.preprocess = &crop;
    CHECK(xc_session_new(model, &opts, &alone));
    opts.max_batch = PICTURES;
    CHECK(xc_session_new(model, &opts, &session));
    REFUSED(xc_classify(session, (const xc_image *const *)bad, PICTURES, CLASSES, answer),
            XC_ERR_LIMIT, "a picture of 1x11999 is too narrow");
    REFUSED(xc_session_read(session, "logits", NULL, 0, NULL), XC_ERR_ARGUMENT, "nothing has run");
    CHECK(xc_classify(session, (const xc_image *const *)good, PICTURES, CLASSES, answer));
    same_answers_alone(alone, good, answer);
    for (int i = 0; i < PICTURES; i++) xc_image_free(good[i]);
    for (int i = 0; i < PICTURES; i++) xc_image_free(bad[i]);
    xc_session_free(alone);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

struct canceller {
    xc_session *session;
    atomic_bool stop;
};

static void *cancel_often(void *ctx)
{
    struct canceller *c = ctx;
    while (!atomic_load(&c->stop)) {
        const struct timespec pause = {0, 1000000};
        xc_session_cancel(c->session);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* 63: all of them run in lanes, on one thread or three */
static void cancel_run(int threads)
{
    xc_context *context = make_context(threads);
    xc_model *model = small_model(context);
    xc_session *session = make_session(model, 63, XC_PRECISION_F32, NULL);
    float *input = make_input(63, SIDE, 3);
    struct canceller canceller = {.session = session};
    pthread_t thread;
    size_t count;
    xc_status status = XC_OK;
    assert_int_equal(pthread_create(&thread, NULL, cancel_often, &canceller), 0);
    for (int i = 0; i < 100 && status == XC_OK; i++) status = xc_run(session, input, 63);
    atomic_store(&canceller.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(status, XC_ERR_CANCELLED);
    REFUSED(xc_session_read(session, "logits", NULL, 0, &count), XC_ERR_ARGUMENT,
            "nothing has run");
    CHECK(xc_run(session, input, 1)); /* the flag is of one run only */
    free(input);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

static void test_cancel(void **state)
{
    (void)state;
    cancel_run(1);
    cancel_run(3);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void test_refused(void **state)
{
    (void)state;
    xc_context *context = make_context(1);
    xc_model *model = small_model(context);
    xc_model *shapes = make_model(context, SMALL_ARCH, 0, XC_WEIGHTS_NONE);
    xc_session *session = NULL;
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    const char *tap = "block99";
    REFUSED(xc_session_new(shapes, NULL, &session), XC_ERR_ARGUMENT, "without weights");
    REFUSED(xc_model_save(shapes, "x.safetensors", NULL), XC_ERR_ARGUMENT, "no weights to save");
    opts.taps = &tap;
    opts.tap_count = 1;
    REFUSED(xc_session_new(model, &opts, &session), XC_ERR_ARGUMENT, "block99: no layer");
    tap = "block4_sepconv1"; /* folded with its batch norm */
    REFUSED(xc_session_new(model, &opts, &session), XC_ERR_ARGUMENT, "block4_sepconv1_bn");
    opts.tap_count = 0;
    opts.height = 12;
    REFUSED(xc_session_new(model, &opts, &session), XC_ERR_SHAPE, "12x71 is too small");
    assert_null(session);
    xc_model_unref(shapes);
    xc_model_unref(model);
    xc_context_free(context);
}

RUN(cmocka_unit_test(test_threads_and_batches), cmocka_unit_test(test_neighbours),
    cmocka_unit_test(test_sessions_share_a_model), cmocka_unit_test(test_runs_without_memory),
    cmocka_unit_test(test_memory_of_batches), cmocka_unit_test(test_every_allocation_may_fail),
    cmocka_unit_test(test_every_allocation_of_a_load_may_fail), cmocka_unit_test(test_read),
    cmocka_unit_test(test_probs_without_softmax), cmocka_unit_test(test_map_at_the_end),
    cmocka_unit_test(test_classify), cmocka_unit_test(test_pictures_in_lanes),
    cmocka_unit_test(test_cancel), cmocka_unit_test(test_refused))
