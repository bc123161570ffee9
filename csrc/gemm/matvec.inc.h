/* matvec.inc.h: c = alpha A b, one column: the matrix-vector product of a single example.

   Sums of many vectors of rows are kept in registers. An A that does not fit in the second-level cache is read column
   by column instead, as memory likes best; the sums are then in the first-level cache. They are the sums of the tiles
   in tiles.inc.h, in their order: with alpha = 1 a row is predicted to the same bits alone as among others. */
#ifndef FASTNN_STRETCH
#define FASTNN_STREAMED (1 << 20) /* bytes of A from which on it is read by columns */
#define FASTNN_STRIPE 4096        /* bytes of a column at a time, and of the sums */
#define FASTNN_COLUMNS 4          /* columns that are added to them together */
#if FASTNN_VECTOR == 64
#define FASTNN_STRETCH 16 /* vectors of rows that are summed up together */
#define EACH_STRETCH(DO) \
    DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15) DO(16)
#else
#define FASTNN_STRETCH 8
#define EACH_STRETCH(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8)
#endif
#endif

#define LANES (FASTNN_VECTOR / (ptrdiff_t)sizeof(real))

/* `height` vectors of rows, the last one, which may overlap the one before, from row `last` on. `height` is a constant
   wherever this is inlined. */
FASTNN_INLINE void FN(stretch)(const int height, ptrdiff_t last, ptrdiff_t depth, real alpha, int adds,
                               const real *restrict A, ptrdiff_t lda, /* IN (rows, depth) */
                               const real *restrict b,                /* IN (depth) */
                               real *restrict c)                      /* OUT or IN/OUT (rows) */
{
    FN(vector) sum[FASTNN_STRETCH];
    UNROLL for (int i = 0; i < height; i++) sum[i] = (FN(vector)){0};
    for (ptrdiff_t p = 0; p < depth; p++, A += lda)
        UNROLL for (int i = 0; i < height; i++)
            sum[i] = FN(vector_fma)(*(const FN(vector_at) *)(A + (i < height - 1 ? i * LANES : last)),
                                    FN(broadcast)(b[p]), sum[i]);
    UNROLL for (int i = 0; i < height - 1; i++) {
        FN(vector_at) *to = (FN(vector_at) *)(c + i * LANES);
        FN(vector) result = alpha * sum[i];
        if (adds) result += *to;
        *to = result;
    }
    const FN(vector) end = alpha * sum[height - 1];
    real lanes[LANES];
    memcpy(lanes, &end, sizeof end);
    for (ptrdiff_t i = (height - 1) * LANES - last; i < LANES; i++) /* what the vector before does not hold */
        c[last + i] = adds ? c[last + i] + lanes[i] : lanes[i];
}

typedef void (*FN(stretch_function))(ptrdiff_t last, ptrdiff_t depth, real alpha, int adds, const real *A,
                                     ptrdiff_t lda, const real *b, real *c);
#define STRETCH(height)                                                                                             \
    static void FN(stretch_##height)(ptrdiff_t last, ptrdiff_t depth, real alpha, int adds, const real *A,          \
                                     ptrdiff_t lda, const real *b, real *c)                                         \
    {                                                                                                               \
        FN(stretch)(height, last, depth, alpha, adds, A, lda, b, c);                                                \
    }
#define NAME(height) FN(stretch_##height),
EACH_STRETCH(STRETCH)
static const FN(stretch_function) FN(stretch_of_height)[FASTNN_STRETCH] = {EACH_STRETCH(NAME)};
#undef NAME
#undef STRETCH

/* c += alpha A b, or c = alpha A b unless it `adds`, of up to a stripe of rows. The columns to come are asked for:
   where a thread reads a part of each, memory does not foresee them. */
static void FN(stripe)(ptrdiff_t rows, ptrdiff_t depth, real alpha, int adds,
                       const real *restrict A, ptrdiff_t lda, /* IN (rows, depth) */
                       const real *restrict b,                /* IN (depth) */
                       real *restrict c)                      /* OUT or IN/OUT (rows) */
{
    _Alignas(FASTNN_VECTOR) real sum[FASTNN_STRIPE / sizeof(real)] = {0};
    const ptrdiff_t whole = rows / LANES * LANES;
    ptrdiff_t p = 0;
    for (; p + FASTNN_COLUMNS <= depth; p += FASTNN_COLUMNS, A += FASTNN_COLUMNS * lda) {
        const real *next = p + 2 * FASTNN_COLUMNS <= depth ? A + FASTNN_COLUMNS * lda : A;
        for (ptrdiff_t i = 0; i < whole; i += LANES) {
            FN(vector) s = *(FN(vector) *)(sum + i);
            UNROLL for (int q = 0; q < FASTNN_COLUMNS; q++) {
                PREFETCH(next + i + q * lda);
                s = FN(vector_fma)(*(const FN(vector_at) *)(A + i + q * lda), FN(broadcast)(b[p + q]), s);
            }
            *(FN(vector) *)(sum + i) = s;
        }
        for (ptrdiff_t i = whole; i < rows; i++)
            for (int q = 0; q < FASTNN_COLUMNS; q++) sum[i] = FN(fma)(A[i + q * lda], b[p + q], sum[i]);
    }
    for (; p < depth; p++, A += lda)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] = FN(fma)(A[i], b[p], sum[i]);
    for (ptrdiff_t i = 0; i < rows; i++) {
        const real result = alpha * sum[i];
        c[i] = adds ? c[i] + result : result;
    }
}

static void FN(matvec)(ptrdiff_t n, ptrdiff_t k, double alpha, const void *A_, ptrdiff_t lda, const void *b_,
                       void *c_)
{
    const real *A = A_, *b = b_;
    real *c = c_;
    const ptrdiff_t stripe = FASTNN_STRIPE / (ptrdiff_t)sizeof(real);
    const int streamed = n * k * (ptrdiff_t)sizeof(real) >= FASTNN_STREAMED;
    const equal_parts stretches = cut((n + LANES - 1) / LANES, FASTNN_STRETCH);
    for (ptrdiff_t p = 0; p < k; p += FASTNN_DEPTH) {
        for (ptrdiff_t i = 0; streamed && i < n; i += stripe)
            FN(stripe)(MIN(stripe, n - i), MIN(FASTNN_DEPTH, k - p), R(alpha), p > 0, A + i + p * lda, lda, b + p,
                       c + i);
        for (ptrdiff_t s = 0, i = 0, height; !streamed && s < stretches.parts; s++, i += height * LANES) {
            height = stretches.size + (s < stretches.longer);
            const ptrdiff_t last = MIN(height * LANES, n - i) - LANES;
            FN(stretch_of_height)[height - 1](last, MIN(FASTNN_DEPTH, k - p), R(alpha), p > 0, A + i + p * lda, lda,
                                              b + p, c + i);
        }
    }
}
#undef LANES
