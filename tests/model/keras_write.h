/* SPDX-License-Identifier: Apache-2.0 */
/* A graph as Keras 3 would write it down: the way back of src/model/keras_config.h, for tests. */
#ifndef XC_TESTS_MODEL_KERAS_WRITE_H
#define XC_TESTS_MODEL_KERAS_WRITE_H

#include "graph/graph.h"

/* Config of a Functional model; release with free(). */
char *keras_write(const struct graph *g);

#endif
