/* SPDX-License-Identifier: Apache-2.0 */
/* Does a face-api manifest of any bytes survive, and do its tensors stay inside the shards that it
 * announces? */
#include "fuzz_import.h"
#include "weight/faceapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static xc_status import(struct import *im, const void *bytes, size_t size, struct error *err)
{
    struct faceapi manifest;
    TRY(faceapi_read(bytes, size, &manifest, err));
    xc_status status = XC_OK;
    if (manifest.bytes <= FUZZ_LIMIT) {
        uint8_t *shards = calloc(manifest.bytes + 1, 1);
        status = import_faceapi(im, &manifest, shards, err);
        free(shards);
    }
    faceapi_free(&manifest);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_import(import, data, size);
    return 0;
}
