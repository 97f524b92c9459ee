/* SPDX-License-Identifier: Apache-2.0 */
/* Is a part of a picture what cropping the whole and resizing it gives, whatever the shortcut? */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "image/canvas.h"
#include "image/region.h"

static const xc_preprocess plain = {
    .size = sizeof plain, .apply_exif = true, .drop_alpha = true, .divisor = 1.0f};

/* The upright picture as RGB, (h, w, 3). */
static uint8_t *upright(const xc_image *image, int *w, int *h)
{
    xc_preprocess rgb = plain;
    struct view view = view_of(image, true);
    struct canvas canvas = canvas_of(view, &rgb, view.w, view.h, 0, 0);
    uint8_t *out = malloc((size_t)view.w * (size_t)view.h * 3);
    assert_non_null(out);
    const size_t row = (size_t)view.w * 3;
    for (int y = 0; y < view.h; y++) {
        uint8_t *to = out + (size_t)y * row;
        const uint8_t *from = canvas.rows.get(&canvas.rows, y, to);
        if (from != to) memcpy(to, from, row);
    }
    *w = view.w;
    *h = view.h;
    return out;
}

static int compare_bytes(const uint8_t *a, const uint8_t *b, size_t n, double *mean)
{
    int most = 0;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        int d = abs(a[i] - b[i]);
        sum += d;
        if (d > most) most = d;
    }
    *mean = sum / (double)n;
    return most;
}

/* most: the largest difference allowed; mean: of the mean. */
static void check(const struct blob *blob, struct box box, int w, int h, xc_filter filter, int most,
                  double mean, const char *name)
{
    struct region_reader *r = NULL;
    struct error err = {XC_OK, ""};
    xc_image *image = NULL;
    int iw, ih, uw, uh;
    size_t n = (size_t)w * (size_t)h * 3;
    uint8_t *ours = malloc(n), *theirs = malloc(n);
    assert_non_null(ours);
    assert_non_null(theirs);
    assert_int_equal(region_new(&r, &err), XC_OK);
    assert_int_equal(region_open(r, blob->bytes, blob->count, NULL, &plain, &iw, &ih, &err), XC_OK);
    assert_int_equal(image_decode(blob->bytes, blob->count, NULL, &image, &err), XC_OK);
    uint8_t *rgb = upright(image, &uw, &uh);
    assert_int_equal(iw, uw);
    assert_int_equal(ih, uh);
    if (box.w == 0) box = (struct box){0, 0, iw, ih};
    const xc_status read = region_read(r, box, filter, w, h, ours, &err);
    if (read != XC_OK) print_error("%s: %s\n", name, err.text);
    assert_int_equal(read, XC_OK);
    const uint8_t *at = rgb + ((size_t)box.y * (size_t)uw + (size_t)box.x) * 3;
    assert_int_equal(resize_u8(at, box.w, box.h, (ptrdiff_t)uw * 3, 3, filter, w, h, theirs, &err),
                     XC_OK);
    double got;
    int difference = compare_bytes(ours, theirs, n, &got);
    if (difference > most || got > mean)
        print_error("%s: box %d,%d %dx%d to %dx%d: largest %d, mean %g\n", name, box.x, box.y,
                    box.w, box.h, w, h, difference, got);
    assert_true(difference <= most && got <= mean);
    region_free(r);
    image_free(image);
    free(rgb);
    free(ours);
    free(theirs);
}

static void test_corpus(void **state)
{
    (void)state;
    static const char *const names[] = {"jpeg/1x300.jpg", "png/rgba8.png", "bmp/rgb24.bmp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s", XC_SOURCE_DIR, names[i]);
        FILE *f = fopen(path, "rb");
        if (!f || !corpus_readable(names[i])) {
            if (f) fclose(f);
            continue;
        }
        fclose(f);
        struct blob blob = corpus_file(names[i]);
        check(&blob, (struct box){0}, 17, 11, XC_FILTER_BILINEAR, 1, 1.0, names[i]);
        check(&blob, (struct box){0}, 40, 50, XC_FILTER_BICUBIC, 32, 1.0, names[i]);
        free(blob.bytes);
    }
}

/* An EXIF block of one entry, the orientation, behind the first two bytes of a JPEG. */
static struct blob with_orientation(const struct blob *in, uint8_t orientation)
{
    const uint8_t exif[] = {0xff, 0xe1, 0, 34, 'E', 'x',         'i', 'f', 0, 0,    'M', 'M',
                            0,    42,   0, 0,  0,   8,           0,   1,   1, 0x12, 0,   3,
                            0,    0,    0, 1,  0,   orientation, 0,   0,   0, 0,    0,   0};
    struct blob out = {malloc(in->count + sizeof exif), in->count + sizeof exif};
    assert_non_null(out.bytes);
    memcpy(out.bytes, in->bytes, 2);
    memcpy(out.bytes + 2, exif, sizeof exif);
    memcpy(out.bytes + 2 + sizeof exif, in->bytes + 2, in->count - 2);
    return out;
}

static struct box random_box(uint32_t i, int w, int h)
{
    uint32_t r[4];
    rng_words(11, RNG_TEST, 0, 0, i, r);
    struct box b = {0, 0, 40 + (int)(r[0] % (uint32_t)(w - 40)),
                    40 + (int)(r[1] % (uint32_t)(h - 40))};
    b.x = (int)(r[2] % (uint32_t)(w - b.w + 1));
    b.y = (int)(r[3] % (uint32_t)(h - b.h + 1));
    return b;
}

static char *first_photo(const char *folder)
{
    char *path = NULL, first[256] = "";
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strstr(e->d_name, ".jpg") && (!*first || strcmp(e->d_name, first) < 0))
            snprintf(first, sizeof first, "%s", e->d_name);
    if (dir) closedir(dir);
    return *first && asprintf(&path, "%s/%s", folder, first) > 0 ? path : NULL;
}

/* A photograph: part by part, turned in all ways, and shrunk while it is decoded. */
static void test_photo(void **state)
{
    (void)state;
    char *path = first_photo(XC_SHARED_DIR "/data/clothing/train/hat");
    struct file_view view;
    struct error err;
#ifndef XC_JPEG
    free(path);
    path = NULL;
#endif
    if (!path) {
        print_message("skipped: no photographs in ../shared, or no JPEG in this build\n");
        skip();
    }
    assert_int_equal(file_read(path, 1 << 26, &view, &err), XC_OK);
    struct blob photo = {(uint8_t *)(uintptr_t)view.data, view.size};
    for (uint32_t i = 0; i < 40; i++) {
        struct blob turned = with_orientation(&photo, (uint8_t)(1 + i % 8));
        xc_image *image = NULL;
        assert_int_equal(image_decode(turned.bytes, turned.count, NULL, &image, &err), XC_OK);
        bool swap = image->info.orientation >= 5;
        int w = (int)(swap ? image->info.height : image->info.width);
        int h = (int)(swap ? image->info.width : image->info.height);
        image_free(image);
        struct box box = random_box(i, w, h);
        check(&turned, box, 299, 299, XC_FILTER_BILINEAR, 1, 0.2, "part");
        /* Pillow clips what overshoots between its two passes */
        check(&turned, box, 299, 299, XC_FILTER_BICUBIC, 24, 0.2, "part");
        check(&turned, box, box.w / 2, box.h / 2, XC_FILTER_BILINEAR, 255, 3.5, "half");
        free(turned.bytes);
    }
    check(&photo, (struct box){0}, 40, 50, XC_FILTER_BILINEAR, 255, 3.5, "eighth");
    file_release(&view);
    free(path);
}

/* Damage is refused with a sentence, whatever was decoded before. */
static void test_damage(void **state)
{
    (void)state;
    char *path = first_photo(XC_SHARED_DIR "/data/clothing/train/hat");
    struct file_view view;
    struct error err = {XC_OK, ""};
    struct region_reader *r = NULL;
    int w, h;
    static uint8_t out[32 * 32 * 3];
    if (!path) {
        print_message("skipped: no photographs in ../shared, or no JPEG in this build\n");
        skip();
    }
    assert_int_equal(file_read(path, 1 << 26, &view, &err), XC_OK);
    assert_int_equal(region_new(&r, &err), XC_OK);
    for (size_t part = 1; part <= 2; part++) { /* the second time all of it */
        size_t count = part == 1 ? view.size / 2 : view.size;
        xc_status status = region_open(r, view.data, count, NULL, &plain, &w, &h, &err);
        if (status == XC_OK)
            status =
                region_read(r, (struct box){0, 0, w, h}, XC_FILTER_BILINEAR, 32, 32, out, &err);
#ifdef XC_JPEG
        assert_int_equal(status, part == 1 ? XC_ERR_FORMAT : XC_OK);
#endif
    }
    assert_non_null(strstr(err.text, "JPEG"));
    region_free(r);
    file_release(&view);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus), cmocka_unit_test(test_photo),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
