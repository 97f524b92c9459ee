/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary: what is this network, layer by layer, and what does it cost? Of a model file or of an
 * architecture string; at another input size the layers are those of the same network built anew.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cost.h"
#include "diagram.h"
#include "emit.h"
#include "engine.h"
#include "output.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    ENGINE_MODEL_OPTION,
    {"arch", 'a', "SPEC", NULL, 0, 0, "architecture, e.g. xception,middle=4 or xception65"},
    {"size", 's', "N|HxW", NULL, 0, 0, "input size instead of the network's own"},
    {"format", 0, "FORMAT", "text|json", 0, 0, "of the result"},
    {"cost", 0, NULL, NULL, 0, 0, "separable against regular convolution, timed here"},
    {"svg", 0, "FILE", NULL, 0, 0, "draw it, as figure 5 of the paper draws Xception"},
    {"html", 0, "FILE", NULL, 0, 0, "the drawing and the table as one page"},
    {"list", 0, NULL, NULL, 0, 0, "list the architectures"},
    OPTIONS_END};

static uint32_t all_layers(const xc_model *model)
{
    const xc_model_info *info = xc_model_get_info(model);
    return info->layers + info->auxiliary_layers;
}

static void text_layers(const xc_model *model)
{
    char params[PAGE_GROUPED], macs[PAGE_GROUPED], shape[48], what[64];
    xc_layer layer;
    printf("%-28s %-24s %-14s %12s %14s\n", "layer", "operator", "output", "parameters",
           "multiply-adds");
    for (uint32_t i = 0; i < all_layers(model); i++) {
        if (xc_model_layer(model, i, &layer) != XC_OK) break;
        snprintf(shape, sizeof shape, "%ux%ux%u", layer.height, layer.width, layer.channels);
        snprintf(what, sizeof what, "%s%s%s", layer.kind, *layer.detail ? " " : "", layer.detail);
        printf("%-28s %-24s %-14s %12s %14s\n", layer.name, what, shape,
               layer.params ? page_grouped(layer.params, " ", params) : "",
               layer.macs ? page_grouped(layer.macs, " ", macs) : "");
    }
}

static void text_line(const char *name, const char *value)
{
    if (!*value) return;
    printf("%-12s ", name);
    emit_plain(value);
    putchar('\n');
}

static void text_preprocess(const xc_preprocess *p, uint32_t channels)
{
    printf("preprocess   %s %s, %s, ((x / %g) - ", xc_fit_name(p->fit), xc_filter_name(p->filter),
           xc_colour_name(p->colour), (double)p->divisor);
    emit_channels(stdout, p->mean, channels);
    fputs(") / ", stdout);
    emit_channels(stdout, p->std, channels);
    fputs(p->apply_exif ? ", EXIF turn\n" : "\n", stdout);
}

/* What xception eval fitted, if it did. */
static void text_decision(const xc_decision *d)
{
    if (d->temperature == 1 && d->reject == XC_REJECT_NONE && !d->least) return;
    printf("decision     temperature %.6g", d->temperature);
    if (d->reject != XC_REJECT_NONE)
        printf(", unknown when %s < %.6g", xc_reject_name(d->reject), d->reject_below);
    printf("%s\n", d->least ? ", a threshold for each class" : "");
}

static void text_totals(const xc_model *model, const xc_model_info *shape, const char *sha256)
{
    const xc_model_info *info = xc_model_get_info(model);
    char a[PAGE_GROUPED], b[PAGE_GROUPED], c[PAGE_GROUPED], d[PAGE_GROUPED];
    printf("\ntotal        %s parameters, %s of them trained, %s multiply-adds\n",
           page_grouped(shape->params, " ", a), page_grouped(shape->trainable, " ", b),
           page_grouped(shape->macs, " ", c));
    if (shape->auxiliary_layers)
        printf("auxiliary    the last %u layers, which only training computes\n",
               shape->auxiliary_layers);
    printf("memory       %s bytes of weights, %s bytes of activations at most\n",
           page_grouped(shape->weight_bytes, " ", a),
           page_grouped(shape->activation_bytes, " ", d));
    printf("architecture %s\n", shape->arch);
    printf("flavour      %s; input %ux%ux%u, at least %ux%u\n", info->flavour, shape->height,
           shape->width, shape->channels, shape->min_side, shape->min_side);
    text_preprocess(&info->preprocess, info->channels);
    printf("classes      %u, %s labels\n", info->classes, info->has_labels ? "with" : "without");
    text_line("source", info->source);
    text_line("licence", info->licence);
    if (*info->packing) printf("packed       %s; no parameters\n", info->packing);
    text_decision(xc_model_decision(model));
    text_line("original", info->original);
    text_line("sha256", sha256);
}

static void json_layers(const xc_model *model)
{
    xc_layer layer;
    fputs("\"layers\":[", stdout);
    for (uint32_t i = 0; i < all_layers(model); i++) {
        if (xc_model_layer(model, i, &layer) != XC_OK) break;
        fputs(i ? ",\n{\"name\":" : "\n{\"name\":", stdout);
        emit_string(layer.name);
        fputs(",\"operator\":", stdout);
        emit_string(layer.kind);
        fputs(",\"detail\":", stdout);
        emit_string(layer.detail);
        fputs(",\"inputs\":", stdout);
        emit_string(layer.inputs);
        printf(",\"output\":[%u,%u,%u],\"params\":%" PRIu64 ",\"trainable\":%" PRIu64
               ",\"macs\":%" PRIu64 "}",
               layer.height, layer.width, layer.channels, layer.params, layer.trainable,
               layer.macs);
    }
    fputs("\n]", stdout);
}

static void json_floats(const char *name, const float *value, int count)
{
    printf(",\"%s\":[", name);
    for (int i = 0; i < count; i++) {
        if (i) putchar(',');
        emit_float(value[i]);
    }
    putchar(']');
}

static void json_preprocess(const xc_preprocess *p, int channels)
{
    printf(
        "\"preprocess\":{\"fit\":\"%s\",\"filter\":\"%s\",\"colour\":\"%s\",\"exif\":%s,\"crop\":",
        xc_fit_name(p->fit), xc_filter_name(p->filter), xc_colour_name(p->colour),
        p->apply_exif ? "true" : "false");
    emit_float((float)p->crop);
    fputs(",\"divisor\":", stdout);
    emit_float(p->divisor);
    json_floats("mean", p->mean, channels);
    json_floats("std", p->std, channels);
    printf(",\"alpha\":\"%s\",\"background\":[%u,%u,%u],\"pad\":[%u,%u,%u]",
           p->drop_alpha ? "drop" : "over", p->background[0], p->background[1], p->background[2],
           p->pad[0], p->pad[1], p->pad[2]);
    putchar('}');
}

static void json_labels(const xc_model *model, const xc_model_info *info)
{
    fputs("\"labels\":", stdout);
    if (!info->has_labels) {
        fputs("null", stdout);
        return;
    }
    for (uint32_t i = 0; i < info->classes; i++) {
        putchar(i ? ',' : '[');
        emit_string(xc_model_label(model, i));
    }
    putchar(']');
}

static void json_text(const char *name, const char *value)
{
    printf("\"%s\":", name);
    emit_string(value);
    fputs(",\n", stdout);
}

static void print_json(const xc_model *model, const xc_model *shaped, const char *sha256)
{
    const xc_model_info *info = xc_model_get_info(model), *shape = xc_model_get_info(shaped);
    int channels = shape->channels < 4 ? (int)shape->channels : 4;
    fputs("{\n", stdout);
    json_text("arch", shape->arch);
    json_text("flavour", info->flavour);
    json_text("source", info->source);
    json_text("licence", info->licence);
    json_text("packing", info->packing);
    json_text("original", info->original);
    json_text("sha256", sha256);
    printf("\"input\":[%u,%u,%u],\"min_side\":%u,\"classes\":%u,\n", shape->height, shape->width,
           shape->channels, shape->min_side, shape->classes);
    printf("\"totals\":{\"params\":%" PRIu64 ",\"trainable\":%" PRIu64 ",\"macs\":%" PRIu64
           ",\"weight_bytes\":%" PRIu64 ",\"peak_activation_bytes\":%" PRIu64 "},\n",
           shape->params, shape->trainable, shape->macs, shape->weight_bytes,
           shape->activation_bytes);
    printf("\"auxiliary_layers\":%u,\n", shape->auxiliary_layers);
    json_preprocess(&info->preprocess, channels);
    fputs(",\n", stdout);
    json_labels(model, info);
    fputs(",\n", stdout);
    json_layers(shaped);
    fputs("\n}\n", stdout);
}

static int list_architectures(void)
{
    const char *help;
    for (int32_t i = 0; xc_arch_name(i, &help); i++)
        printf("%-28s %s\n", xc_arch_name(i, NULL), help);
    return EXIT_DONE;
}

/* *model: as asked for. *shaped: the same network at --size (or *model itself, with a reference).
 */
static int open_models(const struct args *args, xc_context *context, xc_model **model,
                       xc_model **shaped)
{
    xc_create_opts opts = XC_CREATE_OPTS_INIT;
    const char *file = arg_unless(args, "model", "arch"), *arch = arg_text(args, "arch");
    xc_status status = XC_OK;
    if (!arg_size(args, &opts.height, &opts.width)) return EXIT_USAGE;
    if (!file) {
        status = xc_model_create(context, arch ? arch : "xception", &opts, model);
        if (status != XC_OK) return say_status(status, EXIT_USAGE);
        *shaped = xc_model_ref(*model);
        return EXIT_DONE;
    }
    int code = engine_model(context, file, arch, model);
    if (code != EXIT_DONE) return code;
    if (opts.height == 0) {
        *shaped = xc_model_ref(*model);
        return EXIT_DONE;
    }
    status = xc_model_create(context, xc_model_get_info(*model)->arch, &opts, shaped);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_USAGE);
}

/* ---- separable against regular --------------------------------------------------------------- */

static void text_cost(const struct cost_pair *p)
{
    char shape[80], stride[16] = "", params[2][PAGE_GROUPED], macs[2][PAGE_GROUPED];
    if (p->stride > 1) snprintf(stride, sizeof stride, "/%u", p->stride);
    snprintf(shape, sizeof shape, "%ux%u%s %ux%ux%u > %u", p->kernel, p->kernel, stride, p->height,
             p->width, p->in, p->out);
    printf("%-18s %5u  %-26s %11s %11s %14s %15s %9.3f %9.3f %6.1fx\n", p->name, p->times, shape,
           page_grouped(p->separable.params, " ", params[0]),
           page_grouped(p->regular.params, " ", params[1]),
           page_grouped(p->separable.macs, " ", macs[0]),
           page_grouped(p->regular.macs, " ", macs[1]), p->separable.ms, p->regular.ms,
           p->regular.ms / p->separable.ms);
}

static void json_one_cost(const char *name, const struct cost *c)
{
    printf(",\"%s\":{\"params\":%" PRIu64 ",\"macs\":%" PRIu64 ",\"ms\":", name, c->params,
           c->macs);
    emit_float((float)c->ms);
    putchar('}');
}

static void json_cost(const struct cost_pair *p, size_t count)
{
    for (size_t i = 0; i < count; i++, p++) {
        fputs(i ? ",\n{\"layer\":" : "{\"layers\":[\n{\"layer\":", stdout);
        emit_string(p->name);
        printf(",\"times\":%u,\"kernel\":%u,\"stride\":%u,\"in\":%u,\"output\":[%u,%u,%u],\"is\":"
               "\"%s\"",
               p->times, p->kernel, p->stride, p->in, p->height, p->width, p->out,
               p->is_separable ? "separable" : "regular");
        json_one_cost("separable", &p->separable);
        json_one_cost("regular", &p->regular);
        putchar('}');
    }
    fputs(count ? "\n]}\n" : "{\"layers\":[]}\n", stdout);
}

static void show_cost(void *user, size_t done, size_t of)
{
    if (bar_due(user)) bar_draw(user, "timing convolutions", done, of, "");
}

/* --cost: instead of the layers */
static int print_cost(const struct args *args, const xc_model *model)
{
    struct cost_pair *pair = NULL;
    size_t count = 0;
    xc_context *one = NULL;
    struct bar bar;
    bar_begin(&bar, arg_on(args, "quiet"));
    xc_status status = cost_context(arg_text(args, "cpu"), &one);
    if (status == XC_OK) status = cost_pairs(one, model, show_cost, &bar, &pair, &count);
    bar_clear(&bar);
    if (status != XC_OK) {
        xc_context_free(one);
        return say_status(status, EXIT_MODEL);
    }
    if (format_of(arg_text(args, "format")) == FORMAT_JSON) {
        json_cost(pair, count);
    } else {
        printf("%-18s %5s  %-26s %23s %30s %19s\n", "", "", "", "parameters", "multiply-adds",
               "milliseconds");
        printf("%-18s %5s  %-26s %11s %11s %14s %15s %9s %9s\n", "layer", "times", "shape",
               "separable", "regular", "separable", "regular", "separable", "regular");
        for (size_t i = 0; i < count; i++) text_cost(&pair[i]);
        printf("\nprocessor time of one picture on one thread, the least of several runs, %s\n",
               xc_context_cpu(one, XC_PRECISION_F32));
    }
    free(pair);
    xc_context_free(one);
    return EXIT_DONE;
}

/* ---- drawings -------------------------------------------------------------------------------- */

static int save(struct page *p, const char *path)
{
    xc_status status = page_save(p, path);
    if (p->failed) say_error("%s: out of memory for the drawing", path);
    const bool failed = p->failed;
    page_free(p);
    if (failed) return EXIT_LIMIT;
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}

static void html_layers(struct page *p, const xc_model *model)
{
    char number[PAGE_GROUPED];
    xc_layer layer;
    put(p, "<div class=\"wide\"><table class=\"sortable\"><thead><tr><th>layer</th><th>operator"
           "</th><th>reads</th><th>output</th><th class=\"num\">parameters</th><th class=\"num\">"
           "multiply-adds</th></tr></thead><tbody>\n");
    for (uint32_t i = 0; i < all_layers(model); i++) {
        if (xc_model_layer(model, i, &layer) != XC_OK) break;
        put(p, "<tr><td>");
        put_text(p, layer.name);
        put(p, "</td><td>");
        put_text(p, layer.kind);
        put(p, " ");
        put_text(p, layer.detail);
        put(p, "</td><td>");
        for (const char *c = layer.inputs; *c; c++) put(p, *c == ',' ? ", " : "%c", *c);
        put(p, "</td><td>%u×%u×%u</td>", layer.height, layer.width, layer.channels);
        put(p, "<td class=\"num\" data-v=\"%" PRIu64 "\">%s</td>", layer.params,
            page_grouped(layer.params, " ", number));
        put(p, "<td class=\"num\" data-v=\"%" PRIu64 "\">%s</td></tr>\n", layer.macs,
            page_grouped(layer.macs, " ", number));
    }
    put(p, "</tbody></table></div>\n");
}

static void html_page(struct page *p, const xc_model *model, const struct diagram *diagram)
{
    const xc_model_info *info = xc_model_get_info(model);
    char number[PAGE_GROUPED];
    page_begin(p, info->arch, "A network, layer by layer");
    put(p,
        "<style>%s@media(max-width:60rem){.desk{display:none}}@media(min-width:60.01rem)"
        "{.phone{display:none}}</style>\n<div class=\"cards\">\n",
        diagram_style);
    page_card(p, "parameters", "%s", page_grouped(info->params, " ", number));
    page_card(p, "multiply-adds", "%s", page_grouped(info->macs, " ", number));
    page_card(p, "input", "%u × %u × %u", info->height, info->width, info->channels);
    page_card(p, "outputs", "%u", info->classes);
    page_card(p, "bytes of activations", "%s", page_grouped(info->activation_bytes, " ", number));
    put(p, "</div>\n<figure class=\"desk\">\n");
    diagram_write(diagram, 0, false, p);
    put(p, "</figure>\n<figure class=\"phone\">\n");
    diagram_write(diagram, 1, false, p);
    put(p, "</figure>\n<h2>Layers</h2>\n");
    html_layers(p, model);
    page_end(p);
}

/* --svg and --html */
static int draw(const struct args *args, const xc_model *model)
{
    const char *svg = arg_text(args, "svg"), *html = arg_text(args, "html");
    struct page p = {0};
    int code = EXIT_DONE;
    if (!svg && !html) return EXIT_DONE;
    struct diagram *diagram = diagram_new(model);
    if (!diagram) {
        say_error("out of memory for the drawing");
        return EXIT_LIMIT;
    }
    if (svg) {
        diagram_write(diagram, 0, true, &p);
        code = save(&p, svg);
    }
    if (html && code == EXIT_DONE) {
        html_page(&p, model, diagram);
        code = save(&p, html);
    }
    diagram_free(diagram);
    return code;
}

static int run(const struct args *args)
{
    xc_context *context = NULL;
    xc_model *model = NULL, *shaped = NULL;
    const char *file = arg_unless(args, "model", "arch");
    char sha256[65] = "";
    if (arg_on(args, "list")) return list_architectures();
    if (output_is_input(args, arg_text(args, "svg"), NULL) ||
        output_is_input(args, arg_text(args, "html"), NULL) ||
        !output_is_named(arg_text(args, "svg"), "the drawing", ".svg", NULL) ||
        !output_is_named(arg_text(args, "html"), "the page", ".html", NULL))
        return EXIT_USAGE;
    if (args->operands) {
        say_usage("takes no file; did you mean -m %s?", args->operand[0]);
        return EXIT_USAGE;
    }
    int code = engine_open(args, &context);
    if (code == EXIT_DONE) code = open_models(args, context, &model, &shaped);
    if (code == EXIT_DONE && file) {
        xc_status status = xc_file_sha256(file, sha256);
        if (status != XC_OK) code = say_status(status, EXIT_MODEL);
    }
    if (code == EXIT_DONE) code = draw(args, shaped);
    if (code == EXIT_DONE && arg_on(args, "cost")) {
        code = print_cost(args, shaped);
    } else if (code == EXIT_DONE && format_of(arg_text(args, "format")) == FORMAT_JSON) {
        print_json(model, shaped, sha256);
    } else if (code == EXIT_DONE) {
        text_layers(shaped);
        text_totals(model, xc_model_get_info(shaped), sha256);
    }
    xc_model_unref(shaped);
    xc_model_unref(model);
    xc_context_free(context);
    return code;
}

const struct verb verb_summary = {
    .name = "summary",
    .summary = "show a network layer by layer",
    .operands = "",
    .text =
        "Shows every layer with operator, output shape, parameters and multiply-adds, and the\n"
        "totals, of a model file (-m) or of an architecture string (--arch; default: xception).",
    .examples =
        "xception summary --arch xception\tthe network of the paper's figure 5\n"
        "xception summary --arch xception,middle=4 --size 150 --format json\ta smaller one\n"
        "xception summary --arch resnet50 --svg resnet50.svg\ta drawing of it\n"
        "xception summary -m model.keras\twhat is in a file\n",
    .options = options,
    .run = run};
