/* SPDX-License-Identifier: Apache-2.0 */
/* What is in all the pictures? Reads every one: which fail, which are the same, sizes, colours. */
#ifndef XC_DATA_SCAN_H
#define XC_DATA_SCAN_H

#include "data/dataset.h"
#include "thread/pool.h"

struct scanned {
    char *reason; /* why it cannot be read; NULL: it can */
    uint32_t width, height;
    uint64_t hash;                       /* of size and pixels */
    uint64_t pixels, sum[3], squares[3]; /* of the colours, 0..255 */
    uint32_t same_as; /* the first sample with the same pixels; its own index: none */
};
struct scan {
    struct scanned *sample; /* (samples) */
    size_t samples;
    size_t unreadable;
    size_t same;      /* pictures whose pixels another one has already */
    size_t leaks;     /* of these, in another split than the first */
    size_t conflicts; /* of these, with another label */
    double mean[3], std[3];
};

/* progress may be NULL; false from it ends the scan with XC_ERR_CANCELLED. */
XC_NODISCARD xc_status scan_run(const struct dataset *d, struct pool *pool,
                                xc_progress_fn *progress, void *user, struct scan *out,
                                struct error *err);
void scan_free(struct scan *s);

#endif
