/* SPDX-License-Identifier: Apache-2.0 */
/* Does the pickle machine describe what a state dict says, and stop at everything else? Pickles are
 * written here opcode by opcode; whole files are in test_import.c. */
#include "harness.h"
#include "weight/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weight/pickle.h"

static xc_status load(const char *bytes, size_t size, struct arena *arena, struct pickle *out,
                      struct error *err)
{
    char *exact = malloc(size ? size : 1); /* a sanitizer sees one byte too many */
    memcpy(exact, bytes, size);
    struct bytes in = bytes_of(exact, size);
    xc_status status = pickle_read(&in, arena, out, err);
    free(exact);
    return status;
}

#define FLOATS "ctorch\nFloatStorage\n"
#define ID(count)                                                                                  \
    "(U\7storage" FLOATS "U\1k"                                                                    \
    "U\3cpu" count "tQ" /* key k */
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR(count, offset, size, stride) REBUILD "(" ID(count) offset size stride "\x89}tR."

static void test_values(void **state)
{
    (void)state;
    static const char text[] = "\x80\2}(U\1aK\7X\1\0\0\0bM\1\2U\1cJ\xFF\xFF\xFF\xFFU\1d\x8A\2\0\x80"
                               "U\1eG\x3F\xF8\0\0\0\0\0\0U\1fNU\1g\x88U\1h\x89U\1i](K\1K\2eu"
                               "U\1jK\1K\2\x86sU\1kT\1\0\0\0xsU\1aK\x08s.";
    struct arena arena = {0};
    struct pickle p;
    struct error err = {XC_OK, ""};
    xc_status status = load(text, sizeof text - 1, &arena, &p, &err);
    if (status != XC_OK) FAIL("%s", err.text);
    assert_int_equal(pickle_get(p.root, "a")->integer, 8); /* the later one */
    assert_int_equal(pickle_get(p.root, "b")->integer, 513);
    assert_int_equal(pickle_get(p.root, "c")->integer, -1);
    assert_int_equal(pickle_get(p.root, "d")->integer, -32768);
    assert_true(pickle_get(p.root, "e")->real == 1.5);
    assert_int_equal(pickle_get(p.root, "f")->kind, PICKLE_NONE);
    assert_int_equal(pickle_get(p.root, "g")->integer, 1);
    assert_int_equal(pickle_get(p.root, "h")->integer, 0);
    assert_int_equal(pickle_get(p.root, "i")->items->count, 2);
    assert_int_equal(pickle_get(p.root, "j")->kind, PICKLE_TUPLE);
    assert_string_equal(pickle_get(p.root, "k")->text, "x");
    assert_null(pickle_get(p.root, "z"));
    assert_null(pickle_get(pickle_get(p.root, "a"), "z"));
    arena_free(&arena);
}

static void test_tensor(void **state)
{
    (void)state;
    static const char text[] = TENSOR("K\x0C", "K\1", "K\2K\3\x86", "K\1K\2\x86");
    struct arena arena = {0};
    struct pickle p;
    assert_int_equal(load(text, sizeof text - 1, &arena, &p, NULL), XC_OK);
    assert_int_equal(p.root->kind, PICKLE_TENSOR);
    const struct pickle_tensor *t = p.root->tensor;
    assert_int_equal(t->offset, 1);
    assert_int_equal(t->count, 6);
    assert_int_equal(t->size[1], 3);
    assert_int_equal(t->stride[1], 2);
    assert_string_equal(t->storage->key, "k");
    assert_int_equal(t->storage->count, 12);
    assert_int_equal(t->storage->element->type, DTYPE_F32);
    assert_int_equal(p.storages, 1);
    arena_free(&arena);
}

/* Python 2's OrderedDict of pairs, torch.Size, Parameter, a view, _metadata by BUILD */
static void test_calls(void **state)
{
    (void)state;
    static const char text[] = "\x80\2ccollections\nOrderedDict\n](](U\1aK\1eU\1bK\2\x86"
                               "e\x85Rq\0}U\1mNsb."
                               "ctorch\nSize\nK\2\x85\x85\x81."
                               "ctorch._utils\n_rebuild_parameter\n"
                               "(ctorch._utils\n_rebuild_tensor\n("
                               "(U\7storage" FLOATS "U\1kU\3cpuK\x0CU\1vK\4K\2\x87tQ"
                               "K\1K\1\x85K\1\x85tR\x88}tR.";
    struct bytes in = bytes_of(text, sizeof text - 1);
    struct arena arena = {0};
    struct pickle p;
    assert_int_equal(pickle_read(&in, &arena, &p, NULL), XC_OK);
    assert_int_equal(pickle_get(p.root, "b")->integer, 2);
    assert_int_equal(pickle_read(&in, &arena, &p, NULL), XC_OK);
    assert_int_equal(p.root->kind, PICKLE_TUPLE);
    assert_int_equal(pickle_read(&in, &arena, &p, NULL), XC_OK);
    assert_int_equal(p.root->kind, PICKLE_TENSOR);
    assert_int_equal(p.root->tensor->offset, 5); /* view 4 + own 1 */
    assert_int_equal(bytes_left(&in), 0);
    arena_free(&arena);
}

#define BYTES(text) text, sizeof text - 1
static const struct {
    const char *bytes;
    size_t size;
    xc_status status;
    const char *words;
} BAD[] = {
    {BYTES("cposix\nsystem\nU\2id\x85R."), XC_ERR_UNSUPPORTED, "posix system"},
    {BYTES("cos\n\x1B[2Jevil\n."), XC_ERR_UNSUPPORTED, "os ?[2Jevil"},
    {BYTES("ctorch\nload\n."), XC_ERR_UNSUPPORTED, "torch load"},
    {BYTES("c__builtin__\neval\n."), XC_ERR_UNSUPPORTED, "__builtin__ eval"},
    {BYTES("(S'id'\nios\nsystem\n."), XC_ERR_UNSUPPORTED, "opcode 0x53"},
    {BYTES("\x80\4\x95"), XC_ERR_UNSUPPORTED, "opcode 0x95"},
    {BYTES("\x80\x09."), XC_ERR_UNSUPPORTED, "protocol 9"},
    {BYTES("."), XC_ERR_FORMAT, "one value"},
    {BYTES("NN."), XC_ERR_FORMAT, "one value"},
    {BYTES("(."), XC_ERR_FORMAT, "one value"},
    {BYTES("N"), XC_ERR_FORMAT, "ends in the middle"},
    {BYTES("X\xFF\xFF\xFF\xFF"), XC_ERR_LIMIT, "string of"},
    {BYTES("X\xFF\xFF\0\0"), XC_ERR_FORMAT, "ends in the middle"},
    {BYTES("U\1\0."), XC_ERR_FORMAT, "NUL"},
    {BYTES("\x8A\x09\1\1\1\1\1\1\1\1\1."), XC_ERR_UNSUPPORTED, "9 bytes"},
    {BYTES("q\0."), XC_ERR_FORMAT, "nothing to remember"},
    {BYTES("Nr\xFF\xFF\xFF\x7F."), XC_ERR_LIMIT, "remembers at"},
    {BYTES("h\0."), XC_ERR_FORMAT, "never remembered"},
    {BYTES("Nq\0h\1."), XC_ERR_FORMAT, "never remembered"},
    {BYTES("t."), XC_ERR_FORMAT, "mark"},
    {BYTES("N\x86."), XC_ERR_FORMAT, "too few"},
    {BYTES("(N\x86."), XC_ERR_FORMAT, "too few"},
    {BYTES("a."), XC_ERR_FORMAT, "append"},
    {BYTES("NNa."), XC_ERR_FORMAT, "without a list"},
    {BYTES("](NNu."), XC_ERR_FORMAT, "without a dict"},
    {BYTES("}(Nu."), XC_ERR_FORMAT, "without a value"},
    {BYTES("}Ns."), XC_ERR_FORMAT, "without a dict"},
    {BYTES("s."), XC_ERR_FORMAT, "too few"},
    {BYTES("Q."), XC_ERR_FORMAT, "id is missing"},
    {BYTES("NQ."), XC_ERR_FORMAT, "no storage"},
    {BYTES("(U\6moduleNNNNtQ."), XC_ERR_FORMAT, "no storage"},
    {BYTES("(U\7storageccollections\nOrderedDict\nU\1kU\3cpuK\1tQ."), XC_ERR_FORMAT, "no storage"},
    {BYTES("R."), XC_ERR_FORMAT, "call without"},
    {BYTES("NN\x85R."), XC_ERR_FORMAT, "cannot be called"},
    {BYTES(FLOATS ")R."), XC_ERR_FORMAT, "cannot be called"},
    {BYTES("ccollections\nOrderedDict\nNR."), XC_ERR_FORMAT, "cannot be called"},
    {BYTES("ccollections\nOrderedDict\nN\x85R."), XC_ERR_FORMAT, "OrderedDict"},
    {BYTES("ccollections\nOrderedDict\n](NNe\x85R."), XC_ERR_FORMAT, "OrderedDict"},
    {BYTES("ctorch\nSize\n)R."), XC_ERR_FORMAT, "Size"},
    {BYTES("N]b."), XC_ERR_UNSUPPORTED, "no dict"},
    {BYTES("b."), XC_ERR_FORMAT, "state"},
    {BYTES(REBUILD ")R."), XC_ERR_FORMAT, "arguments of a tensor"},
    {BYTES(TENSOR("K\6", "K\0", "K\2K\3\x86", "K\3\x85")), XC_ERR_FORMAT, "arguments of a tensor"},
    {BYTES(TENSOR("K\6", "K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t")),
     XC_ERR_LIMIT, "rank 9"},
    {BYTES(TENSOR("K\6", "K\0", "K\2\x85", "J\xFF\xFF\xFF\xFF\x85")), XC_ERR_FORMAT, "stride"},
    {BYTES(TENSOR("K\6", "K\0", "J\xFF\xFF\xFF\xFF\x85", "K\1\x85")), XC_ERR_FORMAT, "size"},
    {BYTES(TENSOR("K\6", "K\1", "K\6\x85", "K\1\x85")), XC_ERR_FORMAT, "outside its storage of 6"},
    {BYTES(TENSOR("K\6", "K\0", "K\3\x85", "K\3\x85")), XC_ERR_FORMAT, "outside"},
    {BYTES(TENSOR("K\0", "K\0", ")", ")")), XC_ERR_FORMAT, "outside"},
    {BYTES(TENSOR(
         "K\6", "K\0", "K\3K\3\x86",
         "\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x86")),
     XC_ERR_FORMAT, "outside"},
    {BYTES(TENSOR(
         "K\6", "K\0",
         "\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x86",
         "K\0K\0\x86")),
     XC_ERR_FORMAT, "outside"},
    {BYTES("(" ID("K\6") ID("K\7") "t."), XC_ERR_FORMAT, "two ways"},
    {BYTES("(U\7storage" FLOATS "U\1kU\3cpuK\6U\1vK\4K\3\x87tQ."), XC_ERR_FORMAT, "view"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct arena arena = {0};
        struct pickle p;
        struct error err = {XC_OK, ""};
        xc_status status = load(BAD[i].bytes, BAD[i].size, &arena, &p, &err);
        if (status != BAD[i].status || !strstr(err.text, BAD[i].words))
            FAIL("%zu: %d \"%s\", expected \"%s\"", i, status, err.text, BAD[i].words);
        arena_free(&arena);
    }
}

/* Small pickles that would become large: depth, memory, time. */
static void test_bombs(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    char *text = malloc(SIZE);
    struct error err;
    struct pickle p;
    struct arena arena = {0};
    memset(text, '(', SIZE);
    assert_int_equal(load(text, SIZE, &arena, &p, &err), XC_ERR_LIMIT); /* deep stack */
    assert_non_null(strstr(err.text, "stack"));
    arena_free(&arena);
    text[0] = 'N';
    memset(text + 1, 0x85, SIZE - 1); /* a tuple in a tuple in a tuple ... */
    assert_int_equal(load(text, SIZE, &arena, &p, &err), XC_ERR_LIMIT);
    assert_non_null(strstr(err.text, "steps"));
    arena_free(&arena);
    /* a long list of pairs, made a dict again and again */
    size_t at = (size_t)sprintf(text, "](NN\x86q");
    text[at++] = 0;
    for (int i = 0; i < 60000; i++, at += 2) memcpy(text + at, "h\0", 2);
    text[at++] = 'e';
    memcpy(text + at, "q\1", 2);
    at += 2;
    while (at < SIZE - 64) {
        static const char call[] = "ccollections\nOrderedDict\nh\1\x85R\x85";
        memcpy(text + at, call, sizeof call - 1);
        at += sizeof call - 1;
    }
    assert_int_equal(load(text, at, &arena, &p, &err), XC_ERR_LIMIT);
    assert_non_null(strstr(err.text, "steps"));
    arena_free(&arena);
    /* a list that contains itself is a value like any other */
    static const char cycle[] = "]q\0h\0a.";
    assert_int_equal(load(cycle, sizeof cycle - 1, &arena, &p, &err), XC_OK);
    assert_ptr_equal(p.root->items->at[0], p.root);
    arena_free(&arena);
    free(text);
}

RUN(cmocka_unit_test(test_values), cmocka_unit_test(test_tensor), cmocka_unit_test(test_calls),
    cmocka_unit_test(test_bad), cmocka_unit_test(test_bombs))
