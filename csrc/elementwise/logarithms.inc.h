/* logarithms.inc.h: log A from Z for the outputs that are probabilities, without computing A.

   log(softmax(Z)) = (Z - top) - log(1 + rest), as in softmax.inc.h, and log(sigmoid(z)) = -log(1 + e^-z). Both terms of
   the first have the same sign, so no digits cancel: the result is accurate for any Z. */

/* `top` and `rest` of one column of any height, as softmax_block defines them. */
static void FN(softmax_terms)(ptrdiff_t n,
                              const real *restrict Z, /* IN (n) */
                              real *top, real *rest)  /* OUT */
{
    real largest = Z[0], sum = 0, ones = -1;
    SIMD_MAX(largest)
    for (ptrdiff_t i = 1; i < n; i++) largest = FN(larger)(largest, Z[i]);
    SIMD_REDUCE(+, sum, ones)
    for (ptrdiff_t i = 0; i < n; i++) {
        const real e = FN(vm_exp_neg_abs)(Z[i] - largest);
        sum += e == 1 ? 0 : e;
        ones += e == 1 ? R(1) : 0;
    }
    *top = largest;
    *rest = sum + ones;
}

static void FN(log_softmax_block)(ptrdiff_t n, ptrdiff_t m, real *Z /* IN (n, m), a block; OUT log softmax(Z) */)
{
    real T[BLOCK_ELEMENTS], top[BLOCK_COLUMNS], rest[BLOCK_COLUMNS];
    if (n <= MAX_TRANSPOSED_UNITS) {
        FN(transpose)(n, m, Z, n, T, m);
        FN(softmax_strips)(n, m, T, m, NULL, top, rest);
    } else {
        for (ptrdiff_t j = 0; j < m; j++) FN(softmax_terms)(n, Z + j * n, top + j, rest + j);
    }
    for (ptrdiff_t j = 0; j < m; j++) rest[j] = FN(v_log1p)(rest[j]);
    for (ptrdiff_t j = 0; j < m; j++)
        for (ptrdiff_t i = 0; i < n; i++) Z[j * n + i] = (Z[j * n + i] - top[j]) - rest[j];
}

static void FN(log_probabilities)(int activation, ptrdiff_t n, ptrdiff_t m, void *Z_)
{
    real *Z = Z_;
    if (n <= 0) return;
    if (activation == FASTNN_SOFTMAX) {
        const ptrdiff_t columns = block_columns(n);
        for (ptrdiff_t j = 0; j < m; j += columns) FN(log_softmax_block)(n, MIN(columns, m - j), Z + j * n);
    } else {
        for (ptrdiff_t i = 0; i < n * m; i++) Z[i] = -FN(v_softplus)(-Z[i]);
    }
}
