/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files are in a tar, and where? ustar, pax and GNU long names; the index is streamed header
 * by header, nothing is ever extracted. Also the other way: bytes of a new tar. Private to
 * src/data.
 */
#ifndef XC_DATA_TAR_H
#define XC_DATA_TAR_H

#include "base/status.h"

/* Where the bytes come from: n bytes at `at`; the caller stays below size. */
struct tar_input {
    xc_status (*read)(void *ctx, uint64_t at, void *to, size_t n, struct error *err);
    void *ctx;
    uint64_t size;
};

/* A regular file; the name is valid during the call, without "./" and "/" in front. */
typedef xc_status tar_member_fn(void *user, const char *name, uint64_t offset, uint64_t bytes,
                                struct error *err);

enum { TAR_BLOCK = 512, TAR_MAX_NAME = 4096 };

/* *links: how many members are links, whose files are not looked for. */
XC_NODISCARD xc_status tar_index(const struct tar_input *in, tar_member_fn *member, void *user,
                                 size_t *links, struct error *err);

/* The header of a regular file, with a pax header in front where the name is long: block must have
 * room for TAR_HEADER_MOST. Returns its bytes, 0 when the name is above TAR_MAX_NAME. */
enum { TAR_HEADER_MOST = 2 * TAR_BLOCK + TAR_MAX_NAME + TAR_BLOCK };
size_t tar_header(const char *name, uint64_t bytes, uint8_t *block);

#endif
