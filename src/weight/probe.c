/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which weight format is this? By content, never by the name of the file. A zip tells by its
 * members: their local headers are walked from the front, as far as sizes are known there; the
 * first name that only one of the two formats uses decides.
 */
#include "weight/weight.h"

#include <string.h>

#include "base/bytes.h"

static const uint8_t HDF5_SIGNATURE[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
static const uint8_t ZIP_SIGNATURE[4] = {'P', 'K', 3, 4};
/* LONG1 0x1950a86a20f9469cfc6c, STOP: the first of the five pickles, behind PROTO n */
static const uint8_t TORCH_MAGIC[13] = {0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9,
                                        0x20, 0x6A, 0xA8, 0x50, 0x19, '.'};
enum { FORMAT_MAX_HEADER = 100000000, MAX_MEMBERS = 64, USER_BLOCK = 512 };

static bool begins(const uint8_t *bytes, size_t size, size_t at, const void *word, size_t length)
{
    return size >= length && at <= size - length && memcmp(bytes + at, word, length) == 0;
}

/* A user block of 512, 1024, 2048, ... bytes may stand before the signature. */
static bool is_hdf5(const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size; at = at ? at * 2 : USER_BLOCK) {
        if (begins(bytes, size, at, HDF5_SIGNATURE, sizeof HDF5_SIGNATURE)) return true;
        if (at > SIZE_MAX / 2) break;
    }
    return false;
}

static bool is_torch_old(const uint8_t *bytes, size_t size)
{
    return begins(bytes, size, 0, "\x80", 1) &&
           begins(bytes, size, 2, TORCH_MAGIC, sizeof TORCH_MAGIC);
}

static bool is_safetensors(const uint8_t *bytes, size_t size)
{
    struct bytes b = bytes_of(bytes, size);
    return bytes_u64le(&b) <= FORMAT_MAX_HEADER && bytes_u8(&b) == '{';
}

static size_t skip_space(const uint8_t *bytes, size_t size, size_t at)
{
    while (at < size && memchr(" \t\r\n", bytes[at], 4)) at++;
    return at;
}

/* A list of objects, one of whose first members is "weights" or "paths". */
static bool is_faceapi(const uint8_t *bytes, size_t size)
{
    size_t at = skip_space(bytes, size, 0);
    if (at >= size || bytes[at] != '[') return false;
    at = skip_space(bytes, size, at + 1);
    if (at >= size || bytes[at] != '{') return false;
    at = skip_space(bytes, size, at + 1);
    return begins(bytes, size, at, "\"weights\"", 9) || begins(bytes, size, at, "\"paths\"", 7);
}

static enum weight_format member_format(const char *name, size_t length)
{
    static const char *const KERAS[] = {"metadata.json", "config.json", "model.weights.h5"};
    static const char *const TORCH[] = {"/data.pkl", "/version", "/byteorder", "/.format_version"};
    for (size_t i = 0; i < sizeof KERAS / sizeof *KERAS; i++)
        if (strlen(KERAS[i]) == length && memcmp(name, KERAS[i], length) == 0)
            return WEIGHT_KERAS_ZIP;
    for (size_t i = 0; i < sizeof TORCH / sizeof *TORCH; i++) {
        size_t tail = strlen(TORCH[i]);
        if (length > tail && memcmp(name + length - tail, TORCH[i], tail) == 0)
            return WEIGHT_TORCH_ZIP;
    }
    return WEIGHT_UNKNOWN;
}

/* Local header: signature, version, flags, method, time (4), crc (4), packed and real size, lengths
 * of name and extra field. A size that is not known here (0 or all ones) ends the walk: what
 * follows is no signature. */
static enum weight_format probe_zip(const uint8_t *bytes, size_t size)
{
    struct bytes b = bytes_of(bytes, size);
    for (int i = 0; i < MAX_MEMBERS; i++) {
        const uint8_t *signature = bytes_take(&b, sizeof ZIP_SIGNATURE);
        if (!signature || memcmp(signature, ZIP_SIGNATURE, sizeof ZIP_SIGNATURE) != 0) break;
        bytes_skip(&b, 14);
        uint32_t packed = bytes_u32le(&b);
        bytes_skip(&b, 4);
        uint16_t name_length = bytes_u16le(&b), extra = bytes_u16le(&b);
        const char *name = (const char *)bytes_take(&b, name_length);
        if (!name) break;
        enum weight_format format = member_format(name, name_length);
        if (format != WEIGHT_UNKNOWN) return format;
        bytes_skip(&b, extra);
        bytes_skip(&b, packed);
    }
    return WEIGHT_UNKNOWN;
}

enum weight_format weight_probe(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    if (is_hdf5(bytes, size)) return WEIGHT_HDF5;
    if (begins(bytes, size, 0, ZIP_SIGNATURE, sizeof ZIP_SIGNATURE)) return probe_zip(bytes, size);
    if (is_torch_old(bytes, size)) return WEIGHT_TORCH_OLD;
    if (is_safetensors(bytes, size)) return WEIGHT_SAFETENSORS;
    if (is_faceapi(bytes, size)) return WEIGHT_FACEAPI;
    return WEIGHT_UNKNOWN;
}

const char *weight_format_name(enum weight_format format)
{
    switch (format) {
    case WEIGHT_SAFETENSORS:
        return "safetensors";
    case WEIGHT_HDF5:
        return "Keras HDF5";
    case WEIGHT_KERAS_ZIP:
        return "Keras zip (.keras)";
    case WEIGHT_TORCH_ZIP:
        return "PyTorch zip (.pth)";
    case WEIGHT_TORCH_OLD:
        return "PyTorch legacy (.pth)";
    case WEIGHT_FACEAPI:
        return "face-api manifest";
    case WEIGHT_UNKNOWN:
        break;
    }
    return "unknown";
}
