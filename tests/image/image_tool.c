/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image module behind a pipe, for the scripts that compare it with Pillow. Requests come on
 * standard input, one line each, and `resize` is followed by its pixels:
 *
 *     resize W H CHANNELS FILTER OUT_W OUT_H
 *     tf W H CHANNELS OUT_W OUT_H                  bilinear of TensorFlow, float32
 *     decode PATH                                  pixels
 *     prepare RECIPE H W PATH                      float32
 *
 * Each is answered by a line "ok BYTES W H CHANNELS ORIENTATION" and the bytes, or "error
 * SENTENCE".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "image/image.h"

static int answer(const void *bytes, size_t count, int w, int h, int channels, unsigned orientation)
{
    printf("ok %zu %d %d %d %u\n", count, w, h, channels, orientation);
    fwrite(bytes, 1, count, stdout);
    return fflush(stdout);
}

static int refuse(const struct error *err)
{
    printf("error %s\n", err->text);
    return fflush(stdout);
}

static int resize(const char *line)
{
    int w, h, channels, out_w, out_h;
    char word[32] = "";
    xc_filter filter = XC_FILTER_TF_BILINEAR;
    if (sscanf(line, "resize %d %d %d %31s %d %d", &w, &h, &channels, word, &out_w, &out_h) == 6) {
        if (!filter_parse(word, &filter)) return 1;
    } else if (sscanf(line, "tf %d %d %d %d %d", &w, &h, &channels, &out_w, &out_h) != 5) {
        return 1;
    }
    size_t count = (size_t)w * (size_t)h * (size_t)channels;
    size_t values = (size_t)out_w * (size_t)out_h * (size_t)channels;
    uint8_t *in = malloc(count);
    float *out = malloc(values * sizeof *out);
    struct error err = {XC_OK, ""};
    int failed = !in || !out || fread(in, 1, count, stdin) != count;
    if (!failed && filter == XC_FILTER_TF_BILINEAR) {
        resize_tf_bilinear(in, w, h, (ptrdiff_t)w * channels, channels, out_w, out_h, out);
        failed = answer(out, values * sizeof *out, out_w, out_h, channels, 1);
    } else if (!failed) {
        xc_status status = resize_u8(in, w, h, (ptrdiff_t)w * channels, channels, filter, out_w,
                                     out_h, (uint8_t *)out, &err);
        failed = status ? refuse(&err) : answer(out, values, out_w, out_h, channels, 1);
    }
    free(out);
    free(in);
    return failed;
}

static xc_status load(const char *path, xc_image **out, struct error *err)
{
    struct file_view file = {0};
    TRY(file_read(path, 1u << 26, &file, err));
    xc_status status = image_decode(file.data, file.size, NULL, out, err);
    file_release(&file);
    return status;
}

static int decode(const char *line)
{
    struct error err = {XC_OK, ""};
    xc_image *image = NULL;
    if (load(line + strlen("decode "), &image, &err)) return refuse(&err);
    const xc_image_info *info = &image->info;
    int failed = answer(image->base, (size_t)image->stride * info->height, (int)info->width,
                        (int)info->height, (int)info->format, info->orientation);
    image_free(image);
    return failed;
}

static int prepare(const char *line)
{
    char recipe[32];
    int h, w, used = 0;
    if (sscanf(line, "prepare %31s %d %d %n", recipe, &h, &w, &used) != 3 || !used) return 1;
    struct error err = {XC_OK, ""};
    xc_preprocess p = {0};
    xc_image *image = NULL;
    float *out = malloc((size_t)w * (size_t)h * 3 * sizeof *out);
    xc_status status = out ? XC_OK : fail_memory(&err, 0);
    if (!status) status = preprocess_named(recipe, &p, &err);
    if (!status) status = load(line + used, &image, &err);
    int channels = p.colour == XC_COLOUR_GREY ? 1 : 3;
    if (!status) status = image_prepare(image, &p, h, w, channels, out, &err);
    size_t count = (size_t)w * (size_t)h * (size_t)channels * sizeof *out;
    int failed = status ? refuse(&err) : answer(out, count, w, h, channels, 1);
    image_free(image);
    free(out);
    return failed;
}

int main(void)
{
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        int failed = !strncmp(line, "decode ", 7)    ? decode(line)
                     : !strncmp(line, "prepare ", 8) ? prepare(line)
                                                     : resize(line);
        if (failed) {
            fprintf(stderr, "image_tool: cannot answer: %s\n", line);
            return 1;
        }
    }
    return 0;
}
