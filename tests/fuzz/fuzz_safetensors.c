/* SPDX-License-Identifier: Apache-2.0 */
/* Does the strict reader survive any bytes? What it accepts is written again, and that is read with
 * the same numbers. The probe sees the same bytes. */
#include "fuzz_buffer.h"
#include "weight/weight.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct weight_file *a, const struct weight_file *b)
{
    if (a->tensors != b->tensors || a->metas != b->metas) abort();
    for (int i = 0; i < a->tensors; i++) {
        const struct weight_tensor *x = &a->tensor[i], *y = weight_find(b, x->name);
        if (!y || x->bytes != y->bytes || x->rank != y->rank || x->type != y->type) abort();
        if (x->bytes > 0 && memcmp(x->data, y->data, x->bytes) != 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weight_file file, again;
    struct error err = {XC_OK, ""};
    struct fuzz_buffer out = {0};
    (void)weight_format_name(weight_probe(data, size));
    if (safetensors_read(data, size, &file, &err) != XC_OK) {
        if (err.text[0] == '\0') abort(); /* a refusal has a sentence */
        return 0;
    }
    if (safetensors_write(file.tensor, file.tensors, file.meta, file.metas, fuzz_sink, &out,
                          &err) != XC_OK)
        abort();
    if (safetensors_read(out.data, out.size, &again, &err) != XC_OK) abort();
    check_same(&file, &again);
    weight_file_free(&again);
    weight_file_free(&file);
    free(out.data);
    return 0;
}
