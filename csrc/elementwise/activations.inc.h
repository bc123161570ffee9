/* activations.inc.h: A = g(Z + b), and dZ = dA * g'(Z) with db in the same pass.

   Each activation is one expression for g and one for g'. Where g' can be written in A, training keeps A alone
   and writes it over Z; gelu, silu and softplus need Z (fastnn_keeps_z). At the kinks g'(0) is the left-hand
   value: relu 0, leaky relu 0.01, elu and selu as for Z < 0 (the notes: either will do). */
#ifndef FASTNN_SELU_SCALE
#define FASTNN_LEAK 0.01
/* Klambauer et al. 2017, appendix 1: the fixed point of zero mean and unit variance. */
#define FASTNN_SELU_SCALE 1.0507009873554804934193349852946
#define FASTNN_SELU_ALPHA 1.6732632423543772848170429916717
#endif

/* g(z) */
FASTNN_INLINE real FN(g_sigmoid)(real z) { return FN(v_sigmoid)(z); }
FASTNN_INLINE real FN(g_tanh)(real z) { return FN(v_tanh)(z); }
FASTNN_INLINE real FN(g_relu)(real z) { return z <= 0 ? 0 : z; } /* a NaN stays one */
FASTNN_INLINE real FN(g_leaky_relu)(real z) { return z > 0 ? z : R(FASTNN_LEAK) * z; }
FASTNN_INLINE real FN(g_identity)(real z) { return z; }
FASTNN_INLINE real FN(g_elu)(real z) { return z > 0 ? z : FN(v_expm1)(z); }
FASTNN_INLINE real FN(g_selu)(real z)
{
    return z > 0 ? R(FASTNN_SELU_SCALE) * z : R(FASTNN_SELU_SCALE * FASTNN_SELU_ALPHA) * FN(v_expm1)(z);
}
FASTNN_INLINE real FN(g_gelu)(real z) { return z < R(-40) ? R(-0.0) : z * FN(v_normal_cdf)(z); } /* -inf * 0 */
FASTNN_INLINE real FN(g_silu)(real z)
{
    const real a = z * FN(v_sigmoid)(z);
    return z < -R(FLT_MAX) ? R(-0.0) : a; /* -inf * 0 */
}
FASTNN_INLINE real FN(g_softplus)(real z) { return FN(v_softplus)(z); }
FASTNN_INLINE real FN(g_exponential)(real z) { return FN(v_exp)(z); }

/* g'(z), from a = g(z) or from z */
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
    return s * (1 + bounded * complement);
}
FASTNN_INLINE real FN(d_softplus)(real z) { return FN(v_sigmoid)(z); }
FASTNN_INLINE real FN(d_exponential)(real a) { return a; }

/* The three loops of an activation over `count` elements, b and the sums of dZ already as long as they. */
#define ACTIVATION_LOOPS(name)                                                                              \
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

ACTIVATION_LOOPS(sigmoid)
ACTIVATION_LOOPS(tanh)
ACTIVATION_LOOPS(relu)
ACTIVATION_LOOPS(leaky_relu)
ACTIVATION_LOOPS(identity)
ACTIVATION_LOOPS(elu)
ACTIVATION_LOOPS(selu)
ACTIVATION_LOOPS(gelu)
ACTIVATION_LOOPS(silu)
ACTIVATION_LOOPS(softplus)
ACTIVATION_LOOPS(exponential)

#define ACTIVATION_ROW(form) /* in the order of the enum; softmax is not element-wise */                    \
    {                                                                                                       \
        FN(sigmoid_##form), FN(tanh_##form), FN(relu_##form), FN(leaky_relu_##form), FN(identity_##form),   \
        FN(identity_##form), FN(elu_##form), FN(selu_##form), FN(gelu_##form), FN(silu_##form),             \
        FN(softplus_##form), FN(exponential_##form)                                                         \
    }

static void FN(activate)(int activation, ptrdiff_t n, ptrdiff_t m, const void *b, void *Z_, void *A_,
                         const fastnn_dropout *dropout, ptrdiff_t first)
{
    typedef void (*in_place_loop)(ptrdiff_t, const real *restrict, real *restrict);
    typedef void (*apart_loop)(ptrdiff_t, const real *restrict, real *restrict, real *restrict);
    static const in_place_loop in_place[] = ACTIVATION_ROW(in_place);
    static const apart_loop apart[] = ACTIVATION_ROW(apart);
    real *Z = Z_, *A = A_;
    const tile_shape t = b ? tile(n, m) : tile(1, n * m); /* without b no rows to tell apart: one long vector */
    real local[FASTNN_TILE];
    const real *bias = b;
    if (n <= 0 || m <= 0) return;
    if (t.height <= FASTNN_TILE) {
        FN(repeat)(b ? n : 1, t.height, b, local);
        bias = local;
    }
    for (ptrdiff_t j = 0; j <= t.width; j++) {
        const ptrdiff_t start = j * t.height, count = j < t.width ? t.height : t.rest;
        if (Z == A)
            in_place[activation](count, bias, Z + start);
        else
            apart[activation](count, bias, Z + start, A + start);
        if (dropout) FN(drop)(dropout, first + start, count, A + start);
    }
    if (activation == FASTNN_SOFTMAX) FN(softmax_columns)(n, m, A);
}

static void FN(activate_backward)(int activation, ptrdiff_t n, ptrdiff_t m, const void *cache_,
                                  const void *dropped_, void *dZ_, double scale, void *db)
{
    typedef void (*backward_loop)(ptrdiff_t, const real *restrict, real *restrict, real *restrict);
    static const backward_loop backward[] = ACTIVATION_ROW(backward);
    const real *cache = cache_, *dropped = dropped_;
    real *dZ = dZ_;
    if (activation == FASTNN_SOFTMAX) FN(softmax_derivative)(n, m, cache, dZ);
    if (!db) { /* no rows to tell apart: one long vector */
        m *= n;
        n = 1;
    }
    const tile_shape t = tile(n, m);
    real local[FASTNN_TILE];
    real *sums = t.height <= FASTNN_TILE ? local : db;
    memset(sums, 0, (size_t)t.height * sizeof(real));
    for (ptrdiff_t j = 0; j <= t.width; j++) {
        const ptrdiff_t start = j * t.height, count = j < t.width ? t.height : t.rest;
        if (dropped) FN(drop_backward)(count, dropped + start, dZ + start);
        backward[activation](count, cache + start, dZ + start, sums);
    }
    if (db) FN(fold)(n, t.height, sums, scale, db);
}

#define ELEMENTWISE(f) \
    for (ptrdiff_t i = 0; i < count; i++) out[i] = FN(v_##f)(x[i]); \
    break

static void FN(elementwise)(int function, ptrdiff_t count, const void *x_, void *out_)
{
    const real *restrict x = x_;
    real *restrict out = out_;
    switch (function) {
    case FASTNN_EXP: ELEMENTWISE(exp);
    case FASTNN_EXPM1: ELEMENTWISE(expm1);
    case FASTNN_LOG: ELEMENTWISE(log);
    case FASTNN_LOG1P: ELEMENTWISE(log1p);
    case FASTNN_F_TANH: ELEMENTWISE(tanh);
    case FASTNN_F_SIGMOID: ELEMENTWISE(sigmoid);
    case FASTNN_F_SOFTPLUS: ELEMENTWISE(softplus);
    case FASTNN_NORMAL_CDF: ELEMENTWISE(normal_cdf);
    case FASTNN_NORMAL_PDF: ELEMENTWISE(normal_pdf);
    }
}

#undef ELEMENTWISE
#undef ACTIVATION_ROW
#undef ACTIVATION_LOOPS
