/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the table of published names right? Names from the files themselves (the Keras file of 2017,
 * .weights.h5 of Keras 3.15, timm's state dicts, face-api's manifest), not from the rules; and
 * which architecture a set of names speaks of.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "network/arch.h"
#include "foreign/foreign_bytes.h"
#include "foreign/names.h"

#define FAIL(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))

static const struct {
    const char *arch;
    enum names_scheme scheme;
    const char *ours, *theirs;
} pairs[] = {
    {"xception", NAMES_KERAS1, "block1_conv1/kernel", "convolution2d_1/kernel"},
    {"xception", NAMES_KERAS1, "block1_conv2_bn/gamma", "batchnormalization_2/gamma"},
    {"xception", NAMES_KERAS1, "block2_sepconv1_bn/beta", "batchnormalization_4/beta"},
    {"xception", NAMES_KERAS1, "block2_residual/kernel", "convolution2d_3/kernel"},
    {"xception", NAMES_KERAS1, "block2_residual_bn/gamma", "batchnormalization_3/gamma"},
    {"xception", NAMES_KERAS1, "block3_sepconv2_bn/moving_mean",
     "batchnormalization_8/moving_mean"},
    {"xception", NAMES_KERAS1, "block4_sepconv2/pointwise_kernel",
     "separableconvolution2d_6/pointwise_kernel"},
    {"xception", NAMES_KERAS1, "block12_sepconv3/depthwise_kernel",
     "separableconvolution2d_30/depthwise_kernel"},
    {"xception", NAMES_KERAS1, "block12_sepconv3_bn/beta", "batchnormalization_35/beta"},
    {"xception", NAMES_KERAS1, "block13_residual/kernel", "convolution2d_6/kernel"},
    {"xception", NAMES_KERAS1, "block13_residual_bn/beta", "batchnormalization_36/beta"},
    {"xception", NAMES_KERAS1, "block13_sepconv2_bn/beta", "batchnormalization_38/beta"},
    {"xception", NAMES_KERAS1, "block14_sepconv2_bn/moving_variance",
     "batchnormalization_40/moving_variance"},
    {"xception", NAMES_KERAS1, "predictions/bias", "dense_2/bias"},

    {"xception", NAMES_KERAS3, "block1_conv1/kernel", "layers/conv2d/0"},
    {"xception", NAMES_KERAS3, "block2_residual/kernel", "layers/conv2d_2/0"},
    {"xception", NAMES_KERAS3, "block2_residual_bn/moving_variance",
     "layers/batch_normalization_4/3"},
    {"xception", NAMES_KERAS3, "block2_sepconv1/depthwise_kernel", "layers/separable_conv2d/0"},
    {"xception", NAMES_KERAS3, "block2_sepconv1/pointwise_kernel", "layers/separable_conv2d/1"},
    {"xception", NAMES_KERAS3, "block5_sepconv1_bn/gamma", "layers/batch_normalization_11/0"},
    {"xception", NAMES_KERAS3, "block12_sepconv3_bn/beta", "layers/batch_normalization_34/1"},
    {"xception", NAMES_KERAS3, "block13_residual/kernel", "layers/conv2d_5/0"},
    {"xception", NAMES_KERAS3, "block14_sepconv1_bn/gamma", "layers/batch_normalization_38/0"},
    {"xception", NAMES_KERAS3, "predictions/kernel", "layers/dense/0"},
    {"xception", NAMES_NESTED, "block14_sepconv2/pointwise_kernel",
     "layers/functional/layers/separable_conv2d_33/1"},
    {"xception,head=avg/bn/dense:3", NAMES_NESTED, "batch_norm/beta",
     "layers/batch_normalization/1"},
    {"xception,head=avg/bn/dense:3", NAMES_KERAS3, "batch_norm/beta",
     "layers/batch_normalization_40/1"},

    {"legacy-xception", NAMES_CADENE, "block1_conv1/kernel", "conv1.weight"},
    {"legacy-xception", NAMES_CADENE, "block1_conv2_bn/moving_variance", "bn2.running_var"},
    {"legacy-xception", NAMES_CADENE, "block2_sepconv1/depthwise_kernel",
     "block1.rep.0.conv1.weight"},
    {"legacy-xception", NAMES_CADENE, "block2_sepconv1_bn/gamma", "block1.rep.1.weight"},
    {"legacy-xception", NAMES_CADENE, "block2_sepconv2/pointwise_kernel",
     "block1.rep.3.pointwise.weight"},
    {"legacy-xception", NAMES_CADENE, "block2_sepconv2_bn/beta", "block1.rep.4.bias"},
    {"legacy-xception", NAMES_CADENE, "block2_residual/kernel", "block1.skip.weight"},
    {"legacy-xception", NAMES_CADENE, "block2_residual_bn/moving_mean",
     "block1.skipbn.running_mean"},
    {"legacy-xception", NAMES_CADENE, "block3_sepconv1/depthwise_kernel",
     "block2.rep.1.conv1.weight"},
    {"legacy-xception", NAMES_CADENE, "block3_sepconv2_bn/beta", "block2.rep.5.bias"},
    {"legacy-xception", NAMES_CADENE, "block12_sepconv3/pointwise_kernel",
     "block11.rep.7.pointwise.weight"},
    {"legacy-xception", NAMES_CADENE, "block12_sepconv3_bn/gamma", "block11.rep.8.weight"},
    {"legacy-xception", NAMES_CADENE, "block13_sepconv2/depthwise_kernel",
     "block12.rep.4.conv1.weight"},
    {"legacy-xception", NAMES_CADENE, "block13_residual/kernel", "block12.skip.weight"},
    {"legacy-xception", NAMES_CADENE, "block14_sepconv1/depthwise_kernel", "conv3.conv1.weight"},
    {"legacy-xception", NAMES_CADENE, "block14_sepconv2/pointwise_kernel",
     "conv4.pointwise.weight"},
    {"legacy-xception", NAMES_CADENE, "block14_sepconv2_bn/beta", "bn4.bias"},
    {"legacy-xception", NAMES_CADENE, "predictions/kernel", "fc.weight"},
    {"legacy-xception", NAMES_CADENE, "predictions/bias", "last_linear.bias"},

    {"xception41", NAMES_ALIGNED, "stem_conv1/kernel", "stem.0.conv.weight"},
    {"xception41", NAMES_ALIGNED, "stem_conv2/kernel", "stem.1.conv.weight"},
    {"xception41", NAMES_ALIGNED, "stem_conv2_bn/beta", "stem.1.bn.bias"},
    {"xception65", NAMES_ALIGNED, "block0_shortcut/kernel", "blocks.0.shortcut.conv.weight"},
    {"xception65", NAMES_ALIGNED, "block19_shortcut_bn/gamma", "blocks.19.shortcut.bn.weight"},
    {"xception71", NAMES_ALIGNED, "block22_conv3_dw_bn/moving_mean",
     "blocks.22.stack.conv3.bn_dw.running_mean"},
    {"xception71", NAMES_ALIGNED, "block4_conv2_pw/kernel", "blocks.4.stack.conv2.conv_pw.weight"},
    {"xception41", NAMES_ALIGNED, "predictions/bias", "head.fc.bias"},
    {"xception41p", NAMES_ALIGNED, "stem_conv2/kernel", "stem.1.weight"},
    {"xception41p", NAMES_ALIGNED, "block0_shortcut/kernel", "blocks.0.shortcut.weight"},
    {"xception41p", NAMES_ALIGNED, "block3_norm/gamma", "blocks.3.norm.weight"},
    {"xception65p", NAMES_ALIGNED, "block20_conv3_norm/beta", "blocks.20.stack.conv3.norm.bias"},
    {"xception65p", NAMES_ALIGNED, "block20_conv1_dw/depthwise_kernel",
     "blocks.20.stack.conv1.conv_dw.weight"},

    {"resnet50", NAMES_RESNET, "conv1_conv/kernel", "conv1.weight"},
    {"resnet50", NAMES_RESNET, "conv1_bn/moving_mean", "bn1.running_mean"},
    {"resnet50", NAMES_RESNET, "conv2_block1_0_conv/kernel", "layer1.0.downsample.0.weight"},
    {"resnet50", NAMES_RESNET, "conv5_block1_0_bn/beta", "layer4.0.downsample.1.bias"},
    {"resnet152", NAMES_RESNET, "conv4_block36_3_conv/kernel", "layer3.35.conv3.weight"},
    {"resnet101", NAMES_RESNET, "conv3_block2_2_bn/gamma", "layer2.1.bn2.weight"},
    {"resnet50", NAMES_RESNET, "predictions/bias", "fc.bias"},
    {"vgg16", NAMES_VGG, "block1_conv1/kernel", "features.0.weight"},
    {"vgg16", NAMES_VGG, "block2_conv1/bias", "features.5.bias"},
    {"vgg16", NAMES_VGG, "block3_conv3/kernel", "features.14.weight"},
    {"vgg16", NAMES_VGG, "block5_conv3/kernel", "features.28.weight"},
    {"vgg16", NAMES_VGG, "fc1/kernel", "classifier.0.weight"},
    {"vgg16", NAMES_VGG, "fc2/kernel", "pre_logits.fc2.weight"},
    {"vgg16", NAMES_VGG, "predictions/kernel", "classifier.6.weight"},
    {"vgg16,bn=on", NAMES_VGG_BN, "block1_conv2/kernel", "features.3.weight"},
    {"vgg16,bn=on", NAMES_VGG_BN, "block3_conv1_bn/beta", "features.15.bias"},
    {"vgg16,bn=on", NAMES_VGG_BN, "block5_conv3_bn/moving_variance", "features.41.running_var"},
    {"inception-v3", NAMES_INCEPTION, "stem_conv3/kernel", "Conv2d_2b_3x3.conv.weight"},
    {"inception-v3", NAMES_INCEPTION, "mixed0_5x5_2/kernel", "Mixed_5b.branch5x5_2.conv.weight"},
    {"inception-v3", NAMES_INCEPTION, "mixed2_pool_bn/beta", "Mixed_5d.branch_pool.bn.bias"},
    {"inception-v3", NAMES_INCEPTION, "mixed8_7x7x3_4/kernel",
     "Mixed_7a.branch7x7x3_4.conv.weight"},
    {"inception-v3", NAMES_INCEPTION, "mixed10_3x3dbl_3b_bn/moving_mean",
     "Mixed_7c.branch3x3dbl_3b.bn.running_mean"},
    {"inception-v3,aux=on", NAMES_INCEPTION, "aux_conv1/kernel", "AuxLogits.conv0.conv.weight"},
    {"inception-v3,aux=on", NAMES_INCEPTION, "aux_conv2_bn/beta", "AuxLogits.conv1.bn.bias"},
    {"inception-v3,aux=on", NAMES_INCEPTION, "aux_predictions/bias", "AuxLogits.fc.bias"},
    {"inception-v3", NAMES_KERAS_NUMBERS, "mixed0_1x1/kernel", "conv2d_6/kernel"},
    {"inception-v3", NAMES_KERAS_NUMBERS, "mixed3_3x3dbl_3_bn/beta", "batch_normalization_30/beta"},
    {"inception-v3", NAMES_KERAS_NUMBERS, "mixed10_pool/kernel", "conv2d_94/kernel"},
    {"inception-v3", NAMES_KERAS_NUMBERS, "predictions/bias", "predictions/bias"},
    {"googlenet", NAMES_GOOGLENET, "conv2_bn/gamma", "conv2.bn.weight"},
    {"googlenet", NAMES_GOOGLENET, "inception4b_branch2_1/kernel",
     "inception4b.branch2.1.conv.weight"},
    {"googlenet", NAMES_GOOGLENET, "inception5b_branch1_bn/moving_mean",
     "inception5b.branch1.bn.running_mean"},

    {"tiny-xception-age-gender", NAMES_FACEAPI, "entry_flow_conv_in/kernel",
     "entry_flow/conv_in/filters"},
    {"tiny-xception-age-gender", NAMES_FACEAPI,
     "entry_flow_reduction_block_1_separable_conv0/pointwise_kernel",
     "entry_flow/reduction_block_1/separable_conv0/pointwise_filter"},
    {"tiny-xception-age-gender", NAMES_FACEAPI,
     "middle_flow_main_block_1_separable_conv2/depthwise_kernel",
     "middle_flow/main_block_1/separable_conv2/depthwise_filter"},
    {"tiny-xception-age-gender", NAMES_FACEAPI, "exit_flow_reduction_block_expansion_conv/bias",
     "exit_flow/reduction_block/expansion_conv/bias"},
    {"tiny-xception-age-gender", NAMES_FACEAPI, "fc_age/kernel", "fc/age/weights"},
    {"tiny-xception-age-gender", NAMES_FACEAPI, "fc_gender/bias", "fc/gender/bias"},
};

static struct graph *graph_of(const char *arch)
{
    static const struct arch_input own = {0};
    struct graph *g = NULL;
    struct error err = {XC_OK, ""};
    if (arch_build(arch, &own, &g, NULL, &err) != XC_OK) FAIL("%s: %s\n", arch, err.text);
    return g;
}

static void test_published_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct graph *g = graph_of(pairs[i].arch);
        char name[NAMES_SIZE];
        bool found = false;
        int p = param_find(&g->param, pairs[i].ours);
        if (p < 0) FAIL("%s has no %s\n", pairs[i].arch, pairs[i].ours);
        for (int k = 0; !found && names_of_param(pairs[i].scheme, g, p, k, name); k++)
            found = strcmp(name, pairs[i].theirs) == 0;
        if (!found) FAIL("%s is not %s\n", pairs[i].ours, pairs[i].theirs);
        graph_free(g);
    }
}

/* Two parameters never get the same first name. */
static void test_names_differ(void **state)
{
    static const struct {
        const char *arch;
        enum names_scheme scheme;
    } all[] = {{"xception", NAMES_OURS},
               {"xception", NAMES_KERAS1},
               {"xception", NAMES_KERAS3},
               {"legacy-xception", NAMES_CADENE},
               {"xception71", NAMES_ALIGNED},
               {"xception65p", NAMES_ALIGNED},
               {"tiny-xception-age-gender", NAMES_FACEAPI}};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct graph *g = graph_of(all[i].arch);
        char name[NAMES_SIZE], other[NAMES_SIZE];
        for (int p = 0; p < g->param.count; p++) {
            if (!names_of_param(all[i].scheme, g, p, 0, name))
                FAIL("%s: no name for %s\n", all[i].arch, g->param.at[p].name);
            for (int q = p + 1; q < g->param.count && q < p + 8; q++)
                if (names_of_param(all[i].scheme, g, q, 0, other) && strcmp(name, other) == 0)
                    FAIL("%s: %s twice\n", all[i].arch, name);
        }
        graph_free(g);
    }
}

/* ---- recognising ----------------------------------------------------------------------------- */

/* The tensors of arch under the names of a scheme, with shapes and without numbers. */
static void list_names(const char *arch, enum names_scheme scheme, int k, struct weight_file *file)
{
    static struct weight_tensor tensor[WEIGHT_MAX_TENSORS];
    struct graph *g = graph_of(arch);
    bool torch = names_scheme_is_torch(scheme);
    *file = (struct weight_file){.tensor = tensor};
    for (int p = 0; p < g->param.count; p++) {
        char name[NAMES_SIZE];
        const struct param *param = &g->param.at[p];
        if (!names_of_param(scheme, g, p, k, name)) names_of_param(scheme, g, p, 0, name);
        struct weight_tensor *t = &tensor[file->tensors++];
        *t = (struct weight_tensor){.name = arena_strdup(&file->arena, name), .rank = param->rank};
        for (int i = 0; i < param->rank; i++)
            t->dim[torch ? param->rank - 1 - i : i] = (size_t)param->dim[i];
    }
    graph_free(g);
}

static const struct {
    const char *arch;
    enum names_scheme scheme;
    int k;
    const char *found; /* NULL: refused */
} files[] = {
    {"xception", NAMES_OURS, 0, "xception,input=299x299x3,middle=8,classes=1000"},
    {"xception,classes=7,input=299x299x1", NAMES_KERAS1, 1,
     "xception,input=299x299x1,middle=8,classes=7"},
    {"xception,middle=3", NAMES_KERAS3, 0, "xception,input=299x299x3,middle=3,classes=1000"},
    {"xception,middle=3,classes=5", NAMES_NESTED, 0, "xception,input=299x299x3,middle=3,classes=5"},
    {"xception,head=none", NAMES_KERAS1, 0, "xception,input=299x299x3,middle=8,head=avg"},
    {"xception,head=avg/dense:5/dense:2", NAMES_OURS, 0, NULL},
    {"legacy-xception", NAMES_CADENE, 1, "legacy-xception,input=299x299x3,middle=8,classes=1000"},
    {"legacy-xception,classes=2", NAMES_CADENE, 2,
     "legacy-xception,input=299x299x3,middle=8,classes=2"},
    {"legacy-xception,head=none", NAMES_CADENE, 0,
     "legacy-xception,input=299x299x3,middle=8,head=avg"},
    {"xception65", NAMES_ALIGNED, 0, "xception65,input=299x299x3,classes=1000"},
    {"xception71,classes=3", NAMES_ALIGNED, 0, "xception71,input=299x299x3,classes=3"},
    {"xception41p", NAMES_ALIGNED, 1, "xception41p,input=299x299x3,classes=1000"},
    {"tiny-xception-age-gender", NAMES_FACEAPI, 0, "tiny-xception-age-gender"},
    {"mini-xception", NAMES_KERAS1, 0, NULL},
    {"vgg16,classes=5", NAMES_OURS, 0, "vgg16,input=224x224x3,classes=5"},
    {"vgg16", NAMES_VGG, 0, "vgg16,input=224x224x3,classes=1000,flavour=timm"},
    {"vgg16,bn=on,head=none", NAMES_VGG_BN, 0,
     "vgg16,input=224x224x3,head=none,bn=on,flavour=timm"},
    {"resnet101", NAMES_OURS, 0, "resnet101,input=224x224x3,classes=1000"},
    {"resnet152,classes=7", NAMES_RESNET, 0, "resnet152,input=224x224x3,classes=7,flavour=timm"},
    {"resnet50,blocks=3/4/5/3", NAMES_RESNET, 0, NULL},
    {"inception-v3,head=none", NAMES_INCEPTION, 0,
     "inception-v3,input=299x299x3,head=avg,flavour=timm"},
    {"inception-v3", NAMES_KERAS_NUMBERS, 0, "inception-v3,input=299x299x3,classes=1000"},
    {"googlenet", NAMES_GOOGLENET, 0, "googlenet,input=224x224x3,classes=1000"},
};

static void test_recognise(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct weight_file file;
        char arch[NAMES_SIZE] = "";
        enum names_scheme scheme;
        struct error err = {XC_OK, ""};
        list_names(files[i].arch, files[i].scheme, files[i].k, &file);
        xc_status status = names_recognise(&file, &scheme, arch, &err);
        if (files[i].found && (status != XC_OK || strcmp(arch, files[i].found) != 0))
            FAIL("%s (scheme %d) is taken for %s; %s\n", files[i].arch, (int)files[i].scheme, arch,
                 err.text);
        if (files[i].found) assert_int_equal(scheme, files[i].scheme);
        if (!files[i].found) assert_int_equal(status, XC_ERR_TENSOR);
        arena_free(&file.arena);
    }
}

RUN(cmocka_unit_test(test_published_names), cmocka_unit_test(test_names_differ),
    cmocka_unit_test(test_recognise))
