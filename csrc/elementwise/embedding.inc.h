/* embedding.inc.h: the input stage, X to A[0], and the gradients of its parameters.

   A[0] = s * E. A plain column of X is a row of E. A category has the vector of its code, a number the rows of
   embedded_numbers.inc.h. */

/* The row of a category's vectors, counted from its first, for a code that may be any number. */
FASTNN_INLINE ptrdiff_t FN(code_row)(real x, ptrdiff_t count)
{
    if (!(x >= 0 && x < (real)count)) return 0; /* also NaN: C must not convert it */
    const ptrdiff_t code = (ptrdiff_t)x;
    return (real)code == x && code < count ? code : 0; /* (real)count may be rounded up */
}

/* ---- Categories and plain columns. ---- */

static void FN(embed_category)(const fastnn_inputs *inputs, const fastnn_column *category, ptrdiff_t m,
                               const real *X,     /* IN (m), n_columns apart */
                               const real *theta, /* IN an arena */
                               real *restrict A)  /* OUT (vector_size, m), columns width apart */
{
    const ptrdiff_t size = inputs->vector_size;
    const real *s = inputs->scale < 0 ? NULL : theta + inputs->scale + category->row;
    for (ptrdiff_t j = 0; j < m; j++, X += inputs->n_columns, A += inputs->width) {
        const ptrdiff_t row = category->index + FN(code_row)(*X, category->count);
        const real *vector = theta + inputs->vectors + row * size;
        if (s)
            for (ptrdiff_t i = 0; i < size; i++) A[i] = s[i] * vector[i];
        else
            memcpy(A, vector, (size_t)size * sizeof(real));
    }
}

static void FN(category_backward)(const fastnn_inputs *inputs, const fastnn_column *category, ptrdiff_t m,
                                  const real *X,           /* IN (m), n_columns apart */
                                  const real *theta,       /* IN an arena */
                                  const real *dA,          /* IN (vector_size, m), columns width apart */
                                  real scale,
                                  real *restrict gradient) /* IN/OUT an arena */
{
    const ptrdiff_t size = inputs->vector_size, at = inputs->scale + category->row;
    for (ptrdiff_t j = 0; j < m; j++, X += inputs->n_columns, dA += inputs->width) {
        const ptrdiff_t row = category->index + FN(code_row)(*X, category->count);
        const real *vector = theta + inputs->vectors + row * size;
        real *restrict d_vector = gradient + inputs->vectors + row * size, *restrict ds = gradient + at;
        if (inputs->scale < 0)
            for (ptrdiff_t i = 0; i < size; i++) d_vector[i] = FN(fma)(scale, dA[i], d_vector[i]);
        else
            for (ptrdiff_t i = 0; i < size; i++) {
                const real da = scale * dA[i];
                d_vector[i] = FN(fma)(theta[at + i], da, d_vector[i]);
                ds[i] = FN(fma)(vector[i], da, ds[i]);
            }
    }
}

static void FN(copy_plain)(const fastnn_inputs *inputs, ptrdiff_t n, ptrdiff_t m,
                           const real *X,                        /* IN (n, m), columns n_columns apart */
                           const real *restrict s,               /* IN (n), or NULL */
                           real *restrict A)                     /* OUT (n, m), columns width apart */
{
    for (ptrdiff_t j = 0; j < m; j++, X += inputs->n_columns, A += inputs->width)
        if (s)
            for (ptrdiff_t i = 0; i < n; i++) A[i] = s[i] * X[i];
        else
            memcpy(A, X, (size_t)n * sizeof(real));
}

static void FN(plain_backward)(const fastnn_inputs *inputs, ptrdiff_t n, ptrdiff_t m,
                               const real *X,     /* IN (n, m), columns n_columns apart */
                               const real *dA,    /* IN (n, m), columns width apart */
                               real scale,
                               real *restrict ds) /* IN/OUT (n) */
{
    for (ptrdiff_t j = 0; j < m; j++, X += inputs->n_columns, dA += inputs->width)
        for (ptrdiff_t i = 0; i < n; i++) ds[i] = FN(fma)(scale * dA[i], X[i], ds[i]);
}

/* ---- All columns. ---- */

/* The number of plain columns from column i on. */
FASTNN_INLINE ptrdiff_t FN(plain_run)(const fastnn_inputs *inputs, ptrdiff_t i)
{
    ptrdiff_t n = 0;
    while (i + n < inputs->n_columns && inputs->columns[i + n].kind == FASTNN_PLAIN) n++;
    return n;
}

static void FN(embed)(const fastnn_inputs *inputs, ptrdiff_t m, const void *X_, const void *theta_, void *A_)
{
    const real *theta = theta_;
    for (ptrdiff_t first = 0; first < m; first += EMBEDDING_EXAMPLES) {
        const ptrdiff_t count = MIN(EMBEDDING_EXAMPLES, m - first);
        const real *X = (const real *)X_ + first * inputs->n_columns;
        real *A = (real *)A_ + first * inputs->width;
        for (ptrdiff_t i = 0, run; i < inputs->n_columns; i += run) {
            const fastnn_column *column = inputs->columns + i;
            run = 1;
            if (column->kind == FASTNN_NUMBER) {
                FN(embed_number)(inputs, column, count, X + i, theta, A + column->row);
            } else if (column->kind == FASTNN_CATEGORY) {
                FN(embed_category)(inputs, column, count, X + i, theta, A + column->row);
            } else {
                run = FN(plain_run)(inputs, i);
                FN(copy_plain)(inputs, run, count, X + i,
                               inputs->scale < 0 ? NULL : theta + inputs->scale + column->row, A + column->row);
            }
        }
    }
}

static void FN(embed_backward)(const fastnn_inputs *inputs, ptrdiff_t m, const void *X_, const void *theta_,
                               const void *dA_, double scale, void *gradient_)
{
    const real *theta = theta_;
    real *gradient = gradient_;
    memset(gradient + inputs->first, 0, (size_t)(inputs->stop - inputs->first) * sizeof(real));
    for (ptrdiff_t first = 0; first < m; first += EMBEDDING_EXAMPLES) {
        const ptrdiff_t count = MIN(EMBEDDING_EXAMPLES, m - first);
        const real *X = (const real *)X_ + first * inputs->n_columns;
        const real *dA = (const real *)dA_ + first * inputs->width;
        for (ptrdiff_t i = 0, run; i < inputs->n_columns; i += run) {
            const fastnn_column *column = inputs->columns + i;
            run = column->kind == FASTNN_PLAIN ? FN(plain_run)(inputs, i) : 1;
            if (column->kind == FASTNN_NUMBER)
                FN(number_backward)(inputs, column, count, X + i, theta, dA + column->row, R(scale), gradient);
            else if (column->kind == FASTNN_CATEGORY)
                FN(category_backward)(inputs, column, count, X + i, theta, dA + column->row, R(scale), gradient);
            else if (inputs->scale >= 0)
                FN(plain_backward)(inputs, run, count, X + i, dA + column->row, R(scale),
                                   gradient + inputs->scale + column->row);
        }
    }
}
