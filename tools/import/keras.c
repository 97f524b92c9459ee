/* SPDX-License-Identifier: Apache-2.0 */
/* Which Keras layout is in this HDF5 file? The legacy one says so by layer_names; else it must have
 * groups called vars. */
#include "keras.h"

xc_status import_hdf5(struct import *im, const void *bytes, size_t size, struct error *err)
{
    struct h5 *h5 = NULL;
    TRY(h5_open(bytes, size, &im->arena, &h5, err));
    xc_status status;
    if (keras_h5_is(h5))
        status = keras_h5_import(im, h5, err);
    else if (keras_v3_is(h5))
        status = keras_v3_import(im, h5, err);
    else
        status = fail(err, XC_ERR_UNSUPPORTED,
                      "an HDF5 file, but with no layer_names and no vars: "
                      "not from Keras");
    h5_close(h5);
    return status;
}
