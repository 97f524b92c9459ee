/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does TensorBoard read? A file of TFRecords, each an Event in protobuf's wire format:
 *
 *   record   u64 length | u32 masked CRC32C of it | bytes | u32 masked CRC32C of them
 *   Event    1 wall_time (double), 2 step (varint), 3 file_version (string), 5 summary
 *   Summary  1 value, repeated: 1 tag (string), 2 simple_value (float)
 *
 * The first event says "brain.Event:2". Numbers are little-endian. Written anew each time, from the
 * history: a run that was killed and goes on leaves the file of one that was not.
 */
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "train/history.h"

enum { EVENT_ROOM = 512, LENGTH_DELIMITED = 2, FIXED_64 = 1, FIXED_32 = 5 };

/* ---- bytes ----------------------------------------------------------------------------------- */

struct buffer {
    uint8_t at[EVENT_ROOM];
    size_t size;
};

static void put_varint(struct buffer *b, uint64_t v)
{
    for (; v >= 128; v >>= 7) b->at[b->size++] = (uint8_t)(v | 128);
    b->at[b->size++] = (uint8_t)v;
}

static void put_little(struct buffer *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) b->at[b->size++] = (uint8_t)(v >> (8 * i));
}

static void put_key(struct buffer *b, unsigned field, unsigned wire)
{
    put_varint(b, field << 3 | wire);
}

static void put_bytes(struct buffer *b, unsigned field, const void *data, size_t size)
{
    put_key(b, field, LENGTH_DELIMITED);
    put_varint(b, size);
    memcpy(b->at + b->size, data, size);
    b->size += size;
}

static void put_double(struct buffer *b, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, FIXED_64);
    put_little(b, bits, 8);
}

static void put_float(struct buffer *b, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, FIXED_32);
    put_little(b, bits, 4);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Castagnoli's polynomial, reflected; then rotated and shifted, as TFRecords have it. */
static uint32_t masked_crc(const uint8_t *data, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static xc_status write_record(struct file_out *out, const struct buffer *event, struct error *err)
{
    struct buffer head = {.size = 0}, tail = {.size = 0};
    put_little(&head, event->size, 8);
    put_little(&head, masked_crc(head.at, 8), 4);
    put_little(&tail, masked_crc(event->at, event->size), 4);
    TRY(file_out_write(out, head.at, head.size, err));
    TRY(file_out_write(out, event->at, event->size, err));
    return file_out_write(out, tail.at, tail.size, err);
}

/* ---- events ---------------------------------------------------------------------------------- */

static const struct scalar {
    const char *tag;
    size_t offset;
} scalars[] = {
    {"train/loss", offsetof(struct history_row, train_loss)},
    {"train/top1", offsetof(struct history_row, train_top1)},
    {"train/lr", offsetof(struct history_row, lr)},
    {"train/images_per_second", offsetof(struct history_row, images_per_second)},
    {"val/loss", offsetof(struct history_row, val_loss)},
    {"val/top1", offsetof(struct history_row, val_top1)},
    {"val/top5", offsetof(struct history_row, val_top5)},
    {"epoch", offsetof(struct history_row, epoch)},
};
enum { SCALARS = sizeof scalars / sizeof *scalars };

static void put_scalar(struct buffer *summary, const char *tag, double number)
{
    struct buffer value = {.size = 0};
    put_bytes(&value, 1, tag, strlen(tag));
    put_float(&value, 2, (float)number);
    put_bytes(summary, 1, value.at, value.size);
}

static xc_status write_row(struct file_out *out, const struct history_row *row, double began,
                           struct error *err)
{
    struct buffer event = {.size = 0}, summary = {.size = 0};
    for (int i = 0; i < SCALARS; i++) {
        double number;
        memcpy(&number, (const char *)row + scalars[i].offset, sizeof number);
        put_scalar(&summary, scalars[i].tag, number);
    }
    put_double(&event, 1, began + row->seconds);
    put_key(&event, 2, 0);
    put_varint(&event, (uint64_t)row->step);
    put_bytes(&event, 5, summary.at, summary.size);
    return write_record(out, &event, err);
}

static xc_status write_all(const struct history *h, double began, struct file_out *out,
                           struct error *err)
{
    static const char version[] = "brain.Event:2";
    struct buffer first = {.size = 0};
    put_double(&first, 1, began);
    put_bytes(&first, 3, version, strlen(version));
    TRY(write_record(out, &first, err));
    for (size_t i = 0; i < h->rows; i++) TRY(write_row(out, &h->row[i], began, err));
    return file_out_commit(out, err);
}

xc_status history_events(const struct history *h, double began, const char *path, struct error *err)
{
    struct file_out out;
    TRY(file_out_open(path, &out, err));
    const xc_status status = write_all(h, began, &out, err);
    if (status != XC_OK) file_out_abort(&out);
    return status;
}
