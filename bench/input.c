/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_input DATA [AUGMENT [SIDE [THREADS [SECONDS]]]]: how many pictures a second come out of the
 * loader? Through the library's inner header, since a program sees no batches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "data/loader.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int complain(const struct error *err)
{
    fprintf(stderr, "bench_input: %s\n", err->text);
    return 1;
}

static int run(struct loader *l, double seconds, struct error *err)
{
    double start = now(), spent = 0.0;
    long pictures = 0;
    for (uint32_t epoch = 0; spent < seconds; epoch++) {
        const struct batch *b;
        loader_begin(l, epoch, epoch, 0);
        do {
            if (loader_next(l, &b, err) != XC_OK) return complain(err);
            pictures += b ? b->n : 0;
            spent = now() - start;
        } while (b && spent < seconds);
    }
    printf("%ld pictures in %.2f s: %.1f images/s\n", pictures, spent, (double)pictures / spent);
    return 0;
}

int main(int argc, char **argv)
{
    struct error err = {XC_OK, ""};
    struct dataset *d = NULL;
    struct loader *l = NULL;
    xc_preprocess p;
    int side = argc > 3 ? atoi(argv[3]) : 299;
    if (argc < 2)
        return fprintf(stderr, "bench_input DATA [AUGMENT [SIDE [THREADS [SECONDS]]]]\n"), 2;
    struct loader_opts o = {.shuffle = true,
                            .batch = 16,
                            .h = side,
                            .w = side,
                            .c = 3,
                            .threads = argc > 4 ? atoi(argv[4]) : 1,
                            .preprocess = &p};
    int code = 1;
    if (preprocess_named("keras", &p, &err) != XC_OK ||
        augment_parse(argc > 2 ? argv[2] : "rrc,flip", &o.augment, &err) != XC_OK ||
        dataset_open(argv[1], NULL, &d, &err) != XC_OK || loader_new(d, &o, &l, &err) != XC_OK)
        complain(&err);
    else
        code = run(l, argc > 5 ? atof(argv[5]) : 10.0, &err);
    loader_free(l);
    dataset_free(d);
    return code;
}
