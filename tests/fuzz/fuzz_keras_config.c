/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as the config of a Keras file: read, then recognised. */
#include "model/keras_config.h"
#include "model/keras_trunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keras_config config;
    struct keras_match match = {0};
    struct arena a = {0};
    struct error err;
    if (keras_config_read((const char *)data, size, NULL, &config, &err) != XC_OK) return 0;
    if (keras_recognise(config.graph, &a, &match, &err) == XC_OK) graph_free(match.graph);
    keras_config_free(&config);
    arena_free(&a);
    return 0;
}
