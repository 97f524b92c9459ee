/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the pickle of a PyTorch state dict say? A symbolic machine: it knows the opcodes and
 * the globals of a state dict, calls nothing, and builds a description. Any other global stops it
 * with that global's name. Where the numbers of a storage lie is the container's business.
 */
#ifndef XC_WEIGHT_PICKLE_H
#define XC_WEIGHT_PICKLE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "tensor/tensor.h"
#include "weight/weight.h"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_STRING,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL,
    PICKLE_STORAGE,
    PICKLE_TENSOR
};

/* Whole numbers of any width become I64; size 0: UntypedStorage, which does not say. */
struct pickle_element {
    enum dtype type;
    size_t size; /* bytes in the file */
    bool is_signed;
};

/* One a key. The container sets data and bytes. */
struct pickle_storage {
    const char *key;
    const struct pickle_element *element;
    size_t count; /* elements */
    const uint8_t *data;
    size_t bytes;
};

/* Checked: every element lies inside the storage's count. Strides are in elements, never negative;
 * 0 (an expanded tensor) is allowed, so count may exceed the storage's. */
struct pickle_tensor {
    struct pickle_storage *storage;
    size_t offset, count;
    int rank;
    size_t size[WEIGHT_MAX_RANK], stride[WEIGHT_MAX_RANK];
};

struct pickle_items { /* a dict holds key, value, key, value, ... in order of insertion */
    const struct pickle_value **at;
    size_t count, room;
};

struct pickle_view { /* a storage as a tensor sees it: legacy files cut storages into views */
    struct pickle_storage *storage;
    size_t offset, count;
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t integer;                    /* BOOL, INT */
        double real;                        /* FLOAT */
        const char *text;                   /* STRING: bytes without NUL, not checked further */
        struct pickle_items *items;         /* TUPLE, LIST, DICT */
        const struct pickle_global *global; /* GLOBAL: private to pickle.c */
        struct pickle_view *view;           /* STORAGE */
        struct pickle_tensor *tensor;       /* TENSOR */
    };
};

/* Values may contain themselves: walk them with a bound on depth. */
struct pickle {
    const struct pickle_value *root;
    struct pickle_storage **storage; /* in order of first mention */
    size_t storages;
};

/* Reads one pickle and leaves the cursor behind it (a legacy container holds five in a row).
 * Everything lives in the arena; strings are copied. */
XC_NODISCARD xc_status pickle_read(struct bytes *in, struct arena *arena, struct pickle *out,
                                   struct error *err);
/* NULL when value is no dict or has no such key; the last one of equal keys, as Python has it */
const struct pickle_value *pickle_get(const struct pickle_value *value, const char *key);

#endif
