/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: where does the network look? One heat map a picture, drawn over it; or what the channels
 * of a layer show; or the windows of the first layer.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "explain.h"
#include "output.h"
#include "say.h"
#include "verbs.h"

#define WORD(name, word, source) "|" word
#define METHODS &(XC_EXPLAIN_LIST(WORD))[1] /* behind the first bar */

static const struct option options[] = {
    ENGINE_MODEL_OR_BUILTIN_OPTION,
    {"method", 0, "METHOD", METHODS, 0, 0, "what a heat map is (gradcam)"},
    {"class", 0, "CLASS", NULL, 0, 0, "label or number of the class to explain; top: the best"},
    {"layer", 0, "NAME", NULL, 0, 0, "whose map is explained (the last before the classes)"},
    {"output", 'o', "OUT", NULL, 0, 0, "folder; or .png, .jpg, .npy for one picture"},
    {"overlay", 0, NULL, NULL, 0, 0, "heat over the picture (default)"},
    {"side-by-side", 0, NULL, NULL, 0, 0, "the picture, and the overlay beside it"},
    {"raw", 0, "FORMAT", "npy", 0, 0, "the numbers instead of a drawing"},
    {"side", 0, "N", NULL, 16, 4096, "longer side of the drawn picture (640)"},
    {"maps", 0, "LAYERS", NULL, 0, 0, "contact sheets of these layers' channels, a,b,c"},
    {"filters", 0, NULL, NULL, 0, 0, "the windows of the first convolution"},
    {"check", 0, "[=PARTS]", NULL, 0, 0, "curves: deletion and insertion; all (default): more"},
    {"check-steps", 0, "N", NULL, 2, 1000, RARE "parts of a deletion (20)"},
    {"steps", 0, "N", NULL, 1, 100000, RARE "of integrated-gradients (50), smoothgrad (25)"},
    {"noise", 0, "PERCENT", NULL, 1, 1000, RARE "of smoothgrad, of the input's range (15)"},
    {"window", 0, "N", NULL, 1, 16384, RARE "of occlusion, pixels (an eighth of the side)"},
    {"stride", 0, "N", NULL, 1, 16384, RARE "of occlusion, pixels (half the window)"},
    {"channels", 0, "N", NULL, 1, 1000000, RARE "scorecam: only the most active ones (all)"},
    {"labels", 0, "FILE", NULL, 0, 0, "one label a line instead of the model's, or 'imagenet'"},
    {"size", 's', "N|HxW", NULL, 0, 0, "input size instead of the model's"},
    ENGINE_PREPROCESS_OPTIONS,
    ENGINE_PRECISION_OPTION,
    {"format", 0, "FORMAT", FORMAT_CHOICES, 0, 0, "of what is printed"},
    {"on-bad-image", 0, "HOW", "skip|stop", 0, 0, RARE "what to do when a picture cannot be read"},
    {"files0-from", 0, "FILE", NULL, 0, 0, RARE "read NUL-separated paths from FILE, '-' is stdin"},
    {"arch", 'a', "SPEC", NULL, 0, 0, RARE "architecture of a model file that holds weights only"},
    OPTIONS_END};

static const struct need needs[] = {{"check-steps", "check", NULL},
                                    {"steps", "method", "integrated-gradients|smoothgrad"},
                                    {"noise", "method", "smoothgrad"},
                                    {"window", "method", "occlusion"},
                                    {"stride", "method", "occlusion"},
                                    {"channels", "method", "scorecam"},
                                    NEEDS_END};

/* ---- what is wanted -------------------------------------------------------------------------- */

static int choose_class(struct job *job)
{
    const char *word = arg_text(job->args, "class");
    const uint32_t classes = xc_model_get_info(job->model)->classes;
    char room[16];
    uint32_t number;
    job->wanted = XC_CLASS_TOP;
    if (!word || strcmp(word, "top") == 0) return EXIT_DONE;
    for (uint32_t i = 0; i < classes; i++)
        if (strcmp(labels_at(&job->labels, job->model, i, room, sizeof room), word) == 0) {
            job->wanted = i;
            return EXIT_DONE;
        }
    if (parse_number(word, 0, classes - 1, &number)) {
        job->wanted = number;
        return EXIT_DONE;
    }
    say_usage("--class %s: the model has no such class (%u classes, '%s' is the first)", word,
              classes, labels_at(&job->labels, job->model, 0, room, sizeof room));
    return EXIT_USAGE;
}

static xc_explain_method choose_method(const struct args *args)
{
    const char *word = arg_text(args, "method"), *name;
    for (int i = 0; word && (name = xc_explain_method_name((xc_explain_method)i)); i++)
        if (strcmp(word, name) == 0) return (xc_explain_method)i;
    return XC_GRADCAM;
}

static int choose_output(struct job *job)
{
    static const char *const files[] = {".png", ".jpg", ".jpeg", ".npy"};
    static const char *const others[] = {".svg", ".webp", ".gif", ".bmp", ".html"};
    const char *raw = arg_text(job->args, "raw");
    job->out = arg_text(job->args, "output");
    job->raw = raw != NULL;
    if (strlen(job->out) + NAME_MAX + 1 >= FILE_NAME) {
        say_usage("-o: a path of %zu characters is too long", strlen(job->out));
        return EXIT_USAGE;
    }
    for (int i = 0; i < 4; i++) job->one_file |= output_ends(job->out, files[i]);
    for (int i = 0; i < 5; i++)
        if (output_ends(job->out, others[i])) {
            say_usage("%s: explain writes .png, .jpg and .npy files", job->out);
            return EXIT_USAGE;
        }
    if (!job->one_file) {
        job->out_has_input = output_has_input(job->out, &job->pictures);
        if (mkdir(job->out, 0777) == 0 || errno == EEXIST) return EXIT_DONE;
        say_error("%s: cannot be made: %s", job->out, strerror(errno));
        return EXIT_DATA;
    }
    if (output_is_input(job->args, job->out, &job->pictures)) return EXIT_USAGE;
    job->raw |= output_ends(job->out, ".npy");
    if (raw && !output_ends(job->out, ".npy")) {
        say_usage("%s: --raw writes .npy files", job->out);
        return EXIT_USAGE;
    }
    const bool filters = arg_on(job->args, "filters");
    const size_t made =
        job->pictures.count * ((job->explainer ? 1 : 0) + job->layers) + (filters ? 1 : 0);
    if (filters && job->raw) {
        say_usage("%s: --filters draws; give -o a folder, a .png or a .jpg", job->out);
        return EXIT_USAGE;
    }
    if (made <= 1) return EXIT_DONE;
    say_usage("%s: one file, but %zu pictures would be drawn", job->out, made);
    say_hint("give -o a folder");
    return EXIT_USAGE;
}

/* "a,b,c" */
static int cut_layers(struct job *job)
{
    const char *text = arg_text(job->args, "maps");
    if (!text) return EXIT_DONE;
    job->layer_text = strdup(text);
    job->layer = calloc(strlen(text) + 1, sizeof *job->layer);
    if (!job->layer_text || !job->layer) {
        say_error("out of memory");
        return EXIT_LIMIT;
    }
    char *rest = job->layer_text;
    for (char *word; (word = strsep(&rest, ","));) {
        if (!*word) {
            say_usage("--maps: '%s' has a layer without a name", text);
            return EXIT_USAGE;
        }
        job->layer[job->layers++] = word;
    }
    return EXIT_DONE;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool on_progress(void *user, uint64_t done, uint64_t all)
{
    struct job *job = user;
    if (!bar_due(&job->bar)) return true;
    snprintf(job->message, sizeof job->message, "picture %zu of %zu", job->at + 1,
             job->pictures.count);
    bar_draw(&job->bar, "explain", job->at * all + done, job->pictures.count * all, job->message);
    return true;
}

static int open_explainer(struct job *job)
{
    xc_explain_opts *o = &job->opts;
    o->method = choose_method(job->args);
    if (o->method > XC_EIGENCAM && arg_typed(job->args, "layer")) {
        say_usage("--layer: --method %s is of the input", xc_explain_method_name(o->method));
        return EXIT_USAGE;
    }
    o->layer = arg_text(job->args, "layer");
    o->steps = arg_number(job->args, "steps", 0);
    o->noise = arg_number(job->args, "noise", 0) / 100.0;
    o->window = arg_number(job->args, "window", 0);
    o->stride = arg_number(job->args, "stride", 0);
    o->channels = arg_number(job->args, "channels", 0);
    o->progress = on_progress;
    o->user = job;
    const xc_status status = xc_explainer_new(job->model, o, &job->explainer);
    if (status == XC_OK) return EXIT_DONE;
    return engine_layer_status(job->args, job->model, status, EXIT_MODEL);
}

static int open_session(struct job *job)
{
    xc_session_opts o = XC_SESSION_OPTS_INIT;
    o.height = job->opts.height;
    o.width = job->opts.width;
    o.preprocess = &job->preprocess;
    o.precision = job->opts.precision;
    o.taps = (const char *const *)job->layer;
    o.tap_count = job->layers;
    const xc_status status = xc_session_new(job->model, &o, &job->session);
    if (status == XC_OK) return EXIT_DONE;
    return engine_layer_status(job->args, job->model, status, EXIT_MODEL);
}

static int open_job(struct job *job)
{
    const struct args *args = job->args;
    const char *precision = arg_text(args, "precision");
    const bool heat = arg_on(args, "method") || arg_on(args, "check") ||
                      (!arg_on(args, "maps") && !arg_on(args, "filters"));
    int code = engine_labels(args, job->model, &job->labels);
    if (code != EXIT_DONE) return code;
    if ((code = engine_preprocess(args, job->model, &job->preprocess)) != EXIT_DONE) return code;
    job->opts = (xc_explain_opts)XC_EXPLAIN_OPTS_INIT;
    job->opts.preprocess = &job->preprocess;
    if (!arg_size(args, &job->opts.height, &job->opts.width)) return EXIT_USAGE;
    if (precision) engine_precision(precision, &job->opts.precision);
    job->heat = (xc_heat_opts)XC_HEAT_OPTS_INIT;
    job->heat.side = arg_number(args, "side", 0);
    if (arg_on(args, "side-by-side") && !arg_typed(args, "overlay"))
        job->heat.style = XC_HEAT_SIDE_BY_SIDE;
    job->format = format_of(arg_text(args, "format"));
    if ((code = choose_class(job)) != EXIT_DONE || (code = cut_layers(job)) != EXIT_DONE)
        return code;
    if (heat && (code = open_explainer(job)) != EXIT_DONE) return code;
    if (job->layers && (code = open_session(job)) != EXIT_DONE) return code;
    if ((code = choose_output(job)) != EXIT_DONE) return code;
    return arg_on(args, "check") ? checks_open(job) : EXIT_DONE;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void print_number(const char *before, double value)
{
    fputs(before, stdout);
    emit_float((float)value);
}

static void start_json(const struct job *job, const char *path)
{
    if (job->format == FORMAT_JSON) fputs(job->done + job->failed ? ",\n" : "", stdout);
    fputs("{\"path\":", stdout);
    emit_string(path);
}

static void print_bad_json(const struct job *job, const char *path, const char *why)
{
    start_json(job, path);
    fputs(",\"ok\":false,\"error\":", stdout);
    emit_string(why);
    fputs(job->format == FORMAT_JSON ? "}" : "}\n", stdout);
}

static void print_json(const struct job *job, const char *path, const xc_heatmap *heat,
                       const char *name, const struct check_row *row)
{
    char room[16];
    start_json(job, path);
    fputs(",\"ok\":true,\"label\":", stdout);
    emit_string(labels_at(&job->labels, job->model, heat->class_index, room, sizeof room));
    printf(",\"index\":%u", heat->class_index);
    print_number(",\"prob\":", (double)heat->prob);
    print_number(",\"logit\":", (double)heat->logit);
    printf(",\"method\":\"%s\",\"layer\":", xc_explain_method_name(heat->method));
    emit_string(heat->layer);
    fputs(",\"file\":", stdout);
    emit_string(name);
    if (row) {
        print_number(",\"deletion\":", row->heat.deletion);
        print_number(",\"insertion\":", row->heat.insertion);
        print_number(",\"centre_deletion\":", row->centre.deletion);
        print_number(",\"centre_insertion\":", row->centre.insertion);
        printf(",\"central\":%s", row->central ? "true" : "false");
    }
    fputs(job->format == FORMAT_JSON ? "}" : "}\n", stdout);
}

static void print_row(const struct job *job, const char *path, const xc_heatmap *heat,
                      const char *name, const struct check_row *row)
{
    char room[16];
    const char separator = job->format == FORMAT_CSV ? ',' : '\t';
    emit_field(job->format, path);
    putchar(separator);
    emit_field(job->format,
               labels_at(&job->labels, job->model, heat->class_index, room, sizeof room));
    putchar(separator);
    emit_float(heat->prob);
    printf("%c%s%c", separator, xc_explain_method_name(heat->method), separator);
    emit_field(job->format, heat->layer);
    putchar(separator);
    emit_field(job->format, name);
    if (row) printf("%c%.4f%c%.4f", separator, row->heat.deletion, separator, row->heat.insertion);
    putchar('\n');
}

static void print_picture(const struct job *job, const char *path, const xc_heatmap *heat,
                          const char *name, const struct check_row *row)
{
    char room[16];
    if (job->format == FORMAT_JSON || job->format == FORMAT_JSONL) {
        print_json(job, path, heat, name, row);
        return;
    }
    if (job->format != FORMAT_TEXT) {
        print_row(job, path, heat, name, row);
        return;
    }
    emit_plain(path);
    fputs("  ", stdout);
    emit_plain(labels_at(&job->labels, job->model, heat->class_index, room, sizeof room));
    printf(" %.3f  %s@", (double)heat->prob, xc_explain_method_name(heat->method));
    emit_plain(heat->layer);
    fputs(" -> ", stdout);
    emit_plain(name);
    if (row) printf("  deletion %.3f insertion %.3f", row->heat.deletion, row->heat.insertion);
    putchar('\n');
}

static void print_head(const struct job *job)
{
    const char c = job->format == FORMAT_CSV ? ',' : '\t';
    if (job->format == FORMAT_JSON) fputs(job->checks ? "{\"pictures\":[\n" : "[\n", stdout);
    if (job->format != FORMAT_CSV && job->format != FORMAT_TSV) return;
    printf("path%clabel%cprob%cmethod%clayer%cfile", c, c, c, c, c);
    if (job->checks) printf("%cdeletion%cinsertion", c, c);
    putchar('\n');
}

/* ---- pictures -------------------------------------------------------------------------------- */

static xc_status explain(struct job *job, const char *path, const xc_image *image)
{
    char name[FILE_NAME];
    xc_heatmap heat;
    struct check_row row;
    xc_status status = xc_explain(job->explainer, image, job->wanted, &heat);
    if (status == XC_OK) status = write_heat(job, path, image, &heat, name);
    if (status == XC_OK && job->checks) status = check_picture(job, image, &heat, &row);
    bar_clear(&job->bar);
    if (status == XC_OK) print_picture(job, path, &heat, name, job->checks ? &row : NULL);
    return status;
}

/* `read`: whether the picture could be; what fails then in a file is an output. */
static xc_status one_picture(struct job *job, const char *path, bool *read)
{
    xc_image *image = NULL;
    xc_status status = picture_load(path, &image);
    *read = status == XC_OK;
    if (status == XC_OK && job->session && job->layers) status = write_maps(job, path, image);
    if (status == XC_OK && job->explainer) status = explain(job, path, image);
    xc_image_free(image);
    return status;
}

static bool is_about_the_picture(xc_status status, bool read)
{
    if (status == XC_ERR_IO) return !read;
    return status != XC_ERR_MEMORY && status != XC_ERR_SPACE && status != XC_ERR_ARGUMENT;
}

static void say_bad(const struct job *job, const char *path, xc_status status)
{
    if (job->explainer && (job->format == FORMAT_JSON || job->format == FORMAT_JSONL))
        print_bad_json(job, path, xc_error_of(status));
    say_picture(path, xc_error_of(status), status);
}

static int all_pictures(struct job *job)
{
    const char *policy = arg_text(job->args, "on-bad-image");
    const bool stop = policy && strcmp(policy, "stop") == 0;
    bool numbers = false;
    for (job->at = 0; job->at < job->pictures.count; job->at++) {
        const char *path = job->pictures.path[job->at];
        bool read;
        const xc_status status = one_picture(job, path, &read);
        if (status == XC_OK) {
            job->done++;
            continue;
        }
        bar_clear(&job->bar);
        if (!is_about_the_picture(status, read)) return say_status(status, EXIT_DATA);
        say_bad(job, path, status);
        job->failed++;
        numbers |= status == XC_ERR_NUMBER;
        if (stop) break;
    }
    if (job->failed == 0) return job->pictures.unreadable ? EXIT_SOME_FAILED : EXIT_DONE;
    if (numbers) return EXIT_NUMBERS;
    return job->done && !stop ? EXIT_SOME_FAILED : EXIT_DATA;
}

static int explain_all(struct job *job)
{
    bar_begin(&job->bar, arg_on(job->args, "quiet"));
    if (arg_on(job->args, "filters")) {
        const xc_status status = write_filters(job);
        if (status != XC_OK)
            return say_status(status, status == XC_ERR_IO ? EXIT_DATA : EXIT_MODEL);
    }
    if (job->explainer) print_head(job);
    int code = all_pictures(job);
    if (job->explainer && job->format == FORMAT_JSON) fputs("\n]", stdout);
    if (job->checks && job->done) {
        const int checked = checks_finish(job);
        if (code == EXIT_DONE) code = checked;
    }
    if (job->explainer && job->format == FORMAT_JSON) puts(job->checks ? "}" : "");
    return code;
}

static void close_job(struct job *job)
{
    checks_free(job->checks);
    for (size_t i = 0; i < job->names; i++) free(job->name[i]);
    free(job->name);
    free(job->layer);
    free(job->layer_text);
    labels_free(&job->labels);
    xc_explainer_free(job->explainer);
    xc_session_free(job->session);
    xc_model_unref(job->model);
    xc_context_free(job->context);
    pictures_free(&job->pictures);
}

static int run(const struct args *args)
{
    struct job job = {.args = args};
    const char *files0 = arg_text(args, "files0-from");
    const bool pictures = args->operands > 0 || files0;
    int code = EXIT_USAGE;
    if (!arg_text(args, "output")) {
        say_usage("needs -o OUT");
        return EXIT_USAGE;
    }
    const char *check = arg_text(args, "check");
    if (check && *check && strcmp(check, "curves") != 0 && strcmp(check, "all") != 0) {
        say_usage("--check=%s: expected curves or all", check);
        return EXIT_USAGE;
    }
    if (!pictures && !arg_on(args, "filters")) {
        say_usage("no picture given");
        return EXIT_USAGE;
    }
    if (check && !pictures) {
        say_usage("--check looks at pictures, and none is given");
        return EXIT_USAGE;
    }
    if (arg_typed(args, "overlay") && arg_typed(args, "side-by-side")) {
        say_usage("--overlay beside --side-by-side: which of the two?");
        return EXIT_USAGE;
    }
    if (pictures && !pictures_find(&job.pictures, args->operand, args->operands, files0, &code))
        goto out;
    if ((code = engine_open(args, &job.context)) != EXIT_DONE) goto out;
    code = engine_model(job.context, arg_text(args, "model"), arg_text(args, "arch"), &job.model);
    if (code == EXIT_DONE) code = open_job(&job);
    if (code == EXIT_DONE) code = explain_all(&job);
out:
    close_job(&job);
    return code;
}

const struct verb verb_explain = {
    .name = "explain",
    .summary = "show where the network looks",
    .operands = "FILE|DIR|-...",
    .text =
        "Draws over each picture what speaks for a class, from the network's own gradients (or by\n"
        "hiding parts of the picture), into OUT/NAME.CLASS.METHOD.png. With --maps and --filters\n"
        "alone only those are drawn. --check says how far a method is to be trusted: beside the\n"
        "areas under deletion and insertion those of a mere spot in the centre, how often a "
        "mosaic\n"
        "of four pictures is hot in the right one (chance: a quarter), and how like the maps of\n"
        "networks with random layers are (rank correlation; 1 would be bad).",
    .examples =
        "xception explain -m flowers.safetensors -o out rose.jpg\tGrad-CAM of the best class\n"
        "xception explain -m m.keras --method layercam --class tulip --side-by-side -o out photos\t"
        "another method, another class\n"
        "xception explain -m m.keras --maps block2,block13 --filters -o out rose.jpg\t"
        "what the layers see\n",
    .options = options,
    .needs = needs,
    .run = run};
