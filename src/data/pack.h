/* SPDX-License-Identifier: Apache-2.0 */
/* How does a data set become tar files that any loader reads in one stream? */
#ifndef XC_DATA_PACK_H
#define XC_DATA_PACK_H

#include "data/dataset.h"

struct pack_opts {
    uint64_t
        shard_bytes; /* WebDataset shards of about this size, in a folder; 0 = one tar, a tree */
    uint64_t seed;   /* of the order inside shards, so that a stream is shuffled */
    xc_progress_fn *tick; /* or NULL; false ends it with XC_ERR_CANCELLED, and nothing is left */
    void *user;
};
/* Files are the encoded ones, untouched; raw pixels become PNG. *files: how many were written. */
XC_NODISCARD xc_status dataset_pack(const struct dataset *d, const char *path,
                                    const struct pack_opts *opts, uint32_t *files,
                                    struct error *err);

#endif
