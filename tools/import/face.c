/* SPDX-License-Identifier: Apache-2.0 */
/* How do the tensors of a face-api manifest get their numbers? All become float32, in the order of
 * the manifest. */
#include "import.h"
#include "weight/faceapi.h"
#include "weight/foreign.h"

xc_status import_faceapi(struct import *im, const struct faceapi *manifest, const uint8_t *shards,
                         struct error *err)
{
    TRY(import_meta(im, FOREIGN_FORMAT, FOREIGN_FACEAPI, err));
    for (size_t i = 0; i < manifest->tensors; i++) {
        const struct faceapi_tensor *from = &manifest->tensor[i];
        struct weight_tensor *to;
        void *room;
        TRY(import_tensor(im, from->name, DTYPE_F32, from->rank, from->dim, &to, err));
        TRY(import_room(im, to->bytes, &room, err));
        faceapi_decode(from, shards, room);
        to->data = room;
    }
    return XC_OK;
}
