/* SPDX-License-Identifier: Apache-2.0 */
/* Cards are written while pictures pass; the frame around them when their number is known. */
#include "sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "chart.h"

enum { CARD = 270, PHOTO = 202, ROW = 24, GAP = 18, EDGE = 28, HEAD = 92, MOST_COLUMNS = 5 };
enum { INSIDE = 14, BARS = 114, BAR = 82 }; /* bars begin at BARS, are at most BAR long */
enum { CAPTION = 34, CARD_HEIGHT = PHOTO + CAPTION + SHEET_ANSWERS * ROW + 12 };
enum { LETTERS = 14, NAME_LETTERS = 30 };

void sheet_begin(struct sheet *s, size_t pictures)
{
    size_t columns = (size_t)ceil(sqrt(1.3 * (double)pictures));
    if (columns > MOST_COLUMNS) columns = MOST_COLUMNS;
    const size_t rows = columns ? (pictures + columns - 1) / columns : 1;
    *s = (struct sheet){.columns = (pictures + rows - 1) / rows}; /* as even as may be */
}

/* At most `letters` characters; whole UTF-8 sequences, the end as an ellipsis. */
static void put_short(struct page *p, const char *text, size_t letters)
{
    char room[256];
    size_t at = 0, seen = 0, cut = 0;
    for (; text[at] && at + 8 < sizeof room; at++) {
        if (((unsigned char)text[at] & 0xC0) == 0x80) continue;
        if (seen < letters) cut = at;
        if (seen++ == letters) break;
    }
    if (!text[at]) cut = at;
    snprintf(room, sizeof room, "%.*s%s", (int)cut, text, text[cut] ? "\u2026" : "");
    put_text(p, room);
}

static void put_words(struct page *p, double x, double y, const char *look, const char *text,
                      size_t letters)
{
    put(p, "<text x='%.0f' y='%.0f' %s>", x, y, look);
    put_short(p, text, letters);
    put(p, "</text>\n");
}

/* Below the photograph: what it is and whether the best answer says so. */
static void put_caption(struct page *p, const char *path, const char *truth, bool right)
{
    const char *name = strrchr(path, '/');
    const double y = PHOTO + 22;
    name = name ? name + 1 : path;
    if (!truth) {
        put_words(p, INSIDE, y, "fill='var(--soft)'", name, NAME_LETTERS);
        return;
    }
    put_words(p, INSIDE, y, "font-weight='600'", truth, LETTERS + 4);
    put(p, "<text x='%d' y='%.0f' text-anchor='end' font-weight='600' fill='var(--%s)'>%s</text>\n",
        CARD - INSIDE, y, right ? "good" : "bad", right ? "\u2713 right" : "\u2717 wrong");
}

static void put_bar(struct page *p, size_t row, const struct sheet_answer *a, const char *colour)
{
    const double y = PHOTO + CAPTION + ROW * (double)row;
    const double long_ = a->prob > 0 ? BAR * fmin(1, (double)a->prob) : 0;
    put_words(p, INSIDE, y + 14, row ? "fill='var(--soft)'" : "", a->label, LETTERS);
    put(p, "<rect x='%d' y='%.0f' width='%d' height='12' rx='3' fill='var(--line)' opacity='.5'/>",
        BARS, y + 4, BAR);
    put(p, "<rect x='%d' y='%.0f' width='%.1f' height='12' rx='3' fill='var(--%s)'/>", BARS, y + 4,
        long_, colour);
    put(p, "<text x='%d' y='%.0f' text-anchor='end'%s>%.1f\u2009%%</text>\n", CARD - INSIDE, y + 14,
        row ? " fill='var(--soft)'" : "", 100 * (double)a->prob);
}

void sheet_add(struct sheet *s, const char *path, const xc_image *image,
               const struct sheet_answer *answer, size_t answers, const char *truth, bool unknown)
{
    struct page *p = &s->cards;
    const bool right = truth && answers && !unknown && strcmp(truth, answer[0].label) == 0;
    s->judged += truth != NULL;
    s->right += right;
    if (s->shown == SHEET_PICTURES) {
        s->left_out++;
        return;
    }
    const size_t column = s->shown % s->columns, row = s->shown / s->columns;
    const char *first = !truth ? "accent" : right ? "good" : "bad";
    put(p, "<g transform='translate(%zu %zu)'><title>", EDGE + column * (CARD + GAP),
        HEAD + row * (CARD_HEIGHT + GAP));
    put_text(p, path);
    put(p,
        "</title>\n<rect width='%d' height='%d' rx='12' fill='var(--box)' stroke='var(--line)'/>\n",
        CARD, CARD_HEIGHT);
    put(p,
        "<image width='%d' height='%d' clip-path='url(#photo)' "
        "preserveAspectRatio='xMidYMid slice' href='",
        CARD, PHOTO);
    put_picture(p, image, 2 * CARD);
    put(p, "'/>\n");
    put_caption(p, path, truth, right);
    if (unknown)
        put_words(p, INSIDE, PHOTO + CAPTION + 14, "font-style='italic'", "unknown", LETTERS);
    for (size_t i = 0; i < answers && i + unknown < SHEET_ANSWERS; i++)
        put_bar(p, i + unknown, &answer[i], i || unknown ? "s8" : first);
    put(p, "</g>\n");
    s->shown++;
}

static void put_head(struct page *p, const struct sheet *s, const char *subtitle)
{
    char title[96];
    if (s->judged)
        snprintf(title, sizeof title, "%zu of %zu right", s->right, s->judged);
    else
        snprintf(title, sizeof title, "%zu picture%s", s->shown, s->shown == 1 ? "" : "s");
    if (s->left_out) {
        const size_t used = strlen(title);
        snprintf(title + used, sizeof title - used, ", %zu more not shown", s->left_out);
    }
    put_words(p, EDGE, 46, "font-size='26' font-weight='650'", title, sizeof title);
    put_words(p, EDGE, 70, "fill='var(--soft)'", subtitle, 70);
}

xc_status sheet_save(struct sheet *s, const char *path, const char *subtitle)
{
    const size_t columns = s->shown < s->columns ? s->shown : s->columns;
    const size_t rows = columns ? (s->shown + columns - 1) / columns : 0;
    const size_t wide = columns > 1 ? columns : 2; /* room for the heading */
    struct page p = {0};
    chart_alone_begin(&p, (double)(2 * EDGE + wide * (CARD + GAP) - GAP),
                      (double)(HEAD + rows * (CARD_HEIGHT + GAP) + EDGE - GAP),
                      "Pictures and what the network says of them");
    put(&p,
        "<clipPath id='photo'><path d='M0 %d V12 A12 12 0 0 1 12 0 H%d A12 12 0 0 1 %d 12 V%d Z'/>"
        "</clipPath>\n<g font-family='system-ui,sans-serif' font-size='14' fill='var(--ink)'>\n",
        PHOTO, CARD - 12, CARD, PHOTO);
    put_head(&p, s, subtitle);
    if (s->cards.at) put(&p, "%s", s->cards.at);
    put(&p, "</g>\n");
    chart_alone_end(&p);
    p.failed = p.failed || s->cards.failed;
    const xc_status status = page_save(&p, path);
    page_free(&p);
    return status;
}

void sheet_free(struct sheet *s)
{
    page_free(&s->cards);
}
