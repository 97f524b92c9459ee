/* SPDX-License-Identifier: Apache-2.0 */
/* A network under test with its numbers and its weights ready in one precision. */
#ifndef TESTS_GRAPH_SUBJECT_H
#define TESTS_GRAPH_SUBJECT_H

#include "graph/net.h"
#include "graph/plan.h"

#define SUBJECT_MAX_NODES 512
#define MOST_THREADS 8

struct subject {
    struct graph *g;
    uint64_t seed;
    float **data;
    struct kernels k;
    struct weights *w, *direct; /* direct: what those of the fast algorithms share, or NULL */
    size_t band_bytes;          /* of the plans to come; 0 after subject_make */
    struct error err;
};

/* g is the subject's. */
void subject_make(struct subject *s, struct graph *g, uint64_t seed, enum dtype type);
/* Plans that are made from here on use the fast algorithms. */
void subject_make_fast(struct subject *s);
void subject_free(struct subject *s);

/* One run, arena and all. */
struct trial {
    struct plan *plan;
    void *arena, *scratch;
};
void trial_make(struct trial *t, struct subject *s, int batch, const int *tap, int taps);
/* Image i of the batch gets image first_image + i of the input of this seed, then all run. */
void trial_run(struct trial *t, const struct subject *s, int images, int first_image,
               struct pool *pool);
/* The same while the pool has other work: this thread does that of all. */
void trial_run_busy(struct trial *t, const struct subject *s, int images, int first_image,
                    struct pool *pool);
void trial_free(struct trial *t);
/* The values of one image of a node, dense; brain floats as floats: free(). */
void *trial_read(const struct trial *t, const struct subject *s, int node, int image,
                 size_t *bytes);

/* Are the outputs of two images the same bits? */
bool trial_same(const struct subject *s, const struct trial *a, int image_a, const struct trial *b,
                int image_b);

/* XC_TEST_SEED, or the time. */
uint64_t subject_seed(void);

/* All nodes but those whose batch norm is in their weights; returns how many. */
int subject_taps(const struct subject *s, int *tap);
/* Outputs of a plan without taps, and all nodes of a plan with all taps, are what the formulas say,
 * up to this part of the largest value. */
void assert_numbers(struct subject *s, int batch, double tolerance);

#endif
