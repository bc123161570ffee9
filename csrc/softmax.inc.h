/* softmax.inc.h: exponentials and sums over the units of each example.

   Columns are worked on in blocks that stay in the first-level cache. Narrow ones are transposed there, so that the
   vectors run across the examples; wide ones fill the vectors by themselves. */
#ifndef FASTNN_BLOCK
#define FASTNN_BLOCK 2048 /* elements of a block */
#define FASTNN_BLOCK_COLUMNS 256
#define FASTNN_NARROW 32 /* units up to which the transposed way is faster */

/* Columns of n elements that make a block. */
static ptrdiff_t block_columns(ptrdiff_t n)
{
    return MAX(1, MIN(FASTNN_BLOCK_COLUMNS, FASTNN_BLOCK / MAX(n, 1)));
}
#endif

FASTNN_INLINE real FN(larger)(real x, real y) { return x < y ? y : x; }

/* The shift of each column by its largest element makes exp safe: softmax does not change. */
static void FN(exp_wide_columns)(ptrdiff_t n, ptrdiff_t m, const real *Z, real *E, real *top, real *total)
{
    for (ptrdiff_t j = 0; j < m; j++, Z += n, E += n) {
        real largest = Z[0], sum = 0;
        SIMD_REDUCE(max, largest)
        for (ptrdiff_t i = 1; i < n; i++) largest = FN(larger)(largest, Z[i]);
        for (ptrdiff_t i = 0; i < n; i++) E[i] = FN(v_exp)(Z[i] - largest);
        SIMD_REDUCE(+, sum)
        for (ptrdiff_t i = 0; i < n; i++) sum += E[i];
        top[j] = largest;
        total[j] = sum;
    }
}

static void FN(exp_narrow_columns)(ptrdiff_t n, ptrdiff_t m, const real *Z, real *E, real *restrict top,
                                   real *restrict total)
{
    real T[FASTNN_BLOCK]; /* (m, n) column-major: Z transposed */
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) T[i * m + j] = Z[j * n + i];
    for (ptrdiff_t j = 0; j < m; j++) {
        top[j] = T[j];
        total[j] = 0;
    }
    for (ptrdiff_t i = 1; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) top[j] = FN(larger)(top[j], T[i * m + j]);
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) {
            const real e = FN(v_exp)(T[i * m + j] - top[j]);
            T[i * m + j] = e;
            total[j] += e;
        }
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) E[j * n + i] = T[i * m + j];
}

static void FN(exp_columns)(ptrdiff_t n, ptrdiff_t m,
                            const real *Z, /* IN (n, m), a block */
                            real *E,       /* OUT (n, m) e^(Z - top), may be Z */
                            real *top,     /* OUT (m) the largest of each column */
                            real *total)   /* OUT (m) the sums of E */
{
    if (n <= FASTNN_NARROW)
        FN(exp_narrow_columns)(n, m, Z, E, top, total);
    else
        FN(exp_wide_columns)(n, m, Z, E, top, total);
}

/* Column j of E times factor[j]. */
FASTNN_INLINE void FN(scale_columns)(ptrdiff_t n, ptrdiff_t m,
                                     const real *restrict factor, /* IN (m) */
                                     real *restrict E)            /* IN/OUT (n, m) */
{
    if (n <= FASTNN_NARROW)
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t j = 0; j < m; j++) E[j * n + i] *= factor[j];
    else
        for (ptrdiff_t j = 0; j < m; j++)
            for (ptrdiff_t i = 0; i < n; i++) E[j * n + i] *= factor[j];
}

static void FN(softmax_columns)(ptrdiff_t n, ptrdiff_t m, real *A /* IN (n, m) Z; OUT A */)
{
    real top[FASTNN_BLOCK_COLUMNS], total[FASTNN_BLOCK_COLUMNS];
    const ptrdiff_t columns = block_columns(n);
    for (ptrdiff_t start = 0; start < m; start += columns) {
        const ptrdiff_t width = MIN(columns, m - start);
        FN(exp_columns)(n, width, A + start * n, A + start * n, top, total);
        for (ptrdiff_t j = 0; j < width; j++) total[j] = 1 / total[j];
        FN(scale_columns)(n, width, total, A + start * n);
    }
}

/* dZ = A * (dA - sum_i A_i dA_i), column by column. */
static void FN(softmax_derivative)(ptrdiff_t n, ptrdiff_t m,
                                   const real *restrict A, /* IN (n, m) */
                                   real *restrict dZ)      /* IN (n, m) dA; OUT dZ */
{
    for (ptrdiff_t j = 0; j < m; j++, A += n, dZ += n) {
        real dot = 0;
        SIMD_REDUCE(+, dot)
        for (ptrdiff_t i = 0; i < n; i++) dot += A[i] * dZ[i];
        for (ptrdiff_t i = 0; i < n; i++) dZ[i] = A[i] * (dZ[i] - dot);
    }
}
