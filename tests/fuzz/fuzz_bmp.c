/* SPDX-License-Identifier: Apache-2.0 */
/* Can any bytes that begin like BMP do more than be refused or decoded? */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_image(data, size);
}
