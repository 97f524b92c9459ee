/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network do the names in a file without a config speak of? A scheme is known by one name
 * that no other has; how many blocks there are is counted, classes and input channels are read off
 * shapes. What names cannot say (activations of a head of one's own) is not guessed.
 */
#include "model/names.h"

#include <stdio.h>
#include <string.h>

#include "model/arch_opts.h"

/* The name that tells, and for Xception what is counted, in the layout of names.h's schemes. */
static const struct clue {
    enum names_scheme scheme;
    const char *tensor;
    const char *units; /* one a separable convolution, # counts from `from` without a gap */
    int from;
    const char *stem;   /* the first kernel: input channels */
    const char *top[3]; /* kernels of the last dense layer, one of these */
} clues[] = {
    {NAMES_OURS, "block1_conv1/kernel", NULL, 0, "block1_conv1/kernel", {"predictions/kernel"}},
    {NAMES_KERAS1,
     "separableconvolution2d_1/depthwise_kernel",
     "separableconvolution2d_#/depthwise_kernel",
     1,
     "convolution2d_1/kernel",
     {"dense_2/kernel", "dense_1/kernel"}},
    {NAMES_KERAS3,
     "layers/separable_conv2d_1/0",
     "layers/separable_conv2d_#/0",
     1,
     "layers/conv2d/0",
     {"layers/dense/0"}},
    {NAMES_NESTED,
     "layers/functional/layers/separable_conv2d_1/0",
     "layers/functional/layers/separable_conv2d_#/0",
     1,
     "layers/functional/layers/conv2d/0",
     {"layers/dense/0"}},
    {NAMES_CADENE,
     "block1.rep.0.conv1.weight",
     "block#.rep.1.conv1.weight",
     2,
     "conv1.weight",
     {"fc.weight", "last_linear.weight"}},
    {NAMES_ALIGNED,
     "blocks.0.stack.conv1.conv_dw.weight",
     "blocks.#.stack.conv1.conv_dw.weight",
     0,
     "stem.0.conv.weight",
     {"head.fc.weight"}},
    {NAMES_FACEAPI, "fc/gender/weights", NULL, 0, "entry_flow/conv_in/filters", {NULL}},
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

/* ---- counting -----------------------------------------------------------------------------------
 */

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

/* The top of the file: its classes, 0 for none; -1: dense layers that are not just that. */
static int count_classes(const struct weight_file *file, const struct clue *clue, bool torch)
{
    const struct weight_tensor *top = NULL;
    for (int i = 0; i < 3 && !top; i++)
        if (clue->top[i]) top = weight_find(file, clue->top[i]);
    int dense = 0;
    for (int i = 0; i < file->tensors; i++) dense += file->tensor[i].rank == 2;
    if (!top) return torch || dense == 0 ? 0 : -1;
    size_t classes = torch ? top->dim[0] : top->rank == 2 ? top->dim[1] : 0;
    if (classes < 1 || classes > ARCH_MAX_CHANNELS || (!torch && dense != 1)) return -1;
    return (int)classes;
}

static int count_channels(const struct weight_file *file, const struct clue *clue, bool torch)
{
    const struct weight_tensor *stem = weight_find(file, clue->stem);
    size_t c = stem && stem->rank == 4 ? stem->dim[torch ? 1 : 2] : 3;
    return c >= 1 && c <= ARCH_MAX_CHANNELS ? (int)c : 3;
}

/* ---- the strings --------------------------------------------------------------------------------
 */

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

static xc_status write_arch(const struct weight_file *file, const struct clue *clue,
                            char arch[NAMES_SIZE], struct error *err)
{
    bool torch = clue->scheme == NAMES_CADENE || clue->scheme == NAMES_ALIGNED;
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
