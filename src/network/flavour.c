/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which conventions do a network's weights follow? Keras: epsilon 1e-3 and TensorFlow's "same",
 * which pads an even side only after its end. timm: epsilon 1e-5, pools padded by one on all sides,
 * momentum counted from the other end (0.1 of the new where Keras says 0.99 of the old).
 */
#include "network/flavour.h"

#include <string.h>

static const struct flavour keras = {
    .norm = {.epsilon = 1e-3, .momentum = 0.99},
    .pool = {.kind = PAD_SAME},
};

static const struct flavour timm = {
    .timm = true,
    .norm = {.epsilon = 1e-5, .momentum = 0.1, .torch_momentum = true},
    .pool = {PAD_EXPLICIT, 1, 1, 1, 1},
};

struct flavour flavour_take(struct arch_opts *o)
{
    bool own = strcmp(o->arch->flavour, "timm") == 0;
    return opts_choice(o, "flavour", "keras|timm", own) ? timm : keras;
}

struct flavour flavour_take_own(struct arch_opts *o)
{
    opts_choice(o, "flavour", o->arch->flavour, 0);
    return strcmp(o->arch->flavour, "timm") == 0 ? timm : keras;
}
