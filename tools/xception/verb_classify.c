/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify: what is in these pictures? One answer a picture, in the order given; a picture that
 * cannot be read is reported and, unless --on-bad-image=stop, the others go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "emit.h"
#include "engine.h"
#include "pictures.h"
#include "say.h"
#include "sheet.h"
#include "verbs.h"

static const struct option options[] = {
    ENGINE_MODEL_OPTION,
    {"top", 'k', "N", NULL, 1, 100000, "answers a picture (default 5)"},
    {"labels", 0, "FILE", NULL, 0, 0, "one label a line instead of the model's, or 'imagenet'"},
    {"size", 0, "N|HxW", NULL, 0, 0, "input size instead of the model's"},
    ENGINE_PREPROCESS_OPTIONS,
    ENGINE_PRECISION_OPTION,
    ENGINE_ALGO_OPTION,
    {"format", 0, "FORMAT", FORMAT_CHOICES, 0, 0, "of the results"},
    {"raw-logits", 0, NULL, NULL, 0, 0, "scores before the softmax (json: all of them, too)"},
    {"sheet", 0, "FILE", NULL, 0, 0, "draw pictures and answers, too, as .svg"},
    {"on-bad-image", 0, "HOW", "skip|stop", 0, 0, "what to do when a picture cannot be read"},
    {"files0-from", 0, "FILE", NULL, 0, 0, RARE "read NUL-separated paths from FILE, '-' is stdin"},
    {"arch", 0, "SPEC", NULL, 0, 0, RARE "architecture of a model file that holds weights only"},
    OPTIONS_END};

struct job {
    xc_session *session;
    const xc_model_info *info;
    struct labels labels;
    xc_model *model;
    enum format format;
    bool logits, terminal;
    struct ahead ahead;
    struct sheet *sheet; /* NULL: none is drawn */
    char why[512];       /* the sentence about a picture that failed */
    bool unknown;        /* the picture shows none of the classes, says the model's decision */
    uint32_t k;
    xc_answer *answer;   /* k */
    float *logit;        /* classes */
    float *value;        /* of one further output */
    size_t values;       /* room for them */
    int column;          /* width of the path column on a terminal */
    size_t done, failed; /* pictures */
};

static const char *label_of(const struct job *job, uint32_t index, char *room, size_t size)
{
    const char *label =
        job->labels.text ? job->labels.text[index] : xc_model_label(job->model, index);
    if (label) return label;
    snprintf(room, size, "%u", index);
    return room;
}

static float score_of(const struct job *job, const xc_answer *a)
{
    return job->logits ? job->logit[a->index] : a->prob;
}

static void print_text(const struct job *job, const char *path, double ms)
{
    char room[16];
    int width = 0;
    if (job->terminal) width = job->column - (int)strlen(path);
    emit_plain(path);
    printf("%*s", width > 0 ? width : 0, "");
    if (job->unknown) fputs(job->terminal ? "  unknown  (best:" : "\tunknown\t", stdout);
    for (uint32_t i = 0; i < job->k; i++) {
        const xc_answer *a = &job->answer[i];
        fputs(job->terminal ? "  " : "\t", stdout);
        emit_plain(label_of(job, a->index, room, sizeof room));
        printf(job->terminal ? " %.3f" : "\t%.6g", (double)score_of(job, a));
    }
    if (job->unknown && job->terminal) putchar(')');
    if (job->terminal) printf("  %6.0f ms", ms);
    putchar('\n');
}

static void print_head(const struct job *job)
{
    const char *score = job->logits ? "logit" : "prob";
    char separator = job->format == FORMAT_CSV ? ',' : '\t';
    printf("path%crank%clabel%cindex%c%s\n", separator, separator, separator, separator, score);
}

static void print_rows(const struct job *job, const char *path)
{
    char room[16], separator = job->format == FORMAT_CSV ? ',' : '\t';
    if (job->unknown) {
        emit_field(job->format, path);
        printf("%c0%cunknown%c%c\n", separator, separator, separator, separator);
    }
    for (uint32_t i = 0; i < job->k; i++) {
        const xc_answer *a = &job->answer[i];
        emit_field(job->format, path);
        printf("%c%u%c", separator, i + 1, separator);
        emit_field(job->format, label_of(job, a->index, room, sizeof room));
        printf("%c%u%c", separator, a->index, separator);
        emit_float(score_of(job, a));
        putchar('\n');
    }
}

static void print_floats(const float *value, size_t count)
{
    putchar('[');
    for (size_t i = 0; i < count; i++) {
        if (i) putchar(',');
        emit_float(value[i]);
    }
    putchar(']');
}

/* Further heads ("age"): every output after the first that the model names. */
static void print_outputs(const struct job *job)
{
    for (uint32_t i = 1; i < job->info->outputs; i++) {
        const char *name = xc_model_output_name(job->model, i);
        size_t written = 0;
        if (xc_session_read(job->session, name, job->value, job->values, &written) != XC_OK)
            continue;
        putchar(',');
        emit_string(name);
        putchar(':');
        print_floats(job->value, written);
    }
}

static void start_json(const struct job *job, const char *path)
{
    if (job->format == FORMAT_JSON) fputs(job->done + job->failed ? ",\n" : "[\n", stdout);
    fputs("{\"path\":", stdout);
    emit_string(path);
}

static void print_json(const struct job *job, const char *path)
{
    char room[16];
    start_json(job, path);
    printf(",\"ok\":true,%s\"top\":[", job->unknown ? "\"unknown\":true," : "");
    for (uint32_t i = 0; i < job->k; i++) {
        const xc_answer *a = &job->answer[i];
        fputs(i ? ",{\"label\":" : "{\"label\":", stdout);
        emit_string(label_of(job, a->index, room, sizeof room));
        printf(",\"index\":%u,\"prob\":", a->index);
        emit_float(a->prob);
        putchar('}');
    }
    putchar(']');
    if (job->logits) {
        fputs(",\"logits\":", stdout);
        print_floats(job->logit, job->info->classes);
    }
    print_outputs(job);
    fputs(job->format == FORMAT_JSON ? "}" : "}\n", stdout);
}

static void print_bad_json(const struct job *job, const char *path)
{
    start_json(job, path);
    fputs(",\"ok\":false,\"error\":", stdout);
    emit_string(job->why);
    fputs(job->format == FORMAT_JSON ? "}" : "}\n", stdout);
}

/* The label that the picture's folder is named as, NULL when there is none. */
static const char *truth_of(const struct job *job, const char *path)
{
    char room[16];
    size_t length;
    const char *folder = picture_folder(path, &length);
    for (uint32_t i = 0; length && i < job->info->classes; i++) {
        const char *label = label_of(job, i, room, sizeof room);
        if (label != room && strncmp(label, folder, length) == 0 && !label[length]) return label;
    }
    return NULL;
}

static void draw(const struct job *job, const char *path, const xc_image *image)
{
    struct sheet_answer best[SHEET_ANSWERS];
    char room[SHEET_ANSWERS][16];
    size_t count = 0;
    for (; count < job->k && count < SHEET_ANSWERS; count++) {
        const xc_answer *a = &job->answer[count];
        best[count].label = label_of(job, a->index, room[count], sizeof room[count]);
        best[count].prob = a->prob;
    }
    sheet_add(job->sheet, path, image, best, count, truth_of(job, path), job->unknown);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* The library's sentence may or may not name the file already. */
static void say_bad_picture(const struct job *job, const char *path, xc_status status)
{
    if (strstr(job->why, path))
        say_error("%s [%s]", job->why, xc_status_id(status));
    else
        say_error("%s: %s [%s]", path, job->why, xc_status_id(status));
}

static xc_status classify(struct job *job, const char *path)
{
    xc_image *image = NULL;
    size_t written;
    double start = now_ms();
    xc_status status = ahead_take(&job->ahead, &image, job->why);
    const bool loaded = status == XC_OK;
    if (status == XC_OK)
        status = xc_classify(job->session, (const xc_image *const *)&image, 1, job->k, job->answer);
    if (status == XC_OK && job->logits)
        status = xc_session_read(job->session, "logits", job->logit, job->info->classes, &written);
    if (loaded && status != XC_OK) snprintf(job->why, sizeof job->why, "%s", xc_error());
    if (status == XC_OK) {
        job->unknown = xc_session_unknown(job->session, 0);
        if (job->sheet) draw(job, path, image);
    }
    xc_image_free(image);
    if (status != XC_OK) return status;
    if (job->format == FORMAT_TEXT)
        print_text(job, path, now_ms() - start);
    else if (job->format == FORMAT_CSV || job->format == FORMAT_TSV)
        print_rows(job, path);
    else
        print_json(job, path);
    return XC_OK;
}

static int classify_all(struct job *job, const struct args *args, const struct pictures *pictures)
{
    const char *policy = arg_text(args, "on-bad-image");
    bool stop = policy && strcmp(policy, "stop") == 0;
    bool json = job->format == FORMAT_JSON || job->format == FORMAT_JSONL, memory = false;
    if (job->format == FORMAT_CSV || job->format == FORMAT_TSV) print_head(job);
    ahead_begin(&job->ahead, pictures->path, pictures->count);
    for (size_t i = 0; i < pictures->count; i++) {
        xc_status status = classify(job, pictures->path[i]);
        if (status == XC_OK) {
            job->done++;
            if (fflush(stdout) == 0) continue;
            ahead_end(&job->ahead);
            return EXIT_LIMIT;
        }
        say_bad_picture(job, pictures->path[i], status);
        if (json) print_bad_json(job, pictures->path[i]);
        job->failed++;
        memory = status == XC_ERR_MEMORY;
        if (stop || memory) break;
    }
    ahead_end(&job->ahead);
    if (job->format == FORMAT_JSON) puts("\n]");
    if (job->failed && stop && job->failed + job->done < pictures->count)
        say_hint("use --on-bad-image=skip to go on with the others");
    if (memory) return EXIT_LIMIT;
    if (job->failed == 0) return pictures->unreadable ? EXIT_SOME_FAILED : EXIT_DONE;
    return job->done && !stop ? EXIT_SOME_FAILED : EXIT_DATA;
}

static int open_session(struct job *job, const struct args *args)
{
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_preprocess preprocess;
    int code = engine_preprocess(args, job->model, &preprocess);
    if (code != EXIT_DONE) return code;
    if (!arg_size(args, &opts.height, &opts.width)) return EXIT_USAGE;
    opts.preprocess = &preprocess;
    const char *precision = arg_text(args, "precision");
    if (precision) engine_precision(precision, &opts.precision);
    opts.algo = engine_algo(args);
    xc_status status = xc_session_new(job->model, &opts, &job->session);
    if (status != XC_OK) return say_status(status, opts.height ? EXIT_USAGE : EXIT_MODEL);
    job->info = xc_model_get_info(job->model);
    if (job->info->channels != 1 && job->info->channels != 3) {
        say_error("the network takes %u channels, a picture gives 1 or 3", job->info->channels);
        return EXIT_MODEL;
    }
    if (!job->info->classifies) {
        say_error("this network gives features, it does not classify: %s", job->info->arch);
        return EXIT_MODEL;
    }
    job->format = format_of(arg_text(args, "format"));
    job->logits = arg_on(args, "raw-logits");
    job->terminal = isatty(STDOUT_FILENO);
    job->k = arg_number(args, "top", 5);
    if (job->k > job->info->classes) job->k = job->info->classes;
    job->values = 4096;
    job->answer = calloc(job->k, sizeof *job->answer);
    job->logit = calloc(job->info->classes, sizeof *job->logit);
    job->value = calloc(job->values, sizeof *job->value);
    if (job->answer && job->logit && job->value) return EXIT_DONE;
    say_error("out of memory for %u classes", job->info->classes);
    return EXIT_LIMIT;
}

static void set_column(struct job *job, const struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++) {
        size_t length = strlen(pictures->path[i]);
        if (length <= 40 && (int)length > job->column) job->column = (int)length;
    }
}

/* All pictures, and the sheet of them. */
static int classify_and_draw(struct job *job, const struct args *args,
                             const struct pictures *pictures)
{
    const char *path = arg_text(args, "sheet");
    struct sheet sheet;
    char subtitle[256];
    if (!path) return classify_all(job, args, pictures);
    job->sheet = &sheet;
    sheet_begin(&sheet, pictures->count);
    int code = classify_all(job, args, pictures);
    const char *model = arg_text(args, "model"), *slash = strrchr(model, '/');
    snprintf(subtitle, sizeof subtitle, "%s: %.*s at %ux%u pixels, %u classes",
             slash ? slash + 1 : model, (int)strcspn(job->info->arch, ","), job->info->arch,
             job->info->width, job->info->height, job->info->classes);
    const xc_status status = sheet_save(&sheet, path, subtitle);
    sheet_free(&sheet);
    return status == XC_OK ? code : say_status(status, EXIT_DATA);
}

static int run(const struct args *args)
{
    struct job job = {0};
    struct pictures pictures = {0};
    xc_context *context = NULL;
    int code = EXIT_USAGE;
    const char *model = arg_text(args, "model"), *files0 = arg_text(args, "files0-from");
    if (!model) {
        say_usage("no model given");
        say_hint("xception classify -m MODEL FILE...; 'xception convert' makes a model of ours");
        return EXIT_USAGE;
    }
    if (args->operands == 0 && !files0) {
        say_usage("no picture given");
        return EXIT_USAGE;
    }
    if (!pictures_find(&pictures, args->operand, args->operands, files0, &code)) goto out;
    if ((code = engine_open(args, &context)) != EXIT_DONE) goto out;
    if ((code = engine_model(context, model, arg_text(args, "arch"), &job.model)) != EXIT_DONE)
        goto out;
    if ((code = engine_labels(args, job.model, &job.labels)) != EXIT_DONE) goto out;
    if ((code = open_session(&job, args)) != EXIT_DONE) goto out;
    set_column(&job, &pictures);
    code = classify_and_draw(&job, args, &pictures);
out:
    free(job.answer);
    free(job.logit);
    free(job.value);
    labels_free(&job.labels);
    xc_session_free(job.session);
    xc_model_unref(job.model);
    xc_context_free(context);
    pictures_free(&pictures);
    return code;
}

const struct verb verb_classify = {
    .name = "classify",
    .summary = "say what is in pictures",
    .operands = "FILE|DIR|-...",
    .text = "Names what is in each picture: JPEG, PNG, WebP, BMP or PNM, told apart by content.\n"
            "Folders are walked; '-' reads one picture from standard input. The model file knows\n"
            "its labels and how pictures are prepared; flags change that for this run. A model of\n"
            "'xception eval -o' has calibrated probabilities, and may say 'unknown'.",
    .examples =
        "xception classify -m flowers.safetensors rose.jpg\tthe five best answers\n"
        "xception classify -m model.keras -k 1 --format csv photos/\ta whole folder as a table\n"
        "find . -name '*.jpg' -print0 | xception classify -m m.safetensors --files0-from -"
        "\tpaths from a pipe\n",
    .options = options,
    .run = run};
