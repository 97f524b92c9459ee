/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a network made of? Its layers and what they cost; no weights are needed:
 * summary [ARCHITECTURE]
 */
#include <inttypes.h>
#include <stdio.h>
#include <xception.h>

static void print(const xc_model *model)
{
    const xc_model_info *info = xc_model_get_info(model);
    xc_layer layer;
    for (uint32_t i = 0; i < info->layers && xc_model_layer(model, i, &layer) == XC_OK; i++)
        printf("%-28s %-14s %-14s %4ux%-4ux%-5u %10" PRIu64 " %12" PRIu64 "\n", layer.name,
               layer.kind, layer.detail, layer.height, layer.width, layer.channels, layer.params,
               layer.macs);
    printf("%s: %" PRIu64 " parameters, %" PRIu64 " trainable, %" PRIu64 " multiply-adds\n",
           info->arch, info->params, info->trainable, info->macs);
}

int main(int argc, char **argv)
{
    xc_context *context = NULL;
    xc_model *model = NULL;
    xc_status status = xc_context_new(NULL, &context);
    if (status == XC_OK)
        status = xc_model_create(context, argc > 1 ? argv[1] : "xception", NULL, &model);
    if (status == XC_OK)
        print(model);
    else
        fprintf(stderr, "%s: %s\n", argv[0], xc_error());
    xc_model_unref(model);
    xc_context_free(context);
    return status != XC_OK;
}
