/* embedding.inc.h: the input stage, X to A[0], and the gradients of its parameters.

   A[0] = s * E. A plain column of X is a row of E. A number x has the row x and K rows
   e_k = sum_f U_kf cos(2 pi v_f x + c_f) + d_k: the periodic embedding PBLD of Holzmueller et al. 2024, after
   Gorishniy et al. 2022. A category has the vector of its code. */

/* The row of a category's vectors, counted from its first, for a code that may be any number. */
FASTNN_INLINE ptrdiff_t FN(code_row)(real x, ptrdiff_t count)
{
    if (!(x >= 0 && x < (real)count)) return 0; /* also NaN, which C must not convert */
    const ptrdiff_t code = (ptrdiff_t)x;
    return (real)code == x && code < count ? code : 0; /* (real)count may be rounded up */
}

static void FN(embed_column)(const fastnn_inputs *inputs, const fastnn_column *column, real x, const real *theta,
                             real *e /* OUT the column's rows of E */)
{
    const ptrdiff_t F = inputs->n_frequencies, K = inputs->n_outputs;
    if (column->kind == FASTNN_CATEGORY) {
        const ptrdiff_t row = column->index + FN(code_row)(x, column->count);
        memcpy(e, theta + inputs->vectors + row * inputs->vector_size, (size_t)inputs->vector_size * sizeof(real));
        return;
    }
    e[0] = x;
    if (column->kind == FASTNN_PLAIN) return;
    const real *v = theta + inputs->frequencies + column->index * F, *c = theta + inputs->phases + column->index * F;
    const real *U = theta + inputs->weights + column->index * K * F, *d = theta + inputs->biases + column->index * K;
    memcpy(e + 1, d, (size_t)K * sizeof(real));
    for (ptrdiff_t f = 0; f < F; f++) {
        const real wave = (real)cos(6.283185307179586 * v[f] * x + c[f]);
        for (ptrdiff_t k = 0; k < K; k++) e[1 + k] += U[k * F + f] * wave;
    }
}

static ptrdiff_t FN(column_rows)(const fastnn_inputs *inputs, const fastnn_column *column)
{
    if (column->kind == FASTNN_CATEGORY) return inputs->vector_size;
    return column->kind == FASTNN_NUMBER ? 1 + inputs->n_outputs : 1;
}

static void FN(embed)(const fastnn_inputs *inputs, ptrdiff_t m, const void *X_, const void *theta_, void *A_)
{
    const real *X = X_, *theta = theta_;
    real *A = A_;
    for (ptrdiff_t j = 0; j < m; j++, X += inputs->n_columns, A += inputs->width) {
        for (ptrdiff_t i = 0; i < inputs->n_columns; i++)
            FN(embed_column)(inputs, inputs->columns + i, X[i], theta, A + inputs->columns[i].row);
        if (inputs->scale >= 0)
            for (ptrdiff_t i = 0; i < inputs->width; i++) A[i] *= theta[inputs->scale + i];
    }
}

static void FN(embed_backward)(const fastnn_inputs *inputs, ptrdiff_t m, const void *X_, const void *theta_,
                               const void *dA_, double scale, void *gradient_)
{
    const real *X = X_, *theta = theta_, *dA = dA_;
    real *gradient = gradient_;
    const ptrdiff_t F = inputs->n_frequencies, K = inputs->n_outputs;
    memset(gradient + inputs->first, 0, (size_t)(inputs->stop - inputs->first) * sizeof(real));
    for (ptrdiff_t j = 0; j < m; j++, X += inputs->n_columns, dA += inputs->width)
        for (ptrdiff_t i = 0; i < inputs->n_columns; i++) {
            const fastnn_column *column = inputs->columns + i;
            const ptrdiff_t rows = FN(column_rows)(inputs, column), at = column->index;
            for (ptrdiff_t r = 0; r < rows; r++) {
                const ptrdiff_t row = column->row + r, k = r - 1;
                const real s = inputs->scale < 0 ? 1 : theta[inputs->scale + row], dE = R(scale) * s * dA[row];
                real e = X[i];
                if (column->kind == FASTNN_CATEGORY) {
                    const ptrdiff_t code = at + FN(code_row)(X[i], column->count);
                    e = theta[inputs->vectors + code * inputs->vector_size + r];
                    gradient[inputs->vectors + code * inputs->vector_size + r] += dE;
                } else if (r > 0) {
                    e = theta[inputs->biases + at * K + k];
                    gradient[inputs->biases + at * K + k] += dE;
                    for (ptrdiff_t f = 0; f < F; f++) {
                        const ptrdiff_t u = inputs->weights + (at * K + k) * F + f, v = inputs->frequencies + at * F + f;
                        const ptrdiff_t c = inputs->phases + at * F + f;
                        const double phase = 6.283185307179586 * theta[v] * X[i] + theta[c];
                        const real slope = -dE * theta[u] * (real)sin(phase);
                        e += theta[u] * (real)cos(phase);
                        gradient[u] += dE * (real)cos(phase);
                        gradient[c] += slope;
                        gradient[v] += R(6.283185307179586) * X[i] * slope;
                    }
                }
                if (inputs->scale >= 0) gradient[inputs->scale + row] += R(scale) * dA[row] * e;
            }
        }
}
