/* gather.inc.h: copy rows, in any order, into adjacent columns. */

/* Copy a short row by two moves of a fixed size, which may overlap: faster than a call of memcpy. */
FASTNN_INLINE void FN(copy_row)(ptrdiff_t n,
                                const real *x, /* IN (n) */
                                real *out)     /* OUT (n) */
{
    const size_t bytes = (size_t)n * sizeof(real);
    const char *from = (const char *)x;
    char *to = (char *)out;
    if (bytes > 64) {
        memcpy(to, from, bytes);
    } else if (bytes >= 32) {
        memcpy(to, from, 32);
        memcpy(to + bytes - 32, from + bytes - 32, 32);
    } else if (bytes >= 16) {
        memcpy(to, from, 16);
        memcpy(to + bytes - 16, from + bytes - 16, 16);
    } else if (bytes >= 8) {
        memcpy(to, from, 8);
        memcpy(to + bytes - 8, from + bytes - 8, 8);
    } else if (bytes) {
        memcpy(to, from, 4);
    }
}

static void FN(gather)(ptrdiff_t n, ptrdiff_t m, const void *X_, ptrdiff_t row_stride, ptrdiff_t column_stride,
                       const int64_t *order, void *out_)
{
    const real *X = X_;
    real *out = out_;
    if (!order && row_stride == 1) { /* X is stored by columns */
        FN(transpose)(m, n, X, column_stride, out, n);
        return;
    }
    const ptrdiff_t bytes = n * (ptrdiff_t)sizeof(real);
    const ptrdiff_t ahead = MAX(1, MIN(MAX_ROWS_AHEAD, PREFETCH_BYTES / MAX(bytes, 1)));
    for (ptrdiff_t j = 0; j < m; j++, out += n) {
        const real *x = X + (order ? (ptrdiff_t)order[j] : j) * row_stride;
        if (order && column_stride == 1 && j + ahead < m) {
            const char *next = (const char *)(X + (ptrdiff_t)order[j + ahead] * row_stride);
            for (ptrdiff_t at = 0; at < MIN(bytes, PREFETCH_BYTES); at += 64) PREFETCH(next + at);
        }
        if (column_stride == 1)
            FN(copy_row)(n, x, out);
        else
            for (ptrdiff_t i = 0; i < n; i++) out[i] = x[i * column_stride];
    }
}
