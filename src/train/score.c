/* SPDX-License-Identifier: Apache-2.0 */
/* How good are answers? */
#include "train/score.h"

#include <math.h>

/* How many logits are better than this one; of equal ones the first is. NaN is never better. */
static int place_of(const float *x, int classes, int at)
{
    int place = 0;
    for (int i = 0; i < classes; i++)
        if (x[i] > x[at] || (x[i] == x[at] && i < at)) place++;
    return isnan(x[at]) ? classes : place;
}

/* Also where logits are no numbers. */
static double at_most(double loss)
{
    return loss < SCORE_MOST_LOSS ? loss : SCORE_MOST_LOSS;
}

static double softmax_loss(const float *x, int classes, int label)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < classes; i++)
        if ((double)x[i] > most) most = (double)x[i];
    for (int i = 0; i < classes; i++) sum += exp((double)x[i] - most);
    return log(sum) + most - (double)x[label];
}

static double sigmoid_loss(const float *x, const float *target, int classes)
{
    double sum = 0;
    for (int i = 0; i < classes; i++) {
        const double v = (double)x[i];
        sum += fmax(v, 0) - v * (double)target[i] + log1p(exp(-fabs(v)));
    }
    return sum;
}

/* The best place of a label of this row. */
static int best_place(const float *x, const float *target, int classes)
{
    int best = classes;
    for (int i = 0; i < classes; i++) {
        const int place = target[i] > 0 ? place_of(x, classes, i) : classes;
        if (place < best) best = place;
    }
    return best;
}

void score_add(struct score *s, const float *logits, const int32_t *label, const float *weight,
               const float *target, int n, int classes)
{
    for (int i = 0; i < n; i++) {
        const float *x = logits + (size_t)i * (size_t)classes;
        const float *t = target ? target + (size_t)i * (size_t)classes : NULL;
        if (weight && weight[i] <= 0) continue;
        const int place = t ? best_place(x, t, classes) : place_of(x, classes, label[i]);
        s->rows++;
        s->top1 += place < 1;
        s->top5 += place < 5;
        s->loss += at_most(t ? sigmoid_loss(x, t, classes) : softmax_loss(x, classes, label[i]));
    }
}

static double mean(const struct score *s, double sum)
{
    return s->rows ? sum / (double)s->rows : 0;
}

double score_top1(const struct score *s)
{
    return mean(s, (double)s->top1);
}

double score_top5(const struct score *s)
{
    return mean(s, (double)s->top5);
}

double score_loss(const struct score *s)
{
    return mean(s, s->loss);
}
