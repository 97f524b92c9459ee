/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers are learned, under which name, at which offset? Offsets are dense and in the order
 * of param_add. When the table grows, its old copy stays in the arena: pointers to entries do not
 * survive a param_add, numbers do.
 */
#include "tensor/param.h"

#include <string.h>

#include "base/checked.h"

static bool reserve(struct param_table *t, struct arena *a)
{
    if (t->count < t->room) return true;
    int room = t->room ? 2 * t->room : 64;
    struct param *at = arena_push(a, (size_t)room, sizeof *at);
    if (!at) return false;
    if (t->count) memcpy(at, t->at, (size_t)t->count * sizeof *at);
    t->at = at;
    t->room = room;
    return true;
}

static bool fill_shape(struct param *p, int rank, const int dim[])
{
    size_t count = 1;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 1 || !size_mul(count, (size_t)dim[i], &count)) return false;
        p->dim[i] = dim[i];
    }
    p->rank = rank;
    p->count = count;
    return true;
}

xc_status param_add(struct param_table *t, struct arena *a, const char *name, enum param_role role,
                    int rank, const int dim[], int *index, struct error *err)
{
    struct param p = {.role = role, .offset = t->total};
    size_t total;
    if (rank < 1 || rank > 4 || !fill_shape(&p, rank, dim) || !size_add(t->total, p.count, &total))
        return fail(err, XC_ERR_SHAPE, "%s: the shape of this parameter is not possible", name);
    if (param_find(t, name) >= 0)
        return fail(err, XC_ERR_TENSOR, "%s: two parameters have this name", name);
    p.name = arena_strdup(a, name);
    if (!p.name || !reserve(t, a)) return fail_memory(err, sizeof p);
    t->at[t->count] = p;
    t->total = total;
    *index = t->count++;
    return XC_OK;
}

int param_find(const struct param_table *t, const char *name)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->at[i].name, name) == 0) return i;
    return -1;
}

bool param_trainable(const struct param *p)
{
    return p->role != PARAM_MEAN && p->role != PARAM_VARIANCE;
}

const char *param_role_name(enum param_role role)
{
    static const char *const names[] = {
        [PARAM_KERNEL] = "kernel",
        [PARAM_DEPTHWISE] = "depthwise_kernel",
        [PARAM_BIAS] = "bias",
        [PARAM_GAMMA] = "gamma",
        [PARAM_BETA] = "beta",
        [PARAM_MEAN] = "moving_mean",
        [PARAM_VARIANCE] = "moving_variance",
    };
    return names[role];
}
