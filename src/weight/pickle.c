/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a pickle read without running it? One table of opcodes, each a small function on a stack
 * of descriptions (a mark is NULL). Bounds: MAX_STEPS, so that time and memory are bounded;
 * MAX_STACK, MAX_MEMO, MAX_TEXT, MAX_STORAGES. What a REDUCE means is in pickle_call.c.
 */
#include "weight/pickle.h"

#include <string.h>

#include "base/checked.h"
#include "weight/pickle_machine.h"

enum { MAX_STEPS = 1 << 20, MAX_STACK = 1 << 16, MAX_MEMO = 1 << 20, MAX_TEXT = 1 << 20 };
enum { FIRST_ROOM = 8, STOP = '.' };

/* values grown to hold index; what was there is kept */
static xc_status grow(struct pickle_machine *m, struct pickle_value ***values, size_t *room,
                      size_t index, struct error *err)
{
    size_t wanted = *room ? *room : FIRST_ROOM;
    while (wanted <= index) wanted *= 2; /* index < MAX_MEMO */
    struct pickle_value **grown = arena_push(m->arena, wanted, sizeof(struct pickle_value *));
    if (!grown) return fail_memory(err, wanted);
    if (*room) memcpy(grown, *values, *room * sizeof(struct pickle_value *));
    *values = grown;
    *room = wanted;
    return XC_OK;
}

static xc_status push(struct pickle_machine *m, struct pickle_value *value, struct error *err)
{
    if (m->depth == MAX_STACK)
        return fail(err, XC_ERR_LIMIT, "the pickle needs a stack deeper than %d", MAX_STACK);
    if (m->depth == m->stack_room) TRY(grow(m, &m->stack, &m->stack_room, m->depth, err));
    m->stack[m->depth++] = value;
    return XC_OK;
}

xc_status pickle_new(struct pickle_machine *m, enum pickle_kind kind, struct pickle_value **out,
                     struct error *err)
{
    struct pickle_value *value = arena_push(m->arena, 1, sizeof *value);
    *out = value;
    if (!value) return fail_memory(err, sizeof *value);
    value->kind = kind;
    if (kind != PICKLE_TUPLE && kind != PICKLE_LIST && kind != PICKLE_DICT) return XC_OK;
    value->items = arena_push(m->arena, 1, sizeof *value->items);
    return value->items ? XC_OK : fail_memory(err, sizeof *value->items);
}

/* Pushes a new value of this kind and shows it. */
static xc_status push_new(struct pickle_machine *m, enum pickle_kind kind,
                          struct pickle_value **out, struct error *err)
{
    TRY(pickle_new(m, kind, out, err));
    return push(m, *out, err);
}

xc_status pickle_append(struct pickle_machine *m, struct pickle_items *items,
                        const struct pickle_value *value, struct error *err)
{
    if (items->count == items->room) {
        size_t room = items->room ? items->room * 2 : FIRST_ROOM;
        const struct pickle_value **grown = arena_push(m->arena, room, sizeof *grown);
        if (!grown) return fail_memory(err, room);
        if (items->count) memcpy(grown, items->at, items->count * sizeof *grown);
        items->at = grown;
        items->room = room;
    }
    items->at[items->count++] = value;
    return XC_OK;
}

xc_status pickle_broken(struct error *err, const char *what)
{
    return fail(err, XC_ERR_FORMAT, "the pickle is broken: %s", what);
}

/* The topmost value, which stays; NULL when there is none or a mark. */
static struct pickle_value *top(struct pickle_machine *m)
{
    return m->depth > 0 ? m->stack[m->depth - 1] : NULL;
}

static struct pickle_value *pop(struct pickle_machine *m)
{
    struct pickle_value *value = top(m);
    if (value) m->depth--;
    return value;
}

/* Takes the mark and what is above it off the stack: *first is the index of the first value. They
 * stay readable until the next push. */
static xc_status pop_mark(struct pickle_machine *m, size_t *first, size_t *count, struct error *err)
{
    size_t at = m->depth;
    while (at > 0 && m->stack[at - 1]) at--;
    if (at == 0) return pickle_broken(err, "a mark is missing");
    *first = at;
    *count = m->depth - at;
    m->depth = at - 1;
    return XC_OK;
}

static xc_status op_protocol(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    uint8_t version = bytes_u8(m->in);
    if (version > 5) return fail(err, XC_ERR_UNSUPPORTED, "pickle protocol %d", version);
    return XC_OK;
}

static xc_status op_mark(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    return push(m, NULL, err);
}

static xc_status op_empty(struct pickle_machine *m, int kind, struct error *err)
{
    struct pickle_value *value;
    return push_new(m, (enum pickle_kind)kind, &value, err);
}

static xc_status push_integer(struct pickle_machine *m, enum pickle_kind kind, int64_t integer,
                              struct error *err)
{
    struct pickle_value *value;
    TRY(push_new(m, kind, &value, err));
    value->integer = integer;
    return XC_OK;
}

static xc_status op_bool(struct pickle_machine *m, int truth, struct error *err)
{
    return push_integer(m, PICKLE_BOOL, truth, err);
}

static xc_status op_integer(struct pickle_machine *m, int width, struct error *err)
{
    int64_t integer = width == 1   ? bytes_u8(m->in)
                      : width == 2 ? bytes_u16le(m->in)
                                   : (int32_t)bytes_u32le(m->in);
    return push_integer(m, PICKLE_INT, integer, err);
}

/* LONG1: n bytes, two's complement, little-endian */
static xc_status op_long(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    uint8_t width = bytes_u8(m->in);
    if (width > 8)
        return fail(err, XC_ERR_UNSUPPORTED, "the pickle has a number of %d bytes", width);
    const uint8_t *place = bytes_take(m->in, width);
    uint64_t bits = place && width > 0 && place[width - 1] & 0x80 ? UINT64_MAX : 0;
    for (int i = width; place && i > 0; i--) bits = bits << 8 | place[i - 1];
    return push_integer(m, PICKLE_INT, (int64_t)bits, err);
}

static xc_status op_float(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    struct pickle_value *value;
    uint64_t bits = (uint64_t)bytes_u32be(m->in) << 32;
    bits |= bytes_u32be(m->in);
    TRY(push_new(m, PICKLE_FLOAT, &value, err));
    memcpy(&value->real, &bits, sizeof value->real);
    return XC_OK;
}

/* BINUNICODE, BINSTRING: u32 length; SHORT_BINSTRING: u8 */
static xc_status op_text(struct pickle_machine *m, int width, struct error *err)
{
    uint32_t length = width == 1 ? bytes_u8(m->in) : bytes_u32le(m->in);
    if (length > MAX_TEXT)
        return fail(err, XC_ERR_LIMIT, "the pickle has a string of %u bytes", length);
    const uint8_t *place = bytes_take(m->in, length);
    if (!place) return XC_OK; /* said by pickle_read */
    if (memchr(place, 0, length)) return pickle_broken(err, "a string holds a NUL");
    char *copy = arena_push(m->arena, (size_t)length + 1, 1);
    if (!copy) return fail_memory(err, length);
    memcpy(copy, place, length);
    struct pickle_value *value;
    TRY(push_new(m, PICKLE_STRING, &value, err));
    value->text = copy;
    return XC_OK;
}

static xc_status op_put(struct pickle_machine *m, int width, struct error *err)
{
    size_t index = width == 1 ? bytes_u8(m->in) : bytes_u32le(m->in);
    struct pickle_value *value = top(m);
    if (!value) return pickle_broken(err, "nothing to remember");
    if (index >= MAX_MEMO)
        return fail(err, XC_ERR_LIMIT, "the pickle remembers at %zu, the limit is %d", index,
                    MAX_MEMO);
    if (index >= m->memo_room) TRY(grow(m, &m->memo, &m->memo_room, index, err));
    m->memo[index] = value;
    return XC_OK;
}

static xc_status op_get(struct pickle_machine *m, int width, struct error *err)
{
    size_t index = width == 1 ? bytes_u8(m->in) : bytes_u32le(m->in);
    if (index >= m->memo_room || !m->memo[index])
        return pickle_broken(err, "recalls what was never remembered");
    return push(m, m->memo[index], err);
}

/* The count values from stack index first on become a tuple. */
static xc_status push_tuple(struct pickle_machine *m, size_t first, size_t count, struct error *err)
{
    struct pickle_value *tuple;
    TRY(pickle_new(m, PICKLE_TUPLE, &tuple, err));
    for (size_t i = 0; i < count; i++)
        TRY(pickle_append(m, tuple->items, m->stack[first + i], err));
    return push(m, tuple, err);
}

static xc_status op_tuple(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    size_t first, count;
    TRY(pop_mark(m, &first, &count, err));
    return push_tuple(m, first, count, err);
}

static xc_status op_short_tuple(struct pickle_machine *m, int count, struct error *err)
{
    for (int i = 0; i < count; i++)
        if (!pop(m)) return pickle_broken(err, "too few values for a tuple");
    return push_tuple(m, m->depth, (size_t)count, err);
}

/* Adds the count values from stack index first on to the list or dict below them. */
static xc_status extend(struct pickle_machine *m, enum pickle_kind kind, size_t first, size_t count,
                        struct error *err)
{
    struct pickle_value *target = top(m);
    if (!target || target->kind != kind)
        return pickle_broken(err,
                             kind == PICKLE_DICT ? "items without a dict" : "items without a list");
    if (kind == PICKLE_DICT && count % 2) return pickle_broken(err, "a key without a value");
    for (size_t i = 0; i < count; i++)
        TRY(pickle_append(m, target->items, m->stack[first + i], err));
    return XC_OK;
}

static xc_status op_append(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    if (!pop(m)) return pickle_broken(err, "nothing to append");
    return extend(m, PICKLE_LIST, m->depth, 1, err);
}

static xc_status op_set_item(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    if (!pop(m) || !pop(m)) return pickle_broken(err, "too few values for an item");
    return extend(m, PICKLE_DICT, m->depth, 2, err);
}

/* APPENDS, SETITEMS */
static xc_status op_extend(struct pickle_machine *m, int kind, struct error *err)
{
    size_t first, count;
    TRY(pop_mark(m, &first, &count, err));
    return extend(m, (enum pickle_kind)kind, first, count, err);
}

static xc_status op_global(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    const struct pickle_global *global;
    TRY(pickle_global_read(m, &global, err));
    struct pickle_value *value;
    TRY(push_new(m, PICKLE_GLOBAL, &value, err));
    value->global = global;
    return XC_OK;
}

static xc_status op_persistent(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    const struct pickle_value *id = pop(m);
    struct pickle_value *storage;
    if (!id) return pickle_broken(err, "a persistent id is missing");
    TRY(pickle_persistent(m, id, &storage, err));
    return push(m, storage, err);
}

/* REDUCE, NEWOBJ: callable, arguments -> result */
static xc_status op_call(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    const struct pickle_value *arguments = pop(m), *callable = pop(m);
    struct pickle_value *result;
    if (!arguments || !callable) return pickle_broken(err, "a call without arguments");
    TRY(pickle_call(m, callable, arguments, &result, err));
    return push(m, result, err);
}

/* The only state that a state dict carries is the `_metadata` of an OrderedDict: dropped. */
static xc_status op_build(struct pickle_machine *m, int argument, struct error *err)
{
    (void)argument;
    if (!pop(m)) return pickle_broken(err, "a state is missing");
    const struct pickle_value *target = top(m);
    if (!target || target->kind != PICKLE_DICT)
        return fail(err, XC_ERR_UNSUPPORTED,
                    "the pickle sets the state of something that is no dict");
    return XC_OK;
}

static const struct {
    uint8_t code;
    xc_status (*run)(struct pickle_machine *m, int argument, struct error *err);
    int argument;
} OPCODES[] = {
    {0x80, op_protocol, 0},
    {'(', op_mark, 0},
    {'}', op_empty, PICKLE_DICT},
    {']', op_empty, PICKLE_LIST},
    {')', op_empty, PICKLE_TUPLE},
    {'N', op_empty, PICKLE_NONE},
    {0x88, op_bool, true},
    {0x89, op_bool, false},
    {'K', op_integer, 1},
    {'M', op_integer, 2},
    {'J', op_integer, 4},
    {0x8A, op_long, 0},
    {'G', op_float, 0},
    {'U', op_text, 1},
    {'T', op_text, 4},
    {'X', op_text, 4},
    {'q', op_put, 1},
    {'r', op_put, 4},
    {'h', op_get, 1},
    {'j', op_get, 4},
    {'t', op_tuple, 0},
    {0x85, op_short_tuple, 1},
    {0x86, op_short_tuple, 2},
    {0x87, op_short_tuple, 3},
    {'a', op_append, 0},
    {'e', op_extend, PICKLE_LIST},
    {'s', op_set_item, 0},
    {'u', op_extend, PICKLE_DICT},
    {'c', op_global, 0},
    {'Q', op_persistent, 0},
    {'R', op_call, 0},
    {0x81, op_call, 0},
    {'b', op_build, 0},
};

static xc_status step(struct pickle_machine *m, uint8_t code, struct error *err)
{
    for (size_t i = 0; i < sizeof OPCODES / sizeof *OPCODES; i++)
        if (OPCODES[i].code == code) return OPCODES[i].run(m, OPCODES[i].argument, err);
    return fail(err, XC_ERR_UNSUPPORTED, "pickle opcode 0x%02x is not one of a state dict", code);
}

static xc_status run(struct pickle_machine *m, struct error *err)
{
    for (; m->steps < MAX_STEPS; m->steps++) {
        size_t at = m->in->at;
        uint8_t code = bytes_u8(m->in);
        if (!m->in->failed && code == STOP) return XC_OK;
        if (!m->in->failed) TRY(step(m, code, err));
        if (m->in->failed)
            return fail(err, XC_ERR_FORMAT, "the pickle ends in the middle, after byte %zu", at);
    }
    return fail(err, XC_ERR_LIMIT, "the pickle takes more than %d steps", MAX_STEPS);
}

xc_status pickle_read(struct bytes *in, struct arena *arena, struct pickle *out, struct error *err)
{
    struct pickle_machine m = {.in = in, .arena = arena, .out = out};
    *out = (struct pickle){0};
    TRY(run(&m, err));
    out->root = pop(&m);
    if (!out->root || m.depth > 0) return pickle_broken(err, "it does not end with one value");
    return XC_OK;
}

const struct pickle_value *pickle_get(const struct pickle_value *value, const char *key)
{
    if (!value || value->kind != PICKLE_DICT) return NULL;
    for (size_t i = value->items->count; i > 0; i -= 2) {
        const struct pickle_value *k = value->items->at[i - 2];
        if (k->kind == PICKLE_STRING && strcmp(k->text, key) == 0) return value->items->at[i - 1];
    }
    return NULL;
}
