/* SPDX-License-Identifier: Apache-2.0 */
/* What should the network have answered? */
#include "train/target.h"

void target_add_class(float *row, int classes, int label, double weight, double smoothing)
{
    for (int c = 0; c < classes; c++)
        row[c] += (float)(weight * (smoothing / classes + (c == label ? 1 - smoothing : 0)));
}

void target_smooth_labels(float *row, int classes, double smoothing)
{
    for (int c = 0; c < classes; c++)
        row[c] = (float)((double)row[c] * (1 - smoothing) + smoothing / 2);
}
