/* SPDX-License-Identifier: Apache-2.0 */
/* How large is the result of a window, and what does it cost? Two drawings that answer to the hand:
 * the size of an output, and the worked example 5x5x5 > 3x3x5 > 3x3x50. */
#include <inttypes.h>
#include <math.h>

#include "cost.h"
#include "tour.h"

void tour_sizes(struct tour *t)
{
    static const struct {
        const char *words;
        int size, kernel, stride, pad;
        const char *border;
    } preset[] = {{"first convolution", 299, 3, 2, 0, "valid"},
                  {"second convolution", 149, 3, 1, 0, "valid"},
                  {"a separable convolution", 147, 3, 1, 0, "same"},
                  {"pool of module 2", 147, 3, 2, 0, "same"},
                  {"pool of module 3", 74, 3, 2, 0, "same"},
                  {"the same pool in PyTorch", 74, 3, 2, 1, "pad"},
                  {"the tutorial's 5 × 5", 5, 3, 1, 0, "valid"}};
    struct page *p = &t->page;
    put_heading(p, "sizes", "How large is the result?");
    put(p, "<p>A window of k values moves over n values in steps of s, with p<sub>0</sub> values "
           "added before and p<sub>1</sub> after. It fits <b>⌊(n + p<sub>0</sub> + p<sub>1</sub> − "
           "k) / s⌋ + 1</b> times; height and width for themselves. The brackets ⌊ ⌋ round down: "
           "what is left over at the end is never read. Tutorials often leave them out.</p>\n"
           "<form id=\"size\" class=\"tool\"><div class=\"knobs\">"
           "<label>n <input name=\"n\" type=\"number\" min=\"1\" max=\"1024\" value=\"5\"></label>"
           "<label>k <input name=\"k\" type=\"number\" min=\"1\" max=\"31\" value=\"3\"></label>"
           "<label>s <input name=\"s\" type=\"number\" min=\"1\" max=\"16\" value=\"1\"></label>"
           "<label>border <select name=\"b\"><option value=\"valid\">valid: none</option>"
           "<option value=\"same\">same: as TensorFlow</option>"
           "<option value=\"pad\">p on both sides: as PyTorch</option></select></label>"
           "<label>p <input name=\"p\" type=\"number\" min=\"0\" max=\"15\" value=\"0\"></label>"
           "</div><div class=\"presets\" role=\"group\" aria-label=\"examples from Xception\">");
    for (size_t i = 0; i < sizeof preset / sizeof *preset; i++)
        put(p,
            "<button type=\"button\" data-n=\"%d\" data-k=\"%d\" data-s=\"%d\" data-p=\"%d\" "
            "data-b=\"%s\">%s</button>",
            preset[i].size, preset[i].kernel, preset[i].stride, preset[i].pad, preset[i].border,
            preset[i].words);
    put(p, "</div><output id=\"size-out\" aria-live=\"polite\"></output>"
           "<div class=\"wide\"><svg id=\"size-svg\" role=\"img\" aria-label=\"windows over the "
           "input\" width=\"640\" height=\"150\"></svg></div>"
           "<p id=\"size-note\" class=\"note\"></p></form>\n");
}

/* ---- the worked example ---------------------------------------------------------------------- */

enum { CELL = 15 };

/* A stack of `channels` grids, the first one in front; data-c, data-y, data-x for the script. */
static void put_stack(struct page *p, int x0, int y0, int side, int channels, double dx,
                      const char *name)
{
    put(p, "<g data-stack=\"%s\">", name);
    for (int c = channels - 1; c >= 0; c--) {
        const int x = x0 + (int)lround(c * dx), y = y0 - (int)lround(c * dx);
        put(p, "<g style=\"--h:%d\">", channels > 5 ? c * 360 / channels : c * 66 + 8);
        if (channels > 5 && c > 0) {
            put(p, "<rect class=\"sheet\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/></g>", x, y,
                side * CELL, side * CELL);
            continue;
        }
        for (int i = 0; i < side * side; i++)
            put(p,
                "<rect class=\"cell\" data-c=\"%d\" data-y=\"%d\" data-x=\"%d\" x=\"%d\" y=\"%d\" "
                "width=\"%d\" height=\"%d\"/>",
                c, i / side, i % side, x + i % side * CELL, y + i / side * CELL, CELL, CELL);
        put(p, "</g>");
    }
    put(p, "</g>");
}

static void put_arrow(struct page *p, int x, int y, const char *over, const char *under)
{
    put(p,
        "<path class=\"w\" d=\"M%d %dh44\"/><path class=\"tip\" d=\"M%d %dv7l6 -3.5z\"/>"
        "<text x=\"%d\" y=\"%d\">%s</text><text class=\"s\" x=\"%d\" y=\"%d\">%s</text>",
        x, y, x + 44, y - 4, x + 24, y - 8, over, x + 24, y + 18, under);
}

static void put_row(struct page *p, const char *what, uint64_t weights, uint64_t macs, bool strong)
{
    const char *tag = strong ? "th" : "td";
    put(p, "<tr><%s>%s</%s><td class=\"num\">", tag, what, tag);
    put_grouped(p, weights);
    put(p, "</td><td class=\"num\">");
    put_grouped(p, macs);
    put(p, "</td></tr>\n");
}

static void put_counts(struct tour *t)
{
    struct page *p = &t->page;
    struct cost separable, regular;
    if (cost_of(t->context, "inception-module,module=separable,input=5x5x5,width=50,padding=valid",
                false, &separable) != XC_OK ||
        cost_of(t->context, "inception-module,module=regular,input=5x5x5,width=50,padding=valid",
                false, &regular) != XC_OK)
        return;
    const uint64_t depthwise = 3 * 3 * 5, at = 3 * 3;
    put(p,
        "<div class=\"wide\"><table><thead><tr><th>5 × 5 × 5 to 3 × 3 × 50</th><th class=\"num\">"
        "weights</th><th class=\"num\">multiply-adds</th></tr></thead><tbody>\n");
    put_row(p, "depthwise: one 3 × 3 filter a channel", depthwise, depthwise * at, false);
    put_row(p, "pointwise: fifty 1 × 1 × 5 filters", separable.params - depthwise,
            separable.macs - depthwise * at, false);
    put_row(p, "separable, both together", separable.params, separable.macs, true);
    put_row(p, "regular: fifty 3 × 3 × 5 filters", regular.params, regular.macs, true);
    put(p, "</tbody></table></div>\n<p>The separable one has <b>");
    put_number(p, 100.0 * (double)separable.params / (double)regular.params, 1);
    put(p, " %%</b> of the weights: exactly 1/50 + 1/9, one over the filters plus one over the "
           "window. "
           "With as many channels as Xception has, the 1/9 is all that counts.</p>\n");
}

void tour_worked(struct tour *t)
{
    struct page *p = &t->page;
    put_heading(p, "worked", "A separable convolution by hand");
    put(p, "<p>Five channels of 5 × 5. The <b>depthwise</b> part slides one 3 × 3 filter over each "
           "channel and never mixes them: 5 × 5 × 5 becomes 3 × 3 × 5 without a border. The "
           "<b>pointwise</b> part looks at one position at a time and mixes its five values fifty "
           "times: 3 × 3 × 5 becomes 3 × 3 × 50. Move the window:</p>\n"
           "<div class=\"tool\"><label class=\"slide\">position <input id=\"hand\" type=\"range\" "
           "min=\"0\" max=\"8\" value=\"0\"><output id=\"hand-at\">1 of 9</output></label>"
           "<div class=\"wide\"><svg id=\"hand-svg\" class=\"dg\" viewBox=\"0 0 600 190\" "
           "width=\"600\" height=\"190\" role=\"img\" aria-label=\"5x5x5 to 3x3x5 to 3x3x50\">");
    put_stack(p, 16, 84, 5, 5, 14, "in");
    put_arrow(p, 168, 100, "depthwise", "3 × 3, each");
    put_stack(p, 236, 98, 3, 5, 14, "middle");
    put_arrow(p, 352, 100, "pointwise", "fifty 1 × 1 × 5");
    put_stack(p, 432, 112, 3, 50, 1.8, "out");
    put(p, "<text x=\"80\" y=\"182\">5 × 5 × 5</text><text x=\"285\" y=\"182\">3 × 3 × 5</text>"
           "<text x=\"490\" y=\"182\">3 × 3 × 50</text></svg></div>"
           "<p class=\"note\" id=\"hand-note\" aria-live=\"polite\"></p></div>\n");
    put_counts(t);
}
