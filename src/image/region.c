/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a part of a picture resized while its rows come by? Each row is resampled across into four
 * float lanes a pixel; the last few rows stand in a ring, of which every output row is the weighted
 * sum. Weights are Pillow's, sums are float32 and rounded once. Pixels outside the box count for
 * nothing, as after a crop.
 *
 * A picture stored on its side is resized as it is stored and turned last, when it is small.
 */
#include "image/region.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "image/canvas.h"
#include "image/format.h"
#ifdef XC_JPEG
#include "image/jpeg_rows.h"
#endif

typedef float lanes __attribute__((vector_size(16)));
typedef int32_t whole __attribute__((vector_size(16)));

/* Which input pixels make an output pixel, and with which weights (in axis.weight, followed by
 * zeros up to axis.longest: then every output pixel takes the same number of steps). */
struct span {
    int first, count;
    size_t weight;
};
struct axis {
    struct span *span;
    float *weight;
    size_t span_room, weight_room;
    int longest;
};

struct buffer {
    void *data;
    size_t room;
};

struct region_reader {
    struct jpeg_rows *jpeg;
    const uint8_t *bytes; /* of a JPEG that is decoded row by row; NULL: image */
    size_t count;
    const xc_image *image;
    xc_image *owned;
    xc_preprocess p;
    uint32_t orientation;
    int w, h; /* as stored for a JPEG, upright for an image */
    struct axis across, down;
    struct buffer row, line, ring, sum, turned;
    struct canvas canvas;
};

xc_status region_new(struct region_reader **out, struct error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? XC_OK : fail_memory(err, sizeof **out);
}

void region_free(struct region_reader *r)
{
    if (!r) return;
#ifdef XC_JPEG
    jpeg_rows_free(r->jpeg);
#endif
    image_free(r->owned);
    free(r->across.span);
    free(r->across.weight);
    free(r->down.span);
    free(r->down.weight);
    free(r->row.data);
    free(r->line.data);
    free(r->ring.data);
    free(r->sum.data);
    free(r->turned.data);
    free(r);
}

static xc_status reserve(struct buffer *b, size_t count, size_t size, struct error *err)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes) || !size_align(bytes, 64, &bytes))
        return fail_memory(err, SIZE_MAX);
    if (bytes <= b->room) return XC_OK;
    free(b->data);
    b->data = aligned_alloc(64, bytes);
    b->room = b->data ? bytes : 0;
    return b->data ? XC_OK : fail_memory(err, bytes);
}

/* ---- opening --------------------------------------------------------------------------------- */

void region_open_image(struct region_reader *r, const xc_image *image, const xc_preprocess *p,
                       int *w, int *h)
{
    r->bytes = NULL;
    r->image = image;
    r->p = *p;
    r->p.colour = XC_COLOUR_RGB;
    r->orientation = 1; /* the view turns */
    struct view view = view_of(image, p->apply_exif);
    r->canvas = canvas_of(view, &r->p, view.w, view.h, 0, 0);
    *w = r->w = view.w;
    *h = r->h = view.h;
}

#ifdef XC_JPEG
/* True: a JPEG whose rows jpeg_rows can give. Anything odd goes the other way, for its sentence. */
static bool open_jpeg(struct region_reader *r, const uint8_t *bytes, size_t count,
                      const xc_image_limits *limits, const xc_preprocess *p)
{
    struct jpeg_header head;
    struct error quiet;
    bool plain = count > 3 && bytes[0] == 0xff && bytes[1] == 0xd8 &&
                 jpeg_header_read(bytes, count, &head, &quiet) == XC_OK && head.precision == 8 &&
                 (head.components == 1 || head.components == 3) &&
                 image_size_check(head.width, head.height, "jpeg", limits, &quiet) == XC_OK &&
                 (uint64_t)head.width * head.height > REGION_WHOLE_PIXELS &&
                 count <= limits->max_bytes;
    if (plain && !r->jpeg) r->jpeg = jpeg_rows_new();
    if (!plain || !r->jpeg) return false;
    r->bytes = bytes;
    r->count = count;
    r->w = (int)head.width;
    r->h = (int)head.height;
    r->orientation = p->apply_exif && head.orientation ? head.orientation : 1;
    return true;
}
#else
static bool open_jpeg(struct region_reader *r, const uint8_t *bytes, size_t count,
                      const xc_image_limits *limits, const xc_preprocess *p)
{
    (void)r, (void)bytes, (void)count, (void)limits, (void)p;
    return false;
}
#endif

xc_status region_open(struct region_reader *r, const void *bytes, size_t count,
                      const xc_image_limits *limits, const xc_preprocess *p, int *w, int *h,
                      struct error *err)
{
    static const xc_image_limits defaults = XC_IMAGE_LIMITS_INIT;
    image_free(r->owned);
    r->owned = NULL;
    if (open_jpeg(r, bytes, count, limits ? limits : &defaults, p)) {
        bool swap = turn_of(r->orientation).swap;
        *w = swap ? r->h : r->w;
        *h = swap ? r->w : r->h;
        return XC_OK;
    }
    TRY(image_decode(bytes, count, limits, &r->owned, err));
    region_open_image(r, r->owned, p, w, h);
    return XC_OK;
}

/* ---- weights --------------------------------------------------------------------------------- */

static xc_status axis_reserve(struct axis *axis, int n, size_t most, struct error *err)
{
    struct buffer span = {axis->span, axis->span_room}, weight = {axis->weight, axis->weight_room};
    size_t weights;
    if (!size_mul((size_t)n, most, &weights)) return fail_memory(err, SIZE_MAX);
    xc_status status = reserve(&span, (size_t)n, sizeof *axis->span, err);
    if (status == XC_OK) status = reserve(&weight, weights, sizeof *axis->weight, err);
    axis->span = span.data;
    axis->span_room = span.room;
    axis->weight = weight.data;
    axis->weight_room = weight.room;
    return status;
}

/* Output pixels 0 .. n - 1 of the stretch from..from+size (pixels, may be broken) of the input. */
static xc_status axis_fill(struct axis *axis, double from, double size, int n, xc_filter filter,
                           struct error *err)
{
    double scale = size / n, stretch = scale < 1.0 ? 1.0 : scale;
    double support = filter_support(filter) * stretch;
    size_t most = (size_t)ceil(support) * 2 + 2;
    int low = (int)floor(from), high = (int)ceil(from + size);
    TRY(axis_reserve(axis, n, most, err));
    axis->longest = 1;
    for (int i = 0; i < n; i++) {
        double centre = from + (i + 0.5) * scale, sum = 0.0;
        int first = (int)floor(centre - support + 0.5), end = (int)floor(centre + support + 0.5);
        first = first < low ? low : first;
        end = end > high ? high : end;
        end = end <= first ? first + 1 : end;
        float *weight = axis->weight + (size_t)i * most;
        for (int k = first; k < end; k++)
            sum += filter_weight(filter, (k - centre + 0.5) / stretch);
        for (int k = first; k < end; k++) {
            double w = filter_weight(filter, (k - centre + 0.5) / stretch);
            weight[k - first] = sum != 0.0 ? (float)(w / sum) : 1.0f / (float)(end - first);
        }
        for (int k = end - first; k < (int)most; k++) weight[k] = 0.0f;
        axis->span[i] = (struct span){first, end - first, (size_t)i * most};
        if (end - first > axis->longest) axis->longest = end - first;
    }
    return XC_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* in: n pixels of `step` bytes; out: n x 4 floats */
static void widen(const uint8_t *in, int n, int step, float *out)
{
    if (step == 4) {
        for (int i = 0; i < 4 * n; i++) out[i] = in[i];
        return;
    }
    for (int i = 0; i < n; i++, in += 3, out += 4) {
        out[0] = in[0];
        out[1] = in[1];
        out[2] = in[2];
        out[3] = 0.0f;
    }
}

/* in: pixels from column `left` on, as lanes, and `taps` more that are finite */
static inline void resample(const lanes *in, int left, const struct axis *across, int taps, int n,
                            lanes *out)
{
    for (int x = 0; x < n; x++) {
        const struct span *s = &across->span[x];
        const lanes *p = in + (s->first - left);
        const float *w = across->weight + s->weight;
        lanes sum = p[0] * w[0];
        for (int k = 1; k < taps; k++) sum += p[k] * w[k];
        out[x] = sum;
    }
}

static void resample_row(const lanes *in, int left, const struct axis *across, int n, lanes *out)
{
    switch (across->longest) { /* the usual ones unrolled */
    case 2:
        resample(in, left, across, 2, n, out);
        break;
    case 3:
        resample(in, left, across, 3, n, out);
        break;
    case 4:
        resample(in, left, across, 4, n, out);
        break;
    default:
        resample(in, left, across, across->longest, n, out);
    }
}

static uint8_t to_byte(int32_t v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Rounded to nearest, ties up. */
static void narrow(lanes v, uint8_t *out)
{
    whole i = __builtin_convertvector(v + 0.5f, whole);
    out[0] = to_byte(i[0]);
    out[1] = to_byte(i[1]);
    out[2] = to_byte(i[2]);
}

/* Four rows at once; a row that is not there has the weight 0. */
enum { TOGETHER = 4 };
struct four {
    const lanes *row[TOGETHER];
    float weight[TOGETHER];
};

static struct four four_rows(const struct region_reader *r, const struct span *s, int from, int n)
{
    const lanes *ring = r->ring.data;
    struct four f;
    for (int k = 0; k < TOGETHER; k++) {
        bool there = from + k < s->count;
        int row = s->first + (there ? from + k : 0);
        f.row[k] = ring + (size_t)(row % r->down.longest) * (size_t)n;
        f.weight[k] = there ? r->down.weight[s->weight + (size_t)(from + k)] : 0.0f;
    }
    return f;
}

static inline lanes four_sum(const struct four *f, int x)
{
    return f->row[0][x] * f->weight[0] + f->row[1][x] * f->weight[1] + f->row[2][x] * f->weight[2] +
           f->row[3][x] * f->weight[3];
}

static void sum_rows(const struct region_reader *r, int y, int n, uint8_t *out)
{
    const struct span *s = &r->down.span[y];
    lanes *sum = r->sum.data;
    struct four f = four_rows(r, s, 0, n);
    if (s->count <= TOGETHER) {
        for (int x = 0; x < n; x++, out += 3) narrow(four_sum(&f, x), out);
        return;
    }
    for (int x = 0; x < n; x++) sum[x] = four_sum(&f, x);
    for (int k = TOGETHER; k < s->count; k += TOGETHER) {
        f = four_rows(r, s, k, n);
        for (int x = 0; x < n; x++) sum[x] += four_sum(&f, x);
    }
    for (int x = 0; x < n; x++, out += 3) narrow(sum[x], out);
}

/* What the rows of one read come from. */
struct rows_from {
    struct region_reader *r;
    int left, width; /* columns that are there */
    int step;
};

static xc_status next_row(struct rows_from *from, int y, struct error *err)
{
    struct region_reader *r = from->r;
    const uint8_t *row = NULL;
#ifdef XC_JPEG
    if (r->bytes) TRY(jpeg_rows_next(r->jpeg, &row, err));
#endif
    (void)err;
    if (!r->bytes) row = r->canvas.rows.get(&r->canvas.rows, y, r->row.data);
    widen(row, from->width, from->step, r->line.data);
    return XC_OK;
}

/* Rows stream in; output rows leave as soon as their last row is there. */
static xc_status run(struct rows_from *from, int out_w, int out_h, uint8_t *out, struct error *err)
{
    struct region_reader *r = from->r;
    int ready = r->down.span[0].first;
    lanes *ring = r->ring.data;
    for (int y = 0; y < out_h; y++, out += (size_t)out_w * 3) {
        const struct span *s = &r->down.span[y];
        for (; ready < s->first + s->count; ready++) {
            TRY(next_row(from, ready, err));
            lanes *to = ring + (size_t)(ready % r->down.longest) * (size_t)out_w;
            resample_row(r->line.data, from->left, &r->across, out_w, to);
        }
        sum_rows(r, y, out_w, out);
    }
    return XC_OK;
}

/* The smallest size at which the box still has the pixels of the result. */
static int shrink_for(struct box box, int out_w, int out_h)
{
    int shrink = 1;
    while (shrink < 8 && box.w / (2 * shrink) >= out_w && box.h / (2 * shrink) >= out_h)
        shrink *= 2;
    return shrink;
}

static xc_status start_rows(struct region_reader *r, int shrink, struct rows_from *from, int out_w,
                            struct error *err)
{
    const struct span *first = &r->across.span[0], *last = &r->across.span[out_w - 1];
    *from = (struct rows_from){.r = r, .width = r->w, .step = 3};
#ifdef XC_JPEG
    if (r->bytes) {
        int end = last->first + last->count;
        TRY(jpeg_rows_start(r->jpeg, r->bytes, r->count, shrink, first->first, end,
                            r->down.span[0].first, &from->left, err));
        from->width = end - from->left;
        from->step = 4;
    }
#endif
    (void)shrink, (void)first, (void)last;
    size_t width = (size_t)from->width, columns = (size_t)out_w;
    if (!r->bytes) TRY(reserve(&r->row, width, 3, err));
    size_t line = width + (size_t)r->across.longest; /* below 2^16 + 2^18 */
    TRY(reserve(&r->line, line, sizeof(lanes), err));
    memset((lanes *)r->line.data + width, 0, (size_t)r->across.longest * sizeof(lanes));
    TRY(reserve(&r->sum, columns, sizeof(lanes), err));
    return reserve(&r->ring, columns * (size_t)r->down.longest, sizeof(lanes), err);
}

/* The box as it is stored. */
static xc_status read_stored(struct region_reader *r, struct box box, xc_filter filter, int out_w,
                             int out_h, uint8_t *out, struct error *err)
{
    int shrink = r->bytes ? shrink_for(box, out_w, out_h) : 1;
    double unit = 1.0 / shrink;
    struct rows_from from;
    TRY(axis_fill(&r->across, box.x * unit, box.w * unit, out_w, filter, err));
    TRY(axis_fill(&r->down, box.y * unit, box.h * unit, out_h, filter, err));
    TRY(start_rows(r, shrink, &from, out_w, err));
    return run(&from, out_w, out_h, out, err);
}

/* From the upright picture to the stored one. */
static struct box box_stored(const struct region_reader *r, struct turn t, struct box b)
{
    struct box s = t.swap ? (struct box){b.y, b.x, b.h, b.w} : b;
    if (t.mirror_x) s.x = r->w - s.x - s.w;
    if (t.mirror_y) s.y = r->h - s.y - s.h;
    return s;
}

static void turn_upright(const uint8_t *in, int w, int h, uint32_t orientation, uint8_t *out)
{
    xc_image image = {.info = {(uint32_t)w, (uint32_t)h, XC_RGB8, orientation, "memory"},
                      .base = in,
                      .stride = (ptrdiff_t)w * 3};
    struct view v = view_of(&image, true);
    for (int y = 0; y < v.h; y++) {
        const uint8_t *p = v.base + y * v.down;
        for (int x = 0; x < v.w; x++, p += v.across, out += 3) memcpy(out, p, 3);
    }
}

static xc_status read_box(struct region_reader *r, struct box box, xc_filter filter, int out_w,
                          int out_h, uint8_t *out, struct error *err)
{
    if (filter < XC_FILTER_BOX || filter > XC_FILTER_LANCZOS)
        return fail(err, XC_ERR_ARGUMENT, "filter %d does not resize a part of a picture",
                    (int)filter);
    struct turn t = turn_of(r->orientation);
    struct box stored = box_stored(r, t, box);
    if (r->orientation == 1) return read_stored(r, stored, filter, out_w, out_h, out, err);
    int w = t.swap ? out_h : out_w, h = t.swap ? out_w : out_h;
    TRY(reserve(&r->turned, (size_t)w * (size_t)h, 3, err));
    TRY(read_stored(r, stored, filter, w, h, r->turned.data, err));
    turn_upright(r->turned.data, w, h, r->orientation, out);
    return XC_OK;
}

xc_status region_read(struct region_reader *r, struct box box, xc_filter filter, int out_w,
                      int out_h, uint8_t *out, struct error *err)
{
    const xc_status status = read_box(r, box, filter, out_w, out_h, out, err);
    image_free(r->owned); /* a whole picture, which the next one does not need */
    r->owned = NULL;
    return status;
}
