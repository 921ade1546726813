/* SPDX-License-Identifier: MIT */
// The page: head, charts, table, and the parts of each model.
#include "models/page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/statistics.h"
#include "models/chart.h"
#include "models/layers.h"
#include "models/markup.h"
#include "models/measure.h"
#include "models/plots.h"

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--panel:#f6f5f2;--ink:#1b1b1a;--soft:#5c5b57;"
    "--line:#e0dfda;--link:#0b57b0;--warm:#e06206;--cold:#1e74de}"
    "@media(prefers-color-scheme:dark){:root{--paper:#161615;--panel:#1f1f1d;--ink:#ecebe6;"
    "--soft:#b4b3ac;--line:#363532;--link:#7db4f5}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main,header{max-width:1160px;margin:0 auto;padding:0 20px}"
    "header{padding-top:28px}h1{font-size:28px;line-height:1.2;margin:0 0 4px}"
    "h2{font-size:20px;margin:44px 0 8px}h3{font-size:17px;margin:26px 0 6px}"
    "h4{font-size:15px;margin:0}h4 small{font-weight:400;color:var(--soft);margin-left:8px}"
    "p{margin:4px 0 10px;max-width:72ch}"
    ".soft,figcaption,.layer p,dt{color:var(--soft)}a{color:var(--link)}"
    ":focus-visible{outline:2px solid var(--link);outline-offset:2px}"
    ".skip{position:absolute;left:-9999px}.skip:focus{left:8px;top:8px;background:var(--paper);"
    "padding:6px}"
    "figure{margin:0}figcaption{font-size:13px}.plot{margin:14px 0 24px}"
    ".plot figcaption{font-size:15px;font-weight:600;color:var(--ink)}"
    ".plot svg{width:100%;height:auto;display:block}.plot .narrow{display:none}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;"
    "font-variant-numeric:tabular-nums;white-space:nowrap}"
    "th,td{padding:6px 9px;text-align:right;border-bottom:1px solid var(--line)}"
    "th{font-weight:600;color:var(--soft)}th[scope=row],th:first-child,.word{text-align:left}"
    "tbody th{color:var(--ink)}th a{text-decoration:none}th a:hover{text-decoration:underline}"
    "tbody tr:hover{background:var(--panel)}.key{vertical-align:-2px;margin-right:6px}"
    ".wrap{white-space:normal;min-width:20em}"
    "code{font:13px ui-monospace,monospace}.long{overflow-wrap:anywhere}"
    "img{image-rendering:pixelated;max-width:100%;height:auto;display:block}"
    ".looks{display:flex;flex-wrap:wrap;gap:18px 22px}.look{width:160px}"
    ".look img{margin-bottom:4px}.look b{overflow-wrap:anywhere}"
    ".model{border-top:1px solid var(--line);margin-top:30px;padding-top:18px}"
    ".model:target h3{text-decoration:underline}"
    ".head h3{margin:0}.head{display:flex;flex-wrap:wrap;gap:0 16px;align-items:baseline}"
    ".layers{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,348px),1fr));"
    "gap:22px 30px;margin-top:12px}.layer{min-width:0}.layer p{font-size:14px;margin:2px 0 8px}"
    ".layer p b{font-weight:600;white-space:nowrap;color:var(--ink)}.layer "
    "figcaption{margin-top:4px}"
    ".values{width:100%;max-width:420px;height:auto;display:block;margin-top:8px;"
    "font:11px system-ui,sans-serif;fill:var(--soft)}.values .axis{stroke:var(--soft);fill:none}"
    ".values .above{stroke:var(--warm)}.values .below{stroke:var(--cold)}"
    "details{font-size:13px;color:var(--soft);margin-top:4px}summary{cursor:pointer}"
    "details span{display:inline-block;margin-right:10px;font-variant-numeric:tabular-nums}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:2px 14px;font-size:14px;margin:10px 0}"
    "dd{margin:0;min-width:0;overflow-wrap:anywhere}"
    ".scale{display:inline-flex;gap:14px;flex-wrap:wrap;font-size:13px;color:var(--soft)}"
    ".swatch{display:inline-block;width:12px;height:12px;margin-right:5px;vertical-align:-1px}"
    "footer{margin:40px 0 30px;font-size:13px;color:var(--soft)}"
    "@media(max-width:700px){.plot .wide{display:none}.plot .narrow{display:block}"
    "main,header{padding:0 14px}header{padding-top:20px}h1{font-size:23px}"
    ".look{width:calc(50% - 11px)}dl{grid-template-columns:1fr}dt{margin-top:6px}}"
    "@media print{.skip{display:none}.model{break-inside:avoid}}";

// ---- Head --------------------------------------------------------------------------------------

static void put_count(FILE *out, uint64_t n) {
    char text[MARKUP_NUMBER];
    fputs(markup_count(n, text), out);
}

static void put_head(FILE *out, const struct gallery *g) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
          "data:; style-src 'unsafe-inline'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n",
          out);
    fprintf(out, "<title>%u tiny model%s</title>\n<style>%s\n%s</style>\n</head>\n<body>\n", g->n,
            g->n == 1 ? "" : "s", style, chart_style);
    fprintf(out,
            "<a class=\"skip\" href=\"#table\">to the table</a>\n<header>\n<h1>%u tiny "
            "model%s</h1>\n<p class=\"soft\">What they know, what they weigh, and where their "
            "weights are.</p>\n</header>\n<main>\n",
            g->n, g->n == 1 ? "" : "s");
}

// ---- Charts ------------------------------------------------------------------------------------

static void tell_source(FILE *out, const struct gallery *g) {
    if (g->measured_on == NULL) {
        fputs("Accuracy is what each file says of itself, as the forge measured it on test images "
              "that had no part in training or choosing.",
              out);
        return;
    }
    fputs("Accuracy was measured for this page on the test images of <bdi>", out);
    markup_text(out, g->measured_on);
    fputs("</bdi>.", out);
}

static bool put_bytes(FILE *out, const struct gallery *g, struct tnm_error *err) {
    uint32_t shown = plots_shown(g, PLOTS_BYTES);
    fputs("<section aria-labelledby=\"bytes\"><h2 id=\"bytes\">Accuracy against size</h2>\n<p "
          "class=\"soft\">",
          out);
    tell_source(out, g);
    fputs(
        " Bars are 95 % intervals (Wilson). Size is the whole file. To the left and up is better.",
        out);
    if (shown < g->n)
        fprintf(out, " The accuracy of %u of the %u models is unknown; they are in the table only.",
                g->n - shown, g->n);
    fputs("</p>\n", out);
    if (!plots_write(out, g, PLOTS_BYTES, err))
        return false;
    fputs("</section>\n", out);
    return true;
}

static bool put_time(FILE *out, const struct gallery *g, struct tnm_error *err) {
    if (plots_shown(g, PLOTS_TIME) == 0)
        return true;
    fputs("<section aria-labelledby=\"time\"><h2 id=\"time\">Accuracy against time</h2>\n<p "
          "class=\"soft\">Measured for this page, one input at a time on one thread: the least of "
          "many short rounds, as other work of the machine only adds to it; a bar reaches to the "
          "median. "
          "Kernels ",
          out);
    markup_text(out, tnm_kernels_name());
    fprintf(out,
            ", on %s. It is the time of the machine that the page was made on: on a PC it says "
            "nothing about a Pi.</p>\n",
            g->timed_on_test ? "the test images"
                             : "made inputs, the same for all models of a size, four of five "
                               "pixels being 0");
    if (!plots_write(out, g, PLOTS_TIME, err))
        return false;
    fputs("</section>\n", out);
    return true;
}

// ---- Table -------------------------------------------------------------------------------------

static void put_accuracy(FILE *out, const struct exhibit *e) {
    double low, high;
    if (e->test.images == 0) {
        fputs("unknown", out);
        return;
    }
    tnm_interval(e->test.correct, e->test.images, &low, &high);
    fprintf(out, "%.2f&#8239;%% <span class=\"soft\">%.2f–%.2f</span>",
            100 * measure_accuracy(e->test), 100 * low, 100 * high);
}

static double removed(const struct tnm_summary *s) {
    return s->weights > 0 ? 100 - 100 * (double)s->nonzeros / (double)s->weights : 0;
}

static double ratio(const struct tnm_summary *s) {
    return s->bytes > 0 ? (double)s->dense_bytes / (double)s->bytes : 0;
}

static bool has_several_data(const struct gallery *g) {
    for (uint32_t i = 1; i < g->n; i++)
        if (strcmp(g->at[i].data, g->at[0].data) != 0)
            return true;
    return false;
}

static void put_words(FILE *out, const char *words) {
    fputs("</td><td class=\"word\"><bdi>", out);
    markup_text(out, words);
    fputs("</bdi>", out);
}

static void put_row(FILE *out, const struct gallery *g, uint32_t i) {
    const struct exhibit *e = &g->at[i];
    const struct tnm_summary *s = &e->summary;
    char time[MARKUP_NUMBER];
    fprintf(out, "<tr><th scope=\"row\">");
    chart_mark(out, gallery_series(g, e->family), false);
    fprintf(out, "<a href=\"#m%u\">", i);
    markup_text(out, e->name);
    fputs("</a></th><td>", out);
    put_count(out, s->bytes);
    fputs("</td><td>", out);
    put_accuracy(out, e);
    fprintf(out, "</td><td>%.1f×</td><td>", ratio(s));
    put_count(out, s->nonzeros);
    fprintf(out, "</td><td>%.2f&#8239;%%</td><td>", removed(s));
    if (s->bits > 0)
        fprintf(out, "%u", s->bits);
    if (g->timed)
        fprintf(out, "</td><td>%s", isfinite(e->ns) ? markup_time(e->ns, time) : "");
    put_words(out, e->family);
    if (has_several_data(g))
        put_words(out, e->data);
    fprintf(out, "</td><td class=\"word\"><code>%.12s</code></td></tr>\n",
            tnm_model_digest(e->model));
}

static void put_columns(FILE *out, const struct gallery *g) {
    fputs("<thead><tr><th scope=\"col\">model</th><th scope=\"col\">bytes</th><th "
          "scope=\"col\">test accuracy</th><th scope=\"col\">smaller</th><th "
          "scope=\"col\">left</th><th scope=\"col\">removed</th><th scope=\"col\">bits</th>",
          out);
    if (g->timed)
        fputs("<th scope=\"col\">least time</th>", out);
    fputs("<th scope=\"col\" class=\"word\">network</th>", out);
    if (has_several_data(g))
        fputs("<th scope=\"col\" class=\"word\">data</th>", out);
    fputs("<th scope=\"col\" class=\"word\">digest</th></tr></thead>\n", out);
}

static void put_table(FILE *out, const struct gallery *g) {
    fputs("<section aria-labelledby=\"table\"><h2 id=\"table\">All of them</h2>\n<p "
          "class=\"soft\">Smaller: against the bare weights and biases as 32-bit floats. Left: "
          "weights that were not removed. Bits: of a shared value's code, the widest of any "
          "layer. Digest: the first 12 digits of the file's SHA-256.</p>\n"
          "<div class=\"scroll\" role=\"region\" aria-labelledby=\"table\" tabindex=\"0\"><table>",
          out);
    put_columns(out, g);
    fputs("<tbody>\n", out);
    for (uint32_t i = 0; i < g->n; i++)
        put_row(out, g, i);
    fputs("</tbody></table></div>\n", out);
}

static void put_records(FILE *out, const struct gallery *g) {
    if (g->records.n == 0)
        return;
    fputs("<h3 id=\"others\">Published by others</h3>\n<div class=\"scroll\" role=\"region\" "
          "aria-labelledby=\"others\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">name</th>"
          "<th scope=\"col\">bytes</th><th scope=\"col\">test accuracy</th><th scope=\"col\" "
          "class=\"word\">network</th><th scope=\"col\" class=\"word\">source</th></tr></thead>\n"
          "<tbody>\n",
          out);
    for (uint32_t i = 0; i < g->records.n; i++) {
        const struct record *r = &g->records.record[i];
        fputs("<tr><th scope=\"row\">", out);
        chart_mark(out, gallery_series(g, r->network), true);
        markup_text(out, r->name);
        fputs("</th><td>", out);
        put_count(out, (uint64_t)r->bytes);
        fprintf(out, "</td><td>%.2f&#8239;%%", 100 * r->accuracy);
        put_words(out, r->network);
        fputs("</td><td class=\"word wrap\"><bdi>", out);
        markup_text(out, r->source);
        fputs("</bdi></td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

// ---- First layers ------------------------------------------------------------------------------

static bool put_looks(FILE *out, const struct gallery *g, struct tnm_error *err) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n; i++)
        n += layers_look_at_picture(g->at[i].model);
    if (n == 0)
        return true;
    fputs("<section aria-labelledby=\"looks\"><h2 id=\"looks\">What the first layer looks at</h2>\n"
          "<p class=\"soft\">The picture as a fully connected first layer sees it: the stronger "
          "the colour of a pixel, the larger the sum of the magnitudes of the weights that lead "
          "away from it. "
          "Where nothing is drawn no weight is left, and what is there makes no difference. Each "
          "picture has a scale of its own.</p>\n<div class=\"looks\">\n",
          out);
    for (uint32_t i = 0; i < g->n; i++)
        if (layers_look_at_picture(g->at[i].model) &&
            !layers_write_look(out, g->at[i].model, g->at[i].name, err))
            return false;
    fputs("</div></section>\n", out);
    return true;
}

// ---- Models ------------------------------------------------------------------------------------

static void put_labels(FILE *out, const struct tnm_model *model) {
    enum { MOST = 40 };
    size_t n = tnm_model_outputs(model);
    fputs("<dt>labels</dt><dd>", out);
    for (size_t i = 0; i < n && i < MOST; i++) {
        fputs(i > 0 ? " · <bdi>" : "<bdi>", out);
        markup_text(out, tnm_model_label(model, i));
        fputs("</bdi>", out);
    }
    if (n > MOST)
        fprintf(out, " and %zu more", n - MOST);
    fputs("</dd>", out);
}

static void put_steps(FILE *out, const struct tnm_meta *meta) {
    if (meta->n_steps == 0)
        return;
    fputs("<dt>made by</dt><dd><details><summary>", out);
    fprintf(out, "%u step%s</summary>", meta->n_steps, meta->n_steps == 1 ? "" : "s");
    for (uint32_t i = 0; i < meta->n_steps; i++) {
        const struct tnm_step *step = &meta->step[i];
        fputs("<p class=\"long\"><code>", out);
        markup_text(out, step->verb);
        fputs(" ", out);
        markup_text(out, step->parameters);
        fputs("</code><br>", out);
        put_count(out, step->nonzeros);
        fputs(" weights left", out);
        if (step->validation.images > 0)
            fprintf(out, ", validation %.2f&#8239;%%", 100 * measure_accuracy(step->validation));
        fputs("</p>", out);
    }
    fputs("</details></dd>", out);
}

static void put_facts(FILE *out, const struct exhibit *e) {
    const struct tnm_recipe *r = tnm_model_recipe(e->model);
    fputs("<dl><dt>file</dt><dd><bdi>", out);
    markup_text(out, e->file);
    fputs("</bdi></dd>", out);
    if (strcmp(e->name, tnm_model_name(e->model)) != 0) {
        fputs("<dt>name in it</dt><dd>", out);
        markup_text(out, tnm_model_name(e->model));
        fputs("</dd>", out);
    }
    if (e->model->meta.description[0] != 0) {
        fputs("<dt>says of itself</dt><dd><bdi>", out);
        markup_text(out, e->model->meta.description);
        fputs("</bdi></dd>", out);
    }
    if (r->fit != TNM_FIT_NONE)
        fprintf(out, "<dt>input</dt><dd>%u × %u %s</dd>", r->width, r->height,
                r->channels == 1 ? "grey" : "RGB");
    put_labels(out, e->model);
    fprintf(out, "<dt>SHA-256</dt><dd><code>%s</code></dd>", tnm_model_digest(e->model));
    put_steps(out, &e->model->meta);
    fputs("</dl>\n", out);
}

static bool put_model(FILE *out, const struct gallery *g, uint32_t i, struct tnm_error *err) {
    const struct exhibit *e = &g->at[i];
    fprintf(out,
            "<section class=\"model\" id=\"m%u\" aria-labelledby=\"n%u\"><div "
            "class=\"head\"><h3 id=\"n%u\">",
            i, i, i);
    chart_mark(out, gallery_series(g, e->family), false);
    markup_text(out, e->name);
    fputs("</h3><span class=\"soft\">", out);
    markup_text(out, e->family);
    fputs(", ", out);
    put_count(out, e->summary.bytes);
    fprintf(out, " bytes, %.1f× smaller, test accuracy ", ratio(&e->summary));
    put_accuracy(out, e);
    fputs("</span><a href=\"#table\">to the table</a></div>\n", out);
    if (!layers_write(out, e->model, err))
        return false;
    put_facts(out, e);
    fputs("</section>\n", out);
    return true;
}

static bool put_models(FILE *out, const struct gallery *g, struct tnm_error *err) {
    fputs("<section aria-labelledby=\"models\"><h2 id=\"models\">Layer by layer</h2>\n<p "
          "class=\"soft\">The weights that are left: <span class=\"scale\"><span><span "
          "class=\"swatch\" style=\"background:var(--warm)\"></span>above 0</span><span><span "
          "class=\"swatch\" style=\"background:var(--cold)\"></span>below 0</span><span><span "
          "class=\"swatch\" style=\"background:#80808040\"></span>removed</span></span> The "
          "stronger the colour the larger the weight; each picture has a scale of its own. Below "
          "each, how many weights have each value: the gap in the middle is what was pruned.</p>\n",
          out);
    for (uint32_t i = 0; i < g->n; i++)
        if (!put_model(out, g, i, err))
            return false;
    fputs("</section>\n", out);
    return true;
}

bool page_write(FILE *out, const struct gallery *g, struct tnm_error *err) {
    put_head(out, g);
    if (!put_bytes(out, g, err) || !put_time(out, g, err))
        return false;
    put_table(out, g);
    put_records(out, g);
    fputs("</section>\n", out);
    if (!put_looks(out, g, err) || !put_models(out, g, err))
        return false;
    fputs("<footer>Made by tnm plot, tnm " TNM_VERSION ".</footer>\n</main>\n</body>\n</html>\n",
          out);
    return true;
}
