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
#define IN_VECTORS(count) (((count) + LANES - 1) / LANES)
#define MOST_VECTORS IN_VECTORS(DOTS_TILE * DOTS_TILE)

/* Of two vectors the elements with even numbers, and those with odd ones. */
#if FASTNN_VECTOR * 8 / REAL_BITS == 16
#define EVEN(x, y) SHUFFLE(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(x, y) SHUFFLE(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif FASTNN_VECTOR * 8 / REAL_BITS == 8
#define EVEN(x, y) SHUFFLE(x, y, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(x, y) SHUFFLE(x, y, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define EVEN(x, y) SHUFFLE(x, y, 0, 2, 4, 6)
#define ODD(x, y) SHUFFLE(x, y, 1, 3, 5, 7)
#endif

/* The sum over the lanes of each of up to LANES vectors: of neighbours, of neighbouring sums, ..., two vectors becoming
   one each time. */
FASTNN_INLINE FN(vector) FN(sums_of_lanes)(int count, const FN(vector) *x /* IN (count) */)
{
    FN(vector) sum[LANES];
#if defined(FASTNN_SHUFFLES)
    UNROLL for (int t = 0; t < count; t++) sum[t] = x[t];
    UNROLL for (int lanes = LANES; lanes > 1; lanes /= 2, count = (count + 1) / 2)
        UNROLL for (int t = 0; t < count; t += 2) {
            const FN(vector) next = sum[MIN(t + 1, count - 1)];
            sum[t / 2] = EVEN(sum[t], next) + ODD(sum[t], next);
        }
#else
    sum[0] = (FN(vector)){0};
    for (int t = 0; t < count; t++)
        for (int i = 0; i < LANES; i++) sum[0][t] += x[t][i];
#endif
    return sum[0];
}

/* A vector of a column's terms from row p on; or the last ones, after the whole vectors, beside zeros: the end of the
   column without what was counted before, or all of a column that does not fill a vector. */
FASTNN_INLINE FN(vector) FN(terms)(const int last, ptrdiff_t p, ptrdiff_t depth, FN(mask) counted,
                                   const real *x) /* IN (depth) */
{
    FN(vector) terms = {0};
    if (!last) return *(const FN(vector_at) *)(x + p);
    if (depth >= LANES) return FN(only)(~counted, *(const FN(vector_at) *)(x + depth - LANES));
    memcpy(&terms, x, (size_t)depth * sizeof(real));
    return terms;
}

/* What the tiles that a few columns of A take part in share. */
typedef struct {
    const real *A;      /* IN (depth, rows) */
    ptrdiff_t lda;      /* from one column of A to the next */
    ptrdiff_t depth;    /* terms of each sum */
    ptrdiff_t ldb, ldc; /* from one column of B or C to the next */
    real alpha;
    int adds;           /* C += instead of C = */
    const real *bias;   /* IN (rows), or NULL */
    int relu;           /* then max(C, 0) */
} FN(dots_row);

/* sum += the products of a vector of each column, from row p on; or with `last` of the last terms. */
FASTNN_INLINE void FN(add_products)(const int rows, const int columns, const int last, FN(mask) counted,
                                    ptrdiff_t depth, ptrdiff_t p,
                                    const real *A, ptrdiff_t lda, /* IN (depth, rows) */
                                    const real *B, ptrdiff_t ldb, /* IN (depth, columns) */
                                    FN(vector) *sum)              /* IN/OUT (rows, columns) */
{
    FN(vector) a[DOTS_TILE];
    UNROLL for (int i = 0; i < rows; i++) {
        a[i] = FN(terms)(last, p, depth, counted, A + i * lda);
        IN_REGISTER(a[i]);
    }
    UNROLL for (int j = 0; j < columns; j++) {
        FN(vector) b = FN(terms)(last, p, depth, counted, B + j * ldb);
        IN_REGISTER(b);
        UNROLL for (int i = 0; i < rows; i++) {
            FN(vector) *s = sum + j * rows + i;
            *s = FN(vector_fma)(a[i], b, *s);
        }
    }
}

/* `count` tiles side by side. `rows` and `columns` are constants wherever this is inlined. */
FASTNN_INLINE void FN(dots_tiles)(const int rows, const int columns, const FN(dots_row) *row, ptrdiff_t count,
                                  const real *B,    /* IN (depth, count * columns) */
                                  real *restrict C) /* OUT or IN/OUT (rows, count * columns) */
{
    const int size = rows * columns, vectors = IN_VECTORS(size);
    const real *A = row->A, alpha = row->alpha;
    const ptrdiff_t lda = row->lda, ldb = row->ldb, ldc = row->ldc, depth = row->depth, whole = depth / LANES * LANES;
    /* Of a tile: the sums; then in vectors, column after column, its elements and the bias of each. */
    FN(vector) sum[DOTS_TILE * DOTS_TILE], tile[MOST_VECTORS], bias[MOST_VECTORS] = {{0}};
    FN(mask) counted = {0};
    for (int i = 0; whole < depth && i < LANES; i++) counted[i] = depth - LANES + i < whole ? -1 : 0;
    for (int x = 0; row->bias && x < size; x++) ((real *)bias)[x] = row->bias[x % rows];
    for (ptrdiff_t t = 0; t < count; t++, B += columns * ldb, C += columns * ldc) {
        UNROLL for (int j = 0; j < columns; j++)
            UNROLL for (int i = 0; i < rows; i++) sum[j * rows + i] = (FN(vector)){0};
        for (ptrdiff_t p = 0; p < whole; p += LANES)
            FN(add_products)(rows, columns, 0, counted, depth, p, A, lda, B, ldb, sum);
        if (whole < depth) FN(add_products)(rows, columns, 1, counted, depth, 0, A, lda, B, ldb, sum);
        UNROLL for (int v = 0; v < vectors; v++) {
            FN(vector) dot = alpha * FN(sums_of_lanes)(MIN(LANES, size - v * LANES), sum + v * LANES);
            if (row->bias && !row->adds) dot += bias[v];
            if (row->relu && !row->adds) dot = FN(only)(~(FN(mask))(dot <= (FN(vector)){0}), dot);
            tile[v] = dot;
        }
        UNROLL for (int j = 0; j < columns; j++) {
            const real *dots = (const real *)tile + j * rows, *biases = (const real *)bias + j * rows;
            real *c = C + j * ldc;
            UNROLL for (int i = 0; i < rows; i++) c[i] = row->adds ? c[i] + dots[i] : dots[i];
            for (int i = 0; row->adds && i < rows; i++) { /* after the sum of all terms */
                if (row->bias) c[i] += biases[i];
                if (row->relu && c[i] <= 0) c[i] = 0;
            }
        }
    }
}

/* A function for each size of a tile. */
typedef void (*FN(dots_function))(const FN(dots_row) *row, ptrdiff_t count, const real *B, real *C);
#define DOTS(rows, columns)                                                                                          \
    static void FN(dots_##rows##_##columns)(const FN(dots_row) *row, ptrdiff_t count, const real *B, real *C)        \
    {                                                                                                                \
        FN(dots_tiles)(rows, columns, row, count, B, C);                                                             \
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
                     const void *B_, ptrdiff_t ldb, void *C_, ptrdiff_t ldc, const fastnn_finish *finish)
{
    const real *A = A_, *B = B_, *bias = finish ? finish->bias : NULL;
    real *C = C_;
    const equal_parts high = cut(n, DOTS_TILE), wide = cut(m, DOTS_TILE);
    const ptrdiff_t longest = FASTNN_LONG / (ptrdiff_t)sizeof(real), most = MAX(1, longest / k);
    FN(dots_row) row = {.lda = lda, .ldb = ldb, .ldc = ldc, .alpha = R(alpha)};
    for (ptrdiff_t p = 0; p < k; p += longest) {
        row.depth = MIN(longest, k - p);
        row.adds = p > 0;
        row.relu = finish && finish->relu && p + longest >= k;
        for (ptrdiff_t t = 0, j = 0, columns, count; t < wide.parts; t += count, j += count * columns) {
            columns = wide.size + (t < wide.longer);
            count = MIN(most, (t < wide.longer ? wide.longer : wide.parts) - t);
            for (ptrdiff_t s = 0, i = 0, rows; s < high.parts; s++, i += rows) {
                rows = high.size + (s < high.longer);
                row.A = A + p + i * lda;
                row.bias = bias && p + longest >= k ? bias + i : NULL;
                FN(dots_of_size)[rows - 1][columns - 1](&row, count, B + p + j * ldb, C + i + j * ldc);
            }
        }
    }
}
#undef MOST_VECTORS
#undef IN_VECTORS
#undef ODD
#undef EVEN
#undef LANES
