/* columns.inc.h: passes over (n, m) matrices that treat each row alike: bias, column sums, gathering.

   A matrix with adjacent columns is the same memory as one k times as tall with 1/k of the columns. Narrow
   layers (n below TILE) are read that way, so that inner loops are long, with b repeated k times or the sums
   kept in k copies: `tile` says how. */
#ifndef FASTNN_TILE
#define FASTNN_TILE 1024
#define FASTNN_AHEAD 4096 /* bytes of rows in random order that are asked for before they are copied */

typedef struct {
    ptrdiff_t height; /* n * k: rows of the matrix as it is read */
    ptrdiff_t width;  /* m / k: its columns */
    ptrdiff_t rest;   /* n * (m % k): elements after them */
} tile_shape;

static tile_shape tile(ptrdiff_t n, ptrdiff_t m)
{
    const ptrdiff_t k = MAX(1, MIN(m, FASTNN_TILE / MAX(n, 1)));
    const tile_shape t = {n * k, m / k, n * (m % k)};
    return t;
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define FASTNN_SHUFFLES
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#if defined(FASTNN_VECTOR) /* of float: the fours of two vectors interleaved, one by one or in pairs */
#define FASTNN_WIDE
#if FASTNN_VECTOR == 64
#define WIDE_COLUMNS 16
#define WIDE_LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define WIDE_HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define WIDE_LOW_PAIRS 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define WIDE_HIGH_PAIRS 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#else
#define WIDE_COLUMNS 8
#define WIDE_LOW 0, 8, 1, 9, 4, 12, 5, 13
#define WIDE_HIGH 2, 10, 3, 11, 6, 14, 7, 15
#define WIDE_LOW_PAIRS 0, 1, 8, 9, 4, 5, 12, 13
#define WIDE_HIGH_PAIRS 2, 3, 10, 11, 6, 7, 14, 15
#endif
#endif
#endif
#endif
#endif

#if defined(FASTNN_SHUFFLES)
typedef real FN(four) __attribute__((vector_size(4 * sizeof(real))));
/* The same anywhere in an array. */
typedef real FN(four_at) __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
#if defined(FASTNN_WIDE) && REAL_BITS == 32
typedef real FN(wide) __attribute__((vector_size(FASTNN_VECTOR)));
typedef real FN(wide_at) __attribute__((vector_size(FASTNN_VECTOR), aligned(sizeof(real)), may_alias));

/* Four elements from each of a, a + next, ... */
FASTNN_INLINE FN(wide) FN(join)(const real *a, ptrdiff_t next)
{
    const FN(four) a0 = *(const FN(four_at) *)a, a1 = *(const FN(four_at) *)(a + next);
#if FASTNN_VECTOR == 64
    const FN(four) a2 = *(const FN(four_at) *)(a + 2 * next), a3 = *(const FN(four_at) *)(a + 3 * next);
    return SHUFFLE(SHUFFLE(a0, a1, 0, 1, 2, 3, 4, 5, 6, 7), SHUFFLE(a2, a3, 0, 1, 2, 3, 4, 5, 6, 7),
                   0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    return SHUFFLE(a0, a1, 0, 1, 2, 3, 4, 5, 6, 7);
#endif
}
#endif
#endif

/* out = b, repeated k times. */
static void FN(repeat)(ptrdiff_t n, ptrdiff_t height,
                       const real *restrict b, /* IN (n) or NULL for zeros */
                       real *restrict out)     /* OUT (height), height a multiple of n */
{
    if (!b) {
        memset(out, 0, (size_t)height * sizeof(real));
        return;
    }
    if (n == 1) {
        for (ptrdiff_t i = 0; i < height; i++) out[i] = *b;
        return;
    }
    memcpy(out, b, (size_t)n * sizeof(real));
    for (ptrdiff_t done = n; done < height;) { /* doubling */
        const ptrdiff_t more = MIN(done, height - done);
        memcpy(out + done, out, (size_t)more * sizeof(real));
        done += more;
    }
}

/* out = scale * (the sum of the k copies in `sums`). */
static void FN(fold)(ptrdiff_t n, ptrdiff_t height,
                     real *sums, /* IN/OUT (height) */
                     double scale,
                     real *out)  /* OUT (n), may be sums */
{
    while (height > n) { /* the later copies onto the earlier ones: half of them at a time */
        const ptrdiff_t half = height / n / 2 * n;
        height -= half;
        for (ptrdiff_t i = 0; i < half; i++) sums[i] += sums[height + i];
    }
    for (ptrdiff_t i = 0; i < n; i++) out[i] = (real)scale * sums[i];
}

/* B = A^T for adjacent columns of n elements of A, or with `back` of B; n is a constant wherever this is inlined. */
FASTNN_INLINE void FN(transpose_few)(const int n, const int back, ptrdiff_t m,
                                     const real *restrict A, /* IN (n, m); back: (m, n) */
                                     real *restrict B,       /* OUT (m, n); back: (n, m) */
                                     ptrdiff_t ld)           /* from one of the n columns to the next */
{
    SIMD
    for (ptrdiff_t j = 0; j < m; j++)
        UNROLL for (int i = 0; i < n; i++)
            if (back)
                B[j * n + i] = A[i * ld + j];
            else
                B[i * ld + j] = A[j * n + i];
}

/* B = A^T, in blocks of 4 x 4 where the compiler can shuffle vectors; of float several beside each other, loaded by 16
   bytes each. The last blocks overlap others. */
FASTNN_INLINE void FN(transpose)(ptrdiff_t n, ptrdiff_t m,
                                 const real *restrict A, ptrdiff_t lda, /* IN (n, m) */
                                 real *restrict B, ptrdiff_t ldb)       /* OUT (m, n) */
{
    if ((n == 2 || n == 3) && lda == n) {
        if (n == 2)
            FN(transpose_few)(2, 0, m, A, B, ldb);
        else
            FN(transpose_few)(3, 0, m, A, B, ldb);
        return;
    }
    if ((m == 2 || m == 3) && ldb == m) {
        if (m == 2)
            FN(transpose_few)(2, 1, n, A, B, lda);
        else
            FN(transpose_few)(3, 1, n, A, B, lda);
        return;
    }
#if defined(FASTNN_SHUFFLES)
    if (n >= 4 && m >= 4) {
        ptrdiff_t column = 0;
#if defined(FASTNN_WIDE) && REAL_BITS == 32
        for (; column + WIDE_COLUMNS <= m; column += WIDE_COLUMNS)
            for (ptrdiff_t row = 0; row < n; row += 4) {
                const ptrdiff_t i = MIN(row, n - 4);
                const real *a = A + column * lda + i;
                real *b = B + i * ldb + column;
                const FN(wide) a0 = FN(join)(a, 4 * lda), a1 = FN(join)(a + lda, 4 * lda);
                const FN(wide) a2 = FN(join)(a + 2 * lda, 4 * lda), a3 = FN(join)(a + 3 * lda, 4 * lda);
                const FN(wide) low_01 = SHUFFLE(a0, a1, WIDE_LOW), high_01 = SHUFFLE(a0, a1, WIDE_HIGH);
                const FN(wide) low_23 = SHUFFLE(a2, a3, WIDE_LOW), high_23 = SHUFFLE(a2, a3, WIDE_HIGH);
                *(FN(wide_at) *)b = SHUFFLE(low_01, low_23, WIDE_LOW_PAIRS);
                *(FN(wide_at) *)(b + ldb) = SHUFFLE(low_01, low_23, WIDE_HIGH_PAIRS);
                *(FN(wide_at) *)(b + 2 * ldb) = SHUFFLE(high_01, high_23, WIDE_LOW_PAIRS);
                *(FN(wide_at) *)(b + 3 * ldb) = SHUFFLE(high_01, high_23, WIDE_HIGH_PAIRS);
            }
#endif
        for (; column < m; column += 4)
            for (ptrdiff_t row = 0; row < n; row += 4) {
                const ptrdiff_t i = MIN(row, n - 4), j = MIN(column, m - 4);
                const real *a = A + j * lda + i;
                real *b = B + i * ldb + j;
                const FN(four) a0 = *(const FN(four_at) *)a, a1 = *(const FN(four_at) *)(a + lda);
                const FN(four) a2 = *(const FN(four_at) *)(a + 2 * lda), a3 = *(const FN(four_at) *)(a + 3 * lda);
                const FN(four) low_01 = SHUFFLE(a0, a1, 0, 4, 1, 5), high_01 = SHUFFLE(a0, a1, 2, 6, 3, 7);
                const FN(four) low_23 = SHUFFLE(a2, a3, 0, 4, 1, 5), high_23 = SHUFFLE(a2, a3, 2, 6, 3, 7);
                *(FN(four_at) *)b = SHUFFLE(low_01, low_23, 0, 1, 4, 5);
                *(FN(four_at) *)(b + ldb) = SHUFFLE(low_01, low_23, 2, 3, 6, 7);
                *(FN(four_at) *)(b + 2 * ldb) = SHUFFLE(high_01, high_23, 0, 1, 4, 5);
                *(FN(four_at) *)(b + 3 * ldb) = SHUFFLE(high_01, high_23, 2, 3, 6, 7);
            }
        return;
    }
#endif
    if (n < m) { /* the longer loop inside */
        for (ptrdiff_t i = 0; i < n; i++)
            for (ptrdiff_t j = 0; j < m; j++) B[i * ldb + j] = A[j * lda + i];
    } else {
        for (ptrdiff_t j = 0; j < m; j++)
            for (ptrdiff_t i = 0; i < n; i++) B[i * ldb + j] = A[j * lda + i];
    }
}

FASTNN_INLINE void FN(accumulate)(ptrdiff_t count,
                                  const real *restrict x, /* IN (count) */
                                  real *restrict sums)    /* IN/OUT (count) */
{
    for (ptrdiff_t i = 0; i < count; i++) sums[i] += x[i];
}

static void FN(sum_columns)(ptrdiff_t n, ptrdiff_t m, const void *M_, double scale, void *out_)
{
    const real *M = M_;
    real *out = out_;
    real local[FASTNN_TILE];
    const tile_shape t = tile(n, m);
    real *sums = t.height <= FASTNN_TILE ? local : out; /* taller than a tile: k = 1 */
    memset(sums, 0, (size_t)t.height * sizeof(real));
    for (ptrdiff_t j = 0; j < t.width; j++) FN(accumulate)(t.height, M + j * t.height, sums);
    FN(accumulate)(t.rest, M + t.width * t.height, sums);
    FN(fold)(n, t.height, sums, scale, out);
}

/* Short rows by two moves of a fixed size, which may overlap: a call of memcpy takes longer. */
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
    if (!order && row_stride == 1) { /* the elements of a column follow each other */
        FN(transpose)(m, n, X, column_stride, out, n);
        return;
    }
    const ptrdiff_t bytes = n * (ptrdiff_t)sizeof(real), ahead = MAX(1, MIN(16, FASTNN_AHEAD / MAX(bytes, 1)));
    for (ptrdiff_t j = 0; j < m; j++, out += n) {
        const real *x = X + (order ? (ptrdiff_t)order[j] : j) * row_stride;
        if (order && column_stride == 1 && j + ahead < m) {
            const char *next = (const char *)(X + (ptrdiff_t)order[j + ahead] * row_stride);
            for (ptrdiff_t at = 0; at < MIN(bytes, FASTNN_AHEAD); at += 64) PREFETCH(next + at);
        }
        if (column_stride == 1)
            FN(copy_row)(n, x, out);
        else
            for (ptrdiff_t i = 0; i < n; i++) out[i] = x[i * column_stride];
    }
}

/* Not finite: all bits of the exponent set. */
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
    for (ptrdiff_t start = 0; start < count; start += 4096) { /* stop early, but not at every element */
        const ptrdiff_t stop = MIN(count, start + 4096);
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
