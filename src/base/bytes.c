/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are untrusted bytes read without overrun? Every read goes through bytes_take, which is the
 * only place that compares a length with what is left.
 */
#include "base/bytes.h"

struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = data, .size = size};
}

size_t bytes_left(const struct bytes *b)
{
    return b->failed ? 0 : b->size - b->at;
}

const uint8_t *bytes_take(struct bytes *b, size_t count)
{
    if (b->failed || count > b->size - b->at) {
        b->failed = true;
        return NULL;
    }
    const uint8_t *place = b->data + b->at;
    b->at += count;
    return place;
}

void bytes_skip(struct bytes *b, size_t count)
{
    (void)bytes_take(b, count);
}

void bytes_seek(struct bytes *b, size_t at)
{
    if (at > b->size) b->failed = true;
    if (!b->failed) b->at = at;
}

static uint64_t little_endian(struct bytes *b, size_t count)
{
    const uint8_t *place = bytes_take(b, count);
    uint64_t value = 0;
    for (size_t i = count; place && i > 0; i--) value = value << 8 | place[i - 1];
    return value;
}

static uint32_t big_endian(struct bytes *b, size_t count)
{
    const uint8_t *place = bytes_take(b, count);
    uint32_t value = 0;
    for (size_t i = 0; place && i < count; i++) value = value << 8 | place[i];
    return value;
}

uint8_t bytes_u8(struct bytes *b)
{
    return (uint8_t)little_endian(b, 1);
}

uint16_t bytes_u16le(struct bytes *b)
{
    return (uint16_t)little_endian(b, 2);
}

uint16_t bytes_u16be(struct bytes *b)
{
    return (uint16_t)big_endian(b, 2);
}

uint32_t bytes_u32le(struct bytes *b)
{
    return (uint32_t)little_endian(b, 4);
}

uint32_t bytes_u32be(struct bytes *b)
{
    return big_endian(b, 4);
}

uint64_t bytes_u64le(struct bytes *b)
{
    return little_endian(b, 8);
}
