/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do found samples become a data set? Label words turn into class indices here: the classes of
 * a model where they are given, else whole numbers as they are, else the words in byte order, as
 * Keras and torchvision sort folders ("10" before "9"). Samples are sorted by name, so nothing
 * depends on the order in which a file system or a list gave them.
 */
#include "data/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/sha256.h"

/* One more of `size` bytes; doubles. */
static bool grow(void **memory, size_t count, size_t *room, size_t size)
{
    if (count < *room) return true;
    size_t more = *room ? *room * 2 : 64, bytes;
    if (!size_mul(more, size, &bytes)) return false;
    void *grown = realloc(*memory, bytes);
    if (!grown) return false;
    *memory = grown;
    *room = more;
    return true;
}

xc_status gather_store(struct gather *g, struct store store, uint32_t *index, struct error *err)
{
    struct dataset *d = g->d;
    void *memory = d->store;
    if (!grow(&memory, d->stores, &g->store_room, sizeof store)) {
        free(store.memory);
        if (store.kind == STORE_PART) close(store.fd);
        return fail_memory(err, g->store_room * sizeof store);
    }
    d->store = memory;
    const char *path = store.path ? arena_strdup(&d->arena, store.path) : NULL;
    const bool lost = store.path && !path;
    store.path = path ? path : "";
    *index = (uint32_t)d->stores;
    d->store[d->stores++] = store;
    return lost ? fail_memory(err, 0) : XC_OK;
}

xc_status gather_note(struct gather *g, struct error *err, const char *format, ...)
{
    struct dataset *d = g->d;
    char text[ERROR_TEXT_SIZE];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    void *memory = d->note;
    if (!grow(&memory, d->notes, &g->note_room, sizeof *d->note)) return fail_memory(err, 0);
    d->note = memory;
    d->note[d->notes] = arena_strdup(&d->arena, text);
    if (!d->note[d->notes]) return fail_memory(err, sizeof text);
    d->notes++;
    return XC_OK;
}

static int32_t compare_int(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Ascending and without doubles; returns how many are left. */
static int32_t sort_labels(int32_t *label, int32_t count)
{
    int32_t kept = 0;
    qsort(label, (size_t)count, sizeof *label, compare_int);
    for (int32_t i = 0; i < count; i++)
        if (kept == 0 || label[kept - 1] != label[i]) label[kept++] = label[i];
    return kept;
}

enum { MOST_LABELS = 1024 };

/* "a|b|c" to word numbers. */
static xc_status add_labels(struct gather *g, const struct found *found, struct sample *s,
                            struct error *err)
{
    int32_t label[MOST_LABELS], count = 0;
    const char *from = found->label;
    for (bool more = true; more; count++) {
        size_t length = found->divided ? strcspn(from, "|") : strlen(from);
        if (length == 0) return fail(err, XC_ERR_FORMAT, "%s: has an empty label", found->name);
        if (count == MOST_LABELS)
            return fail(err, XC_ERR_LIMIT, "%s: more than %d labels", found->name, MOST_LABELS);
        label[count] = words_put(g->word, from, length);
        if (label[count] < 0) return fail_memory(err, length);
        more = from[length] != '\0';
        from += length + more;
    }
    s->label = label[0];
    s->extra_count = count - 1;
    if (count == 1) return XC_OK;
    int32_t *kept = arena_push(&g->d->arena, (size_t)count, sizeof *kept);
    if (!kept) return fail_memory(err, (size_t)count * sizeof *kept);
    memcpy(kept, label, (size_t)count * sizeof *kept);
    s->extra = kept; /* all of them, until the classes are numbered */
    return XC_OK;
}

xc_status gather_add(struct gather *g, const struct found *found, struct error *err)
{
    struct dataset *d = g->d;
    void *memory = d->sample;
    if (d->samples >= DATASET_MAX_SAMPLES)
        return fail(err, XC_ERR_LIMIT, "more than %u samples", DATASET_MAX_SAMPLES);
    if (!grow(&memory, d->samples, &g->room, sizeof *d->sample))
        return fail_memory(err, g->room * sizeof *d->sample);
    d->sample = memory;
    struct sample s = {.offset = found->offset,
                       .bytes = found->bytes,
                       .store = found->store,
                       .weight = found->weight,
                       .split = found->split};
    if (!(found->weight >= 0.0f && found->weight <= 1e6f))
        return fail(err, XC_ERR_FORMAT, "%s: weight %g is not in 0..1e6", found->name,
                    (double)found->weight);
    TRY(add_labels(g, found, &s, err));
    if (found->group && *found->group) {
        int32_t group = words_put(g->group, found->group, strlen(found->group));
        if (group < 0) return fail_memory(err, 0);
        s.group = (uint32_t)group + 1;
    }
    s.name = arena_strdup(&d->arena, found->name);
    if (!s.name) return fail_memory(err, strlen(found->name));
    d->sample[d->samples++] = s;
    return XC_OK;
}

/* A whole number without sign, at most DATASET_MAX_CLASSES - 1; -1: no such. */
static int32_t number_of(const char *word)
{
    int32_t n = 0;
    for (const char *p = word; *p; p++) {
        if (*p < '0' || *p > '9' || n >= DATASET_MAX_CLASSES) return -1;
        n = n * 10 + (*p - '0');
    }
    return *word && n < DATASET_MAX_CLASSES ? n : -1;
}

static bool all_numbers(const struct words *w)
{
    for (int32_t i = 0; i < words_count(w); i++)
        if (number_of(words_at(w, i)) < 0) return false;
    return words_count(w) > 0;
}

/* Labels that are all whole numbers, but not all of them class numbers: one that is none. */
static const char *out_of_range(const struct words *w)
{
    const char *none = NULL;
    for (int32_t i = 0; i < words_count(w); i++) {
        const char *word = words_at(w, i), *digits = word + (*word == '-');
        if (!*digits || digits[strspn(digits, "0123456789")]) return NULL;
        if (!none && number_of(word) < 0) none = word;
    }
    return none;
}

struct ranked {
    const char *word;
    int32_t from;
};

static int compare_ranked(const void *a, const void *b)
{
    return strcmp(((const struct ranked *)a)->word, ((const struct ranked *)b)->word);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* class_of[word] where the classes are the words themselves. */
static xc_status name_classes(struct gather *g, int32_t *class_of, struct error *err)
{
    struct dataset *d = g->d;
    int32_t n = words_count(g->word);
    struct ranked *ranked = calloc((size_t)n, sizeof *ranked);
    if (!ranked) return fail_memory(err, (size_t)n * sizeof *ranked);
    for (int32_t i = 0; i < n; i++) ranked[i] = (struct ranked){words_at(g->word, i), i};
    qsort(ranked, (size_t)n, sizeof *ranked, compare_ranked);
    d->classes = n;
    for (int32_t i = 0; i < n; i++) {
        class_of[ranked[i].from] = i;
        d->class_name[i] = arena_strdup(&d->arena, ranked[i].word);
        if (!d->class_name[i]) d->classes = 0;
    }
    free(ranked);
    return d->classes ? XC_OK : fail_memory(err, 0);
}

static xc_status number_classes(struct gather *g, int32_t *class_of, int32_t classes,
                                struct error *err)
{
    struct dataset *d = g->d;
    for (int32_t i = 0; i < words_count(g->word); i++)
        class_of[i] = number_of(words_at(g->word, i));
    for (int32_t i = 0; i < classes; i++) {
        d->class_name[i] = arena_printf(&d->arena, "%d", i);
        if (!d->class_name[i]) return fail_memory(err, 0);
    }
    d->classes = classes;
    return XC_OK;
}

/* class_of[word] where the classes are given; -1 for a word to drop. */
static xc_status given_classes(struct gather *g, int32_t *class_of, struct error *err)
{
    struct dataset *d = g->d;
    const struct dataset_opts *o = g->opts;
    struct words *known = words_new();
    if (!known) return fail_memory(err, 0);
    d->classes = o->classes;
    xc_status status = XC_OK;
    for (int i = 0; i < o->classes && status == XC_OK; i++) {
        const char *name = o->class_name[i];
        d->class_name[i] = arena_strdup(&d->arena, name);
        int32_t place = words_put(known, name, strlen(name));
        if (!d->class_name[i] || place < 0)
            status = fail_memory(err, 0);
        else if (place != i)
            status =
                fail(err, XC_ERR_ARGUMENT, "classes %d and %d are both named %s", place, i, name);
    }
    for (int32_t i = 0; i < words_count(g->word) && status == XC_OK; i++) {
        const char *word = words_at(g->word, i);
        int32_t place = words_put(known, word, strlen(word)), number = number_of(word);
        class_of[i] = place >= 0 && place < o->classes ? place : -1;
        if (class_of[i] < 0 && g->numbers && number >= 0 && number < o->classes)
            class_of[i] = number;
        if (class_of[i] < 0 && g->numbers && number >= o->classes && !o->drop_unknown)
            status =
                fail(err, XC_ERR_FORMAT, "label %d is out of range: there are %d classes, 0 to %d",
                     number, o->classes, o->classes - 1);
        else if (class_of[i] < 0 && !o->drop_unknown)
            status = fail(err, XC_ERR_FORMAT, "\"%s\" is not one of the %d classes (%s, %s%s)",
                          word, o->classes, o->class_name[0], o->class_name[o->classes > 1],
                          o->classes > 2 ? ", ..." : "");
    }
    words_free(known);
    return status;
}

static int32_t largest_number(const struct words *w)
{
    int32_t most = 0;
    for (int32_t i = 0; i < words_count(w); i++) {
        int32_t n = number_of(words_at(w, i));
        if (n > most) most = n;
    }
    return most;
}

static xc_status choose_classes(struct gather *g, int32_t *class_of, struct error *err)
{
    struct dataset *d = g->d;
    bool given = g->opts->class_name != NULL, numbers = g->numbers && all_numbers(g->word);
    int32_t words = words_count(g->word);
    d->classes_given = given;
    d->drop_unknown = given && g->opts->drop_unknown;
    int32_t classes = given ? g->opts->classes : numbers ? largest_number(g->word) + 1 : words;
    const char *wrong = g->numbers && !given ? out_of_range(g->word) : NULL;
    if (wrong)
        return fail(err, XC_ERR_FORMAT, "label %s is out of range: class numbers are 0 to %d",
                    wrong, DATASET_MAX_CLASSES - 1);
    if (classes < 1 || classes > DATASET_MAX_CLASSES)
        return fail(err, XC_ERR_LIMIT, "%d classes, at most %d", classes, DATASET_MAX_CLASSES);
    d->class_name = calloc((size_t)classes, sizeof *d->class_name);
    if (!d->class_name) return fail_memory(err, (size_t)classes * sizeof *d->class_name);
    if (given) return given_classes(g, class_of, err);
    if (numbers) return number_classes(g, class_of, classes, err);
    return name_classes(g, class_of, err);
}

/* Words to classes; false: the sample is of a class to drop. */
static bool relabel(struct sample *s, const int32_t *class_of)
{
    int32_t label[MOST_LABELS], count = s->extra_count + 1, kept = 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t c = class_of[s->extra ? s->extra[i] : s->label];
        if (c >= 0) label[kept++] = c;
    }
    if (kept == 0) return false;
    kept = sort_labels(label, kept);
    s->label = label[0];
    s->extra_count = kept - 1;
    if (kept == 1) s->extra = NULL;
    /* the arena's memory, written once more before anybody reads it */
    if (kept > 1)
        memcpy((int32_t *)(uintptr_t)s->extra, label + 1, (size_t)(kept - 1) * sizeof *label);
    return true;
}

static xc_status relabel_all(struct gather *g, const int32_t *class_of, struct error *err)
{
    struct dataset *d = g->d;
    size_t kept = 0;
    for (size_t i = 0; i < d->samples; i++) {
        if (!relabel(&d->sample[i], class_of)) continue;
        d->sample[kept] = d->sample[i];
        d->multi_label |= d->sample[kept].extra_count > 0;
        kept++;
    }
    size_t dropped = d->samples - kept;
    d->samples = kept;
    if (dropped > 0)
        TRY(gather_note(g, err, "%zu samples of classes that the model has not were left out",
                        dropped));
    return XC_OK;
}

static void sum_up(struct dataset *d)
{
    struct sha256 sum;
    sha256_init(&sum);
    for (size_t i = 0; i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        uint8_t size[8];
        for (int b = 0; b < 8; b++) size[b] = (uint8_t)(s->bytes >> (8 * b));
        sha256_add(&sum, s->name, strlen(s->name) + 1);
        sha256_add(&sum, size, sizeof size);
        sha256_add(&sum, d->class_name[s->label], strlen(d->class_name[s->label]) + 1);
        for (int32_t k = 0; k < s->extra_count; k++)
            sha256_add(&sum, d->class_name[s->extra[k]], strlen(d->class_name[s->extra[k]]) + 1);
        d->count[s->split]++;
    }
    sha256_hex(&sum, d->fingerprint);
}

/* count of what; nothing of none. */
static xc_status note_count(struct gather *g, size_t count, const char *one, const char *several,
                            struct error *err)
{
    if (count == 0) return XC_OK;
    return gather_note(g, err, "%zu %s left out", count, count == 1 ? one : several);
}

static xc_status note_left_out(struct gather *g, struct error *err)
{
    TRY(note_count(g, g->hidden, "hidden entry was", "hidden entries were", err));
    TRY(note_count(g, g->outside, "picture that is in no folder of a class was",
                   "pictures that are in no folder of a class were", err));
    TRY(note_count(g, g->runs, "folder of a training run was", "folders of training runs were",
                   err));
    TRY(note_count(g, g->links, "link of the tar was", "links of the tar were", err));
    return note_count(g, g->others, "entry that is no picture was",
                      "entries that are no pictures were", err);
}

xc_status gather_finish(struct gather *g, struct error *err)
{
    struct dataset *d = g->d;
    if (d->samples == 0)
        return g->outside > 0
                   ? fail(err, XC_ERR_FORMAT, "%zu pictures, none of them in a folder of a class",
                          g->outside)
                   : fail(err, XC_ERR_FORMAT, "no picture found (%zu other entries)",
                          g->hidden + g->others + g->links);
    int32_t *class_of = calloc((size_t)words_count(g->word), sizeof *class_of);
    if (!class_of) return fail_memory(err, 0);
    xc_status status = choose_classes(g, class_of, err);
    if (status == XC_OK) status = relabel_all(g, class_of, err);
    free(class_of);
    TRY(status);
    if (d->samples == 0) return fail(err, XC_ERR_FORMAT, "no sample is of a class of the model");
    qsort(d->sample, d->samples, sizeof *d->sample, compare_names); /* the name comes first */
    for (size_t i = 1; i < d->samples; i++)
        if (!strcmp(d->sample[i - 1].name, d->sample[i].name))
            return fail(err, XC_ERR_FORMAT, "two samples are named %s", d->sample[i].name);
    sum_up(d);
    return note_left_out(g, err);
}
