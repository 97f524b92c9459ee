/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which way up was the camera held? Reads one number of an EXIF block, which is a TIFF file of its
 * own: byte order, 42, offset of the first directory, and there 12-byte entries
 *
 *     0 tag u16 | 2 type u16 | 4 count u32 | 8 value, or its offset
 *
 * Nothing else in EXIF changes pixels, so nothing else is read.
 */
#include "image/format.h"

#include <string.h>

#include "base/bytes.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

struct tiff {
    struct bytes at;
    bool big_endian;
};

static uint32_t u16(struct tiff *t)
{
    return t->big_endian ? bytes_u16be(&t->at) : bytes_u16le(&t->at);
}

static uint32_t u32(struct tiff *t)
{
    return t->big_endian ? bytes_u32be(&t->at) : bytes_u32le(&t->at);
}

static bool tiff_open(struct tiff *t, const uint8_t *bytes, size_t count)
{
    static const uint8_t prefix[6] = "Exif\0";
    if (count >= sizeof prefix && !memcmp(bytes, prefix, sizeof prefix)) {
        bytes += sizeof prefix;
        count -= sizeof prefix;
    }
    *t = (struct tiff){.at = bytes_of(bytes, count)};
    uint16_t order = bytes_u16be(&t->at);
    t->big_endian = order == 0x4d4d; /* "MM"; "II" is little-endian */
    return (t->big_endian || order == 0x4949) && u16(t) == 42;
}

uint32_t exif_orientation(const uint8_t *bytes, size_t count)
{
    struct tiff t;
    if (!tiff_open(&t, bytes, count)) return 1;
    bytes_seek(&t.at, u32(&t));
    uint32_t entries = u16(&t);
    for (uint32_t i = 0; i < entries && !t.at.failed; i++) {
        uint32_t tag = u16(&t), type = u16(&t), values = u32(&t);
        uint32_t value = u16(&t); /* a SHORT stands in the first two bytes of its field */
        bytes_skip(&t.at, 2);
        if (tag != TAG_ORIENTATION) continue;
        bool valid = !t.at.failed && type == TYPE_SHORT && values == 1 && value >= 1 && value <= 8;
        return valid ? value : 1;
    }
    return 1;
}
