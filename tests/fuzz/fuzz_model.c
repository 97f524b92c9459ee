/* SPDX-License-Identifier: Apache-2.0 */
/* Are bytes that claim to be a model file refused, or a model that can say what it is? */
#include <stdint.h>
#include <stdlib.h>

#include "xception.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const xc_model *model)
{
    const xc_model_info *info = xc_model_get_info(model);
    xc_layer layer;
    for (uint32_t i = 0; i < info->layers; i++)
        if (xc_model_layer(model, i, &layer) != XC_OK || !layer.name) abort();
    if (info->has_labels && !xc_model_label(model, info->classes - 1)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static xc_context *context;
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    xc_model *model = NULL;
    opts.threads = 1;
    if (!context && xc_context_new(&opts, &context) != XC_OK) return 0;
    if (xc_model_load_memory(context, data, size, &model) == XC_OK)
        look(model);
    else if (model || !xc_error()[0])
        abort();
    xc_model_unref(model);
    return 0;
}
