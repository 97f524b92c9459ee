/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far is a method to be trusted, on these pictures? What needs one picture is measured with it
 * (deletion, insertion, the place of the hottest pixel), beside a mere spot in the centre, which
 * must be beaten; the rest at the end: maps of networks whose layers are random again, and mosaics
 * of four pictures, which must be hot where the class is. Numbers are of all pictures that were
 * explained.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "say.h"

enum { GRID = 16, CELLS = GRID * GRID, STEPS = 20, PARTS = 3 };

/* Layers that forget: the last one, half of them, all. */
static const double part[PARTS] = {1e-9, 0.5, 1};
static const char *const part_name[PARTS] = {"last layer", "half", "all"};

struct kept { /* of a picture */
    size_t path;
    uint32_t class_index;
    float grid[CELLS]; /* its map, in blocks */
};

struct checks {
    uint32_t steps;
    xc_explainer *centre;
    xc_session *session; /* prepares mosaics */
    struct kept *kept;
    size_t count;
    double deletion, insertion, centre_deletion, centre_insertion; /* sums */
    size_t better_deletion, better_insertion, central;
    double correlation[PARTS];
    size_t compared[PARTS];
    size_t mosaics, hits;
    double share;
};

int checks_open(struct job *job)
{
    xc_explain_opts opts = job->opts;
    xc_session_opts session = XC_SESSION_OPTS_INIT;
    for (size_t i = 0; i < job->pictures.count; i++)
        if (strcmp(job->pictures.path[i], "-") == 0) {
            say_usage("--check looks at pictures twice, which it cannot at standard input");
            return EXIT_USAGE;
        }
    struct checks *c = calloc(1, sizeof *c);
    if (!c) {
        say_error("out of memory");
        return EXIT_LIMIT;
    }
    job->checks = c;
    c->steps = arg_number(job->args, "check-steps", STEPS);
    c->kept = calloc(job->pictures.count + 1, sizeof *c->kept);
    opts.method = XC_CENTRE;
    opts.layer = NULL;
    session.height = opts.height;
    session.width = opts.width;
    session.preprocess = &job->preprocess;
    xc_status status = c->kept ? XC_OK : XC_ERR_MEMORY;
    if (status == XC_OK) status = xc_explainer_new(job->model, &opts, &c->centre);
    if (status == XC_OK) status = xc_session_new(job->model, &session, &c->session);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_MODEL);
}

void checks_free(struct checks *c)
{
    if (!c) return;
    xc_explainer_free(c->centre);
    xc_session_free(c->session);
    free(c->kept);
    free(c);
}

/* ---- one picture ----------------------------------------------------------------------------- */

static size_t hottest(const xc_heatmap *heat)
{
    size_t most = 0;
    for (size_t i = 0; i < (size_t)heat->height * heat->width; i++)
        if (heat->value[i] > heat->value[most]) most = i;
    return most;
}

/* Means of blocks: what rank correlation is taken of. */
static void reduce(const xc_heatmap *heat, float grid[CELLS])
{
    uint32_t times[CELLS] = {0};
    memset(grid, 0, CELLS * sizeof *grid);
    for (uint32_t y = 0; y < heat->height; y++)
        for (uint32_t x = 0; x < heat->width; x++) {
            const uint32_t cell = y * GRID / heat->height * GRID + x * GRID / heat->width;
            grid[cell] += heat->value[y * heat->width + x];
            times[cell]++;
        }
    for (int i = 0; i < CELLS; i++) grid[i] /= (float)(times[i] ? times[i] : 1);
}

xc_status check_picture(struct job *job, const xc_image *image, const xc_heatmap *heat,
                        struct check_row *row)
{
    struct checks *c = job->checks;
    struct kept *k = &c->kept[c->count];
    xc_heatmap centre;
    xc_status status = xc_explain_check(job->explainer, heat, c->steps, NULL, NULL, &row->heat);
    if (status == XC_OK) status = xc_explain(c->centre, image, heat->class_index, &centre);
    if (status == XC_OK)
        status = xc_explain_check(c->centre, &centre, c->steps, NULL, NULL, &row->centre);
    if (status != XC_OK) return status;
    const size_t at = hottest(heat);
    const double y = ((double)(at / heat->width) + 0.5) / heat->height - 0.5;
    const double x = ((double)(at % heat->width) + 0.5) / heat->width - 0.5;
    row->central = fabs(x) < 0.25 && fabs(y) < 0.25;
    k->path = job->at;
    k->class_index = heat->class_index;
    reduce(heat, k->grid);
    c->count++;
    c->deletion += row->heat.deletion;
    c->insertion += row->heat.insertion;
    c->centre_deletion += row->centre.deletion;
    c->centre_insertion += row->centre.insertion;
    c->better_deletion += row->heat.deletion < row->centre.deletion;
    c->better_insertion += row->heat.insertion > row->centre.insertion;
    c->central += row->central;
    return XC_OK;
}

/* ---- random networks ------------------------------------------------------------------------- */

/* Ranks from 0; equal numbers share the mean of theirs. */
static void rank(const float grid[CELLS], double ranks[CELLS])
{
    for (int i = 0; i < CELLS; i++) {
        int below = 0, equal = 0;
        for (int j = 0; j < CELLS; j++) {
            below += grid[j] < grid[i];
            equal += grid[j] == grid[i];
        }
        ranks[i] = below + (equal - 1) / 2.0;
    }
}

/* Spearman's; NaN where a map has one number only. */
static double correlate(const float a[CELLS], const float b[CELLS])
{
    double x[CELLS], y[CELLS], xy = 0, xx = 0, yy = 0;
    rank(a, x);
    rank(b, y);
    for (int i = 0; i < CELLS; i++) {
        const double u = x[i] - (CELLS - 1) / 2.0, v = y[i] - (CELLS - 1) / 2.0;
        xy += u * v, xx += u * u, yy += v * v;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

/* A map without heat, or with numbers gone bad, is like none. */
static xc_status compare(struct job *job, xc_explainer *e, int p, const struct kept *k)
{
    struct checks *c = job->checks;
    xc_image *image = NULL;
    xc_heatmap heat;
    float grid[CELLS];
    xc_status status = picture_load(job->pictures.path[k->path], &image);
    if (status != XC_OK) return status;
    status = xc_explain(e, image, k->class_index, &heat);
    xc_image_free(image);
    if (status == XC_ERR_MEMORY) return status;
    c->compared[p]++;
    if (status != XC_OK) return XC_OK;
    reduce(&heat, grid);
    const double r = correlate(k->grid, grid);
    if (r == r) c->correlation[p] += r;
    return XC_OK;
}

static xc_status forget(struct job *job, int p)
{
    struct checks *c = job->checks;
    xc_model *model = NULL;
    xc_explainer *e = NULL;
    xc_status status = xc_model_randomise(job->model, part[p], 1, &model);
    if (status == XC_OK) status = xc_explainer_new(model, &job->opts, &e);
    for (size_t i = 0; i < c->count && status == XC_OK; i++) {
        job->at = c->kept[i].path;
        status = compare(job, e, p, &c->kept[i]);
    }
    xc_explainer_free(e);
    xc_model_unref(model);
    return status;
}

/* ---- mosaics --------------------------------------------------------------------------------- */

struct tiles {
    uint32_t h, w, c;
    float *input, *mosaic;
};

/* The picture at half its size into quarter 0..3 of the mosaic. */
static xc_status put_tile(struct job *job, struct tiles *t, size_t path, int quarter)
{
    xc_image *image = NULL;
    const uint32_t h = t->h / 2, w = t->w / 2, row = t->w * t->c;
    xc_status status = picture_load(job->pictures.path[path], &image);
    if (status == XC_OK) status = xc_prepare(job->checks->session, image, t->input);
    xc_image_free(image);
    for (uint32_t y = 0; y < h && status == XC_OK; y++)
        for (uint32_t x = 0; x < w * t->c; x++) {
            const float *from = t->input + 2 * y * row + (x / t->c * 2) * t->c + x % t->c;
            const size_t to = ((uint32_t)quarter / 2 * h + y) * (size_t)row +
                              (uint32_t)quarter % 2 * w * t->c + x;
            t->mosaic[to] = (from[0] + from[t->c] + from[row] + from[row + t->c]) / 4;
        }
    return status;
}

/* Three others, of other classes than it and each other; false: there are none. */
static bool choose_others(const struct checks *c, size_t i, size_t other[3])
{
    int found = 0;
    for (size_t j = 1; j < c->count && found < 3; j++) {
        const size_t at = (i + j) % c->count;
        bool fresh = c->kept[at].class_index != c->kept[i].class_index;
        for (int k = 0; k < found; k++)
            fresh &= c->kept[at].class_index != c->kept[other[k]].class_index;
        if (fresh) other[found++] = at;
    }
    return found == 3;
}

static void judge(struct checks *c, const struct tiles *t, const xc_heatmap *heat, int quarter)
{
    double all = 0, own = 0;
    const size_t at = hottest(heat);
    const uint32_t h = t->h / 2, w = t->w / 2;
    for (uint32_t y = 0; y < t->h; y++)
        for (uint32_t x = 0; x < t->w; x++) {
            const double v = fmax(0, (double)heat->value[y * t->w + x]);
            all += v;
            if ((int)(y >= h) * 2 + (int)(x >= w) == quarter) own += v;
        }
    c->mosaics++;
    c->share += all > 0 ? own / all : 0;
    c->hits += all > 0 && (int)(at / t->w >= h) * 2 + (int)(at % t->w >= w) == quarter;
}

static xc_status one_mosaic(struct job *job, struct tiles *t, size_t i)
{
    struct checks *c = job->checks;
    size_t other[3];
    xc_heatmap heat;
    const int quarter = (int)(i % 4);
    if (!choose_others(c, i, other)) return XC_OK;
    memset(t->mosaic, 0, (size_t)t->h * t->w * t->c * sizeof *t->mosaic);
    job->at = c->kept[i].path;
    xc_status status = put_tile(job, t, job->at, quarter);
    for (int k = 0; k < 3 && status == XC_OK; k++)
        status = put_tile(job, t, c->kept[other[k]].path, (quarter + 1 + k) % 4);
    if (status == XC_OK)
        status = xc_explain_input(job->explainer, t->mosaic, c->kept[i].class_index, &heat);
    if (status == XC_OK) judge(c, t, &heat, quarter);
    return status;
}

static xc_status mosaics(struct job *job)
{
    struct tiles t = {0};
    xc_session_size(job->checks->session, &t.h, &t.w, &t.c);
    const size_t count = (size_t)t.h * t.w * t.c;
    t.input = calloc(count, sizeof *t.input);
    t.mosaic = calloc(count, sizeof *t.mosaic);
    xc_status status = t.input && t.mosaic ? XC_OK : XC_ERR_MEMORY;
    for (size_t i = 0; i < job->checks->count && status == XC_OK; i++)
        status = one_mosaic(job, &t, i);
    free(t.input);
    free(t.mosaic);
    return status;
}

/* ---- the summary ----------------------------------------------------------------------------- */

static void put_json(const char *name, double value)
{
    printf("\"%s\":", name);
    emit_float((float)value);
}

static void print_json(const struct job *job)
{
    static const char *const name[PARTS] = {"random_last", "random_half", "random_all"};
    const struct checks *c = job->checks;
    const double n = (double)c->count, m = (double)c->mosaics;
    printf(job->format == FORMAT_JSON ? ",\"summary\":{" : "{\"summary\":{");
    printf("\"pictures\":%zu,\"method\":\"%s\",", c->count,
           xc_explain_method_name(job->opts.method));
    put_json("deletion", c->deletion / n), putchar(',');
    put_json("insertion", c->insertion / n), putchar(',');
    put_json("centre_deletion", c->centre_deletion / n), putchar(',');
    put_json("centre_insertion", c->centre_insertion / n), putchar(',');
    put_json("central", (double)c->central / n), putchar(',');
    put_json("mosaic_hits", m > 0 ? (double)c->hits / m : NAN), putchar(',');
    put_json("mosaic_share", m > 0 ? c->share / m : NAN);
    for (int p = 0; p < PARTS; p++) {
        putchar(',');
        put_json(name[p], c->compared[p] ? c->correlation[p] / (double)c->compared[p] : NAN);
    }
    fputs(job->format == FORMAT_JSON ? "}" : "}}\n", stdout);
}

static void print_text(const struct job *job, FILE *out)
{
    const struct checks *c = job->checks;
    const double n = (double)c->count, m = (double)c->mosaics;
    fprintf(out, "check      %zu picture%s, %s\n", c->count, c->count == 1 ? "" : "s",
            xc_explain_method_name(job->opts.method));
    fprintf(out, "deletion   %.3f  (a spot in the centre: %.3f; lower in %zu of %zu)\n",
            c->deletion / n, c->centre_deletion / n, c->better_deletion, c->count);
    fprintf(out, "insertion  %.3f  (a spot in the centre: %.3f; higher in %zu of %zu)\n",
            c->insertion / n, c->centre_insertion / n, c->better_insertion, c->count);
    fprintf(out, "hottest    in the middle quarter in %zu of %zu\n", c->central, c->count);
    if (c->compared[0] == 0) return;
    if (c->mosaics)
        fprintf(out,
                "mosaics    hottest in the right picture %.2f, share of the heat there %.2f "
                "(the centre: 0.25)\n",
                (double)c->hits / m, c->share / m);
    else
        fprintf(out, "mosaics    need pictures of four classes\n");
    fprintf(out, "random     rank correlation");
    for (int p = 0; p < PARTS; p++)
        fprintf(out, "%s %.2f %s", p ? "," : "", c->correlation[p] / (double)c->compared[p],
                part_name[p]);
    fprintf(out, "\n");
}

int checks_finish(struct job *job)
{
    const bool curves = strcmp(arg_text(job->args, "check"), "curves") == 0;
    xc_status status = curves ? XC_OK : mosaics(job);
    for (int p = 0; p < PARTS && status == XC_OK && !curves; p++) status = forget(job, p);
    bar_clear(&job->bar);
    if (status != XC_OK)
        return say_status(status,
                          status == XC_ERR_IO || status == XC_ERR_FORMAT ? EXIT_DATA : EXIT_MODEL);
    if (job->format == FORMAT_JSON || job->format == FORMAT_JSONL)
        print_json(job);
    else /* a table stays a table */
        print_text(job, job->format == FORMAT_TEXT ? stdout : stderr);
    return EXIT_DONE;
}
