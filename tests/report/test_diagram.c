/* SPDX-License-Identifier: Apache-2.0 */
/* Does a drawing have every layer once, no box on another, and the flows of the paper's figure 5?
 */
#include <string.h>

#include "diagram_int.h"
#include "harness.h"

static struct diagram *draw(const char *arch, xc_model **model)
{
    xc_context *context = NULL;
    assert_int_equal(xc_context_new(NULL, &context), XC_OK);
    assert_int_equal(xc_model_create(context, arch, NULL, model), XC_OK);
    xc_context_free(context);
    struct diagram *d = diagram_new(*model);
    assert_non_null(d);
    return d;
}

static uint64_t block_params(const struct diagram *d, int block)
{
    uint64_t sum = 0;
    for (int i = d->block[block].first; i <= d->block[block].last; i++) sum += d->box[i].params;
    return sum;
}

/* Folding loses nothing: what is drawn, as often as it says, is the network. */
static uint64_t drawn_params(const struct diagram *d)
{
    uint64_t sum = 0;
    for (int s = 0; s < d->sections; s++)
        for (int r = d->section[s].first; r <= d->section[s].last; r++)
            for (int b = d->repeat[r].first; b <= d->repeat[r].last; b++)
                sum += (uint64_t)d->repeat[r].times * block_params(d, b);
    return sum;
}

static bool apart(const struct box *a, const struct box *b)
{
    return a->x + a->w / 2 <= b->x - b->w / 2 || b->x + b->w / 2 <= a->x - a->w / 2 ||
           a->y + a->h <= b->y || b->y + b->h <= a->y;
}

static int overlaps(const struct diagram *d)
{
    int count = 0;
    for (int k = 0; k < d->blocks; k++)
        for (int i = d->block[k].first; i <= d->block[k].last; i++)
            for (int j = i + 1; j <= d->block[k].last; j++) count += !apart(&d->box[i], &d->box[j]);
    return count;
}

static void test_every_network(void **state)
{
    (void)state;
    const char *name;
    for (int32_t i = 0; (name = xc_arch_name(i, NULL)); i++) {
        xc_model *model = NULL;
        struct diagram *d = draw(name, &model);
        struct page p = {0};
        print_message("%s: %d boxes, %d blocks, %d sections\n", name, d->boxes, d->blocks,
                      d->sections);
        assert_int_equal(drawn_params(d), xc_model_get_info(model)->params);
        assert_int_equal(overlaps(d), 0);
        diagram_write(d, 0, true, &p);
        for (int s = 0; s < d->sections; s++) diagram_write_section(d, s, s % 2 == 0, &p);
        assert_false(p.failed);
        assert_null(strstr(p.at, "nan"));
        assert_null(strstr(p.at, "(null)"));
        page_free(&p);
        diagram_free(d);
        xc_model_unref(model);
    }
}

static void test_modules(void **state)
{
    (void)state;
    static const char *const name[] = {"input",    "block1",     "block2",  "block3",  "block4",
                                       "block5",   "block6",     "block7",  "block8",  "block9",
                                       "block10",  "block11",    "block12", "block13", "block14",
                                       "avg_pool", "predictions"};
    xc_model *model = NULL;
    struct modules m;
    struct diagram *d = draw("xception", &model);
    uint64_t params = 0, macs = 0;
    assert_true(modules_make(d, model, &m));
    assert_int_equal(m.count, sizeof name / sizeof *name);
    for (int i = 0; i < m.count; i++) {
        assert_string_equal(m.at[i].name, name[i]);
        params += m.at[i].params;
        macs += m.at[i].macs;
    }
    assert_int_equal(params, 22910480);
    assert_int_equal(macs, 8357403496);
    assert_int_equal(m.at[2].params, 36032);
    assert_int_equal(m.at[13].macs, 539717360);
    modules_free(&m);
    diagram_free(d);
    xc_model_unref(model);
}

static void test_flows(void **state)
{
    (void)state;
    xc_model *model = NULL;
    struct diagram *d = draw("xception", &model);
    assert_int_equal(diagram_sections(d), 3);
    assert_string_equal(diagram_title(d, 0), "Entry flow");
    assert_string_equal(diagram_title(d, 1), "Middle flow");
    assert_string_equal(diagram_title(d, 2), "Exit flow");
    const struct repeat *middle = &d->repeat[d->section[1].first];
    assert_int_equal(middle->times, 8);
    assert_int_equal(d->block[middle->first].last - d->block[middle->first].first, 3);
    assert_true(d->all_norm);
    d->box[d->block[middle->first].first + 1].y -= 30; /* the checker sees a fault */
    assert_int_not_equal(overlaps(d), 0);
    diagram_free(d);
    xc_model_unref(model);
}

RUN(cmocka_unit_test(test_every_network), cmocka_unit_test(test_modules),
    cmocka_unit_test(test_flows))
