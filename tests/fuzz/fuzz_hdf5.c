/* SPDX-License-Identifier: Apache-2.0 */
/* Does our side of Keras HDF5 survive any bytes? libhdf5 itself is not ours: where it crashes, only
 * the importer's process dies, and what it leaks dies with it. */
#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_import(import_hdf5, data, size);
    return 0;
}
