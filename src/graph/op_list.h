/* SPDX-License-Identifier: Apache-2.0 */
/* Which operators exist? One line each; the tables are in op_*.c. */
#ifndef XC_GRAPH_OP_LIST_H
#define XC_GRAPH_OP_LIST_H

#define OP_LIST(X)                                                                                 \
    X(INPUT, op_input)                                                                             \
    X(CONV, op_conv)                                                                               \
    X(DENSE, op_dense)                                                                             \
    X(BATCH_NORM, op_batch_norm)                                                                   \
    X(AFFINE, op_affine)                                                                           \
    X(ACT, op_act)                                                                                 \
    X(SOFTMAX, op_softmax)                                                                         \
    X(POOL, op_pool)                                                                               \
    X(GLOBAL_POOL, op_global_pool)                                                                 \
    X(ADD, op_add)                                                                                 \
    X(CONCAT, op_concat)                                                                           \
    X(FLATTEN, op_flatten)                                                                         \
    X(DROPOUT, op_dropout)

#endif
