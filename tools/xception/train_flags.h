/* SPDX-License-Identifier: Apache-2.0 */
/* How do the flags of train become xc_train_opts? Says itself what is wrong with them. */
#ifndef TOOL_TRAIN_FLAGS_H
#define TOOL_TRAIN_FLAGS_H

#include <xception.h>

#include "options.h"

/* All but data, start model, folder and class weights; texts are those of args. */
bool train_flags(const struct args *args, xc_train_opts *opts);
/* Those that never change a number, for a run that goes on or is repeated. */
bool train_flags_harmless(const struct args *args, xc_train_opts *opts);
/* --class-weights none|auto|FILE. *kept: numbers that opts points to; free(). EXIT_DONE, or the
 * code after the sentence. */
int train_class_weights(const struct args *args, const xc_dataset *set, xc_train_opts *opts,
                        float **kept);
/* The flags as they were given, for args.json; free(). */
char *train_command(const struct args *args);

#endif
