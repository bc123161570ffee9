/* skinny.inc.h: Z and dW of a layer with thousands of inputs and few units, W stored row-major.

   BLAS first copies its operands into panels, which pays where each element is then used often; here X, the large one,
   is used but n times. The inputs are taken in slices, so that one slice of W or dW stays in the cache while all examples
   pass by. It lies in a local array, for the columns of a matrix of, say, 12288 rows all share a few cache sets. */
#ifndef FASTNN_SLICE
#define FASTNN_SLICE 65536 /* bytes of the local array */
#define FASTNN_LINE 64     /* bytes of a cache line */
#endif

/* sums[r + 4 c] = the scalar product of column r of W and column c of X. */
FASTNN_INLINE void FN(dot_tile)(ptrdiff_t count,
                                const real *restrict w, ptrdiff_t ldw, /* IN (count, 4) */
                                const real *const x[4],                /* IN 4 columns (count) */
                                real sums[16])                         /* OUT (4, 4) */
{
    const real *w0 = w, *w1 = w + ldw, *w2 = w + 2 * ldw, *w3 = w + 3 * ldw;
    const real *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    real s00 = 0, s10 = 0, s20 = 0, s30 = 0, s01 = 0, s11 = 0, s21 = 0, s31 = 0;
    real s02 = 0, s12 = 0, s22 = 0, s32 = 0, s03 = 0, s13 = 0, s23 = 0, s33 = 0;
    SIMD_REDUCE(+, s00, s10, s20, s30, s01, s11, s21, s31, s02, s12, s22, s32, s03, s13, s23, s33)
    for (ptrdiff_t t = 0; t < count; t++) {
        s00 += w0[t] * x0[t], s10 += w1[t] * x0[t], s20 += w2[t] * x0[t], s30 += w3[t] * x0[t];
        s01 += w0[t] * x1[t], s11 += w1[t] * x1[t], s21 += w2[t] * x1[t], s31 += w3[t] * x1[t];
        s02 += w0[t] * x2[t], s12 += w1[t] * x2[t], s22 += w2[t] * x2[t], s32 += w3[t] * x2[t];
        s03 += w0[t] * x3[t], s13 += w1[t] * x3[t], s23 += w2[t] * x3[t], s33 += w3[t] * x3[t];
    }
    const real all[16] = {s00, s10, s20, s30, s01, s11, s21, s31, s02, s12, s22, s32, s03, s13, s23, s33};
    memcpy(sums, all, sizeof all);
}

/* Column r of dW += the sum over c of d[r + 4 c] times column c of X. */
FASTNN_INLINE void FN(outer_tile)(ptrdiff_t count,
                                  const real *const x[4],                /* IN 4 columns (count) */
                                  const real d[16],                      /* IN (4, 4) */
                                  real *restrict dw, ptrdiff_t lddw)     /* IN/OUT (count, 4) */
{
    const real *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    real *dw0 = dw, *dw1 = dw + lddw, *dw2 = dw + 2 * lddw, *dw3 = dw + 3 * lddw;
    const real d00 = d[0], d10 = d[1], d20 = d[2], d30 = d[3], d01 = d[4], d11 = d[5], d21 = d[6], d31 = d[7];
    const real d02 = d[8], d12 = d[9], d22 = d[10], d32 = d[11], d03 = d[12], d13 = d[13], d23 = d[14], d33 = d[15];
    SIMD
    for (ptrdiff_t t = 0; t < count; t++) {
        const real a = x0[t], b = x1[t], c = x2[t], e = x3[t];
        dw0[t] += d00 * a + d01 * b + d02 * c + d03 * e;
        dw1[t] += d10 * a + d11 * b + d12 * c + d13 * e;
        dw2[t] += d20 * a + d21 * b + d22 * c + d23 * e;
        dw3[t] += d30 * a + d31 * b + d32 * c + d33 * e;
    }
}

/* Columns j to j + 3 of X from row `start`; past the last, that again. */
FASTNN_INLINE void FN(four_columns)(ptrdiff_t m, ptrdiff_t k, const real *X /* IN (k, m) */, ptrdiff_t start,
                                    ptrdiff_t j, const real *x[4] /* OUT */)
{
    for (ptrdiff_t c = 0; c < 4; c++) x[c] = X + MIN(j + c, m - 1) * k + start;
}

/* Inputs of a slice for n units, and one cache line less than its columns are apart. */
static ptrdiff_t FN(slice_height)(ptrdiff_t n)
{
    const ptrdiff_t line = FASTNN_LINE / sizeof(real);
    return (FASTNN_SLICE / (ptrdiff_t)sizeof(real) / n / line - 1) * line;
}

static void FN(skinny_forward)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, const void *W_, const void *X_, void *Z_)
{
    _Alignas(FASTNN_LINE) real w[FASTNN_SLICE / sizeof(real)];
    const ptrdiff_t rows = (n + 3) / 4 * 4, height = FN(slice_height)(rows), ldw = height + FASTNN_LINE / sizeof(real);
    const real *W = W_, *x[4];
    real *Z = Z_, sums[16];
    memset(Z, 0, (size_t)(n * m) * sizeof(real));
    for (ptrdiff_t start = 0; start < k; start += height) {
        const ptrdiff_t count = MIN(height, k - start);
        for (ptrdiff_t i = 0; i < rows; i++)
            memcpy(w + i * ldw, W + MIN(i, n - 1) * k + start, (size_t)count * sizeof(real));
        for (ptrdiff_t j = 0; j < m; j += 4) {
            FN(four_columns)(m, k, X_, start, j, x);
            for (ptrdiff_t i = 0; i < n; i += 4) {
                FN(dot_tile)(count, w + i * ldw, ldw, x, sums);
                for (ptrdiff_t c = 0; c < MIN(4, m - j); c++)
                    for (ptrdiff_t r = 0; r < MIN(4, n - i); r++) Z[(j + c) * n + i + r] += sums[r + 4 * c];
            }
        }
    }
}

static void FN(skinny_gradient)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, const void *X_, const void *dZ_, double scale,
                                void *dW_)
{
    _Alignas(FASTNN_LINE) real dw[FASTNN_SLICE / sizeof(real)];
    const ptrdiff_t rows = (n + 3) / 4 * 4, height = FN(slice_height)(rows), lddw = height + FASTNN_LINE / sizeof(real);
    const real *dZ = dZ_, *x[4];
    real *dW = dW_;
    for (ptrdiff_t start = 0; start < k; start += height) {
        const ptrdiff_t count = MIN(height, k - start);
        memset(dw, 0, sizeof dw);
        for (ptrdiff_t j = 0; j < m; j += 4) {
            FN(four_columns)(m, k, X_, start, j, x);
            for (ptrdiff_t i = 0; i < n; i += 4) {
                real d[16] = {0}; /* beyond the last unit or example nothing is added */
                for (ptrdiff_t c = 0; c < MIN(4, m - j); c++)
                    for (ptrdiff_t r = 0; r < MIN(4, n - i); r++) d[r + 4 * c] = (real)scale * dZ[(j + c) * n + i + r];
                FN(outer_tile)(count, x, d, dw + i * lddw, lddw);
            }
        }
        for (ptrdiff_t i = 0; i < n; i++)
            memcpy(dW + i * k + start, dw + i * lddw, (size_t)count * sizeof(real));
    }
}
