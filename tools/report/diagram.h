/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a network drawn as figure 5 of the paper draws Xception?
 *
 *   layers (xc_model_layer) -> boxes     a convolution with its batch norm and activations
 *           boxes           -> blocks    what lies between two places where one tensor passes
 *           blocks          -> sections  flows, or all that has one height and width; equal
 *                                        neighbours are drawn once, "x 8"
 *           sections        -> columns   of about equal height
 *
 * Nothing here knows a network by name but the titles of the three flows.
 *
 *   diagram_boxes.c  diagram_blocks.c  diagram_draw.c  diagram_modules.c
 */
#ifndef REPORT_DIAGRAM_H
#define REPORT_DIAGRAM_H

#include "page.h"

struct diagram;

/* NULL: out of memory, or a layer cannot be read. Reads the model; keeps nothing of it. */
struct diagram *diagram_new(const xc_model *model);
void diagram_free(struct diagram *diagram);
int diagram_sections(const struct diagram *diagram);
const char *diagram_title(const struct diagram *diagram, int section);

/* One <svg> of everything. columns: 0 = what looks best. alone: a file of its own, that brings its
 * style and a background; else the page has diagram_style. */
void diagram_write(const struct diagram *diagram, int columns, bool alone, struct page *to);
/* One <svg> of one section. framed: in a panel with its title. */
void diagram_write_section(const struct diagram *diagram, int section, bool framed,
                           struct page *to);

/* What a reader calls a module: a block, or single boxes of one name ("block14_..."). */
struct module {
    char name[64];
    uint32_t end; /* the layer whose output it is */
    uint32_t height, width, channels;
    uint64_t params, macs;
};
struct modules {
    struct module *at;
    int count;
    int *of; /* by layer */
};
/* False: out of memory. modules_free. */
bool modules_make(const struct diagram *diagram, const xc_model *model, struct modules *out);
void modules_free(struct modules *modules);

/* CSS of the drawings, light and dark. */
extern const char diagram_style[];

#endif
