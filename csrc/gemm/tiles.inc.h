/* tiles.inc.h: C = alpha op(A) op(B) by register tiles, the dense products of the layers.

   Blocks of NC columns of op(B) and KC terms are multiplied by one panel of op(A) after another. A panel has at most MR
   vectors of rows; the micro-kernel multiplies it by at most NR columns and keeps this tile of C in registers. Each of
   its steps multiplies a column of the panel by broadcast elements of op(B). Packing both matrices, as BLAS does, costs
   more than it saves for small ones. So op(A) is packed if it is a transpose or the panel is taller than C, and either
   matrix if its lines compete for few sets of the L1 cache (PACKS_ALIASING in tuning.h). The rows of the last panel may
   not fill its vectors:

     kind      rows of C left             op(A)     panel of op(A)      vectors of C
     WHOLE     fill the vectors           A         in place, or packed written in place
     OVERLAP   do not; n >= one vector    A         in place, or packed in place, the last one overlaps the previous one
     PACK      fill the vectors           A^T       packed              written in place
     EDGE      do not                     any       packed, 0 appended  through a buffer, or past the column's end

   A panel of a single vector overlaps the previous panel. If it adds to earlier terms, the shared rows would be
   accumulated twice: its kind is then EDGE.

   The terms of an element of C are added in the same order at any place in a tile, so its value does not depend on how
   many rows and columns are multiplied together. The epilogue is applied before the sums leave the registers. */

/* The arguments of the micro-kernel that all tiles of a panel share. */
typedef struct {
    const real *A;                /* IN (rows, terms) */
    ptrdiff_t lda;                /* elements from one column of A to the next */
    ptrdiff_t last_A, last_C;     /* the rows of A and C at which the last vector begins */
    ptrdiff_t terms;
    ptrdiff_t B_row, B_column;    /* elements from one row or column of op(B) to the next */
    ptrdiff_t packed_tile;        /* elements from one tile of a packed op(B) to the next; 0 if it is read in place */
    const real *C;                /* the panel's first column, which corresponds to relu_mask_source */
    ptrdiff_t ldc;                /* elements from one column of C to the next */
    real alpha;
    int accumulates;              /* C += instead of C = */
    FN(epilogue) epilogue;
} FN(panel);

/* Return the elements from one tile of op(B) to the next. */
FASTNN_INLINE ptrdiff_t FN(tile_stride)(const FN(panel) *panel, ptrdiff_t width)
{
    return panel->packed_tile ? panel->packed_tile : width * panel->B_column;
}

/* Compute `count` tiles side by side. `height` and `width` are constants wherever this is inlined, so that the loops
   over them unroll and `sum` stays in registers. */
FASTNN_INLINE void FN(micro_kernel)(const int height, const int width, const FN(panel) *panel, ptrdiff_t count,
                                    const real *restrict B, /* IN (terms, count * width), strided */
                                    real *restrict C)       /* OUT, or IN/OUT (rows, count * width) */
{
    const ptrdiff_t terms = panel->terms, lda = panel->lda, last_A = panel->last_A, last_C = panel->last_C;
    const ptrdiff_t B_row = panel->B_row, B_column = panel->B_column, ldc = panel->ldc;
    const ptrdiff_t B_tile = FN(tile_stride)(panel, width);
    const real alpha = panel->alpha, *mask = panel->epilogue.relu_mask_source;
    FN(vector) sum[NR][MR], a[MR];
    ptrdiff_t column[NR]; /* offsets in op(B) */
    if (mask) mask += C - panel->C;
    UNROLL for (int j = 0; j < width; j++) {
        column[j] = j * B_column;
        OFFSET_IN_REGISTER(column[j]);
    }
    for (ptrdiff_t t = 0; t < count; t++, B += B_tile, C += width * ldc) {
        const real *restrict A = panel->A, *restrict b = B;
        UNROLL for (int j = 0; j < width; j++)
            UNROLL for (int i = 0; i < height; i++) sum[j][i] = (FN(vector)){0};
        if (PACKS_ALIASING && panel->accumulates) /* C has left the L1 cache since its first terms were added */
            UNROLL for (int j = 0; j < width; j++) {
                PREFETCH(C + j * ldc);
                PREFETCH(C + j * ldc + last_C + LANES - 1);
            }
        for (ptrdiff_t p = 0; p < terms; p++, A += lda, b += B_row) {
            UNROLL for (int i = 0; i < height; i++) {
                a[i] = *(const FN(vector_at) *)(A + VECTOR_ROW(i, height, last_A));
                IN_REGISTER(a[i]);
            }
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++)
                    sum[j][i] = FN(vector_fma)(a[i], FN(broadcast)(b[column[j]]), sum[j][i]);
        }
        if (alpha != 1)
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++) sum[j][i] *= alpha;
        if (panel->accumulates)
            UNROLL for (int j = 0; j < width; j++)
                UNROLL for (int i = 0; i < height; i++)
                    sum[j][i] += *(FN(vector_at) *)(C + j * ldc + VECTOR_ROW(i, height, last_C));
        FN(finish_tile)(height, width, &panel->epilogue, t * width, mask, ldc, last_C, sum);
        UNROLL for (int j = 0; j < width; j++)
            UNROLL for (int i = 0; i < height; i++)
                *(FN(vector_at) *)(C + j * ldc + VECTOR_ROW(i, height, last_C)) = sum[j][i];
        if (mask) mask += width * ldc;
    }
}

/* A micro-kernel for each size of a tile. */
typedef void (*FN(micro_kernel_function))(const FN(panel) *panel, ptrdiff_t count, const real *B, real *C);
#define MICRO_KERNEL(height, width)                                                                                  \
    static void FN(micro_kernel_##height##x##width)(const FN(panel) *panel, ptrdiff_t count, const real *B, real *C) \
    {                                                                                                                \
        FN(micro_kernel)(height, width, panel, count, B, C);                                                         \
    }
#define MICRO_KERNELS(height) EACH_WIDTH(MICRO_KERNEL, height, )
#define NAME(height, width) FN(micro_kernel_##height##x##width)
#define NAMES(height) {EACH_WIDTH(NAME, height, COMMA)}
EACH_HEIGHT(MICRO_KERNELS, )
EACH_TALLEST(MICRO_KERNEL, )
static const FN(micro_kernel_function) FN(micro_kernels)[MR][NR] = {
    EACH_HEIGHT(NAMES, COMMA), {EACH_TALLEST(NAME, COMMA)}
};
#undef NAMES
#undef NAME
#undef MICRO_KERNELS
#undef MICRO_KERNEL

/* Compute the rows of C of a panel that writes whole vectors. */
FASTNN_INLINE void FN(panel_in_place)(FN(panel) *panel, ptrdiff_t vectors, equal_parts tiles,
                                      const real *B, /* IN (terms, columns), strided */
                                      real *C)       /* OUT, or IN/OUT (rows, columns) */
{
    for (ptrdiff_t t = 0, width, count; t < tiles.parts; t += count) { /* all tiles of one width in one call */
        width = tiles.size + (t < tiles.longer);
        count = (t < tiles.longer ? tiles.longer : tiles.parts) - t;
        FN(micro_kernels)[vectors - 1][width - 1](panel, count, B, C);
        if (panel->epilogue.column_bias) panel->epilogue.column_bias += count * width;
        B += count * FN(tile_stride)(panel, width);
        C += count * width * panel->ldc;
    }
}

/* Like panel_in_place, for a panel with more rows than C has left. If the columns of C are contiguous and neither C nor
   a mask is read, a tile may write past its column, because the next tile overwrites that part; only the last tile goes
   through a buffer. In all other cases every tile goes through the buffer. */
static void FN(panel_at_edge)(const FN(panel) *panel, ptrdiff_t vectors, ptrdiff_t rows, equal_parts tiles,
                              const real *B, /* IN (terms, columns), strided */
                              real *C)       /* OUT, or IN/OUT (rows, columns) */
{
    real buffer[MR * LANES * NR];
    const ptrdiff_t height = vectors * LANES;
    const int by_column = panel->accumulates || panel->epilogue.relu_mask_source; /* reads C or a mask */
    const int overruns = !by_column && panel->ldc == rows && height <= 2 * rows;
    FN(panel) inner = *panel;
    inner.last_C = height - LANES;
    if (by_column) {
        inner.epilogue = (FN(epilogue)){0};
        inner.accumulates = 0;
    }
    for (ptrdiff_t t = 0, column = 0, width, count; t < tiles.parts; t += count, column += count * width) {
        const int buffered = !overruns || t == tiles.parts - 1;
        const real *b = B + (panel->packed_tile ? t * panel->packed_tile : column * panel->B_column);
        real *c = C + column * panel->ldc;
        width = tiles.size + (t < tiles.longer);
        count = buffered ? 1 : MIN(t < tiles.longer ? tiles.longer : tiles.parts, tiles.parts - 1) - t;
        inner.ldc = buffered ? height : panel->ldc;
        FN(micro_kernels)[vectors - 1][width - 1](&inner, count, b, buffered ? buffer : c);
        for (ptrdiff_t j = 0; buffered && j < width; j++, c += panel->ldc) {
            real *sum = buffer + j * height;
            const real *mask = panel->epilogue.relu_mask_source;
            for (ptrdiff_t i = 0; panel->accumulates && i < rows; i++) sum[i] += c[i];
            if (by_column)
                FN(finish_column)(rows, &panel->epilogue, column + j, mask ? mask + (c - panel->C) : NULL, sum);
            for (ptrdiff_t i = 0; i < rows; i++) c[i] = sum[i];
        }
        if (inner.epilogue.column_bias) inner.epilogue.column_bias += count * width;
    }
}

/* A call, with buffers that its panels share. */
typedef struct {
    int transpose_A, transpose_B;
    int packs_A; /* even if the panel could be read in place */
    ptrdiff_t n, m, k;
    const real *A; /* IN (n, k); transposed: (k, n) */
    ptrdiff_t lda;
    const real *B; /* IN (k, m); transposed: (m, k) */
    ptrdiff_t ldb;
    const fastnn_epilogue *epilogue;                      /* IN, or NULL */
    _Alignas(FASTNN_VECTOR) real packed[MR * LANES * KC]; /* a panel */
    FN(vector) bias[MR];                                  /* of an edge panel, padded with zeros */
    FN(vector) sums[MR];                                  /* of the columns of a panel of C */
    FN(vector) nan_probe;
} FN(product);

/* Return the epilogue of a panel whose last terms are added now. */
FASTNN_INLINE FN(epilogue) FN(panel_epilogue)(FN(product) *product, const panel_plan *plan, ptrdiff_t vectors,
                                              ptrdiff_t column, ptrdiff_t ldc)
{
    const fastnn_epilogue *whole = product->epilogue;
    const real *bias = whole->bias, *column_bias = whole->column_bias, *mask = whole->relu_mask_source;
    FN(epilogue) due = {.relu = whole->relu, .sums = (real *)product->sums};
    if (bias) due.bias = bias + plan->row;
    if (bias && plan->kind == PANEL_EDGE) {
        memset(product->bias, 0, sizeof product->bias);
        memcpy(product->bias, bias + plan->row, (size_t)plan->rows * sizeof(real));
        due.bias = (const real *)product->bias;
    }
    if (column_bias) due.column_bias = column_bias + column;
    if (whole->finite && plan->row == 0) due.nan_probe = (real *)&product->nan_probe;
    if (mask) {
        due.relu_mask_source = mask + plan->row + column * ldc;
        for (ptrdiff_t v = 0; v < vectors; v++) product->sums[v] = (FN(vector)){0};
    }
    return due;
}

/* Add the terms from p on to the rows of C of one panel: `vectors` vectors, starting at vector number `first`. */
FASTNN_INLINE void FN(run_panel)(FN(product) *product, FN(panel) *panel, ptrdiff_t first, ptrdiff_t vectors,
                                 ptrdiff_t p, ptrdiff_t column, equal_parts tiles,
                                 const real *B, /* IN (terms, columns), strided: of this block */
                                 real *C)       /* OUT, or IN/OUT (n, columns): of this block */
{
    const ptrdiff_t height = vectors * LANES, lda = product->lda;
    const panel_plan plan = plan_panel(product->transpose_A, product->n, LANES, first, vectors, p > 0);
    const real *A = product->A + (product->transpose_A ? p + plan.row * lda : plan.row + p * lda);
    const int packs = plan.kind == PANEL_PACK || plan.kind == PANEL_EDGE || product->packs_A;
    const ptrdiff_t packed_height = plan.kind == PANEL_OVERLAP ? plan.rows : height;
    if (packs) FN(pack_A)(product->transpose_A, plan.rows, packed_height, panel->terms, A, lda, product->packed);
    panel->A = packs ? product->packed : A;
    panel->lda = packs ? packed_height : lda;
    panel->last_A = (packs ? packed_height : plan.rows) - LANES;
    panel->last_C = plan.rows - LANES;
    panel->C = C += plan.row;
    panel->epilogue = (FN(epilogue)){0};
    if (product->epilogue && p + panel->terms == product->k)
        panel->epilogue = FN(panel_epilogue)(product, &plan, vectors, column, panel->ldc);
    if (plan.kind == PANEL_EDGE)
        FN(panel_at_edge)(panel, vectors, plan.rows, tiles, B, C);
    else
        FN(panel_in_place)(panel, vectors, tiles, B, C);
    if (panel->epilogue.relu_mask_source) { /* one vector of sums after another, even if the last one overlaps */
        real *sums = product->epilogue->sums;
        for (ptrdiff_t i = first * LANES - plan.row; i < plan.rows; i++) {
            const int overlapping = plan.kind == PANEL_OVERLAP && i >= height - LANES;
            sums[plan.row + i] += panel->epilogue.sums[overlapping ? i + height - plan.rows : i];
        }
    }
}

/* Compute C block by block. */
static void FN(multiply_blocks)(FN(product) *product, real alpha,
                                real *C, ptrdiff_t ldc, /* OUT (n, m) */
                                real *packed_B)         /* scratch (packed_B_size), or NULL to read B in place */
{
    const ptrdiff_t n = product->n, m = product->m, k = product->k, ldb = product->ldb;
    const int transpose_B = product->transpose_B, packs_A = product->transpose_A || product->packs_A;
    const int tallest = k <= MAX_TERMS_TALLEST || m <= ACCUMULATORS / MR || (TALLEST_IF_PACKED && packs_A);
    const equal_parts panels = cut((n + LANES - 1) / LANES, tallest ? MR : MR - 1);
    const ptrdiff_t widest = MIN(NR, ACCUMULATORS / MAX(1, panels.size + (panels.longer > 0)));
    const ptrdiff_t block_columns = packed_B ? PACKED_B_COLUMNS : NC;
    FN(panel) panel = {.ldc = ldc, .alpha = alpha, .B_row = transpose_B ? ldb : 1, .B_column = transpose_B ? 1 : ldb};
    for (ptrdiff_t j = 0; j < m; j += block_columns) {
        const equal_parts tiles = cut(MIN(block_columns, m - j), widest);
        for (ptrdiff_t p = 0; p < k; p += KC) {
            const real *B = product->B + (transpose_B ? p * ldb + j : p + j * ldb);
            panel.terms = MIN(KC, k - p);
            panel.accumulates = p > 0;
#if PACKS_ALIASING
            if (packed_B) {
                FN(pack_B)(transpose_B, panel.terms, tiles, B, ldb, packed_B);
                B = packed_B;
                panel.B_row = transpose_B ? tiles.size + (tiles.longer > 0) : 1;
                panel.B_column = transpose_B ? 1 : panel.terms;
                panel.packed_tile = transpose_B ? panel.B_row * panel.terms + TILE_GAP : 0;
            }
#endif
            for (ptrdiff_t s = 0, first = 0, vectors; s < panels.parts; s++, first += vectors) {
                vectors = panels.size + (s < panels.longer);
                FN(run_panel)(product, &panel, first, vectors, p, j, tiles, B, C + j * ldc);
            }
        }
    }
}

static void FN(multiply)(int transpose_A, int transpose_B, ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha,
                         const void *A, ptrdiff_t lda, const void *B, ptrdiff_t ldb, void *C, ptrdiff_t ldc,
                         const fastnn_epilogue *epilogue)
{
    FN(product) product;
    real *sums = epilogue && epilogue->relu_mask_source ? epilogue->sums : NULL;
    const ptrdiff_t stride_A = lda * (ptrdiff_t)sizeof(real), stride_B = ldb * (ptrdiff_t)sizeof(real);
    const int packs_B = PACKS_ALIASING && n >= MIN_VECTORS_PACK_B * LANES &&
                        (transpose_B ? m >= MIN_COLUMNS_PACK_B : stride_B % ONE_SET_BYTES == 0);
    const ptrdiff_t min_columns =
        transpose_B || stride_A % TWO_SETS_BYTES == 0 ? MIN_COLUMNS_PACK_A : MIN_COLUMNS_PACK_A_OF_FEW_SETS;
    product.transpose_A = transpose_A;
    product.transpose_B = transpose_B;
    product.packs_A = PACKS_ALIASING && !transpose_A && m >= min_columns && stride_A % FEW_SETS_BYTES == 0;
    product.n = n;
    product.m = m;
    product.k = k;
    product.A = A;
    product.lda = lda;
    product.B = B;
    product.ldb = ldb;
    product.epilogue = epilogue;
    product.nan_probe = (FN(vector)){0};
    if (sums) memset(sums, 0, (size_t)n * sizeof(real));
    /* A packed op(B) is too large for a small stack. Without memory for it, B is read in place. */
    real *packed_B = packs_B ? malloc((size_t)FN(packed_B_size)(m, k) * sizeof(real)) : NULL;
    FN(multiply_blocks)(&product, R(alpha), C, ldc, packed_B);
    free(packed_B);
    for (ptrdiff_t i = 0; sums && i < n; i++) sums[i] *= R(epilogue->scale);
    for (ptrdiff_t i = 0; i < LANES; i++)
        if (product.nan_probe[i] != 0) *epilogue->finite = 0;
}

/* Multiply and add in as many registers as a tile has accumulators, without reading memory. */
static ptrdiff_t FN(multiply_adds)(ptrdiff_t rounds)
{
    FN(vector) sum[ACCUMULATORS], a = {0}, b = {0};
    UNROLL for (int i = 0; i < ACCUMULATORS; i++) {
        sum[i] = a;
        IN_REGISTER(sum[i]); /* for the compiler an unknown value, so it computes each sum */
    }
    for (ptrdiff_t r = 0; r < rounds; r++) {
        IN_REGISTER(a);
        UNROLL for (int i = 0; i < ACCUMULATORS; i++) sum[i] = FN(vector_fma)(a, b, sum[i]);
    }
    UNROLL for (int i = 1; i < ACCUMULATORS; i++) sum[0] += sum[i];
    return rounds * ACCUMULATORS * LANES + (sum[0][0] != 0); /* which is 0, but the compiler does not know */
}
