/* SPDX-License-Identifier: Apache-2.0 */
/* Are bytes that claim to be a model file refused, or a model that can say what it is? A packed one
 * runs where it lies, so that kernels read what the file holds. */
#include <stdint.h>
#include <stdlib.h>

#include "xception.h"

enum { MOST_MACS = 1 << 20, MOST_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const xc_model *model)
{
    const xc_model_info *info = xc_model_get_info(model);
    xc_layer layer;
    for (uint32_t i = 0; i < info->layers; i++)
        if (xc_model_layer(model, i, &layer) != XC_OK || !layer.name) abort();
    if (info->has_labels && !xc_model_label(model, info->classes - 1)) abort();
}

static void answer(xc_model *model)
{
    const xc_model_info *info = xc_model_get_info(model);
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_session *session = NULL;
    opts.precision = XC_PRECISION_AUTO;
    if (!*info->packing || info->macs > MOST_MACS || info->activation_bytes > MOST_BYTES) return;
    if (xc_session_new(model, &opts, &session) != XC_OK) return;
    float *input = calloc((size_t)info->height * info->width * info->channels + 1, sizeof *input);
    if (input && xc_run(session, input, 1) != XC_OK) abort();
    free(input);
    xc_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static xc_context *context;
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    xc_model *model = NULL;
    opts.threads = 1;
    if (!context && xc_context_new(&opts, &context) != XC_OK) return 0;
    xc_status status = xc_model_load_memory(context, data, size, &model);
    if (status != XC_OK && (model || !xc_error()[0])) abort();
    if (status == XC_OK) {
        look(model);
        answer(model);
    }
    xc_model_unref(model);
    return 0;
}
