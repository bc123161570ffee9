/* losses.inc.h: the sum of w_j L_j over a block of examples, and its derivative.

   The cross-entropies and the Poisson loss are taken from Z, not from A: log(softmax(Z)), log(sigmoid(Z)) and
   log(e^Z) then neither overflow nor lose small probabilities. Sums run in double, whatever the element type. */

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
    }                                                                                                       \
    static void FN(name##_terms_by_unit)(ptrdiff_t count, const double *parameter, /* IN (count) */         \
                                         const real *Z, const real *Y, real *restrict term, real *dZ)       \
    {                                                                                                       \
        for (ptrdiff_t i = 0; i < count; i++) {                                                             \
            const FN(unit_loss) l = FN(l_##name)(Z[i], Y[i], parameter[i]);                                 \
            term[i] = l.term;                                                                               \
            dZ[i] = l.d;                                                                                    \
        }                                                                                                   \
    }

#define SKIP(name, ...)
FASTNN_FOR_EACH_LOSS(LOSS_LOOP, SKIP, SKIP)
#undef LOSS_LOOP

#define TERMS(name, ...) FN(name##_terms),
#define TERMS_BY_UNIT(name, ...) FN(name##_terms_by_unit),
#define NO_TERMS(name, ...) NULL,
typedef void (*FN(loss_loop))(ptrdiff_t, double, const real *, const real *, real *restrict, real *);
typedef void (*FN(loss_loop_by_unit))(ptrdiff_t, const double *, const real *, const real *, real *restrict, real *);
static const FN(loss_loop) FN(loss_terms)[] = {FASTNN_FOR_EACH_LOSS(TERMS, NO_TERMS, NO_TERMS)};
static const FN(loss_loop_by_unit) FN(loss_terms_by_unit)[] = {
    FASTNN_FOR_EACH_LOSS(TERMS_BY_UNIT, NO_TERMS, NO_TERMS)};
#undef NO_TERMS
#undef TERMS_BY_UNIT
#undef TERMS
#undef SKIP

/* COLUMNS and TARGETS rows: <name>_block; NULL for UNITS rows. */
#define BLOCK(name, ...) FN(name##_block),
#define NO_BLOCK(name, ...) NULL,
typedef double (*FN(loss_block))(const fastnn_loss *, ptrdiff_t, ptrdiff_t, const real *, const void *, const real *,
                                 real *);
static const FN(loss_block) FN(loss_blocks)[] = {FASTNN_FOR_EACH_LOSS(NO_BLOCK, BLOCK, BLOCK)};
#undef NO_BLOCK
#undef BLOCK

static double FN(elementwise_block)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m,
                                    const real *Z,       /* IN (n, m) */
                                    const real *Y,       /* IN (n, m) */
                                    const double *levels, /* IN (n, m) parameters, or NULL: that of the loss */
                                    const real *weights, /* IN (m), unit weights: (n, m); or NULL */
                                    real *dZ)            /* OUT (n, m), may be Z */
{
    const real ceiling = R(loss->ceiling);
    real term[BLOCK_ELEMENTS];
    double sum = 0;
    if (levels)
        FN(loss_terms_by_unit)[loss->kind](n * m, levels, Z, Y, term, dZ);
    else
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

/* The units `first` .. first + n - 1 of m examples, where `per_target` consecutive units have the same target. */
static double FN(repeated_block)(const fastnn_loss *loss, ptrdiff_t first, ptrdiff_t n, ptrdiff_t m,
                                 const real *Z,            /* IN (n, m) */
                                 const real *Y,            /* IN (n_targets, m) */
                                 ptrdiff_t n_targets,
                                 const real *weights,      /* IN (m), unit weights: (n_targets, m); or NULL */
                                 real *dZ)                 /* OUT (n, m), may be Z */
{
    real y[BLOCK_ELEMENTS], w[BLOCK_ELEMENTS];
    double levels[BLOCK_ELEMENTS];
    const ptrdiff_t r = loss->per_target;
    const int by_target = weights && loss->unit_weights;
    for (ptrdiff_t j = 0; j < m; j++) {
        ptrdiff_t target = j * n_targets + first / r, level = first % r;
        for (ptrdiff_t i = j * n; i < (j + 1) * n; i++) {
            y[i] = Y[target];
            levels[i] = loss->levels[level];
            if (by_target) w[i] = weights[target];
            if (++level == r) {
                level = 0;
                target++;
            }
        }
    }
    return FN(elementwise_block)(loss, n, m, Z, y, levels, by_target ? w : weights, dZ);
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
    const ptrdiff_t columns = block_columns(n), piece = MIN(n, BLOCK_ELEMENTS);
    const ptrdiff_t n_targets = n / MAX(1, loss->per_target);
    const int labels = block && n_targets == n && !loss->dense;
    for (ptrdiff_t j = 0; j < m; j += columns) {
        const ptrdiff_t width = MIN(columns, m - j);
        const real *y = labels ? NULL : (const real *)Y + j * n_targets;
        const real *w = !weights ? NULL : weights + (loss->unit_weights ? j * n_targets : j);
        if (block) {
            sum += block(loss, n, width, Z + j * n, labels ? (const void *)((const int32_t *)Y + j) : y, w, dZ + j * n);
            continue;
        }
        for (ptrdiff_t i = 0; i < n; i += piece) { /* several pieces only if columns is 1 */
            const ptrdiff_t at = j * n + i, count = MIN(piece, n - i);
            const real *v = w && loss->unit_weights ? w + i : w;
            sum += n_targets < n ? FN(repeated_block)(loss, i, count, width, Z + at, y, n_targets, w, dZ + at)
                                 : FN(elementwise_block)(loss, count, width, Z + at, y + i, NULL, v, dZ + at);
        }
    }
    return sum;
}
