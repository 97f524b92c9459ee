/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a history, byte for byte: the events are those that TensorBoard's reader was seen to
 * accept (tests/oracle/tensorboard_events.py). */
#include "train/history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "harness.h"
#include "train/score.h"

static const struct history_row rows[] = {
    {1, 12, 3.5, 0.1, 2.25, 0.25, 2, 0.375, 0.875, 101},
    {2, 24, 7, 0.05, 1.125, 0.5, 1.5, 0.625, 1, 99.5},
};

static void written(xc_status (*write)(const struct history *, const char *, struct error *),
                    struct file_view *out)
{
    char path[] = "/tmp/xception-history-XXXXXX";
    struct history h = {0};
    struct error err;
    close(mkstemp(path));
    for (int i = 0; i < 2; i++) assert_int_equal(history_add(&h, &rows[i], &err), XC_OK);
    assert_int_equal(write(&h, path, &err), XC_OK);
    assert_int_equal(file_read(path, 1 << 20, out, &err), XC_OK);
    unlink(path);
    history_free(&h);
}

static void csv(void **state)
{
    (void)state;
    static const char expected[] =
        "epoch,step,seconds,lr,train_loss,train_top1,val_loss,val_top1,val_top5,images_per_second\n"
        "1,12,3.5,0.1,2.25,0.25,2,0.375,0.875,101\n"
        "2,24,7,0.05,1.125,0.5,1.5,0.625,1,99.5\n";
    struct file_view view;
    written(history_csv, &view);
    assert_int_equal(view.size, sizeof expected - 1);
    assert_memory_equal(view.data, expected, view.size);
    file_release(&view);
}

static xc_status write_events(const struct history *h, const char *path, struct error *err)
{
    return history_events(h, 1000, path, err);
}

static void events(void **state)
{
    (void)state;
    char hex[65];
    struct file_view view;
    struct sha256 sum;
    written(write_events, &view);
    /* length, its sum, wall time 1000, version, sum of them */
    static const uint8_t first[] = {24,  0,   0,   0,   0,   0,   0,   0,   0xa3, 0x7f, 0x4b, 0x22,
                                    9,   0,   0,   0,   0,   0,   64,  143, 64,   26,   13,   'b',
                                    'r', 'a', 'i', 'n', '.', 'E', 'v', 'e', 'n',  't',  ':',  '2'};
    assert_true(view.size > sizeof first);
    assert_memory_equal(view.data, first, sizeof first);
    sha256_init(&sum);
    sha256_add(&sum, view.data, view.size);
    sha256_hex(&sum, hex);
    assert_string_equal(hex, "ce30f8054b0159ba9ed2f3705851d2b65c7484f8502118b4eea60f7d3375678d");
    file_release(&view);
}

/* A network that has left all bounds still has a loss that files can hold. */
static void bounded_losses(void **state)
{
    (void)state;
    const float logits[3][2] = {{NAN, 1}, {INFINITY, 0}, {0, 0}};
    const int32_t label[3] = {0, 1, 0};
    const float several[3][2] = {{1, 0}, {0, 1}, {1, 0}};
    for (int i = 0; i < 2; i++) {
        struct score s = {0};
        score_add(&s, &logits[0][0], label, NULL, i ? &several[0][0] : NULL, 3, 2);
        assert_int_equal(s.rows, 3);
        assert_int_equal(s.top1, 1);
        assert_true(score_loss(&s) > 0.6 * SCORE_MOST_LOSS && score_loss(&s) < SCORE_MOST_LOSS);
    }
}

RUN(cmocka_unit_test(csv), cmocka_unit_test(events), cmocka_unit_test(bounded_losses))
