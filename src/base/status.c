/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a failure become a sentence? Formats it into the caller's struct error, cut so that no
 * UTF-8 character is split. Ids and general texts come from the one list in the public header.
 */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *xc_status_id(xc_status status)
{
    switch (status) {
#define ID_CASE(name, value, id, text)                                                             \
    case name:                                                                                     \
        return id;
        XC_STATUS_LIST(ID_CASE)
#undef ID_CASE
    }
    return "XC-E9999";
}

const char *xc_status_text(xc_status status)
{
    switch (status) {
#define TEXT_CASE(name, value, id, text)                                                           \
    case name:                                                                                     \
        return text;
        XC_STATUS_LIST(TEXT_CASE)
#undef TEXT_CASE
    }
    return "not a status";
}

/* Removes the character that a cut at the end of text left incomplete. */
static void trim_cut_character(char *text, size_t length)
{
    size_t start = length;
    while (start > 0 && ((uint8_t)text[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0) return;
    uint8_t lead = (uint8_t)text[start - 1];
    size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length - (start - 1) < whole) text[start - 1] = '\0';
}

xc_status fail(struct error *err, xc_status status, const char *format, ...)
{
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (length < 0) err->text[0] = '\0';
    if (length >= (int)sizeof err->text) trim_cut_character(err->text, sizeof err->text - 1);
    return status;
}

enum { PLACE_END = 120, PLACE_MOST = 2 * PLACE_END + 8 };

/* Of a long path the beginning and the end: the fact behind it must not be cut off. */
static const char *shortened(const char *place, char room[PLACE_MOST])
{
    const size_t length = strlen(place);
    if (length < PLACE_MOST) return place;
    const char *end = place + length - PLACE_END;
    while (((uint8_t)*end & 0xC0) == 0x80) end++;
    memcpy(room, place, PLACE_END);
    room[PLACE_END] = '\0';
    trim_cut_character(room, PLACE_END);
    strcat(room, " ... ");
    return strcat(room, end);
}

xc_status fail_errno(struct error *err, const char *path, const char *what)
{
    int code = errno;
    bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    char room[PLACE_MOST];
    /* strerror is thread-safe in glibc >= 2.32 and in musl */
    return fail(err, full ? XC_ERR_SPACE : XC_ERR_IO, "%s: %s: %s", shortened(path, room), what,
                strerror(code));
}

xc_status fail_memory(struct error *err, size_t bytes)
{
    return fail(err, XC_ERR_MEMORY, "out of memory: %zu bytes were needed", bytes);
}

void error_prefix(struct error *err, const char *place)
{
    if (!err) return;
    char sentence[ERROR_TEXT_SIZE], room[PLACE_MOST];
    memcpy(sentence, err->text, sizeof sentence);
    err->status = fail(err, err->status, "%s: %s", shortened(place, room), sentence);
}
