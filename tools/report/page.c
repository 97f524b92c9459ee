/* SPDX-License-Identifier: Apache-2.0 */
/* The text that grows, escaping, and the frame of a page. */
#include "page.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* ---- text ------------------------------------------------------------------------------------ */

static bool grow(struct page *p, size_t more)
{
    if (p->failed) return false;
    if (more < p->room - p->size) return true;
    size_t room = p->room + p->room / 2 + more + 4096;
    char *at = room > p->room ? realloc(p->at, room) : NULL;
    if (!at) {
        p->failed = true;
        return false;
    }
    p->at = at;
    p->room = room;
    return true;
}

static void put_bytes(struct page *p, const char *bytes, size_t count)
{
    if (!grow(p, count)) return;
    memcpy(p->at + p->size, bytes, count);
    p->size += count;
    p->at[p->size] = 0;
}

void put(struct page *p, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof text) {
        put_bytes(p, text, (size_t)n);
    } else if (n > 0 && grow(p, (size_t)n)) {
        va_start(args, format);
        vsnprintf(p->at + p->size, (size_t)n + 1, format, args);
        va_end(args);
        p->size += (size_t)n;
    } else {
        p->failed = true;
    }
}

static const char *entity(unsigned char c)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void put_text(struct page *p, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        const size_t n = utf8_bytes((const char *)c);
        const char *safe = entity(*c);
        const bool none = n == 3 && c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe; /* to XML */
        if (n == 0 || none || (*c < 32 && *c != '\n' && *c != '\t') || *c == 127)
            put_bytes(p, "\xef\xbf\xbd", 3);
        else if (safe)
            put_bytes(p, safe, strlen(safe));
        else
            put_bytes(p, (const char *)c, n);
        c += n ? n : 1;
    }
}

void put_json(struct page *p, const char *text)
{
    put_bytes(p, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        const size_t n = utf8_bytes((const char *)c);
        if (n == 0)
            put(p, "\\ufffd");
        else if (*c < 32 || strchr("\"\\<>&\x7f", *c))
            put(p, "\\u%04x", *c);
        else
            put_bytes(p, (const char *)c, n);
        c += n ? n : 1;
    }
    put_bytes(p, "\"", 1);
}

const char *page_grouped(uint64_t number, const char *between, char room[PAGE_GROUPED])
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%ju", (uintmax_t)number);
    size_t at = 0;
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(room + at, PAGE_GROUPED - at, "%s%c",
                               i && (n - i) % 3 == 0 ? between : "", digits[i]);
    return room;
}

void put_number(struct page *p, double value, int digits)
{
    char text[64];
    if (!isfinite(value)) {
        put(p, "%s", isnan(value) ? "-" : value > 0 ? "inf" : "-inf");
        return;
    }
    snprintf(text, sizeof text, "%.*f", digits, value);
    const char *point = localeconv()->decimal_point;
    char *at = strstr(text, point);
    if (at) {
        *at = '.';
        memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
        for (char *end = text + strlen(text); end > at && (end[-1] == '0' || end[-1] == '.'); end--)
            end[-1] = 0;
    }
    put(p, "%s", strcmp(text, "-0") == 0 ? "0" : text);
}

void put_data(struct page *p, const char *mime, const void *bytes, size_t count)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    put(p, "data:%s;base64,", mime);
    if (count > SIZE_MAX / 2 || !grow(p, count / 3 * 4 + 4)) return;
    char *to = p->at + p->size;
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                              (left > 2 ? in[i + 2] : 0);
        *to++ = digit[bits >> 18];
        *to++ = digit[bits >> 12 & 63];
        *to++ = left > 1 ? digit[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? digit[bits & 63] : '=';
    }
    *to = 0;
    p->size = (size_t)(to - p->at);
}

/* ---- pictures -------------------------------------------------------------------------------- */

static xc_status small_copy(const xc_image *upright, uint32_t side, xc_image **out)
{
    xc_image_info info;
    xc_image_get_info(upright, &info);
    const uint32_t most = info.width > info.height ? info.width : info.height;
    const double scale = most > side ? (double)side / most : 1;
    const uint32_t w = (uint32_t)lround(info.width * scale),
                   h = (uint32_t)lround(info.height * scale);
    return xc_image_resize(upright, w ? w : 1, h ? h : 1, XC_FILTER_BICUBIC, out);
}

bool put_picture(struct page *p, const xc_image *image, uint32_t side)
{
    xc_image *upright = NULL, *small = NULL;
    xc_image_info info;
    uint8_t *bytes = NULL;
    size_t count = 0;
    xc_status status = xc_image_upright(image, &upright);
    if (status == XC_OK) status = small_copy(upright, side, &small);
    if (status == XC_OK) {
        xc_image_get_info(small, &info);
        const bool photo = info.format != XC_RGBA8;
        const char *mime = photo ? "image/jpeg" : "image/png";
        status = xc_image_encode(small, photo ? XC_CODEC_JPEG : XC_CODEC_PNG, 85, &bytes, &count);
        if (status == XC_OK) put_data(p, mime, bytes, count);
    }
    if (status != XC_OK) put(p, "data:,");
    xc_bytes_free(bytes);
    xc_image_free(small);
    xc_image_free(upright);
    return status == XC_OK;
}

/* ---- the frame ------------------------------------------------------------------------------- */

/* In light and dark. s1..s8: series, told apart also by the colour-blind (after Okabe and Ito). */
static const struct {
    const char *name, *light, *dark;
} colours[] = {
    {"paper", "#fff", "#14171a"},   {"ink", "#1b1f24", "#e6e9ec"}, {"soft", "#5b6570", "#9aa4ae"},
    {"line", "#d5dae0", "#343b42"}, {"box", "#f5f7f9", "#1d2226"}, {"accent", "#0b62a8", "#6bb5f2"},
    {"good", "#1a7f4b", "#5cc98f"}, {"bad", "#b3261e", "#ff8a80"}, {"s1", "#0072b2", "#4aa3df"},
    {"s2", "#d55e00", "#f28c4b"},   {"s3", "#009e73", "#33c39a"},  {"s4", "#cc79a7", "#e3a3c6"},
    {"s5", "#b58900", "#e0b83c"},   {"s6", "#56b4e9", "#8fd0f5"},  {"s7", "#7a5195", "#b79ad6"},
    {"s8", "#6b7280", "#9aa4ae"},
};

static const char style[] =
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}"
    "header,main,footer{max-width:72rem;margin:0 auto;padding:0 1.25rem}"
    "header{padding-top:2rem}h1{font-size:1.9rem;line-height:1.2;margin:0;overflow-wrap:anywhere}"
    "h2{font-size:1.3rem;margin:2.5rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}"
    "h3{font-size:1.05rem;margin:1.6rem 0 .4rem}p{max-width:46rem}a{color:var(--accent)}"
    "header p,.note,figcaption,footer{color:var(--soft)}.note,figcaption,footer{font-size:.88rem}"
    "footer{margin-top:3rem;padding-bottom:2rem}code,pre,.num{font-family:ui-monospace,Menlo,"
    "Consolas,monospace}code,pre{font-size:.88em;background:var(--box);border-radius:4px}"
    "code{padding:.1em .3em;overflow-wrap:anywhere}pre{padding:.8rem 1rem;overflow-x:auto}"
    "pre code{padding:0;overflow-wrap:normal}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem;"
    "margin:1.2rem 0}.card{background:var(--box);border:1px solid var(--line);border-radius:10px;"
    "padding:.8rem 1rem}.card b{display:block;font-size:1.5rem;line-height:1.25;"
    "font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:.85rem}"
    ".wide{overflow-x:auto;max-width:100%}table{border-collapse:collapse;font-size:.92rem;"
    "font-variant-numeric:tabular-nums;margin:.8rem 0}th,td{padding:.35rem .7rem;text-align:left;"
    "border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:600}"
    "td.num,th.num{text-align:right;white-space:nowrap}tbody tr:hover{background:var(--box)}"
    "table.sortable th{cursor:pointer;user-select:none}table.sortable "
    "th[aria-sort=ascending]::after"
    "{content:' \\2191'}table.sortable th[aria-sort=descending]::after{content:' \\2193'}"
    "figure{margin:1rem 0}svg{max-width:100%;height:auto}img{max-width:100%}"
    ".gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.9rem}"
    ".gallery figure{margin:0}.gallery img{width:100%;border-radius:8px;display:block}"
    ".good{color:var(--good)}.bad{color:var(--bad)}"
    ".row{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1."
    "2rem}"
    "button,input,select{font:inherit;color:inherit;accent-color:var(--accent)}"
    "button,select{background:var(--box);border:1px solid var(--line);border-radius:6px;"
    "padding:.25rem .7rem;cursor:pointer}"
    ":focus-visible{outline:2px solid var(--accent);outline-offset:2px}"
    "@media(max-width:40rem){body{font-size:15px}h1{font-size:1.5rem}th,td{padding:.3rem .45rem}}"
    "@media print{h2{break-after:avoid}figure,.card{break-inside:avoid}}";

static const char sorting[] =
    "<script>document.querySelectorAll('table.sortable').forEach(t=>{const h=[...t.tHead.rows[0]"
    ".cells];h.forEach((c,i)=>{c.tabIndex=0;const go=()=>{const up=c.getAttribute('aria-sort')!=="
    "'ascending';h.forEach(x=>x.removeAttribute('aria-sort'));c.setAttribute('aria-sort',up?"
    "'ascending':'descending');const key=r=>{const d=r.cells[i];const v=d.dataset.v??d.textContent"
    ".trim();const n=parseFloat(v);return isNaN(n)?v:n};const rows=[...t.tBodies[0].rows];"
    "rows.sort((a,b)=>{const x=key(a),y=key(b);const o=typeof x===typeof y?(x<y?-1:x>y?1:0):"
    "typeof x==='number'?-1:1;return up?o:-o});t.tBodies[0].append(...rows)};c.addEventListener("
    "'click',go);c.addEventListener('keydown',e=>{if(e.key==='Enter'||e.key===' '){"
    "e.preventDefault();go()}})})});</script>\n";

enum { COLOURS = sizeof colours / sizeof *colours };

static void put_variables(struct page *p, bool dark)
{
    for (int i = 0; i < COLOURS; i++)
        put(p, "%s--%s:%s", i ? ";" : "", colours[i].name,
            dark ? colours[i].dark : colours[i].light);
}

/* Many viewers of drawings know selectors, but no variables (librsvg 2.58). */
static void put_rules(struct page *p, bool dark)
{
    static const char *const property[] = {"fill", "stroke"};
    for (int i = 0; i < COLOURS; i++)
        for (int k = 0; k < 2; k++)
            put(p, "[%s='var(--%s)']{%s:%s}", property[k], colours[i].name, property[k],
                dark ? colours[i].dark : colours[i].light);
}

void page_drawing_colours(struct page *p)
{
    put_rules(p, false);
    put(p, "@media(prefers-color-scheme:dark){");
    put_rules(p, true);
    put(p, "}");
}

void page_begin(struct page *p, const char *title, const char *subtitle)
{
    put(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<link rel=\"icon\" href=\"data:,\">\n<title>");
    put_text(p, title);
    put(p, "</title>\n<style>\n");
    put(p, ":root{color-scheme:light dark;");
    put_variables(p, false);
    put(p, "}@media(prefers-color-scheme:dark){:root{");
    put_variables(p, true);
    put(p, "}}");
    put_bytes(p, style, sizeof style - 1);
    put(p, "\n</style>\n</head>\n<body>\n<header>\n<h1>");
    put_text(p, title);
    put(p, "</h1>\n");
    if (subtitle) {
        put(p, "<p>");
        put_text(p, subtitle);
        put(p, "</p>\n");
    }
    put(p, "</header>\n<main>\n");
}

void page_card(struct page *p, const char *label, const char *format, ...)
{
    char value[128];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    put(p, "<div class=\"card\"><b>");
    put_text(p, value);
    put(p, "</b><span>");
    put_text(p, label);
    put(p, "</span></div>\n");
}

void page_end(struct page *p)
{
    put(p,
        "</main>\n<footer><p>Made by xception %s. Complete in itself: nothing is loaded from "
        "anywhere.</p></footer>\n",
        xc_version());
    put_bytes(p, sorting, sizeof sorting - 1);
    put(p, "</body>\n</html>\n");
}

xc_status page_save(const struct page *p, const char *path)
{
    if (p->failed) return XC_ERR_MEMORY;
    return xc_file_write(path, p->at ? p->at : "", p->size);
}

void page_free(struct page *p)
{
    free(p->at);
    *p = (struct page){0};
}
