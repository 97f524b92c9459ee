/* SPDX-License-Identifier: Apache-2.0 */
/* A picture to look at when the user gives none: a sun over hills, with a fence of sharp edges. */
#include <math.h>

#include "tour.h"

struct rgb {
    double r, g, b;
};

static struct rgb mix(struct rgb a, struct rgb b, double t)
{
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return (struct rgb){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static double hill(double x, double base, double a, double b)
{
    return base + 0.06 * sin(a * x + b) + 0.025 * sin(2.7 * a * x + 1.3 * b);
}

/* x, y in 0..1, y down. */
static struct rgb colour(double x, double y)
{
    const struct rgb sky = {70, 130, 205}, low = {252, 214, 160}, sun = {255, 236, 150};
    const struct rgb far = {94, 125, 150}, near = {62, 110, 70}, wood = {150, 96, 54};
    const double from_sun = hypot(x - 0.7, y - 0.3);
    struct rgb c = mix(sky, low, y * 1.5);
    c = mix(sun, c, (from_sun - 0.09) / 0.015);
    if (y > hill(x, 0.56, 7, 0.6)) c = mix(far, low, (y - 0.5) * 0.8);
    if (y > hill(x, 0.68, 5, 2.4)) c = mix(near, (struct rgb){30, 60, 40}, (y - 0.66) * 3);
    const double post = fmod(x * 12 + 0.3, 1);
    if (y > 0.76 && y < 0.97 && (post < 0.34 || fabs(y - 0.82) < 0.012 || fabs(y - 0.91) < 0.012))
        c = mix(wood, (struct rgb){96, 58, 30}, post * 1.6);
    return c;
}

xc_status tour_draw_picture(uint32_t side, xc_image **out)
{
    xc_status status = xc_image_new(side, side, XC_RGB8, out);
    for (uint32_t y = 0; y < side && status == XC_OK; y++) {
        uint8_t *row = xc_image_pixels(*out, y);
        for (uint32_t x = 0; x < side; x++) {
            const struct rgb c = colour((x + 0.5) / side, (y + 0.5) / side);
            row[3 * x] = (uint8_t)lround(c.r);
            row[3 * x + 1] = (uint8_t)lround(c.g);
            row[3 * x + 2] = (uint8_t)lround(c.b);
        }
    }
    return status;
}
