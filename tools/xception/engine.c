/* SPDX-License-Identifier: Apache-2.0 */
/* Context, model, labels and preprocessing from flags. The importer is looked for beside the
 * command, then in ../libexec/xception, then where it was installed. */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builtin.h"
#include "say.h"

#define MAX_LABELS_FILE (16u << 20)

int engine_open(const struct args *args, xc_context **out)
{
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    opts.threads = (int32_t)arg_number(args, "threads", 0);
    opts.cpu = arg_text(args, "cpu");
    xc_status status = xc_context_new(&opts, out);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_LIMIT);
}

const char *engine_precision(const char *word, xc_precision *out)
{
    static const struct {
        const char *word;
        xc_precision precision;
    } known[] = {{"f32", XC_PRECISION_F32},
                 {"bf16", XC_PRECISION_BF16},
                 {"auto", XC_PRECISION_AUTO},
                 {"f64", XC_PRECISION_F64}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].word, word) != 0) continue;
        *out = known[i].precision;
        return known[i].word;
    }
    return NULL;
}

xc_precision engine_model_precision(const struct args *args, const xc_model *model)
{
    xc_precision precision =
        *xc_model_get_info(model)->packing ? XC_PRECISION_AUTO : XC_PRECISION_F32;
    const char *word = arg_text(args, "precision");
    if (word) engine_precision(word, &precision);
    return precision;
}

void engine_notes(const xc_dataset *set)
{
    const char *note;
    for (uint32_t i = 0; (note = xc_dataset_note(set, i)); i++) say_line("note     %s", note);
}

xc_algo engine_algo(const struct args *args)
{
    const char *word = arg_text(args, "algo");
    return word && strcmp(word, "fast") == 0 ? XC_ALGO_FAST : XC_ALGO_DIRECT;
}

bool engine_helper(char *text, size_t size)
{
    static const char *const places[] = {"xception-import", "../libexec/xception/xception-import"};
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = 0;
    char *slash = strrchr(self, '/');
    if (!slash) return false;
    for (int i = 0; i < 2; i++) {
        int n = snprintf(text, size, "%.*s/%s", (int)(slash - self), self, places[i]);
        if (n > 0 && (size_t)n < size && access(text, X_OK) == 0) return true;
    }
    return false;
}

static int open_builtin(xc_context *context, const char *arch, xc_model **out)
{
    size_t size;
    const void *bytes = builtin_model(&size);
    if (!bytes) {
        say_usage("no model given");
        say_hint("-m MODEL; 'xception convert' makes a model of ours");
        return EXIT_USAGE;
    }
    if (arch) {
        say_usage("--arch %s: " BUILTIN_NAME " has its own; it goes with -m", arch);
        return EXIT_USAGE;
    }
    xc_status status = xc_model_load_memory(context, bytes, size, out);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_MODEL);
}

int engine_model(xc_context *context, const char *path, const char *arch, xc_model **out)
{
    if (!path) return open_builtin(context, arch, out);
    char helper[4200];
    xc_import_opts opts = XC_IMPORT_OPTS_INIT;
    opts.arch = arch;
    if (engine_helper(helper, sizeof helper)) opts.helper = helper;
    xc_status status = xc_model_import(context, path, &opts, out);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_MODEL);
}

const char *engine_model_name(const struct args *args)
{
    const char *path = arg_text(args, "model");
    return path ? path : BUILTIN_NAME;
}

static int imagenet_labels(struct labels *out)
{
    uint32_t labels = 0;
    while (xc_imagenet_label(labels)) labels++;
    if (labels != out->count) {
        say_usage("--labels imagenet: there are %u labels, the model has %u classes", labels,
                  out->count);
        return EXIT_USAGE;
    }
    for (uint32_t i = 0; i < labels; i++) out->text[i] = xc_imagenet_label(i);
    return EXIT_DONE;
}

/* The text of a file with a NUL behind it; NULL after printing the sentence. A byte order mark is
 * left out; a NUL inside, or more than MAX_LABELS_FILE bytes, are refused. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rbe");
    char *text = file ? calloc(1, MAX_LABELS_FILE + 2) : NULL;
    size_t size = text ? fread(text, 1, MAX_LABELS_FILE + 1, file) : 0;
    bool good = false;
    if (!text || ferror(file))
        say_error("--labels: %s: %s", path, strerror(errno));
    else if (size > MAX_LABELS_FILE)
        say_error("--labels: %s: more than %u bytes", path, MAX_LABELS_FILE);
    else if (strlen(text) < size)
        say_error("--labels: %s: byte %zu is NUL, so this is not a text file", path, strlen(text));
    else
        good = true;
    if (file) fclose(file);
    if (good && strncmp(text, "\xef\xbb\xbf", 3) == 0) memmove(text, text + 3, size - 2);
    if (good) return text;
    free(text);
    return NULL;
}

/* One label a line; a last line without newline counts, empty lines at the end do not. */
static int file_labels(const char *path, struct labels *out)
{
    uint32_t lines = 0;
    out->storage = read_text(path);
    if (!out->storage) return EXIT_DATA;
    char *end = out->storage + strlen(out->storage);
    while (end > out->storage && (end[-1] == '\n' || end[-1] == '\r')) *--end = 0;
    for (char *line = *out->storage ? out->storage : NULL; line; lines++) {
        char *next = strchr(line, '\n');
        if (next) *next++ = 0;
        line[strcspn(line, "\r")] = 0;
        if (lines < out->count) out->text[lines] = line;
        line = next;
    }
    if (lines == out->count) return EXIT_DONE;
    say_usage("--labels: %s: %u labels, the model has %u classes", path, lines, out->count);
    return EXIT_USAGE;
}

int engine_labels(const struct args *args, const xc_model *model, struct labels *out)
{
    const char *from = arg_text(args, "labels");
    *out = (struct labels){0};
    if (!from) return EXIT_DONE;
    out->count = xc_model_get_info(model)->classes;
    out->text = calloc(out->count ? out->count : 1, sizeof *out->text);
    if (!out->text) {
        say_error("out of memory for %u labels", out->count);
        return EXIT_LIMIT;
    }
    int code = strcmp(from, "imagenet") == 0 ? imagenet_labels(out) : file_labels(from, out);
    if (code != EXIT_DONE) labels_free(out);
    return code;
}

void labels_free(struct labels *labels)
{
    free(labels->text);
    free(labels->storage);
    *labels = (struct labels){0};
}

const char *labels_at(const struct labels *labels, const xc_model *model, uint32_t index,
                      char *room, size_t size)
{
    const char *label = labels->text ? labels->text[index] : xc_model_label(model, index);
    if (label) return label;
    snprintf(room, size, "%u", index);
    return room;
}

int engine_status(const struct args *args, xc_status status, int what)
{
    const bool asked =
        arg_on(args, "size") || arg_on(args, "preprocess") || arg_unless(args, "arch", "from");
    if (status == XC_ERR_SHAPE) what = asked ? EXIT_USAGE : EXIT_MODEL;
    return say_status(status, what);
}

static void hint_layer(const struct args *args, const xc_model *model, const char *typed)
{
    const xc_model_info *info = xc_model_get_info(model);
    const char **name = calloc(info->layers + 1, sizeof *name);
    const char *file = arg_text(args, "model");
    char *word = shell_word(file ? file : info->arch);
    xc_layer layer;
    for (uint32_t i = 0; name && i < info->layers; i++)
        if (xc_model_layer(model, i, &layer) == XC_OK) name[i] = layer.name;
    const char *near = name ? nearest_word(typed, name) : NULL;
    if (near) say_hint("did you mean %s?", near);
    if (!near && word)
        say_hint("xception summary %s %s lists the layers", file ? "-m" : "-a", word);
    free(word);
    free(name);
}

int engine_layer_status(const struct args *args, const xc_model *model, xc_status status, int what)
{
    char typed[256];
    const char *why = xc_error_of(status), *end = strstr(why, ": no layer has this name");
    snprintf(typed, sizeof typed, "%.*s", end ? (int)(end - why) : 0, why);
    const int code = engine_status(args, status, what);
    if (end) hint_layer(args, model, typed);
    return code;
}

/* Do its pictures have the network's channels? One of five takes no pictures at all. */
static bool colour_fits(const struct args *args, const xc_preprocess *p, uint32_t channels)
{
    const uint32_t gives = p->colour == XC_COLOUR_GREY ? 1 : 3;
    if (gives == channels || (channels != 1 && channels != 3)) return true;
    say_usage("%s: %s gives %u channel%s, the network takes %u", arg_giver(args, "preprocess"),
              arg_text(args, "preprocess"), gives, gives == 1 ? "" : "s", channels);
    return false;
}

int engine_preprocess(const struct args *args, const xc_model *model, xc_preprocess *out)
{
    const char *name = arg_text(args, "preprocess");
    const char *fit = arg_text(args, "fit"), *filter = arg_text(args, "interp");
    const char *turn = arg_text(args, "exif");
    *out = xc_model_get_info(model)->preprocess;
    if (name) {
        const xc_preprocess own = *out;
        xc_status status = xc_preprocess_named(name, out);
        if (status != XC_OK) return say_status(status, EXIT_USAGE);
        if (!colour_fits(args, out, xc_model_get_info(model)->channels)) return EXIT_USAGE;
        if (xc_model_get_info(model)->scales_pixels) { /* once is enough */
            out->divisor = own.divisor;
            memcpy(out->mean, own.mean, sizeof out->mean);
            memcpy(out->std, own.std, sizeof out->std);
        }
    }
    for (int i = 0; fit && xc_fit_name((xc_fit)i); i++)
        if (strcmp(fit, xc_fit_name((xc_fit)i)) == 0) out->fit = (xc_fit)i;
    for (int i = 0; filter && xc_filter_name((xc_filter)i); i++)
        if (strcmp(filter, xc_filter_name((xc_filter)i)) == 0) out->filter = (xc_filter)i;
    if (turn) out->apply_exif = strcmp(turn, "on") == 0;
    return EXIT_DONE;
}
