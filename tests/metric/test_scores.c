/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of scores: what comes back, blocks on disk, and numbers against their definitions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "harness.h"
#include "metric/scores.h"

enum { CLASSES = 7, ROWS = 3 * SCORES_BLOCK + 100 };

static double value(uint32_t row, uint32_t c)
{
    return (double)(float)(3 * rng_normal(1, RNG_TEST, row, 0, c));
}

static uint32_t label_of(uint32_t row)
{
    uint32_t best = 0;
    for (uint32_t c = 1; c < CLASSES; c++)
        if (value(row, c) > value(row, best)) best = c;
    return rng_uniform(2, RNG_TEST, row, 0, 0) < 0.6f ? best : row % CLASSES;
}

static struct scores *make(uint32_t rows, bool multi_label)
{
    const struct scores_opts o = {.kind = XC_SCORES_LOGITS,
                                  .classes = CLASSES,
                                  .multi_label = multi_label,
                                  .top = 3,
                                  .bins = 10,
                                  .folder = "/tmp"};
    struct scores *s;
    double x[CLASSES];
    assert_int_equal(scores_new(&o, &s, NULL), XC_OK);
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t c = 0; c < CLASSES; c++) x[c] = value(i, c);
        const int32_t more = (int32_t)((label_of(i) + 1) % CLASSES);
        const struct scores_row row = {.id = 10 * i,
                                       .score = x,
                                       .label = label_of(i),
                                       .extra = &more,
                                       .extra_count = multi_label && i % 3 == 0};
        assert_int_equal(scores_add(s, &row, NULL), XC_OK);
    }
    return s;
}

static void comes_back(void **state)
{
    (void)state;
    static double column[ROWS], block[SCORES_BLOCK * CLASSES];
    struct scores *s = make(ROWS, false);
    assert_int_equal(s->spill.blocks, 3);
    for (uint32_t c = 0; c < CLASSES; c++) {
        assert_int_equal(spill_column(&s->spill, c, column, NULL), XC_OK);
        for (uint32_t i = 0; i < ROWS; i++) assert_true(column[i] == value(i, c));
    }
    for (uint32_t b = 0; b < 4; b++) {
        assert_int_equal(spill_block(&s->spill, b, block, NULL), XC_OK);
        assert_int_equal(spill_rows(&s->spill, b), b < 3 ? SCORES_BLOCK : 100);
        for (uint32_t i = 0; i < spill_rows(&s->spill, b); i++)
            for (uint32_t c = 0; c < CLASSES; c++)
                assert_true(block[i * CLASSES + c] == value(b * SCORES_BLOCK + i, c));
    }
    scores_free(s);
}

static double loss_at(uint32_t row, double temperature, double *confidence)
{
    double sum = 0, most = -INFINITY;
    for (uint32_t c = 0; c < CLASSES; c++) {
        sum += exp(value(row, c) / temperature);
        most = fmax(most, value(row, c));
    }
    if (confidence) *confidence = exp(most / temperature) / sum;
    return log(sum) - value(row, label_of(row)) / temperature;
}

static void sums(void **state)
{
    (void)state;
    struct scores *s = make(ROWS, false);
    struct scores_sum got;
    double loss = 0, p;
    assert_int_equal(scores_sum_up(s, &got, NULL), XC_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        loss += loss_at(i, 1, &p);
        assert_true(fabs(scores_confidence(s, &s->entry[i]) - p) < 1e-12);
    }
    assert_true(fabs(got.loss - loss / ROWS) < 1e-12);
    assert_true(got.top1 > ROWS / 2 && got.topk > got.top1 && got.topk < ROWS);
    scores_free(s);
}

/* Worked out by hand: two answers lie on the upper edge of their bin, one bin is empty. */
static void by_hand(void **state)
{
    (void)state;
    static const double p[5][3] = {{0.5, 0.25, 0.25},
                                   {0.75, 0.125, 0.125},
                                   {0.0625, 0.875, 0.0625},
                                   {0.5, 0.25, 0.25},
                                   {0.9375, 0.03125, 0.03125}};
    static const uint32_t label[5] = {0, 2, 1, 0, 0};
    const struct scores_opts o = {
        .kind = XC_SCORES_PROBABILITIES, .classes = 3, .top = 2, .bins = 4, .folder = "/tmp"};
    struct scores_bin bin[4];
    struct scores_sum got;
    struct scores *s;
    assert_int_equal(scores_new(&o, &s, NULL), XC_OK);
    for (uint32_t i = 0; i < 5; i++) {
        const struct scores_row row = {.id = i, .score = p[i], .label = label[i]};
        assert_int_equal(scores_add(s, &row, NULL), XC_OK);
    }
    assert_int_equal(scores_sum_up(s, &got, NULL), XC_OK);
    assert_true(fabs(scores_bins(s, bin) - (1 + 0.75 + 0.1875) / 5) < 1e-12);
    assert_true(fabs(got.ece - (1 + 0.75 + 0.1875) / 5) < 1e-12);
    assert_true(fabs(got.brier - (0.375 + 1.34375 + 0.0234375 + 0.375 + 0.005859375) / 5) < 1e-12);
    assert_int_equal(got.top1, 4);
    assert_int_equal(got.topk, 4); /* the second label is third: of equals the first counts */
    static const uint64_t count[4] = {0, 2, 1, 2}, hits[4] = {0, 2, 0, 2};
    static const double mean[4] = {0, 0.5, 0.75, 0.90625};
    for (int i = 0; i < 4; i++) {
        assert_true(bin[i].confidence == mean[i]);
        assert_int_equal(bin[i].count, count[i]);
        assert_int_equal(bin[i].hits, hits[i]);
    }
    scores_free(s);
}

/* Answers without a probability say nothing of calibration. */
static void answers(void **state)
{
    (void)state;
    const struct scores_opts o = {
        .kind = XC_SCORES_ANSWERS, .classes = 3, .top = 2, .bins = 4, .folder = "/tmp"};
    const struct scores_row row[] = {{.label = 1, .answer = 1, .probability = 0.75},
                                     {.label = 2, .answer = 1, .probability = NAN}};
    struct scores_sum got;
    struct scores *s;
    assert_int_equal(scores_new(&o, &s, NULL), XC_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(scores_add(s, &row[i], NULL), XC_OK);
    assert_int_equal(scores_sum_up(s, &got, NULL), XC_OK);
    assert_true(got.ece == 0.25 && got.top1 == 1 && isnan(got.brier));
    scores_free(s);
}

static void temperature(void **state)
{
    (void)state;
    struct scores *s = make(ROWS, false);
    struct scores_sum got;
    double t, best = INFINITY, at = 0;
    assert_int_equal(scores_fit_temperature(s, &t, NULL), XC_OK);
    for (int i = -200; i <= 200; i++) { /* a grid around it finds no better one */
        double loss = 0;
        const double try = t * exp(i * 1e-3);
        for (uint32_t r = 0; r < ROWS; r++) loss += loss_at(r, try, NULL);
        if (loss < best) {
            best = loss;
            at = try;
        }
    }
    assert_true(at == t);
    assert_int_equal(scores_set_temperature(s, t, NULL), XC_OK);
    assert_int_equal(scores_sum_up(s, &got, NULL), XC_OK);
    assert_true(fabs(got.loss - best / ROWS) < 1e-12);
    assert_int_equal(scores_set_temperature(s, 1, NULL), XC_OK);
    scores_free(s);
}

static void several_labels(void **state)
{
    (void)state;
    struct scores *s = make(ROWS, true);
    struct scores_sum got;
    double loss = 0, precision = 0, brier = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t first = label_of(i), second = (first + 1) % CLASSES;
        double hits = 0, sum = 0;
        uint32_t place[CLASSES], labels = i % 3 == 0 ? 2 : 1;
        for (uint32_t c = 0; c < CLASSES; c++) {
            const bool is = c == first || (labels == 2 && c == second);
            const double q = 1 / (1 + exp(-value(i, c)));
            loss -= log(is ? q : 1 - q);
            brier += (q - is) * (q - is) / CLASSES;
            uint32_t at = 0;
            for (uint32_t k = 0; k < CLASSES; k++) at += value(i, k) > value(i, c);
            place[at] = is;
        }
        for (uint32_t at = 0; at < 3; at++)
            if (place[at]) sum += ++hits / (at + 1);
        precision += sum / labels;
    }
    assert_int_equal(scores_sum_up(s, &got, NULL), XC_OK);
    assert_true(fabs(got.loss - loss / ROWS) < 1e-10);
    assert_true(fabs(got.map_at_k - precision / ROWS) < 1e-12);
    assert_true(fabs(got.brier - brier / ROWS) < 1e-12);
    scores_free(s);
}

static void sum_row(bool multi_label, const double *p, uint32_t label, struct scores_sum *got)
{
    static const int32_t more = 0;
    const struct scores_opts o = {.kind = XC_SCORES_PROBABILITIES,
                                  .classes = 3,
                                  .multi_label = multi_label,
                                  .top = 1,
                                  .bins = 4,
                                  .folder = "/tmp"};
    const struct scores_row row = {
        .score = p, .label = label, .extra = &more, .extra_count = multi_label};
    struct scores *s;
    assert_int_equal(scores_new(&o, &s, NULL), XC_OK);
    assert_int_equal(scores_add(s, &row, NULL), XC_OK);
    assert_int_equal(scores_sum_up(s, got, NULL), XC_OK);
    scores_free(s);
}

/* More labels than answers that count: the best of them does. Probabilities of 0 and 1 are clipped.
 */
static void edges(void **state)
{
    (void)state;
    static const double some[] = {0.9, 0.8, 0.1}, sure[] = {0, 1, 0};
    struct scores_sum got;
    sum_row(true, some, 1, &got);
    assert_true(got.top1 == 1 && got.map_at_k == 1);
    sum_row(false, sure, 0, &got);
    assert_true(fabs(got.loss - 52 * log(2)) < 1e-12);
    sum_row(false, sure, 1, &got);
    assert_true(got.loss > 0 && got.loss < 3e-16);
}

/* Class 2 against the others, at a temperature: each probability comes back, best first. */
static void check_class(bool multi_label, double t)
{
    enum { CLASS = 2 };
    struct scores *s = make(ROWS, multi_label);
    static struct ranked rank[ROWS], mine[ROWS];
    struct scores_sum got;
    double brier = 0;
    assert_int_equal(scores_set_temperature(s, t, NULL), XC_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t second = multi_label && i % 3 == 0 ? (label_of(i) + 1) % CLASSES : CLASSES;
        double sum = 0;
        for (uint32_t c = 0; c < CLASSES; c++) sum += exp(value(i, c) / t);
        for (uint32_t c = 0; c < CLASSES; c++) {
            const double e = exp(value(i, c) / t), p = multi_label ? e / (1 + e) : e / sum;
            const bool is = c == label_of(i) || c == second;
            brier += (p - is) * (p - is) / (multi_label ? CLASSES : 1);
            if (c == CLASS) mine[i] = (struct ranked){p, is};
        }
    }
    ranking_sort(mine, ROWS);
    assert_int_equal(scores_rank(s, CLASS, rank, NULL), XC_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_true(fabs(scores_probability(s, rank[i].score) - mine[i].score) < 1e-12);
        assert_int_equal(rank[i].positive, mine[i].positive);
    }
    assert_int_equal(scores_sum_up(s, &got, NULL), XC_OK);
    assert_true(fabs(got.brier - brier / ROWS) < 1e-12);
    scores_free(s);
}

static void one_class(void **state)
{
    (void)state;
    check_class(false, 1);
    check_class(false, 1.7);
    check_class(true, 0.6);
}

static void refusals(void **state)
{
    (void)state;
    struct scores *s = make(3, false);
    struct error err;
    double x[CLASSES] = {0};
    struct scores_row row = {.score = x, .label = CLASSES};
    assert_int_equal(scores_add(s, &row, &err), XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "row 3: label 7"));
    row.label = 0;
    x[2] = NAN;
    assert_int_equal(scores_add(s, &row, &err), XC_ERR_NUMBER);
    assert_int_equal(scores_set_temperature(s, 0, &err), XC_ERR_ARGUMENT);
    assert_int_equal(s->entries, 3);
    scores_free(s);
    const struct scores_opts o = {.kind = XC_SCORES_LOGITS,
                                  .classes = 2,
                                  .top = 1,
                                  .bins = 1,
                                  .folder = "/nonexistent/folder"};
    assert_int_equal(scores_new(&o, &s, NULL), XC_OK);
    row.score = x;
    xc_status status = XC_OK;
    for (int i = 0; i < SCORES_BLOCK && status == XC_OK; i++) status = scores_add(s, &row, &err);
    assert_int_equal(status, XC_ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent/folder"));
    for (int i = 0; i < 2 * SCORES_BLOCK; i++) /* and nothing is written behind the block */
        assert_int_equal(scores_add(s, &row, &err), XC_ERR_IO);
    assert_int_equal(s->entries, SCORES_BLOCK - 1);
    assert_int_equal(s->spill.rows, SCORES_BLOCK - 1);
    scores_free(s);
}

static long resident_kib(void)
{
    long all, pages;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &all, &pages), 2);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A thousand classes, twenty thousand pictures: 80 MB of scores, and 2 MiB more than after 200. */
static void memory_is_flat(void **state)
{
    (void)state;
    if (HARNESS_ASAN) {
        print_message("skipped: freed memory stays with the sanitizer\n");
        skip();
    }
    enum { MANY = 1000, PICTURES = 20000 };
    const struct scores_opts o = {
        .kind = XC_SCORES_LOGITS, .classes = MANY, .top = 5, .bins = 15, .folder = "/tmp"};
    static double x[MANY];
    struct scores *s;
    long early = 0;
    assert_int_equal(scores_new(&o, &s, NULL), XC_OK);
    for (uint32_t i = 0; i < PICTURES; i++) {
        const struct scores_row row = {.id = i, .score = x, .label = i % MANY};
        if (i == 300) early = resident_kib(); /* the first block is in the file */
        x[i % MANY] = (double)i;
        assert_int_equal(scores_add(s, &row, NULL), XC_OK);
    }
    const long late = resident_kib();
    if (late - early > 2048) print_error("%ld KiB after 300, %ld after 20000\n", early, late);
    assert_true(late - early <= 2048);
    scores_free(s);
}

RUN(cmocka_unit_test(comes_back), cmocka_unit_test(sums), cmocka_unit_test(by_hand),
    cmocka_unit_test(answers), cmocka_unit_test(temperature), cmocka_unit_test(several_labels),
    cmocka_unit_test(one_class), cmocka_unit_test(edges), cmocka_unit_test(refusals),
    cmocka_unit_test(memory_is_flat))
