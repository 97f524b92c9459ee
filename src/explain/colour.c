/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which colour has a number in 0..1? A path through CIELAB (D65) from a dark blue over red to a
 * light yellow, its lightness rising all the way. The points below lie at equal distances on it, so
 * equal differences of the number look equal; between them colours are straight lines in CIELAB.
 */
#include <math.h>

#include "explain/explain.h"

static const double path[][3] = {
    {8.0, 6.2, -23.2},   {12.8, 16.8, -29.5}, {15.4, 27.5, -37.6}, {18.6, 39.9, -41.7},
    {24.0, 47.7, -32.5}, {29.9, 53.1, -21.4}, {35.9, 57.4, -9.9},  {41.7, 61.5, 1.8},
    {47.0, 65.5, 13.8},  {51.9, 68.3, 26.2},  {57.0, 62.7, 36.8},  {62.0, 51.1, 42.1},
    {67.5, 39.0, 45.3},  {73.5, 26.8, 46.2},  {80.0, 15.0, 44.0},  {86.5, 5.0, 37.5},
    {94.0, -2.6, 29.3},
};
enum { KNOTS = sizeof path / sizeof *path };

/* CIE 1976: from f to the tristimulus value it stands for. */
static double tristimulus(double f)
{
    return f > 6.0 / 29 ? f * f * f : 3 * (6.0 / 29) * (6.0 / 29) * (f - 4.0 / 29);
}

/* IEC 61966-2-1 */
static uint8_t srgb(double linear)
{
    const double x = fmin(fmax(linear, 0), 1);
    return (uint8_t)lrint(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * pow(x, 1 / 2.4) - 0.055));
}

void heat_colour(double t, uint8_t rgb[3])
{
    const double at = (t > 0 ? fmin(t, 1) : 0) * (KNOTS - 1); /* NaN: 0 */
    const int i = at < KNOTS - 1 ? (int)at : KNOTS - 2;
    double lab[3];
    for (int k = 0; k < 3; k++) lab[k] = path[i][k] + (at - i) * (path[i + 1][k] - path[i][k]);
    const double f = (lab[0] + 16) / 116;
    const double x = 0.95047 * tristimulus(f + lab[1] / 500), y = tristimulus(f);
    const double z = 1.08883 * tristimulus(f - lab[2] / 200);
    rgb[0] = srgb(3.2404542 * x - 1.5371385 * y - 0.4985314 * z);
    rgb[1] = srgb(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z);
    rgb[2] = srgb(0.0556434 * x - 0.2040259 * y + 1.0572252 * z);
}
