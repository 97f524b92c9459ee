/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the files of `xception tour` hand to each other? One chapter a function, in the order of
 * the page.
 *
 *   verb_tour.c      flags -> model, picture; the order of the chapters
 *   tour_picture.c   the picture, and the drawn one where none is given
 *   tour_conv.c      what a convolution does to sizes; the worked example
 *   tour_modules.c   from Inception to separable convolution; the slider over segments
 *   tour_network.c   the network's flows; where time and parameters go; the answer
 *   tour_maps.c      what each module makes of the picture
 *   tour_claims.c    what is said about Xception, and what is so
 *   tour_script.c    the page's style and script
 */
#ifndef TOOL_TOUR_H
#define TOOL_TOUR_H

#include <xception.h>

#include "bar.h"
#include "diagram.h"
#include "engine.h"
#include "options.h"

struct tour {
    struct page page;
    struct bar bar;
    xc_context *context; /* of one thread: times mean the same on any machine */
    xc_model *model;
    struct diagram *diagram;
    struct modules modules;
    xc_image *image;
    xc_preprocess preprocess;
    struct labels labels; /* of --labels; none: the model's */
    float *input;         /* what the network sees, (height, width, channels) */
    const char *picture;  /* its name; NULL: drawn */
    const char *file;     /* the model's; NULL: random weights */
};

extern const char tour_style[], tour_script[];

/* A picture with edges, colours and textures. */
xc_status tour_draw_picture(uint32_t side, xc_image **out);

/* What takes its time now, and how far it is. */
void tour_tick(struct tour *t, const char *what, size_t done, size_t of);

/* A number with thin spaces: 22 910 480. */
void put_grouped(struct page *p, uint64_t number);
void put_heading(struct page *p, const char *id, const char *title);

void tour_sizes(struct tour *t);
void tour_worked(struct tour *t);
xc_status tour_steps(struct tour *t);
xc_status tour_spectrum(struct tour *t);
void tour_flows(struct tour *t);
xc_status tour_maps(struct tour *t);
xc_status tour_costs(struct tour *t);
xc_status tour_answer(struct tour *t);
void tour_claims(struct tour *t);

#endif
