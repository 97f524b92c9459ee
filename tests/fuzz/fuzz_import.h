/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for whatever an importer's format makes of hostile bytes? All numbers can be read,
 * and what the writer accepts (names may not be UTF-8) the strict reader accepts too.
 */
#ifndef XC_FUZZ_IMPORT_H
#define XC_FUZZ_IMPORT_H

#include "fuzz_buffer.h"
#include "import.h"

enum { FUZZ_LIMIT = 1 << 20 };

static inline void fuzz_import(xc_status (*format)(struct import *im, const void *bytes,
                                                   size_t size, struct error *err),
                               const uint8_t *data, size_t size)
{
    struct import im = {.limit = FUZZ_LIMIT};
    struct error err = {XC_OK, ""};
    struct fuzz_buffer out = {0};
    struct weight_file file;
    xc_status status = format(&im, data, size, &err);
    if (status != XC_OK && err.text[0] == '\0') abort(); /* a refusal has a sentence */
    if (status == XC_OK && safetensors_write(im.tensor, im.tensors, im.meta, im.metas, fuzz_sink,
                                             &out, &err) == XC_OK) {
        if (safetensors_read(out.data, out.size, &file, &err) != XC_OK) abort();
        weight_file_free(&file);
    }
    free(out.data);
    import_free(&im);
}

#endif
