/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix product of a convolution of brain floats in vectors: panel after panel of the weights,
 * the tiles of all runs. */
#include "kernel/x86/bf16_conv.h"

static const float zeros[COLUMNS];

void BF16(multiply)(struct product *p, struct pass pass)
{
    const struct gemm *g = &BF16(tiles);
    const unsigned before = dot_begin();
    struct strip common = p->strip;
    common.rounded = p->finished;
    common.c_row = p->finished ? p->call->out.pixel : pass.width * (ptrdiff_t)sizeof(float);
    if (p->finished) bf16_limit(&common, &p->call->epilogue.act);
    int tiles = 0;
    for (const struct run *run = p->run; run < p->run + p->runs; run++)
        tiles += (run->rows + g->rows - 1) / g->rows;
    common.pace = gemm_pace(tiles, common.k * common.segments, 0);
    for (int column = pass.first, width; column < pass.end; column += width) {
        const int left = p->columns - column;
        strip_fn *const *strips = gemm_strips(g, left, p->finished);
        float *sums = p->room + (column - pass.first);
        width = strips == g->narrow ? PANEL : 2 * PANEL;
        common.b = p->strip.b + column / PANEL * common.panel;
        common.fetch = (const char *)(common.b + width / PANEL * common.panel);
        if (column + width >= pass.end && p->then) common.fetch = p->then;
        common.bias = p->bias ? p->bias + column : zeros;
        common.mask = left < 2 * PANEL ? (UINT32_C(1) << left) - 1 : UINT32_MAX;
        for (const struct run *run = p->run; run < p->run + p->runs; run++) {
            struct strip s = common;
            s.a = run->a;
            s.c = p->finished ? run->c + column * HALF : (char *)sums;
            s.add = p->finished && run->add ? run->add + column * HALF : NULL;
            gemm_cut_run(&s, strips, g->rows, run->rows);
            common.fetch = s.fetch;
            sums += run->rows * pass.width;
        }
    }
    dot_end(before);
}
