/* SPDX-License-Identifier: Apache-2.0 */
/* Explanations of the public interface. */
#include <math.h>

#include "api/api.h"
#include "explain/explain.h"
#include "explain/pca.h"

enum { MOST_CHANNELS = 1 << 24, CELLS = 64 };

xc_status xc_explainer_new(xc_model *model, const xc_explain_opts *opts, xc_explainer **out)
{
    ROUNDING_RULES;
    xc_explain_opts o = XC_EXPLAIN_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!model) return refuse_null("model");
    TRY(options_read(&o, sizeof o, opts, "xc_explain_opts"));
    if (!xc_explain_method_name(o.method))
        return fail(api_error(), XC_ERR_ARGUMENT, "method: %d is not one of xc_explain_method",
                    (int)o.method);
    if (o.height > INT32_MAX || o.width > INT32_MAX)
        return fail(api_error(), XC_ERR_ARGUMENT, "an input of %ux%u is too large", o.height,
                    o.width);
    TRY(check_precision(o.precision));
    xc_preprocess preprocess = model->info.preprocess;
    TRY(options_read(&preprocess, sizeof preprocess, o.preprocess, "xc_preprocess"));
    if (o.preprocess) o.preprocess = &preprocess;
    return explainer_new(model, &o, out, api_error());
}

void xc_explainer_free(xc_explainer *explainer)
{
    explainer_free(explainer);
}

xc_status xc_explain(xc_explainer *explainer, const xc_image *image, int64_t class_index,
                     xc_heatmap *out)
{
    ROUNDING_RULES;
    if (!explainer) return refuse_null("explainer");
    if (!image) return refuse_null("image");
    if (!out) return refuse_null("out");
    return explain_image(explainer, image, class_index, out, api_error());
}

xc_status xc_explain_input(xc_explainer *explainer, const float *input, int64_t class_index,
                           xc_heatmap *out)
{
    ROUNDING_RULES;
    if (!explainer) return refuse_null("explainer");
    if (!input) return refuse_null("input");
    if (!out) return refuse_null("out");
    return explain_input(explainer, input, class_index, out, api_error());
}

#define EMPTY "the heat map is that of a call that failed"

xc_status xc_heatmap_draw(const xc_heatmap *heat, const xc_image *image, const xc_heat_opts *opts,
                          xc_image **out)
{
    ROUNDING_RULES;
    xc_heat_opts o = XC_HEAT_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!heat) return refuse_null("heat");
    if (!image) return refuse_null("image");
    if (!heat->value || !heat->height || !heat->width || !heat->layer ||
        !xc_explain_method_name(heat->method))
        return fail(api_error(), XC_ERR_ARGUMENT, EMPTY);
    TRY(options_read(&o, sizeof o, opts, "xc_heat_opts"));
    return heat_draw(heat, image, &o, out, api_error());
}

void xc_heat_colour(double t, uint8_t rgb[3])
{
    ROUNDING_RULES;
    if (rgb) heat_colour(t, rgb);
}

xc_status xc_explain_check(xc_explainer *explainer, const xc_heatmap *heat, uint32_t steps,
                           float *deleted, float *inserted, xc_faithfulness *out)
{
    ROUNDING_RULES;
    if (!explainer) return refuse_null("explainer");
    if (!heat) return refuse_null("heat");
    if (!out) return refuse_null("out");
    if (steps < 2 || steps > 1000)
        return fail(api_error(), XC_ERR_ARGUMENT, "steps: %u, expected 2..1000", steps);
    if (!heat->value) return fail(api_error(), XC_ERR_ARGUMENT, EMPTY);
    if (explainer->chosen < 0)
        return fail(api_error(), XC_ERR_ARGUMENT, "the explainer has explained nothing yet");
    if (heat->height != (uint32_t)explainer->input.h || heat->width != (uint32_t)explainer->input.w)
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "a heat map of %ux%u, the explainer's input is %dx%d", heat->height,
                    heat->width, explainer->input.h, explainer->input.w);
    return explain_check(explainer, heat->value, steps, deleted, inserted, out, api_error());
}

xc_status xc_model_randomise(const xc_model *model, double part, uint64_t seed, xc_model **out)
{
    ROUNDING_RULES;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!model) return refuse_null("model");
    return model_randomise(model, part, seed, out, api_error());
}

xc_status xc_map_sheet(const float *map, uint32_t height, uint32_t width, uint32_t channels,
                       uint32_t most, xc_image **out)
{
    ROUNDING_RULES;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!map) return refuse_null("map");
    if (!height || !width || !channels || channels > MOST_CHANNELS || height > UINT16_MAX ||
        width > UINT16_MAX || most > INT32_MAX)
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "a map of %ux%ux%u, expected 1x1x1 to %dx%dx%d, at most %d cells", height,
                    width, channels, UINT16_MAX, UINT16_MAX, MOST_CHANNELS, INT32_MAX);
    return map_sheet(map, (int)height, (int)width, (int)channels, most ? (int)most : CELLS, out,
                     api_error());
}

xc_status xc_filter_sheet(const xc_model *model, xc_image **out)
{
    ROUNDING_RULES;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!model) return refuse_null("model");
    return filter_sheet(model, out, api_error());
}

const char *xc_model_feature_layer(const xc_model *model)
{
    return model ? model->graph->node[layer_features(model->graph)].name : NULL;
}

xc_status xc_pca(const float *rows, uint32_t count, uint32_t width, uint32_t components,
                 double *scores, double *axes, double *variances)
{
    ROUNDING_RULES;
    if (!rows) return refuse_null("rows");
    if (!scores) return refuse_null("scores");
    if (!count || !width || !components || components > INT32_MAX)
        return fail(api_error(), XC_ERR_ARGUMENT, "%u components of %u rows of %u numbers",
                    components, count, width);
    for (size_t i = 0; i < (size_t)count * width; i++)
        if (!isfinite(rows[i]))
            return fail(api_error(), XC_ERR_NUMBER, "row %zu has a number that is not finite",
                        i / width);
    const struct pca p = {
        .rows = rows, .count = count, .width = width, .components = (int)components};
    return pca(&p, scores, axes, variances, api_error());
}
