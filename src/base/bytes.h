/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are untrusted bytes read without overrun? A cursor that is sticky: after the first read past
 * the end every read gives zero and `failed` stays set, so a parser reads a whole header and looks
 * once. Nothing is copied.
 */
#ifndef XC_BASE_BYTES_H
#define XC_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *data;
    size_t size, at;
    bool failed;
};

struct bytes bytes_of(const void *data, size_t size);
size_t bytes_left(const struct bytes *b);
uint8_t bytes_u8(struct bytes *b);
uint16_t bytes_u16le(struct bytes *b);
uint16_t bytes_u16be(struct bytes *b);
uint32_t bytes_u32le(struct bytes *b);
uint32_t bytes_u32be(struct bytes *b);
uint64_t bytes_u64le(struct bytes *b);
/* count bytes in place, or NULL (and failed) when fewer are left */
const uint8_t *bytes_take(struct bytes *b, size_t count);
void bytes_skip(struct bytes *b, size_t count);
/* absolute position; past the end fails */
void bytes_seek(struct bytes *b, size_t at);

#endif
