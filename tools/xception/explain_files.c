/* SPDX-License-Identifier: Apache-2.0 */
/* Under which names does explain write what it draws? OUT/STEM.CLASS.METHOD.png, and never the same
 * twice in one run. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "npy.h"
#include "output.h"
#include "say.h"

/* Letters, digits, '.', '_' and '+', and what is beyond ASCII; anything else is '-'. */
static void make_plain(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        const bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                            (*p >= '0' && *p <= '9') || *p >= 0x80;
        if (!letter && *p != '.' && *p != '_' && *p != '+') *p = '-';
    }
}

static void stem_of(const char *picture, char *stem, size_t room)
{
    const char *slash = strrchr(picture, '/');
    snprintf(stem, room, "%s", strcmp(picture, "-") == 0 ? "stdin" : slash ? slash + 1 : picture);
    char *dot = strrchr(stem, '.');
    if (dot && dot != stem) *dot = '\0';
}

/* Neither made already nor one of the pictures, which only those in OUT itself can be. */
static bool is_new(const struct job *job, const char *name)
{
    if (job->out_has_input && output_input(job->args, name, &job->pictures)) return false;
    for (size_t i = 0; i < job->names; i++)
        if (strcmp(job->name[i], name) == 0) return false;
    return true;
}

static bool remember(struct job *job, const char *name)
{
    char **more = realloc(job->name, (job->names + 1) * sizeof *more);
    if (!more) return false;
    job->name = more;
    job->name[job->names] = strdup(name);
    return job->name[job->names++] != NULL;
}

/* The place of what was made of a picture: OUT/STEM.WORDS.EXT. */
static bool file_name(struct job *job, const char *picture, const char *words, const char *ext,
                      char name[FILE_NAME])
{
    char stem[512], plain[256];
    int length = 0;
    if (job->one_file) {
        length = snprintf(name, FILE_NAME, "%s", job->out);
        return length < FILE_NAME;
    }
    stem_of(picture, stem, sizeof stem);
    snprintf(plain, sizeof plain, "%s", words);
    make_plain(plain);
    const char *dot = stem[0] && plain[0] ? "." : "";
    const size_t others = strlen(plain) + strlen(ext) + sizeof "..-99999";
    size_t most = others < NAME_MAX ? NAME_MAX - others : 0;
    while (most < strlen(stem) && most > 0 && ((unsigned char)stem[most] & 0xC0) == 0x80) most--;
    if (most < strlen(stem)) stem[most] = '\0'; /* in front of a whole character */
    for (int i = 1; i < 100000; i++) {
        if (i == 1)
            length = snprintf(name, FILE_NAME, "%s/%s%s%s.%s", job->out, stem, dot, plain, ext);
        else
            length =
                snprintf(name, FILE_NAME, "%s/%s-%d%s%s.%s", job->out, stem, i, dot, plain, ext);
        if (length >= FILE_NAME) return false;
        if (is_new(job, name)) return remember(job, name);
    }
    return false;
}

xc_status write_png(const xc_image *image, const char *path)
{
    uint8_t *bytes;
    size_t count;
    const bool jpeg = output_ends(path, ".jpg") || output_ends(path, ".jpeg");
    xc_status status =
        xc_image_encode(image, jpeg ? XC_CODEC_JPEG : XC_CODEC_PNG, 92, &bytes, &count);
    if (status == XC_OK) status = xc_file_write(path, bytes, count);
    xc_bytes_free(bytes);
    return status;
}

xc_status write_heat(struct job *job, const char *picture, const xc_image *image,
                     const xc_heatmap *heat, char name[FILE_NAME])
{
    char room[16], words[256];
    snprintf(words, sizeof words, "%.200s.%s",
             labels_at(&job->labels, job->model, heat->class_index, room, sizeof room),
             xc_explain_method_name(heat->method));
    if (!file_name(job, picture, words, job->raw ? "npy" : "png", name)) return XC_ERR_MEMORY;
    if (job->raw) {
        const uint64_t dim[] = {heat->height, heat->width};
        return npy_save(name, heat->value, 2, dim);
    }
    xc_image *drawn = NULL;
    xc_heatmap named = *heat;
    named.label = labels_at(&job->labels, job->model, heat->class_index, room, sizeof room);
    xc_status status = xc_heatmap_draw(&named, image, &job->heat, &drawn);
    if (status == XC_OK) status = write_png(drawn, name);
    xc_image_free(drawn);
    return status;
}

/* ---- maps and filters ------------------------------------------------------------------------ */

static xc_status write_map(struct job *job, const char *picture, const char *layer)
{
    size_t numbers = 0;
    uint32_t h, w, c;
    char name[FILE_NAME];
    xc_image *sheet = NULL;
    xc_status status = xc_session_read(job->session, layer, NULL, 0, &numbers);
    if (status == XC_OK) status = xc_session_shape(job->session, layer, &h, &w, &c);
    if (status != XC_OK) return status;
    float *map = calloc(numbers, sizeof *map);
    if (!map) return XC_ERR_MEMORY;
    status = xc_session_read(job->session, layer, map, numbers, &numbers);
    if (status == XC_OK && !file_name(job, picture, layer, job->raw ? "npy" : "png", name))
        status = XC_ERR_MEMORY;
    if (status == XC_OK && job->raw) {
        const uint64_t dim[] = {h, w, c};
        status = npy_save(name, map, 3, dim);
    } else if (status == XC_OK) {
        status = xc_map_sheet(map, h, w, c, 0, &sheet);
        if (status == XC_OK) status = write_png(sheet, name);
    }
    xc_image_free(sheet);
    free(map);
    return status;
}

xc_status write_maps(struct job *job, const char *picture, const xc_image *image)
{
    uint32_t h, w, c;
    xc_session_size(job->session, &h, &w, &c);
    float *input = calloc((size_t)h * w * c, sizeof *input);
    if (!input) return XC_ERR_MEMORY;
    xc_status status = xc_prepare(job->session, image, input);
    if (status == XC_OK) status = xc_run(job->session, input, 1);
    for (uint32_t i = 0; i < job->layers && status == XC_OK; i++)
        status = write_map(job, picture, job->layer[i]);
    free(input);
    return status;
}

xc_status write_filters(struct job *job)
{
    xc_image *sheet = NULL;
    char name[FILE_NAME];
    if (!file_name(job, "", "filters", "png", name)) return XC_ERR_MEMORY;
    xc_status status = xc_filter_sheet(job->model, &sheet);
    if (status == XC_OK) status = write_png(sheet, name);
    xc_image_free(sheet);
    return status;
}
