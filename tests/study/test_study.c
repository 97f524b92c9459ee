/* SPDX-License-Identifier: Apache-2.0 */
/* Which arms does a request make, which pictures does a study take, and does a plan come back as it
 * was written? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "findings.h"
#include "harness.h"
#include "predictions.h"
#include "study.h"

static xc_context *context;

static int begin(void **state)
{
    (void)state;
    return xc_context_new(NULL, &context) == XC_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    xc_context_free(context);
    return 0;
}

/* ---- the grid -------------------------------------------------------------------------------- */

static const char *const none[] = {NULL};

static struct plan small_plan(void)
{
    return (struct plan){.data = strdup("/pictures"),
                         .fingerprint = strdup("0123"),
                         .augment = strdup("flip"),
                         .height = 32,
                         .width = 32,
                         .channels = 3,
                         .classes = 10,
                         .train = 100,
                         .test = 50,
                         .epochs = 4,
                         .batch = 8,
                         .repeat = 3,
                         .seed = 7,
                         .lr = 0.1};
}

static void fill(const char *const *arch, const char *const *axis, const char *const *preset,
                 struct plan *p)
{
    struct why why = {""};
    const struct grid_request r = {context, arch, axis, preset};
    *p = small_plan();
    if (grid_fill(&r, p, &why) == XC_OK) return;
    print_error("%s\n", why.text);
    assert_true(false);
}

static void test_presets(void **state)
{
    (void)state;
    const char *const presets[] = {"rivals", "fig9", "table3", "spectrum", "table2", "ema", NULL};
    struct plan p;
    fill(none, none, presets, &p);
    const struct arm *reference = &p.arm[plan_arm(&p, "xception")];
    assert_string_equal(reference->name, "xception"); /* once, though three presets have it */
    assert_true(reference->presets >> PRESET_fig9 & 1 && reference->presets >> PRESET_rivals & 1);
    assert_int_equal(p.arms, 4 + 1 + 0 + 6 + 4 + 1);
    const char *const equal[] = {"inception", "resnet", "vgg"};
    for (int i = 0; i < 3; i++) { /* at equal parameters */
        const struct arm *a = &p.arm[plan_arm(&p, equal[i])];
        assert_true(fabs((double)a->params / (double)reference->params - 1) < 0.06);
    }
    for (uint32_t i = plan_arm(&p, "segments=1"); i <= plan_arm(&p, "segments=all"); i++)
        assert_true(fabs(4 * (double)p.arm[i].params / (double)reference->params - 1) < 0.15);
    /* the two layers come on top of equal networks */
    const struct arm *plain = &p.arm[plan_arm(&p, "inception, mosaics")];
    const struct arm *fc = &p.arm[plan_arm(&p, "inception+fc, mosaics")];
    const struct arm *own = &p.arm[plan_arm(&p, "xception+fc, mosaics")];
    assert_true(plain->mosaics && fc->params > 2 * plain->params);
    assert_true(fabs((double)fc->params / (double)own->params - 1) < 0.06);
    plan_free(&p);
}

static void test_axes(void **state)
{
    (void)state;
    const char *const arch[] = {"xception,width=0.125,stem-stride=1", "spectrum,width=16/32", NULL};
    const char *const axis[] = {"residual", "order", NULL};
    struct plan p;
    fill(arch, axis, none, &p);
    assert_int_equal(p.arms, 8);
    assert_string_equal(p.arm[0].name, "xception");
    assert_string_equal(p.arm[1].name, "no residual");
    assert_string_equal(p.arm[3].name, "no residual pointwise first");
    for (uint32_t i = 0; i < p.arms; i++)
        for (uint32_t k = 0; k < i; k++) assert_string_not_equal(p.arm[i].name, p.arm[k].name);
    plan_free(&p);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *arch[3], *axis[3], *preset[2], *says;
    } row[] = {{{NULL}, {NULL}, {NULL}, "one of --preset and --arch"},
               {{"spectrum,width=30"}, {"segments=1/4"}, {NULL}, "segments=4"},
               {{"spectrum"}, {"width"}, {NULL}, "'width' is not one of"},
               {{"spectrum"}, {"act", "act"}, {NULL}, "act twice"},
               {{"spectrum"}, {"act="}, {NULL}, "has no values"},
               {{"spectrum"}, {"act=none//relu"}, {NULL}, "divided by /"},
               {{"spectrum", "vgg16"}, {NULL}, {"fig9"}, "there is one"},
               {{"vgg16"}, {NULL}, {"fig9"}, "residual"},
               {{"inception-module"}, {NULL}, {NULL}, "gives 96"}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct why why = {""};
        const struct grid_request r = {context, row[i].arch, row[i].axis, row[i].preset};
        struct plan p = small_plan();
        assert_int_not_equal(grid_fill(&r, &p, &why), XC_OK);
        if (!strstr(why.text, row[i].says)) print_error("%zu: %s\n", i, why.text);
        assert_non_null(strstr(why.text, row[i].says));
        plan_free(&p);
    }
}

/* ---- the plan -------------------------------------------------------------------------------- */

static void test_plan(void **state)
{
    (void)state;
    const char *const presets[] = {"ema", "fig7", NULL};
    struct plan p, q;
    struct why why = {""};
    fill(none, none, presets, &p);
    char *text = plan_write(&p);
    assert_non_null(text);
    assert_int_equal(plan_read(text, &q, &why), XC_OK);
    assert_int_equal(plan_same(&p, &q, "s", &why), XC_OK);
    char *again = plan_write(&q);
    assert_string_equal(text, again);
    q.arm[1].ema = 0.5;
    assert_int_equal(plan_same(&p, &q, "s", &why), XC_ERR_ARGUMENT);
    assert_non_null(strstr(why.text, "another study: arm"));
    for (char *c = text; *c; c++) { /* cut anywhere, it is refused */
        const char held = *c;
        *c = 0;
        assert_int_equal(plan_read(text, &(struct plan){0}, &why), XC_ERR_FORMAT);
        *c = held;
        if (c[1]) c += c[1] == '\n' ? 0 : 6 < strlen(c) ? 6 : 0;
    }
    uint64_t seed;
    assert_ptr_equal(plan_cell(&p, p.arms + 1, &seed), &p.arm[1]);
    assert_int_equal(seed, 8);
    free(again);
    free(text);
    plan_free(&q);
    plan_free(&p);
}

static void test_predictions(void **state)
{
    (void)state;
    char path[] = "/tmp/xception-test-XXXXXX";
    const int fd = mkstemp(path);
    const float score[] = {1, 0, 0.25f};
    const uint16_t best[] = {3, 65535, 0};
    float *back;
    uint32_t n;
    struct why why = {""};
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(predictions_write(path, score, best, 3, &why), XC_OK);
    assert_int_equal(predictions_read(path, &back, &n, &why), XC_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(back, score, sizeof score);
    free(back);
    assert_int_equal(truncate(path, 25), 0);
    assert_int_equal(predictions_read(path, &back, &n, &why), XC_ERR_FORMAT);
    unlink(path);
}

/* ---- pictures -------------------------------------------------------------------------------- */

static void make_pictures(char folder[])
{
    char command[256];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "python3 %s/tests/study/pictures.py %s/set 20 10",
             XC_SOURCE_DIR, folder);
    assert_int_equal(system(command), 0);
}

static void count_labels(const xc_dataset *d, uint32_t *count, uint32_t *several)
{
    xc_dataset_info info;
    xc_sample s;
    xc_dataset_get_info(d, &info);
    for (uint64_t i = 0; i < info.samples; i++) {
        assert_int_equal(xc_dataset_sample(d, i, &s), XC_OK);
        if (s.split == XC_SPLIT_TRAIN) count[s.label]++;
        *several += s.extra_count > 0;
    }
}

static void test_source(void **state)
{
    (void)state;
    char folder[] = "/tmp/xception-test-XXXXXX", path[64];
    struct why why = {""};
    struct source *s;
    xc_dataset_info a, b;
    make_pictures(folder);
    snprintf(path, sizeof path, "%s/set", folder);
    assert_int_equal(source_open(path, 0, 31, 9, 5, &s, &why), XC_OK);
    assert_int_equal(s->train, 31);
    assert_int_equal(s->test, 9);
    uint32_t count[3] = {0}, several = 0;
    count_labels(s->pictures, count, &several);
    for (int i = 0; i < 3; i++) assert_in_range(count[i], 10, 11); /* equal parts */
    assert_int_equal(several, 0);
    assert_int_equal(source_mosaics(s, 16, 20, 3, &why), XC_OK);
    count_labels(s->mosaics, count, &several);
    assert_in_range(several, 10, 35); /* of 40: nearly two in three have several classes */
    xc_dataset_get_info(s->mosaics, &a);
    assert_true(a.multi_label && a.classes == 3 && a.samples == 40);
    for (uint64_t i = 0; i < a.samples; i++) {
        xc_image *image;
        xc_image_info info;
        assert_int_equal(xc_dataset_image(s->mosaics, i, NULL, &image), XC_OK);
        xc_image_get_info(image, &info);
        assert_true(info.width == 20 && info.height == 16);
        xc_image_free(image);
    }
    char first[65];
    xc_dataset_get_info(s->pictures, &a);
    snprintf(first, sizeof first, "%s", a.fingerprint);
    source_free(s);
    assert_int_equal(source_open(path, 0, 31, 9, 5, &s, &why), XC_OK); /* the same again */
    xc_dataset_get_info(s->pictures, &b);
    assert_string_equal(first, b.fingerprint);
    source_free(s);
    assert_int_equal(source_open(path, 0, 31, 9, 6, &s, &why), XC_OK); /* another seed */
    xc_dataset_get_info(s->pictures, &b);
    assert_string_not_equal(first, b.fingerprint);
    source_free(s);
    assert_int_equal(remove_folder(folder, &why), XC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),     cmocka_unit_test(test_axes),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_plan),
        cmocka_unit_test(test_predictions), cmocka_unit_test(test_source)};
    return cmocka_run_group_tests(tests, begin, end);
}
