/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a report become one file? A text that grows, and on it an HTML page that is complete in
 * itself: style inside, pictures as data: URIs, no address of anybody else, light and dark, from a
 * phone to a wide screen. What stands between page_begin and page_end is the verb's.
 *
 * Sticky: once memory is short, nothing is added any more, and page_save says so. Numbers are
 * written with the C locale's point, whatever the user's locale is.
 */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xception.h>

struct page {
    char *at; /* NUL-terminated once something was added; page_free */
    size_t size, room;
    bool failed;
};

/* As it is: markup of our own. */
void put(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What comes from outside (labels, paths): escaped for text and for quoted attributes; control
 * characters and broken UTF-8 become U+FFFD. */
void put_text(struct page *p, const char *text);
/* The same inside <script>: a JSON string with its quotes, safe before "</script>". */
void put_json(struct page *p, const char *text);
/* A number in as few digits as give it back with `digits` places, no trailing zeros: "0.25". */
void put_number(struct page *p, double value, int digits);
/* 22910480 as "22 910 480", with `between` (three bytes at most) for the blanks; gives room. */
#define PAGE_GROUPED 40
const char *page_grouped(uint64_t number, const char *between, char room[PAGE_GROUPED]);
/* data:MIME;base64,... */
void put_data(struct page *p, const char *mime, const void *bytes, size_t count);
/* The picture upright, at most `side` pixels a side, as a data: URI. Pictures that cannot be
 * resized or encoded become an empty one; false then, and xc_error says why. */
bool put_picture(struct page *p, const xc_image *image, uint32_t side);

/* Everything up to the body's first element: head, style, header with title and subtitle (NULL:
 * none). Text is escaped. Classes that the style knows: .cards > .card (b: number, span: label),
 * .wide (scrolls sideways), .note, .good, .bad, .gallery > figure, table.sortable (page_end brings
 * the script that sorts by a click on a heading). */
void page_begin(struct page *p, const char *title, const char *subtitle);
/* Style rules for a drawing outside a page: what fill='var(--NAME)' and stroke='var(--NAME)' mean.
 */
void page_drawing_colours(struct page *p);
/* A headline number: "0.931" over "top-1". */
void page_card(struct page *p, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void page_end(struct page *p);
/* Writes the file atomically. */
XC_NODISCARD xc_status page_save(const struct page *p, const char *path);
void page_free(struct page *p);

#endif
