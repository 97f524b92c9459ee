/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which globals may a state dict name, and what would calling them give? The allow-list of
 * PyTorch's own weights-only reader, less everything that a published Xception file does not use.
 * Nothing is called: an OrderedDict becomes a dict, torch.Size a tuple, _rebuild_tensor a
 * description whose every element is checked to lie inside its storage.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "weight/pickle_machine.h"
#include "base/text.h"

enum call { CALL_NONE, CALL_DICT, CALL_SIZE, CALL_TENSOR, CALL_PARAMETER };
enum { MAX_NAME = 128, MAX_STORAGES = 2 * WEIGHT_MAX_TENSORS, SEARCH_STEP = 64 };

struct pickle_global {
    const char *module, *name;
    enum call call;
    bool is_storage;
    struct pickle_element element;
};

#define STORAGE(module, name, ...)                                                                 \
    {                                                                                              \
        module, name, CALL_NONE, true,                                                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
static const struct pickle_global GLOBALS[] = {
    {.module = "collections", .name = "OrderedDict", .call = CALL_DICT},
    {.module = "torch", .name = "Size", .call = CALL_SIZE},
    {.module = "torch._utils", .name = "_rebuild_tensor", .call = CALL_TENSOR},
    {.module = "torch._utils", .name = "_rebuild_tensor_v2", .call = CALL_TENSOR},
    {.module = "torch._utils", .name = "_rebuild_parameter", .call = CALL_PARAMETER},
    {.module = "torch.nn.parameter", .name = "Parameter", .call = CALL_PARAMETER},
    STORAGE("torch", "FloatStorage", DTYPE_F32, 4, true),
    STORAGE("torch", "DoubleStorage", DTYPE_F64, 8, true),
    STORAGE("torch", "HalfStorage", DTYPE_F16, 2, true),
    STORAGE("torch", "BFloat16Storage", DTYPE_BF16, 2, true),
    STORAGE("torch", "LongStorage", DTYPE_I64, 8, true),
    STORAGE("torch", "IntStorage", DTYPE_I64, 4, true),
    STORAGE("torch", "ShortStorage", DTYPE_I64, 2, true),
    STORAGE("torch", "CharStorage", DTYPE_I64, 1, true),
    STORAGE("torch", "ByteStorage", DTYPE_I64, 1, false),
    STORAGE("torch", "BoolStorage", DTYPE_I64, 1, false),
    STORAGE("torch.storage", "UntypedStorage", DTYPE_I64, 0, false),
    STORAGE("torch.storage", "TypedStorage", DTYPE_I64, 0, false),
};

static xc_status read_line(struct bytes *in, char line[MAX_NAME], struct error *err)
{
    for (size_t i = 0; i < MAX_NAME; i++) {
        line[i] = (char)bytes_u8(in);
        if (in->failed || line[i] == '\n') {
            line[i] = '\0';
            return XC_OK;
        }
    }
    return fail(err, XC_ERR_LIMIT, "the pickle names a class with more than %d letters", MAX_NAME);
}

xc_status pickle_global_read(struct pickle_machine *m, const struct pickle_global **out,
                             struct error *err)
{
    char module[MAX_NAME], name[MAX_NAME];
    TRY(read_line(m->in, module, err));
    TRY(read_line(m->in, name, err));
    *out = NULL;
    for (size_t i = 0; i < sizeof GLOBALS / sizeof *GLOBALS; i++)
        if (strcmp(GLOBALS[i].module, module) == 0 && strcmp(GLOBALS[i].name, name) == 0)
            *out = &GLOBALS[i];
    if (*out || m->in->failed) return XC_OK; /* failed: said by pickle_read */
    text_printable(module);
    text_printable(name);
    return fail(err, XC_ERR_UNSUPPORTED,
                "the pickle names \"%s %s\", which no state dict needs: refused", module, name);
}

static bool is_size(const struct pickle_value *value, size_t *out)
{
    if (value->kind != PICKLE_INT || value->integer < 0) return false;
    *out = (size_t)value->integer;
    return (uint64_t)value->integer <= SIZE_MAX;
}

/* The one storage of this key; a second mention must agree with the first. */
static xc_status storage_of(struct pickle_machine *m, const char *key,
                            const struct pickle_element *element, size_t count,
                            struct pickle_storage **out, struct error *err)
{
    struct pickle *p = m->out;
    m->steps += p->storages / SEARCH_STEP;
    for (size_t i = 0; i < p->storages; i++) {
        if (strcmp(p->storage[i]->key, key) != 0) continue;
        *out = p->storage[i];
        if ((*out)->count == count && (*out)->element == element) return XC_OK;
        return pickle_broken(err, "one storage is described in two ways");
    }
    if (!p->storage)
        p->storage = arena_push(m->arena, MAX_STORAGES, sizeof(struct pickle_storage *));
    *out = arena_push(m->arena, 1, sizeof **out);
    if (!p->storage || !*out) return fail_memory(err, MAX_STORAGES);
    if (p->storages == MAX_STORAGES)
        return fail(err, XC_ERR_LIMIT, "the pickle has more than %d storages", MAX_STORAGES);
    **out = (struct pickle_storage){.key = key, .element = element, .count = count};
    p->storage[p->storages++] = *out;
    return XC_OK;
}

/* None, or (key, offset, count): a part of the storage */
static bool read_view(const struct pickle_value *given, struct pickle_view *view)
{
    if (given->kind == PICKLE_NONE) return true;
    if (given->kind != PICKLE_TUPLE || given->items->count != 3) return false;
    size_t end;
    return is_size(given->items->at[1], &view->offset) &&
           is_size(given->items->at[2], &view->count) &&
           size_add(view->offset, view->count, &end) && end <= view->storage->count;
}

xc_status pickle_persistent(struct pickle_machine *m, const struct pickle_value *id,
                            struct pickle_value **out, struct error *err)
{
    size_t items = id->kind == PICKLE_TUPLE ? id->items->count : 0, count;
    const struct pickle_value **at = items ? id->items->at : NULL;
    if (items < 5 || items > 6 || at[0]->kind != PICKLE_STRING ||
        strcmp(at[0]->text, "storage") != 0 || at[1]->kind != PICKLE_GLOBAL ||
        !at[1]->global->is_storage || at[2]->kind != PICKLE_STRING || !is_size(at[4], &count))
        return pickle_broken(err, "a persistent id that is no storage");
    struct pickle_view *view = arena_push(m->arena, 1, sizeof *view);
    if (!view) return fail_memory(err, sizeof *view);
    TRY(pickle_new(m, PICKLE_STORAGE, out, err));
    TRY(storage_of(m, at[2]->text, &at[1]->global->element, count, &view->storage, err));
    view->count = count;
    if (items == 6 && !read_view(at[5], view))
        return pickle_broken(err, "a view that leaves its storage");
    (*out)->view = view;
    return XC_OK;
}

static bool read_sizes(const struct pickle_value *tuple, size_t out[WEIGHT_MAX_RANK])
{
    for (size_t i = 0; i < tuple->items->count; i++)
        if (!is_size(tuple->items->at[i], &out[i])) return false;
    return true;
}

/* Counts the elements and checks that the farthest one lies inside the view. */
static bool fits(struct pickle_tensor *t, size_t view_count)
{
    size_t farthest = t->offset, step;
    t->count = 1;
    for (int i = 0; i < t->rank; i++)
        if (!size_mul(t->count, t->size[i], &t->count)) return false;
    if (t->count == 0) return true;
    for (int i = 0; i < t->rank; i++)
        if (!size_mul(t->size[i] - 1, t->stride[i], &step) || !size_add(farthest, step, &farthest))
            return false;
    return farthest < view_count;
}

/* (storage, offset, size, stride[, requires_grad, hooks[, metadata]]) */
static xc_status call_tensor(struct pickle_machine *m, const struct pickle_items *given,
                             struct pickle_value **out, struct error *err)
{
    struct pickle_tensor *t = arena_push(m->arena, 1, sizeof *t);
    if (!t) return fail_memory(err, sizeof *t);
    TRY(pickle_new(m, PICKLE_TENSOR, out, err));
    (*out)->tensor = t;
    const struct pickle_value *const *at = given->at;
    if (given->count < 4 || at[0]->kind != PICKLE_STORAGE || !is_size(at[1], &t->offset) ||
        at[2]->kind != PICKLE_TUPLE || at[3]->kind != PICKLE_TUPLE ||
        at[2]->items->count != at[3]->items->count)
        return pickle_broken(err, "the arguments of a tensor");
    if (at[2]->items->count > WEIGHT_MAX_RANK)
        return fail(err, XC_ERR_LIMIT, "a tensor of rank %zu, the limit is %d", at[2]->items->count,
                    WEIGHT_MAX_RANK);
    t->rank = (int)at[2]->items->count;
    t->storage = at[0]->view->storage;
    if (!read_sizes(at[2], t->size) || !read_sizes(at[3], t->stride))
        return pickle_broken(err, "a size or stride that is not a number from 0 up");
    if (!fits(t, at[0]->view->count) || !size_add(t->offset, at[0]->view->offset, &t->offset))
        return fail(err, XC_ERR_FORMAT, "a tensor reaches outside its storage of %zu elements",
                    at[0]->view->count);
    return XC_OK;
}

/* OrderedDict(), or OrderedDict([[key, value], ...]) as Python 2 wrote it */
static xc_status call_dict(struct pickle_machine *m, const struct pickle_items *given,
                           struct pickle_value **out, struct error *err)
{
    TRY(pickle_new(m, PICKLE_DICT, out, err));
    if (given->count == 0) return XC_OK;
    if (given->count != 1 || given->at[0]->kind != PICKLE_LIST)
        return pickle_broken(err, "the arguments of an OrderedDict");
    const struct pickle_items *pairs = given->at[0]->items;
    m->steps += pairs->count;
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pickle_value *pair = pairs->at[i];
        bool is_pair = pair->kind == PICKLE_LIST || pair->kind == PICKLE_TUPLE;
        if (!is_pair || pair->items->count != 2)
            return pickle_broken(err, "an item of an OrderedDict");
        TRY(pickle_append(m, (*out)->items, pair->items->at[0], err));
        TRY(pickle_append(m, (*out)->items, pair->items->at[1], err));
    }
    return XC_OK;
}

/* One argument (of the kind wanted) is the result. */
static xc_status call_through(const struct pickle_items *given, enum pickle_kind kind,
                              struct pickle_value *copy, struct error *err)
{
    if (given->count < 1 || given->at[0]->kind != kind)
        return pickle_broken(err, "the arguments of a torch.Size or a Parameter");
    *copy = *given->at[0];
    return XC_OK;
}

xc_status pickle_call(struct pickle_machine *m, const struct pickle_value *callable,
                      const struct pickle_value *arguments, struct pickle_value **out,
                      struct error *err)
{
    if (callable->kind != PICKLE_GLOBAL || callable->global->call == CALL_NONE ||
        arguments->kind != PICKLE_TUPLE)
        return pickle_broken(err, "it calls what cannot be called");
    if (callable->global->call == CALL_TENSOR) return call_tensor(m, arguments->items, out, err);
    if (callable->global->call == CALL_DICT) return call_dict(m, arguments->items, out, err);
    bool is_size_call = callable->global->call == CALL_SIZE;
    TRY(pickle_new(m, PICKLE_NONE, out, err));
    return call_through(arguments->items, is_size_call ? PICKLE_TUPLE : PICKLE_TENSOR, *out, err);
}
