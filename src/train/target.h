/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What should the network have answered? Rows of targets for the losses of kernel/training.h.
 * Label smoothing s spreads s evenly: softmax over the classes (1 - s, plus s / classes
 * everywhere), sigmoid over yes and no (t (1 - s) + s / 2).
 */
#ifndef XC_TRAIN_TARGET_H
#define XC_TRAIN_TARGET_H

/* weight of one label within the row: 1, or less when pictures are mixed; rows begin as zeros. */
void target_add_class(float *row, int classes, int label, double weight, double smoothing);
/* row: 0 and 1 for each class, smoothed in place. */
void target_smooth_labels(float *row, int classes, double smoothing);

#endif
