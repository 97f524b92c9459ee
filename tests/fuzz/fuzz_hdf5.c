/* SPDX-License-Identifier: Apache-2.0 */
/* Does our side of Keras HDF5 survive any bytes, whatever libhdf5 does with them? */
#include "fuzz_child.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_in_child(import_hdf5, data, size);
    return 0;
}
