/* loss_blocks.inc.h: the losses of which one term depends on several output units: <name>_block of the COLUMNS and TARGETS
   rows. losses.inc.h has the others, and says which sums they compute. */
#ifndef FASTNN_LEAST_LOG_VARIANCE
#define FASTNN_LEAST_LOG_VARIANCE (-50.0) /* a standard deviation of 1.4e-11; e^50 times squares is finite in float */
#endif

/* min(term, ceiling); NaN passes through. */
FASTNN_INLINE real FN(at_most)(real term, real ceiling) { return term > ceiling ? ceiling : term; }

/* w x; 0 without weight, even if x has overflowed: the target may be unknown. */
FASTNN_INLINE real FN(weighted)(real w, real x) { return w == 0 ? 0 : w * x; }

/* The sum of each column's Z - max Z, for label smoothing. */
static void FN(column_spreads)(ptrdiff_t n, ptrdiff_t m,
                               const real *restrict Z, /* IN (n, m) */
                               real *restrict spread)  /* OUT (m) */
{
    for (ptrdiff_t j = 0; j < m; j++, Z += n) {
        real top = Z[0], sum = 0;
        SIMD_MAX(top)
        for (ptrdiff_t i = 1; i < n; i++) top = FN(larger)(top, Z[i]);
        SIMD_REDUCE(+, sum)
        for (ptrdiff_t i = 0; i < n; i++) sum += Z[i] - top;
        spread[j] = sum;
    }
}

/* With targets t = (1 - s) onehot(y) + s / n, s the label smoothing (Szegedy et al. 2016, section 7):
   L = log(sum_i e^z_i) - t . z with z shifted by its maximum; dL/dZ = softmax(Z) - t. */
static double FN(cross_entropy_labels)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m,
                                       const real *Z,      /* IN (n, m) */
                                       const int32_t *y,   /* IN (m) labels */
                                       const real *weights,/* IN (m) or NULL */
                                       real *E)            /* OUT (n, m) dZ, may be Z */
{
    real picked[BLOCK_COLUMNS], top[BLOCK_COLUMNS], rest[BLOCK_COLUMNS];
    real spread[BLOCK_COLUMNS], w[BLOCK_COLUMNS]; /* ones if there are no weights: bitwise identical */
    const double smoothing = loss->parameter;
    const real ceiling = R(loss->ceiling), hit = R(1 - smoothing), share = R(smoothing / (double)n);
    double sum = 0;
    for (ptrdiff_t j = 0; j < m; j++) /* do not read outside the column */
        picked[j] = y[j] >= 0 && y[j] < n ? Z[j * n + y[j]] : R(NAN);
    if (smoothing > 0) FN(column_spreads)(n, m, Z, spread);
    FN(softmax_block)(n, m, Z, weights, E, top, rest);
    for (ptrdiff_t j = 0; j < m; j++) picked[j] = FN(fma)(-hit, picked[j] - top[j], FN(v_log1p)(rest[j]));
    if (smoothing > 0)
        for (ptrdiff_t j = 0; j < m; j++) picked[j] = FN(fma)(-share, spread[j], picked[j]);
    for (ptrdiff_t j = 0; j < m; j++) w[j] = weights ? weights[j] : 1;
    SIMD_REDUCE(+, sum)
    for (ptrdiff_t j = 0; j < m; j++) sum = fma_f64((double)w[j], (double)FN(at_most)(picked[j], ceiling), sum);
    for (ptrdiff_t j = 0; j < m; j++) {
        if (smoothing > 0)
            for (ptrdiff_t i = 0; i < n; i++) E[j * n + i] -= w[j] * share;
        if (y[j] >= 0 && y[j] < n) E[j * n + y[j]] = FN(fma)(-w[j], hit, E[j * n + y[j]]);
    }
    return sum;
}

/* y (z - top); where y is 0, z does not count, even if it is infinite. */
FASTNN_INLINE real FN(add_product)(real y, real z, real top, real sum)
{
    return FN(fma)(y, y != 0 ? z - top : 0, sum);
}

/* `column_products` for few units: vectors run across the examples. */
static void FN(narrow_column_products)(ptrdiff_t n, ptrdiff_t m, const real *Z, const real *Y, real *restrict mass,
                                       real *restrict dot)
{
    real Z_T[BLOCK_ELEMENTS], Y_T[BLOCK_ELEMENTS], top[BLOCK_COLUMNS]; /* (m, n) column-major */
    FN(transpose)(n, m, Z, n, Z_T, m);
    FN(transpose)(n, m, Y, n, Y_T, m);
    for (ptrdiff_t j = 0; j < m; j++) {
        top[j] = Z_T[j];
        mass[j] = dot[j] = 0;
    }
    for (ptrdiff_t i = 1; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) top[j] = FN(larger)(top[j], Z_T[i * m + j]);
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < m; j++) {
            mass[j] += Y_T[i * m + j];
            dot[j] = FN(add_product)(Y_T[i * m + j], Z_T[i * m + j], top[j], dot[j]);
        }
}

/* The sums of each column of Y, and of Y (Z - max Z). */
static void FN(column_products)(ptrdiff_t n, ptrdiff_t m,
                                const real *restrict Z, /* IN (n, m) */
                                const real *restrict Y, /* IN (n, m) */
                                real *restrict mass,    /* OUT (m) */
                                real *restrict dot)     /* OUT (m) */
{
    if (n <= MAX_TRANSPOSED_UNITS) {
        FN(narrow_column_products)(n, m, Z, Y, mass, dot);
        return;
    }
    for (ptrdiff_t j = 0; j < m; j++, Z += n, Y += n) {
        real top = Z[0], total = 0, sum = 0;
        SIMD_MAX(top)
        for (ptrdiff_t i = 1; i < n; i++) top = FN(larger)(top, Z[i]);
        SIMD_REDUCE(+, total, sum)
        for (ptrdiff_t i = 0; i < n; i++) {
            total += Y[i];
            sum = FN(add_product)(Y[i], Z[i], top, sum);
        }
        mass[j] = total;
        dot[j] = sum;
    }
}

/* With probabilities Y: t = (1 - s) Y + s / n; L = sum(t) log(sum_i e^z_i) - t . z, z shifted; dL/dZ = sum(t) softmax(Z)
   - t, where sum(t) is 1 up to the rounding of Y. If a column of Y is one-hot, each result is that of its label, bitwise. */
static double FN(cross_entropy_dense)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m,
                                      const real *Z,          /* IN (n, m) */
                                      const real *restrict Y, /* IN (n, m) */
                                      const real *weights,    /* IN (m) or NULL */
                                      real *E)                /* OUT (n, m) dZ, may be Z */
{
    real mass[BLOCK_COLUMNS], dot[BLOCK_COLUMNS], spread[BLOCK_COLUMNS];
    real top[BLOCK_COLUMNS], rest[BLOCK_COLUMNS], w[BLOCK_COLUMNS];
    const double smoothing = loss->parameter;
    const real ceiling = R(loss->ceiling), hit = R(1 - smoothing), share = R(smoothing / (double)n);
    double sum = 0;
    FN(column_products)(n, m, Z, Y, mass, dot);
    if (smoothing > 0) FN(column_spreads)(n, m, Z, spread);
    FN(softmax_block)(n, m, Z, weights, E, top, rest);
    for (ptrdiff_t j = 0; j < m; j++) {
        mass[j] = FN(fma)(hit, mass[j] - 1, 1); /* sum(t), exactly 1 for a one-hot column */
        dot[j] = FN(fma)(-hit, dot[j], mass[j] * FN(v_log1p)(rest[j]));
    }
    if (smoothing > 0)
        for (ptrdiff_t j = 0; j < m; j++) dot[j] = FN(fma)(-share, spread[j], dot[j]);
    for (ptrdiff_t j = 0; j < m; j++) w[j] = weights ? weights[j] : 1;
    SIMD_REDUCE(+, sum)
    for (ptrdiff_t j = 0; j < m; j++) sum = fma_f64((double)w[j], (double)FN(at_most)(dot[j], ceiling), sum);
    for (ptrdiff_t j = 0; j < m; j++) {
        const real shared = smoothing > 0 ? w[j] * share : 0;
        for (ptrdiff_t i = j * n; i < (j + 1) * n; i++) E[i] = FN(fma)(-w[j], hit * Y[i], E[i] * mass[j] - shared);
    }
    return sum;
}

static double FN(cross_entropy_block)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m,
                                      const real *Z,       /* IN (n, m) */
                                      const void *Y,       /* IN int32 (m) labels; if `dense`, (n, m) */
                                      const real *weights, /* IN (m) or NULL */
                                      real *E)             /* OUT (n, m) dZ, may be Z */
{
    return loss->dense ? FN(cross_entropy_dense)(loss, n, m, Z, Y, weights, E)
                       : FN(cross_entropy_labels)(loss, n, m, Z, Y, weights, E);
}

/* TARGETS rows: the first n / r units of an example are the first output of each target, and so on. */

/* Nix & Weigend 1994: mean a and log variance s of each target; L = (s + (y - a)^2 e^-s) / 2, without log(2 pi) / 2.
   Below FASTNN_LEAST_LOG_VARIANCE, v, L = (v + (y - a)^2 e^-v (1 + v - s)) / 2, its tangent in e^-s: then neither L nor
   the precision is unbounded, and dL/ds still leads back. */
static void FN(gaussian_terms)(ptrdiff_t count,
                               real *restrict mean, /* IN (count) a; OUT dL/da */
                               real *restrict s,    /* IN (count) s; OUT dL/ds */
                               real *restrict y)    /* IN (count) y; OUT L */
{
    const real least = R(FASTNN_LEAST_LOG_VARIANCE), half = R(0.5);
    for (ptrdiff_t i = 0; i < count; i++) {
        const real above = s[i] < least ? least : s[i], below = above - s[i], d = mean[i] - y[i];
        const real precise = d * FN(v_exp)(-above), square = d * precise, stretch = 1 + below;
        mean[i] = precise * stretch;
        s[i] = half * ((below > 0 ? 0 : R(1)) - square);
        y[i] = half * FN(fma)(square, stretch, above);
    }
}

static double FN(gaussian_block)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m,
                                 const real *A,       /* IN (n, m) means, then log variances */
                                 const void *Y_,      /* IN (n / 2, m) */
                                 const real *weights, /* IN (m), unit weights: (n / 2, m); or NULL */
                                 real *dA)            /* OUT (n, m), may be A */
{
    real mean[BLOCK_ELEMENTS], s[BLOCK_ELEMENTS], term[BLOCK_ELEMENTS];
    const real *Y = Y_, ceiling = R(loss->ceiling);
    const ptrdiff_t k = n / 2;
    double sum = 0;
    for (ptrdiff_t start = 0; start < k * m; start += BLOCK_ELEMENTS) {
        const ptrdiff_t count = MIN(BLOCK_ELEMENTS, k * m - start);
        ptrdiff_t at = start / k * n + start % k, left = k - start % k; /* of the mean; targets of its example */
        for (ptrdiff_t i = 0; i < count; i++) {
            mean[i] = A[at];
            s[i] = A[at + k];
            term[i] = Y[start + i];
            at += --left ? 1 : k + 1;
            if (!left) left = k;
        }
        FN(gaussian_terms)(count, mean, s, term);
        at = start / k * n + start % k, left = k - start % k;
        for (ptrdiff_t i = 0; i < count; i++) {
            const real w = !weights ? 1 : weights[loss->unit_weights ? start + i : (start + i) / k];
            sum += (double)FN(weighted)(w, FN(at_most)(term[i], ceiling));
            dA[at] = FN(weighted)(w, mean[i]);
            dA[at + k] = FN(weighted)(w, s[i]);
            at += --left ? 1 : k + 1;
            if (!left) left = k;
        }
    }
    return sum;
}
