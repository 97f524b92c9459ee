/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which preprocessing goes with which published network? One table of recipes, and the words of the
 * enums in files and flags.
 *
 *   keras           load_img + preprocess_input of Keras Applications: nearest, no EXIF turn
 *   keras-dataset   image_dataset_from_directory, then preprocess_input
 *   keras-caffe     the same files for VGG and ResNet: blue first, means taken away, no scale
 *   torchvision     shorter side to 8/7 of the input, centre; ImageNet's means and deviations
 *   torchvision-inception
 *                   the same pixels, from -1 to 1: GoogLeNet and Inception V3 came from TensorFlow,
 *                   there the network turns one scale into the other (transform_input)
 *   timm-legacy     legacy_xception: shorter side to 333, centre 299
 *   timm-331, -318  xception41, 65, 71 at crop 0.903; xception41p, 65p at crop 0.94
 *   face64, face48  face_classification at its two sizes. It resizes with cv2.resize, which rounds
 *                   to bytes and takes a coarser grey: up to one level off ours
 *   age-gender      face-api. Its tensor path resizes without half-pixel centres, its canvas path
 *                   as the browser likes; ours is TensorFlow's bilinear. Equal at 112x112
 */
#include "image/image.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct recipe {
    const char *name;
    xc_preprocess p;
};

#define RECIPE(fit, filter, colour, turn, crop, divisor, ...)                                      \
    {                                                                                              \
        sizeof(xc_preprocess), fit, filter, colour, turn, true, {255, 255, 255}, {0, 0, 0}, crop,  \
            divisor, __VA_ARGS__                                                                   \
    }
#define SAME(x)                                                                                    \
    {                                                                                              \
        x, x, x, x                                                                                 \
    }
#define KERAS(filter)                                                                              \
    RECIPE(XC_FIT_STRETCH, filter, XC_COLOUR_RGB, false, 1.0, 127.5f, SAME(1.0f), SAME(1.0f))
#define TIMM(crop)                                                                                 \
    RECIPE(XC_FIT_CROP, XC_FILTER_BICUBIC, XC_COLOUR_RGB, false, crop, 255.0f, SAME(0.5f),         \
           SAME(0.5f))
#define KERAS_CAFFE                                                                                \
    RECIPE(XC_FIT_STRETCH, XC_FILTER_NEAREST, XC_COLOUR_BGR, false, 1.0, 1.0f,                     \
           {103.939f, 116.779f, 123.68f}, SAME(1.0f))
#define TORCHVISION(...)                                                                           \
    RECIPE(XC_FIT_CROP, XC_FILTER_BILINEAR, XC_COLOUR_RGB, false, 0.875, 255.0f, __VA_ARGS__)
#define FACE                                                                                       \
    RECIPE(XC_FIT_STRETCH, XC_FILTER_TF_BILINEAR, XC_COLOUR_GREY, true, 1.0, 255.0f, SAME(0.5f),   \
           SAME(0.5f))
#define AGE_GENDER                                                                                 \
    RECIPE(XC_FIT_PAD, XC_FILTER_TF_BILINEAR, XC_COLOUR_RGB, true, 1.0, 1.0f,                      \
           {122.782f, 117.001f, 104.298f}, SAME(255.0f))

static const struct recipe recipes[] = {
    {"keras", KERAS(XC_FILTER_NEAREST)},
    {"keras-dataset", KERAS(XC_FILTER_TF_BILINEAR)},
    {"keras-caffe", KERAS_CAFFE},
    {"torchvision", TORCHVISION({0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f})},
    {"torchvision-inception", TORCHVISION(SAME(0.5f), SAME(0.5f))},
    {"timm-legacy", TIMM(0.8975)},
    {"timm-331", TIMM(0.903)},
    {"timm-318", TIMM(0.94)},
    {"face64", FACE},
    {"face48", FACE},
    {"age-gender", AGE_GENDER},
};

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

const char *preprocess_name(int i)
{
    return i >= 0 && i < COUNT(recipes) ? recipes[i].name : NULL;
}

xc_status preprocess_named(const char *name, xc_preprocess *out, struct error *err)
{
    char names[256] = "";
    int used = 0;
    for (int i = 0; i < COUNT(recipes); i++) {
        if (!strcmp(name, recipes[i].name)) {
            *out = recipes[i].p;
            return XC_OK;
        }
        used += snprintf(names + used, sizeof names - (size_t)used, "%s%s", i ? ", " : "",
                         recipes[i].name);
    }
    return fail(err, XC_ERR_ARGUMENT, "no preprocessing is named \"%s\"; there are %s", name,
                names);
}

static const char *const fits[] = {
    [XC_FIT_STRETCH] = "stretch", [XC_FIT_CROP] = "crop", [XC_FIT_PAD] = "pad"};
static const char *const filter_words[] = {
    [XC_FILTER_NEAREST] = "nearest",        [XC_FILTER_BOX] = "box",
    [XC_FILTER_BILINEAR] = "bilinear",      [XC_FILTER_HAMMING] = "hamming",
    [XC_FILTER_BICUBIC] = "bicubic",        [XC_FILTER_LANCZOS] = "lanczos",
    [XC_FILTER_TF_BILINEAR] = "tf-bilinear"};
static const char *const colours[] = {
    [XC_COLOUR_RGB] = "rgb", [XC_COLOUR_BGR] = "bgr", [XC_COLOUR_GREY] = "grey"};

static const char *word_at(const char *const *words, int count, int i)
{
    return i >= 0 && i < count ? words[i] : NULL;
}

static int word_find(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(words[i], word)) return i;
    return -1;
}

const char *fit_name(xc_fit fit)
{
    return word_at(fits, COUNT(fits), (int)fit);
}

const char *filter_name(xc_filter filter)
{
    return word_at(filter_words, COUNT(filter_words), (int)filter);
}

const char *colour_name(xc_colour colour)
{
    return word_at(colours, COUNT(colours), (int)colour);
}

bool fit_parse(const char *word, xc_fit *out)
{
    int i = word_find(fits, COUNT(fits), word);
    if (i >= 0) *out = (xc_fit)i;
    return i >= 0;
}

bool filter_parse(const char *word, xc_filter *out)
{
    int i = word_find(filter_words, COUNT(filter_words), word);
    if (i >= 0) *out = (xc_filter)i;
    return i >= 0;
}

bool colour_parse(const char *word, xc_colour *out)
{
    int i = word_find(colours, COUNT(colours), word);
    if (i >= 0) *out = (xc_colour)i;
    return i >= 0;
}

static bool usable_divisor(float x)
{
    return isfinite(x) && x != 0.0f;
}

xc_status preprocess_check(const xc_preprocess *p, struct error *err)
{
    if (!fit_name(p->fit))
        return fail(err, XC_ERR_ARGUMENT, "preprocessing: fit %d does not exist", (int)p->fit);
    if (!filter_name(p->filter))
        return fail(err, XC_ERR_ARGUMENT, "preprocessing: filter %d does not exist",
                    (int)p->filter);
    if (!colour_name(p->colour))
        return fail(err, XC_ERR_ARGUMENT, "preprocessing: colour %d does not exist",
                    (int)p->colour);
    if (!(p->crop > 0.0 && p->crop <= 1.0))
        return fail(err, XC_ERR_ARGUMENT, "preprocessing: crop %g is not above 0 and at most 1",
                    p->crop);
    if (!usable_divisor(p->divisor))
        return fail(err, XC_ERR_ARGUMENT, "preprocessing: divisor %g is 0 or not finite",
                    (double)p->divisor);
    for (int c = 0; c < 4; c++) /* also those that no channel uses are written */
        if (!isfinite(p->mean[c]) || !isfinite(p->std[c]))
            return fail(err, XC_ERR_ARGUMENT, "preprocessing: mean[%d] or std[%d] is not finite", c,
                        c);
    for (int c = 0; c < (p->colour == XC_COLOUR_GREY ? 1 : 3); c++)
        if (!usable_divisor(p->std[c]))
            return fail(err, XC_ERR_ARGUMENT, "preprocessing: std[%d] = %g is 0", c,
                        (double)p->std[c]);
    return XC_OK;
}

xc_status preprocess_fits(const xc_preprocess *p, int channels, struct error *err)
{
    const int gives = p->colour == XC_COLOUR_GREY ? 1 : 3;
    if (gives == channels) return XC_OK;
    return fail(err, XC_ERR_SHAPE, "colour %s gives %d channel%s, the network takes %d",
                colour_name(p->colour), gives, gives == 1 ? "" : "s", channels);
}
