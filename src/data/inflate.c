/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a whole file come into memory, also one that is gzip? The only file that includes
 * zlib.h. What comes out is bounded: a few bytes can stand for many.
 */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define MOST_BYTES ((size_t)1 << 31)

static xc_status copy(const struct file_view *view, uint8_t **data, size_t *size, struct error *err)
{
    *data = malloc(view->size ? view->size : 1);
    if (!*data) return fail_memory(err, view->size);
    memcpy(*data, view->data, view->size);
    *size = view->size;
    return XC_OK;
}

#ifdef XC_ZLIB
#include <zlib.h>

static bool grow(uint8_t **data, size_t *room)
{
    size_t more = *room ? *room * 2 : (size_t)1 << 20;
    uint8_t *grown = more <= MOST_BYTES ? realloc(*data, more) : NULL;
    if (!grown) return false;
    *data = grown;
    *room = more;
    return true;
}

static xc_status inflate_all(const struct file_view *view, const char *path, uint8_t **data,
                             size_t *size, struct error *err)
{
    z_stream z = {.next_in = (z_const Bytef *)view->data, .avail_in = (uInt)view->size};
    size_t room = 0;
    int code = inflateInit2(&z, 15 + 16); /* gzip */
    if (code != Z_OK) return fail_memory(err, 0);
    while (code == Z_OK) {
        if (*size == room && !grow(data, &room)) code = Z_MEM_ERROR;
        if (code != Z_OK) break;
        z.next_out = *data + *size;
        z.avail_out = (uInt)(room - *size);
        code = inflate(&z, Z_NO_FLUSH);
        *size = room - z.avail_out;
    }
    inflateEnd(&z);
    if (code == Z_STREAM_END) return XC_OK;
    free(*data);
    *data = NULL;
    if (code == Z_MEM_ERROR)
        return fail(err, XC_ERR_LIMIT, "%s: more than %zu bytes inflated", path, MOST_BYTES);
    return fail(err, XC_ERR_FORMAT, "%s: damaged gzip: %s", path, z.msg ? z.msg : "ends early");
}
#else
static xc_status inflate_all(const struct file_view *view, const char *path, uint8_t **data,
                             size_t *size, struct error *err)
{
    (void)view;
    (void)data;
    (void)size;
    return fail(err, XC_ERR_UNSUPPORTED,
                "%s: gzip support was left out of this build (XC_ZLIB=OFF)", path);
}
#endif

xc_status read_whole(const char *path, uint8_t **data, size_t *size, struct error *err)
{
    struct file_view view;
    *data = NULL;
    *size = 0;
    TRY(file_read(path, MOST_BYTES, &view, err));
    bool gzip = view.size > 2 && view.data[0] == 0x1f && view.data[1] == 0x8b;
    xc_status status =
        gzip ? inflate_all(&view, path, data, size, err) : copy(&view, data, size, err);
    file_release(&view);
    return status;
}
