/* matvec.inc.h: c = alpha A b, the matrix-vector product of a single example.

   The sums of a strip of rows stay in registers. A large A is read column by column instead, in memory order, and the
   sums stay in the L1 cache. Terms are added in the same order as in tiles.inc.h, so the
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

/* Add the products of STREAMED_COLUMNS columns to `count` vectors of sums, and prefetch a line of as many columns. */
FASTNN_INLINE void FN(add_streamed)(const int count,
                                    const real *A, ptrdiff_t lda, /* IN (count vectors, STREAMED_COLUMNS) */
                                    const FN(vector) *b,          /* IN (STREAMED_COLUMNS), broadcast */
                                    const real *ahead,            /* (line, STREAMED_COLUMNS) to prefetch */
                                    FN(vector) *sum)              /* IN/OUT (count) */
{
    FN(vector) s[VECTORS_PER_LINE];
    UNROLL for (int i = 0; i < count; i++) s[i] = sum[i];
    UNROLL for (int q = 0; q < STREAMED_COLUMNS; q++)
        UNROLL for (int i = 0; i < count; i++)
            s[i] = FN(vector_fma)(*(const FN(vector_at) *)(A + i * LANES + q * lda), b[q], s[i]);
    UNROLL for (int q = 0; q < STREAMED_COLUMNS; q++) PREFETCH(ahead + q * lda);
    UNROLL for (int i = 0; i < count; i++) sum[i] = s[i];
}

/* Compute up to STREAMED_STRIP_BYTES of rows, at least a vector, reading A column by column. Prefetches the lines that
   are read STREAMED_AHEAD_BYTES later in each column, at its end those of the next columns: the hardware does not
   predict that. */
static void FN(streamed_strip)(ptrdiff_t rows, ptrdiff_t terms, real alpha, int accumulates,
                               const real *restrict A, ptrdiff_t lda, /* IN (rows, terms) */
                               const real *restrict b,                /* IN (terms) */
                               real *restrict c)                      /* OUT, or IN/OUT (rows) */
{
    _Alignas(64) FN(vector) sum[STREAMED_STRIP_BYTES / FASTNN_VECTOR];
    FN(vector) factor[STREAMED_COLUMNS];
    const ptrdiff_t vectors = (rows + LANES - 1) / LANES, last = rows - LANES;
    const ptrdiff_t whole = rows / LANES / VECTORS_PER_LINE * VECTORS_PER_LINE;
    const ptrdiff_t ahead = MIN(rows, STREAMED_AHEAD_BYTES / (ptrdiff_t)sizeof(real)), turn = (rows - ahead) / LANES;
    ptrdiff_t p = 0;
    sum[0] = (FN(vector)){0}; /* before the loop: compilers do not know that there is a vector */
    for (ptrdiff_t v = 1; v < vectors; v++) sum[v] = (FN(vector)){0};
    for (; p + STREAMED_COLUMNS <= terms; p += STREAMED_COLUMNS, A += STREAMED_COLUMNS * lda) {
        const real *next = p + 2 * STREAMED_COLUMNS <= terms ? A + STREAMED_COLUMNS * lda : A;
        ptrdiff_t v = 0;
        UNROLL for (int q = 0; q < STREAMED_COLUMNS; q++) factor[q] = FN(broadcast)(b[p + q]);
        for (; v < turn; v += VECTORS_PER_LINE)
            FN(add_streamed)(VECTORS_PER_LINE, A + v * LANES, lda, factor, A + v * LANES + ahead, sum + v);
        for (; v < whole; v += VECTORS_PER_LINE)
            FN(add_streamed)(VECTORS_PER_LINE, A + v * LANES, lda, factor, next + v * LANES - (rows - ahead), sum + v);
        for (ptrdiff_t i; v < vectors; v++) {
            i = MIN(v * LANES, last);
            FN(add_streamed)(1, A + i, lda, factor, next + i - (rows - ahead), sum + v);
        }
    }
    for (; p < terms; p++, A += lda)
        for (ptrdiff_t v = 0; v < vectors; v++)
            sum[v] = FN(vector_fma)(*(const FN(vector_at) *)(A + MIN(v * LANES, last)), FN(broadcast)(b[p]), sum[v]);
    FN(vector) end = alpha * sum[vectors - 1]; /* finished first: it may overlap the vector before */
    if (accumulates) end += *(const FN(vector_at) *)(c + last);
    for (ptrdiff_t v = 0; v < vectors - 1; v++) {
        FN(vector_at) *to = (FN(vector_at) *)(c + v * LANES);
        FN(vector) result = alpha * sum[v];
        if (accumulates) result += *to;
        *to = result;
    }
    *(FN(vector_at) *)(c + last) = end;
}

static void FN(matvec)(ptrdiff_t n, ptrdiff_t k, double alpha, const void *A_, ptrdiff_t lda, const void *b_,
                       void *c_)
{
    const real *A = A_, *b = b_;
    real *c = c_;
    const int streamed = n * k * (ptrdiff_t)sizeof(real) >= MIN_STREAMED_BYTES;
    const equal_parts strips = streamed ? cut(n, STREAMED_STRIP_BYTES / (ptrdiff_t)sizeof(real))
                                        : cut((n + LANES - 1) / LANES, ROW_STRIP);
    for (ptrdiff_t p = 0; p < k; p += KC) {
        const ptrdiff_t terms = MIN(KC, k - p);
        for (ptrdiff_t s = 0, i = 0, rows; s < strips.parts; s++, i += rows) {
            const ptrdiff_t size = strips.size + (s < strips.longer);
            const real *a = A + i + p * lda;
            rows = streamed ? size : size * LANES;
            if (streamed)
                FN(streamed_strip)(rows, terms, R(alpha), p > 0, a, lda, b + p, c + i);
            else
                FN(row_strips)[size - 1](MIN(rows, n - i) - LANES, terms, R(alpha), p > 0, a, lda, b + p, c + i);
        }
    }
}
