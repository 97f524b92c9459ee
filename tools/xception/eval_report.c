/* SPDX-License-Identifier: Apache-2.0 */
/* report.html: what a person sees first, and what has to be known to do it again. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "emit.h"
#include "eval_draw.h"
#include "say.h"

/* ---- numbers --------------------------------------------------------------------------------- */

static void put_percent(struct page *p, double v)
{
    put_number(p, 100 * v, 2);
    put(p, " %%");
}

static void interval_card(struct page *p, const char *name, const xc_interval *i)
{
    char label[96];
    if (isnan(i->value)) return;
    snprintf(label, sizeof label, "%s, 95 %% sure: %.1f to %.1f %%", name, 100 * i->low,
             100 * i->high);
    page_card(p, label, "%.2f %%", 100 * i->value);
}

static void number_card(struct page *p, const char *name, double v, int digits)
{
    if (!isnan(v)) page_card(p, name, "%.*f", digits, v);
}

static void put_cards(struct page *p, const struct eval *e)
{
    const xc_scores_summary *s = &e->sum;
    char label[96];
    put(p, "<div class=\"cards\">\n");
    interval_card(p, "top-1", &s->top1);
    snprintf(label, sizeof label, "top-%u", s->top);
    interval_card(p, label, &s->topk);
    number_card(p, "F1, mean of classes", s->f1, 4);
    number_card(p, "mAP", s->average_precision, 4);
    number_card(p, "loss", s->loss, 4);
    snprintf(label, sizeof label, "calibration error%s",
             e->fitted_temperature ? " once fitted" : "");
    number_card(p, label, s->ece, 4);
    put(p, "</div>\n");
}

/* ---- two models ------------------------------------------------------------------------------ */

enum { CHANGED_SHOWN = 24, CHANGED_SIDE = 160 };

/* The first ones that only one of the two gets right, as pictures where they are there. */
static void put_changed(struct page *p, const struct eval *e)
{
    size_t count;
    struct changed *change = eval_changed(e, &count);
    put(p, "<div class=\"gallery\">\n");
    for (size_t i = 0; change && i < count && i < CHANGED_SHOWN; i++) {
        xc_image *image = NULL;
        put(p, "<figure>");
        if (eval_image(e, change[i].id, &image) == XC_OK) {
            put(p, "<img loading=\"lazy\" alt=\"the picture\" src=\"");
            put_picture(p, image, CHANGED_SIDE);
            put(p, "\">");
        }
        xc_image_free(image);
        put(p, "<figcaption>");
        put_text(p, e->label[change[i].label]);
        put(p, ": <span class=\"%s\">", change[i].lost ? "good" : "bad");
        put_text(p, e->label[change[i].first]);
        put(p, "</span> \u2192 <span class=\"%s\">", change[i].lost ? "bad" : "good");
        put_text(p, e->model[1].name[change[i].second]);
        put(p, "</span></figcaption></figure>\n");
    }
    put(p, "</div>\n");
    free(change);
}

static void put_comparison(struct page *p, const struct eval *e)
{
    const xc_comparison *c = &e->comparison;
    if (e->models < 2) return;
    put(p, "<h2>Against ");
    put_text(p, e->model[1].file);
    put(p,
        "</h2>\n<p>Of %" PRIu64 " pictures both are right on %" PRIu64 ", neither on %" PRIu64
        ". Only the first is right on <b>%" PRIu64 "</b>, only the second on <b>%" PRIu64
        "</b>: McNemar's test gives p = ",
        c->rows, c->both, c->neither, c->only_a, c->only_b);
    put_number(p, c->p, 4);
    put(p, ", %s. <a href=\"changed.csv\">changed.csv</a> lists them.</p>\n",
        c->p < 0.05 ? "so they differ by more than chance" : "so chance alone may explain it");
    put_changed(p, e);
}

/* ---- classes --------------------------------------------------------------------------------- */

static void put_cell(struct page *p, double v)
{
    put(p, "<td class=\"num\">");
    if (isnan(v))
        put(p, "-");
    else
        put(p, "%.3f", v);
    put(p, "</td>");
}

static void put_classes(struct page *p, const struct eval *e)
{
    const bool ranks = !isnan(e->sum.auc);
    put(p, "<h2>Classes</h2>\n<p class=\"note\">A click on a heading sorts.</p>\n"
           "<div class=\"wide tall\"><table class=\"sortable\"><thead><tr><th>class</th>"
           "<th class=\"num\">pictures</th><th class=\"num\">precision</th>"
           "<th class=\"num\">recall</th><th class=\"num\">F1</th>");
    if (ranks) put(p, "<th class=\"num\">AUC</th><th class=\"num\">average precision</th>");
    if (e->least) put(p, "<th class=\"num\">threshold</th>");
    put(p, "</tr></thead><tbody>\n");
    for (uint32_t c = 0; c < e->classes; c++) {
        const xc_class_scores *s = &e->of_class[c];
        put(p, "<tr><td>");
        put_text(p, e->label[c]);
        put(p, "</td><td class=\"num\">%" PRIu64 "</td>", s->support);
        put_cell(p, s->precision);
        put_cell(p, s->recall);
        put_cell(p, s->f1);
        if (ranks) {
            put_cell(p, s->auc);
            put_cell(p, s->average_precision);
        }
        if (e->least) put_cell(p, e->least[c]);
        put(p, "</tr>\n");
    }
    put(p, "</tbody></table></div>\n");
}

/* ---- calibration and curves ------------------------------------------------------------------ */

static void put_calibration(struct page *p, const struct eval *e)
{
    if (isnan(e->sum.ece)) return;
    put(p, "<h2>Can its confidence be believed?</h2>\n<div class=\"row\"><figure>");
    eval_draw_reliability(p, e);
    put(p,
        "</figure><div><p>Answers are put together by how sure they are; each dot is one of %u "
        "groups, the band says how far chance reaches. On the line, 80 %% sure means right in "
        "80 of 100. Below it, the model is too sure.</p><p>Expected calibration error <b>",
        e->sum.bins);
    put_number(p, e->sum.ece, 4);
    put(p, "</b>");
    if (!isnan(e->sum.brier)) {
        put(p, ", Brier score ");
        put_number(p, e->sum.brier, 4);
    }
    put(p, ".");
    if (e->fitted_temperature) {
        put(p, " Before the temperature of ");
        put_number(p, e->sum.temperature, 4);
        put(p, " was fitted on these pictures it was ");
        put_number(p, e->before.ece, 4);
        put(p, ", with a loss of ");
        put_number(p, e->before.loss, 4);
        put(p, " instead of ");
        put_number(p, e->sum.loss, 4);
        put(p, ".");
    } else {
        put(p, " <code>--fit-temperature -o NEW</code> writes a model whose probabilities are "
               "calibrated.");
    }
    put(p, "</p></div></div>\n");
}

static void put_curves(struct page *p, const struct eval *e)
{
    if (isnan(e->sum.auc)) return;
    put(p, "<h2>One class against the others</h2>\n<p class=\"note\">The classes with the lowest "
           "average precision.</p>\n<div class=\"row\"><figure>");
    eval_draw_curve(p, e, true);
    put(p, "</figure><figure>");
    eval_draw_curve(p, e, false);
    put(p, "</figure></div>\n");
}

static void put_unknown(struct page *p, const struct eval *e)
{
    if (!e->ood) return;
    put(p, "<h2>None of these</h2>\n<p>%" PRIu64 " pictures of none of the classes, from <code>",
        xc_scores_count(e->ood));
    put_text(p, arg_text(e->args, "ood"));
    put(p, "</code>. The threshold accepts 95 %% of the known ones; the fewer of the others it "
           "accepts, the better.</p>\n<div class=\"wide\"><table><thead><tr><th>score</th>"
           "<th class=\"num\">unknown accepted</th><th class=\"num\">known accepted</th>"
           "<th class=\"num\">AUC</th><th class=\"num\">threshold</th></tr></thead><tbody>\n");
    for (int k = XC_REJECT_MAX_LOGIT; k <= XC_REJECT_ENERGY; k++) {
        const xc_rejection *r = &e->rejection[k];
        put(p, "<tr><td>%s%s</td><td class=\"num\">", xc_reject_name((xc_reject)k),
            e->decision.reject == (xc_reject)k ? ", chosen" : "");
        put_percent(p, r->fpr);
        put(p, "</td><td class=\"num\">");
        put_percent(p, r->tpr);
        put(p, "</td>");
        put_cell(p, r->auc);
        put_cell(p, r->threshold);
        put(p, "</tr>\n");
    }
    put(p, "</tbody></table></div>\n");
}

/* ---- identity -------------------------------------------------------------------------------- */

static void put_fact(struct page *p, const char *name, const char *value)
{
    if (!value || !*value) return;
    put(p, "<tr><th>%s</th><td>", name);
    put_text(p, value);
    put(p, "</td></tr>\n");
}

static void put_model(struct page *p, const struct eval_model *m, const char *name)
{
    char hash[65];
    const bool builtin = strcmp(m->file, BUILTIN_NAME) == 0;
    const xc_model_info *info = xc_model_get_info(m->model);
    put_fact(p, name, m->file);
    put_fact(p, "architecture", info->arch);
    put_fact(p, "came from", info->source);
    if (!builtin && xc_file_sha256(m->file, hash) != XC_OK) return;
    put(p, "<tr><th>SHA-256</th><td><code>%s</code></td></tr>\n",
        builtin ? builtin_sha256() : hash);
}

static void put_data_set(struct page *p, const struct eval *e)
{
    xc_dataset_info info;
    char text[128];
    xc_dataset_get_info(e->model[0].data, &info);
    put_fact(p, "pictures", arg_text(e->args, "data"));
    snprintf(text, sizeof text,
             "%s: %" PRIu64 " of %" PRIu64 " pictures (%s), %" PRIu64 " unreadable",
             xc_split_name(e->split), info.split[e->split], info.samples, info.kind, e->unreadable);
    put_fact(p, "split", text);
    put(p, "<tr><th>fingerprint</th><td><code>%s</code></td></tr>\n", info.fingerprint);
    snprintf(text, sizeof text, "%.1f pictures a second, %s",
             (double)e->sum.rows / fmax(1e-9, e->seconds),
             xc_context_cpu(e->context, eval_precision(e)));
    put_fact(p, "speed", text);
}

static void put_word(struct page *p, const char *text)
{
    char *word = shell_word(text);
    put(p, " ");
    put_text(p, word ? word : text);
    free(word);
}

static void put_command(struct page *p, const struct args *args)
{
    put(p, "<tr><th>command</th><td><code>xception eval");
    for (int i = 0; i < args->options; i++) {
        if (!args->value[i]) continue;
        put(p, " --%s", args->option[i]->name);
        if (!*args->value[i]) continue;
        put_word(p, args->value[i]);
    }
    for (int i = 0; i < args->operands; i++) put_word(p, args->operand[i]);
    put(p, "</code></td></tr>\n");
}

static void put_identity(struct page *p, const struct eval *e)
{
    put(p, "<h2>What was measured</h2>\n<div class=\"wide\"><table class=\"facts\"><tbody>\n");
    if (e->models) {
        put_model(p, &e->model[0], "model");
        if (e->models == 2) put_model(p, &e->model[1], "second model");
        put_data_set(p, e);
    } else {
        char hash[65];
        const char *file = arg_text(e->args, "predictions");
        put_fact(p, "predictions", file);
        if (xc_file_sha256(file, hash) == XC_OK)
            put(p, "<tr><th>SHA-256</th><td><code>%s</code></td></tr>\n", hash);
    }
    put_command(p, e->args);
    put(p,
        "</tbody></table></div>\n<p class=\"note\">Beside this page: <a "
        "href=\"predictions.csv\">predictions.csv</a> (every picture, the worst first), <a "
        "href=\"classes.csv\">classes.csv</a>, <a href=\"confusion.csv\">confusion.csv</a>.</p>\n");
}

int eval_write_report(struct eval *e, const char *folder)
{
    struct page p = {0};
    char path[4096], title[256], subtitle[256];
    const char *file = eval_title(e), *slash = strrchr(file, '/');
    snprintf(title, sizeof title, "How good is %s?", slash ? slash + 1 : file);
    const char *data = arg_text(e->args, "data");
    if (e->models)
        snprintf(subtitle, sizeof subtitle, "%s of %.160s: %" PRIu64 " pictures, %u classes",
                 xc_split_name(e->split), data, e->sum.rows, e->classes);
    else
        snprintf(subtitle, sizeof subtitle, "%" PRIu64 " pictures, %u classes", e->sum.rows,
                 e->classes);
    page_begin(&p, title, subtitle);
    put_cards(&p, e);
    put_comparison(&p, e);
    eval_put_confusion(&p, e);
    eval_put_gallery(&p, e);
    put_classes(&p, e);
    put_calibration(&p, e);
    put_curves(&p, e);
    put_unknown(&p, e);
    put_identity(&p, e);
    page_end(&p);
    snprintf(path, sizeof path, "%s/report.html", folder);
    const xc_status status = page_save(&p, path);
    page_free(&p);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}
