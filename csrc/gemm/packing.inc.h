/* packing.inc.h: copy a panel of op(A) or a block of op(B) to contiguous memory (tiles.inc.h says when). */

/* Copy `rows` rows of a panel; `vectors` is their number rounded up, a constant wherever this is inlined. */
FASTNN_INLINE void FN(copy_rows)(const int vectors, ptrdiff_t rows, ptrdiff_t terms,
                                 const real *restrict A, ptrdiff_t lda,   /* IN (rows, terms) */
                                 real *restrict packed, ptrdiff_t height) /* OUT (height, terms): its first rows */
{
    for (ptrdiff_t p = 0; p < terms; p++, A += lda, packed += height)
        UNROLL for (int i = 0; i < vectors; i++)
            *(FN(vector_at) *)(packed + VECTOR_ROW(i, vectors, rows - LANES)) =
                *(const FN(vector_at) *)(A + VECTOR_ROW(i, vectors, rows - LANES));
}

/* Copy a panel, padded with zeros to `height` rows. */
static void FN(pack_A)(int transpose, ptrdiff_t rows, ptrdiff_t height, ptrdiff_t terms,
                       const real *restrict A, ptrdiff_t lda, /* IN (rows, terms); to transpose: (terms, rows) */
                       real *restrict packed)                 /* OUT (height, terms) */
{
    if (rows < height) memset(packed, 0, (size_t)(height * terms) * sizeof(real));
    if (transpose) {
        FN(transpose)(terms, rows, A, lda, packed, height);
    } else if (rows < LANES) {
        for (ptrdiff_t p = 0; p < terms; p++)
            for (ptrdiff_t i = 0; i < rows; i++) packed[p * height + i] = A[p * lda + i];
    } else {
        switch ((rows + LANES - 1) / LANES) {
        case 1: FN(copy_rows)(1, rows, terms, A, lda, packed, height); break;
        case 2: FN(copy_rows)(2, rows, terms, A, lda, packed, height); break;
        case 3: FN(copy_rows)(3, rows, terms, A, lda, packed, height); break;
        default: FN(copy_rows)(4, rows, terms, A, lda, packed, height);
        }
    }
}

/* The elements that a packed block of op(B) (k, m) takes at most: the last tile may be narrower than its space. */
FASTNN_INLINE ptrdiff_t FN(packed_B_size)(ptrdiff_t m, ptrdiff_t k)
{
    return (MIN(m, PACKED_B_COLUMNS) + NR) * (MIN(k, KC) + TILE_GAP);
}

#if PACKS_ALIASING
/* Copy `count` tiles of a row-major op(B), each in one piece, row by row, in whole vectors: the next rows overwrite
   what is copied too much. The last rows, which another tile or nothing follows, are copied element by element. */
FASTNN_INLINE void FN(copy_tiles)(const int vectors, ptrdiff_t terms, ptrdiff_t count, ptrdiff_t width,
                                  const real *restrict B, ptrdiff_t ldb,         /* IN (count * width, terms) */
                                  real *restrict packed, ptrdiff_t packed_width) /* OUT (packed_width, terms, count) */
{
    const ptrdiff_t tile = terms * packed_width + TILE_GAP;
    const ptrdiff_t last = MAX(1, (vectors * LANES - 1) / packed_width); /* at least one: no read beyond B */
    ptrdiff_t p = 0;
    for (; p < terms - last; p++, B += ldb, packed += packed_width)
        for (ptrdiff_t t = 0; t < count; t++)
            UNROLL for (int v = 0; v < vectors; v++)
                *(FN(vector_at) *)(packed + t * tile + v * LANES) =
                    *(const FN(vector_at) *)(B + t * width + v * LANES);
    for (; p < terms; p++, B += ldb, packed += packed_width)
        for (ptrdiff_t t = 0; t < count; t++)
            for (ptrdiff_t j = 0; j < width; j++) packed[t * tile + j] = B[t * width + j];
}

/* Copy a block of op(B): a row-major one tile by tile, a column-major one without the gaps between its columns. */
static void FN(pack_B)(int transpose, ptrdiff_t terms, equal_parts tiles,
                       const real *restrict B, ptrdiff_t ldb, /* IN (terms, columns); transposed: (columns, terms) */
                       real *restrict packed)                 /* OUT (packed_B_size) */
{
    const ptrdiff_t columns = tiles.parts * tiles.size + tiles.longer, widest = tiles.size + (tiles.longer > 0);
    if (!transpose)
        for (ptrdiff_t j = 0; j < columns; j++)
            memcpy(packed + j * terms, B + j * ldb, (size_t)terms * sizeof(real));
    for (ptrdiff_t t = 0, width, count; transpose && t < tiles.parts; t += count, B += count * width) {
        real *to = packed + t * (terms * widest + TILE_GAP);
        width = tiles.size + (t < tiles.longer);
        count = MIN(TILES_PACKED_TOGETHER, (t < tiles.longer ? tiles.longer : tiles.parts) - t);
        if (width <= LANES)
            FN(copy_tiles)(1, terms, count, width, B, ldb, to, widest);
        else if (width <= 2 * LANES)
            FN(copy_tiles)(2, terms, count, width, B, ldb, to, widest);
        else
            FN(copy_tiles)((NR + LANES - 1) / LANES, terms, count, width, B, ldb, to, widest);
    }
}
#endif
