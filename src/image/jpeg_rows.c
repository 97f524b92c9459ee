/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is less than a whole JPEG decoded? libjpeg-turbo skips the inverse transform of rows above
 * and of columns beside the part, and stops below it; shrinking by 2, 4 or 8 happens inside that
 * transform. The only file that includes jpeglib.h (jpeg.c decodes whole pictures).
 *
 * Two columns more are asked for on each side: at the edge of what is decoded chroma is not
 * smoothed with its neighbour. Warnings refuse the picture, as they do in jpeg.c. libjpeg reports
 * by longjmp: what must survive one is in struct jpeg_rows, and guarded() has no locals to lose.
 */
#include "image/jpeg_rows.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <jpeglib.h>
#include <jerror.h>

enum { MOST_SCANS = 500, EDGE = 2 };

struct jpeg_rows {
    struct jpeg_decompress_struct codec; /* first: the error manager finds the rest from it */
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char reason[JMSG_LENGTH_MAX];
    const uint8_t *bytes;
    size_t count;
    int shrink, from, to, top, left;
    uint8_t *row;
    size_t room;
    bool ready; /* codec was created */
};

static _Noreturn void on_error(j_common_ptr codec)
{
    struct jpeg_rows *j = (struct jpeg_rows *)codec;
    codec->err->format_message(codec, j->reason);
    longjmp(j->jump, 1);
}

static void on_message(j_common_ptr codec, int level)
{
    const struct jpeg_error_mgr *e = codec->err;
    bool idle = e->msg_code == JWRN_EXTRANEOUS_DATA && e->msg_parm.i[1] == 0xd9;
    if (level < 0 && !idle) on_error(codec);
}

static void on_progress(j_common_ptr codec)
{
    if (((j_decompress_ptr)codec)->input_scan_number <= MOST_SCANS) return;
    snprintf(((struct jpeg_rows *)codec)->reason, JMSG_LENGTH_MAX, "more than %d scans",
             MOST_SCANS);
    longjmp(((struct jpeg_rows *)codec)->jump, 1);
}

static void create(struct jpeg_rows *j)
{
    jpeg_create_decompress(&j->codec);
    j->codec.progress = &j->progress;
    j->ready = true;
}

static void start(struct jpeg_rows *j)
{
    j_decompress_ptr c = &j->codec;
    jpeg_abort_decompress(c);
    jpeg_mem_src(c, j->bytes, j->count);
    jpeg_read_header(c, TRUE);
    c->out_color_space = JCS_EXT_RGBX;
    c->dct_method = JDCT_ISLOW;
    c->scale_num = 1;
    c->scale_denom = (unsigned)j->shrink;
    jpeg_start_decompress(c);
    JDIMENSION all = c->output_width, from = j->from > EDGE ? (JDIMENSION)(j->from - EDGE) : 0;
    JDIMENSION to = (JDIMENSION)(j->to + EDGE) < all ? (JDIMENSION)(j->to + EDGE) : all;
    JDIMENSION width = to - from;
    if (width < all) jpeg_crop_scanline(c, &from, &width);
    j->left = (int)from;
    if (j->top > 0) jpeg_skip_scanlines(c, (JDIMENSION)j->top);
}

static void next(struct jpeg_rows *j)
{
    JSAMPROW row = j->row;
    jpeg_read_scanlines(&j->codec, &row, 1);
}

static bool guarded(struct jpeg_rows *j, void (*step)(struct jpeg_rows *))
{
    if (setjmp(j->jump)) return false;
    step(j);
    return true;
}

struct jpeg_rows *jpeg_rows_new(void)
{
    struct jpeg_rows *j = calloc(1, sizeof *j);
    if (!j) return NULL;
    j->codec.err = jpeg_std_error(&j->manager);
    j->manager.error_exit = on_error;
    j->manager.emit_message = on_message;
    j->progress.progress_monitor = on_progress;
    if (guarded(j, create)) return j;
    jpeg_rows_free(j);
    return NULL;
}

void jpeg_rows_free(struct jpeg_rows *j)
{
    if (!j) return;
    if (j->ready) jpeg_destroy_decompress(&j->codec);
    free(j->row);
    free(j);
}

xc_status jpeg_rows_start(struct jpeg_rows *j, const uint8_t *bytes, size_t count, int shrink,
                          int from, int to, int top, int *left, struct error *err)
{
    j->bytes = bytes;
    j->count = count;
    j->shrink = shrink;
    j->from = from;
    j->to = to;
    j->top = top;
    if (!guarded(j, start)) return fail(err, XC_ERR_FORMAT, "JPEG: %s", j->reason);
    size_t row = (size_t)j->codec.output_width * 4; /* at most 65,535 pixels */
    if (row > j->room) {
        free(j->row);
        j->row = malloc(row);
        j->room = j->row ? row : 0;
        if (!j->row) return fail_memory(err, row);
    }
    *left = j->left;
    return XC_OK;
}

xc_status jpeg_rows_next(struct jpeg_rows *j, const uint8_t **row, struct error *err)
{
    if (j->codec.output_scanline >= j->codec.output_height)
        return fail(err, XC_ERR_INTERNAL, "JPEG: a row past the last");
    if (!guarded(j, next)) return fail(err, XC_ERR_FORMAT, "JPEG: %s", j->reason);
    *row = j->row;
    return XC_OK;
}
