/* finite.inc.h: search for NaN and infinity. */

/* Non-zero if x is not finite: all bits of its exponent are set. */
FASTNN_INLINE uint_real FN(not_finite)(real x)
{
    uint_real bits;
    memcpy(&bits, &x, sizeof bits);
#if REAL_BITS == 32
    const uint_real exponent = 0x7f800000u;
#else
    const uint_real exponent = 0x7ff0000000000000u;
#endif
    return (bits & exponent) == exponent;
}

static int FN(run_finite)(ptrdiff_t count, const real *x /* IN (count) */)
{
    for (ptrdiff_t start = 0; start < count; start += FINITE_BLOCK) { /* test once per block, not per element */
        const ptrdiff_t stop = MIN(count, start + FINITE_BLOCK);
        uint_real bad = 0;
        for (ptrdiff_t i = start; i < stop; i++) bad |= FN(not_finite)(x[i]);
        if (bad) return 0;
    }
    return 1;
}

static int FN(all_finite)(ptrdiff_t n, ptrdiff_t m, const void *X_, ptrdiff_t row_stride, ptrdiff_t column_stride)
{
    const real *X = X_;
    if (column_stride == 1 && row_stride == n) return FN(run_finite)(n * m, X);
    if (row_stride == 1 && column_stride == m) return FN(run_finite)(n * m, X);
    for (ptrdiff_t j = 0; j < m; j++) {
        const real *x = X + j * row_stride;
        if (column_stride == 1) {
            if (!FN(run_finite)(n, x)) return 0;
        } else {
            uint_real bad = 0;
            for (ptrdiff_t i = 0; i < n; i++) bad |= FN(not_finite)(x[i * column_stride]);
            if (bad) return 0;
        }
    }
    return 1;
}
