/* transpose.inc.h: B = A^T, by vectors in blocks of 4 x 4 elements if the compiler has a shuffle builtin. */
#if defined(FASTNN_SHUFFLES) && defined(FASTNN_VECTOR) && FASTNN_VECTOR > 16 && !defined(FASTNN_WIDE)
/* float: several blocks side by side in a vector. Its groups of four elements are interleaved with those of another
   vector, by elements or by pairs. */
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

#if defined(FASTNN_SHUFFLES)
typedef real FN(four) __attribute__((vector_size(4 * sizeof(real))));
/* Four elements at any address of an array. */
typedef real FN(four_at) __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
#if defined(FASTNN_WIDE) && REAL_BITS == 32
typedef real FN(wide) __attribute__((vector_size(FASTNN_VECTOR)));
typedef real FN(wide_at) __attribute__((vector_size(FASTNN_VECTOR), aligned(sizeof(real)), may_alias));

/* Load four elements from each of a, a + next, ... */
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

/* B = A^T if the columns of A, or with `back` those of B, have n = 2 or 3 elements and are adjacent. */
FASTNN_INLINE void FN(transpose_few)(const int n, const int back, ptrdiff_t m,
                                     const real *restrict A, /* IN (n, m); back: (m, n) */
                                     real *restrict B,       /* OUT (m, n); back: (n, m) */
                                     ptrdiff_t ld)           /* leading dimension of the other matrix */
{
    SIMD
    for (ptrdiff_t j = 0; j < m; j++)
        UNROLL for (int i = 0; i < n; i++)
            if (back)
                B[j * n + i] = A[i * ld + j];
            else
                B[i * ld + j] = A[j * n + i];
}

/* B = A^T. The last blocks overlap others. */
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
