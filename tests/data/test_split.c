/* SPDX-License-Identifier: Apache-2.0 */
/* Is a split stratified, seeded, independent of the rest, and does it keep groups together? */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 4, EACH = 40 };

static void put_list(const char *root, const char *name, bool groups, int skip)
{
    FILE *f;
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "path,label,group\n");
    for (int i = 0; i < CLASSES * EACH; i++) {
        if (i == skip) continue;
        fprintf(f, "%03d.png,c%d,", i, i % CLASSES);
        if (groups) fprintf(f, "g%d", i / CLASSES / 5 * CLASSES + i % CLASSES);
        fprintf(f, "\n");
    }
    fclose(f);
}

static int held_out(const struct dataset *d, int label)
{
    int n = 0;
    for (size_t i = 0; i < d->samples; i++)
        n += d->sample[i].split == XC_SPLIT_VAL && (label < 0 || d->sample[i].label == label);
    return n;
}

static void test_stratified(void **state)
{
    (void)state;
    char *root = scratch_new();
    put_list(root, "l.csv", false, -1);
    put_list(root, "less.csv", false, 17);
    struct dataset_opts opts = {.val_split = 0.1, .seed = 3};
    struct dataset *a = open_or_fail(root, "l.csv", &opts), *b = open_or_fail(root, "l.csv", &opts);
    for (int c = 0; c < CLASSES; c++) assert_int_equal(held_out(a, c), EACH / 10);
    assert_int_equal(a->count[XC_SPLIT_VAL], CLASSES * EACH / 10);
    for (size_t i = 0; i < a->samples; i++)
        assert_int_equal(a->sample[i].split, b->sample[i].split);
    dataset_free(b);
    opts.seed = 4;
    b = open_or_fail(root, "l.csv", &opts);
    int same = 0;
    for (size_t i = 0; i < a->samples; i++)
        same += a->sample[i].split == XC_SPLIT_VAL && b->sample[i].split == XC_SPLIT_VAL;
    assert_true(same < CLASSES * EACH / 20);
    dataset_free(b);
    opts.seed = 3; /* one sample less moves at most one other */
    b = open_or_fail(root, "less.csv", &opts);
    int moved = 0;
    for (size_t i = 0; i < b->samples; i++)
        moved += b->sample[i].split != sample_of(a, b->sample[i].name)->split;
    assert_true(moved <= 1);
    dataset_free(b);
    dataset_free(a);
    scratch_end(root);
}

static void test_groups(void **state)
{
    (void)state;
    char *root = scratch_new();
    put_list(root, "l.csv", true, -1);
    struct dataset_opts opts = {.val_split = 0.2, .seed = 1};
    struct dataset *d = open_or_fail(root, "l.csv", &opts);
    for (int c = 0; c < CLASSES; c++) assert_int_equal(held_out(d, c), 10); /* two groups of five */
    for (size_t i = 0; i < d->samples; i++)
        for (size_t k = 0; k < i; k++)
            if (d->sample[i].group == d->sample[k].group)
                assert_int_equal(d->sample[i].split, d->sample[k].split);
    dataset_free(d);
    scratch_end(root);
}

static void test_refused(void **state)
{
    (void)state;
    char *root = scratch_new();
    struct dataset_opts opts = {.val_split = 0.5};
    put_text(root, "has.csv", "path,label,split\na.png,x,train\nb.png,x,val\n");
    put_text(root, "single.csv", "a.png,x\nb.png,y\n");
    refused(root, "has.csv", &opts, XC_ERR_ARGUMENT, "has.csv: has a validation split of 1", NULL);
    refused(root, "single.csv", &opts, XC_ERR_FORMAT, "nothing can be held out", NULL);
    opts.val_split = 1.0;
    refused(root, "single.csv", &opts, XC_ERR_ARGUMENT, "validation split 1", NULL);
    scratch_end(root);
}

RUN(cmocka_unit_test(test_stratified), cmocka_unit_test(test_groups),
    cmocka_unit_test(test_refused))
