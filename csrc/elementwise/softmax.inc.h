/* softmax.inc.h: softmax over the units of each example, and the terms of its logarithm.

   Columns are processed in blocks that fit in the L1 cache. Columns of few units are transposed there, so that vectors
   run across examples; longer ones fill the vectors by themselves. */
#ifndef FASTNN_SOFTMAX_BLOCKS
#define FASTNN_SOFTMAX_BLOCKS

/* The number of columns of n elements in a block. */
static ptrdiff_t block_columns(ptrdiff_t n)
{
    return MAX(1, MIN(BLOCK_COLUMNS, BLOCK_ELEMENTS / MAX(n, 1)));
}
#endif

FASTNN_INLINE real FN(larger)(real x, real y) { return x < y ? y : x; }

static void FN(softmax_wide_columns)(ptrdiff_t n, ptrdiff_t m, const real *Z, const real *weights, real *A,
                                     real *top, real *rest)
{
    for (ptrdiff_t j = 0; j < m; j++, Z += n, A += n) {
        real largest = Z[0], sum = 0, ones = 0;
        SIMD_MAX(largest)
        for (ptrdiff_t i = 1; i < n; i++) largest = FN(larger)(largest, Z[i]);
        SIMD
        for (ptrdiff_t i = 0; i < n; i++) A[i] = FN(vm_exp_neg_abs)(Z[i] - largest);
        SIMD_REDUCE(+, sum, ones)
        for (ptrdiff_t i = 0; i < n; i++) {
            const real e = A[i];
            sum += e == 1 ? 0 : e;
            ones += e == 1 ? R(1) : 0;
        }
        sum += ones - 1;
        const real factor = (weights ? weights[j] : 1) / (1 + sum);
        for (ptrdiff_t i = 0; i < n; i++) A[i] *= factor;
        top[j] = largest;
        rest[j] = sum;
    }
}

/* `softmax_block` for transposed Z: examples lie along the columns. If `m` is a compile-time constant, the loops over
   it are a few vectors. */
FASTNN_INLINE void FN(softmax_strip)(ptrdiff_t n, const ptrdiff_t m,
                                     real *restrict T, ptrdiff_t ldt, /* IN (m, n) Z transposed; OUT A, weighted */
                                     const real *weights,             /* IN (m) or NULL for all ones */
                                     real *restrict top,              /* OUT (m) */
                                     real *restrict rest)             /* OUT (m) */
{
    real largest[SOFTMAX_STRIP], sum[SOFTMAX_STRIP], ones[SOFTMAX_STRIP], factor[SOFTMAX_STRIP];
    for (ptrdiff_t j = 0; j < m; j++) {
        largest[j] = T[j];
        sum[j] = 0;
        ones[j] = -1;
    }
    for (ptrdiff_t i = 1; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) largest[j] = FN(larger)(largest[j], T[i * ldt + j]);
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) {
            const real e = FN(vm_exp_neg_abs)(T[i * ldt + j] - largest[j]);
            T[i * ldt + j] = e;
            sum[j] += e == 1 ? 0 : e;
            ones[j] += e == 1 ? R(1) : 0;
        }
    for (ptrdiff_t j = 0; j < m; j++) {
        top[j] = largest[j];
        rest[j] = sum[j] + ones[j];
        factor[j] = 1 / (1 + rest[j]);
    }
    if (weights)
        for (ptrdiff_t j = 0; j < m; j++) factor[j] *= weights[j];
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) T[i * ldt + j] *= factor[j];
}

/* `softmax_strip` for any number of examples. */
static void FN(softmax_strips)(ptrdiff_t n, ptrdiff_t m, real *T, ptrdiff_t ldt, const real *weights, real *top,
                               real *rest)
{
    ptrdiff_t j = 0;
    for (; j + SOFTMAX_STRIP <= m; j += SOFTMAX_STRIP)
        FN(softmax_strip)(n, SOFTMAX_STRIP, T + j, ldt, weights ? weights + j : NULL, top + j, rest + j);
    if (j < m) FN(softmax_strip)(n, m - j, T + j, ldt, weights ? weights + j : NULL, top + j, rest + j);
}

static void FN(softmax_narrow_columns)(ptrdiff_t n, ptrdiff_t m, const real *Z, const real *weights, real *A,
                                       real *restrict top, real *restrict rest)
{
    real T[BLOCK_ELEMENTS]; /* (m, n) column-major: Z transposed */
    FN(transpose)(n, m, Z, n, T, m);
    FN(softmax_strips)(n, m, T, m, weights, top, rest);
    FN(transpose)(m, n, T, m, A, n);
}

/* Column j of A = weights[j] * softmax(Z). Subtracting the largest element of a column prevents overflow. Its e^0 = 1
   is left out of `rest`, because 1 + rest would round away the digits of a small rest. */
static void FN(softmax_block)(ptrdiff_t n, ptrdiff_t m,
                              const real *Z,       /* IN (n, m), a block */
                              const real *weights, /* IN (m) or NULL for all ones */
                              real *A,             /* OUT (n, m), may be Z */
                              real *top,           /* OUT (m) the largest element of each column of Z */
                              real *rest)          /* OUT (m) the sums of e^(Z - top), less 1 */
{
    if (n <= MAX_TRANSPOSED_UNITS)
        FN(softmax_narrow_columns)(n, m, Z, weights, A, top, rest);
    else
        FN(softmax_wide_columns)(n, m, Z, weights, A, top, rest);
}

static void FN(softmax_columns)(ptrdiff_t n, ptrdiff_t m, real *A /* IN (n, m) Z; OUT A */)
{
    real top[BLOCK_COLUMNS], rest[BLOCK_COLUMNS];
    const ptrdiff_t columns = block_columns(n);
    for (ptrdiff_t start = 0; start < m; start += columns)
        FN(softmax_block)(n, MIN(columns, m - start), A + start * n, NULL, A + start * n, top, rest);
}

/* Softmax of a transposed Z, for few units: vectors along units would be partly empty. */
static void FN(softmax_across)(ptrdiff_t n, ptrdiff_t m, void *Z_, void *A_)
{
    real *T = Z_, *A = A_, top[BLOCK_COLUMNS], rest[BLOCK_COLUMNS];
    for (ptrdiff_t start = 0; start < m; start += BLOCK_COLUMNS)
        FN(softmax_strips)(n, MIN(BLOCK_COLUMNS, m - start), T + start, m, NULL, top, rest);
    FN(transpose)(m, n, T, m, A, n);
}

/* dZ = A * (dA - sum_i A_i dA_i), column by column. */
static void FN(softmax_derivative)(ptrdiff_t n, ptrdiff_t m,
                                   const real *restrict A, /* IN (n, m) */
                                   real *restrict dZ)      /* IN (n, m) dA; OUT dZ */
{
    for (ptrdiff_t j = 0; j < m; j++, A += n, dZ += n) {
        real dot = 0;
        SIMD_REDUCE(+, dot)
        for (ptrdiff_t i = 0; i < n; i++) dot = FN(fma)(A[i], dZ[i], dot);
        for (ptrdiff_t i = 0; i < n; i++) dZ[i] = A[i] * (dZ[i] - dot);
    }
}
