/* embedded_numbers.inc.h: the periodic embedding of a number, and its gradients.

   A number x has the row x of A[0] and K rows e_k = sum_f U_kf cos(2 pi v_f x + c_f) + d_k, each times its factor s:
   PBLD of Holzmueller et al. 2024, after Gorishniy et al. 2022.

   The innermost loops run over the frequencies of a number: X, A[0] and dA[0] are used as they are stored, the sums
   over examples need no reduction, and a single example takes no longer than one of many. */
#ifndef FASTNN_EMBEDDED_NUMBERS
#define FASTNN_EMBEDDED_NUMBERS
#define FASTNN_PI 3.14159265358979323846
#define EACH_OUTPUTS(DO) DO(1) DO(2) DO(3) DO(4)

/* The frequencies f .. f + n_waves - 1 and outputs k .. k + n_outputs - 1 of a number. */
typedef struct {
    const fastnn_column *column;
    ptrdiff_t f, k;
    int n_waves, n_outputs;
} wave_part;
#endif

#if defined(FASTNN_VECTOR)
typedef FN(vector_at) FN(wave_vector);
#define WAVE_FMA(a, b, c) FN(vector_fma)(a, b, c)
#define WAVE_BROADCAST(x) FN(broadcast)(x)
#define WAVE_LANES (int)LANES
#define WAVE_LANE_0(vector) (vector)[0]
#elif defined(__GNUC__)
typedef real FN(wave_vector) __attribute__((vector_size(16), aligned(sizeof(real)), may_alias));
#define WAVE_FMA(a, b, c) ((a) * (b) + (c))
#define WAVE_BROADCAST(x) (x)
#define WAVE_LANES (int)(16 / sizeof(real))
#define WAVE_LANE_0(vector) (vector)[0]
#else
typedef real FN(wave_vector);
#define WAVE_FMA(a, b, c) ((a) * (b) + (c))
#define WAVE_BROADCAST(x) (x)
#define WAVE_LANES 1
#define WAVE_LANE_0(vector) (vector)
#endif

/* The parameters of a part, filled up with frequencies that add 0. */
typedef struct {
    real v[WAVES], c[WAVES]; /* wave f is cos(2 pi (v x + c)) */
    real U[WAVE_OUTPUTS][WAVES];  /* times the factors of A[0]'s rows */
    real d[WAVE_OUTPUTS];         /* likewise */
} FN(waves);

/* Sums over the examples. */
typedef struct {
    real v[WAVES], c[WAVES]; /* of dA U sin x and dA U sin */
    real U[WAVE_OUTPUTS][WAVES];  /* of dA cos */
    real d[WAVE_OUTPUTS];                   /* of dA */
} FN(wave_sums);

/* The factor of a row of A[0]. */
FASTNN_INLINE real FN(row_factor)(const fastnn_inputs *inputs, const real *theta, ptrdiff_t row)
{
    return inputs->scale < 0 ? 1 : theta[inputs->scale + row];
}

static void FN(load_waves)(const fastnn_inputs *inputs, const wave_part *part, const real *theta,
                           FN(waves) *waves) /* OUT */
{
    const ptrdiff_t F = inputs->n_frequencies, K = inputs->n_outputs, index = part->column->index;
    const real *v = theta + inputs->frequencies + index * F + part->f, *c = theta + inputs->phases + index * F + part->f;
    memset(waves, 0, sizeof *waves);
    for (int f = 0; f < part->n_waves; f++) {
        waves->v[f] = v[f];
        waves->c[f] = R(0.5 / FASTNN_PI) * c[f];
    }
    for (int k = 0; k < part->n_outputs; k++) {
        const real s = FN(row_factor)(inputs, theta, part->column->row + 1 + part->k + k);
        const real *U = theta + inputs->weights + (index * K + part->k + k) * F + part->f;
        for (int f = 0; f < part->n_waves; f++) waves->U[k][f] = s * U[f];
        waves->d[k] = s * theta[inputs->biases + index * K + part->k + k];
    }
}

/* The waves of a few examples, computed in a loop of their own: a long chain of operations, of which the CPU can only
   work on several at once if nothing else lies between them. */
FASTNN_INLINE void FN(compute_waves)(ptrdiff_t m, const FN(waves) *waves,
                                     const real *X, ptrdiff_t n_columns, /* IN (m), n_columns apart */
                                     real (*restrict cosines)[WAVES],    /* OUT (m) */
                                     real (*restrict sines)[WAVES])      /* OUT (m), or NULL */
{
    for (ptrdiff_t j = 0; j < m; j++) {
        const real x = X[j * n_columns];
        for (int f = 0; f < WAVES; f++) {
            const real turns = FN(fma)(waves->v[f], x, waves->c[f]);
            cosines[j][f] = FN(v_cos2pi)(turns);
            if (sines) sines[j][f] = FN(v_sin2pi)(turns);
        }
    }
}

/* A = base + U cos(2 pi (v x + c)). */
FASTNN_INLINE void FN(add_waves)(const int n_outputs, ptrdiff_t m, const FN(waves) *waves,
                                 const real *X, ptrdiff_t n_columns,   /* IN (m), n_columns apart */
                                 const real *base, ptrdiff_t distance, /* IN (n_outputs, m), columns distance apart */
                                 real *A, ptrdiff_t width)             /* OUT (n_outputs, m), columns width apart */
{
    for (ptrdiff_t first = 0; first < m; first += WAVE_EXAMPLES) {
        real cosines[WAVE_EXAMPLES][WAVES];
        const ptrdiff_t count = MIN(WAVE_EXAMPLES, m - first);
        FN(compute_waves)(count, waves, X + first * n_columns, n_columns, cosines, NULL);
        for (ptrdiff_t j = 0; j < count; j++, A += width, base += distance)
            UNROLL for (int k = 0; k < n_outputs; k++) {
                real sums[WAVES];
                for (int f = 0; f < WAVES; f++) sums[f] = waves->U[k][f] * cosines[j][f];
                UNROLL for (int half = WAVES / 2; half > 0; half /= 2)
                    for (int f = 0; f < half; f++) sums[f] += sums[f + half];
                A[k] = base[k] + sums[0];
            }
    }
}

/* The sums of the frequencies f .. f + WAVE_LANES - 1. Vectors, because compilers keep sums in arrays in memory. */
FASTNN_INLINE void FN(sum_vector)(const int n_outputs, const int first, ptrdiff_t m, int f, const FN(waves) *waves,
                                  const real *X, ptrdiff_t n_columns,    /* IN (m), n_columns apart */
                                  const real *dA, ptrdiff_t width,       /* IN (n_outputs, m), columns width apart */
                                  const real (*restrict cosines)[WAVES], /* IN (m) */
                                  const real (*restrict sines)[WAVES],   /* IN (m) */
                                  FN(wave_sums) *restrict sums)          /* IN/OUT */
{
    FN(wave_vector) U[WAVE_OUTPUTS], dU[WAVE_OUTPUTS], dd[WAVE_OUTPUTS], dc = {0}, dv = {0};
    UNROLL for (int k = 0; k < n_outputs; k++) {
        U[k] = *(const FN(wave_vector) *)(waves->U[k] + f);
        dU[k] = *(const FN(wave_vector) *)(sums->U[k] + f);
        dd[k] = dc;
    }
    for (ptrdiff_t j = 0; j < m; j++, dA += width) {
        const FN(wave_vector) cosine = *(const FN(wave_vector) *)(cosines[j] + f);
        FN(wave_vector) slope = {0};
        UNROLL for (int k = 0; k < n_outputs; k++) {
            slope = WAVE_FMA(WAVE_BROADCAST(dA[k]), U[k], slope);
            dU[k] = WAVE_FMA(WAVE_BROADCAST(dA[k]), cosine, dU[k]);
            if (first) dd[k] += WAVE_BROADCAST(dA[k]); /* of any lane */
        }
        slope *= *(const FN(wave_vector) *)(sines[j] + f);
        dc += slope;
        dv = WAVE_FMA(WAVE_BROADCAST(X[j * n_columns]), slope, dv);
    }
    UNROLL for (int k = 0; k < n_outputs; k++) *(FN(wave_vector) *)(sums->U[k] + f) = dU[k];
    if (first) {
        UNROLL for (int k = 0; k < n_outputs; k++) sums->d[k] += WAVE_LANE_0(dd[k]);
    }
    *(FN(wave_vector) *)(sums->c + f) += dc;
    *(FN(wave_vector) *)(sums->v + f) += dv;
}

FASTNN_INLINE void FN(sum_waves)(const int n_outputs, ptrdiff_t m, const FN(waves) *waves,
                                 const real *X, ptrdiff_t n_columns, /* IN (m), n_columns apart */
                                 const real *dA, ptrdiff_t width,    /* IN (n_outputs, m), columns width apart */
                                 FN(wave_sums) *restrict sums)       /* IN/OUT */
{
    for (ptrdiff_t first = 0; first < m; first += WAVE_EXAMPLES) {
        real cosines[WAVE_EXAMPLES][WAVES], sines[WAVE_EXAMPLES][WAVES];
        const ptrdiff_t count = MIN(WAVE_EXAMPLES, m - first);
        const real *x = X + first * n_columns, *da = dA + first * width;
        FN(compute_waves)(count, waves, x, n_columns, cosines, sines);
        FN(sum_vector)(n_outputs, 1, count, 0, waves, x, n_columns, da, width, cosines, sines, sums);
        for (int f = WAVE_LANES; f < WAVES; f += WAVE_LANES)
            FN(sum_vector)(n_outputs, 0, count, f, waves, x, n_columns, da, width, cosines, sines, sums);
    }
}

/* Add the derivatives to the gradient. */
static void FN(store_waves)(const fastnn_inputs *inputs, const wave_part *part, const real *theta,
                            const FN(wave_sums) *sums, /* IN */
                            real scale, real *gradient) /* IN/OUT an arena */
{
    const ptrdiff_t F = inputs->n_frequencies, K = inputs->n_outputs, index = part->column->index;
    real *dv = gradient + inputs->frequencies + index * F + part->f, *dc = gradient + inputs->phases + index * F + part->f;
    for (int f = 0; f < part->n_waves; f++) {
        dv[f] -= R(2 * FASTNN_PI) * scale * sums->v[f];
        dc[f] -= scale * sums->c[f];
    }
    for (int k = 0; k < part->n_outputs; k++) {
        const ptrdiff_t output = index * K + part->k + k, row = part->column->row + 1 + part->k + k;
        const ptrdiff_t U = inputs->weights + output * F + part->f, d = inputs->biases + output;
        const real factor = scale * FN(row_factor)(inputs, theta, row), n_d = part->f == 0 ? R(1) : R(0);
        real ds = n_d * theta[d] * sums->d[k]; /* the sum of dA E, as E is linear in U and d */
        gradient[d] += n_d * factor * sums->d[k];
        for (int f = 0; f < part->n_waves; f++) {
            gradient[U + f] += factor * sums->U[k][f];
            ds += theta[U + f] * sums->U[k][f];
        }
        if (inputs->scale >= 0) gradient[inputs->scale + row] += scale * ds;
    }
}

/* Do something for all parts of a number. */
#define EACH_PART(inputs, number, part)                                                                     \
    for (wave_part part = {number, 0, 0, 0, 0}; part.f < inputs->n_frequencies; part.f += WAVES)  \
        for (part.k = 0, part.n_waves = (int)MIN(WAVES, inputs->n_frequencies - part.f);          \
             part.k < inputs->n_outputs                                                                     \
             && (part.n_outputs = (int)MIN(WAVE_OUTPUTS, inputs->n_outputs - part.k)) > 0;             \
             part.k += WAVE_OUTPUTS)

static void FN(embed_number)(const fastnn_inputs *inputs, const fastnn_column *number, ptrdiff_t m,
                             const real *X,     /* IN (m), n_columns apart */
                             const real *theta, /* IN an arena */
                             real *A)           /* OUT (1 + K, m), columns width apart */
{
    const ptrdiff_t n_columns = inputs->n_columns, width = inputs->width;
    const real s = FN(row_factor)(inputs, theta, number->row);
    for (ptrdiff_t j = 0; j < m; j++) A[j * width] = s * X[j * n_columns];
    EACH_PART(inputs, number, part)
    {
        FN(waves) waves;
        real *target = A + 1 + part.k;
        const real *base = part.f ? target : waves.d;
        const ptrdiff_t distance = part.f ? width : 0;
        FN(load_waves)(inputs, &part, theta, &waves);
        switch (part.n_outputs) {
#define CASE(n_outputs)                                                                                         \
    case n_outputs:                                                                                             \
        FN(add_waves)(n_outputs, m, &waves, X, n_columns, base, distance, target, width);                       \
        break;
            EACH_OUTPUTS(CASE)
#undef CASE
        }
    }
}

static void FN(number_backward)(const fastnn_inputs *inputs, const fastnn_column *number, ptrdiff_t m,
                                const real *X,     /* IN (m), n_columns apart */
                                const real *theta, /* IN an arena */
                                const real *dA,    /* IN (1 + K, m), columns width apart */
                                real scale,
                                real *gradient)    /* IN/OUT an arena */
{
    const ptrdiff_t n_columns = inputs->n_columns, width = inputs->width;
    if (inputs->scale >= 0) {
        real sums[4] = {0}; /* as many chains of additions */
        ptrdiff_t j = 0;
        for (; j + 4 <= m; j += 4)
            UNROLL for (int i = 0; i < 4; i++) sums[i] = FN(fma)(dA[(j + i) * width], X[(j + i) * n_columns], sums[i]);
        for (; j < m; j++) sums[0] = FN(fma)(dA[j * width], X[j * n_columns], sums[0]);
        gradient[inputs->scale + number->row] += scale * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    EACH_PART(inputs, number, part)
    {
        FN(waves) waves;
        FN(wave_sums) sums;
        FN(load_waves)(inputs, &part, theta, &waves);
        memset(&sums, 0, sizeof sums);
        switch (part.n_outputs) {
#define CASE(n_outputs)                                                                                      \
    case n_outputs: FN(sum_waves)(n_outputs, m, &waves, X, n_columns, dA + 1 + part.k, width, &sums); break;
            EACH_OUTPUTS(CASE)
#undef CASE
        }
        FN(store_waves)(inputs, &part, theta, &sums, scale, gradient);
    }
}

#undef EACH_PART
#undef WAVE_FMA
#undef WAVE_BROADCAST
#undef WAVE_LANES
#undef WAVE_LANE_0
