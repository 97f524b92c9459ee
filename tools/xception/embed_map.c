/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do pictures lie to each other? Their rows in the plane in which they differ most (the first
 * two principal components), each as a small picture; the frame's colour is the folder that it came
 * from. An SVG, or a page with the same drawing, which can be enlarged with the wheel and moved.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "output.h"
#include "page.h"
#include "pictures.h"
#include "say.h"

enum { THUMB = 44, LEAST_THUMB = 22, ROOMY = 500 }; /* ROOMY: so many stand apart */
enum { WIDTH = 1200, HEIGHT = 900, EDGE = 40, MOST_THUMBS = 3000, FOLDERS = 64 };

struct map {
    const struct rows *rows;
    double *at; /* (count, 2) */
    double variance[2], low[2], high[2], all;
    size_t *folder; /* by row */
    const char *name[FOLDERS];
    size_t length[FOLDERS], folders;
    double side;  /* the longer one of a small picture */
    size_t shown; /* every shown-th row is a picture, others are dots */
};

/* Eight colours; the next eight folders have them with broken lines. Those past the last share it.
 */
static void find_folders(struct map *m)
{
    for (size_t i = 0; i < m->rows->count; i++) {
        size_t length, f = 0;
        const char *name = picture_folder(m->rows->path[i], &length);
        while (f < m->folders && (m->length[f] != length || strncmp(m->name[f], name, length) != 0))
            f++;
        if (f == m->folders && m->folders < FOLDERS) {
            m->name[f] = name;
            m->length[m->folders++] = length;
        }
        m->folder[i] = f < FOLDERS ? f : FOLDERS - 1;
    }
}

static void find_ends(struct map *m)
{
    for (int k = 0; k < 2; k++) {
        m->low[k] = INFINITY, m->high[k] = -INFINITY;
        for (size_t i = 0; i < m->rows->count; i++) {
            m->low[k] = fmin(m->low[k], m->at[2 * i + (size_t)k]);
            m->high[k] = fmax(m->high[k], m->at[2 * i + (size_t)k]);
        }
        if (!(m->high[k] > m->low[k])) m->high[k] = m->low[k] + 1;
    }
}

/* Sum of the variances of all numbers. */
static double all_variance(const struct rows *r)
{
    double sum = 0;
    for (size_t j = 0; j < r->width; j++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < r->count; i++) mean += (double)r->at[i * r->width + j];
        mean /= (double)r->count;
        for (size_t i = 0; i < r->count; i++) {
            const double d = (double)r->at[i * r->width + j] - mean;
            squares += d * d;
        }
        sum += squares / (double)(r->count - 1);
    }
    return sum;
}

static const char *line_of(size_t folder)
{
    return folder / 8 % 2 ? " stroke-dasharray='3 2'" : "";
}

static void put_row(struct page *p, const struct map *m, size_t i)
{
    const double u = (m->at[2 * i] - m->low[0]) / (m->high[0] - m->low[0]);
    const double v = (m->at[2 * i + 1] - m->low[1]) / (m->high[1] - m->low[1]);
    const double x = EDGE + u * (WIDTH - 2 * EDGE), y = HEIGHT - EDGE - v * (HEIGHT - 2 * EDGE);
    const size_t colour = m->folder[i] % 8 + 1;
    xc_image *image = NULL;
    xc_image_info info;
    if (i % m->shown != 0 || xc_image_load(m->rows->path[i], NULL, &image) != XC_OK) {
        put(p, "<circle cx='%.1f' cy='%.1f' r='3' fill='var(--s%zu)'><title>", x, y, colour);
        put_text(p, m->rows->path[i]);
        put(p, "</title></circle>\n");
        return;
    }
    xc_image_get_info(image, &info);
    const bool turned = info.orientation >= 5;
    const double wide = turned ? info.height : info.width, high = turned ? info.width : info.height;
    const double longer = wide > high ? wide : high, w = m->side * wide / longer;
    const double h = m->side * high / longer;
    put(p, "<g transform='translate(%.1f %.1f)'><title>", x - w / 2, y - h / 2);
    put_text(p, m->rows->path[i]);
    put(p, "</title><image width='%.1f' height='%.1f' href='", w, h);
    put_picture(p, image, 2 * THUMB);
    put(p,
        "'/><rect width='%.1f' height='%.1f' fill='none' stroke='var(--s%zu)' "
        "stroke-width='2'%s/></g>\n",
        w, h, colour, line_of(m->folder[i]));
    xc_image_free(image);
}

static void put_legend(struct page *p, const struct map *m)
{
    char text[64];
    for (size_t f = 0; f < m->folders && m->folders > 1; f++) {
        const double y = HEIGHT + 24 + 22 * (double)(f / 6), x = EDGE + 190 * (double)(f % 6);
        snprintf(text, sizeof text, "%.*s", (int)(m->length[f] < 24 ? m->length[f] : 24),
                 m->name[f]);
        put(p,
            "<rect x='%.0f' y='%.0f' width='13' height='13' fill='none' stroke='var(--s%zu)' "
            "stroke-width='3'%s/>",
            x, y - 12, f % 8 + 1, line_of(f));
        put(p, "<text x='%.0f' y='%.0f' fill='var(--ink)'>", x + 20, y);
        put_text(p, text);
        put(p, "</text>\n");
    }
}

static double full_height(const struct map *m)
{
    return HEIGHT + (m->folders > 1 ? 22 * (double)((m->folders + 5) / 6) + 16 : 8);
}

static void put_svg(struct page *p, const struct map *m, bool alone)
{
    put(p,
        "<svg xmlns='http://www.w3.org/2000/svg' id='map' viewBox='0 0 %d %.0f' role='img' "
        "font-family='system-ui,sans-serif' font-size='14'>\n<title>Pictures in the plane in "
        "which they differ most</title>\n",
        WIDTH, full_height(m));
    if (alone) {
        put(p, "<style>");
        page_drawing_colours(p);
        put(p, "</style>\n<rect width='100%%' height='100%%' fill='var(--paper)'/>\n");
    }
    put(p,
        "<text x='%d' y='%d' text-anchor='middle' fill='var(--soft)'>first component: %.1f %% of "
        "the variance</text>\n",
        WIDTH / 2, HEIGHT - 6, 100 * m->variance[0] / m->all);
    put(p,
        "<text transform='translate(16 %d) rotate(-90)' text-anchor='middle' "
        "fill='var(--soft)'>second component: %.1f %%</text>\n<g id='rows'>\n",
        HEIGHT / 2, 100 * m->variance[1] / m->all);
    for (size_t i = 0; i < m->rows->count; i++) put_row(p, m, i);
    put(p, "</g>\n");
    put_legend(p, m);
    put(p, "</svg>\n");
}

/* The wheel enlarges the plane around the pointer, pictures keep their size; dragging moves it. */
static const char script[] =
    "<script>(()=>{const s=document.getElementById('map'),g=document.getElementById('rows');"
    "const e=[...g.children].map(n=>{const m=n.transform.baseVal;const c=n.tagName=='circle';"
    "return{n,c,x:c?+n.getAttribute('cx'):m[0].matrix.e,y:c?+n.getAttribute('cy'):m[0].matrix.f}});"
    "let k=1,tx=0,ty=0;const at=v=>{const r=s.getBoundingClientRect(),b=s.viewBox.baseVal;"
    "return[(v.clientX-r.left)*b.width/r.width,(v.clientY-r.top)*b.height/r.height]};"
    "const draw=()=>{for(const o of e){const x=o.x*k+tx,y=o.y*k+ty;if(o.c){"
    "o.n.setAttribute('cx',x);o.n.setAttribute('cy',y)}else "
    "o.n.setAttribute('transform',`translate(${x} ${y})`)}};"
    "s.addEventListener('wheel',v=>{v.preventDefault();const[x,y]=at(v),f=Math.exp(-v.deltaY/400),"
    "q=Math.min(40,Math.max(1,k*f));tx=x-(x-tx)*q/k;ty=y-(y-ty)*q/k;k=q;if(k==1)tx=ty=0;draw()},"
    "{passive:false});let d=null;s.addEventListener('pointerdown',v=>{d=at(v);"
    "s.setPointerCapture(v.pointerId)});s.addEventListener('pointermove',v=>{if(!d)return;"
    "const p=at(v);tx+=p[0]-d[0];ty+=p[1]-d[1];d=p;draw()});"
    "s.addEventListener('pointerup',()=>d=null)})()</script>\n";

static void put_page(struct page *p, const struct map *m)
{
    char subtitle[128];
    snprintf(subtitle, sizeof subtitle, "%zu pictures, by what the network says of them",
             m->rows->count);
    page_begin(p, "A map of pictures", subtitle);
    put(p, "<p class='note'>Near each other: alike to the network. Axes are the two directions in "
           "which the pictures differ most. The wheel enlarges, dragging moves; names on "
           "hover.</p>\n<style>#map{width:100%%;touch-action:none;cursor:grab}</style>\n");
    put_svg(p, m, false);
    put(p, "%s", script);
    page_end(p);
}

int map_write(const struct rows *rows, const char *path)
{
    struct page p = {0};
    struct map m = {.rows = rows, .shown = rows->count / MOST_THUMBS + 1};
    m.side = fmax(LEAST_THUMB, fmin(THUMB, THUMB * sqrt((double)ROOMY / (double)rows->count)));
    if (rows->count < 3 || rows->width < 2) {
        say_error("a map needs three pictures, there are %zu", rows->count);
        return EXIT_DATA;
    }
    m.at = calloc(rows->count, 2 * sizeof *m.at);
    m.folder = calloc(rows->count, sizeof *m.folder);
    xc_status status = m.at && m.folder ? xc_pca(rows->at, (uint32_t)rows->count,
                                                 (uint32_t)rows->width, 2, m.at, NULL, m.variance)
                                        : XC_ERR_MEMORY;
    if (status == XC_OK) {
        m.all = fmax(all_variance(rows), 1e-30);
        find_folders(&m);
        find_ends(&m);
        if (output_ends(path, ".svg"))
            put_svg(&p, &m, true);
        else
            put_page(&p, &m);
        status = page_save(&p, path);
    }
    page_free(&p);
    free(m.at);
    free(m.folder);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}
