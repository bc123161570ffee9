/* sparse.inc.h: the matrix products of the first layer for rows of a CSR matrix X.

   W and dW are column-major: each non-zero of an example is multiplied by n contiguous elements. With few non-zeros
   these kernels are bound by memory latency, so columns are prefetched. */

/* sums += the non-zeros' values times their columns of W, for `count` units. */
FASTNN_INLINE void FN(add_columns)(ptrdiff_t n, ptrdiff_t count, ptrdiff_t n_values,
                                   const real *restrict W,          /* IN (n, n[0]) from the first unit's row on */
                                   const real *restrict values,     /* IN (n_values) */
                                   const int32_t *restrict columns, /* IN (n_values) */
                                   real *restrict sums)             /* IN/OUT (count) */
{
    for (ptrdiff_t k = 0; k < n_values; k++) {
        const real x = values[k], *restrict w = W + n * columns[k];
        if (k + NONZEROS_AHEAD < n_values) {
            const real *next = W + n * columns[k + NONZEROS_AHEAD];
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
        for (ptrdiff_t i = 0; i < n; i += SPARSE_UNITS) {
            real sums[SPARSE_UNITS] = {0};
            const ptrdiff_t count = MIN(SPARSE_UNITS, n - i);
            if (count == SPARSE_UNITS) /* a constant: the sums stay in registers */
                FN(add_columns)(n, SPARSE_UNITS, n_values, W + i, values + first, columns + first, sums);
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
            if (k + NONZEROS_AHEAD < last) {
                const real *next = dW + n * columns[k + NONZEROS_AHEAD];
                for (ptrdiff_t i = 0; i < n; i += 64 / (ptrdiff_t)sizeof(real)) PREFETCH(next + i);
            }
            real *restrict target = dW + n * columns[k];
            for (ptrdiff_t i = 0; i < n; i++) target[i] = FN(fma)(x, dZ[i], target[i]);
        }
    }
}
