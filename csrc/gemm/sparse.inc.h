/* sparse.inc.h: the first layer's matrix products where the rows of X are those of a CSR matrix.

   W and dW are column-major, so that a non-zero of an example meets n adjacent elements. A product over few non-zeros
   waits for memory: the columns of the next ones are asked for ahead. */
#ifndef FASTNN_PIECE
#define FASTNN_NONZEROS_AHEAD 8
#define FASTNN_PIECE 64 /* units whose sums stay in registers or the first-level cache */
#endif

/* sums += the non-zeros' values times their columns of W, `count` units of them. */
FASTNN_INLINE void FN(add_columns)(ptrdiff_t n, ptrdiff_t count, ptrdiff_t n_values,
                                   const real *restrict W,          /* IN columns of n, the first unit's row */
                                   const real *restrict values,     /* IN (n_values) */
                                   const int32_t *restrict columns, /* IN (n_values) */
                                   real *restrict sums)             /* IN/OUT (count) */
{
    for (ptrdiff_t k = 0; k < n_values; k++) {
        const real x = values[k], *restrict w = W + n * columns[k];
        if (k + FASTNN_NONZEROS_AHEAD < n_values) {
            const real *next = W + n * columns[k + FASTNN_NONZEROS_AHEAD];
            for (ptrdiff_t i = 0; i < count; i += 64 / (ptrdiff_t)sizeof(real)) PREFETCH(next + i);
        }
        for (ptrdiff_t i = 0; i < count; i++) sums[i] = FN(fma)(x, w[i], sums[i]);
    }
}

static void FN(sparse_linear)(ptrdiff_t n, ptrdiff_t m, const void *W_, const void *values_, const int32_t *columns,
                              const int64_t *bounds, const int64_t *order, void *Z_)
{
    const real *W = W_, *values = values_;
    real *Z = Z_;
    for (ptrdiff_t j = 0; j < m; j++, Z += n) {
        const ptrdiff_t row = order ? (ptrdiff_t)order[j] : j, first = (ptrdiff_t)bounds[row];
        const ptrdiff_t n_values = (ptrdiff_t)bounds[row + 1] - first;
        for (ptrdiff_t i = 0; i < n; i += FASTNN_PIECE) {
            real sums[FASTNN_PIECE] = {0};
            const ptrdiff_t count = MIN(FASTNN_PIECE, n - i);
            if (count == FASTNN_PIECE) /* a constant: the sums stay in registers */
                FN(add_columns)(n, FASTNN_PIECE, n_values, W + i, values + first, columns + first, sums);
            else
                FN(add_columns)(n, count, n_values, W + i, values + first, columns + first, sums);
            memcpy(Z + i, sums, (size_t)count * sizeof(real));
        }
    }
}

static void FN(sparse_weight_gradient)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t n_prev, double scale, const void *dZ_,
                                       const void *values_, const int32_t *columns, const int64_t *bounds,
                                       const int64_t *order, void *dW_)
{
    const real *dZ = dZ_, *values = values_;
    real *dW = dW_;
    memset(dW, 0, (size_t)(n * n_prev) * sizeof(real));
    for (ptrdiff_t j = 0; j < m; j++, dZ += n) {
        const ptrdiff_t row = order ? (ptrdiff_t)order[j] : j, last = (ptrdiff_t)bounds[row + 1];
        for (ptrdiff_t k = (ptrdiff_t)bounds[row]; k < last; k++) {
            const real x = R(scale) * values[k];
            if (k + FASTNN_NONZEROS_AHEAD < last) {
                const real *next = dW + n * columns[k + FASTNN_NONZEROS_AHEAD];
                for (ptrdiff_t i = 0; i < n; i += 64 / (ptrdiff_t)sizeof(real)) PREFETCH(next + i);
            }
            real *restrict target = dW + n * columns[k];
            for (ptrdiff_t i = 0; i < n; i++) target[i] = FN(fma)(x, dZ[i], target[i]);
        }
    }
}
