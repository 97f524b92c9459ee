/* SPDX-License-Identifier: Apache-2.0 */
/* What is in all the pictures? Reads every one: which fail, which are the same or nearly so, which
 * have the ending of another format, sizes, colours. */
#ifndef XC_DATA_SCAN_H
#define XC_DATA_SCAN_H

#include "data/dataset.h"
#include "data/near.h"
#include "thread/pool.h"

struct scanned {
    char *reason; /* why it cannot be read; NULL: it can */
    uint32_t width, height;
    uint64_t hash;                       /* of size and pixels */
    uint64_t pixels, sum[3], squares[3]; /* of the colours, 0..255 */
    uint32_t same_as; /* the first sample with the same pixels; its own index: none */
    uint32_t near_to; /* the first one that looks the same, but has other pixels; its own: none */
    struct look look;
    const char *content; /* the format, where the name ends like another; NULL: as it ends */
};
struct scan {
    struct scanned *sample; /* (samples) */
    size_t samples;
    size_t unreadable;
    size_t same;           /* pictures whose pixels another one has already */
    size_t leaks;          /* of these, in another split than the first */
    size_t conflicts;      /* of these, with another label */
    size_t near;           /* pictures that look like an earlier one */
    size_t near_leaks;     /* of these, in another split */
    size_t near_conflicts; /* of these, with another label */
    size_t misnamed;
    double mean[3], std[3];
};

/* progress may be NULL; false from it ends the scan with XC_ERR_CANCELLED. */
XC_NODISCARD xc_status scan_run(const struct dataset *d, struct pool *pool,
                                xc_progress_fn *progress, void *user, struct scan *out,
                                struct error *err);
void scan_free(struct scan *s);

#endif
