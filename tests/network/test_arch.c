/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does an architecture string mean one network, and is a bad one refused in a sentence that names
 * the knob, its value, and what is allowed?
 */
#include "harness.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/network.h"
#include "base/decimal.h"

/* The canonical string of spec; the caller's. */
static char *canonical_of(const char *spec, const struct arch_input *input)
{
    struct graph *g = NULL;
    const char *text = NULL;
    struct error err = {0};
    if (arch_build(spec, input, &g, &text, &err) != XC_OK) WRONG("%s: %s", spec, err.text);
    char *copy = strdup(text);
    graph_free(g);
    return copy;
}

/* ---- good strings ---------------------------------------------------------------------------- */

static const struct {
    const char *spec, *canonical;
} good[] = {
    {"xception", "xception,input=299x299x3,classes=1000"},
    {"legacy_xception", "legacy-xception,input=299x299x3,classes=1000"},
    {"mini_XCEPTION,classes=2", "mini-xception,input=64x64x1,classes=2"},
    {"xception,input=150", "xception,input=150x150x3,classes=1000"},
    {"xception,input=96x128", "xception,input=96x128x3,classes=1000"},
    {"xception,classes=10,input=96x128x1", "xception,input=96x128x1,classes=10"},
    {"xception,width=1.0,middle=8,stem=32/64,entry=128/256/728,exit=1024/1536/2048,residual=on,"
     "act=none,order=dw-pw,fc=0,stem-stride=2,pools=2/3/4/13,dropout=0,softmax=on,flavour=keras",
     "xception,input=299x299x3,classes=1000"},
    {"xception,pools=2/3,order=pw-dw,act=elu,residual=off,middle=04",
     "xception,input=299x299x3,classes=1000,middle=4,pools=2/3,residual=off,act=elu,order=pw-dw"},
    {"xception,pools=none,stem-stride=1,input=8",
     "xception,input=8x8x3,classes=1000,stem-stride=1,pools=none"},
    {"xception,width=0.5,stem=16/32,exit=512/768/1024",
     "xception,input=299x299x3,classes=1000,width=0.5"},
    {"xception,width=0.250,exit=1024/1536/2048",
     "xception,input=299x299x3,classes=1000,width=0.25,exit=1024/1536/2048"},
    {"xception,fc=4096", "xception,input=299x299x3,classes=1000,fc=4096x1"},
    {"xception,dropout=5e-1,fc=64x2", "xception,input=299x299x3,classes=1000,fc=64x2,dropout=0.5"},
    {"xception,flavour=timm", "xception,input=299x299x3,classes=1000,flavour=timm"},
    {"xception,flavour=timm,softmax=on",
     "xception,input=299x299x3,classes=1000,flavour=timm,softmax=on"},
    {"legacy-xception,flavour=keras", "legacy-xception,input=299x299x3,classes=1000,flavour=keras"},
    {"xception,head=none", "xception,input=299x299x3,classes=2048,head=none"},
    {"xception,head=avg/dense:6,classes=6", "xception,input=299x299x3,classes=6,head=avg/dense:6"},
    {"xception,head=avg/dense:0100:relu/dropout:0.20/bn/bn:0.001/bn:0.001:0.9/dense:6:softmax",
     "xception,input=299x299x3,classes=6,"
     "head=avg/dense:100:relu/dropout:0.2/bn/bn/bn:0.001:0.9/dense:6:softmax"},
    {"xception,head=flatten/dense:3,input=71", "xception,input=71x71x3,classes=3,"
                                               "head=flatten/dense:3"},
    {"xception,pre=affine:0.00784313725490196:-1.0/affine:1:-0.5+0.25+1e-07",
     "xception,input=299x299x3,classes=1000,"
     "pre=affine:0.00784313725490196:-1/affine:1:-0.5+0.25+1e-7"},
    {"xception41,output-stride=16", "xception41,input=299x299x3,classes=1000,output-stride=16"},
    {"xception65p,softmax=on,dropout=0.25",
     "xception65p,input=299x299x3,classes=1000,dropout=0.25,softmax=on"},
    {"mini-xception,input=48,base=5/8,strides=2/2/2/1",
     "mini-xception,input=48x48x1,classes=7,base=5/8,strides=2/2/2/1"},
    {"mini-xception,blocks=8/16,strides=2/2", "mini-xception,input=64x64x1,classes=7,blocks=8/16"},
    {"tiny-xception-age-gender,head=avg", "tiny-xception-age-gender,input=112x112x3,classes=512,"
                                          "head=avg"},
};

static void canonical_strings(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(good); i++) {
        char *text = canonical_of(good[i].spec, NULL);
        assert_string_equal(text, good[i].canonical);
        char *again = canonical_of(text, NULL);
        assert_string_equal(again, text);
        free(again);
        free(text);
    }
}

static void catalogue(void **state)
{
    (void)state;
    int count = 0;
    for (; arch_at(count); count++) {
        const struct arch *a = arch_at(count);
        char *text = canonical_of(a->name, NULL);
        assert_ptr_equal(arch_find(text), a);
        assert_string_equal(arch_flavour(text), a->flavour);
        assert_string_equal(arch_recipe(text),
                            strcmp(a->flavour, "timm") == 0 ? a->timm : a->keras);
        assert_true(strlen(a->help) > 10);
        free(text);
    }
    assert_true(count >= 11);
    assert_null(arch_at(-1));
    assert_null(arch_at(count + 5));
    assert_null(arch_find("xception4"));
    assert_null(arch_find(""));
}

static void asking(void **state)
{
    (void)state;
    const char *spec = "xception,input=71x71x3,classes=10,middle=4,flavour=timm";
    char out[8];
    arch_knob(spec, "middle", out, sizeof out);
    assert_string_equal(out, "4");
    arch_knob(spec, "iddle", out, sizeof out);
    assert_string_equal(out, "");
    arch_knob(spec, "input", out, sizeof out); /* cut at the room there is */
    assert_string_equal(out, "71x71x3");
    arch_knob(spec, "input", out, 3);
    assert_string_equal(out, "71");
    assert_string_equal(arch_flavour(spec), "timm");
    assert_string_equal(arch_recipe(spec), "timm-legacy");
    assert_string_equal(arch_recipe("legacy-xception,flavour=keras"), "keras");
    assert_string_equal(arch_recipe("mini-xception"), "face64");
    assert_string_equal(arch_flavour("nothing of ours"), "keras");
}

/* The caller's numbers go before the string's, the string's before the network's. */
static void wanted_input(void **state)
{
    (void)state;
    char *text = canonical_of("xception,input=71x72x1,classes=5",
                              &(struct arch_input){.w = 100, .classes = 6});
    assert_string_equal(text, "xception,input=71x100x1,classes=6");
    free(text);
    struct graph *g;
    struct error err = {0};
    assert_int_equal(arch_build("xception", &(struct arch_input){.h = -1}, &g, NULL, &err),
                     XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "-1x299x3"));
    err = (struct error){0};
    assert_int_equal(arch_build("xception", &(struct arch_input){.classes = 65537}, &g, NULL, &err),
                     XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "65537 classes"));
}

/* ---- bad strings ----------------------------------------------------------------------------- */

static const struct {
    const char *spec;
    xc_status status;
    const char *says[3]; /* words that the sentence must have */
} bad[] = {
    {"", XC_ERR_ARCH, {"no such network"}},
    {"xceptoin", XC_ERR_ARCH, {"xceptoin", "did you mean xception?"}},
    {"legacyxception", XC_ERR_ARCH, {"legacyxception", "did you mean legacy-xception?"}},
    {"alexnet", XC_ERR_ARCH, {"alexnet", "xception41p", "tiny-xception-age-gender"}},
    {"xception,", XC_ERR_ARCH, {"xception: a comma", "knob"}},
    {"xception,,middle=4", XC_ERR_ARCH, {"a comma with no knob"}},
    {"xception,middle", XC_ERR_ARCH, {"middle", "expected KNOB=VALUE"}},
    {"xception,middle=4,middle=5", XC_ERR_ARCH, {"middle=5", "given before"}},
    {"xception,midle=4", XC_ERR_ARCH, {"midle=4", "(did you mean middle?); there are", "width"}},
    {"xception,stem_stride=1", XC_ERR_ARCH, {"stem_stride=1", "did you mean stem-stride?"}},
    {"xception,output-stride=8", XC_ERR_ARCH, {"output-stride=8", "no such knob"}},
    {"mini-xception,middle=4", XC_ERR_ARCH, {"mini-xception: middle=4", "no such knob"}},
    {"xception,middle=", XC_ERR_ARCH, {"middle=", "whole number from 0 to 256"}},
    {"xception,middle=-1", XC_ERR_ARCH, {"middle=-1", "0 to 256"}},
    {"xception,middle=257", XC_ERR_ARCH, {"middle=257", "0 to 256"}},
    {"xception,middle=99999999999999999999", XC_ERR_ARCH, {"middle=999", "0 to 256"}},
    {"xception,middle=4x", XC_ERR_ARCH, {"middle=4x", "0 to 256"}},
    {"xception,width=0", XC_ERR_ARCH, {"width=0", "from 0.01 to 32"}},
    {"xception,width=nan", XC_ERR_ARCH, {"width=nan", "from 0.01 to 32"}},
    {"xception,width=0x1p3", XC_ERR_ARCH, {"width=0x1p3", "from 0.01 to 32"}},
    {"xception,width=1e400", XC_ERR_ARCH, {"width=1e400", "from 0.01 to 32"}},
    {"xception,stem=32", XC_ERR_ARCH, {"stem=32", "2 numbers", "1 to 65536"}},
    {"xception,stem=32/64/", XC_ERR_ARCH, {"stem=32/64/", "2 numbers"}},
    {"xception,stem=32//64", XC_ERR_ARCH, {"stem=32//64", "2 numbers"}},
    {"xception,entry=0", XC_ERR_ARCH, {"entry=0", "1 to 8 numbers", "1 to 65536"}},
    {"xception,entry=65537", XC_ERR_ARCH, {"entry=65537", "1 to 65536"}},
    {"xception,entry=1/2/3/4/5/6/7/8/9", XC_ERR_ARCH, {"entry=1/2/3", "1 to 8 numbers"}},
    {"xception,residual=yes", XC_ERR_ARCH, {"residual=yes", "off|on"}},
    {"xception,act=gelu", XC_ERR_ARCH, {"act=gelu", "none|relu|elu"}},
    {"xception,act=none|relu", XC_ERR_ARCH, {"act=none|relu", "none|relu|elu"}},
    {"xception,act=", XC_ERR_ARCH, {"act=", "none|relu|elu"}},
    {"xception,order=pw", XC_ERR_ARCH, {"order=pw", "dw-pw|pw-dw"}},
    {"xception,flavour=torch", XC_ERR_ARCH, {"flavour=torch", "keras|timm"}},
    {"xception41,flavour=keras", XC_ERR_ARCH, {"flavour=keras", "expected timm"}},
    {"mini-xception,flavour=timm", XC_ERR_ARCH, {"flavour=timm", "expected keras"}},
    {"xception,fc=4096x9", XC_ERR_ARCH, {"fc=4096x9", "4096x2", "1 to 8"}},
    {"xception,fc=x2", XC_ERR_ARCH, {"fc=x2", "UNITSxLAYERS"}},
    {"xception,stem-stride=3", XC_ERR_ARCH, {"stem-stride=3", "1 to 2"}},
    {"xception,pools=5", XC_ERR_ARCH, {"pools=5", "2 to 4 and 13"}},
    {"xception,pools=3/2", XC_ERR_ARCH, {"pools=3/2", "in this order"}},
    {"xception,pools=2/2", XC_ERR_ARCH, {"pools=2/2", "in this order"}},
    {"xception,pools=14", XC_ERR_ARCH, {"pools=14", "numbers"}},
    {"xception,dropout=1", XC_ERR_ARCH, {"dropout=1", "from 0 to 0.99"}},
    {"xception,dropout=0,5", XC_ERR_ARCH, {"5", "expected KNOB=VALUE"}},
    {"xception,classes=0", XC_ERR_ARCH, {"classes=0", "1 to 65536"}},
    {"xception,input=0", XC_ERR_ARCH, {"input=0", "HxWxC", "65536"}},
    {"xception,input=71x71x3x1", XC_ERR_ARCH, {"input=71x71x3x1", "HxWxC"}},
    {"xception,input=71x", XC_ERR_ARCH, {"input=71x", "HxWxC"}},
    {"xception,input=70", XC_ERR_ARCH, {"input=70x70x3", "71x71"}},
    {"xception,input=71x70", XC_ERR_ARCH, {"input=71x70x3", "71x71"}},
    {"xception41,input=64", XC_ERR_ARCH, {"input=64x64x3", "65x65"}},
    {"xception,input=2", XC_ERR_SHAPE, {"xception: block1_conv1", "3x3", "2x2"}},
    {"xception41,output-stride=4", XC_ERR_ARCH, {"output-stride=4", "8|16|32"}},
    {"mini-xception,strides=2/2/1", XC_ERR_ARCH, {"strides=2/2/1", "4 numbers", "1 to 2"}},
    {"mini-xception,base=8", XC_ERR_ARCH, {"base=8", "2 numbers"}},
    {"mini-xception,dropout=0.5", XC_ERR_ARCH, {"dropout=0.5", "no such knob"}},
    {"xception,head=avg/dense", XC_ERR_ARCH, {"head=avg/dense", "dense:UNITS"}},
    {"xception,head=avg/dense:0", XC_ERR_ARCH, {"dense:0", "UNITS 1 to 65536"}},
    {"xception,head=avg/dense:5:gelu", XC_ERR_ARCH, {"dense:5:gelu", "sigmoid"}},
    {"xception,head=avg/dense:5:relu:1", XC_ERR_ARCH, {"dense:5:relu:1", "expected avg"}},
    {"xception,head=avg:1", XC_ERR_ARCH, {"avg:1", "expected avg"}},
    {"xception,head=avg/", XC_ERR_ARCH, {"head=avg/", "expected avg"}},
    {"xception,head=", XC_ERR_ARCH, {"head=", "expected avg"}},
    {"xception,head=none/avg", XC_ERR_ARCH, {"head=none/avg", "expected avg"}},
    {"xception,head=avg/conv:3", XC_ERR_ARCH, {"conv:3", "expected avg"}},
    {"xception,head=dropout:1", XC_ERR_ARCH, {"dropout:1", "RATE 0 to 0.99"}},
    {"xception,head=bn:-1", XC_ERR_ARCH, {"bn:-1", "EPSILON"}},
    {"xception,head=avg/dense:5,classes=6", XC_ERR_ARCH, {"classes=6", "head=", "5"}},
    {"xception,head=avg,dropout=0.5", XC_ERR_ARCH, {"dropout=0.5", "head="}},
    {"xception,head=avg,softmax=off", XC_ERR_ARCH, {"softmax=off", "head="}},
    {"inception-v3,head=avg,aux=on", XC_ERR_ARCH, {"aux=on", "head="}},
    {"inception-v3,input=280,aux=on", XC_ERR_SHAPE, {"inception-v3: aux_conv2", "5x5"}},
    {"xception,head=dense:5", XC_ERR_SHAPE, {"xception: predictions"}},
    {"xception,pre=affine:1", XC_ERR_ARCH, {"pre=affine:1", "affine:SCALE:SHIFT"}},
    {"xception,pre=affine:1+2:0", XC_ERR_ARCH, {"pre=affine:1+2:0", "3 joined by +"}},
    {"xception,pre=affine:1:inf", XC_ERR_ARCH, {"affine:1:inf", "one number"}},
    {"xception,pre=affine:1:1e30", XC_ERR_ARCH, {"affine:1:1e30", "one number"}},
    {"xception,pre=normal:1:2", XC_ERR_ARCH, {"normal:1:2", "affine"}},
    {"xception,pre=", XC_ERR_ARCH, {"pre=", "affine"}},
    {"xception,middle=\033[2J", XC_ERR_ARCH, {"0x1b at 16", "ASCII"}},
    {"xception,middle =4", XC_ERR_ARCH, {"0x20", "ASCII"}},
    {"xception,entry=65536/65536", XC_ERR_LIMIT, {"xception", "parameters", "2147483648"}},
    {"xception,middle=200,entry=2/3/4/5/6/7/8,fc=1x8,exit=9000/9000/9000,pools=none", XC_OK, {""}},
    {"xception,middle=256,entry=2/3/4/5/6/7/8,fc=1x8,exit=9000/9000/9000,pools=none",
     XC_ERR_LIMIT,
     {"4784 tensors", "4096"}},
};

/* Is the string refused with these words? */
static bool refused(const char *spec, xc_status status, const char *const says[3])
{
    struct graph *g = NULL;
    struct error err = {0};
    xc_status is = arch_build(spec, NULL, &g, NULL, &err);
    bool right = is == status && (is == XC_OK) == (g != NULL);
    for (int i = 0; i < 3 && says[i]; i++) right = right && strstr(err.text, says[i]);
    if (!right) print_message("%s: %d: %s\n", spec, is, err.text);
    graph_free(g);
    return right;
}

static void bad_strings(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(bad); i++)
        assert_true(refused(bad[i].spec, bad[i].status, bad[i].says));
}

static void a_good_string_is_not_bad(void **state)
{
    (void)state;
    assert_false(refused("xception,middle=4", XC_ERR_ARCH, (const char *const[3]){"middle"}));
    assert_false(refused("xception,midle=4", XC_ERR_ARCH, (const char *const[3]){"muddle"}));
}

/* Every prefix of a long string is taken or refused, without a leak or a read too far. */
static void cut_strings(void **state)
{
    (void)state;
    const char *whole = "xception,input=96x128x3,width=0.25,stem=16/32,middle=1,pools=2/3,"
                        "pre=affine:1+2+3:-1,head=avg/dense:10:relu/bn:0.01:0.9/dense:6:softmax";
    for (size_t n = 0; n <= strlen(whole); n++) {
        char *part = strndup(whole, n);
        struct graph *g = NULL;
        struct error err = {0};
        xc_status status = arch_build(part, NULL, &g, NULL, &err);
        assert_true(status == XC_OK ? g != NULL : g == NULL && err.text[0]);
        graph_free(g);
        free(part);
    }
}

static void long_strings(void **state)
{
    (void)state;
    struct graph *g = NULL;
    struct error err = {0};
    char *spec = malloc(8192);
    assert_non_null(spec);
    memset(spec, 'a', 8191);
    spec[8191] = '\0';
    assert_int_equal(arch_build(spec, NULL, &g, NULL, &err), XC_ERR_ARCH);
    assert_non_null(strstr(err.text, "8191 bytes, at most 4095"));
    int n = sprintf(spec, "xception,head=avg");
    for (int i = 0; i < 31; i++) n += sprintf(spec + n, "/relu");
    err = (struct error){0};
    assert_int_equal(arch_build(spec, NULL, &g, NULL, &err), XC_OK);
    graph_free(g);
    g = NULL;
    sprintf(spec + n, "/relu");
    assert_int_equal(arch_build(spec, NULL, &g, NULL, &err), XC_ERR_ARCH);
    assert_non_null(strstr(err.text, "more than 32 layers"));
    n = sprintf(spec, "xception");
    for (int i = 0; i < 40; i++) n += sprintf(spec + n, ",k%d=1", i);
    err = (struct error){0};
    assert_int_equal(arch_build(spec, NULL, &g, NULL, &err), XC_ERR_ARCH);
    assert_non_null(strstr(err.text, "more than 32 knobs"));
    free(spec);
}

/* ---- decimals -------------------------------------------------------------------------------- */

static void decimals(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } row[] = {{0, "0"},
               {-0.0, "0"},
               {1, "1"},
               {0.1, "0.1"},
               {-2.5, "-2.5"},
               {1e-7, "1e-7"},
               {1e21, "1e21"},
               {1.0 / 3, "0.3333333333333333"},
               {-20, "-20"},
               {100000, "100000"},
               {1000000, "1e6"},
               {255, "255"},
               {0.001, "0.001"},
               {5e-324, "5e-324"},
               {1.7976931348623157e308, "1.7976931348623157e308"}};
    static const char *const none[] = {"", "-", ".5", "e5", "+1", "inf", "nan", "1e999", " 1", "x"};
    char text[DECIMAL_SIZE];
    double back = 0;
    for (int i = 0; i < COUNT(row); i++) {
        decimal_write(row[i].value, text);
        assert_string_equal(text, row[i].text);
        const char *end = decimal_read(text, &back);
        assert_true(end && !*end && back == row[i].value);
    }
    for (int i = 0; i < COUNT(none); i++) assert_null(decimal_read(none[i], &back));
    assert_string_equal(decimal_read("1.5+2", &back), "+2");
    assert_string_equal(decimal_read("1e+2x", &back), "x");
    assert_true(back == 100);
    assert_string_equal(decimal_read("2e+", &back), "e+");
}

/* A host program may have asked for a decimal comma. */
static void other_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    int i = 0;
    while (i < COUNT(names) && !setlocale(LC_ALL, names[i])) i++;
    if (i == COUNT(names)) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    decimals(state);
    setlocale(LC_ALL, "C");
}

RUN(cmocka_unit_test(canonical_strings), cmocka_unit_test(catalogue), cmocka_unit_test(asking),
    cmocka_unit_test(wanted_input), cmocka_unit_test(bad_strings),
    cmocka_unit_test(a_good_string_is_not_bad), cmocka_unit_test(cut_strings),
    cmocka_unit_test(long_strings), cmocka_unit_test(decimals), cmocka_unit_test(other_locale))
