/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pictures of the page: the worst answers with the heat of what was answered, and the confusion
 * matrix, whose cells show what is behind them. The rows go into the page as short arrays, the
 * worst first; pictures are small copies, so many only that the page stays small.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "eval_draw.h"
#include "seconds.h"

enum {
    MATRIX = 40,       /* classes of a matrix that is a table */
    ROWS = 60000,      /* that a click can show */
    WRONG_SMALL = 500, /* pictures behind cells: wrong, and right */
    RIGHT_SMALL = 200,
    SMALL_SIDE = 112,
    WORST = 24, /* with heat */
    WORST_SIDE = 220,
    MOST_MISSING = 12 /* pictures that are not there before we stop looking */
};

/* ---- the worst ------------------------------------------------------------------------------- */

static xc_explainer *open_explainer(const struct eval *e)
{
    xc_explain_opts opts = XC_EXPLAIN_OPTS_INIT;
    xc_explainer *explainer = NULL;
    opts.preprocess = &e->preprocess;
    opts.height = e->height;
    opts.width = e->width;
    if (!e->models || xc_explainer_new(e->model[0].model, &opts, &explainer) != XC_OK) return NULL;
    return explainer;
}

static void put_image(struct page *p, const xc_image *image, const char *alt)
{
    put(p, "<img loading=\"lazy\" src=\"");
    put_picture(p, image, WORST_SIDE);
    put(p, "\" alt=\"");
    put_text(p, alt);
    put(p, "\">");
}

static void put_heat(struct page *p, xc_explainer *explainer, const xc_image *image, uint32_t class)
{
    xc_heat_opts opts = XC_HEAT_OPTS_INIT;
    xc_heatmap heat;
    xc_image *drawn = NULL;
    opts.side = WORST_SIDE;
    opts.legend = false;
    if (!explainer || xc_explain(explainer, image, class, &heat) != XC_OK ||
        xc_heatmap_draw(&heat, image, &opts, &drawn) != XC_OK)
        return;
    put_image(p, drawn, "where the answer came from");
    xc_image_free(drawn);
}

static bool put_worst(struct page *p, const struct eval *e, xc_explainer *explainer,
                      const xc_scored *s)
{
    xc_image *image = NULL;
    if (eval_image(e, s->id, &image) != XC_OK) return false;
    put(p, "<figure><div class=\"pair\">");
    put_image(p, image, "the picture");
    put_heat(p, explainer, image, s->answer);
    put(p, "</div><figcaption>");
    put_text(p, e->label[s->label]);
    put(p, ", answered <b class=\"bad\">");
    put_text(p, e->label[s->answer]);
    put(p, "</b>");
    if (!isnan(s->probability)) put(p, " with %.1f %%", 100 * s->probability);
    put(p, "<br><small>");
    put_text(p, eval_path(e, s->id));
    put(p, "</small></figcaption></figure>\n");
    xc_image_free(image);
    return true;
}

void eval_put_gallery(struct page *p, const struct eval *e)
{
    struct bar bar;
    struct ticker ticker = {.bar = &bar, .what = "worst pictures", .began = seconds_now()};
    xc_explainer *explainer = open_explainer(e);
    const size_t before = p->size;
    int shown = 0, missing = 0;
    put(p,
        "<h2>The worst mistakes</h2>\n<p class=\"note\">Those whose label the model expected least "
        "come first.%s</p>\n"
        "<div class=\"gallery worst%s\">\n",
        explainer ? " Beside each picture, lit up: what spoke for the answer (Grad-CAM)." : "",
        explainer ? " two" : "");
    bar_begin(&bar, arg_on(e->args, "quiet"));
    for (uint64_t i = 0; i < e->worst.count && shown < WORST && missing < MOST_MISSING; i++) {
        xc_scored s;
        if (xc_scores_get(e->model[0].scores, e->worst.row[i], &s) != XC_OK || s.place == 0)
            continue;
        if (put_worst(p, e, explainer, &s))
            shown++;
        else
            missing++;
        eval_tick(&ticker, (uint64_t)shown, WORST);
    }
    bar_clear(&bar);
    put(p, "</div>\n");
    xc_explainer_free(explainer);
    if (shown == 0 && !p->failed) { /* nothing is wrong, or no picture is there */
        p->size = before;
        p->at[before] = '\0';
    }
}

/* ---- rows for the script --------------------------------------------------------------------- */

static uint64_t rows_shown(const struct eval *e)
{
    return e->worst.count < ROWS ? e->worst.count : ROWS;
}

static void put_small(struct page *p, const struct eval *e, uint64_t i, const xc_scored *s,
                      int *missing)
{
    xc_image *image = NULL;
    if (eval_image(e, s->id, &image) != XC_OK) {
        ++*missing;
        return;
    }
    put(p, "%" PRIu64 ":\"", i);
    put_picture(p, image, SMALL_SIDE);
    put(p, "\",\n");
    xc_image_free(image);
}

static void put_smalls(struct page *p, const struct eval *e)
{
    struct bar bar;
    struct ticker ticker = {.bar = &bar, .what = "small pictures", .began = seconds_now()};
    int wrong = 0, right = 0, missing = 0;
    bar_begin(&bar, arg_on(e->args, "quiet"));
    put(p, "t:{");
    for (uint64_t i = 0; i < rows_shown(e) && missing < MOST_MISSING; i++) {
        xc_scored s;
        if (xc_scores_get(e->model[0].scores, e->worst.row[i], &s) != XC_OK) continue;
        if (s.place ? wrong++ >= WRONG_SMALL : right++ >= RIGHT_SMALL) continue;
        put_small(p, e, i, &s, &missing);
        eval_tick(&ticker, i + 1, rows_shown(e));
    }
    put(p, "}");
    bar_clear(&bar);
}

static void put_rows(struct page *p, const struct eval *e)
{
    static const char *const name[] = {"p", "l", "a", "q"};
    for (int k = 0; k < 4; k++) {
        put(p, "%s:[", name[k]);
        for (uint64_t i = 0; i < rows_shown(e); i++) {
            xc_scored s;
            if (xc_scores_get(e->model[0].scores, e->worst.row[i], &s) != XC_OK) continue;
            const uint32_t label = s.place ? s.label : s.answer; /* of several the one meant */
            if (k == 0)
                put_json(p, eval_path(e, s.id));
            else if (k == 3)
                put(p, "%ld", isnan(s.probability) ? -1 : lround(1000 * s.probability));
            else
                put(p, "%u", k == 1 ? label : s.answer);
            if (i + 1 < rows_shown(e)) put(p, ",");
        }
        put(p, "],\n");
    }
}

static int by_key(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Cells that are not zero, of all rows: label, answer, count. */
static void put_counts(struct page *p, const struct eval *e)
{
    const uint64_t n = e->worst.count;
    uint64_t *key = calloc(n + 1, sizeof *key);
    if (!key) p->failed = true;
    for (uint64_t i = 0; key && i < n; i++) {
        xc_scored s;
        if (xc_scores_get(e->model[0].scores, i, &s) != XC_OK) p->failed = true;
        key[i] = (uint64_t)(s.place ? s.label : s.answer) << 32 | s.answer;
    }
    if (key) qsort(key, n, sizeof *key, by_key);
    put(p, "c:[");
    for (uint64_t i = 0, end; key && i < n; i = end) {
        for (end = i; end < n && key[end] == key[i];) end++;
        put(p, "%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", i ? "," : "", key[i] >> 32,
            key[i] & UINT32_MAX, end - i);
    }
    put(p, "],\n");
    free(key);
}

static void put_answers(struct page *p, const struct eval *e)
{
    put(p, "<script>const D={n:[");
    for (uint32_t c = 0; c < e->classes; c++) {
        if (c) put(p, ",");
        put_json(p, e->label[c]);
    }
    put(p, "],\n");
    put_counts(p, e);
    put_rows(p, e);
    put_smalls(p, e);
    put(p, "};</script>\n");
}

/* ---- the matrix ------------------------------------------------------------------------------ */

static void put_cell(struct page *p, const struct eval *e, uint32_t l, uint32_t a, uint64_t count,
                     uint64_t of)
{
    const double share = of ? (double)count / (double)of : 0;
    const double strength = l == a ? share : sqrt(share);
    if (!count) {
        put(p, "<td></td>");
        return;
    }
    put(p,
        "<td class=\"%s%s%s\" style=\"--v:%.0f%%\" tabindex=\"0\" role=\"button\" data-l=\"%u\" "
        "data-a=\"%u\" title=\"",
        l == a ? "ok" : "no", l == a && strength > 0.85 ? " w" : "", strength > 0.65 ? " k" : "",
        100 * (0.08 + 0.92 * strength), l, a);
    put_text(p, e->label[l]);
    put(p, " \u2192 ");
    put_text(p, e->label[a]);
    put(p, ": %" PRIu64 " of %" PRIu64 "\">%" PRIu64 "</td>", count, of, count);
}

static bool count_cells(const struct eval *e, uint64_t *cell)
{
    for (uint64_t i = 0; i < e->worst.count; i++) {
        xc_scored s;
        if (xc_scores_get(e->model[0].scores, i, &s) != XC_OK) return false;
        cell[(s.place ? s.label : s.answer) * (size_t)e->classes + s.answer]++;
    }
    return true;
}

static void put_matrix(struct page *p, const struct eval *e)
{
    const size_t n = e->classes;
    uint64_t *cell = calloc(n * n, sizeof *cell);
    if (!cell || !count_cells(e, cell)) p->failed = true;
    put(p, "<div class=\"wide\"><table class=\"cm\"><thead><tr><th></th>");
    for (uint32_t a = 0; a < n; a++) {
        put(p, "<th class=\"up\">");
        put_text(p, e->label[a]);
        put(p, "</th>");
    }
    put(p, "</tr></thead><tbody>\n");
    for (uint32_t l = 0; cell && l < n; l++) {
        uint64_t of = 0; /* with several labels a picture stands in one row */
        for (uint32_t a = 0; a < n; a++) of += cell[l * n + a];
        put(p, "<tr><th>");
        put_text(p, e->label[l]);
        put(p, "</th>");
        for (uint32_t a = 0; a < n; a++) put_cell(p, e, l, a, cell[l * n + a], of);
        put(p, "</tr>\n");
    }
    put(p, "</tbody></table></div>\n");
    free(cell);
}

static const char style[] =
    "<style>.cm{border-collapse:separate;border-spacing:1px;font-size:.82rem}"
    ".cm td{width:2.4rem;min-width:2.4rem;height:2.2rem;padding:0;border:0;text-align:center;"
    "vertical-align:middle;background:var(--box)}.cm tbody tr:hover{background:none}"
    ".cm td[data-l]{cursor:pointer}.cm td[data-l]:hover{outline:2px solid var(--ink)}"
    ".cm .ok{background:color-mix(in srgb,var(--s1) var(--v),var(--box))}"
    ".cm .no{background:color-mix(in srgb,var(--s2) var(--v),var(--box))}"
    "@media(prefers-color-scheme:light){.cm .w{color:var(--paper)}}"
    "@media(prefers-color-scheme:dark){.cm .k{color:var(--paper)}}"
    ".cm th{border:0;padding:.1rem .5rem;text-align:right;white-space:nowrap;vertical-align:middle;"
    "font-weight:400;color:var(--ink)}.cm th.up{writing-mode:vertical-rl;transform:rotate(180deg);"
    "text-align:left;padding:.5rem 0;vertical-align:top}"
    ".map{display:flex;flex-wrap:wrap;gap:1.5rem;align-items:flex-start}"
    ".map>*{flex:1 1 18rem;min-width:0}.map>:has(.cm){flex:0 1 auto}.map "
    "canvas{max-width:36rem;width:100%;aspect-ratio:1;"
    "border:1px solid var(--line);border-radius:6px;cursor:crosshair}.map input{width:100%;"
    "background:var(--box);border:1px solid var(--line);border-radius:6px;padding:.35rem .7rem}"
    "#pairs{max-height:32rem;overflow:auto}#pairs button{display:flex;width:100%;gap:.8rem;"
    "border:0;border-bottom:1px solid var(--line);border-radius:0;background:none;text-align:left}"
    "#pairs button:hover{background:var(--box)}#pairs b{min-width:2.4rem;text-align:right;"
    "font-variant-numeric:tabular-nums}#pairs span{overflow-wrap:anywhere}"
    "#behind{min-height:2rem}#behind .gallery{grid-template-columns:repeat(auto-fill,minmax("
    "7rem,1fr))}#behind figcaption,.worst figcaption{overflow-wrap:anywhere;line-height:1.35;"
    "margin-top:.3rem}.gallery.two{grid-template-columns:repeat(auto-fill,minmax(min(17rem,"
    "100%),1fr))}.pair{display:flex;gap:.3rem}.pair img{flex:1 1 0;min-width:0;width:50%;"
    "height:11rem;object-fit:cover}"
    ".tall{max-height:34rem;overflow:auto}.tall td:first-child{min-width:7rem}.tall thead "
    "th{position:sticky;top:0;"
    "background:var(--paper)}.facts th{white-space:nowrap}.facts td{overflow-wrap:anywhere}"
    "</style>\n";

static const char script[] =
    "<script>(()=>{const n=D.n.length,box=document.getElementById('behind'),by=new Map(),"
    "of=new Array(n).fill(0),cnt=new Map();D.c.forEach(([l,a,c])=>{cnt.set(l*n+a,c);of[l]+=c});"
    "D.l.forEach((l,i)=>{const k=l*n+D.a[i];if(!by.has(k))by.set(k,[]);by.get(k).push(i)});"
    "const el=(t,c,x)=>{const e=document.createElement(t);if(c)e.className=c;"
    "if(x!=null)e.textContent=x;return e};"
    "const say=(l,a)=>D.n[l]+' \\u2192 '+D.n[a];"
    "function show(l,a){const r=by.get(l*n+a)||[],t=cnt.get(l*n+a)||0,m=Math.min(60,"
    "r.length),g=el('div','gallery');"
    "box.replaceChildren(el('h3','',say(l,a)+': '+t+(t==1?' picture':' pictures')),g);"
    "r.slice(0,60).forEach(i=>{const f=el('figure');if(D.t[i]){const m=el('img');m.src=D.t[i];"
    "m.alt=D.p[i];f.append(m)}f.append(el('figcaption','',(D.q[i]<0?'':(D.q[i]/10).toFixed(1)+"
    "' % ')+D.p[i]));g.append(f)});"
    "if(t>m)box.append(el('p','note','and '+(t-m)+' more: predictions.csv'));"
    "box.scrollIntoView({block:'nearest'})}"
    "document.querySelectorAll('[data-l]').forEach(c=>{const go=()=>show(+c.dataset.l,"
    "+c.dataset.a);c.onclick=go;c.onkeydown=e=>{if(e.key=='Enter'||e.key==' '){"
    "e.preventDefault();go()}}});"
    "const list=document.getElementById('pairs'),find=document.getElementById('find');"
    "const pairs=[...cnt].filter(([k])=>Math.floor(k/n)!=k%n).map(([k,c])=>[Math.floor(k/n),k%n,"
    "c]).sort((x,y)=>y[2]-x[2]||x[0]-y[0]||x[1]-y[1]);"
    "function fill(){const w=find?find.value.toLowerCase():'';list.replaceChildren();let k=0;"
    "for(const[l,a,c]of pairs){if(w&&!say(l,a).toLowerCase().includes(w))continue;if(++k>200)break;"
    "const b=el('button');b.append(el('b','',c),el('span','',say(l,a)));b.onclick=()=>show(l,a);"
    "list.append(b)}if(!k)list.append(el('p','note',pairs.length?'no pair has this name':"
    "'nothing is confused'))}fill();if(find)find.oninput=fill;"
    "const cv=document.getElementById('matrix');if(cv){const S=cv.width=cv.height=1000,z=S/n,"
    "x=cv.getContext('2d'),css=getComputedStyle(document.documentElement),tip=document."
    "getElementById('tip');"
    "const paint=()=>{x.clearRect(0,0,S,S);for(const d of[true,false])for(const[k,c]of cnt){"
    "const l=Math.floor(k/n),a=k%n;if((l==a)==d)continue;"
    "const w=Math.max(z,l==a?2:4);x.fillStyle=css.getPropertyValue(l==a?'--s1':'--s2');"
    "x.globalAlpha=Math.min(1,.35+.65*Math.sqrt(c/of[l]));"
    "x.fillRect((a+.5)*z-w/2,(l+.5)*z-w/2,w,w)}};paint();"
    "matchMedia('(prefers-color-scheme: dark)').addEventListener('change',paint);"
    "const at=e=>{const b=cv.getBoundingClientRect(),a=(e.clientX-b.left)/b.width*n-.5,l="
    "(e.clientY-b.top)/b.height*n-.5,R=Math.max(1,Math.ceil(6/z));let best=null,far=1e9;"
    "for(let i=-R;i<=R;i++)for(let j=-R;j<=R;j++){const y=Math.round(l)+i,u=Math.round(a)+j;"
    "if(y<0||u<0||y>=n||u>=n||!cnt.has(y*n+u))continue;const d=(y-l)**2+(u-a)**2;"
    "if(d<far){far=d;best=[y,u]}}return best};"
    "cv.onmousemove=e=>{const c=at(e);tip.textContent=c?say(c[0],c[1])+': '+cnt.get(c[0]*n+c[1])"
    "+' of '+of[c[0]]:'\\u00a0'};cv.onclick=e=>{const c=at(e);if(c)show(c[0],c[1])}}"
    "})();</script>\n";

void eval_put_confusion(struct page *p, const struct eval *e)
{
    put(p, "<h2>What is taken for what</h2>\n<p class=\"note\">%s</p>\n",
        e->classes <= MATRIX ? "Rows: label, columns: answer. A click on a cell shows its pictures."
                             : "Each dot is a pair of classes: label down, answer across. A click "
                               "shows its pictures.");
    put(p, "%s<div class=\"map\"><div>", style);
    if (e->classes <= MATRIX)
        put_matrix(p, e);
    else
        put(p, "<canvas id=\"matrix\" width=\"1000\" height=\"1000\" role=\"img\" "
               "aria-label=\"confusion matrix\"></canvas><p class=\"note\" id=\"tip\">&nbsp;</p>");
    put(p, "</div><div><h3>Most confused</h3>");
    if (e->classes > MATRIX)
        put(p, "<input id=\"find\" type=\"search\" placeholder=\"find a class\" "
               "aria-label=\"find a class\">");
    put(p,
        "<div id=\"pairs\"></div></div></div>\n<div id=\"behind\" aria-live=\"polite\"></div>\n");
    if (e->worst.count > ROWS)
        put(p, "<p class=\"note\">The worst %d of %" PRIu64 " pictures can be clicked on.</p>\n",
            ROWS, e->worst.count);
    put_answers(p, e);
    put(p, "%s", script);
}
