/* epilogue.inc.h: the steps applied to elements of C in registers, before they are stored.

   In this order: NaN probe, bias, column bias, relu, relu mask with column sums (fastnn_epilogue). All steps except the
   NaN probe and the column sums are element-wise, so that a tile, the edge of a tile and a dot product give bitwise
   identical results. */

/* fastnn_epilogue for one panel of C: pointers refer to its first row; steps to skip are NULL or 0. */
typedef struct {
    const real *bias;             /* IN (rows; in whole vectors where tiles are taller than C) */
    const real *column_bias;      /* IN (columns) */
    int relu;
    real *nan_probe;              /* IN/OUT (LANES) sums of 0 * C over the first rows: NaN if one is not finite */
    const real *relu_mask_source; /* IN (rows, columns), columns ldc apart */
    real *sums;                   /* IN/OUT (rows in whole vectors) sums of the masked columns of C */
} FN(epilogue);

/* Return x where the mask is set, else 0. */
FASTNN_INLINE FN(vector) FN(only)(FN(mask) mask, FN(vector) x) { return (FN(vector))(mask & (FN(mask))x); }

/* max(x, 0); NaN stays NaN. */
FASTNN_INLINE FN(vector) FN(vector_relu)(FN(vector) x) { return FN(only)(~(FN(mask))(x <= (FN(vector)){0}), x); }
FASTNN_INLINE real FN(scalar_relu)(real x) { return x <= 0 ? 0 : x; }

/* Apply the epilogue to a tile; `height` and `width` are constants wherever this is inlined. */
FASTNN_INLINE void FN(finish_tile)(const int height, const int width, const FN(epilogue) *epilogue, ptrdiff_t column,
                                   const real *mask,          /* IN (rows, width), or NULL */
                                   ptrdiff_t ldc, ptrdiff_t last,
                                   FN(vector) (*sum)[MR])     /* IN/OUT (width, height): elements of C */
{
    const FN(vector) zero = {0};
    if (epilogue->nan_probe) {
        FN(vector) part[3] = {zero, zero, zero}; /* three independent chains of additions */
        FN(vector) *probe = (FN(vector) *)epilogue->nan_probe;
        UNROLL for (int j = 0; j < width; j++) part[j % 3] += sum[j][0];
        *probe = FN(vector_fma)(zero, part[0] + part[1] + part[2], *probe);
    }
    if (epilogue->bias)
        UNROLL for (int i = 0; i < height; i++) {
            const FN(vector) bias = *(const FN(vector_at) *)(epilogue->bias + VECTOR_ROW(i, height, last));
            UNROLL for (int j = 0; j < width; j++) sum[j][i] += bias;
        }
    if (epilogue->column_bias)
        UNROLL for (int j = 0; j < width; j++)
            UNROLL for (int i = 0; i < height; i++) sum[j][i] += epilogue->column_bias[column + j];
    if (epilogue->relu)
        UNROLL for (int j = 0; j < width; j++)
            UNROLL for (int i = 0; i < height; i++) sum[j][i] = FN(vector_relu)(sum[j][i]);
    if (mask)
        UNROLL for (int i = 0; i < height; i++) {
            FN(vector) *total = (FN(vector) *)(epilogue->sums + i * LANES), more = zero;
            UNROLL for (int j = 0; j < width; j++) {
                const FN(vector) source = *(const FN(vector_at) *)(mask + j * ldc + VECTOR_ROW(i, height, last));
                sum[j][i] = FN(only)((FN(mask))(source > zero), sum[j][i]);
                more += sum[j][i];
            }
            *total += more;
        }
}

/* Apply the epilogue to a column of an edge tile. */
FASTNN_INLINE void FN(finish_column)(ptrdiff_t rows, const FN(epilogue) *epilogue, ptrdiff_t column,
                                     const real *mask,   /* IN (rows), or NULL */
                                     real *restrict sum) /* IN/OUT (rows): elements of C */
{
    if (epilogue->nan_probe)
        for (ptrdiff_t i = 0; i < rows; i++) *epilogue->nan_probe = FN(fma)(0, sum[i], *epilogue->nan_probe);
    if (epilogue->bias)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] += epilogue->bias[i];
    if (epilogue->column_bias)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] += epilogue->column_bias[column];
    if (epilogue->relu)
        for (ptrdiff_t i = 0; i < rows; i++) sum[i] = FN(scalar_relu)(sum[i]);
    if (mask)
        for (ptrdiff_t i = 0; i < rows; i++) {
            sum[i] = mask[i] > 0 ? sum[i] : 0;
            epilogue->sums[i] += sum[i];
        }
}
