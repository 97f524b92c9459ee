/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is batch norm in training? With mean and variance over the pixels of the batch,
 *
 *     xhat = (x - mean) rstd,  z = gamma xhat + beta,  y = act(z)
 *     dgamma = sum of dz xhat,  dbeta = sum of dz
 *     dx = gamma rstd (dz - dbeta / n - xhat dgamma / n)
 *
 * Sums within a chunk count from the chunk's first value, so that nothing cancels when the mean is
 * far from 0; chunks are put together in double (Chan, Golub, LeVeque 1979).
 */
#include "kernel/ref/slope.h"

/* ---- forward --------------------------------------------------------------------------------- */

static void sums_block(const struct norm_sums_call *call, struct stretch r, int first, int width,
                       real *partial)
{
    const int c = call->in.c;
    real sum[BLOCK] = {0}, squares[BLOCK] = {0}, room[BLOCK], other[BLOCK];
    const real *shift = numbers_at(&call->in, place_of(&call->in, r.from), first, width, other);
    for (size_t p = r.from; p < r.to; p++) {
        const real *x = numbers_at(&call->in, place_of(&call->in, p), first, width, room);
        for (int j = 0; j < width; j++) {
            const real v = x[j] - shift[j];
            sum[j] += v;
            squares[j] = real_fma(v, v, squares[j]);
        }
    }
    for (int j = 0; j < width; j++) {
        partial[first + j] = shift[j];
        partial[c + first + j] = sum[j];
        partial[2 * c + first + j] = squares[j];
    }
}

void REF(norm_sums)(const struct norm_sums_call *call, size_t from, size_t to)
{
    const int c = call->in.c;
    const struct chunks chunks = chunks_of(&call->in, call->images);
    for (size_t chunk = from; chunk < to; chunk++)
        for (int first = 0; first < c; first += BLOCK)
            sums_block(call, chunk_span(&chunks, chunk), first, block_width(first, c),
                       (real *)call->partial + chunk * 3 * (size_t)c);
}

struct moments {
    double mean, squares; /* about the mean, summed */
};

static struct moments combine(const struct norm_finish_call *call, int c)
{
    const size_t width = (size_t)call->c;
    struct moments all = {0, 0};
    double count = 0;
    for (size_t chunk = 0; chunk < chunk_count(&call->chunks); chunk++) {
        const struct stretch r = chunk_span(&call->chunks, chunk);
        const real *partial = (const real *)call->partial + chunk * 3 * width + c;
        const double n = (double)(r.to - r.from), sum = (double)partial[width];
        const double mean = (double)partial[0] + sum / n, apart = mean - all.mean;
        all.squares += (double)partial[2 * width] - sum * sum / n;
        all.squares += apart * apart * count * n / (count + n);
        all.mean += apart * n / (count + n);
        count += n;
    }
    return all;
}

/* Mean and variance of the batch; the moving ones follow. */
static void batch_statistics(const struct norm_finish_call *call, int c, double *mean,
                             double *variance)
{
    const struct moments m = combine(call, c);
    const double n = (double)call->chunks.pixels, fresh = 1 - call->keep;
    real *moving_mean = call->moving_mean, *moving_variance = call->moving_variance;
    *mean = m.mean;
    *variance = m.squares > 0 ? m.squares / n : m.squares * 0; /* rounding below 0; NaN stays */
    const double spread = call->unbiased && n > 1 ? *variance * n / (n - 1) : *variance;
    moving_mean[c] = (real)(call->keep * (double)moving_mean[c] + fresh * *mean);
    moving_variance[c] = (real)(call->keep * (double)moving_variance[c] + fresh * spread);
}

static void finish_channel(const struct norm_finish_call *call, int c)
{
    const real *gamma = call->gamma, *beta = call->beta;
    double mean, variance;
    if (call->partial) {
        batch_statistics(call, c, &mean, &variance);
    } else {
        mean = (double)((const real *)call->moving_mean)[c];
        variance = (double)((const real *)call->moving_variance)[c];
    }
    const double rstd = 1 / sqrt(variance + call->epsilon);
    const double scale = gamma ? (double)gamma[c] * rstd : rstd;
    ((real *)call->mean)[c] = (real)mean;
    ((real *)call->rstd)[c] = (real)rstd;
    ((real *)call->scale)[c] = (real)scale;
    ((real *)call->shift)[c] = (real)((beta ? (double)beta[c] : 0) - mean * scale);
}

void REF(norm_finish)(const struct norm_finish_call *call, size_t from, size_t to)
{
    for (size_t c = from; c < to; c++) finish_channel(call, (int)c);
}

/* ---- backward -------------------------------------------------------------------------------- */

static void dsums_block(const struct norm_dsums_call *call, struct stretch r, int first, int width,
                        real *partial)
{
    const int c = call->in.c;
    const real *mean = (const real *)call->mean + first;
    real sum[BLOCK] = {0}, product[BLOCK] = {0}, dz[BLOCK], room[BLOCK];
    for (size_t p = r.from; p < r.to; p++) {
        const struct place at = place_of(&call->in, p);
        const real *x = numbers_at(&call->in, at, first, width, room);
        prologue_slope(&call->prologue, x, &call->dout, at, first, width, dz);
        for (int j = 0; j < width; j++) {
            sum[j] += dz[j];
            product[j] = real_fma(dz[j], x[j] - mean[j], product[j]);
        }
    }
    for (int j = 0; j < width; j++) {
        partial[first + j] = sum[j];
        partial[c + first + j] = product[j];
    }
}

void REF(norm_dsums)(const struct norm_dsums_call *call, size_t from, size_t to)
{
    const int c = call->in.c;
    const struct chunks chunks = chunks_of(&call->in, call->images);
    for (size_t chunk = from; chunk < to; chunk++)
        for (int first = 0; first < c; first += BLOCK)
            dsums_block(call, chunk_span(&chunks, chunk), first, block_width(first, c),
                        (real *)call->partial + chunk * 2 * (size_t)c);
}

static void dfinish_channel(const struct norm_dfinish_call *call, int c)
{
    const size_t width = (size_t)call->c;
    const real *gamma = call->gamma, *partial = call->partial;
    const double rstd = (double)((const real *)call->rstd)[c], n = (double)call->chunks.pixels;
    const double a = gamma ? (double)gamma[c] * rstd : rstd;
    double sum = 0, product = 0;
    for (size_t chunk = 0; chunk < chunk_count(&call->chunks); chunk++) {
        sum += (double)partial[chunk * 2 * width + (size_t)c];
        product += (double)partial[(chunk * 2 + 1) * width + (size_t)c];
    }
    if (call->dbeta) ((real *)call->dbeta)[c] += (real)sum;
    if (call->dgamma) ((real *)call->dgamma)[c] += (real)(product * rstd);
    ((real *)call->a)[c] = (real)a;
    ((real *)call->b)[c] = (real)(-a * rstd * rstd * product / n);
    ((real *)call->k)[c] = (real)(-a * sum / n);
}

void REF(norm_dfinish)(const struct norm_dfinish_call *call, size_t from, size_t to)
{
    for (size_t c = from; c < to; c++) dfinish_channel(call, (int)c);
}

static void norm_dx_block(const struct norm_dx_call *call, struct place at, int first, int width)
{
    const real *mean = call->mean, *a = call->a, *b = call->b, *k = call->k;
    real dz[BLOCK], room[BLOCK];
    const real *x = numbers_at(&call->in, at, first, width, room);
    prologue_slope(&call->prologue, x, &call->dout, at, first, width, dz);
    for (int j = 0; j < width; j++) {
        const int c = first + j;
        dz[j] = real_fma(a[c], dz[j], real_fma(b[c], x[j] - mean[c], k[c]));
    }
    give_numbers(&call->dx, at, first, width, dz, call->add);
}

void REF(norm_dx)(const struct norm_dx_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->in.c; first += BLOCK)
            norm_dx_block(call, place_of(&call->in, unit), first, block_width(first, call->in.c));
}
