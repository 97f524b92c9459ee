/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do PNG bytes become pixels, and pixels PNG bytes? libpng decodes and expands: palettes to
 * colours, a transparent colour to an alpha channel, fewer than 8 bits to 8, 16 bits to their high
 * byte. Gamma and colour profiles are left alone, as Pillow leaves them. The only file that
 * includes png.h.
 *
 * libpng is told to skip every chunk that is not needed: some of its readers take as much memory as
 * a chunk announces. The eXIf chunk is found here instead.
 *
 * libpng reports an error by longjmp. Everything that must survive one lives in struct job, and the
 * one setjmp is in guarded(), which has no locals to lose.
 */
#include "image/format.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "image/draw.h"

struct job {
    struct bytes in;
    const xc_image_limits *limits;
    struct error *err;
    png_structp png;
    png_infop info;
    xc_image *image;
    xc_status status; /* of the step, when it said why itself */
    char reason[160]; /* libpng's */
    jmp_buf jump;
};

static void on_read(png_structp png, png_bytep out, size_t count)
{
    struct job *job = png_get_io_ptr(png);
    const uint8_t *bytes = bytes_take(&job->in, count);
    if (!bytes) png_error(png, "ends early");
    memcpy(out, bytes, count);
}

static PNG_NORETURN void on_error(png_structp png, png_const_charp text)
{
    struct job *job = png_get_error_ptr(png);
    snprintf(job->reason, sizeof job->reason, "%s", text);
    longjmp(job->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static xc_pixel_format output_format(const struct job *job)
{
    int type = png_get_color_type(job->png, job->info);
    bool alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(job->png, job->info, PNG_INFO_tRNS);
    if (alpha) return XC_RGBA8;
    return type & PNG_COLOR_MASK_COLOR ? XC_RGB8 : XC_GREY8;
}

/* Also sets up what libpng turns the rows into. */
static void read_header(struct job *job)
{
    png_set_read_fn(job->png, job, on_read);
    png_set_user_limits(job->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours say it better */
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(job->png, job->info);
    xc_pixel_format format = output_format(job);
    job->status = image_new(png_get_image_width(job->png, job->info),
                            png_get_image_height(job->png, job->info), format, "png", job->limits,
                            &job->image, job->err);
    png_set_expand(job->png);
    png_set_strip_16(job->png);
    if (format == XC_RGBA8) png_set_gray_to_rgb(job->png);
}

static void read_rows(struct job *job)
{
    int passes = png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    if (png_get_rowbytes(job->png, job->info) != (size_t)job->image->stride)
        png_error(job->png, "rows are not as long as the header says");
    for (int pass = 0; pass < passes; pass++) {
        for (uint32_t y = 0; y < job->image->info.height; y++)
            png_read_row(job->png, image_row(job->image, y), NULL);
    }
    png_read_end(job->png, NULL);
}

/* Chunks after the 8 bytes of the signature: length u32, name, body, checksum. */
static uint32_t find_orientation(const uint8_t *bytes, size_t count)
{
    struct bytes b = bytes_of(bytes, count);
    bytes_skip(&b, 8);
    while (bytes_left(&b) >= 12) {
        size_t length = bytes_u32be(&b);
        const uint8_t *name = bytes_take(&b, 4), *body = bytes_take(&b, length);
        if (body && !memcmp(name, "eXIf", 4)) return exif_orientation(body, length);
        bytes_skip(&b, 4);
    }
    return 1;
}

static bool guarded(struct job *job, void (*step)(struct job *))
{
    if (setjmp(job->jump)) return false;
    step(job);
    return job->status == XC_OK;
}

static xc_status job_fail(const struct job *job)
{
    if (job->status != XC_OK) return job->status;
    const char *colon = job->in.failed ? "" : ":";
    return fail(job->err, XC_ERR_FORMAT, "PNG%s %s", colon, job->reason);
}

xc_status png_decode(const uint8_t *bytes, size_t count, const xc_image_limits *limits,
                     xc_image **out, struct error *err)
{
    struct job job = {.in = bytes_of(bytes, count), .limits = limits, .err = err};
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    xc_status status = XC_OK;
    if (!job.info) {
        status = fail_memory(err, 0);
    } else if (guarded(&job, read_header) && guarded(&job, read_rows)) {
        job.image->info.orientation = find_orientation(bytes, count);
        *out = job.image;
        job.image = NULL;
    } else {
        status = job_fail(&job);
    }
    image_free(job.image);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct writing {
    struct job job;
    uint8_t *bytes;
    size_t size, room;
};

static void on_write(png_structp png, png_bytep bytes, size_t count)
{
    struct writing *w = png_get_io_ptr(png);
    if (count > w->room - w->size) {
        size_t room = w->room + count + w->room / 2 + 4096;
        uint8_t *grown = realloc(w->bytes, room);
        if (!grown) png_error(png, "out of memory");
        w->bytes = grown;
        w->room = room;
    }
    memcpy(w->bytes + w->size, bytes, count);
    w->size += count;
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void write_rows(struct job *job)
{
    const xc_image *image = job->image;
    int type = image->info.format == XC_GREY8  ? PNG_COLOR_TYPE_GRAY
               : image->info.format == XC_RGB8 ? PNG_COLOR_TYPE_RGB
                                               : PNG_COLOR_TYPE_RGBA;
    png_set_write_fn(job->png, job, on_write, on_flush);
    png_set_IHDR(job->png, job->info, image->info.width, image->info.height, 8, type,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    for (uint32_t y = 0; y < image->info.height; y++)
        png_write_row(job->png, image->base + (ptrdiff_t)y * image->stride);
    png_write_end(job->png, NULL);
}

xc_status png_encode(const xc_image *image, uint8_t **png, size_t *size, struct error *err)
{
    enum { SIDE = 1000000 }; /* libpng's limit */
    if (image->info.width > SIDE || image->info.height > SIDE)
        return fail(err, XC_ERR_LIMIT, "PNG: %ux%u pixels, a side has at most %d",
                    image->info.width, image->info.height, SIDE);
    xc_image copy = *image; /* of the place, not of the pixels */
    struct writing w = {.job = {.image = &copy, .err = err}};
    w.job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w.job, on_error, on_warning);
    w.job.info = w.job.png ? png_create_info_struct(w.job.png) : NULL;
    xc_status status = XC_OK;
    if (!w.job.info)
        status = fail_memory(err, 0);
    else if (!guarded(&w.job, write_rows))
        status = fail(err, XC_ERR_MEMORY, "PNG: %s", w.job.reason);
    png_destroy_write_struct(&w.job.png, &w.job.info);
    if (status != XC_OK) free(w.bytes);
    *png = status == XC_OK ? w.bytes : NULL;
    *size = w.size;
    return status;
}
