/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which conventions do a network's weights follow? The same trained numbers went round the world in
 * two ways: as Keras wrote them, and as timm (Cadene, tstandley) ported them to PyTorch. Batch-norm
 * epsilon and the padding of pools differ, and with them the answers; so the flavour is part of a
 * model and never guessed.
 */
#ifndef XC_NETWORK_FLAVOUR_H
#define XC_NETWORK_FLAVOUR_H

#include "network/arch_opts.h"

struct flavour {
    bool timm;
    struct batch_norm_attr norm;
    struct padding pool; /* of a 3x3 max-pool with stride 2 */
};

/* flavour=keras|timm for a network that exists in both. */
struct flavour flavour_take(struct arch_opts *o);
/* For a network that exists in its own flavour only. */
struct flavour flavour_take_own(struct arch_opts *o);

#endif
