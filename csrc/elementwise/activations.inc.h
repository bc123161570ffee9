/* activations.inc.h: A = g(Z + b), and dZ = dA * g'(Z) with db in the same pass.

   Each activation is one expression for g, g_<name>, and one for g', d_<name>. Most take g' from A, so that training
   overwrites Z by A; those marked in registry.h take it from Z. At a kink, g'(0) is the left-hand derivative: relu 0,
   leaky relu 0.01, elu and selu as for Z < 0. */
#ifndef FASTNN_SELU_SCALE
#define FASTNN_LEAK 0.01
/* Klambauer et al. 2017, appendix 1: the fixed point of zero mean and unit variance. */
#define FASTNN_SELU_SCALE 1.0507009873554804934193349852946
#define FASTNN_SELU_ALPHA 1.6732632423543772848170429916717
#endif

/* Mish (Misra 2019): z tanh(softplus(z)). With e = e^-|z| the tangent is p / (p + q), p = 1 + 2 e and q = 2 e^2 for
   z >= 0, p = e (2 + e) and q = 2 for z < 0: nothing cancels or overflows. */
FASTNN_INLINE real FN(mish_p)(real z, real e) { return FN(vm_by_sign)(z, e * (2 + e), 1 + 2 * e); }
FASTNN_INLINE real FN(mish_q)(real z, real e) { return FN(vm_by_sign)(z, 2, 2 * e * e); }

/* g(z) from its exponential: e^z - 1, or e^-|z| for mish. */
FASTNN_INLINE real FN(elu_of)(real z, real x) { return FN(vm_by_sign)(z, x, z); }
FASTNN_INLINE real FN(selu_of)(real z, real x)
{
    return FN(vm_by_sign)(z, R(FASTNN_SELU_SCALE * FASTNN_SELU_ALPHA) * x, R(FASTNN_SELU_SCALE) * z);
}
FASTNN_INLINE real FN(mish_of)(real z, real e)
{
    const real p = FN(mish_p)(z, e), a = z * (p / (p + FN(mish_q)(z, e)));
    return z < -R(FLT_MAX) ? R(-0.0) : a; /* -inf * 0 */
}

/* g(z). */
FASTNN_INLINE real FN(g_sigmoid)(real z) { return FN(v_sigmoid)(z); }
FASTNN_INLINE real FN(g_tanh)(real z) { return FN(v_tanh)(z); }
FASTNN_INLINE real FN(g_relu)(real z) { return z <= 0 ? 0 : z; } /* a NaN stays one */
FASTNN_INLINE real FN(g_leaky_relu)(real z) { return z > 0 ? z : R(FASTNN_LEAK) * z; }
FASTNN_INLINE real FN(g_identity)(real z) { return z; }
FASTNN_INLINE real FN(g_elu)(real z) { return FN(elu_of)(z, FN(vm_expm1_negative)(z)); }
FASTNN_INLINE real FN(g_selu)(real z) { return FN(selu_of)(z, FN(vm_expm1_negative)(z)); }
FASTNN_INLINE real FN(g_gelu)(real z) { return z < R(-40) ? R(-0.0) : z * FN(v_normal_cdf)(z); } /* -inf * 0 */
FASTNN_INLINE real FN(g_silu)(real z)
{
    const real a = z * FN(v_sigmoid)(z);
    return z < -R(FLT_MAX) ? R(-0.0) : a; /* -inf * 0 */
}
FASTNN_INLINE real FN(g_softplus)(real z) { return FN(v_softplus)(z); }
FASTNN_INLINE real FN(g_exp)(real z) { return FN(v_exp)(z); }
FASTNN_INLINE real FN(g_mish)(real z) { return FN(mish_of)(z, FN(vm_exp_neg_abs)(z)); }

/* g'(z), from a = g(z) or from z. */
FASTNN_INLINE real FN(d_sigmoid)(real a) { return a * (1 - a); }
FASTNN_INLINE real FN(d_tanh)(real a) { return (1 - a) * (1 + a); }
FASTNN_INLINE real FN(d_relu)(real a) { return a > 0 ? R(1) : R(0); }
FASTNN_INLINE real FN(d_leaky_relu)(real a) { return a > 0 ? R(1) : R(FASTNN_LEAK); }
FASTNN_INLINE real FN(d_identity)(real a) { (void)a; return 1; }
FASTNN_INLINE real FN(d_elu)(real a) { return a > 0 ? R(1) : a + 1; }
FASTNN_INLINE real FN(d_selu)(real a)
{
    return a > 0 ? R(FASTNN_SELU_SCALE) : a + R(FASTNN_SELU_SCALE * FASTNN_SELU_ALPHA);
}
FASTNN_INLINE real FN(d_gelu)(real z)
{
    const real tail = z * FN(v_normal_pdf)(z);
    return FN(v_normal_cdf)(z) + (z > R(40) || z < R(-40) ? 0 : tail); /* inf * 0 */
}
FASTNN_INLINE real FN(d_silu)(real z)
{
    const real e = FN(v_exp)(z < 0 ? z : -z), large = 1 / (1 + e), small = e * large;
    const real s = z < 0 ? small : large, complement = z < 0 ? large : small; /* sigmoid(z), sigmoid(-z) */
    const real bounded = z > R(800) ? R(800) : z < R(-800) ? R(-800) : z;     /* inf * 0 */
    return s * FN(fma)(bounded, complement, 1);
}
FASTNN_INLINE real FN(d_softplus)(real z) { return FN(v_sigmoid)(z); }
FASTNN_INLINE real FN(d_exp)(real a) { return a; }
/* w + z (1 - w^2) sigmoid(z), w = p / (p + q), 1 - w = q / (p + q), from e = e^-|z| */
FASTNN_INLINE real FN(d_mish_of)(real z, real e)
{
    const real p = FN(mish_p)(z, e), q = FN(mish_q)(z, e), sum = p + q, w = p / sum, rest = q / sum;
    const real s = FN(vm_by_sign)(z, e, 1) / (1 + e), bounded = FN(vm_bounded)(z, 800); /* inf * 0 */
    return FN(fma)(bounded * s, rest * (1 + w), w);
}
FASTNN_INLINE real FN(d_mish)(real z) { return FN(d_mish_of)(z, FN(vm_exp_neg_abs)(z)); }

/* The three loops of an activation over `count` elements; b and the sums of dZ are (count) too. */
#define ACTIVATION_LOOPS(name, ...)                                                                         \
    static void FN(name##_in_place)(ptrdiff_t count, const real *restrict b, real *restrict Z)              \
    {                                                                                                       \
        for (ptrdiff_t i = 0; i < count; i++) Z[i] = FN(g_##name)(Z[i] + b[i]);                             \
    }                                                                                                       \
    static void FN(name##_apart)(ptrdiff_t count, const real *restrict b, real *restrict Z, real *restrict A) \
    {                                                                                                       \
        for (ptrdiff_t i = 0; i < count; i++) {                                                             \
            const real z = Z[i] + b[i];                                                                     \
            Z[i] = z;                                                                                       \
            A[i] = FN(g_##name)(z);                                                                         \
        }                                                                                                   \
    }                                                                                                       \
    static void FN(name##_backward)(ptrdiff_t count, const real *restrict cache, real *restrict dZ,         \
                                    real *restrict sums)                                                    \
    {                                                                                                       \
        for (ptrdiff_t i = 0; i < count; i++) {                                                             \
            const real dz = dZ[i] * FN(d_##name)(cache[i]);                                                 \
            dZ[i] = dz;                                                                                     \
            sums[i] += dz;                                                                                  \
        }                                                                                                   \
    }

/* COLUMNS rows use the loops of the identity; `activate` then makes a pass over whole columns. */
#define SKIP(name, ...)
FASTNN_FOR_EACH_ACTIVATION(ACTIVATION_LOOPS, SKIP)

typedef struct {
    void (*in_place)(ptrdiff_t, const real *restrict, real *restrict);
    void (*apart)(ptrdiff_t, const real *restrict, real *restrict, real *restrict);
    void (*backward)(ptrdiff_t, const real *restrict, real *restrict, real *restrict);
} FN(activation_loops);

#define LOOPS(name, ...) {FN(name##_in_place), FN(name##_apart), FN(name##_backward)},
#define IDENTITY_LOOPS(name, ...) {FN(identity_in_place), FN(identity_apart), FN(identity_backward)},
static const FN(activation_loops) FN(loops_of)[] = {FASTNN_FOR_EACH_ACTIVATION(LOOPS, IDENTITY_LOOPS)};

static void FN(activate)(int activation, ptrdiff_t n, ptrdiff_t m, const void *b, void *Z_, void *A_,
                         const fastnn_dropout *dropout, ptrdiff_t first)
{
    real *Z = Z_, *A = A_;
    const folded_shape t = b ? fold_shape(n, m) : fold_shape(1, n * m); /* without b: one long vector */
    real local[FOLDED_HEIGHT];
    const real *bias = b;
    if (n <= 0 || m <= 0) return;
    if (t.height <= FOLDED_HEIGHT) {
        FN(repeat)(b ? n : 1, t.height, b, local);
        bias = local;
    }
    for (ptrdiff_t j = 0; j <= t.width; j++) {
        const ptrdiff_t start = j * t.height, count = j < t.width ? t.height : t.rest;
        if (Z == A)
            FN(loops_of)[activation].in_place(count, bias, Z + start);
        else
            FN(loops_of)[activation].apart(count, bias, Z + start, A + start);
        if (dropout) FN(drop)(dropout, first + start, count, A + start);
    }
    if (activation == FASTNN_SOFTMAX) FN(softmax_columns)(n, m, A);
}

static void FN(activate_backward)(int activation, ptrdiff_t n, ptrdiff_t m, const void *cache_,
                                  const void *dropped_, void *dZ_, double scale, void *db)
{
    const real *cache = cache_, *dropped = dropped_;
    real *dZ = dZ_;
    if (activation == FASTNN_SOFTMAX) FN(softmax_derivative)(n, m, cache, dZ);
    if (!db) { /* one long vector */
        m *= n;
        n = 1;
    }
    const folded_shape t = fold_shape(n, m);
    real local[FOLDED_HEIGHT];
    real *sums = t.height <= FOLDED_HEIGHT ? local : db;
    memset(sums, 0, (size_t)t.height * sizeof(real));
    for (ptrdiff_t j = 0; j <= t.width; j++) {
        const ptrdiff_t start = j * t.height, count = j < t.width ? t.height : t.rest;
        if (dropped) FN(drop_backward)(count, dropped + start, dZ + start);
        FN(loops_of)[activation].backward(count, cache + start, dZ + start, sums);
    }
    if (db) FN(add_copies)(n, t.height, sums, scale, db);
}

static void FN(elementwise)(int function, ptrdiff_t count, const void *x_, void *out_)
{
    const real *restrict x = x_;
    real *restrict out = out_;
    switch (function) {
#define CASE(name, ENUM)                                                      \
    case FASTNN_F_##ENUM:                                                     \
        for (ptrdiff_t i = 0; i < count; i++) out[i] = FN(v_##name)(x[i]);    \
        break;
        FASTNN_FOR_EACH_FUNCTION(CASE)
#undef CASE
    }
}

#undef IDENTITY_LOOPS
#undef LOOPS
#undef SKIP
#undef ACTIVATION_LOOPS
