/* SPDX-License-Identifier: Apache-2.0 */
/* Do both PyTorch containers survive any bytes? The first two bytes tell them apart, as in
 * weight_probe. */
#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_zip = size >= 2 && memcmp(data, "PK", 2) == 0;
    fuzz_import(is_zip ? import_torch_zip : import_torch_old, data, size);
    return 0;
}
