/* SPDX-License-Identifier: Apache-2.0 */
/* What did each epoch bring? The same text whatever the locale of the program is. */
#include "train/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/file.h"

xc_status history_add(struct history *h, const struct history_row *row, struct error *err)
{
    if (h->rows == h->room) {
        const size_t room = h->room ? 2 * h->room : 64;
        struct history_row *more = realloc(h->row, room * sizeof *more);
        if (!more) return fail_memory(err, room * sizeof *more);
        h->row = more;
        h->room = room;
    }
    h->row[h->rows++] = *row;
    return XC_OK;
}

void history_free(struct history *h)
{
    free(h->row);
    *h = (struct history){0};
}

static xc_status write_row(struct file_out *out, const struct history_row *row, struct error *err)
{
    double value[HISTORY_WIDTH];
    char line[HISTORY_WIDTH * DECIMAL_SIZE];
    size_t at = 0;
    memcpy(value, row, sizeof value);
    for (int i = 0; i < HISTORY_WIDTH; i++) {
        decimal_write(value[i], line + at);
        at += strlen(line + at);
        line[at++] = i + 1 < HISTORY_WIDTH ? ',' : '\n';
    }
    return file_out_write(out, line, at, err);
}

static xc_status write_all(const struct history *h, struct file_out *out, struct error *err)
{
#define HISTORY_NAME(name) "," #name
    static const char names[] = HISTORY_COLUMNS(HISTORY_NAME);
    TRY(file_out_write(out, names + 1, sizeof names - 2, err));
    TRY(file_out_write(out, "\n", 1, err));
    for (size_t i = 0; i < h->rows; i++) TRY(write_row(out, &h->row[i], err));
    return file_out_commit(out, err);
}

xc_status history_csv(const struct history *h, const char *path, struct error *err)
{
    struct file_out out;
    TRY(file_out_open(path, &out, err));
    const xc_status status = write_all(h, &out, err);
    if (status != XC_OK) file_out_abort(&out);
    return status;
}
