/* losses.inc.h: the sum of w_j L_j over a block of examples, and its derivative.

   Both cross-entropies are taken from Z, not from A: log(softmax(Z)) and log(sigmoid(Z)) then neither overflow
   nor lose small probabilities. Sums run in double, whatever the element type. */
/* L = log(sum_i e^z_i) - z_y with z shifted by its maximum; dL/dZ = softmax(Z) - onehot(y). */
static double FN(cross_entropy_block)(ptrdiff_t n, ptrdiff_t m,
                                      const real *Z,      /* IN (n, m) */
                                      const int32_t *y,   /* IN (m) labels */
                                      const real *weights,/* IN (m) or NULL */
                                      real *E)            /* OUT (n, m) dZ, may be Z */
{
    real picked[FASTNN_BLOCK_COLUMNS], top[FASTNN_BLOCK_COLUMNS], total[FASTNN_BLOCK_COLUMNS];
    double sum = 0;
    for (ptrdiff_t j = 0; j < m; j++) /* never read outside the column */
        picked[j] = y[j] >= 0 && y[j] < n ? Z[j * n + y[j]] : R(NAN);
    FN(exp_columns)(n, m, Z, E, top, total);
    for (ptrdiff_t j = 0; j < m; j++) picked[j] = FN(v_log)(total[j]) - (picked[j] - top[j]);
    for (ptrdiff_t j = 0; j < m; j++) {
        const real w = weights ? weights[j] : 1;
        sum += (double)w * (double)picked[j];
        total[j] = w / total[j];
    }
    FN(scale_columns)(n, m, total, E);
    for (ptrdiff_t j = 0; j < m; j++)
        if (y[j] >= 0 && y[j] < n) E[j * n + y[j]] -= weights ? weights[j] : 1;
    return sum;
}

/* term = L, dZ = dL/dZ of the losses that go element by element; dZ may be Z. */

/* L = max(z, 0) - y z + log(1 + e^-|z|); dL/dz = sigmoid(z) - y. */
static void FN(binary_cross_entropy_terms)(ptrdiff_t count,
                                           const real *Z, /* IN (count) */
                                           const real *Y, /* IN (count) */
                                           real *term,    /* OUT (count) */
                                           real *dZ)      /* OUT (count) */
{
    for (ptrdiff_t i = 0; i < count; i++) {
        const real z = Z[i], y = Y[i], e = FN(v_exp)(z < 0 ? z : -z), inverse = 1 / (1 + e);
        term[i] = (z > 0 ? z : 0) - y * z + FN(v_log1p)(e);
        dZ[i] = (z < 0 ? e * inverse : inverse) - y;
    }
}

/* L = (a - y)^2 / 2; dL/da = a - y. */
static void FN(squared_error_terms)(ptrdiff_t count,
                                    const real *A, /* IN (count) */
                                    const real *Y, /* IN (count) */
                                    real *term,    /* OUT (count) */
                                    real *dA)      /* OUT (count) */
{
    for (ptrdiff_t i = 0; i < count; i++) {
        const real d = A[i] - Y[i];
        term[i] = R(0.5) * d * d;
        dA[i] = d;
    }
}

static double FN(elementwise_block)(int loss, ptrdiff_t n, ptrdiff_t m,
                                    const real *Z,       /* IN (n, m) */
                                    const real *Y,       /* IN (n, m) */
                                    const real *weights, /* IN (m) or NULL */
                                    real *dZ)            /* OUT (n, m), may be Z */
{
    real term[FASTNN_BLOCK];
    double sum = 0;
    if (loss == FASTNN_BINARY_CROSS_ENTROPY)
        FN(binary_cross_entropy_terms)(n * m, Z, Y, term, dZ);
    else
        FN(squared_error_terms)(n * m, Z, Y, term, dZ);
    if (weights) {
        for (ptrdiff_t j = 0; j < m; j++)
            for (ptrdiff_t i = j * n; i < (j + 1) * n; i++) {
                term[i] *= weights[j];
                dZ[i] *= weights[j];
            }
    }
    SIMD_REDUCE(+, sum)
    for (ptrdiff_t i = 0; i < n * m; i++) sum += (double)term[i];
    return sum;
}

/* Blocks of whole columns; a column taller than a block goes in pieces where the loss is element-wise. */
static double FN(loss)(int loss, ptrdiff_t n, ptrdiff_t m, const void *Z_, const void *Y, const void *weights_,
                       void *dZ_)
{
    const real *Z = Z_, *weights = weights_;
    real *dZ = dZ_;
    double sum = 0;
    if (n <= 0) return 0;
    const ptrdiff_t columns = block_columns(n), piece = MIN(n, FASTNN_BLOCK);
    for (ptrdiff_t j = 0; j < m; j += columns) {
        const ptrdiff_t width = MIN(columns, m - j);
        const real *w = weights ? weights + j : NULL;
        if (loss == FASTNN_CROSS_ENTROPY) {
            sum += FN(cross_entropy_block)(n, width, Z + j * n, (const int32_t *)Y + j, w, dZ + j * n);
            continue;
        }
        for (ptrdiff_t i = 0; i < n; i += piece) { /* more than one piece only where columns is 1 */
            const ptrdiff_t at = j * n + i;
            sum += FN(elementwise_block)(loss, MIN(piece, n - i), width, Z + at, (const real *)Y + at, w, dZ + at);
        }
    }
    return sum;
}
