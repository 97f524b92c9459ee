/* SPDX-License-Identifier: Apache-2.0 */
/* How fast is each kernel of this level, or of each (NULL)? Prints a table; 0, or 1 when out of
 * memory. */
#ifndef XC_TESTS_KERNEL_BENCH_H
#define XC_TESTS_KERNEL_BENCH_H

int bench_kernels(const char *level);

#endif
