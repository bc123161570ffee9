/* tiles.inc.h: the layers' matrix products, C = alpha op(A) op(B).

   A tile of C, some vectors high and some columns wide, is summed up in registers: each step multiplies a column of
   op(A) by a row of op(B), whose elements are broadcast. The rows of op(A) that meet a row of tiles, a panel, are read
   where they lie; where op(A) is a transpose they are copied first. (BLAS copies both operands, which costs more than
   it brings while they are small.) An element of C is the same sum in the same order wherever the tiles' edges are: it
   does not depend on how many rows and columns are multiplied at once. What follows a product element by element and
   takes few instructions is done before the sums leave the registers (fastnn_finish).

   The unit of a level defines FASTNN_VECTOR, the bytes of its vectors. */
#ifndef FASTNN_DEPTH
#define FASTNN_DEPTH 256   /* terms that are summed up at a time, so that a panel stays in the first-level cache */
#define FASTNN_BREADTH 256 /* columns of op(B) that meet all panels: they stay in the second-level cache */
#define FASTNN_SHALLOW 128 /* terms up to which a panel of the highest tiles stays in the first-level cache */

/* The largest tiles: their sums, a column of op(A) and an element of op(B) fill the registers but for a few or none.
   The highest are for what a lower panel would only cut into more pieces: few terms, or no more columns than theirs. */
#if FASTNN_VECTOR == 64 /* 24 + 3 + 1 or 24 + 4 + 1 of 32 */
#define TILE_SUMS 24
#define TILE_HEIGHT 4
#define TILE_WIDTH 8
#define EACH_HEIGHT(DO, then) DO(1) then DO(2) then DO(3)
#define EACH_WIDTH(DO, height, then)                                                                    \
    DO(height, 1) then DO(height, 2) then DO(height, 3) then DO(height, 4) then DO(height, 5) then      \
    DO(height, 6) then DO(height, 7) then DO(height, 8)
#define EACH_HIGHEST(DO, then) DO(4, 1) then DO(4, 2) then DO(4, 3) then DO(4, 4) then DO(4, 5) then DO(4, 6)
#else /* 12 + 2 + 1 or 12 + 3 + 1 of 16 */
#define TILE_SUMS 12
#define TILE_HEIGHT 3
#define TILE_WIDTH 6
#define EACH_HEIGHT(DO, then) DO(1) then DO(2)
#define EACH_WIDTH(DO, height, then) \
    DO(height, 1) then DO(height, 2) then DO(height, 3) then DO(height, 4) then DO(height, 5) then DO(height, 6)
#define EACH_HIGHEST(DO, then) DO(3, 1) then DO(3, 2) then DO(3, 3) then DO(3, 4)
#endif
#define COMMA ,

/* Equal parts: the first `longer` have a thing more than `size`. */
typedef struct {
    ptrdiff_t parts, size, longer;
} equal_parts;

/* As few parts as there can be, of at most `most` things. */
static inline equal_parts cut(ptrdiff_t total, ptrdiff_t most)
{
    const ptrdiff_t parts = (total + most - 1) / most, divisor = MAX(1, parts);
    const equal_parts cut = {parts, total / divisor, total % divisor};
    return cut;
}
#endif

#define LANES (FASTNN_VECTOR / (ptrdiff_t)sizeof(real))

/* What the tiles of a panel share. A tile's vectors follow each other; the last may overlap the one before. */
typedef struct {
    const real *A;        /* IN (rows, depth) */
    ptrdiff_t lda;        /* from one column of A to the next */
    ptrdiff_t last_A;     /* the row of A with which the last vector begins */
    ptrdiff_t depth;      /* terms of each sum */
    ptrdiff_t step, next; /* from a row of op(B) to the next, from a column to the next */
    const real *C;        /* its first column here: `active` goes along with it */
    ptrdiff_t ldc;        /* from one column of C to the next */
    ptrdiff_t last_C;     /* the row of C where the last vector goes */
    real alpha;
    int adds;             /* C += instead of C = */
    const real *bias;     /* IN (rows; of narrow tiles in whole vectors) added to each column, or NULL */
    const real *shifts;   /* IN (m) added to the columns of C, one each, or NULL; goes along with the tiles */
    int relu;             /* then max(C, 0) */
    real *zeros;          /* IN/OUT (a vector) sums of 0 * C before all that, of the first rows, NaN where one is not
                             finite; or NULL */
    const real *active;   /* IN (rows, m), columns as those of C: C is 0 where this is not positive; or NULL */
    real *sums;           /* IN/OUT (rows in whole vectors) the sums of the columns, with `active` */
} FN(panel);

/* x, but 0 where the mask is not set. */
FASTNN_INLINE FN(vector) FN(only)(FN(mask) mask, FN(vector) x) { return (FN(vector))(mask & (FN(mask))x); }

#define ROW(i, last) ((i) < height - 1 ? (i) * LANES : (last)) /* where the tile's i-th vector begins */

/* `count` tiles side by side. `height` and `width` are constants wherever this is inlined, so that the loops over them
   unroll and `sum` is registers. */
FASTNN_INLINE void FN(tiles)(const int height, const int width, const FN(panel) *panel, ptrdiff_t count,
                             const real *restrict B, /* IN (depth, count * width), strided */
                             real *restrict C)       /* OUT or IN/OUT (rows, count * width) */
{
    const ptrdiff_t depth = panel->depth, lda = panel->lda, last_A = panel->last_A, last_C = panel->last_C;
    const ptrdiff_t step = panel->step, next = panel->next, ldc = panel->ldc;
    const real alpha = panel->alpha, *active = panel->active ? panel->active + (C - panel->C) : NULL;
    const FN(vector) zero = {0};
    FN(vector) sum[TILE_WIDTH][TILE_HEIGHT], a[TILE_HEIGHT];
    for (ptrdiff_t t = 0; t < count; t++, B += width * next) {
        const real *restrict A = panel->A, *restrict b = B;
        UNROLL for (int j = 0; j < width; j++)
            UNROLL for (int i = 0; i < height; i++) sum[j][i] = zero;
        for (ptrdiff_t p = 0; p < depth; p++, A += lda, b += step) {
            UNROLL for (int i = 0; i < height; i++) {
                a[i] = *(const FN(vector_at) *)(A + ROW(i, last_A));
                IN_REGISTER(a[i]);
            }
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++) sum[j][i] = FN(vector_fma)(a[i], FN(broadcast)(b[j * next]), sum[j][i]);
        }
        if (alpha != 1)
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++) sum[j][i] *= alpha;
        if (panel->adds)
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++) sum[j][i] += *(FN(vector_at) *)(C + j * ldc + ROW(i, last_C));
        if (panel->zeros) {
            FN(vector) part[3] = {zero, zero, zero}; /* few steps one after another */
            UNROLL for (int j = 0; j < width; j++) part[j % 3] += sum[j][0];
            FN(vector) *zeros = (FN(vector) *)panel->zeros;
            *zeros = FN(vector_fma)(zero, part[0] + part[1] + part[2], *zeros);
        }
        if (panel->bias)
            UNROLL for (int i = 0; i < height; i++) {
                const FN(vector) bias = *(const FN(vector_at) *)(panel->bias + ROW(i, last_C));
                UNROLL for (int j = 0; j < width; j++) sum[j][i] += bias;
            }
        if (panel->shifts)
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++) sum[j][i] += panel->shifts[t * width + j];
        if (panel->relu)
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++)
                    sum[j][i] = FN(only)(~(FN(mask))(sum[j][i] <= zero), sum[j][i]); /* a NaN stays one */
        if (active)
            UNROLL for (int i = 0; i < height; i++) {
                FN(vector) *total = (FN(vector) *)(panel->sums + i * LANES);
                FN(vector) more = zero;
                UNROLL for (int j = 0; j < width; j++) {
                    const FN(vector) a = *(const FN(vector_at) *)(active + j * ldc + ROW(i, last_C));
                    sum[j][i] = FN(only)((FN(mask))(a > zero), sum[j][i]);
                    more += sum[j][i];
                }
                *total += more;
            }
        UNROLL for (int j = 0; j < width; j++)
            UNROLL for (int i = 0; i < height; i++) *(FN(vector_at) *)(C + j * ldc + ROW(i, last_C)) = sum[j][i];
        C += width * ldc;
        if (active) active += width * ldc;
    }
}
#undef ROW

/* A function for each size of a tile. */
typedef void (*FN(tiles_function))(const FN(panel) *panel, ptrdiff_t count, const real *B, real *C);
#define TILES(height, width)                                                                                   \
    static void FN(tiles_##height##_##width)(const FN(panel) *panel, ptrdiff_t count, const real *B, real *C)  \
    {                                                                                                          \
        FN(tiles)(height, width, panel, count, B, C);                                                          \
    }
#define TILES_OF(height) EACH_WIDTH(TILES, height, )
#define NAME(height, width) FN(tiles_##height##_##width)
#define NAMES_OF(height) {EACH_WIDTH(NAME, height, COMMA)}
EACH_HEIGHT(TILES_OF, )
EACH_HIGHEST(TILES, )
static const FN(tiles_function) FN(tiles_of_size)[TILE_HEIGHT][TILE_WIDTH] = {
    EACH_HEIGHT(NAMES_OF, COMMA), {EACH_HIGHEST(NAME, COMMA)}
};
#undef NAMES_OF
#undef NAME
#undef TILES_OF
#undef TILES

/* The panel's rows in whole vectors, zeros after the last. */
static void FN(copy_rows)(int transpose, ptrdiff_t rows, ptrdiff_t height, ptrdiff_t depth,
                          const real *restrict A, ptrdiff_t lda, /* IN (rows, depth); to transpose: (depth, rows) */
                          real *restrict copy)                   /* OUT (height, depth) */
{
    if (rows < height) memset(copy, 0, (size_t)(height * depth) * sizeof(real));
    if (transpose)
        FN(transpose)(depth, rows, A, lda, copy, height);
    else
        for (ptrdiff_t p = 0; p < depth; p++)
            for (ptrdiff_t i = 0; i < rows; i++) copy[p * height + i] = A[p * lda + i];
}

/* What `tiles` does at the end, to a column of sums. */
FASTNN_INLINE void FN(finish_column)(const FN(panel) *panel, ptrdiff_t rows, ptrdiff_t column,
                                     real *restrict sum, /* IN (rows); overwritten */
                                     real *restrict C)   /* OUT or IN/OUT (rows) */
{
    const real *active = panel->active ? panel->active + (C - panel->C) : NULL;
    if (panel->adds)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] += C[i];
    if (panel->zeros)
        for (ptrdiff_t i = 0; i < rows; i++) *panel->zeros = FN(fma)(0, sum[i], *panel->zeros);
    if (panel->bias)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] += panel->bias[i];
    if (panel->shifts)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] += panel->shifts[column];
    if (panel->relu)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] = sum[i] <= 0 ? 0 : sum[i];
    if (active)
        for (ptrdiff_t i = 0; i < rows; i++) {
            sum[i] = active[i] > 0 ? sum[i] : 0;
            panel->sums[i] += sum[i];
        }
    for (ptrdiff_t i = 0; i < rows; i++) C[i] = sum[i];
}

/* The tiles of a panel. Where they are higher than the rows of C they go there by way of `edge`; or, where its columns
   lie close together, over the beginning of the next column, which is written after it. */
static void FN(row_of_tiles)(FN(panel) *panel, ptrdiff_t vectors, ptrdiff_t rows, equal_parts tiles,
                             const real *B, /* IN (depth, m), strided */
                             real *C,       /* OUT or IN/OUT (rows, m) */
                             int higher)
{
    real edge[TILE_HEIGHT * LANES * TILE_WIDTH];
    const ptrdiff_t height = vectors * LANES;
    const int later = higher && (panel->adds || panel->active); /* what needs elements of C, row by row */
    const int spills = higher && !later && panel->ldc == rows && height <= 2 * rows;
    FN(panel) inner; /* for tiles higher than the rows of C */
    if (higher) {
        inner = *panel;
        inner.last_C = height - LANES;
        if (later) inner.bias = inner.shifts = inner.active = NULL, inner.zeros = NULL, inner.relu = inner.adds = 0;
    }
    for (ptrdiff_t t = 0; t < tiles.parts;) { /* as many of one width as there are; or one by one, by way of `edge` */
        const ptrdiff_t width = tiles.size + (t < tiles.longer), end = t < tiles.longer ? tiles.longer : tiles.parts;
        const int by_edge = higher && (!spills || t == tiles.parts - 1);
        const ptrdiff_t count = by_edge ? 1 : MIN(end, tiles.parts - spills) - t;
        if (higher) inner.ldc = by_edge ? height : panel->ldc;
        FN(tiles_of_size)[vectors - 1][width - 1](higher ? &inner : panel, count, B, by_edge ? edge : C);
        for (ptrdiff_t y = 0; by_edge && y < width; y++)
            if (later)
                FN(finish_column)(panel, rows, y, edge + y * height, C + y * panel->ldc);
            else
                for (ptrdiff_t x = 0; x < rows; x++) C[y * panel->ldc + x] = edge[y * height + x];
        t += count;
        if (panel->shifts) panel->shifts += count * width;
        if (higher && inner.shifts) inner.shifts += count * width;
        B += count * width * panel->next;
        C += count * width * panel->ldc;
    }
}

static void FN(multiply)(int transpose_A, int transpose_B, ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha,
                         const void *A_, ptrdiff_t lda, const void *B_, ptrdiff_t ldb, void *C_, ptrdiff_t ldc,
                         const fastnn_finish *finish)
{
    _Alignas(FASTNN_VECTOR) real copy[TILE_HEIGHT * LANES * FASTNN_DEPTH];
    FN(vector) sums[TILE_HEIGHT], filled[TILE_HEIGHT], zeros = {0};
    const real *A = A_, *B = B_, *bias = finish ? finish->bias : NULL, *active = finish ? finish->active : NULL;
    const real *shifts = finish ? finish->shifts : NULL;
    real *C = C_, *db = active ? finish->sums : NULL;
    const int high = k <= FASTNN_SHALLOW || m <= TILE_SUMS / TILE_HEIGHT;
    const equal_parts panels = cut((n + LANES - 1) / LANES, high ? TILE_HEIGHT : TILE_HEIGHT - 1);
    const ptrdiff_t widest = MIN(TILE_WIDTH, TILE_SUMS / MAX(1, panels.size + (panels.longer > 0)));
    FN(panel) panel = {.step = transpose_B ? ldb : 1, .next = transpose_B ? 1 : ldb, .alpha = R(alpha), .ldc = ldc,
                       .sums = (real *)sums};
    if (db) memset(db, 0, (size_t)n * sizeof(real));
    for (ptrdiff_t j = 0; j < m; j += FASTNN_BREADTH) {
        const equal_parts tiles = cut(MIN(FASTNN_BREADTH, m - j), widest);
        for (ptrdiff_t p = 0; p < k; p += FASTNN_DEPTH) {
            const int last = p + FASTNN_DEPTH >= k;
            panel.depth = MIN(FASTNN_DEPTH, k - p);
            panel.adds = p > 0;
            panel.relu = finish && finish->relu && last;
            for (ptrdiff_t s = 0, first = 0, vectors; s < panels.parts; s++, first += vectors) {
                vectors = panels.size + (s < panels.longer);
                const int whole = (first + vectors) * LANES <= n;
                /* The last vector overlaps another. One of a panel before would be added to twice; one of the same
                   tiles is not, as they read the sums in C before they write any. */
                const int overlaps = !whole && !transpose_A && n >= LANES && (p == 0 || vectors > 1);
                const int copies = transpose_A || !(whole || overlaps);
                const ptrdiff_t i = overlaps && vectors == 1 ? n - LANES : first * LANES;
                const ptrdiff_t height = vectors * LANES, rows = MIN(height, n - i);
                const real *a = A + (transpose_A ? p + i * lda : i + p * lda);
                if (copies) FN(copy_rows)(transpose_A, rows, height, panel.depth, a, lda, copy);
                panel.A = copies ? copy : a;
                panel.lda = copies ? height : lda;
                panel.last_A = (copies ? height : rows) - LANES;
                panel.C = C + i + j * ldc;
                panel.last_C = rows - LANES;
                panel.bias = bias && last ? bias + i : NULL;
                if (panel.bias && !(whole || overlaps)) {
                    memset(filled, 0, sizeof filled);
                    memcpy(filled, bias + i, (size_t)rows * sizeof(real));
                    panel.bias = (const real *)filled;
                }
                panel.shifts = shifts && last ? shifts + j : NULL;
                panel.zeros = finish && finish->finite && last && !s ? (real *)&zeros : NULL;
                panel.active = active && last ? active + i + j * ldc : NULL;
                for (ptrdiff_t v = 0; panel.active && v < vectors; v++) sums[v] = (FN(vector)){0};
                FN(row_of_tiles)(&panel, vectors, rows, tiles, B + p * panel.step + j * panel.next, C + i + j * ldc,
                                 !(whole || overlaps));
                if (panel.active) /* the sums lie vector after vector, also where the last one overlaps */
                    for (ptrdiff_t x = first * LANES - i; x < rows; x++)
                        db[i + x] += panel.sums[overlaps && x >= height - LANES ? x + height - rows : x];
            }
        }
    }
    for (ptrdiff_t i = 0; db && i < n; i++) db[i] *= R(finish->scale);
    for (ptrdiff_t i = 0; i < LANES; i++)
        if (zeros[i] != 0) *finish->finite = 0;
}
#undef LANES
