/* losses.inc.h: the sum of w_j L_j over a block of examples, and its derivative.

   The cross-entropies and the Poisson loss are taken from Z, not from A: log(softmax(Z)), log(sigmoid(Z)) and
   log(e^Z) then neither overflow nor lose small probabilities. Sums run in double, whatever the element type. */

/* min(term, ceiling); NaN passes through. */
FASTNN_INLINE real FN(at_most)(real term, real ceiling) { return term > ceiling ? ceiling : term; }

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
    real picked[FASTNN_BLOCK_COLUMNS], top[FASTNN_BLOCK_COLUMNS], rest[FASTNN_BLOCK_COLUMNS];
    real spread[FASTNN_BLOCK_COLUMNS], w[FASTNN_BLOCK_COLUMNS]; /* ones if there are no weights: bitwise identical */
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
    real Z_T[FASTNN_BLOCK], Y_T[FASTNN_BLOCK], top[FASTNN_BLOCK_COLUMNS]; /* (m, n) column-major */
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
    if (n <= FASTNN_MAX_TRANSPOSED_UNITS) {
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
    real mass[FASTNN_BLOCK_COLUMNS], dot[FASTNN_BLOCK_COLUMNS], spread[FASTNN_BLOCK_COLUMNS];
    real top[FASTNN_BLOCK_COLUMNS], rest[FASTNN_BLOCK_COLUMNS], w[FASTNN_BLOCK_COLUMNS];
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

/* UNITS rows: l_<name> returns term = L and d = dL/dZ or dL/dA for one unit of one example. */
typedef struct {
    real term, d;
} FN(unit_loss);

/* With y smoothed towards 1/2: L = max(z, 0) - y z + log(1 + e^-|z|); dL/dz = sigmoid(z) - y. */
FASTNN_INLINE FN(unit_loss) FN(l_binary_cross_entropy)(real z, real y, double smoothing)
{
    const real e = FN(v_exp)(z < 0 ? z : -z), inverse = 1 / (1 + e), t = FN(fma)(R(smoothing), R(0.5) - y, y);
    const FN(unit_loss) l = {FN(fma)(-t, z, z > 0 ? z : 0) + FN(v_log1p)(e), (z < 0 ? e * inverse : inverse) - t};
    return l;
}

/* Half the Poisson deviance, a = e^z: L = y (log y - z) - y + a; dL/dz = a - y. Near the minimum these terms cancel;
   there L = y (e^d - 1 - d), d = z - log y. */
FASTNN_INLINE FN(unit_loss) FN(l_poisson)(real z, real y, double unused)
{
    (void)unused;
    const real a = FN(v_exp)(z), d = z - FN(v_log)(y > 0 ? y : 1), near = y * (FN(v_expm1)(d) - d);
    const FN(unit_loss) l = {y > 0 && d > -1 && d < 1 ? near : FN(fma)(-y, d, a - y), a - y};
    return l;
}

/* L = (a - y)^2 / 2; dL/da = a - y. */
FASTNN_INLINE FN(unit_loss) FN(l_squared_error)(real a, real y, double unused)
{
    (void)unused;
    const real d = a - y;
    const FN(unit_loss) l = {R(0.5) * d * d, d};
    return l;
}

/* L = |a - y|; dL/da is its sign, 0 at the kink. */
FASTNN_INLINE FN(unit_loss) FN(l_absolute)(real a, real y, double unused)
{
    (void)unused;
    const real d = a - y;
    const FN(unit_loss) l = {d < 0 ? -d : d, d > 0 ? R(1) : d < 0 ? R(-1) : d}; /* NaN passes through */
    return l;
}

/* Huber 1964: L = d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2), d = a - y; dL/da is d clipped to +-delta. */
FASTNN_INLINE FN(unit_loss) FN(l_huber)(real a, real y, double parameter)
{
    const real d = a - y, size = d < 0 ? -d : d, delta = R(parameter);
    const real clipped = d > delta ? delta : d < -delta ? -delta : d;
    const FN(unit_loss) l = {size > delta ? delta * (size - R(0.5) * delta) : R(0.5) * d * d, clipped};
    return l;
}

/* Koenker & Bassett 1978: L = q (y - a) for a < y, else (1 - q) (a - y); dL/da is -q or 1 - q, 0 at the kink. */
FASTNN_INLINE FN(unit_loss) FN(l_quantile)(real a, real y, double q)
{
    const real d = a - y, below = R(-q), above = R(1 - q); /* 1 - q in double: near 0 a float would lose digits */
    const FN(unit_loss) l = {(d < 0 ? below : above) * d, d > 0 ? above : d < 0 ? below : d};
    return l;
}

#define LOSS_LOOP(name, ...)                                                                                \
    static void FN(name##_terms)(ptrdiff_t count, double parameter,                                         \
                                 const real *Z, /* IN (count) Z or A */                                     \
                                 const real *Y, /* IN (count) */                                            \
                                 real *restrict term, /* OUT (count) */                                     \
                                 real *dZ)      /* OUT (count), may be Z */                                 \
    {                                                                                                       \
        for (ptrdiff_t i = 0; i < count; i++) {                                                             \
            const FN(unit_loss) l = FN(l_##name)(Z[i], Y[i], parameter);                                    \
            term[i] = l.term;                                                                               \
            dZ[i] = l.d;                                                                                    \
        }                                                                                                   \
    }

#define SKIP(name, ...)
FASTNN_FOR_EACH_LOSS(LOSS_LOOP, SKIP)
#undef LOSS_LOOP

#define TERMS(name, ...) FN(name##_terms),
#define NO_TERMS(name, ...) NULL,
typedef void (*FN(loss_loop))(ptrdiff_t, double, const real *, const real *, real *restrict, real *);
static const FN(loss_loop) FN(loss_terms)[] = {FASTNN_FOR_EACH_LOSS(TERMS, NO_TERMS)};
#undef NO_TERMS
#undef TERMS
#undef SKIP

/* COLUMNS rows: <name>_block; NULL for UNITS rows. */
#define BLOCK(name, ...) FN(name##_block),
#define NO_BLOCK(name, ...) NULL,
typedef double (*FN(loss_block))(const fastnn_loss *, ptrdiff_t, ptrdiff_t, const real *, const void *, const real *,
                                 real *);
static const FN(loss_block) FN(loss_blocks)[] = {FASTNN_FOR_EACH_LOSS(NO_BLOCK, BLOCK)};
#undef NO_BLOCK
#undef BLOCK

/* w x; 0 without weight, even if x has overflowed: the target may be unknown. */
FASTNN_INLINE real FN(weighted)(real w, real x) { return w == 0 ? 0 : w * x; }

static double FN(elementwise_block)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m,
                                    const real *Z,       /* IN (n, m) */
                                    const real *Y,       /* IN (n, m) */
                                    const real *weights, /* IN (m), unit weights: (n, m); or NULL */
                                    real *dZ)            /* OUT (n, m), may be Z */
{
    const real ceiling = R(loss->ceiling);
    real term[FASTNN_BLOCK];
    double sum = 0;
    FN(loss_terms)[loss->kind](n * m, loss->parameter, Z, Y, term, dZ);
    if (ceiling < R(INFINITY))
        for (ptrdiff_t i = 0; i < n * m; i++) term[i] = FN(at_most)(term[i], ceiling);
    if (weights && loss->unit_weights) {
        for (ptrdiff_t i = 0; i < n * m; i++) {
            term[i] = FN(weighted)(weights[i], term[i]);
            dZ[i] = FN(weighted)(weights[i], dZ[i]);
        }
    } else if (weights) {
        for (ptrdiff_t j = 0; j < m; j++)
            for (ptrdiff_t i = j * n; i < (j + 1) * n; i++) {
                term[i] = FN(weighted)(weights[j], term[i]);
                dZ[i] = FN(weighted)(weights[j], dZ[i]);
            }
    }
    SIMD_REDUCE(+, sum)
    for (ptrdiff_t i = 0; i < n * m; i++) sum += (double)term[i];
    return sum;
}

/* In blocks of whole columns. For UNITS rows, a column taller than a block is cut into pieces. */
static double FN(loss)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m, const void *Z_, const void *Y,
                       const void *weights_, void *dZ_)
{
    const real *Z = Z_, *weights = weights_;
    real *dZ = dZ_;
    double sum = 0;
    if (n <= 0) return 0;
    const FN(loss_block) block = FN(loss_blocks)[loss->kind];
    const ptrdiff_t columns = block_columns(n), piece = MIN(n, FASTNN_BLOCK);
    for (ptrdiff_t j = 0; j < m; j += columns) {
        const ptrdiff_t width = MIN(columns, m - j);
        const real *w = weights ? weights + j : NULL;
        if (block) {
            const void *y = loss->dense ? (const void *)((const real *)Y + j * n) : (const int32_t *)Y + j;
            sum += block(loss, n, width, Z + j * n, y, w, dZ + j * n);
            continue;
        }
        for (ptrdiff_t i = 0; i < n; i += piece) { /* several pieces only if columns is 1 */
            const ptrdiff_t at = j * n + i;
            const real *v = weights && loss->unit_weights ? weights + at : w;
            sum += FN(elementwise_block)(loss, MIN(piece, n - i), width, Z + at, (const real *)Y + at, v, dZ + at);
        }
    }
    return sum;
}
