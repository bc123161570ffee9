/* dots.inc.h: C = alpha A^T B by inner products, for few columns of A, or few of B, or long ones.

   The columns of A and B lie in memory as they are multiplied, so vectors run along them: nothing is copied, but each
   element of C is the sum over the lanes of a vector in the end. A tile of C is summed up at once. An element of C is
   the same sum in the same order whatever is multiplied beside it. */
#ifndef FASTNN_LONG
#define FASTNN_LONG 4096 /* bytes of a column at a time: those of a tile stay in the first-level cache */

/* The largest tile: its sums, a column of vectors of A and one of B fill the registers. */
#if FASTNN_VECTOR == 64 /* 25 + 5 + 1 of 32 */
#define DOTS_TILE 5
#define EACH_DOTS(DO, then) DO(1) then DO(2) then DO(3) then DO(4) then DO(5)
#define EACH_DOTS_BESIDE(DO, rows, then) \
    DO(rows, 1) then DO(rows, 2) then DO(rows, 3) then DO(rows, 4) then DO(rows, 5)
#else /* 9 + 3 + 1 of 16 */
#define DOTS_TILE 3
#define EACH_DOTS(DO, then) DO(1) then DO(2) then DO(3)
#define EACH_DOTS_BESIDE(DO, rows, then) DO(rows, 1) then DO(rows, 2) then DO(rows, 3)
#endif
#endif

#define LANES (FASTNN_VECTOR / (ptrdiff_t)sizeof(real))

/* The sum over the lanes: of halves, of their halves, of what is left. */
FASTNN_INLINE real FN(sum_of_lanes)(FN(vector) whole)
{
    typedef real half __attribute__((vector_size(FASTNN_VECTOR / 2)));
    typedef real quarter __attribute__((vector_size(FASTNN_VECTOR / 4)));
    half halves[2];
    quarter quarters[2], sum;
    real result = 0;
    memcpy(halves, &whole, sizeof whole);
    halves[0] += halves[1];
    memcpy(quarters, halves, sizeof quarters);
    sum = quarters[0] + quarters[1];
    UNROLL for (int i = 0; i < LANES / 4; i++) result += sum[i];
    return result;
}

/* A tile of C. `rows` and `columns` are constants wherever this is inlined. */
FASTNN_INLINE void FN(dots_tile)(const int rows, const int columns, ptrdiff_t depth, real alpha, int adds,
                                 const real *A, ptrdiff_t lda,    /* IN (depth, rows) */
                                 const real *B, ptrdiff_t ldb,    /* IN (depth, columns) */
                                 real *restrict C, ptrdiff_t ldc) /* OUT or IN/OUT (rows, columns) */
{
    FN(vector) sum[DOTS_TILE][DOTS_TILE], a[DOTS_TILE];
    real ends[2 * DOTS_TILE * LANES]; /* the last terms, filled up with zeros to a vector */
    const ptrdiff_t rest = depth % LANES;
    ptrdiff_t terms = depth - rest;
    UNROLL for (int j = 0; j < columns; j++)
        UNROLL for (int i = 0; i < rows; i++) sum[j][i] = (FN(vector)){0};
    for (;;) { /* once, or again for the ends: the same instructions, which round alike */
        for (ptrdiff_t p = 0; p < terms; p += LANES) {
            UNROLL for (int i = 0; i < rows; i++) a[i] = *(const FN(vector_at) *)(A + i * lda + p);
            UNROLL for (int j = 0; j < columns; j++) {
                const FN(vector) b = *(const FN(vector_at) *)(B + j * ldb + p);
                UNROLL for (int i = 0; i < rows; i++) sum[j][i] += a[i] * b;
            }
        }
        if (A == ends || !rest) break;
        memset(ends, 0, sizeof ends);
        for (int i = 0; i < rows; i++)
            for (ptrdiff_t p = 0; p < rest; p++) ends[i * LANES + p] = A[i * lda + terms + p];
        for (int j = 0; j < columns; j++)
            for (ptrdiff_t p = 0; p < rest; p++) ends[(DOTS_TILE + j) * LANES + p] = B[j * ldb + terms + p];
        A = ends;
        B = ends + DOTS_TILE * LANES;
        lda = ldb = terms = LANES;
    }
    UNROLL for (int j = 0; j < columns; j++)
        UNROLL for (int i = 0; i < rows; i++) {
            const real dot = alpha * FN(sum_of_lanes)(sum[j][i]);
            C[i + j * ldc] = adds ? C[i + j * ldc] + dot : dot;
        }
}

/* A function for each size of a tile. */
typedef void (*FN(dots_function))(ptrdiff_t depth, real alpha, int adds, const real *A, ptrdiff_t lda, const real *B,
                                  ptrdiff_t ldb, real *C, ptrdiff_t ldc);
#define DOTS(rows, columns)                                                                                       \
    static void FN(dots_##rows##_##columns)(ptrdiff_t depth, real alpha, int adds, const real *A, ptrdiff_t lda, \
                                            const real *B, ptrdiff_t ldb, real *C, ptrdiff_t ldc)                \
    {                                                                                                             \
        FN(dots_tile)(rows, columns, depth, alpha, adds, A, lda, B, ldb, C, ldc);                                 \
    }
#define DOTS_OF(rows) EACH_DOTS_BESIDE(DOTS, rows, )
#define NAME(rows, columns) FN(dots_##rows##_##columns)
#define NAMES_OF(rows) {EACH_DOTS_BESIDE(NAME, rows, COMMA)}
EACH_DOTS(DOTS_OF, )
static const FN(dots_function) FN(dots_of_size)[DOTS_TILE][DOTS_TILE] = {EACH_DOTS(NAMES_OF, COMMA)};
#undef NAMES_OF
#undef NAME
#undef DOTS_OF
#undef DOTS

static void FN(dots)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha, const void *A_, ptrdiff_t lda,
                     const void *B_, ptrdiff_t ldb, void *C_, ptrdiff_t ldc)
{
    const real *A = A_, *B = B_;
    real *C = C_;
    const ptrdiff_t high = (n + DOTS_TILE - 1) / DOTS_TILE, wide = (m + DOTS_TILE - 1) / DOTS_TILE;
    const ptrdiff_t depth = FASTNN_LONG / (ptrdiff_t)sizeof(real);
    for (ptrdiff_t p = 0; p < k; p += depth)
        for (ptrdiff_t t = 0; t < wide; t++) {
            const ptrdiff_t j = part_start(m, wide, t), columns = part_start(m, wide, t + 1) - j;
            for (ptrdiff_t s = 0; s < high; s++) {
                const ptrdiff_t i = part_start(n, high, s), rows = part_start(n, high, s + 1) - i;
                FN(dots_of_size)[rows - 1][columns - 1](MIN(depth, k - p), R(alpha), p > 0, A + p + i * lda, lda,
                                                        B + p + j * ldb, ldb, C + i + j * ldc, ldc);
            }
        }
}
#undef LANES
