/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pictures, and which class is which? Classes go by name: a folder is a label of the model,
 * or the WordNet id of an ImageNet label. Answers made elsewhere come as CSV: path, label, and
 * either prediction (and probability), as predictions.csv has them, or one column a class.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "eval.h"
#include "pictures.h"
#include "say.h"
#include "table.h"

/* ---- data sets ------------------------------------------------------------------------------- */

/* The model's labels, as the classes that the data may have; free(). *count 0: it has none. */
static const char **model_classes(const xc_model *model, const struct labels *given,
                                  uint32_t *count)
{
    const xc_model_info *info = xc_model_get_info(model);
    const char **name = calloc((size_t)info->classes + 1, sizeof *name);
    *count = 0;
    if (!name || (!info->has_labels && !given->text)) return name;
    *count = info->classes;
    for (uint32_t i = 0; i < *count; i++)
        name[i] = given->text ? given->text[i] : xc_model_label(model, i);
    return name;
}

static bool imagenet_labels(const char **name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!xc_imagenet_label(i) || strcmp(name[i], xc_imagenet_label(i)) != 0) return false;
    return count > 0;
}

/* Words, but two of them stand twice (crane, maillot): the second one goes by its WordNet id. */
static void make_unique(const char **name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(name[i], name[k]) == 0) name[i] = xc_imagenet_wnid(i);
}

static void hint_class(const char **name, uint32_t count)
{
    char typed[256];
    const char *from = strchr(xc_error(), '"'), *to = from ? strchr(from + 1, '"') : NULL;
    if (!to || (size_t)(to - from) > sizeof typed || !count) return;
    snprintf(typed, sizeof typed, "%.*s", (int)(to - from - 1), from + 1);
    const char *near = nearest_word(typed, name);
    if (near)
        say_hint("did you mean %s? --drop-unknown leaves pictures of other classes out", near);
    else
        say_hint("--drop-unknown leaves pictures of other classes out");
}

static int open_named(struct eval *e, struct eval_model *m, const char **name, uint32_t count)
{
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    const char *path = arg_text(e->args, "data");
    opts.classes = count ? name : NULL;
    opts.class_count = count;
    opts.drop_unknown = arg_on(e->args, "drop-unknown");
    opts.val_split = arg_number(e->args, "val-split", 0) / 100.0;
    opts.seed = arg_number(e->args, "seed", 0);
    const bool imagenet = imagenet_labels(name, count);
    if (imagenet) make_unique(name, count);
    xc_status status = xc_dataset_open(path, &opts, &m->data);
    if (status == XC_ERR_FORMAT && imagenet) { /* folders may be named n01440764 */
        char why[512];
        snprintf(why, sizeof why, "%s", xc_error());
        for (uint32_t i = 0; i < count; i++) name[i] = xc_imagenet_wnid(i);
        if (xc_dataset_open(path, &opts, &m->data) == XC_OK) return EXIT_DONE;
        say_error("%s [%s]", why, xc_status_id(status));
        say_hint("classes are words of ImageNet, or WordNet ids such as %s", xc_imagenet_wnid(0));
        return EXIT_DATA;
    }
    if (status == XC_OK) return EXIT_DONE;
    const int code = say_status(status, EXIT_DATA);
    hint_class(name, count);
    return code;
}

/* Of a model without labels only the data can tell the classes, so they must have all of them. */
static int same_number(const struct eval *e, const struct eval_model *m)
{
    xc_dataset_info info;
    xc_dataset_get_info(m->data, &info);
    if (info.classes == m->names) return EXIT_DONE;
    say_error("%s: %u classes; %s has %u and no labels that tell which", arg_text(e->args, "data"),
              info.classes, m->file, m->names);
    say_hint("--labels FILE names the model's classes in their order");
    return EXIT_MODEL;
}

int eval_open_data(struct eval *e, struct eval_model *m)
{
    struct labels labels;
    uint32_t count;
    int code = engine_labels(e->args, m->model, &labels);
    if (code != EXIT_DONE) return code;
    const char **name = model_classes(m->model, &labels, &count);
    code = name ? open_named(e, m, name, count) : EXIT_LIMIT;
    m->names = xc_model_get_info(m->model)->classes;
    m->name = code == EXIT_DONE ? calloc((size_t)m->names + 1, sizeof *m->name) : NULL;
    for (uint32_t i = 0; m->name && i < m->names; i++) {
        const char *own = xc_model_label(m->model, i), *found = xc_dataset_class(m->data, i);
        m->name[i] = own && !labels.text ? own : found ? found : "";
    }
    const bool short_of_it = !name || (code == EXIT_DONE && !m->name);
    if (code == EXIT_DONE && count == 0) code = same_number(e, m);
    if (code == EXIT_DONE) engine_notes(m->data);
    free(name);
    labels_free(&labels);
    if (!short_of_it) return code;
    say_error("out of memory for %u classes", m->names);
    return EXIT_LIMIT;
}

const char *eval_path(const struct eval *e, uint64_t id)
{
    xc_sample sample;
    if (e->path) return e->path[id];
    return xc_dataset_sample(e->model[0].data, id, &sample) == XC_OK ? sample.name : "";
}

xc_status eval_image(const struct eval *e, uint64_t id, xc_image **out)
{
    char path[8192];
    if (!e->path) return xc_dataset_image(e->model[0].data, id, NULL, out);
    const char *file = arg_text(e->args, "predictions"), *slash = strrchr(file, '/');
    const char *root = arg_text(e->args, "data"), *own = e->path[id];
    if (own[0] == '/' || (!slash && !root))
        snprintf(path, sizeof path, "%s", own);
    else if (root)
        snprintf(path, sizeof path, "%s/%s", root, own);
    else
        snprintf(path, sizeof path, "%.*s/%s", (int)(slash - file), file, own);
    return xc_image_load(path, NULL, out);
}

/* ---- answers of others ----------------------------------------------------------------------- */

struct words { /* sorted, each once */
    char **word;
    size_t count, room;
};

static bool find_word(const struct words *w, const char *word, size_t *at)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = strcmp(w->word[mid], word);
        if (order == 0) {
            *at = mid;
            return true;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *at = low;
    return false;
}

static bool add_word(struct words *w, const char *word)
{
    size_t at;
    if (find_word(w, word, &at)) return true;
    if (w->count == w->room) {
        const size_t room = 2 * w->room + 64;
        char **more = realloc(w->word, room * sizeof *more);
        if (!more) return false;
        w->word = more;
        w->room = room;
    }
    char *copy = strdup(word);
    if (!copy) return false;
    memmove(w->word + at + 1, w->word + at, (w->count - at) * sizeof *w->word);
    w->word[at] = copy;
    w->count++;
    return true;
}

struct columns {
    size_t path, label, prediction, probability, count;
    size_t *class;      /* column of each class; NULL: answers only */
    bool several;       /* labels */
    bool probabilities; /* all scores are from 0 to 1; else they are those before the softmax */
};

static size_t column(const struct table *t, const char *name)
{
    size_t at = 0;
    while (at < t->fields && strcmp(t->field[at], name) != 0) at++;
    return at;
}

static bool is_class(const struct table *t, size_t i)
{
    static const char *const ours[] = {"path", "label", "loss", "prediction", "probability"};
    for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
        if (strcmp(t->field[i], ours[k]) == 0) return false;
    return true;
}

static int read_head(struct table *t, struct columns *c, struct words *classes)
{
    const int code = table_next(t);
    if (code != EXIT_DONE) return code;
    if (!t->fields) return table_bad(t, "no head");
    *c = (struct columns){.path = column(t, "path"),
                          .label = column(t, "label"),
                          .prediction = column(t, "prediction"),
                          .probability = column(t, "probability"),
                          .count = t->fields};
    if (c->path == t->fields || c->label == t->fields)
        return table_bad(t, "the head needs path and label");
    if (c->prediction < t->fields) return EXIT_DONE;
    for (size_t i = 0; i < t->fields; i++)
        if (is_class(t, i) && !add_word(classes, t->field[i])) return table_no_memory(t);
    if (classes->count < 2) return table_bad(t, "the head needs prediction, or a column a class");
    c->class = calloc(classes->count, sizeof *c->class);
    for (size_t i = 0, at; c->class && i < t->fields; i++)
        if (is_class(t, i) && find_word(classes, t->field[i], &at)) c->class[at] = i;
    return c->class ? EXIT_DONE : table_no_memory(t);
}

/* Of one row; answers alone have the classes that stand in them. */
static bool add_labels(struct columns *c, struct words *classes, char *text)
{
    size_t at;
    bool added = true;
    if (find_word(classes, text, &at)) return true; /* a class may be named a|b */
    c->several = c->several || strchr(text, '|');
    for (char *word = strtok(text, "|"); !c->class && word && added; word = strtok(NULL, "|"))
        added = add_word(classes, word);
    return added;
}

static int look_at_answers(struct table *t, struct columns *c, struct words *classes)
{
    int code;
    c->probabilities = true;
    while ((code = table_next(t)) == EXIT_DONE && t->fields) {
        if (t->fields != c->count) return table_bad(t, "more or fewer fields than the head");
        for (size_t i = 0; c->class && i < classes->count; i++) {
            const double v = strtod(t->field[c->class[i]], NULL);
            c->probabilities = c->probabilities && v >= 0 && v <= 1;
        }
        if (!c->class && !add_word(classes, t->field[c->prediction])) return table_no_memory(t);
    }
    return code;
}

/* When all that is predicted is known. */
static int look_at_labels(struct table *t, struct columns *c, struct words *classes)
{
    int code = table_start(t);
    if (code == EXIT_DONE) code = table_next(t); /* the head */
    while (code == EXIT_DONE && (code = table_next(t)) == EXIT_DONE && t->fields)
        if (!add_labels(c, classes, t->field[c->label])) return table_no_memory(t);
    return code;
}

static int read_classes(struct table *t, struct columns *c, struct words *classes)
{
    int code = look_at_answers(t, c, classes);
    if (code == EXIT_DONE) code = look_at_labels(t, c, classes);
    if (code != EXIT_DONE) return code;
    return classes->count ? EXIT_DONE : table_bad(t, "no rows");
}

static int read_number(const struct table *t, const char *text, double *out)
{
    char *end;
    *out = NAN; /* an empty field */
    if (!*text) return EXIT_DONE;
    *out = strtod(text, &end);
    return !*end ? EXIT_DONE : table_bad(t, "a number is expected");
}

struct filling {
    struct table *t;
    const struct columns *c;
    const struct words *classes;
    double *score;
    int32_t *extra;
    size_t rows, room;
};

static int read_labels(const struct filling *f, xc_scores_row *row)
{
    char *next = f->t->field[f->c->label];
    size_t at;
    const bool whole = find_word(f->classes, next, &at); /* a class may be named a|b */
    for (int k = 0; next; k++) {
        char *word = next;
        next = f->c->several && !whole ? strchr(word, '|') : NULL;
        if (next) *next++ = '\0';
        if (!find_word(f->classes, word, &at)) {
            say_error("%s: line %zu: label \"%s\" is not a class", f->t->path, f->t->number, word);
            return EXIT_DATA;
        }
        if (k == 0) row->label = (uint32_t)at;
        if (k > (int)f->classes->count) return table_bad(f->t, "a label stands twice");
        if (k > 0) f->extra[row->extra_count++] = (int32_t)at;
    }
    row->extra = f->extra;
    return EXIT_DONE;
}

static int read_scores(const struct filling *f, xc_scores_row *row)
{
    size_t at;
    int code = EXIT_DONE;
    if (!f->c->class) {
        row->probability = NAN;
        if (f->c->probability < f->c->count)
            code = read_number(f->t, f->t->field[f->c->probability], &row->probability);
        find_word(f->classes, f->t->field[f->c->prediction], &at);
        row->answer = (uint32_t)at;
        return code;
    }
    for (size_t i = 0; i < f->classes->count && code == EXIT_DONE; i++)
        code = read_number(f->t, f->t->field[f->c->class[i]], &f->score[i]);
    row->score = f->score;
    return code;
}

static xc_scores_kind kind_of(const struct filling *f)
{
    if (!f->c->class) return XC_SCORES_ANSWERS;
    return f->c->probabilities ? XC_SCORES_PROBABILITIES : XC_SCORES_LOGITS;
}

/* given: the text of its labels, kept when all is done. */
static int add_row(struct eval *e, struct filling *f, const xc_scores_row *row, char *given)
{
    xc_scores **scores = &e->model[0].scores;
    if (!*scores) {
        xc_scores_opts opts = XC_SCORES_OPTS_INIT;
        opts.classes = (uint32_t)f->classes->count;
        opts.multi_label = f->c->several;
        opts.kind = kind_of(f);
        opts.folder = temporary_folder();
        const xc_status status = xc_scores_new(&opts, scores);
        if (status != XC_OK) return say_status(status, EXIT_DATA);
    }
    if (f->rows == f->room) {
        const size_t room = 2 * f->room + 1024;
        char **more = realloc(e->path, room * sizeof *more);
        if (!more) return table_no_memory(f->t);
        e->path = more;
        more = realloc(e->given, room * sizeof *more);
        if (!more) return table_no_memory(f->t);
        e->given = more;
        f->room = room;
    }
    char *path = strdup(f->t->field[f->c->path]);
    if (!path) return table_no_memory(f->t);
    const xc_status status =
        xc_scores_add(*scores, row); /* from here on the row is freed at the end */
    if (status != XC_OK) free(path);
    if (status == XC_ERR_ARGUMENT || status == XC_ERR_NUMBER) return table_bad(f->t, xc_error());
    if (status != XC_OK) return say_status(status, EXIT_DATA);
    e->path[f->rows] = path;
    e->given[f->rows++] = given;
    return EXIT_DONE;
}

static int keep_row(struct eval *e, struct filling *f)
{
    xc_scores_row row = {.id = f->rows};
    char *given = strdup(f->t->field[f->c->label]);
    int code = given ? read_labels(f, &row) : table_no_memory(f->t);
    if (code == EXIT_DONE) code = read_scores(f, &row);
    if (code == EXIT_DONE) code = add_row(e, f, &row, given);
    if (code != EXIT_DONE) free(given);
    return code;
}

static int read_rows(struct eval *e, struct table *t, const struct columns *c,
                     const struct words *classes)
{
    struct filling f = {.t = t, .c = c, .classes = classes};
    f.score = calloc(classes->count, sizeof *f.score);
    f.extra = calloc(classes->count + 1, sizeof *f.extra);
    int code = f.score && f.extra ? EXIT_DONE : table_no_memory(t);
    if (code == EXIT_DONE) code = table_start(t);
    if (code == EXIT_DONE) code = table_next(t); /* the head */
    while (code == EXIT_DONE && (code = table_next(t)) == EXIT_DONE && t->fields)
        code = keep_row(e, &f);
    free(f.score);
    free(f.extra);
    return code;
}

int eval_read_predictions(struct eval *e, const char *file)
{
    struct table t;
    struct columns c = {0};
    struct words classes = {0};
    int code = table_open(&t, file);
    if (code == EXIT_DONE) code = read_head(&t, &c, &classes);
    if (code == EXIT_DONE) code = read_classes(&t, &c, &classes);
    if (code == EXIT_DONE) code = read_rows(e, &t, &c, &classes);
    e->classes = (uint32_t)classes.count;
    e->label = (const char **)classes.word; /* the words are freed with it */
    free(c.class);
    table_free(&t);
    return code;
}
