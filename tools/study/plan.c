/* SPDX-License-Identifier: Apache-2.0 */
/* The plan as JSON, and whether two plans are the same. */
#include "study.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *preset_name(enum preset p)
{
#define STUDY_X(word, text) #word,
    static const char *const name[] = {STUDY_PRESETS(STUDY_X) NULL};
#undef STUDY_X
    return name[p];
}

const char *preset_text(enum preset p)
{
#define STUDY_X(word, text) text,
    static const char *const line[] = {STUDY_PRESETS(STUDY_X) NULL};
#undef STUDY_X
    return line[p];
}

enum preset preset_find(const char *name)
{
    int i = 0;
    while (i < PRESETS && strcmp(preset_name((enum preset)i), name) != 0) i++;
    return (enum preset)i;
}

void plan_free(struct plan *p)
{
    for (uint32_t i = 0; i < p->arms; i++) free(p->arm[i].arch);
    free(p->data);
    free(p->fingerprint);
    free(p->augment);
    *p = (struct plan){0};
}

uint32_t plan_cells(const struct plan *p)
{
    return p->arms * p->repeat;
}

bool plan_has_several(const struct plan *p, uint32_t arm)
{
    return p->several || p->arm[arm].mosaics;
}

const struct arm *plan_cell(const struct plan *p, uint32_t cell, uint64_t *seed)
{
    if (seed) *seed = p->seed + cell / p->arms;
    return &p->arm[cell % p->arms];
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* The one list of a plan's members, for writing and reading. */
#define TEXTS(X) X(data) X(fingerprint) X(augment)
#define COUNTS(X)                                                                                  \
    X(val_split)                                                                                   \
    X(limit)                                                                                       \
    X(test_limit)                                                                                  \
    X(height)                                                                                      \
    X(width) X(channels) X(classes) X(train) X(test) X(epochs) X(batch) X(repeat) X(presets)

static json_t *arm_json(const struct arm *a)
{
    return json_pack("{s:s,s:s,s:b,s:f,s:i,s:I,s:I,s:I}", "name", a->name, "arch", a->arch,
                     "mosaics", (int)a->mosaics, "ema", a->ema, "presets", (int)a->presets,
                     "params", (json_int_t)a->params, "trainable", (json_int_t)a->trainable, "macs",
                     (json_int_t)a->macs);
}

static json_t *plan_json(const struct plan *p)
{
    json_t *json = json_object(), *arms = json_array();
    int failed = !json || !arms;
    failed |= json_object_set_new(json, "format", json_string("xception-study-1"));
#define PUT_TEXT(f) failed |= json_object_set_new(json, #f, json_string(p->f));
#define PUT_COUNT(f) failed |= json_object_set_new(json, #f, json_integer(p->f));
    TEXTS(PUT_TEXT)
    COUNTS(PUT_COUNT)
    failed |= json_object_set_new(json, "seed", json_integer((json_int_t)p->seed));
    failed |= json_object_set_new(json, "several", json_boolean(p->several));
    failed |= json_object_set_new(json, "lr", json_real(p->lr));
    for (uint32_t i = 0; i < p->arms; i++)
        failed |= json_array_append_new(arms, arm_json(&p->arm[i]));
    failed |= json_object_set_new(json, "arms", arms);
    if (!failed) return json;
    json_decref(json);
    return NULL;
}

char *plan_write(const struct plan *p)
{
    json_t *json = plan_json(p);
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return text;
}

static char *take_text(const json_t *json, const char *name, const char **missing)
{
    const char *text = json_string_value(json_object_get(json, name));
    char *copy = text ? strdup(text) : NULL;
    if (!copy) *missing = name;
    return copy;
}

static uint64_t take_count(const json_t *json, const char *name, uint64_t most,
                           const char **missing)
{
    const json_t *value = json_object_get(json, name);
    const json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || (uint64_t)n > most) *missing = name;
    return (uint64_t)n;
}

static double take_real(const json_t *json, const char *name, const char **missing)
{
    const json_t *value = json_object_get(json, name);
    if (!json_is_number(value)) *missing = name;
    return json_number_value(value);
}

static void take_arm(const json_t *json, struct arm *a, const char **missing)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const json_t *mosaics = json_object_get(json, "mosaics");
    if (!name || strlen(name) >= ARM_NAME || !json_is_boolean(mosaics)) {
        *missing = "name";
        return;
    }
    snprintf(a->name, sizeof a->name, "%s", name);
    a->arch = take_text(json, "arch", missing);
    a->mosaics = json_is_true(mosaics);
    a->ema = take_real(json, "ema", missing);
    a->presets = (uint32_t)take_count(json, "presets", UINT32_MAX, missing);
    a->params = take_count(json, "params", INT64_MAX, missing);
    a->trainable = take_count(json, "trainable", INT64_MAX, missing);
    a->macs = take_count(json, "macs", INT64_MAX, missing);
}

static const char *take_all(const json_t *json, struct plan *p)
{
    const char *missing = NULL;
    const json_t *arms = json_object_get(json, "arms");
    const char *format = json_string_value(json_object_get(json, "format"));
    if (!format || strcmp(format, "xception-study-1") != 0) return "format";
#define GET_TEXT(f) p->f = take_text(json, #f, &missing);
#define GET_COUNT(f) p->f = (uint32_t)take_count(json, #f, UINT32_MAX, &missing);
    TEXTS(GET_TEXT)
    COUNTS(GET_COUNT)
    p->seed = take_count(json, "seed", INT64_MAX, &missing);
    p->several = json_is_true(json_object_get(json, "several"));
    p->lr = take_real(json, "lr", &missing);
    const size_t count = json_array_size(arms);
    if (count < 1 || count > STUDY_ARMS || p->repeat < 1 || p->repeat > STUDY_SEEDS) return "arms";
    for (; p->arms < count && !missing; p->arms++)
        take_arm(json_array_get(arms, p->arms), &p->arm[p->arms], &missing);
    return missing;
}

xc_status plan_read(const char *text, struct plan *out, struct why *why)
{
    json_error_t where;
    *out = (struct plan){0};
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!json) return refuse(why, XC_ERR_FORMAT, "study.json: line %d: %s", where.line, where.text);
    const char *missing = take_all(json, out);
    json_decref(json);
    if (!missing) return XC_OK;
    plan_free(out);
    return refuse(why, XC_ERR_FORMAT, "study.json: \"%s\" is missing or wrong", missing);
}

/* ---- comparison ------------------------------------------------------------------------------ */

static char *text_of(const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    return text;
}

static xc_status name_difference(const char *folder, const char *what, const json_t *given,
                                 const json_t *stored, struct why *why)
{
    char *a = text_of(given), *b = text_of(stored);
    refuse(why, XC_ERR_ARGUMENT, "%s: holds another study: %s %.150s, the flags say %.150s", folder,
           what, b ? b : "none", a ? a : "none");
    free(a);
    free(b);
    return XC_ERR_ARGUMENT;
}

static xc_status compare(const json_t *given, const json_t *stored, const char *folder,
                         struct why *why)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)given, key, value)
    {
        const json_t *other = json_object_get(stored, key);
        if (strcmp(key, "arms") != 0) {
            if (!json_equal(value, other)) return name_difference(folder, key, value, other, why);
            continue;
        }
        for (size_t i = 0; i < json_array_size(value) || i < json_array_size(other); i++)
            if (!json_equal(json_array_get(value, i), json_array_get(other, i)))
                return name_difference(folder, "arm", json_array_get(value, i),
                                       json_array_get(other, i), why);
    }
    return XC_OK;
}

xc_status plan_same(const struct plan *given, const struct plan *stored, const char *folder,
                    struct why *why)
{
    json_t *a = plan_json(given), *b = plan_json(stored);
    const xc_status status =
        a && b ? compare(a, b, folder, why) : refuse(why, XC_ERR_MEMORY, "out of memory");
    json_decref(a);
    json_decref(b);
    return status;
}
