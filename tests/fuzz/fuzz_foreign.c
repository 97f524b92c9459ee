/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as what xception-import hands back: the parent must survive whatever the child says. */
#include <stdlib.h>
#include <string.h>

#include "foreign/foreign_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    xc_model *model = NULL;
    struct error err;
    void *copy = malloc(size ? size : 1);
    if (!machine.f32.conv) machine_init(&machine, cpu_flags());
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    struct file_view view = {.data = copy, .size = size, .mapping = copy};
    if (model_from_foreign(&machine, "input", NULL, view, &model, &err) == XC_OK)
        model_unref(model);
    else
        file_release(&view);
    return 0;
}
