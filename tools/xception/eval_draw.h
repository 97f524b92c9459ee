/* SPDX-License-Identifier: Apache-2.0 */
/* What do the page of an evaluation and the files beside it share? */
#ifndef TOOL_EVAL_DRAW_H
#define TOOL_EVAL_DRAW_H

#include "eval.h"
#include "page.h"

/* Pictures that one of two models answers rightly, in the order of rows; free(). */
struct changed {
    uint64_t id;
    uint32_t label, first, second; /* second: in the classes of the second model */
    bool lost;                     /* only the first is right */
};
struct changed *eval_changed(const struct eval *e, size_t *count);

const char *eval_title(const struct eval *e);
/* False: there is nothing to draw. */
bool eval_draw_reliability(struct page *p, const struct eval *e);
bool eval_draw_curve(struct page *p, const struct eval *e, bool roc); /* of the hardest classes */

/* ---- eval_gallery.c: sections of the page */
void eval_put_gallery(struct page *p, const struct eval *e);
void eval_put_confusion(struct page *p, const struct eval *e);

#endif
