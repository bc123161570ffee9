/* dots.inc.h: C = alpha A^T B by dot products of columns, for long columns or if A or B has few of them.

   Vectors run along the contiguous columns of A and B, so nothing is packed; the lanes of each sum are added last. The
   sums of a tile of C stay in registers. The terms of an element of C are added in the same order whichever other
   elements are computed. */

#define VECTORS_OF(count) (((count) + LANES - 1) / LANES)
#define MAX_VECTORS VECTORS_OF(DOT_ROWS * DOT_COLUMNS)

/* The even and the odd elements of two vectors. */
#if FASTNN_VECTOR * 8 / REAL_BITS == 16
#define EVEN(x, y) SHUFFLE(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(x, y) SHUFFLE(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif FASTNN_VECTOR * 8 / REAL_BITS == 8
#define EVEN(x, y) SHUFFLE(x, y, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(x, y) SHUFFLE(x, y, 1, 3, 5, 7, 9, 11, 13, 15)
#elif FASTNN_VECTOR * 8 / REAL_BITS == 4
#define EVEN(x, y) SHUFFLE(x, y, 0, 2, 4, 6)
#define ODD(x, y) SHUFFLE(x, y, 1, 3, 5, 7)
#else
#define EVEN(x, y) SHUFFLE(x, y, 0, 2)
#define ODD(x, y) SHUFFLE(x, y, 1, 3)
#endif

/* Return a vector whose element t is the sum of the lanes of x[t], for up to LANES vectors. Each step adds neighbouring
   lanes and so halves the number of vectors. */
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

/* Load one vector of a column. Without `remainder`: the vector at row p. With it: the terms after the last whole
   vector, and 0 in the other lanes. They are the last LANES terms of the column, where those in `counted`, which were
   added before, become 0. A column shorter than a vector is copied. */
FASTNN_INLINE FN(vector) FN(load_terms)(const int remainder, ptrdiff_t p, ptrdiff_t terms, FN(mask) counted,
                                        const real *x) /* IN (terms) */
{
    FN(vector) loaded = {0};
    if (!remainder) return *(const FN(vector_at) *)(x + p);
    if (terms >= LANES) return FN(only)(~counted, *(const FN(vector_at) *)(x + terms - LANES));
    memcpy(&loaded, x, (size_t)terms * sizeof(real));
    return loaded;
}

/* The arguments that all tiles of a few columns of A share. */
typedef struct {
    const real *A;      /* IN (terms, rows) */
    ptrdiff_t lda;      /* elements from one column of A to the next */
    ptrdiff_t terms;
    ptrdiff_t ldb, ldc; /* elements from one column of B or C to the next */
    real alpha;
    int accumulates;    /* C += instead of C = */
    const real *bias;   /* IN (rows), or NULL */
    int relu;
} FN(dot_panel);

/* Add to `sum` the products of one vector of each column: that of row p or, with `remainder`, the remaining terms. */
FASTNN_INLINE void FN(add_products)(const int rows, const int columns, const int remainder, FN(mask) counted,
                                    ptrdiff_t terms, ptrdiff_t p,
                                    const real *A, ptrdiff_t lda, /* IN (terms, rows) */
                                    const real *B, ptrdiff_t ldb, /* IN (terms, columns) */
                                    FN(vector) *sum)              /* IN/OUT (rows, columns) */
{
    FN(vector) b[DOT_COLUMNS];
    UNROLL for (int j = 0; j < columns; j++) {
        b[j] = FN(load_terms)(remainder, p, terms, counted, B + j * ldb);
        IN_REGISTER(b[j]);
    }
    UNROLL for (int i = 0; i < rows; i++) {
        FN(vector) a = FN(load_terms)(remainder, p, terms, counted, A + i * lda);
        IN_REGISTER(a);
        UNROLL for (int j = 0; j < columns; j++)
            sum[j * rows + i] = FN(vector_fma)(a, b[j], sum[j * rows + i]);
    }
}

/* Compute `count` tiles side by side. `rows` and `columns` are constants wherever this is inlined. */
FASTNN_INLINE void FN(dot_tiles)(const int rows, const int columns, const FN(dot_panel) *panel, ptrdiff_t count,
                                 const real *B,    /* IN (terms, count * columns) */
                                 real *restrict C) /* OUT, or IN/OUT (rows, count * columns) */
{
    const int size = rows * columns, vectors = VECTORS_OF(size);
    const real *A = panel->A, alpha = panel->alpha;
    const ptrdiff_t lda = panel->lda, ldb = panel->ldb, ldc = panel->ldc, terms = panel->terms;
    const ptrdiff_t whole = terms / LANES * LANES;
    /* For one tile: a vector of sums per element; its elements and their biases, packed column by column. */
    FN(vector) sum[DOT_ROWS * DOT_COLUMNS], tile[MAX_VECTORS], bias[MAX_VECTORS] = {{0}};
    FN(mask) counted = {0};
    for (int i = 0; whole < terms && i < LANES; i++) counted[i] = terms - LANES + i < whole ? -1 : 0;
    for (int x = 0; panel->bias && x < size; x++) ((real *)bias)[x] = panel->bias[x % rows];
    for (ptrdiff_t t = 0; t < count; t++, B += columns * ldb, C += columns * ldc) {
        UNROLL for (int j = 0; j < columns; j++)
            UNROLL for (int i = 0; i < rows; i++) sum[j * rows + i] = (FN(vector)){0};
        for (ptrdiff_t p = 0; p < whole; p += LANES)
            FN(add_products)(rows, columns, 0, counted, terms, p, A, lda, B, ldb, sum);
        if (whole < terms) FN(add_products)(rows, columns, 1, counted, terms, 0, A, lda, B, ldb, sum);
        UNROLL for (int v = 0; v < vectors; v++) {
            FN(vector) dot = alpha * FN(sums_of_lanes)(MIN(LANES, size - v * LANES), sum + v * LANES);
            if (panel->bias && !panel->accumulates) dot += bias[v];
            if (panel->relu && !panel->accumulates) dot = FN(vector_relu)(dot);
            tile[v] = dot;
        }
        UNROLL for (int j = 0; j < columns; j++) {
            const real *dots = (const real *)tile + j * rows, *biases = (const real *)bias + j * rows;
            real *c = C + j * ldc;
            UNROLL for (int i = 0; i < rows; i++) c[i] = panel->accumulates ? c[i] + dots[i] : dots[i];
            for (int i = 0; panel->accumulates && i < rows; i++) { /* the epilogue follows the last terms */
                if (panel->bias) c[i] += biases[i];
                if (panel->relu) c[i] = FN(scalar_relu)(c[i]);
            }
        }
    }
}

/* A function for each size of a tile. */
typedef void (*FN(dot_function))(const FN(dot_panel) *panel, ptrdiff_t count, const real *B, real *C);
#define DOTS(rows, columns)                                                                                       \
    static void FN(dots_##rows##x##columns)(const FN(dot_panel) *panel, ptrdiff_t count, const real *B, real *C)  \
    {                                                                                                             \
        FN(dot_tiles)(rows, columns, panel, count, B, C);                                                         \
    }
#define DOTS_OF(rows) EACH_DOT_COLUMNS(DOTS, rows, )
#define NAME(rows, columns) FN(dots_##rows##x##columns)
#define NAMES_OF(rows) {EACH_DOT_COLUMNS(NAME, rows, COMMA)}
EACH_DOT_ROWS(DOTS_OF, )
static const FN(dot_function) FN(dot_functions)[DOT_ROWS][DOT_COLUMNS] = {EACH_DOT_ROWS(NAMES_OF, COMMA)};
#undef NAMES_OF
#undef NAME
#undef DOTS_OF
#undef DOTS

static void FN(dot_kernel)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha, const void *A_, ptrdiff_t lda,
                           const void *B_, ptrdiff_t ldb, void *C_, ptrdiff_t ldc, const fastnn_epilogue *epilogue)
{
    const real *A = A_, *B = B_, *bias = epilogue ? epilogue->bias : NULL;
    real *C = C_;
    const equal_parts row_tiles = cut(n, DOT_ROWS), column_tiles = cut(m, DOT_COLUMNS);
    const ptrdiff_t block = DOT_BLOCK_BYTES / (ptrdiff_t)sizeof(real), max_tiles = MAX(1, block / k);
    FN(dot_panel) panel = {.lda = lda, .ldb = ldb, .ldc = ldc, .alpha = R(alpha)};
    for (ptrdiff_t p = 0; p < k; p += block) {
        const int last = p + block >= k;
        panel.terms = MIN(block, k - p);
        panel.accumulates = p > 0;
        panel.relu = epilogue && epilogue->relu && last;
        for (ptrdiff_t t = 0, j = 0, columns, count; t < column_tiles.parts; t += count, j += count * columns) {
            columns = column_tiles.size + (t < column_tiles.longer);
            count = MIN(max_tiles, (t < column_tiles.longer ? column_tiles.longer : column_tiles.parts) - t);
            for (ptrdiff_t s = 0, i = 0, rows; s < row_tiles.parts; s++, i += rows) {
                rows = row_tiles.size + (s < row_tiles.longer);
                panel.A = A + p + i * lda;
                panel.bias = bias && last ? bias + i : NULL;
                FN(dot_functions)[rows - 1][columns - 1](&panel, count, B + p + j * ldb, C + i + j * ldc);
            }
        }
    }
}
#undef MAX_VECTORS
#undef VECTORS_OF
#undef ODD
#undef EVEN
