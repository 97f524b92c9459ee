/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of HDF5 does a Keras file use? Groups, attributes that are text, datasets of numbers. A file
 * with anything cleverer (links other than hard ones, storage elsewhere, cycles) does not open.
 */
#ifndef XC_IMPORT_H5_H
#define XC_IMPORT_H5_H

#include "import.h"

struct h5; /* an open image */

struct h5_node {
    const char *path; /* "/layers/conv2d/vars/0" */
    bool is_group;
    uint64_t address; /* of its header: grows in the order of writing */
};

/* Opens and walks the whole file once: every object is known and allowed afterwards. The image is
 * neither copied nor written; arena holds paths and text. */
XC_NODISCARD xc_status h5_open(const void *image, size_t size, struct arena *arena, struct h5 **out,
                               struct error *err);
void h5_close(struct h5 *h5);
/* Groups before what is in them, siblings by name. The root itself is not among them. */
const struct h5_node *h5_nodes(const struct h5 *h5, size_t *count);
const struct h5_node *h5_find(const struct h5 *h5, const char *path);

bool h5_has_attribute(struct h5 *h5, const char *path, const char *name);
/* A list of strings (an empty list of any type is an empty one), also one that h5py split into
 * NAME0, NAME1, ... *found: whether the attribute is there. */
struct h5_texts {
    const char **at;
    size_t count;
    bool found;
};
XC_NODISCARD xc_status h5_texts(struct h5 *h5, const char *path, const char *name,
                                struct h5_texts *out, struct error *err);
/* The first string; NULL when there is no such attribute. */
XC_NODISCARD xc_status h5_text(struct h5 *h5, const char *path, const char *name, const char **out,
                               struct error *err);
/* Adds the dataset at path to im under this name. */
XC_NODISCARD xc_status h5_tensor(struct h5 *h5, const char *path, const char *name,
                                 struct import *im, struct error *err);

#endif
