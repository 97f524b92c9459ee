/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a layer cost, and what would the other kind of convolution cost in its place? Counted
 * by the library on a network of that layer alone (--arch inception-module,...), and timed here.
 */
#ifndef TOOL_COST_H
#define TOOL_COST_H

#include <xception.h>

struct cost {
    uint64_t params, macs; /* of the convolutions, without batch norm */
    double ms;             /* the least of several runs of one picture; 0: not timed */
};
/* A context of one thread. */
xc_status cost_context(const char *cpu, xc_context **out);
/* Of a small network that is made for it, with random weights. context: cost_context. */
xc_status cost_of(xc_context *context, const char *arch, bool timed, struct cost *out);

/* seconds[i]: the least time of step i in several runs on input, in about `limit` seconds; together
 * no more than a run had of a processor. */
xc_status cost_steps(xc_session *session, const float *input, double limit, double *seconds);

/* A convolution of a network as separable and as regular one: same input, same output size. */
struct cost_pair {
    const char *name;                                       /* lives as long as the model */
    uint32_t height, width, in, out, kernel, stride, times; /* times: layers of this very shape */
    bool is_separable;                                      /* in the network */
    struct cost separable, regular;
};
/* Square convolutions above 1x1, in the network's order, equal shapes once, timed; tick hears of
 * each. *pairs: free it. */
typedef void cost_tick(void *user, size_t done, size_t of);
xc_status cost_pairs(xc_context *context, const xc_model *model, cost_tick *tick, void *user,
                     struct cost_pair **pairs, size_t *count);

#endif
