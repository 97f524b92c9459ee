/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network do the names in a file without a config speak of? A scheme is known by one name
 * that no other has; how many blocks there are is counted, classes and input channels are read off
 * shapes. What names cannot say (activations of a head of one's own) is not guessed.
 */
#include "foreign/names.h"

#include <stdio.h>
#include <string.h>

#include "network/arch_opts.h"

/* The name that tells, and for Xception what is counted, in the layout of names.h's schemes. */
static const struct clue {
    enum names_scheme scheme;
    const char *tensor;
    const char *units; /* one a separable convolution, # counts from `from` without a gap */
    int from;
    const char *stem;   /* the first kernel: input channels */
    const char *top[3]; /* kernels of the last dense layer, one of these */
    const char *arch;   /* of a rival: nothing but the depth of a ResNet is counted */
    int side;
} clues[] = {
    {.scheme = NAMES_OURS,
     .tensor = "block5_conv3/kernel",
     .stem = "block1_conv1/kernel",
     .top = {"predictions/kernel"},
     .arch = "vgg16",
     .side = 224},
    {.scheme = NAMES_VGG_BN,
     .tensor = "features.41.running_mean",
     .stem = "features.0.weight",
     .top = {"classifier.6.weight", "head.fc.weight"},
     .arch = "vgg16,bn=on,flavour=timm",
     .side = 224},
    {.scheme = NAMES_VGG,
     .tensor = "features.28.weight",
     .stem = "features.0.weight",
     .top = {"classifier.6.weight", "head.fc.weight"},
     .arch = "vgg16,flavour=timm",
     .side = 224},
    {.scheme = NAMES_OURS,
     .tensor = "conv2_block1_3_conv/kernel",
     .units = "conv4_block#_1_conv/kernel",
     .from = 1,
     .stem = "conv1_conv/kernel",
     .top = {"predictions/kernel"},
     .arch = "resnet",
     .side = 224},
    {.scheme = NAMES_RESNET,
     .tensor = "layer1.0.conv3.weight",
     .units = "layer3.#.conv1.weight",
     .stem = "conv1.weight",
     .top = {"fc.weight"},
     .arch = "resnet,flavour=timm",
     .side = 224},
    {.scheme = NAMES_INCEPTION,
     .tensor = "Mixed_7c.branch1x1.conv.weight",
     .stem = "Conv2d_1a_3x3.conv.weight",
     .top = {"fc.weight"},
     .arch = "inception-v3,flavour=timm",
     .side = 299},
    {.scheme = NAMES_GOOGLENET,
     .tensor = "inception3a.branch1.conv.weight",
     .stem = "conv1.conv.weight",
     .top = {"fc.weight"},
     .arch = "googlenet",
     .side = 224},
    {.scheme = NAMES_KERAS_NUMBERS,
     .tensor = "conv2d_94/kernel",
     .stem = "conv2d_1/kernel",
     .top = {"predictions/kernel"},
     .arch = "inception-v3",
     .side = 299},
    {.scheme = NAMES_OURS,
     .tensor = "block1_conv1/kernel",
     .stem = "block1_conv1/kernel",
     .top = {"predictions/kernel"}},
    {.scheme = NAMES_KERAS1,
     .tensor = "separableconvolution2d_1/depthwise_kernel",
     .units = "separableconvolution2d_#/depthwise_kernel",
     .from = 1,
     .stem = "convolution2d_1/kernel",
     .top = {"dense_2/kernel", "dense_1/kernel"}},
    {.scheme = NAMES_KERAS3,
     .tensor = "layers/separable_conv2d_1/0",
     .units = "layers/separable_conv2d_#/0",
     .from = 1,
     .stem = "layers/conv2d/0",
     .top = {"layers/dense/0"}},
    {.scheme = NAMES_NESTED,
     .tensor = "layers/functional/layers/separable_conv2d_1/0",
     .units = "layers/functional/layers/separable_conv2d_#/0",
     .from = 1,
     .stem = "layers/functional/layers/conv2d/0",
     .top = {"layers/dense/0"}},
    {.scheme = NAMES_CADENE,
     .tensor = "block1.rep.0.conv1.weight",
     .units = "block#.rep.1.conv1.weight",
     .from = 2,
     .stem = "conv1.weight",
     .top = {"fc.weight", "last_linear.weight", "last_linear.1.weight"}},
    {.scheme = NAMES_ALIGNED,
     .tensor = "blocks.0.stack.conv1.conv_dw.weight",
     .units = "blocks.#.stack.conv1.conv_dw.weight",
     .stem = "stem.0.conv.weight",
     .top = {"head.fc.weight"}},
    {.scheme = NAMES_FACEAPI, .tensor = "fc/gender/weights", .stem = "entry_flow/conv_in/filters"},
};

static const struct clue *clue_of(const struct weight_file *file)
{
    for (size_t i = 0; i < sizeof clues / sizeof *clues; i++)
        if (weight_find(file, clues[i].tensor)) return &clues[i];
    return NULL;
}

enum names_scheme names_scheme_of(const struct weight_file *file)
{
    const struct clue *clue = clue_of(file);
    return clue ? clue->scheme : NAMES_OURS;
}

/* ---- counting -------------------------------------------------------------------------------- */

static const struct weight_tensor *numbered_tensor(const struct weight_file *file,
                                                   const char *pattern, int number)
{
    char name[NAMES_SIZE];
    int before = (int)strcspn(pattern, "#");
    snprintf(name, sizeof name, "%.*s%d%s", before, pattern, number, pattern + before + 1);
    return weight_find(file, name);
}

/* Blocks of three separable convolutions in Keras' modern names. */
static int count_middle_ours(const struct weight_file *file)
{
    int middle = 0;
    while (numbered_tensor(file, "block#_sepconv3/depthwise_kernel", 5 + middle)) middle++;
    return middle;
}

static int count_units(const struct weight_file *file, const struct clue *clue)
{
    int count = 0;
    while (numbered_tensor(file, clue->units, clue->from + count)) count++;
    return count;
}

/* Layers behind a PyTorch trunk that are not one linear layer. */
static bool has_head(const struct weight_file *file)
{
    static const char *const words[] = {"fc.", "last_linear.", "head.", "classifier."};
    for (int i = 0; i < file->tensors; i++)
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            if (strncmp(file->tensor[i].name, words[k], strlen(words[k])) == 0) return true;
    return false;
}

/* The top of the file: its classes, 0 for none; -1: dense layers that are not just that. */
static int count_classes(const struct weight_file *file, const struct clue *clue, bool torch)
{
    const struct weight_tensor *top = NULL;
    for (int i = 0; i < 3 && !top; i++)
        if (clue->top[i]) top = weight_find(file, clue->top[i]);
    int dense = 0;
    for (int i = 0; i < file->tensors; i++) dense += file->tensor[i].rank == 2;
    if (!top) return (torch ? has_head(file) : dense > 0) ? -1 : 0;
    size_t classes = torch ? top->dim[0] : top->rank == 2 ? top->dim[1] : 0;
    if (classes < 1 || classes > ARCH_MAX_CHANNELS || (!torch && !clue->arch && dense != 1))
        return -1;
    return (int)classes;
}

static int count_channels(const struct weight_file *file, const struct clue *clue, bool torch)
{
    const struct weight_tensor *stem = weight_find(file, clue->stem);
    size_t c = stem && stem->rank == 4 ? stem->dim[torch ? 1 : 2] : 3;
    return c >= 1 && c <= ARCH_MAX_CHANNELS ? (int)c : 3;
}

/* ---- the strings ----------------------------------------------------------------------------- */

static const struct {
    const char *arch;
    int blocks;
    bool preact;
} aligned_nets[] = {
    {"xception41", 13, false}, {"xception65", 21, false}, {"xception71", 23, false},
    {"xception41p", 13, true}, {"xception65p", 21, true},
};

static const char *aligned_name(const struct weight_file *file, int blocks)
{
    bool preact = weight_find(file, "stem.1.weight") != NULL;
    for (size_t i = 0; i < sizeof aligned_nets / sizeof *aligned_nets; i++)
        if (aligned_nets[i].blocks == blocks && aligned_nets[i].preact == preact)
            return aligned_nets[i].arch;
    return NULL;
}

/* Three entry modules and the exit's first have two separable convolutions, as has the end. */
static int middle_blocks(const struct weight_file *file, const struct clue *clue)
{
    if (clue->scheme == NAMES_OURS) return count_middle_ours(file);
    int units = count_units(file, clue);
    if (clue->scheme == NAMES_CADENE) return units - 3;
    if (clue->scheme == NAMES_KERAS3 || clue->scheme == NAMES_NESTED)
        units++; /* the first one has no number */
    return units >= 10 && (units - 10) % 3 == 0 ? (units - 10) / 3 : -1;
}

/* Without its last layer, a ResNet or an Inception still has its mean. */
static xc_status write_rival(const struct weight_file *file, const struct clue *clue, int channels,
                             int classes, char arch[NAMES_SIZE], struct error *err)
{
    static const int depths[][2] = {{6, 50}, {23, 101}, {36, 152}}; /* by blocks of stage 4 */
    const bool resnet = clue->units != NULL;
    const int blocks = resnet ? count_units(file, clue) : 0;
    char depth[16] = "", end[32];
    for (int i = 0; i < 3; i++)
        if (resnet && depths[i][0] == blocks) snprintf(depth, sizeof depth, "%d", depths[i][1]);
    if (resnet && !*depth)
        return fail(err, XC_ERR_TENSOR,
                    "%d blocks in the fourth stage of a ResNet, expected 6, 23 or 36", blocks);
    snprintf(end, sizeof end, ",classes=%d", classes);
    if (!classes)
        snprintf(end, sizeof end, strncmp(clue->arch, "vgg", 3) ? ",head=avg" : ",head=none");
    int name = (int)strcspn(clue->arch, ",");
    snprintf(arch, NAMES_SIZE, "%.*s%s,input=%dx%dx%d%s%s", name, clue->arch, depth, clue->side,
             clue->side, channels, end, clue->arch + name);
    return XC_OK;
}

static xc_status write_arch(const struct weight_file *file, const struct clue *clue,
                            char arch[NAMES_SIZE], struct error *err)
{
    bool torch = names_scheme_is_torch(clue->scheme);
    int classes = count_classes(file, clue, torch), channels = count_channels(file, clue, torch);
    const char *name = clue->scheme == NAMES_CADENE ? "legacy-xception" : "xception";
    char middle[32] = "", end[32] = ",head=avg";
    int blocks = 0;
    if (clue->scheme == NAMES_FACEAPI) {
        snprintf(arch, NAMES_SIZE, "tiny-xception-age-gender");
        return XC_OK;
    }
    if (classes < 0)
        return fail(err, XC_ERR_TENSOR,
                    "the file has no config, so the layers behind its trunk are not known: give "
                    "the architecture, such as xception,head=avg/dense:100:relu/dense:6");
    if (clue->arch) return write_rival(file, clue, channels, classes, arch, err);
    if (clue->scheme == NAMES_ALIGNED)
        name = aligned_name(file, count_units(file, clue));
    else
        snprintf(middle, sizeof middle, ",middle=%d", blocks = middle_blocks(file, clue));
    if (!name || blocks < 0)
        return fail(err, XC_ERR_TENSOR, "the number of blocks is not that of a network here");
    if (classes > 0) snprintf(end, sizeof end, ",classes=%d", classes);
    snprintf(arch, NAMES_SIZE, "%s,input=299x299x%d%s%s", name, channels, middle, end);
    return XC_OK;
}

xc_status names_recognise(const struct weight_file *file, enum names_scheme *scheme,
                          char arch[NAMES_SIZE], struct error *err)
{
    const struct clue *clue = clue_of(file);
    if (!clue)
        return fail(err, XC_ERR_TENSOR,
                    "no network here has tensors of these names (the first is '%.200s'), and the "
                    "file has no config: give the architecture",
                    file->tensors ? file->tensor[0].name : "");
    *scheme = clue->scheme;
    return write_arch(file, clue, arch, err);
}
