/* SPDX-License-Identifier: Apache-2.0 */
/* How fast is learned in step t? */
#include "train/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

/* Half a cosine from a (at 0) to b (at 1). */
static double between(double a, double b, double at)
{
    return b + (a - b) * (1 + cos(PI * at)) / 2;
}

static double one_cycle(const struct schedule *s, double t)
{
    const double start = s->lr / 25, end = start / 1e4;
    const double top = 0.3 * (double)s->steps - 1, last = (double)s->steps - 1;
    if (t >= last) return end;
    if (t <= top) return between(start, s->lr, t / top);
    return between(s->lr, end, top > 0 ? (t - top) / (last - top) : t / last);
}

static double cosine(const struct schedule *s, double t)
{
    const double length = (double)s->steps - (double)s->warmup;
    return t < length ? between(s->lr, s->least, t / length) : s->least;
}

double schedule_lr(const struct schedule *s, uint64_t t)
{
    if (s->kind == SCHEDULE_ONE_CYCLE) return one_cycle(s, (double)t);
    if (t < s->warmup) return s->lr * (double)(t + 1) / (double)s->warmup;
    t -= s->warmup;
    if (s->kind == SCHEDULE_COSINE) return cosine(s, (double)t);
    if (s->kind == SCHEDULE_STEP && s->every > 0)
        return s->lr * pow(s->factor, (double)(t / s->every));
    return s->lr;
}

double plateau_scale(const double *metric, size_t stride, size_t count, bool higher, int patience,
                     double factor)
{
    double best = -INFINITY, scale = 1;
    int waited = 0;
    for (size_t i = 0; i < count; i++) {
        const double value = higher ? metric[i * stride] : -metric[i * stride];
        if (value > best) {
            best = value;
            waited = 0;
        } else if (++waited > patience) {
            scale *= factor;
            waited = 0;
        }
    }
    return scale;
}
