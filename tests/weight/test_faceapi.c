/* SPDX-License-Identifier: Apache-2.0 */
/* Is a face-api manifest read, are its rules kept, and are quantised values made as tfjs makes
 * them? */
#include "harness.h"
#include "weight/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "weight/faceapi.h"

#define W(more) "{\"name\":\"a\",\"shape\":[2],\"dtype\":\"float32\"" more "}"
#define Q ",\"quantization\":{\"dtype\":\"uint8\",\"scale\":0.1,\"min\":-3}"
#define M(weights, paths) "[{\"weights\":[" weights "],\"paths\":[" paths "]}]"

static void test_good(void **state)
{
    (void)state;
    static const char text[] =
        "[{\"weights\":[" W(Q) "," W("") "],\"paths\":[\"x.bin\",\"y\"]},"
                                         "{\"paths\":[\"z\"],\"weights\":[" W("") "]}]";
    struct faceapi m;
    struct error err;
    assert_int_equal(faceapi_read(text, strlen(text), &m, &err), XC_OK);
    assert_int_equal(m.tensors, 3);
    assert_int_equal(m.paths, 3);
    assert_int_equal(m.groups, 2);
    assert_int_equal(m.group[0].paths, 2);
    assert_int_equal(m.group[0].bytes, 10);
    assert_int_equal(m.bytes, 18);
    assert_int_equal(m.tensor[1].offset, 2);
    assert_string_equal(m.path[1], "y");
    uint8_t shards[18] = {0, 129};
    const float plain[2] = {1.5f, -2.25f};
    memcpy(shards + 2, plain, 8); /* unaligned */
    float out[2];
    faceapi_decode(&m.tensor[0], shards, out);
    assert_true(out[0] == -3.0f && out[1] == (float)(129 * 0.1 - 3));
    float product = 129 * 0.1f;
    assert_true(out[1] != product - 3.0f); /* one rounding, not three */
    faceapi_decode(&m.tensor[1], shards, out);
    assert_memory_equal(out, plain, 8);
    faceapi_free(&m);
}

static const struct {
    const char *text;
    xc_status status;
    const char *words;
} BAD[] = {
    {"", XC_ERR_FORMAT, "not JSON"},
    {"{}", XC_ERR_FORMAT, "not a list"},
    {"[1]", XC_ERR_FORMAT, "lacks weights or paths"},
    {"[{\"weights\":[]}]", XC_ERR_FORMAT, "lacks weights or paths"},
    {M("1", ""), XC_ERR_FORMAT, "lacks name or dtype"},
    {M("{\"name\":\"a\",\"dtype\":\"int32\",\"shape\":[1]}", ""), XC_ERR_UNSUPPORTED, "int32"},
    {M("{\"name\":\"a\",\"dtype\":\"float32\",\"shape\":1}", ""), XC_ERR_FORMAT, "shape"},
    {M("{\"name\":\"a\",\"dtype\":\"float32\",\"shape\":[-1]}", ""), XC_ERR_FORMAT, "dimension"},
    {M("{\"name\":\"a\",\"dtype\":\"float32\",\"shape\":[1.5]}", ""), XC_ERR_FORMAT, "dimension"},
    {M("{\"name\":\"a\",\"dtype\":\"float32\",\"shape\":[4294967296,4294967296]}", ""),
     XC_ERR_FORMAT, "too many elements"},
    {M("{\"name\":\"a\",\"dtype\":\"float32\",\"shape\":[4611686018427387904]}", ""), XC_ERR_FORMAT,
     "too many bytes"},
    {M(W(",\"quantization\":{\"dtype\":\"uint16\",\"scale\":1,\"min\":0}"), ""), XC_ERR_UNSUPPORTED,
     "uint16"},
    {M(W(",\"quantization\":{\"dtype\":\"uint8\",\"scale\":1}"), ""), XC_ERR_FORMAT, "lacks"},
    {M(W(",\"quantization\":{\"dtype\":\"uint8\",\"scale\":1e999,\"min\":0}"), ""), XC_ERR_FORMAT,
     "not JSON"},
    {M("", "1"), XC_ERR_FORMAT, "not a string"},
    {M("", "\"../x\""), XC_ERR_FORMAT, "no plain file name"},
    {M("", "\"/etc/passwd\""), XC_ERR_FORMAT, "no plain file name"},
    {M("", "\"..\""), XC_ERR_FORMAT, "no plain file name"},
    {M("", "\"\""), XC_ERR_FORMAT, "no plain file name"},
    {M("", "\"a\\\\b\""), XC_ERR_FORMAT, "no plain file name"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct error err = {XC_OK, ""};
        struct faceapi m;
        xc_status status = faceapi_read(BAD[i].text, strlen(BAD[i].text), &m, &err);
        if (status != BAD[i].status || !strstr(err.text, BAD[i].words))
            FAIL("%s: %d \"%s\"", BAD[i].text, status, err.text);
        assert_null(m.arena.last);
    }
}

static void test_truncation(void **state)
{
    (void)state;
    static const char text[] = M(W(Q), "\"x\"");
    for (size_t cut = 0; cut < strlen(text); cut++) {
        char *part = malloc(cut ? cut : 1);
        memcpy(part, text, cut);
        struct faceapi m;
        assert_int_not_equal(faceapi_read(part, cut, &m, NULL), XC_OK);
        free(part);
    }
}

static void test_bloat(void **state)
{
    (void)state;
    enum { SIZE = 5 << 20 };
    char *text = malloc(SIZE);
    memset(text, ' ', SIZE);
    struct faceapi m;
    struct error err;
    assert_int_equal(faceapi_read(text, SIZE, &m, &err), XC_ERR_LIMIT);
    size_t at = (size_t)sprintf(text, "[{\"weights\":[],\"paths\":[\"x\"");
    for (int i = 0; i < FACEAPI_MAX_PATHS; i++) at += (size_t)sprintf(text + at, ",\"x\"");
    at += (size_t)sprintf(text + at, "]}]");
    assert_int_equal(faceapi_read(text, at, &m, &err), XC_ERR_LIMIT);
    free(text);
}

RUN(cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_truncation),
    cmocka_unit_test(test_bloat))
