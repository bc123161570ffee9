/* matvec.inc.h: c = alpha A b, the matrix-vector product of a single example.

   The sums of a strip of rows stay in registers. An A larger than the L2 cache is read column by column instead, in
   memory order, and the sums stay in the L1 cache. Terms are added in the same order as in tiles.inc.h, so the
   prediction of an example is bitwise identical whether it is predicted alone or with others. */

/* Compute `height` vectors of rows. The last vector starts at row `last` and may overlap the previous one. `height` is
   a constant wherever this is inlined. */
FASTNN_INLINE void FN(row_strip)(const int height, ptrdiff_t last, ptrdiff_t terms, real alpha, int accumulates,
                                 const real *restrict A, ptrdiff_t lda, /* IN (rows, terms) */
                                 const real *restrict b,                /* IN (terms) */
                                 real *restrict c)                      /* OUT, or IN/OUT (rows) */
{
    FN(vector) sum[ROW_STRIP];
    UNROLL for (int i = 0; i < height; i++) sum[i] = (FN(vector)){0};
    for (ptrdiff_t p = 0; p < terms; p++, A += lda)
        UNROLL for (int i = 0; i < height; i++) {
            const FN(vector) a = *(const FN(vector_at) *)(A + VECTOR_ROW(i, height, last));
            sum[i] = FN(vector_fma)(a, FN(broadcast)(b[p]), sum[i]);
        }
    UNROLL for (int i = 0; i < height - 1; i++) {
        FN(vector_at) *to = (FN(vector_at) *)(c + i * LANES);
        FN(vector) result = alpha * sum[i];
        if (accumulates) result += *to;
        *to = result;
    }
    const FN(vector) end = alpha * sum[height - 1];
    real lanes[LANES];
    memcpy(lanes, &end, sizeof end);
    for (ptrdiff_t i = (height - 1) * LANES - last; i < LANES; i++) /* skip the rows of the previous vector */
        c[last + i] = accumulates ? c[last + i] + lanes[i] : lanes[i];
}

typedef void (*FN(row_strip_function))(ptrdiff_t last, ptrdiff_t terms, real alpha, int accumulates, const real *A,
                                       ptrdiff_t lda, const real *b, real *c);
#define ROW_STRIP_OF(height)                                                                                          \
    static void FN(row_strip_##height)(ptrdiff_t last, ptrdiff_t terms, real alpha, int accumulates, const real *A,   \
                                       ptrdiff_t lda, const real *b, real *c)                                         \
    {                                                                                                                 \
        FN(row_strip)(height, last, terms, alpha, accumulates, A, lda, b, c);                                         \
    }
#define NAME(height) FN(row_strip_##height),
EACH_ROW_STRIP(ROW_STRIP_OF)
static const FN(row_strip_function) FN(row_strips)[ROW_STRIP] = {EACH_ROW_STRIP(NAME)};
#undef NAME
#undef ROW_STRIP_OF

/* Compute up to STREAMED_STRIP_BYTES of rows, reading A column by column. Prefetches the next columns, which the
   hardware does not predict if only a part of each is read. */
static void FN(streamed_strip)(ptrdiff_t rows, ptrdiff_t terms, real alpha, int accumulates,
                               const real *restrict A, ptrdiff_t lda, /* IN (rows, terms) */
                               const real *restrict b,                /* IN (terms) */
                               real *restrict c)                      /* OUT, or IN/OUT (rows) */
{
    _Alignas(FASTNN_VECTOR) real sum[STREAMED_STRIP_BYTES / sizeof(real)] = {0};
    const ptrdiff_t whole = rows / LANES * LANES;
    ptrdiff_t p = 0;
    for (; p + STREAMED_COLUMNS <= terms; p += STREAMED_COLUMNS, A += STREAMED_COLUMNS * lda) {
        const real *next = p + 2 * STREAMED_COLUMNS <= terms ? A + STREAMED_COLUMNS * lda : A;
        for (ptrdiff_t i = 0; i < whole; i += LANES) {
            FN(vector) s = *(FN(vector) *)(sum + i);
            UNROLL for (int q = 0; q < STREAMED_COLUMNS; q++) {
                PREFETCH(next + i + q * lda);
                s = FN(vector_fma)(*(const FN(vector_at) *)(A + i + q * lda), FN(broadcast)(b[p + q]), s);
            }
            *(FN(vector) *)(sum + i) = s;
        }
        for (ptrdiff_t i = whole; i < rows; i++)
            for (int q = 0; q < STREAMED_COLUMNS; q++) sum[i] = FN(fma)(A[i + q * lda], b[p + q], sum[i]);
    }
    for (; p < terms; p++, A += lda)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] = FN(fma)(A[i], b[p], sum[i]);
    for (ptrdiff_t i = 0; i < rows; i++) {
        const real result = alpha * sum[i];
        c[i] = accumulates ? c[i] + result : result;
    }
}

static void FN(matvec)(ptrdiff_t n, ptrdiff_t k, double alpha, const void *A_, ptrdiff_t lda, const void *b_,
                       void *c_)
{
    const real *A = A_, *b = b_;
    real *c = c_;
    const ptrdiff_t strip = STREAMED_STRIP_BYTES / (ptrdiff_t)sizeof(real);
    const int streamed = n * k * (ptrdiff_t)sizeof(real) >= MIN_STREAMED_BYTES;
    const equal_parts strips = cut((n + LANES - 1) / LANES, ROW_STRIP);
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t terms = MIN(KC, k - p);
        for (ptrdiff_t i = 0; streamed && i < n; i += strip)
            FN(streamed_strip)(MIN(strip, n - i), terms, R(alpha), p > 0, A + i + p * lda, lda, b + p, c + i);
        for (ptrdiff_t s = 0, i = 0, height; !streamed && s < strips.parts; s++, i += height * LANES) {
            height = strips.size + (s < strips.longer);
            const ptrdiff_t last = MIN(height * LANES, n - i) - LANES;
            FN(row_strips)[height - 1](last, terms, R(alpha), p > 0, A + i + p * lda, lda, b + p, c + i);
        }
    }
}
