/* SPDX-License-Identifier: Apache-2.0 */
/* The topics of help. Whatever is a list elsewhere (architectures, recipes of pixels, error ids) is
 * read from there. */
#include "topics.h"

#include <string.h>
#include <xception.h>

#include "emit.h"
#include "say.h"

static void print_arch(FILE *out)
{
    const char *name, *help;
    fprintf(out, "An architecture is a string, NAME[,KNOB=VALUE]...: --arch xception,middle=4\n\n");
    for (int32_t i = 0; (name = xc_arch_name(i, &help)); i++)
        fprintf(out, "  %-25s %s\n", name, help);
    fprintf(
        out,
        "\nKnobs of every network:\n\n"
        "  input=HxWxC, classes=N\n"
        "  flavour=keras|timm        conventions of batch norm and pools; xception has both\n"
        "  head=avg/dense:10         the layers behind the trunk, in place of its own, or none\n"
        "  pre=affine:SCALE:SHIFT    x SCALE + SHIFT, before the first layer\n\n"
        "Knobs of xception, with their usual values:\n\n"
        "  width=1                   scales all channels, to multiples of 8; lists win\n"
        "  stem=32/64                channels of the first two convolutions\n"
        "  entry=128/256/728         of the blocks of the entry flow\n"
        "  middle=8                  blocks of the middle flow\n"
        "  exit=1024/1536/2048       channels of the exit flow\n"
        "  stem-stride=2             1: for small pictures\n"
        "  pools=2/3/4/13            blocks that halve the map, or none\n"
        "  residual=on               off: no shortcuts\n"
        "  act=none, order=dw-pw     relu or elu between depthwise and pointwise; pw-dw: turned\n"
        "  fc=0, dropout=0           4096x2: two such dense layers before the last one\n"
        "  softmax=on, sigmoid=off   the end; sigmoid=on: for several labels a picture\n\n"
        "'xception summary --arch STRING' lists and counts the layers; a wrong knob is\n"
        "answered with the ones that there are.\n");
}

static void print_preprocess(FILE *out)
{
    const char *name;
    fprintf(
        out,
        "How pixels become the network's input is part of every model file. --preprocess\n"
        "replaces it by a named recipe; --fit, --interp, --exif and --size change it further.\n"
        "Those of ImageNet's networks take pixels as they are stored, as their frameworks do; a\n"
        "network trained from random weights turns a picture upright first, as its EXIF says,\n"
        "unless 'train --preprocess' names a recipe.\n"
        "'xception convert --exif on IN OUT' makes any model do so.\n\n");
    for (int32_t i = 0; (name = xc_preprocess_name(i)); i++) {
        xc_preprocess p;
        if (xc_preprocess_named(name, &p) != XC_OK) continue;
        fprintf(out, "  %-22s %s", name, xc_fit_name(p.fit));
        if (p.fit == XC_FIT_CROP) fprintf(out, " %g", p.crop);
        fprintf(out, ", %s, %s, (x/%g - ", xc_filter_name(p.filter), xc_colour_name(p.colour),
                (double)p.divisor);
        emit_channels(out, p.mean, 3);
        fputs(") / ", out);
        emit_channels(out, p.std, 3);
        fputs(p.apply_exif ? ", upright\n" : "\n", out);
    }
}

static void print_augment(FILE *out)
{
    const char *name, *spec;
    fprintf(out, "--aug changes what training sees of a picture: a list, or the name of one. Each\n"
                 "view is a function of (seed, epoch, sample) alone.\n\n");
    for (int32_t i = 0; (name = xc_augment_name(i, &spec)); i++)
        fprintf(out, "  %-10s %s\n", name, spec);
    fprintf(
        out,
        "\nItems, with the numbers that they take when none are given:\n\n"
        "  rrc=0.08/1/0.75/1.333  a random part of the picture: least and most of its area, least\n"
        "                         and most width by height\n"
        "  pad=4                  moved by up to so many pixels, with zeros beside it\n"
        "  mirror-pad=4           the same, mirrored\n"
        "  flip=0.5               left and right exchanged, with this probability\n"
        "  jitter=0.4/0.4/0.4/0   brightness, contrast, saturation, hue changed by up to this "
        "part\n"
        "  randaug=2/9            so many of 14 operations, of this strength (0 to 30)\n"
        "  erase=0.25             a rectangle erased, with this probability\n"
        "  mixup=0.2/EPOCHS       pictures and labels mixed, by Beta(0.2, 0.2); /EPOCHS: only in\n"
        "                         the first ones\n"
        "  cutmix=1/EPOCHS        the same with a rectangle of another picture\n\n"
        "'xception data sheet DATA --aug NAME -o sheet.png' shows what is done.\n");
}

static void print_data(FILE *out)
{
    fprintf(
        out,
        "DATA, wherever pictures with classes are read, is one of\n\n"
        "  a folder     train/CLASS/*.jpg and val/ or validation/, test/; or CLASS/*.jpg\n"
        "  a .tar       the same tree inside\n"
        "  shards       WebDataset: 'shard-{000..009}.tar', or a folder of them\n"
        "  a list       .csv .tsv .jsonl with path, label[, split, weight, group];\n"
        "               several labels of a picture divided by '|'; paths begin where the\n"
        "               list lies\n"
        "  IDX          a folder with the files of MNIST, also .gz\n"
        "  CIFAR        a folder with the binary version of CIFAR-10 or -100\n\n"
        "Shards and IDX files belong to the split that a word of their name tells, or to train.\n"
        "Classes go by name. Pictures are JPEG, PNG, WebP, BMP or PNM, told by content.\n");
}

static void print_exit(FILE *out)
{
    fprintf(out, "Exit codes:\n\n");
#define EXIT_X(name, code, meaning) fprintf(out, "  %3d  %s\n", code, meaning);
    EXIT_LIST(EXIT_X)
#undef EXIT_X
}

static void print_errors(FILE *out)
{
    fprintf(
        out,
        "A message is 'xception VERB: WHERE: WHAT', perhaps with a hint below; what the library\n"
        "or the reading of flags refuses ends in an [ID], which never changes its meaning:\n\n");
#define STATUS_X(name, value, id, text)                                                            \
    if (value) fprintf(out, "  %s  %s\n", id, text);
    XC_STATUS_LIST(STATUS_X)
#undef STATUS_X
    fprintf(out, "  XC-E0100  the command is used wrongly\n\n"
                 "'xception help exit' lists the exit codes.\n");
}

static void print_environment(FILE *out)
{
    fprintf(out, "  XCEPTION_FLAG    of any flag with a value: upper case, '-' as '_';\n"
                 "                   XCEPTION_THREADS=2 is --threads 2; the command line wins\n"
                 "  XDG_CONFIG_HOME  where xception/config of the user is (~/.config)\n"
                 "  XDG_CONFIG_DIRS  where xception/config of the site is (/etc/xdg)\n"
                 "  TMPDIR           where large tables and trial runs go for a while (/tmp)\n\n"
                 "'xception config show' tells what they set.\n");
}

static void print_config(FILE *out)
{
    fprintf(out,
            "Settings that one does not want to type again, as INI: a section for each verb, keys\n"
            "are its long flags; keys above the first section are for every verb.\n\n"
            "  threads = 2\n"
            "  [classify]\n"
            "  model = /srv/models/flowers.safetensors\n"
            "  [train]\n"
            "  epochs = 90      # a comment\n\n"
            "Read in this order, a later one wins: $XDG_CONFIG_DIRS/xception/config,\n"
            "$XDG_CONFIG_HOME/xception/config (~/.config), --config FILE, XCEPTION_FLAG in the\n"
            "environment, the command line. 'xception config show' says what came from where.\n");
}

const struct topic topics[] = {
    {"arch", "networks, and the strings that name them", print_arch},
    {"augment", "what training does to pictures", print_augment},
    {"config", "settings in files", print_config},
    {"data", "what counts as DATA", print_data},
    {"environment", "variables that are read", print_environment},
    {"errors", "the ids behind messages", print_errors},
    {"exit", "exit codes", print_exit},
    {"preprocess", "how pixels become input", print_preprocess},
    {NULL, NULL, NULL},
};

const struct topic *topic_find(const char *name)
{
    for (const struct topic *t = topics; t->name; t++)
        if (strcmp(t->name, name) == 0) return t;
    return NULL;
}
