/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tour: why is Xception built as it is? One page that walks from the Inception module to Xception
 * with the user's picture: drawings from real graphs, counts by the library, times of this machine.
 */
#include <stdlib.h>
#include <string.h>

#include "cost.h"
#include "engine.h"
#include "output.h"
#include "pictures.h"
#include "say.h"
#include "tour.h"
#include "verbs.h"

static const struct option options[] = {
    ENGINE_MODEL_OPTION,
    {"arch", 'a', "SPEC", NULL, 0, 0, "architecture, without -m or of a file of weights only"},
    {"output", 'o', "FILE", NULL, 0, 0, "the page (tour.html)"},
    {"labels", 0, "FILE", NULL, 0, 0, "one label a line, or the word imagenet"},
    ENGINE_PREPROCESS_OPTIONS,
    OPTIONS_END};

void put_grouped(struct page *p, uint64_t number)
{
    char room[PAGE_GROUPED];
    put(p, "%s", page_grouped(number, "\u202f", room));
}

void put_heading(struct page *p, const char *id, const char *title)
{
    put(p, "<h2 id=\"%s\">%s</h2>\n", id, title);
}

void tour_tick(struct tour *t, const char *what, size_t done, size_t of)
{
    if (bar_due(&t->bar)) bar_draw(&t->bar, what, done, of, "");
}

/* ---- model and picture ----------------------------------------------------------------------- */

static int open_model(const struct args *args, struct tour *t)
{
    const char *arch = arg_text(args, "arch");
    xc_create_opts opts = XC_CREATE_OPTS_INIT;
    t->file = arg_unless(args, "model", "arch");
    if (t->file) {
        const int code = engine_model(t->context, t->file, arch, &t->model);
        if (code != EXIT_DONE) return code;
        if (!*xc_model_get_info(t->model)->packing) return EXIT_DONE;
        say_error("%s: a packed file has no parameters to tell about; give the file it was packed "
                  "from",
                  t->file);
        return EXIT_MODEL;
    }
    opts.weights = XC_WEIGHTS_RANDOM;
    opts.seed = 1;
    xc_status status = xc_model_create(t->context, arch ? arch : "xception", &opts, &t->model);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_USAGE);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static int open_picture(const struct args *args, struct tour *t)
{
    if (args->operands > 1) {
        say_usage("takes one picture, got %d", args->operands);
        return EXIT_USAGE;
    }
    if (args->operands) t->picture = base_name(args->operand[0]);
    xc_status status = args->operands ? picture_load(args->operand[0], &t->image)
                                      : tour_draw_picture(299, &t->image);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}

static int prepare(const struct args *args, struct tour *t)
{
    const xc_model_info *info = xc_model_get_info(t->model);
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_session *session = NULL;
    int code = engine_preprocess(args, t->model, &t->preprocess);
    if (code != EXIT_DONE) return code;
    opts.preprocess = &t->preprocess;
    xc_status status = xc_session_new(t->model, &opts, &session);
    t->input = calloc((size_t)info->height * info->width * info->channels, sizeof *t->input);
    if (status == XC_OK && !t->input) status = XC_ERR_MEMORY;
    if (status == XC_OK) status = xc_prepare(session, t->image, t->input);
    xc_session_free(session);
    if (status != XC_OK) return engine_status(args, status, EXIT_DATA);
    t->diagram = diagram_new(t->model);
    if (t->diagram && modules_make(t->diagram, t->model, &t->modules)) return EXIT_DONE;
    say_error("out of memory for the drawing");
    return EXIT_LIMIT;
}

/* ---- the page -------------------------------------------------------------------------------- */

static void begin(struct tour *t)
{
    struct page *p = &t->page;
    page_begin(p, "From Inception to Xception",
               "Why the network is built as it is, checked on the "
               "network itself");
    put(p,
        "<style>\n%s%s</style>\n<nav aria-label=\"chapters\"><a href=\"#sizes\">Sizes</a>"
        "<a href=\"#worked\">By hand</a><a href=\"#modules\">Modules</a>"
        "<a href=\"#spectrum\">Spectrum</a><a href=\"#network\">Network</a>"
        "<a href=\"#maps\">Maps</a><a href=\"#costs\">Costs</a>%s"
        "<a href=\"#claims\">True or not</a></nav>\n",
        tour_style, diagram_style,
        xc_model_get_info(t->model)->classifies ? "<a href=\"#answer\">Answer</a>" : "");
    put(p,
        "<div class=\"lead\"><div><p>A convolution does two things at once: it looks around, "
        "and it mixes channels. Inception began to do them apart. Xception does them entirely "
        "apart: a <b>depthwise</b> convolution looks around in each channel for itself, a "
        "<b>pointwise</b> one mixes channels at each position for itself. What follows is the way "
        "from one to the other, and what it costs.</p>\n<p class=\"note\">");
    if (t->picture) {
        put(p, "The picture is ");
        put_text(p, t->picture);
    } else {
        put(p, "No picture was given: this program drew one");
    }
    if (t->file) {
        put(p, "; the weights are those of ");
        put_text(p, base_name(t->file));
    } else {
        put(p, "; no model was given: the weights are random numbers, so maps and answer mean "
               "nothing, while shapes, counts and times are exact");
    }
    put(p,
        ". Times are of one thread of this machine (%s).</p></div>\n<img alt=\"the picture\" "
        "src=\"",
        xc_context_cpu(t->context, XC_PRECISION_F32));
    put_picture(p, t->image, 480);
    put(p, "\"></div>\n");
}

static xc_status chapters(struct tour *t, bool quiet)
{
    begin(t);
    bar_begin(&t->bar, quiet);
    tour_sizes(t);
    tour_worked(t);
    xc_status status = tour_steps(t);
    if (status == XC_OK) status = tour_spectrum(t);
    tour_flows(t);
    if (status == XC_OK) status = tour_maps(t);
    if (status == XC_OK) status = tour_costs(t);
    if (status == XC_OK) status = tour_answer(t);
    tour_claims(t);
    bar_clear(&t->bar);
    put(&t->page, "<script>%s</script>\n", tour_script);
    page_end(&t->page);
    return status;
}

static int write_page(const struct args *args, struct tour *t, const char *path)
{
    xc_status status = chapters(t, arg_on(args, "quiet"));
    if (status != XC_OK) return say_status(status, EXIT_MODEL);
    if (t->page.failed) {
        say_error("out of memory for the page");
        return EXIT_LIMIT;
    }
    status = page_save(&t->page, path);
    if (status != XC_OK) return say_status(status, EXIT_DATA);
    puts(path);
    return EXIT_DONE;
}

static int run(const struct args *args)
{
    struct tour t = {0};
    const char *given = arg_text(args, "output"), *path = given ? given : "tour.html";
    if (output_is_input(args, path, NULL) || !output_is_named(path, "the page", ".html", NULL))
        return EXIT_USAGE;
    if (!output_has_place(path)) return EXIT_DATA;
    xc_status status = cost_context(arg_text(args, "cpu"), &t.context);
    int code = status == XC_OK ? EXIT_DONE : say_status(status, EXIT_LIMIT);
    if (code == EXIT_DONE) code = open_picture(args, &t);
    if (code == EXIT_DONE) code = open_model(args, &t);
    if (code == EXIT_DONE) code = engine_labels(args, t.model, &t.labels);
    if (code == EXIT_DONE) code = prepare(args, &t);
    if (code == EXIT_DONE) code = write_page(args, &t, path);
    page_free(&t.page);
    modules_free(&t.modules);
    diagram_free(t.diagram);
    free(t.input);
    labels_free(&t.labels);
    xc_image_free(t.image);
    xc_model_unref(t.model);
    xc_context_free(t.context);
    return code;
}

const struct verb verb_tour = {
    .name = "tour",
    .summary = "show why Xception is built as it is, with your picture",
    .operands = "[PICTURE]",
    .text =
        "Writes one page that needs nothing else, from the Inception module to Xception: drawings "
        "of\n"
        "real graphs, sizes and costs to play with, what each module makes of the picture, where\n"
        "time and parameters go, and which statements about Xception are wrong. Without PICTURE\n"
        "one is drawn; without -m the weights are random, and the page says so.",
    .examples = "xception tour\twithout a picture or weights: the way itself\n"
                "xception tour photo.jpg -m model.keras\twrites tour.html\n"
                "xception tour -a inception-v3 -o v3.html\tof another network\n",
    .options = options,
    .run = run};
