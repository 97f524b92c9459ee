/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does each box stand? A block is cut where a single tensor passes; inside it every chain of
 * boxes has a lane, one beside the other, and shortcuts to an addition lie on the left.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagram_int.h"

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The last reader of each box; itself when there is none. */
static int last_reader(const struct diagram *d, int box)
{
    int last = box;
    for (int i = box + 1; i < d->boxes && d->box[box].readers; i++)
        for (int k = 0; k < d->box[i].inputs; k++)
            if (d->box[i].input[k] == box) last = i;
    return last;
}

static bool cut_blocks(struct diagram *d)
{
    int *last = calloc((size_t)d->boxes + 1, sizeof *last);
    d->block = calloc((size_t)d->boxes + 1, sizeof *d->block);
    if (!last || !d->block) {
        free(last);
        return false;
    }
    for (int i = 0; i < d->boxes; i++) last[i] = last_reader(d, i);
    int first = 0, reach = -1; /* of what came before box i, the last reader */
    for (int i = 0; i < d->boxes; i++) {
        if (reach > i || (d->box[i].readers == 0 && i + 1 < d->boxes)) {
            reach = last[i] > reach ? last[i] : reach;
            continue;
        }
        const int from = first > 0 ? first - 1 : -1;
        d->block[d->blocks++] = (struct block){.first = first, .last = i, .from = from};
        first = i + 1;
        reach = last[i];
    }
    free(last);
    return true;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

#define MAX_LANES 40

struct lanes {
    int count, of[512]; /* by box, from the block's first */
    int tail[MAX_LANES], boxes[MAX_LANES];
    bool shortcut[MAX_LANES];
    double width[MAX_LANES], x[MAX_LANES];
};

static bool is_join(const struct box *b)
{
    return b->kind == BOX_ADD || b->kind == BOX_CONCAT;
}

static int lane_of(const struct block *k, const struct lanes *l, int box)
{
    return box < k->first ? -1 : l->of[box - k->first];
}

static double text_width(const char *text)
{
    double width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xc0) == 0x80 ? 0 : 6.1;
    return width;
}

static double box_width(const struct box *b)
{
    double width = 76;
    for (int i = 0; i < BOX_LINES; i++) {
        const double w = text_width(b->line[i]) + 18;
        if (w > width) width = w;
    }
    return b->kind == BOX_ADD ? JOIN_H : width;
}

/* The lane that a join goes on in: of an addition the longest one, the others are shortcuts. */
static int join_lane(const struct diagram *d, const struct block *k, struct lanes *l, int box)
{
    const struct box *b = &d->box[box];
    int best = -1;
    for (int i = 0; i < b->inputs; i++) {
        const int lane = lane_of(k, l, b->input[i]);
        if (lane >= 0 && (best < 0 || l->boxes[lane] > l->boxes[best])) best = lane;
    }
    for (int i = 0; i < b->inputs && b->kind == BOX_ADD; i++) {
        const int lane = lane_of(k, l, b->input[i]);
        if (lane >= 0 && lane != best && l->tail[lane] == b->input[i]) l->shortcut[lane] = true;
    }
    return best;
}

static void find_lanes(const struct diagram *d, const struct block *k, struct lanes *l)
{
    for (int i = k->first; i <= k->last; i++) {
        const struct box *b = &d->box[i];
        int lane = -1;
        if (is_join(b))
            lane = join_lane(d, k, l, i);
        else if (b->inputs)
            lane = lane_of(k, l, b->input[0]);
        if (lane >= 0 && !is_join(b) && l->tail[lane] != b->input[0]) lane = -1;
        if (lane < 0) {
            lane = l->count < MAX_LANES - 1 ? l->count++ : MAX_LANES - 1;
            l->boxes[lane] = 0;
        }
        l->of[i - k->first] = lane;
        l->tail[lane] = i;
        l->boxes[lane]++;
        const double width = b->kind == BOX_CONCAT ? 0 : box_width(b);
        if (width > l->width[lane]) l->width[lane] = width;
    }
}

/* Shortcuts to the left of the one other lane; several others are centred. */
static void place_lanes(struct block *k, struct lanes *l)
{
    int others = 0;
    double span = 0, x;
    for (int i = 0; i < l->count; i++) {
        if (l->count == 1 && l->width[i] < BOX_W) l->width[i] = BOX_W;
        if (l->shortcut[i]) continue;
        span += l->width[i] + (others++ ? LANE_GAP : 0);
    }
    x = k->left = -span / 2;
    for (int i = 0; i < l->count; i++) {
        if (l->shortcut[i]) continue;
        l->x[i] = x + l->width[i] / 2;
        x += l->width[i] + LANE_GAP;
    }
    k->right = span / 2;
    for (int i = 0; i < l->count; i++) {
        if (!l->shortcut[i]) continue;
        k->left -= LANE_GAP + l->width[i];
        l->x[i] = k->left + l->width[i] / 2;
    }
}

static double box_height(const struct box *b)
{
    int lines = 0;
    if (b->kind == BOX_ADD) return JOIN_H;
    for (int i = 0; i < BOX_LINES; i++) lines += b->line[i][0] != 0;
    return b->kind == BOX_CONCAT ? JOIN_H : lines * LINE_H + 12;
}

/* Where the wires part, with the shape of what they carry above unless a join says it itself. */
double split_room(const struct diagram *d, const struct block *k)
{
    const struct box *from = k->from < 0 ? NULL : &d->box[k->from];
    if (!from || from->readers < 2) return 0;
    return from->kind == BOX_ADD || from->kind == BOX_CONCAT ? 8 : 16;
}

static void place_rows(struct diagram *d, const struct block *k, const struct lanes *l)
{
    for (int i = k->first; i <= k->last; i++) {
        struct box *b = &d->box[i];
        b->y = ROW_GAP + split_room(d, k);
        for (int n = 0; n < b->inputs; n++) {
            const struct box *from = &d->box[b->input[n]];
            if (b->input[n] < k->first) continue;
            const double y = from->y + from->h + ROW_GAP + (from->readers > 1 ? 8 : 0);
            if (y > b->y) b->y = y;
        }
        b->h = box_height(b);
        b->w = l->width[l->of[i - k->first]];
        b->x = l->x[l->of[i - k->first]];
    }
}

/* A bar under everything that it joins. */
static void place_concat(struct diagram *d, struct box *b)
{
    double low = 1e9, high = -1e9;
    for (int n = 0; n < b->inputs; n++) {
        const double x = d->box[b->input[n]].x;
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    b->x = (low + high) / 2;
    b->w = high - low + 64;
}

/* Does the box read only what came into the block, and is it read by one join? A chain of such
 * boxes may float between the two. */
static void centre_lane(struct diagram *d, const struct block *k, const struct lanes *l, int lane)
{
    double slack = 1e9;
    bool floats = false;
    for (int i = k->first; i <= k->last; i++) {
        const struct box *b = &d->box[i];
        for (int n = 0; n < b->inputs; n++) {
            const int from = b->input[n];
            if (lane_of(k, l, from) != lane || from < k->first || is_join(&d->box[from])) continue;
            if (d->box[from].readers > 1) return;
            if (!is_join(b)) {
                if (l->of[i - k->first] != lane) return;
                continue;
            }
            floats = true;
            slack = b->y - ROW_GAP - d->box[from].y - d->box[from].h;
        }
        if (l->of[i - k->first] == lane && b->inputs && b->input[0] >= k->first && !is_join(b) &&
            l->of[b->input[0] - k->first] != lane)
            return;
    }
    for (int i = k->first; floats && i <= k->last; i++)
        if (l->of[i - k->first] == lane && !is_join(&d->box[i])) d->box[i].y += slack / 2;
}

static void place_block(struct diagram *d, struct block *k)
{
    struct lanes l = {0};
    if (k->last - k->first >= 512) k->last = k->first + 511;
    find_lanes(d, k, &l);
    place_lanes(k, &l);
    place_rows(d, k, &l);
    for (int i = 0; i < l.count; i++) centre_lane(d, k, &l, i);
    int empty = 0;
    for (int i = k->first; i <= k->last; i++) {
        struct box *b = &d->box[i];
        if (b->kind == BOX_CONCAT) place_concat(d, b);
        for (int n = 0; is_join(b) && n < b->inputs; n++)
            if (b->input[n] < k->first && empty < BOX_INPUTS) {
                k->left -= 20;
                k->side[empty++] = k->left + 4;
            }
        if (b->x - b->w / 2 < k->left) k->left = b->x - b->w / 2;
        if (b->x + b->w / 2 > k->right) k->right = b->x + b->w / 2;
        if (b->y + b->h > k->height) k->height = b->y + b->h;
    }
}

/* ---- repeats --------------------------------------------------------------------------------- */

static bool same_box(const struct box *a, const struct box *b, int offset)
{
    if (a->kind != b->kind || a->params != b->params || a->inputs != b->inputs ||
        a->height != b->height || a->width != b->width || a->channels != b->channels)
        return false;
    for (int i = 0; i < BOX_LINES; i++)
        if (strcmp(a->line[i], b->line[i]) != 0) return false;
    for (int i = 0; i < a->inputs; i++)
        if (a->input[i] + offset != b->input[i]) return false;
    return true;
}

static bool same_block(const struct diagram *d, int a, int b)
{
    const struct block *x = &d->block[a], *y = &d->block[b];
    if (x->last - x->first != y->last - y->first) return false;
    for (int i = 0; i <= x->last - x->first; i++)
        if (!same_box(&d->box[x->first + i], &d->box[y->first + i], y->first - x->first))
            return false;
    return true;
}

/* How often the `period` blocks at `first` come one after the other. */
static int count_times(const struct diagram *d, int first, int period)
{
    int times = 1;
    for (;; times++)
        for (int i = 0; i < period; i++) {
            const int at = first + times * period + i;
            if (at >= d->blocks || !same_block(d, first + i, at)) return times;
        }
}

static bool fold_repeats(struct diagram *d)
{
    d->repeat = calloc((size_t)d->blocks + 1, sizeof *d->repeat);
    if (!d->repeat) return false;
    for (int i = 0; i < d->blocks;) {
        int period = 1, times = 1;
        for (int p = 1; p <= 6; p++) {
            const int t = count_times(d, i, p);
            if (p * (t - 1) > period * (times - 1)) {
                period = p;
                times = t;
            }
        }
        if (times == 1) period = 1;
        d->repeat[d->repeats++] = (struct repeat){i, i + period - 1, times};
        i += period * times;
    }
    return true;
}

/* ---- sections -------------------------------------------------------------------------------- */

/* The middle flow: what repeats most, when a network of that name has such a thing. */
static int middle_flow(const struct diagram *d, const char *arch)
{
    int best = -1;
    for (int i = 0; i < d->repeats && strncmp(arch, "xception", 8) == 0; i++) {
        const struct repeat *r = &d->repeat[i];
        if (r->times < 3 || d->block[r->first].last == d->block[r->first].first) continue;
        if (best < 0 || r->times > d->repeat[best].times) best = i;
    }
    return best > 0 && best + 1 < d->repeats ? best : -1;
}

static void end_section(struct diagram *d, struct section *s)
{
    double height = 0;
    for (int i = s->first; i <= s->last; i++) {
        for (int k = d->repeat[i].first; k <= d->repeat[i].last; k++) {
            const struct block *b = &d->block[k];
            s->left = b->left < s->left ? b->left : s->left;
            s->right = b->right > s->right ? b->right : s->right;
            height += b->height;
        }
        if (d->repeat[i].times > 1) height += 16;
    }
    s->height = height;
}

static const struct box *last_box(const struct diagram *d, const struct repeat *r)
{
    return &d->box[d->block[r->last].last];
}

static void section_title(const struct diagram *d, int middle, int at, struct section *s)
{
    const struct box *b = last_box(d, &d->repeat[s->last]);
    if (middle >= 0)
        snprintf(s->title, sizeof s->title, "%s flow",
                 at < middle    ? "Entry"
                 : at == middle ? "Middle"
                                : "Exit");
    else if (b->height == 1 && b->width == 1)
        snprintf(s->title, sizeof s->title, "Classifier");
    else
        snprintf(s->title, sizeof s->title, "%" PRIu32 " × %" PRIu32, b->height, b->width);
}

/* Is there a block of several boxes in it? */
static bool has_blocks(const struct diagram *d, const struct section *s)
{
    for (int i = s->first; i <= s->last; i++)
        for (int k = d->repeat[i].first; k <= d->repeat[i].last; k++)
            if (d->block[k].last > d->block[k].first) return true;
    return false;
}

/* Single boxes in front of the first block are one section, whatever their sizes. */
static void merge_stem(struct diagram *d)
{
    int stem = 0;
    while (stem < d->sections && !has_blocks(d, &d->section[stem])) stem++;
    if (stem == 0 || stem == d->sections) return;
    snprintf(d->section[0].title, sizeof d->section[0].title, "Stem");
    d->section[0].last = d->section[stem - 1].last;
    for (int i = stem; i < d->sections; i++) d->section[i - stem + 1] = d->section[i];
    d->sections -= stem - 1;
}

static bool make_sections(struct diagram *d, const char *arch)
{
    const int middle = middle_flow(d, arch);
    d->section = calloc((size_t)d->repeats + 1, sizeof *d->section);
    if (!d->section) return false;
    for (int i = 0; i < d->repeats; i++) {
        const struct box *b = last_box(d, &d->repeat[i]);
        const struct box *before = i ? last_box(d, &d->repeat[i - 1]) : b;
        bool opens = b->height != before->height || b->width != before->width;
        if (middle >= 0) opens = i == middle || i == middle + 1;
        if (i == 1 && before->kind == BOX_INPUT) opens = false;
        if (opens || i == 0) d->section[d->sections++] = (struct section){.first = i};
        struct section *s = &d->section[d->sections - 1];
        s->last = i;
        section_title(d, middle, i, s);
    }
    if (middle < 0) merge_stem(d);
    for (int i = 0; i < d->sections; i++) end_section(d, &d->section[i]);
    return true;
}

bool blocks_make(struct diagram *d, const char *arch)
{
    if (!cut_blocks(d)) return false;
    for (int i = 0; i < d->blocks; i++) place_block(d, &d->block[i]);
    return fold_repeats(d) && make_sections(d, arch);
}
