/* SPDX-License-Identifier: Apache-2.0 */
/* What do the two halves of the pickle machine share? pickle.c moves values, pickle_call.c knows
 * the few globals and what calling one of them would describe. */
#ifndef XC_WEIGHT_PICKLE_MACHINE_H
#define XC_WEIGHT_PICKLE_MACHINE_H

#include "weight/pickle.h"

struct pickle_machine {
    struct bytes *in;
    struct arena *arena;
    struct pickle *out;          /* its storages are filled on the way */
    struct pickle_value **stack; /* NULL is a mark */
    size_t depth, stack_room;
    struct pickle_value **memo;
    size_t memo_room;
    size_t steps; /* opcodes, and more for those that cost more: bounds time and memory */
};

/* A tuple, list or dict is empty. */
XC_NODISCARD xc_status pickle_new(struct pickle_machine *m, enum pickle_kind kind,
                                  struct pickle_value **out, struct error *err);
XC_NODISCARD xc_status pickle_append(struct pickle_machine *m, struct pickle_items *items,
                                     const struct pickle_value *value, struct error *err);
XC_NODISCARD xc_status pickle_broken(struct error *err, const char *what);

/* The two lines of a GLOBAL */
XC_NODISCARD xc_status pickle_global_read(struct pickle_machine *m,
                                          const struct pickle_global **out, struct error *err);
/* ("storage", class, key, location, count[, view]) -> a storage */
XC_NODISCARD xc_status pickle_persistent(struct pickle_machine *m, const struct pickle_value *id,
                                         struct pickle_value **out, struct error *err);
XC_NODISCARD xc_status pickle_call(struct pickle_machine *m, const struct pickle_value *callable,
                                   const struct pickle_value *arguments, struct pickle_value **out,
                                   struct error *err);

#endif
