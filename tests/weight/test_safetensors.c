/* SPDX-License-Identifier: Apache-2.0 */
/* Is a good safetensors file read, is each rule broken by one bad file refused, and do the same
 * tensors give the same bytes? Files are made here: length, header, data. */
#include "harness.h"
#include "weight/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "weight/json.h"
#include "weight/weight.h"

enum { ROOM = 1 << 16 };

struct buffer {
    uint8_t *data;
    size_t size, room;
};

static xc_status to_buffer(void *user, const void *data, size_t size, struct error *err)
{
    (void)err;
    struct buffer *b = user;
    while (b->room < b->size + size) {
        b->room = b->room ? b->room * 2 : ROOM;
        b->data = realloc(b->data, b->room);
        assert_non_null(b->data);
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return XC_OK;
}

/* In memory of exactly its size, so that a sanitizer sees one byte too many. */
static uint8_t *make(const char *header, size_t data, size_t *size)
{
    size_t length = strlen(header);
    *size = 8 + length + data;
    uint8_t *file = calloc(*size, 1);
    assert_non_null(file);
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < data; i++) file[8 + length + i] = (uint8_t)i;
    return file;
}

static xc_status read_header(const char *header, size_t data, struct weight_file *out,
                             struct error *err)
{
    size_t size;
    uint8_t *file = make(header, data, &size);
    xc_status status = safetensors_read(file, size, out, err);
    free(file);
    return status;
}

#define T(name, type, shape, place)                                                                \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" place "}"

static const char GOOD[] =
    "{\"__metadata__\":{\"format\":\"pt\"}," T("b", "F32", "[2]", "[8,16]") "," T(
        "a", "I64", "[]", "[0,8]") "," T("none", "F16", "[0,3]", "[16,16]") "}  ";

static void test_good(void **state)
{
    (void)state;
    struct error err;
    struct weight_file f;
    size_t size;
    uint8_t *file = make(GOOD, 16, &size);
    assert_int_equal(safetensors_read(file, size, &f, &err), XC_OK);
    assert_int_equal(f.tensors, 3);
    assert_string_equal(f.tensor[0].name, "a"); /* by place, not by header */
    assert_string_equal(f.tensor[1].name, "b");
    assert_int_equal(f.tensor[1].rank, 1);
    assert_int_equal(f.tensor[1].dim[0], 2);
    assert_int_equal(f.tensor[1].count, 2);
    assert_ptr_equal(f.tensor[1].data, file + size - 8);
    assert_int_equal(f.tensor[2].count, 0);
    assert_ptr_equal(weight_find(&f, "none"), &f.tensor[2]);
    assert_null(weight_find(&f, "missing"));
    assert_string_equal(weight_meta_find(&f, "format"), "pt");
    assert_null(weight_meta_find(&f, "missing"));
    weight_file_free(&f);
    assert_int_equal(f.tensors, 0);
    free(file);
    assert_int_equal(read_header("{}", 0, &f, &err), XC_OK);
    weight_file_free(&f);
}

static const struct {
    const char *header;
    size_t data;
    xc_status status;
    const char *words; /* part of the sentence */
} BAD[] = {
    {"", 0, XC_ERR_FORMAT, "begin with '{'"},
    {" {}", 0, XC_ERR_FORMAT, "begin with '{'"},
    {"[]", 0, XC_ERR_FORMAT, "begin with '{'"},
    {"{", 0, XC_ERR_FORMAT, "not JSON"},
    {"{}x", 0, XC_ERR_FORMAT, "not JSON"},
    {"{\"a\\u0000b\":1}", 0, XC_ERR_FORMAT, "not JSON"},
    {"{\"\xFF\":1}", 0, XC_ERR_FORMAT, "not JSON"},
    {"{" T("a", "U8", "[1]", "[0,1]") "," T("a", "U8", "[1]", "[1,2]") "}", 2, XC_ERR_FORMAT,
     "not JSON"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     XC_ERR_FORMAT, "not JSON"},
    {"{\"__metadata__\":[]}", 0, XC_ERR_FORMAT, "not an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, XC_ERR_FORMAT, "not a string"},
    {"{\"a\":1}", 0, XC_ERR_FORMAT, "not just dtype"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, XC_ERR_FORMAT, "not just dtype"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1, XC_ERR_FORMAT,
     "not just dtype"},
    {"{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, XC_ERR_FORMAT,
     "not just dtype"},
    {"{" T("a", "F8_E4M3", "[1]", "[0,1]") "}", 1, XC_ERR_UNSUPPORTED, "type F8_E4M3"},
    {"{" T("a", "U8", "1", "[0,1]") "}", 1, XC_ERR_FORMAT, "shape is no list"},
    {"{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, XC_ERR_LIMIT, "rank 9"},
    {"{" T("a", "U8", "[1.0]", "[0,1]") "}", 1, XC_ERR_FORMAT, "dimension 0"},
    {"{" T("a", "U8", "[1,-1]", "[0,1]") "}", 1, XC_ERR_FORMAT, "dimension 1"},
    {"{" T("a", "U8", "[\"1\"]", "[0,1]") "}", 1, XC_ERR_FORMAT, "dimension 0"},
    {"{" T("a", "U8", "[4294967296,4294967296]", "[0,0]") "}", 0, XC_ERR_FORMAT, "too many"},
    {"{" T("a", "F64", "[2305843009213693952]", "[0,0]") "}", 0, XC_ERR_FORMAT, "do not fill"},
    {"{" T("a", "U8", "[18446744073709551617]", "[0,1]") "}", 1, XC_ERR_FORMAT, "not JSON"},
    {"{" T("a", "U8", "[1]", "[0]") "}", 1, XC_ERR_FORMAT, "data_offsets"},
    {"{" T("a", "U8", "[1]", "[0,1,2]") "}", 1, XC_ERR_FORMAT, "data_offsets"},
    {"{" T("a", "U8", "[1]", "[0,1.0]") "}", 1, XC_ERR_FORMAT, "data_offsets"},
    {"{" T("a", "U8", "[1]", "[-1,0]") "}", 1, XC_ERR_FORMAT, "data_offsets"},
    {"{" T("a", "U8", "[1]", "[2,1]") "}", 2, XC_ERR_FORMAT, "data_offsets"},
    {"{" T("a", "F32", "[2]", "[0,4]") "}", 4, XC_ERR_FORMAT, "do not fill 4 bytes"},
    {"{" T("a", "U8", "[1]", "[1,2]") "}", 2, XC_ERR_FORMAT, "a hole"},
    {"{" T("a", "U8", "[1]", "[0,1]") "," T("b", "U8", "[1]", "[2,3]") "}", 3, XC_ERR_FORMAT,
     "a hole"},
    {"{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[1,3]") "}", 3, XC_ERR_FORMAT,
     "an overlap"},
    {"{" T("a", "U8", "[1]", "[0,1]") "," T("b", "U8", "[1]", "[0,1]") "}", 1, XC_ERR_FORMAT,
     "an overlap"},
    {"{" T("a", "U8", "[2]", "[0,2]") "}", 1, XC_ERR_FORMAT, "after the file"},
    {"{" T("a", "U8", "[9223372036854775807]", "[0,9223372036854775807]") "}", 1, XC_ERR_FORMAT,
     "after the file"},
    {"{" T("a", "U8", "[2]", "[0,2]") "}", 3, XC_ERR_FORMAT, "1 bytes after the last tensor"},
    {"{}", 1, XC_ERR_FORMAT, "1 bytes after"},
    {"{\"evil\\u001b[2J\":1}", 0, XC_ERR_FORMAT, "evil?[2J"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct error err = {XC_OK, ""};
        struct weight_file f;
        xc_status status = read_header(BAD[i].header, BAD[i].data, &f, &err);
        if (status != BAD[i].status || !strstr(err.text, BAD[i].words))
            FAIL("%s: %d \"%s\", expected %d \"%s\"", BAD[i].header, status, err.text,
                 BAD[i].status, BAD[i].words);
        assert_null(f.tensor);
        assert_null(f.arena.last);
    }
}

/* The length field against what is there; a short file. */
static void test_bad_length(void **state)
{
    (void)state;
    struct error err;
    struct weight_file f;
    uint8_t file[16] = {8, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' ', ' ', ' ', ' ', ' '};
    assert_int_equal(safetensors_read(file, 16, &f, &err), XC_OK);
    weight_file_free(&f);
    file[0] = 9;
    assert_int_equal(safetensors_read(file, 16, &f, &err), XC_ERR_FORMAT);
    file[7] = 0xFF; /* 2^63 and more: neither sign nor sum may matter */
    assert_int_equal(safetensors_read(file, 16, &f, &err), XC_ERR_LIMIT);
    memset(file, 0xFF, 8);
    assert_int_equal(safetensors_read(file, 16, &f, &err), XC_ERR_LIMIT);
    for (size_t size = 0; size < 8; size++)
        assert_int_equal(safetensors_read(file, size, &f, NULL), XC_ERR_FORMAT);
}

static void test_truncation(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = make(GOOD, 16, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut ? cut : 1);
        memcpy(part, file, cut);
        struct weight_file f;
        struct error err;
        assert_int_not_equal(safetensors_read(part, cut, &f, &err), XC_OK);
        assert_null(f.tensor);
        free(part);
    }
    free(file);
}

/* What costs more than it should: many values, many tensors. */
static void test_bloat(void **state)
{
    (void)state;
    struct error err;
    struct weight_file f;
    char *header = malloc(8 << 20);
    assert_non_null(header);
    size_t at = (size_t)sprintf(header, "{\"a\":[");
    while (at < (6u << 20)) at += (size_t)sprintf(header + at, "[],");
    sprintf(header + at, "[]]}");
    assert_int_equal(read_header(header, 0, &f, &err), XC_ERR_LIMIT);
    assert_non_null(strstr(err.text, "values"));
    at = (size_t)sprintf(header, "{");
    for (int i = 0; i <= WEIGHT_MAX_TENSORS; i++)
        at += (size_t)sprintf(header + at,
                              "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                              i ? "," : "", i);
    sprintf(header + at, "}");
    assert_int_equal(read_header(header, 0, &f, &err), XC_ERR_LIMIT);
    assert_non_null(strstr(err.text, "4097 tensors"));
    free(header);
}

/* The same of a text inside the metadata. */
static void test_bloated_text(void **state)
{
    (void)state;
    enum { PIECE = 3, PIECES = 200000 };
    json_error_t where;
    char *text = malloc(PIECE * PIECES + 4);
    assert_non_null(text);
    text[0] = '[';
    for (size_t i = 0; i < PIECES; i++) memcpy(text + 1 + PIECE * i, "[],", PIECE);
    memcpy(text + 1 + PIECE * PIECES, "0]", 3);
    assert_null(json_modest(text, strlen(text), &where));
    assert_non_null(strstr(where.text, "members"));
    json_t *json = json_modest("[[],[],0]", 9, &where);
    assert_int_equal(json_array_size(json), 3);
    json_decref(json);
    free(text);
}

static void test_round_trip(void **state)
{
    (void)state;
    const uint64_t seed = 20260101;
    print_message("seed %llu\n", (unsigned long long)seed);
    enum { TENSORS = 40 };
    static uint8_t numbers[4096];
    struct weight_tensor tensor[TENSORS] = {0};
    char names[TENSORS][16];
    for (int i = 0; i < TENSORS; i++) {
        uint32_t r[4];
        rng_words(seed, RNG_TEST, 0, 0, (uint32_t)i, r);
        tensor[i].type = (enum dtype)(r[0] % (DTYPE_I64 + 1));
        tensor[i].rank = (int)(r[1] % 4);
        tensor[i].bytes = dtype_size(tensor[i].type);
        for (int d = 0; d < tensor[i].rank; d++) {
            tensor[i].dim[d] = i % 13 == 0 && d == 0 ? 0 : 1 + (r[2] >> (4 * d)) % 5;
            tensor[i].bytes *= tensor[i].dim[d];
        }
        sprintf(names[i], "t\xC3\xA9/%d", 99 - i);
        tensor[i].name = names[i];
        tensor[i].data = numbers + r[3] % 1024;
    }
    for (size_t i = 0; i < sizeof numbers; i++) numbers[i] = (uint8_t)(i * 7);
    const struct weight_meta meta[] = {{"z", "last"}, {"a", "quote \" and \n"}};
    const struct weight_meta turned[] = {meta[1], meta[0]};
    struct buffer one = {0}, two = {0};
    struct error err;
    struct weight_file f;
    assert_int_equal(safetensors_write(tensor, TENSORS, meta, 2, to_buffer, &one, &err), XC_OK);
    assert_int_equal(safetensors_read(one.data, one.size, &f, &err), XC_OK);
    assert_int_equal(f.tensors, TENSORS);
    for (int i = 0; i < TENSORS; i++) {
        const struct weight_tensor *t = weight_find(&f, names[i]);
        assert_non_null(t);
        assert_int_equal(t->type, tensor[i].type);
        assert_int_equal(t->rank, tensor[i].rank);
        assert_int_equal(t->bytes, tensor[i].bytes);
        assert_memory_equal(t->dim, tensor[i].dim, sizeof t->dim);
        if (t->bytes) assert_memory_equal(t->data, tensor[i].data, t->bytes);
    }
    assert_int_equal((f.tensor[0].data - one.data) % 64, 0);
    assert_string_equal(weight_meta_find(&f, "a"), "quote \" and \n");
    assert_int_equal(safetensors_write(tensor, TENSORS, turned, 2, to_buffer, &two, &err), XC_OK);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    weight_file_free(&f);
    free(one.data);
    free(two.data);
}

static xc_status full(void *user, const void *data, size_t size, struct error *err)
{
    (void)data, (void)size;
    int *left = user;
    return (*left)-- > 0 ? XC_OK : fail(err, XC_ERR_SPACE, "full");
}

static void test_bad_write(void **state)
{
    (void)state;
    struct error err;
    struct buffer b = {0};
    const uint8_t data[8] = {0};
    struct weight_tensor t[2] = {{.name = "a", .rank = 1, .dim = {1}, .bytes = 4, .data = data},
                                 {.name = "a", .rank = 1, .dim = {1}, .bytes = 4, .data = data}};
    assert_int_equal(safetensors_write(t, 2, NULL, 0, to_buffer, &b, &err), XC_ERR_TENSOR);
    t[1].name = "__metadata__";
    assert_int_equal(safetensors_write(t, 2, NULL, 0, to_buffer, &b, &err), XC_ERR_TENSOR);
    t[1].name = "\xFF";
    assert_int_equal(safetensors_write(t, 2, NULL, 0, to_buffer, &b, &err), XC_ERR_FORMAT);
    t[1].name = "b";
    t[1].bytes = 5;
    assert_int_equal(safetensors_write(t, 2, NULL, 0, to_buffer, &b, &err), XC_ERR_ARGUMENT);
    t[1].bytes = 4;
    t[1].rank = 9;
    assert_int_equal(safetensors_write(t, 2, NULL, 0, to_buffer, &b, &err), XC_ERR_LIMIT);
    t[1].rank = 1;
    const struct weight_meta bad = {"k", "\xFF"}, twice[] = {{"k", "v"}, {"k", "w"}};
    assert_int_equal(safetensors_write(t, 2, &bad, 1, to_buffer, &b, &err), XC_ERR_FORMAT);
    assert_int_equal(safetensors_write(t, 2, twice, 2, to_buffer, &b, &err), XC_ERR_ARGUMENT);
    assert_int_equal(b.size, 0); /* nothing was written before the refusal */
    for (int pieces = 0; pieces < 3; pieces++) {
        int left = pieces;
        assert_int_equal(safetensors_write(t, 2, NULL, 0, full, &left, &err), XC_ERR_SPACE);
    }
    free(b.data);
}

RUN(cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_bad_length),
    cmocka_unit_test(test_truncation), cmocka_unit_test(test_bloat),
    cmocka_unit_test(test_bloated_text), cmocka_unit_test(test_round_trip),
    cmocka_unit_test(test_bad_write))
