/* SPDX-License-Identifier: Apache-2.0 */
/* What the diagram_*.c files share: boxes, blocks, sections, and where they lie. */
#ifndef REPORT_DIAGRAM_INT_H
#define REPORT_DIAGRAM_INT_H

#include <stdint.h>

#include "diagram.h"

#define BOX_LINES 3
#define BOX_TEXT 64
#define BOX_INPUTS 16

enum box_kind {
    BOX_INPUT,
    BOX_CONV,
    BOX_SEPARABLE,
    BOX_POOL,
    BOX_DENSE,
    BOX_OTHER,
    BOX_ADD,
    BOX_CONCAT
};

struct box {
    enum box_kind kind;
    char name[BOX_TEXT];              /* of its layer */
    char line[BOX_LINES][BOX_TEXT];   /* what is applied before, the work, what is applied after */
    bool norm;                        /* a batch norm follows the convolution */
    bool shortcut;                    /* drawn beside the way of the others */
    uint32_t height, width, channels; /* of what comes out */
    uint64_t params;
    uint32_t end;                           /* the layer whose output it is */
    int input[BOX_INPUTS], inputs, readers; /* boxes */
    double x, y, w, h;                      /* in its block; x: the middle */
};

/* Boxes first .. last of one block. from: the box whose result it reads, -1: none. */
struct block {
    int first, last, from;
    double left, right, height; /* left <= 0 <= right, around the middle of its column */
    double side[BOX_INPUTS];    /* x of empty shortcuts, in the order of their joins */
};

/* Blocks first .. last, drawn once. */
struct repeat {
    int first, last, times;
};

struct section {
    char title[BOX_TEXT];
    int first, last; /* repeats */
    double left, right, height;
};

struct diagram {
    struct box *box;
    struct block *block;
    struct repeat *repeat;
    struct section *section;
    int boxes, blocks, repeats, sections;
    int *box_of; /* by layer */
    uint32_t layers;
    bool all_norm; /* every convolution has a batch norm: said once, below */
    uint64_t params, macs;
    uint32_t height, width, channels; /* of the input */
};

enum { BOX_W = 164, LANE_GAP = 14, ROW_GAP = 16, LINE_H = 14, JOIN_H = 20 };

bool boxes_make(struct diagram *d, const xc_model *model); /* diagram_boxes.c */
bool blocks_make(struct diagram *d, const char *arch);     /* diagram_blocks.c */
/* Above the first row of a block, for wires that part. */
double split_room(const struct diagram *d, const struct block *k);

#endif
