/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is every network that can be written as a Keras config found again, knobs and all? And is a
 * network that is nearly one of ours refused, at the layer where it differs?
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keras_write.h"
#include "model/keras_config.h"
#include "model/keras_trunk.h"

#define FAIL(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))

static char *config_of(const char *arch, char canonical[1024])
{
    static const struct arch_input own = {0};
    struct graph *g = NULL;
    const char *text = NULL;
    struct error err = {XC_OK, ""};
    if (arch_build(arch, &own, &g, &text, &err) != XC_OK) FAIL("%s: %s\n", arch, err.text);
    snprintf(canonical, 1024, "%s", text);
    char *config = keras_write(g);
    graph_free(g);
    assert_non_null(config);
    return config;
}

/* The string that a config is recognised as, or the refusal. */
static xc_status recognise(const char *text, char arch[1024], struct error *err)
{
    struct keras_config config;
    struct keras_match match = {0};
    struct arena a = {0};
    xc_status status = keras_config_read(text, strlen(text), NULL, &config, err);
    if (status != XC_OK) return status;
    status = keras_recognise(config.graph, &a, &match, err);
    if (status == XC_OK) snprintf(arch, 1024, "%s", match.arch);
    keras_config_free(&config);
    graph_free(match.graph);
    arena_free(&a);
    return status;
}

#define NARROW "stem=8/8,entry=16/24/72,middle=2,exit=104/152/208"

/* found: NULL when the string must come back as it is */
static const struct {
    const char *arch, *found;
} networks[] = {
    {"xception", NULL},
    {"xception," NARROW ",classes=3,input=96x80x1", NULL},
    {"xception,stem=8/16,entry=16/24,middle=1,exit=32/40/48,classes=10", NULL},
    {"xception,entry=8/16/24/32/40,middle=0", NULL},
    {"xception," NARROW ",residual=off", NULL},
    {"xception,entry=8/16,middle=3,residual=off", NULL},
    {"xception," NARROW ",act=relu", NULL},
    {"xception," NARROW ",act=elu,order=pw-dw", NULL},
    {"xception," NARROW ",stem-stride=1,input=32x32x3", NULL},
    {"xception," NARROW ",pools=2/4", NULL},
    {"xception," NARROW ",pools=none", NULL},
    {"xception," NARROW ",dropout=0.5", NULL},
    {"xception," NARROW ",softmax=off", NULL},
    {"xception," NARROW ",fc=64x2,classes=5",
     ",head=avg/dense:64:relu/dense:64:relu/dense:5/softmax"},
    {"xception," NARROW ",head=none", NULL},
    {"xception," NARROW ",head=max", NULL},
    {"xception," NARROW ",head=avg/bn/dense:7:elu/dropout:0.25/dense:5:tanh/dense:2/sigmoid",
     "dense:2:sigmoid"},
    {"xception," NARROW ",head=flatten/bn:0.01:0.5/relu/dense:4,input=75x75x3", NULL},
    {"xception," NARROW ",pre=affine:0.1+0.2+0.3:-1+0+1", NULL},
    {"xception," NARROW ",pre=affine:0.0078431377:-1,head=avg/dense:2", "softmax=off"},
    {"mini-xception", NULL},
    {"mini-xception,base=5/8,strides=2/2/2/1,input=48x48x1", NULL},
    {"mini-xception,classes=2,softmax=off", NULL},
    {"tiny-xception", NULL},
    {"big-xception,pre=affine:2:-1", NULL},
};

static void test_found_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        char want[1024], got[1024];
        struct error err = {XC_OK, ""};
        char *text = config_of(networks[i].arch, want);
        const char *found = networks[i].found ? networks[i].found : want;
        if (recognise(text, got, &err) != XC_OK) FAIL("%s: %s\n", networks[i].arch, err.text);
        if (!strstr(got, found)) FAIL("%s\n came back as %s\n", want, got);
        free(text);
    }
}

/* What is changed in the config of `arch`, and which layer the refusal names. */
static const struct {
    const char *arch, *from, *to, *says;
} strangers[] = {
    {"xception," NARROW, "\"block5_sepconv2_act\",\"activation\":\"relu\"",
     "\"block5_sepconv2_act\",\"activation\":\"elu\"", "block5_sepconv2_act"},
    {"xception," NARROW, "\"block6_sepconv1\",\"kernel_size\":[3,3]",
     "\"block6_sepconv1\",\"kernel_size\":[5,5]", "block6_sepconv1"},
    {"xception," NARROW, "\"block4_pool\",\"pool_size\":[3,3]",
     "\"block4_pool\",\"pool_size\":[2,2]", "block4_pool"},
    {"xception," NARROW, "\"block7_sepconv2_bn\",\"axis\":-1,\"epsilon\":0.001",
     "\"block7_sepconv2_bn\",\"axis\":-1,\"epsilon\":0.002", "block7_sepconv2_bn"},
    {"mini-xception", "\"block3_sepconv2\",\"kernel_size\":[3,3]",
     "\"block3_sepconv2\",\"kernel_size\":[5,5]", "block3_sepconv2"},
    {"xception," NARROW ",head=avg/dense:4/tanh", "\"activation\":\"tanh\"",
     "\"activation\":\"relu6\"", "'tanh'"},
    {"xception," NARROW ",act=elu", "\"block5_sepconv1_between\",\"activation\":\"elu\"",
     "\"block5_sepconv1_between\",\"activation\":\"relu6\"", "block5_sepconv1_between"},
    {"xception," NARROW ",head=avg/dense:4", "\"units\":4", "\"units\":4,\"use_bias\":false",
     "predictions"},
};

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at) FAIL("no %s in the config\n", from);
    size_t size = strlen(text) + strlen(to) + 1;
    char *out = malloc(size);
    assert_non_null(out);
    snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static void test_strangers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        char arch[1024];
        struct error err = {XC_OK, ""};
        char *text = config_of(strangers[i].arch, arch);
        char *other = replaced(text, strangers[i].from, strangers[i].to);
        assert_int_equal(recognise(text, arch, &err), XC_OK);
        if (recognise(other, arch, &err) != XC_ERR_UNSUPPORTED ||
            !strstr(err.text, strangers[i].says))
            FAIL("%s -> %s: \"%s\"\n", strangers[i].from, strangers[i].to, err.text);
        free(text);
        free(other);
    }
}

RUN(cmocka_unit_test(test_found_again), cmocka_unit_test(test_strangers))
