/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify: what is in these pictures? One answer a picture, in the order given; a picture that
 * cannot be read is reported and, unless --on-bad-image=stop, the others go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emit.h"
#include "engine.h"
#include "output.h"
#include "pictures.h"
#include "say.h"
#include "seconds.h"
#include "sheet.h"
#include "verbs.h"

static const struct option options[] = {
    ENGINE_MODEL_OR_BUILTIN_OPTION,
    {"top", 'k', "N", NULL, 1, 100000, "answers a picture (default 5)"},
    {"labels", 0, "FILE", NULL, 0, 0, "one label a line instead of the model's, or 'imagenet'"},
    {"size", 's', "N|HxW", NULL, 0, 0, "input size instead of the model's"},
    ENGINE_PREPROCESS_OPTIONS,
    ENGINE_PRECISION_OPTION,
    ENGINE_ALGO_OPTION,
    {"format", 0, "FORMAT", FORMAT_CHOICES, 0, 0, "of the results"},
    {"raw-logits", 0, NULL, NULL, 0, 0, "scores before the softmax (json: all, beside prob)"},
    {"sheet", 0, "FILE", NULL, 0, 0, "draw pictures and answers, too, as .svg"},
    {"on-bad-image", 0, "HOW", "skip|stop", 0, 0, "what to do when a picture cannot be read"},
    {"files0-from", 0, "FILE", NULL, 0, 0, RARE "read NUL-separated paths from FILE, '-' is stdin"},
    {"arch", 'a', "SPEC", NULL, 0, 0, RARE "architecture of a model file that holds weights only"},
    OPTIONS_END};

struct job {
    xc_session *session;
    const xc_model_info *info;
    struct labels labels;
    xc_model *model;
    enum format format;
    struct sheet *sheet;         /* NULL: none is drawn */
    bool logits, terminal, stop; /* stop: at the first picture that cannot be read */
    bool memory, numbers;        /* ran out of it; some were not finite */
    uint32_t batch;              /* pictures that run together at most */
    uint32_t ran;                /* those that did, the last time; of them: */
    uint32_t k;
    xc_answer *answer;   /* (ran, k) */
    float *logit;        /* (ran, classes) */
    float *value;        /* (ran, any) of one further output */
    size_t values;       /* room for them */
    uint32_t at;         /* the one that is printed */
    bool unknown;        /* it shows none of the classes, says the model's decision */
    double ms;           /* that it took */
    int column;          /* width of the path column on a terminal */
    size_t done, failed; /* pictures */
};

static const float *logits_of(const struct job *job)
{
    return job->logit + (size_t)job->at * job->info->classes;
}

static const xc_answer *answer_at(const struct job *job, uint32_t i)
{
    return &job->answer[(size_t)job->at * job->k + i];
}

static float score_of(const struct job *job, const xc_answer *a)
{
    return job->logits ? logits_of(job)[a->index] : a->prob;
}

static void print_text(const struct job *job, const char *path)
{
    char room[16];
    int width = 0;
    if (job->terminal) width = job->column - (int)strlen(path);
    emit_plain(path);
    printf("%*s", width > 0 ? width : 0, "");
    if (job->unknown) fputs(job->terminal ? "  unknown  (best:" : "\tunknown\t", stdout);
    for (uint32_t i = 0; i < job->k; i++) {
        const xc_answer *a = answer_at(job, i);
        fputs(job->terminal ? "  " : "\t", stdout);
        emit_plain(labels_at(&job->labels, job->model, a->index, room, sizeof room));
        printf(job->terminal ? " %.3f" : "\t%.6g", (double)score_of(job, a));
    }
    if (job->unknown && job->terminal) putchar(')');
    if (job->terminal) printf("  %6.0f ms", job->ms);
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
        const xc_answer *a = answer_at(job, i);
        emit_field(job->format, path);
        printf("%c%u%c", separator, i + 1, separator);
        emit_field(job->format, labels_at(&job->labels, job->model, a->index, room, sizeof room));
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
        written /= job->ran;
        print_floats(job->value + job->at * written, written);
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
        const xc_answer *a = answer_at(job, i);
        fputs(i ? ",{\"label\":" : "{\"label\":", stdout);
        emit_string(labels_at(&job->labels, job->model, a->index, room, sizeof room));
        printf(",\"index\":%u,\"prob\":", a->index);
        emit_float(a->prob);
        putchar('}');
    }
    putchar(']');
    if (job->logits) {
        fputs(",\"logits\":", stdout);
        print_floats(logits_of(job), job->info->classes);
    }
    print_outputs(job);
    fputs(job->format == FORMAT_JSON ? "}" : "}\n", stdout);
}

static void print_bad_json(const struct job *job, const struct decoded *d)
{
    start_json(job, d->path);
    fputs(",\"ok\":false,\"error\":", stdout);
    emit_string(d->why);
    fputs(job->format == FORMAT_JSON ? "}" : "}\n", stdout);
}

/* The label that the picture's folder is named as, NULL when there is none. */
static const char *truth_of(const struct job *job, const char *path)
{
    char room[16];
    size_t length;
    const char *folder = picture_folder(path, &length);
    for (uint32_t i = 0; length && i < job->info->classes; i++) {
        const char *label = labels_at(&job->labels, job->model, i, room, sizeof room);
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
        const xc_answer *a = answer_at(job, (uint32_t)count);
        best[count].label =
            labels_at(&job->labels, job->model, a->index, room[count], sizeof room[count]);
        best[count].prob = a->prob;
    }
    sheet_add(job->sheet, path, image, best, count, truth_of(job, path), job->unknown);
}

static void print_answer(struct job *job, const char *path, const xc_image *image)
{
    job->unknown = xc_session_unknown(job->session, job->at);
    if (job->sheet) draw(job, path, image);
    if (job->format == FORMAT_TEXT)
        print_text(job, path);
    else if (job->format == FORMAT_CSV || job->format == FORMAT_TSV)
        print_rows(job, path);
    else
        print_json(job, path);
    job->done++;
}

static void print_failure(struct job *job, const struct decoded *d)
{
    fflush(stdout); /* answers before it stand before it on a terminal */
    say_picture(d->path, d->why, d->status);
    if (job->format == FORMAT_JSON || job->format == FORMAT_JSONL) print_bad_json(job, d);
    job->failed++;
}

static xc_status run_pictures(struct job *job, const xc_image *const *image, uint32_t n)
{
    const double start = 1e3 * seconds_now();
    size_t written;
    xc_status status = xc_classify(job->session, image, n, job->k, job->answer);
    if (status == XC_OK && job->logits)
        status = xc_session_read(job->session, "logits", job->logit, (size_t)n * job->info->classes,
                                 &written);
    job->ran = n;
    job->ms = (1e3 * seconds_now() - start) / n;
    return status;
}

/* What is known of each picture; false: that is the end. */
static bool print_batch(struct job *job, const struct decoded *d, size_t n)
{
    job->at = 0;
    for (size_t i = 0; i < n; i++) {
        if (d[i].status == XC_OK) {
            print_answer(job, d[i].path, d[i].image);
            job->at++;
            continue;
        }
        print_failure(job, &d[i]);
        job->memory = d[i].status == XC_ERR_MEMORY;
        job->numbers |= d[i].status == XC_ERR_NUMBER;
        if (job->stop || job->memory) return false;
    }
    return true;
}

/* All that were read run together; when one of them cannot be prepared, each alone. */
static bool answer_batch(struct job *job, struct decoded *d, size_t n)
{
    const xc_image *good[AHEAD_MOST];
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (d[i].status == XC_OK) good[count++] = d[i].image;
    const xc_status status = count ? run_pictures(job, good, count) : XC_OK;
    if (status == XC_OK) return print_batch(job, d, n);
    if (n == 1) {
        d->status = status;
        snprintf(d->why, sizeof d->why, "%s", xc_error_of(status));
        return print_batch(job, d, 1);
    }
    for (size_t i = 0; i < n; i++)
        if (!answer_batch(job, d + i, 1)) return false;
    return true;
}

static int classify_all(struct job *job, const struct pictures *pictures)
{
    struct ahead ahead;
    struct decoded d[AHEAD_MOST];
    size_t n;
    bool going = true, full = false;
    if (job->format == FORMAT_CSV || job->format == FORMAT_TSV) print_head(job);
    ahead_begin(&ahead, pictures->path, pictures->count, job->batch);
    while (going && !full && (n = ahead_take(&ahead, d)) > 0) {
        going = answer_batch(job, d, n);
        full = fflush(stdout) != 0 || ferror(stdout);
        for (size_t i = 0; i < n; i++) xc_image_free(d[i].image);
    }
    ahead_end(&ahead);
    if (full) return EXIT_LIMIT;
    if (job->format == FORMAT_JSON) puts("\n]");
    if (job->failed && job->stop && job->failed + job->done < pictures->count)
        say_hint("use --on-bad-image=skip to go on with the others");
    if (job->memory) return EXIT_LIMIT;
    if (job->numbers) return EXIT_NUMBERS;
    if (job->failed == 0) return pictures->unreadable ? EXIT_SOME_FAILED : EXIT_DONE;
    return job->done && !job->stop ? EXIT_SOME_FAILED : EXIT_DATA;
}

/* A picture for each thread: they share the weights' way from memory, and prepare side by side. */
static uint32_t batch_of(const xc_context *context, const struct pictures *pictures)
{
    const size_t threads = (size_t)xc_context_threads(context);
    const size_t most = threads < AHEAD_MOST ? threads : AHEAD_MOST;
    return (uint32_t)(pictures->count < most ? pictures->count : most);
}

/* Numbers of the largest further head. */
static size_t largest_output(const struct job *job)
{
    size_t most = 0;
    for (uint32_t i = 1; i < job->info->outputs; i++) {
        const char *name = xc_model_output_name(job->model, i);
        uint32_t h, w, c;
        if (xc_session_shape(job->session, name, &h, &w, &c) != XC_OK) continue;
        if ((size_t)h * w * c > most) most = (size_t)h * w * c;
    }
    return most;
}

static int open_session(struct job *job, const struct args *args)
{
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_preprocess preprocess;
    int code = engine_preprocess(args, job->model, &preprocess);
    if (code != EXIT_DONE) return code;
    if (!arg_size(args, &opts.height, &opts.width)) return EXIT_USAGE;
    opts.preprocess = &preprocess;
    opts.max_batch = job->batch;
    const char *policy = arg_text(args, "on-bad-image");
    opts.precision = engine_model_precision(args, job->model);
    opts.algo = engine_algo(args);
    if (opts.algo == XC_ALGO_FAST && opts.precision == XC_PRECISION_BF16) {
        say_usage("--algo fast: not with --precision bf16");
        return EXIT_USAGE;
    }
    xc_status status = xc_session_new(job->model, &opts, &job->session);
    if (status != XC_OK) return engine_status(args, status, EXIT_MODEL);
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
    job->stop = policy && strcmp(policy, "stop") == 0;
    job->k = arg_number(args, "top", 5);
    if (job->k > job->info->classes) job->k = job->info->classes;
    job->values = largest_output(job) * job->batch;
    job->answer = calloc((size_t)job->k * job->batch, sizeof *job->answer);
    job->logit = calloc((size_t)job->info->classes * job->batch, sizeof *job->logit);
    job->value = calloc(job->values + 1, sizeof *job->value);
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
    if (!path) return classify_all(job, pictures);
    job->sheet = &sheet;
    sheet_begin(&sheet, pictures->count);
    int code = classify_all(job, pictures);
    const char *model = engine_model_name(args), *slash = strrchr(model, '/');
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
    if (args->operands == 0 && !files0) {
        say_usage("no picture given");
        return EXIT_USAGE;
    }
    if (!pictures_find(&pictures, args->operand, args->operands, files0, &code)) goto out;
    if (output_is_input(args, arg_text(args, "sheet"), &pictures) ||
        !output_is_named(arg_text(args, "sheet"), "a sheet", ".svg", NULL)) {
        code = EXIT_USAGE;
        goto out;
    }
    if (!output_has_place(arg_text(args, "sheet"))) {
        code = EXIT_DATA;
        goto out;
    }
    if ((code = engine_open(args, &context)) != EXIT_DONE) goto out;
    if ((code = engine_model(context, model, arg_text(args, "arch"), &job.model)) != EXIT_DONE)
        goto out;
    if ((code = engine_labels(args, job.model, &job.labels)) != EXIT_DONE) goto out;
    job.batch = batch_of(context, &pictures);
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
