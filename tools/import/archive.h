/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do .keras and .pth need of a zip? Members by name, whole, in memory. Nothing is ever
 * extracted to a file, and names that would climb out of a folder refuse the archive all the same.
 */
#ifndef XC_IMPORT_ARCHIVE_H
#define XC_IMPORT_ARCHIVE_H

#include "import.h"

struct archive; /* an open zip */

XC_NODISCARD xc_status archive_open(const void *bytes, size_t size, struct import *im,
                                    struct archive **out, struct error *err);
void archive_close(struct archive *archive);
bool archive_has(const struct archive *archive, const char *name);
/* The first name that ends with tail, or NULL */
const char *archive_ending(const struct archive *archive, const char *tail);

struct member {
    const uint8_t *data; /* lives in the import's arena; NULL: no such member */
    size_t size;
};
/* The CRC is checked. is_stored: refuse a compressed member. All members read together may have at
 * most the import's limit. */
XC_NODISCARD xc_status archive_read(struct archive *archive, const char *name, bool is_stored,
                                    struct member *out, struct error *err);

#endif
