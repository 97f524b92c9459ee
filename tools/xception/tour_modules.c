/* SPDX-License-Identifier: Apache-2.0 */
/* From Inception to separable convolution: each module drawn from its real graph and counted, then
 * the whole way between as a slider over segments. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "chart.h"
#include "cost.h"
#include "tour.h"

struct step {
    const char *arch, *title, *text;
};

static const struct step steps[] = {
    {"module=naive,input=28x28x192,width=256", "Inception, naive",
     "Look at three scales at once and keep a pooled copy, side by side. All that comes in goes "
     "out "
     "again through the pool: the result only gets wider, here 192 to 416 channels."},
    {"module=reduced,input=28x28x192,width=256", "Inception, as GoogLeNet has it",
     "A 1 × 1 convolution in front makes fewer channels before anything expensive happens. It "
     "looks at "
     "one position and mixes channels; the 3 × 3 and 5 × 5 look around."},
    {"module=canonical,input=28x28x64,width=128", "The module the paper starts from (figure 1)",
     "5 × 5 has become two 3 × 3. Still two ideas in each tower: mix channels, then look around. "
     "The "
     "Inception hypothesis: these two can be done apart."},
    {"module=towers,segments=3,input=28x28x64,width=96", "Simplified (figure 2)",
     "Only towers of 1 × 1 and 3 × 3. Each 3 × 3 sees only its own tower's channels."},
    {"segments=3,input=28x28x64,width=96", "The same thing, written differently (figure 3)",
     "The three 1 × 1 convolutions stand side by side, so they are one. What follows is a 3 × 3 on "
     "each third of its channels: a convolution in 3 segments. Not similar: equal, to the last "
     "weight."},
    {"segments=all,input=28x28x64,width=96", "Extreme (figure 4)",
     "Why three? With as many segments as channels, every 3 × 3 sees a single channel: mixing and "
     "looking are entirely apart."},
    {"module=separable,input=28x28x64,width=96", "Xception's own: separable convolution",
     "The same two halves, looking first: depthwise 3 × 3, then pointwise 1 × 1, and nothing "
     "between "
     "them, no batch norm, no ReLU. In a stack the order hardly matters; it is the order that "
     "Xception "
     "has, though many pages show the other one."},
    {"module=regular,input=28x28x64,width=96", "For comparison: a regular 3 × 3",
     "Looks around and mixes all channels at once, every time."}};

/* ---- the modules ----------------------------------------------------------------------------- */

static xc_status put_step(struct tour *t, int i)
{
    struct page *p = &t->page;
    char arch[160];
    struct cost cost;
    xc_model *model = NULL;
    tour_tick(t, "timing modules", (size_t)i, sizeof steps / sizeof *steps);
    snprintf(arch, sizeof arch, "inception-module,%s", steps[i].arch);
    xc_status status = cost_of(t->context, arch, true, &cost);
    if (status == XC_OK) status = xc_model_create(t->context, arch, NULL, &model);
    if (status != XC_OK) return status;
    struct diagram *d = diagram_new(model);
    put(p, "<figure class=\"step\"><h3><span class=\"n\">%d</span> %s</h3>\n", i + 1,
        steps[i].title);
    if (d) diagram_write_section(d, 0, false, p);
    put(p, "<figcaption>%s</figcaption><div class=\"counts\"><span><b>", steps[i].text);
    put_grouped(p, cost.params);
    put(p, "</b> weights</span><span><b>");
    put_number(p, (double)cost.macs / 1e6, 1);
    put(p, " M</b> multiply-adds</span><span><b>");
    put_number(p, cost.ms, 2);
    put(p, " ms</b> here</span></div></figure>\n");
    diagram_free(d);
    xc_model_unref(model);
    return XC_OK;
}

xc_status tour_steps(struct tour *t)
{
    xc_status status = XC_OK;
    put_heading(&t->page, "modules", "From Inception to Xception in eight drawings");
    put(&t->page,
        "<p>Drawn from the graphs that this program runs, counted by it, timed on this machine "
        "(one picture, one thread). The first two have 192 channels coming in, as in GoogLeNet's "
        "inception 3a; the others 64, of 28 × 28.</p>\n<div class=\"steps\">\n");
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == XC_OK; i++)
        status = put_step(t, (int)i);
    put(&t->page, "</div>\n");
    return status;
}

/* ---- the spectrum ---------------------------------------------------------------------------- */

enum { CHANNELS = 728, SIDE = 19, MOST_POINTS = 40 };

struct point {
    int segments, wide; /* wide: channels for the parameters of one segment */
    struct cost cost;
};

static void spectrum_arch(int segments, int width, char arch[160])
{
    snprintf(arch, 160, "inception-module,input=%dx%dx%d,width=%d,segments=%d", SIDE, SIDE,
             CHANNELS, width, segments);
}

/* The widest module of that many segments with at most `budget` weights. */
static xc_status widest(struct tour *t, int segments, uint64_t budget, int *width)
{
    int low = 1, high = 8192 / segments;
    while (high - low > 1) {
        char arch[160];
        struct cost cost;
        const int middle = (low + high) / 2;
        spectrum_arch(segments, middle * segments, arch);
        xc_status status = cost_of(t->context, arch, false, &cost);
        if (status != XC_OK) return status;
        if (cost.params <= budget)
            low = middle;
        else
            high = middle;
    }
    *width = low * segments;
    return XC_OK;
}

static size_t divisors(int n)
{
    size_t count = 0;
    for (int i = 1; i <= n; i++) count += n % i == 0;
    return count;
}

static xc_status measure(struct tour *t, struct point *point, int *points)
{
    xc_status status = XC_OK;
    *points = 0;
    for (int s = 1; s <= CHANNELS && status == XC_OK && *points < MOST_POINTS; s++) {
        char arch[160];
        if (CHANNELS % s != 0) continue;
        tour_tick(t, "timing the spectrum", (size_t)*points, divisors(CHANNELS));
        struct point *at = &point[(*points)++];
        at->segments = s;
        spectrum_arch(s, CHANNELS, arch);
        status = cost_of(t->context, arch, true, &at->cost);
        at->wide = CHANNELS;
        if (status == XC_OK && s > 1) status = widest(t, s, point[0].cost.params, &at->wide);
    }
    return status;
}

static void put_chart(struct page *p, const struct point *point, int points, const char *name,
                      int which)
{
    double x[MOST_POINTS], y[MOST_POINTS];
    for (int i = 0; i < points; i++) {
        x[i] = point[i].segments;
        y[i] = which ? point[i].cost.ms : (double)point[i].cost.params / 1e6;
    }
    const struct series s = {
        .points = (size_t)points, .x = x, .y = y, .colour = which, .dots = true};
    const struct chart c = {.title = name,
                            .x = {.name = "segments", .log = true},
                            .y = {.name = name, .low = 0},
                            .width = 460,
                            .height = 260,
                            .series = &s,
                            .count = 1};
    chart_lines(p, &c);
}

static void put_data_points(struct page *p, const struct point *point, int points)
{
    put(p, "<script id=\"spectrum-data\" type=\"application/json\">[");
    for (int i = 0; i < points; i++) {
        put(p, "%s[%d,%" PRIu64 ",%" PRIu64 ",", i ? "," : "", point[i].segments,
            point[i].cost.params, point[i].cost.macs);
        put_number(p, point[i].cost.ms, 3);
        put(p, ",%d]", point[i].wide);
    }
    put(p, "]</script>\n");
}

xc_status tour_spectrum(struct tour *t)
{
    struct page *p = &t->page;
    struct point point[MOST_POINTS];
    int points = 0;
    xc_status status = measure(t, point, &points);
    if (status != XC_OK) return status;
    put_heading(p, "spectrum", "The whole way between");
    put(p,
        "<p>A module of the middle flow, %d × %d × %d: a 1 × 1 convolution, then a 3 × 3 in "
        "segments. "
        "One segment is a regular convolution, three or four are Inception, one a channel is "
        "Xception. The paper asked what lies between; the slider goes through all %d numbers of "
        "segments that divide %d.</p>\n"
        "<div class=\"tool\" id=\"spectrum-tool\"><label class=\"slide\">segments <input "
        "id=\"segments\" "
        "type=\"range\" min=\"0\" max=\"%d\" value=\"2\"><output "
        "id=\"segments-at\"></output></label>"
        "<svg id=\"segments-svg\" role=\"img\" aria-label=\"which channels see each other\" "
        "viewBox=\"0 0 728 34\" width=\"728\" height=\"34\" preserveAspectRatio=\"none\"></svg>"
        "<div class=\"cards\"><div class=\"card\"><b "
        "id=\"sp-params\"></b><span>weights</span></div>"
        "<div class=\"card\"><b id=\"sp-macs\"></b><span>multiply-adds</span></div>"
        "<div class=\"card\"><b id=\"sp-ms\"></b><span>milliseconds here</span></div>"
        "<div class=\"card\"><b id=\"sp-wide\"></b><span>channels for the weights of one "
        "segment</span></div></div>"
        "<p id=\"sp-note\" class=\"note\" aria-live=\"polite\"></p><div class=\"row\"><figure>\n",
        SIDE, SIDE, CHANNELS, points, CHANNELS, points - 1);
    put_chart(p, point, points, "million weights", 0);
    put(p, "</figure><figure>\n");
    put_chart(p, point, points, "milliseconds", 1);
    put(p, "</figure></div></div>\n");
    put_data_points(p, point, points);
    put(p, "<p>Weights fall with the number of segments until only the 1 × 1 is left, which no "
           "segmenting makes cheaper: this is why nine tenths of Xception's arithmetic is in its "
           "1 × 1 convolutions. Time follows multiply-adds only where each segment is wide enough "
           "to keep the processor busy.</p>\n");
    return XC_OK;
}
