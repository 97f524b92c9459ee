/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a tar read without trusting it? Every header's checksum must be right, every member must
 * lie inside the file, names end at 4 KiB and pax headers at 1 MiB, and a name with ".." is refused
 * although nothing is ever written to it. Links, devices and folders are counted and passed over.
 *
 * What surprises: a long name stands in a member of its own in front of the one that it names, in
 * two dialects (pax 'x', GNU 'L').
 */
#include "data/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { PAX_MOST = 1 << 20 };

/* Fields of a header: offset and length. */
enum {
    NAME = 0,
    NAME_SIZE = 100,
    MODE = 100,
    OWNER = 108,
    GROUP = 116,
    SIZE = 124,
    SIZE_SIZE = 12,
    TIME = 136,
    SUM = 148,
    SUM_SIZE = 8,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_SIZE = 155
};

struct reading {
    const struct tar_input *in;
    uint64_t at;
    uint8_t block[TAR_BLOCK];
    char long_name[TAR_MAX_NAME + 1]; /* of the next member; "": its own */
    uint64_t long_size;               /* of the next member, where pax says it */
    bool has_long_size;
    uint8_t text[TAR_MAX_NAME + 1]; /* of a long name */
    struct error *err;
};

/* Octal with spaces around, or GNU's base 256. False: neither. */
static bool read_number(const uint8_t *field, size_t n, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    if (field[0] & 0x80) {
        for (i = 1; i + 8 < n; i++)
            if (field[i] != 0) return false;
        for (; i < n; i++) value = value << 8 | field[i];
        *out = value;
        return field[0] == 0x80;
    }
    while (i < n && field[i] == ' ') i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) value = value << 3 | (field[i] - '0');
    *out = value; /* 12 octal digits fit */
    return i == n || field[i] == ' ' || field[i] == '\0';
}

static uint64_t sum_of(const uint8_t *block)
{
    uint64_t sum = 0;
    for (int i = 0; i < TAR_BLOCK; i++) sum += i >= SUM && i < SUM + SUM_SIZE ? ' ' : block[i];
    return sum;
}

static bool is_zero(const uint8_t *block)
{
    for (int i = 0; i < TAR_BLOCK; i++)
        if (block[i]) return false;
    return true;
}

/* The next header; *end at two zero blocks or the end of the file. *size: of the member. */
static xc_status next_header(struct reading *r, uint64_t *size, bool *end)
{
    uint64_t sum;
    *end = r->at == r->in->size && r->at > 0;
    if (*end) return XC_OK;
    if (r->in->size - r->at < TAR_BLOCK)
        return fail(r->err, XC_ERR_FORMAT, "tar ends early, in the header at byte %" PRIu64, r->at);
    TRY(r->in->read(r->in->ctx, r->at, r->block, TAR_BLOCK, r->err));
    *end = is_zero(r->block);
    if (*end) return XC_OK;
    if (!read_number(r->block + SUM, SUM_SIZE, &sum) || sum != sum_of(r->block))
        return fail(r->err, XC_ERR_FORMAT, "tar: wrong checksum in the header at byte %" PRIu64,
                    r->at);
    if (!read_number(r->block + SIZE, SIZE_SIZE, size))
        return fail(r->err, XC_ERR_FORMAT, "tar: no size in the header at byte %" PRIu64, r->at);
    r->at += TAR_BLOCK;
    return XC_OK;
}

/* Moves behind a member of `size` bytes and its padding; the last may lack its padding. */
static xc_status skip_member(struct reading *r, uint64_t size)
{
    uint64_t left = r->in->size - r->at;
    if (size > left)
        return fail(r->err, XC_ERR_FORMAT,
                    "tar ends early: the member at byte %" PRIu64 " has %" PRIu64 " bytes, %" PRIu64
                    " are left",
                    r->at, size, left);
    uint64_t padded = size + (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
    r->at += padded < left ? padded : left;
    return XC_OK;
}

static xc_status keep_name(struct reading *r, const uint8_t *text, size_t n)
{
    n = strnlen((const char *)text, n);
    if (n > TAR_MAX_NAME)
        return fail(r->err, XC_ERR_LIMIT,
                    "tar: a name of %zu bytes at byte %" PRIu64 ", at most %d", n, r->at,
                    TAR_MAX_NAME);
    memcpy(r->long_name, text, n);
    r->long_name[n] = '\0';
    return XC_OK;
}

static xc_status read_gnu_name(struct reading *r, uint64_t size)
{
    if (size > TAR_MAX_NAME + 1)
        return fail(r->err, XC_ERR_LIMIT, "tar: a name of %" PRIu64 " bytes, at most %d", size,
                    TAR_MAX_NAME);
    TRY(r->in->read(r->in->ctx, r->at, r->text, (size_t)size, r->err));
    return keep_name(r, r->text, (size_t)size);
}

/* One record "LENGTH KEY=VALUE\n" of a pax header; *n: bytes of it. */
static xc_status read_record(struct reading *r, const uint8_t *text, size_t left, size_t *n)
{
    size_t length = 0, at = 0;
    while (at < left && at < 8 && text[at] >= '0' && text[at] <= '9')
        length = length * 10 + (size_t)(text[at++] - '0');
    bool whole = at > 0 && at < left && text[at] == ' ' && length > at + 1 && length <= left &&
                 text[length - 1] == '\n';
    if (!whole)
        return fail(r->err, XC_ERR_FORMAT, "tar: a damaged pax header before byte %" PRIu64, r->at);
    const uint8_t *key = text + at + 1;
    const uint8_t *equals = memchr(key, '=', length - at - 2);
    *n = length;
    if (!equals) return XC_OK;
    const uint8_t *value = equals + 1;
    size_t key_size = (size_t)(equals - key), value_size = (size_t)(text + length - 1 - value);
    if (key_size == 4 && !memcmp(key, "path", 4)) return keep_name(r, value, value_size);
    if (key_size != 4 || memcmp(key, "size", 4) != 0) return XC_OK;
    r->has_long_size = true;
    r->long_size = 0;
    for (size_t i = 0; i < value_size; i++) {
        if (value[i] < '0' || value[i] > '9' || r->long_size > UINT64_MAX / 10 - 1)
            return fail(r->err, XC_ERR_FORMAT, "tar: a pax size is no number before byte %" PRIu64,
                        r->at);
        r->long_size = r->long_size * 10 + (uint64_t)(value[i] - '0');
    }
    return XC_OK;
}

static xc_status read_pax(struct reading *r, uint64_t size)
{
    if (size > PAX_MOST)
        return fail(r->err, XC_ERR_LIMIT, "tar: a pax header of %" PRIu64 " bytes, at most %d",
                    size, PAX_MOST);
    uint8_t *text = malloc((size_t)size + 1);
    if (!text) return fail_memory(r->err, (size_t)size + 1);
    xc_status status = r->in->read(r->in->ctx, r->at, text, (size_t)size, r->err);
    for (size_t at = 0, n = 0; status == XC_OK && at < size; at += n)
        status = read_record(r, text + at, (size_t)size - at, &n);
    free(text);
    return status;
}

static bool climbs(const char *name)
{
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (!strncmp(at, "..", 2) && (at[2] == '/' || at[2] == '\0')) return true;
    }
    return false;
}

/* The name of the current header into long_name, unless a member before it said it. */
static xc_status name_of(struct reading *r, const char **name)
{
    const char *short_name = (const char *)r->block + NAME;
    const char *prefix = (const char *)r->block + PREFIX;
    bool ustar = !memcmp(r->block + MAGIC, "ustar\0", 6);
    if (r->long_name[0] == '\0') {
        int prefix_size = ustar ? (int)strnlen(prefix, PREFIX_SIZE) : 0;
        snprintf(r->long_name, sizeof r->long_name, "%.*s%s%.*s", prefix_size, prefix,
                 prefix_size ? "/" : "", (int)strnlen(short_name, NAME_SIZE), short_name);
    }
    *name = r->long_name;
    while (**name == '/' || !strncmp(*name, "./", 2)) *name += **name == '/' ? 1 : 2;
    if (climbs(*name))
        return fail(r->err, XC_ERR_FORMAT, "tar: the name %s climbs out of the archive", *name);
    return XC_OK;
}

/* What the header in the block means; members that are no regular files are skipped. */
static xc_status read_member(struct reading *r, uint64_t size, tar_member_fn *member, void *user,
                             size_t *links)
{
    uint8_t type = r->block[TYPE];
    const char *name;
    if (size > r->in->size - r->at) return skip_member(r, size);
    if (type == 'x' || type == 'L') {
        TRY(type == 'x' ? read_pax(r, size) : read_gnu_name(r, size));
        return skip_member(r, size);
    }
    if (type == 'g' || type == 'K') return skip_member(r, size);
    if (r->has_long_size) size = r->long_size;
    TRY(name_of(r, &name));
    uint64_t at = r->at;
    bool regular = (type == '0' || type == '\0' || type == '7') && name[0] != '\0' &&
                   name[strlen(name) - 1] != '/';
    TRY(skip_member(r, regular || r->has_long_size ? size : type == '5' ? 0 : size));
    if (!regular)
        *links += type == '1' || type == '2'; /* hard, symbolic */
    else
        TRY(member(user, name, at, size, r->err));
    r->long_name[0] = '\0';
    r->has_long_size = false;
    return XC_OK;
}

xc_status tar_index(const struct tar_input *in, tar_member_fn *member, void *user, size_t *links,
                    struct error *err)
{
    struct reading r = {.in = in, .err = err};
    *links = 0;
    for (;;) {
        uint64_t size;
        bool end;
        TRY(next_header(&r, &size, &end));
        if (end) return XC_OK;
        TRY(read_member(&r, size, member, user, links));
    }
}

/* Octal in n - 1 digits and a NUL. */
static void put_octal(uint8_t *field, size_t n, uint64_t value)
{
    field[--n] = '\0';
    for (; n > 0; value >>= 3) field[--n] = (uint8_t)('0' + (value & 7));
}

static void put_block(uint8_t *block, const char *name, size_t name_size, uint64_t bytes, char type)
{
    memset(block, 0, TAR_BLOCK);
    memcpy(block + NAME, name, name_size);
    put_octal(block + MODE, 8, 0644);
    put_octal(block + OWNER, 8, 0);
    put_octal(block + GROUP, 8, 0);
    put_octal(block + SIZE, SIZE_SIZE, bytes);
    put_octal(block + TIME, 12, 0);
    block[TYPE] = (uint8_t)type;
    memcpy(block + MAGIC, "ustar\00000", 8);
    put_octal(block + SUM, SUM_SIZE - 1, sum_of(block));
    block[SUM + SUM_SIZE - 1] = ' ';
}

size_t tar_header(const char *name, uint64_t bytes, uint8_t *block)
{
    size_t n = strlen(name);
    if (n <= NAME_SIZE) {
        put_block(block, name, n, bytes, '0');
        return TAR_BLOCK;
    }
    if (n > TAR_MAX_NAME) return 0;
    char record[TAR_MAX_NAME + 32];
    int length = (int)n + 7, digits = snprintf(NULL, 0, "%d", length); /* " path=" and newline */
    length += digits;
    if (snprintf(NULL, 0, "%d", length) > digits) length++;
    snprintf(record, sizeof record, "%d path=%s\n", length, name);
    size_t padded = ((size_t)length + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    put_block(block, "pax", 3, (uint64_t)length, 'x');
    memset(block + TAR_BLOCK, 0, padded);
    memcpy(block + TAR_BLOCK, record, (size_t)length);
    put_block(block + TAR_BLOCK + padded, name, NAME_SIZE, bytes, '0');
    return 2 * TAR_BLOCK + padded;
}
