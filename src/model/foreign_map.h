/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tensor of a foreign file is which of our parameters, and how do its numbers lie? A map is
 * filled by the names of the file's own config, by a table of names (names.h), or by order; every
 * shape is checked then, so that nothing is converted from a file that does not fit as a whole.
 */
#ifndef XC_MODEL_FOREIGN_MAP_H
#define XC_MODEL_FOREIGN_MAP_H

#include "model/keras_config.h"
#include "model/names.h"

struct foreign_source {
    const struct weight_tensor *tensor;
    bool constant; /* the network of the file has no such parameter: all are `value` */
    float value;
};

struct foreign_map {
    const struct weight_file *file;
    const struct graph *graph;
    bool torch;                  /* kernels are (out, in, kh, kw), dense (out, in) */
    struct foreign_source *from; /* one a parameter of graph */
    int *users;                  /* of each tensor of the file */
    int missing;                 /* parameters without a source */
    const char *how;             /* "the names of its config", ... */
    int named, ordered;          /* found by name, and by order */
};

/* Memory is the arena's. */
XC_NODISCARD xc_status foreign_map_new(const struct weight_file *file, const struct graph *graph,
                                       bool torch, struct arena *a, struct foreign_map *out,
                                       struct error *err);
/* node[i]: the node of map->graph that node i of the config's graph is. Nothing is refused here. */
void foreign_map_by_config(struct foreign_map *map, const struct keras_config *config,
                           const int *node);
void foreign_map_by_names(struct foreign_map *map, enum names_scheme scheme);
/* The parameters of order[] that are still missing get, in this order, the tensors that nobody has
 * and that are called alike ("kernel", "gamma", ...): a nested model lists its moving statistics
 * after everything else. XC_ERR_TENSOR when the numbers differ. */
XC_NODISCARD xc_status foreign_map_by_order(struct foreign_map *map, const int *order, int count,
                                            struct error *err);
/* Has every parameter a source of the right shape and type, and no tensor two of them? */
XC_NODISCARD xc_status foreign_map_check(const struct foreign_map *map, struct error *err);
/* The numbers of parameter i in our layout. XC_ERR_NUMBER: a double beyond float32. */
XC_NODISCARD xc_status foreign_map_copy(const struct foreign_map *map, int i, float *out,
                                        struct error *err);
/* A line for every parameter ("mapped A -> B"), for every other tensor ("unused A"), and for how it
 * was done; NULL when out of memory. */
const char *foreign_map_report(const struct foreign_map *map, const char *arch, struct arena *a);

#endif
