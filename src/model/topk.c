/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do scores become an answer? One pass with insertion into the k best so far: k is small, and
 * nothing is allocated. An equal score goes behind, so ties stand in index order.
 */
#include "model/model.h"

#include <math.h>

static bool better(float a, float b)
{
    return !isnan(a) && (isnan(b) || a > b);
}

void topk(const float *score, uint32_t count, uint32_t k, uint32_t *index)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = found;
        while (at > 0 && better(score[i], score[index[at - 1]])) at--;
        if (at == k) continue;
        if (found < k) found++;
        for (uint32_t j = found - 1; j > at; j--) index[j] = index[j - 1];
        index[at] = i;
    }
}
