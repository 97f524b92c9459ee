/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions of a calibrated model: text and back, what is refused, what they do to answers. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "model/decision.h"

static void text_and_back(void **state)
{
    (void)state;
    struct arena a = {0};
    const double least[] = {0.25, 0.1 + 0.2, 1};
    const xc_decision d = {sizeof d, 1.0 / 3, XC_REJECT_ENERGY, -2.5, least};
    xc_decision back;
    const char *text = decision_write(&d, 3, &a);
    assert_non_null(text);
    assert_int_equal(decision_read(text, 3, &a, &back, NULL), XC_OK);
    assert_true(back.temperature == d.temperature && back.reject == d.reject);
    assert_true(back.reject_below == d.reject_below);
    assert_memory_equal(back.least, least, sizeof least);
    const xc_decision plain = XC_DECISION_INIT;
    assert_true(decision_is_plain(&plain) && !decision_is_plain(&d));
    assert_int_equal(decision_read(decision_write(&plain, 3, &a), 3, &a, &back, NULL), XC_OK);
    assert_true(decision_is_plain(&back));
    arena_free(&a);
}

static void refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"temperature\":1,\"reject\":\"none\",\"reject_below\":0}",
        "{\"least\":null,\"temperature\":0,\"reject\":\"none\",\"reject_below\":0}",
        "{\"least\":null,\"temperature\":1,\"reject\":\"never\",\"reject_below\":0}",
        "{\"least\":[0.1],\"temperature\":1,\"reject\":\"none\",\"reject_below\":0}",
        "{\"least\":[0.1,2],\"temperature\":1,\"reject\":\"none\",\"reject_below\":0}",
        "{\"least\":[0.1,\"a\"],\"temperature\":1,\"reject\":\"none\",\"reject_below\":0}",
        "{\"least\":null,\"temperature\":1,\"reject\":\"none\",\"reject_below\":0,\"more\":1}"};
    struct arena a = {0};
    xc_decision d = XC_DECISION_INIT;
    struct error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(decision_read(wrong[i], 2, &a, &d, &err), XC_ERR_FORMAT);
        assert_int_equal(strncmp(err.text, "decision: ", 10), 0);
    }
    assert_true(decision_is_plain(&d));
    arena_free(&a);
}

static void answers(void **state)
{
    (void)state;
    const double logit[] = {1, 3, -2}, least[] = {0, 0.9, 0};
    double p[3];
    xc_decision d = XC_DECISION_INIT;
    d.temperature = 2;
    decision_probabilities(&d, false, logit, 3, p);
    const double sum = exp(0.5) + exp(1.5) + exp(-1);
    assert_true(fabs(p[1] - exp(1.5) / sum) < 1e-15 && fabs(p[0] + p[1] + p[2] - 1) < 1e-15);
    assert_false(decision_unknown(&d, false, logit, p, 3));
    d.reject = XC_REJECT_MAX_LOGIT;
    d.reject_below = 3;
    assert_false(decision_unknown(&d, false, logit, p, 3));
    d.reject_below = 3.001;
    assert_true(decision_unknown(&d, false, logit, p, 3));
    d.reject = XC_REJECT_ENERGY; /* of the logits as they are */
    d.reject_below = log(exp(1) + exp(3) + exp(-2)) - 1e-9;
    assert_false(decision_unknown(&d, false, logit, p, 3));
    d.reject_below += 1e-6;
    assert_true(decision_unknown(&d, false, logit, p, 3));
    d.reject = XC_REJECT_NONE;
    d.least = least; /* 0.68 of class 1 */
    assert_true(decision_unknown(&d, false, logit, p, 3));
    decision_probabilities(&d, true, logit, 3, p);
    assert_true(fabs(p[2] - 1 / (1 + exp(1))) < 1e-15);
    assert_false(decision_unknown(&d, true, logit, p, 3)); /* of several labels one is enough */
}

RUN(cmocka_unit_test(text_and_back), cmocka_unit_test(refused), cmocka_unit_test(answers))
