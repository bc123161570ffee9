/* vmath.inc.h: element-wise mathematical functions. Included once per type, with real, REAL_BITS, uint_real and FN()
 * defined.
 *
 * Every function is straight-line code with selects instead of branches, calls nothing, and uses only operations
 * that SSE2 already has (no 64-bit arithmetic shift, no 64-bit integer <-> double conversion), so that a plain loop
 * around it is vectorised at every SIMD level. FN(fma) is fused where the level has FMA and not at baseline; the bounds
 * hold for both. Do not build with -ffast-math. `x > limit ? limit : x` is false for NaN, so that NaN is kept.
 *
 * Every function is valid over the whole range of the type, including limits, NaN and subnormals. Its comment gives the
 * largest error found, float / double, at the three x86-64 levels (gcc 12), in units in the last place of the exact
 * result (in the subnormal range: in units of the smallest subnormal). float: against double, every x with
 * 2^-26 <= |x| < 256 (log: 1/8 <= x < 256) and every 61st bit pattern elsewhere; double: against 113-bit arithmetic,
 * 2 * 10^7 random points, most of them near the limits of reductions and ranges. tests/core/test_vmath.py checks the
 * bounds. */

#if REAL_BITS == 32
#define VM_MANTISSA 23
#define VM_BIAS 127
#define VM_ROUND 12582912.0f /* 1.5 * 2^23: v + VM_ROUND rounds v to an integer, held in the low bits of the sum */
#define VM_TWO_MANTISSA 8388608.0f
#define VM_LOG2E 1.44269504f
#define VM_LN2_HI 0.693359375f /* few enough bits that n * VM_LN2_HI is exact */
#define VM_LN2_LO -2.12194440e-4f
#define VM_EXP_MAX 89.0f /* exp(x) is infinite for x >= this */
#define VM_EXP_MIN -104.0f /* exp(x) rounds to 0 for x <= this */
#define VM_EXPM1_MIN -20.0f /* expm1(x) rounds to -1 for x <= this */
#define VM_TANH_MAX 10.0f /* tanh(x) rounds to 1 for x >= this */
#define VM_NORMAL_MAX 14.5f /* exp(-x^2 / 2) rounds to 0 for x >= this */
#define VM_LIFT 100 /* 2^(n + VM_LIFT) is a normal number for every n that a non-positive argument can give */
#define VM_UNLIFT 0x1p-100f
#define VM_LOW_HALF 0xFFFu /* low half of the significand: without it, x^2 is exact */
#define VM_FABS fabsf
#define VM_MIN_NORMAL FLT_MIN
#else
#define VM_MANTISSA 52
#define VM_BIAS 1023
#define VM_ROUND 6755399441055744.0
#define VM_TWO_MANTISSA 4503599627370496.0
#define VM_LOG2E 1.4426950408889634
#define VM_LN2_HI 6.93147180369123816490e-01
#define VM_LN2_LO 1.90821492927058770002e-10
#define VM_EXP_MAX 710.0
#define VM_EXP_MIN -746.0
#define VM_EXPM1_MIN -40.0
#define VM_TANH_MAX 20.0
#define VM_NORMAL_MAX 38.7
#define VM_LIFT 1000
#define VM_UNLIFT 0x1p-1000
#define VM_LOW_HALF 0x7FFFFFFu
#define VM_FABS fabs
#define VM_MIN_NORMAL DBL_MIN
#endif
#define VM_SIGN ((uint_real)1 << (REAL_BITS - 1))
#define VM_MANTISSA_MASK (((uint_real)1 << VM_MANTISSA) - 1)
#define VM_TINY ((real)0x1p-60) /* expm1(x) and log1p(x) round to x for |x| below this */
#define VM_SQRT_HALF ((real)0.70710678118654752)

FASTNN_INLINE uint_real FN(vm_bits)(real x)
{
    uint_real bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

FASTNN_INLINE real FN(vm_real)(uint_real bits)
{
    real x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Return 2^(field - VM_BIAS); the shift discards the high bits of `field`. */
FASTNN_INLINE real FN(vm_pow2)(uint_real field)
{
    return FN(vm_real)(field << VM_MANTISSA);
}

/* `negative` if the sign bit of z is set, else `positive`: bit operations, because gcc merges selects of one condition
 * with others into branches, and vectorises each path of those. */
FASTNN_INLINE real FN(vm_by_sign)(real z, real negative, real positive)
{
    const uint_real mask = 0 - (FN(vm_bits)(z) >> (REAL_BITS - 1));
    return FN(vm_real)((FN(vm_bits)(negative) & mask) | (FN(vm_bits)(positive) & ~mask));
}

/* z, at most `limit` away from 0; NaN stays NaN. */
FASTNN_INLINE real FN(vm_bounded)(real z, real limit)
{
    const real a = VM_FABS(z), least = a > limit ? limit : a;
    return FN(vm_real)(FN(vm_bits)(least) | (FN(vm_bits)(z) & VM_SIGN));
}

#include "math/polynomials.inc.h"

/* ---- Shared cores. ---- */

/* Return x - n ln 2, where n * VM_LN2_HI is exact. */
FASTNN_INLINE real FN(vm_reduced)(real x, real n)
{
    return FN(fma)(-n, VM_LN2_LO, FN(fma)(-n, VM_LN2_HI, x));
}

/* Return e^r 2^n for a non-positive exponent; n is in the low bits of `shifted` (see VM_ROUND). For gradual underflow,
 * 2^n is scaled up to a normal number first, and only the last multiplication rounds. */
FASTNN_INLINE real FN(vm_exp_lifted)(real r, real shifted)
{
    return FN(vm_exp_poly)(r) * FN(vm_pow2)(FN(vm_bits)(shifted)) * VM_UNLIFT;
}

/* e^-|x| */
FASTNN_INLINE real FN(vm_exp_neg_abs)(real x)
{
    const real magic = VM_ROUND + (VM_BIAS + VM_LIFT);
    real y = -VM_FABS(x);
    y = y < VM_EXP_MIN ? VM_EXP_MIN : y;
    real shifted = FN(fma)(y, VM_LOG2E, magic);
    return FN(vm_exp_lifted)(FN(vm_reduced)(y, shifted - magic), shifted);
}

/* e^(-a^2 / 2) for 0 <= a <= VM_NORMAL_MAX. a = c + d with c^2 exact: -a^2 / 2 = -c^2 / 2 - d / 2 (a + c). */
FASTNN_INLINE real FN(vm_exp_half_square)(real a)
{
    const real magic = VM_ROUND + (VM_BIAS + VM_LIFT);
    real c = FN(vm_real)(FN(vm_bits)(a) & ~(uint_real)VM_LOW_HALF);
    real exact = (real)-0.5 * c * c, half_d = (real)-0.5 * (a - c);
    real shifted = FN(fma)(FN(fma)(half_d, a + c, exact), VM_LOG2E, magic);
    real r = FN(fma)(half_d, a + c, FN(vm_reduced)(exact, shifted - magic));
    return FN(vm_exp_lifted)(r, shifted);
}

/* (e^x - 1) / 2 for VM_EXPM1_MIN <= x <= VM_EXP_MAX: x = n ln 2 + r, 2^(n-1) (e^r - 1) + (2^(n-1) - 1/2).
 * For n = 1 or -1 and a small result the two terms cancel. `nudge` therefore rounds n down a little: 0.0849625 =
 * log2(3/2) - 1/2 gives n = 0 for -1/4 < e^x - 1 < 1/2; it may be larger if x >= 0. The result is halved so that
 * n = 128 (1024) does not overflow. */
FASTNN_INLINE real FN(vm_half_expm1)(real x, real nudge)
{
    const real magic = VM_ROUND + (VM_BIAS - 1);
    real shifted = FN(fma)(x, VM_LOG2E, -nudge) + magic;
    real n = shifted - magic;
    real r = FN(vm_reduced)(x, n);
    real power = FN(vm_pow2)(FN(vm_bits)(shifted));
    return FN(fma)(power, FN(vm_expm1_poly)(r), power - (real)0.5);
}

/* Return numerator / (1 + h), h >= 0. For small h this is computed as numerator - h * quotient, which multiplies the
 * rounding errors of the quotient and of 1 + h by h. */
FASTNN_INLINE real FN(vm_quotient)(real numerator, real h)
{
    real quotient = numerator / (1 + h);
    return h < (real)0.35 ? FN(fma)(-h, quotient, numerator) : quotient;
}

/* log(1 + f) + k ln 2 for sqrt(1/2) <= 1 + f <= sqrt(2): summed as in fdlibm's log. */
FASTNN_INLINE real FN(vm_log_sum)(real f, real k)
{
    real s = f / (2 + f), z = s * s;
    real half_square = (real)0.5 * f * f;
    real sum = FN(fma)(FN(vm_log_poly)(z), z, half_square); /* half_square + R */
    return FN(fma)(k, VM_LN2_HI, -((half_square - FN(fma)(s, sum, k * VM_LN2_LO)) - f));
}

/* The bits of x > 0, moved so that their exponent field is k + VM_BIAS: x = 2^k m with sqrt(1/2) <= m < sqrt(2). */
FASTNN_INLINE uint_real FN(vm_log_bits)(real x)
{
    return FN(vm_bits)(x) + (FN(vm_bits)(1) - FN(vm_bits)(VM_SQRT_HALF));
}

/* The exponent field of those bits as a number, less `offset`. */
FASTNN_INLINE real FN(vm_log_exponent)(uint_real bits, real offset)
{
    return FN(vm_real)((bits >> VM_MANTISSA) | FN(vm_bits)(VM_TWO_MANTISSA)) - (VM_TWO_MANTISSA + offset);
}

/* ---- The functions. ---- */

/* e^x = 2^n e^r, x = n ln 2 + r. 2^n is the product of two halves, so that it neither overflows nor underflows early.
 * Largest error: 1.02 / 1.03 ULP. */
FASTNN_INLINE real FN(v_exp)(real x)
{
    const real magic = VM_ROUND + 2 * VM_BIAS;
    real y = x > VM_EXP_MAX ? VM_EXP_MAX : x;
    y = x < VM_EXP_MIN ? VM_EXP_MIN : y; /* x, not y: gcc would split a chain into branches, at 10% of the speed */
    real shifted = FN(fma)(y, VM_LOG2E, magic);
    real n = shifted - magic;
    real r = FN(vm_reduced)(y, n);
    uint_real fields = FN(vm_bits)(shifted), half = fields >> 1;
    return FN(vm_exp_poly)(r) * FN(vm_pow2)(half) * FN(vm_pow2)(fields - half);
}

/* e^x - 1, see vm_half_expm1. Largest error: 1.35 / 1.21 ULP. */
FASTNN_INLINE real FN(v_expm1)(real x)
{
    real y = x > VM_EXP_MAX ? VM_EXP_MAX : x;
    y = x < VM_EXPM1_MIN ? VM_EXPM1_MIN : y;
    real value = 2 * FN(vm_half_expm1)(y, (real)0.0849625);
    return VM_FABS(x) < VM_TINY ? x : value;
}

/* v_expm1(x) for x <= 0, bitwise: the argument -|x| needs no upper limit. */
FASTNN_INLINE real FN(vm_expm1_negative)(real x)
{
    real a = VM_FABS(x), y = -a;
    y = y < VM_EXPM1_MIN ? VM_EXPM1_MIN : y;
    real value = 2 * FN(vm_half_expm1)(y, (real)0.0849625);
    return a < VM_TINY ? x : value;
}

/* log x = log m + k ln 2, x = 2^k m; subnormals are scaled up first. Largest error: 0.84 / 0.86 ULP. */
FASTNN_INLINE real FN(v_log)(real x)
{
    real scaled = x < VM_MIN_NORMAL ? x * VM_TWO_MANTISSA : x;
    real offset = x < VM_MIN_NORMAL ? (real)(VM_BIAS + VM_MANTISSA) : (real)VM_BIAS;
    uint_real bits = FN(vm_log_bits)(scaled);
    real m = FN(vm_real)((bits & VM_MANTISSA_MASK) + FN(vm_bits)(VM_SQRT_HALF));
    real value = FN(vm_log_sum)(m - 1, FN(vm_log_exponent)(bits, offset));
    real edge = x == 0 ? -(real)INFINITY : (real)NAN;
    value = x < (real)INFINITY ? value : x;
    return x > 0 ? value : edge;
}

/* log(1 + x); 1 + x = 2^k (1 + f), k from the rounded 1 + x, but f = 2^-k x + (2^-k - 1) from x itself: exact except
 * one bit at k = 1. The factors are 4 * 2^-k and x / 4, because 2^-128 (2^-1024) would be subnormal.
 * Largest error: 1.40 / 1.40 ULP. */
FASTNN_INLINE real FN(v_log1p)(real x)
{
    const uint_real one = (uint_real)1 << VM_MANTISSA;
    uint_real bits = FN(vm_log_bits)(1 + x);
    real power = FN(vm_real)((2 * VM_BIAS + 2) * one - (bits & ~VM_MANTISSA_MASK));
    real f = FN(fma)((real)0.25 * x, power, FN(fma)((real)0.25, power, -1));
    real value = FN(vm_log_sum)(f, FN(vm_log_exponent)(bits, VM_BIAS));
    real edge = x == -1 ? -(real)INFINITY : (real)NAN;
    value = VM_FABS(x) < VM_TINY ? x : value;
    value = x < (real)INFINITY ? value : x;
    return x > -1 ? value : edge;
}

/* tanh |x| = h / (1 + h), h = (e^(2 |x|) - 1) / 2; odd to the bit. Largest error: 1.99 / 1.94 ULP (1.71 / 1.70 with
 * FMA). */
FASTNN_INLINE real FN(v_tanh)(real x)
{
    real a = VM_FABS(x);
    a = a > VM_TANH_MAX ? VM_TANH_MAX : a;
    real h = FN(vm_half_expm1)(a + a, (real)0.24);
    return FN(vm_real)(FN(vm_bits)(FN(vm_quotient)(h, h)) | (FN(vm_bits)(x) & VM_SIGN));
}

/* 1 / (1 + e^-x) = e^x / (1 + e^x): with e = e^-|x| the form that does not overflow.
 * Largest error: 1.87 / 1.84 ULP. */
FASTNN_INLINE real FN(v_sigmoid)(real x)
{
    real e = FN(vm_exp_neg_abs)(x);
    return FN(vm_quotient)(x < 0 ? e : 1, e);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x| in [0, 1]: only k = 0 and k = 1 occur in the logarithm.
 * Largest error: 1.68 / 1.65 ULP. (Without the reduction, s = e / (2 + e) up to 1/3: 10% faster, but 2.01.) */
FASTNN_INLINE real FN(v_softplus)(real x)
{
    const real sqrt2_less_1 = (real)0.41421356237309505;
    real e = FN(vm_exp_neg_abs)(x);
    real f = e > sqrt2_less_1 ? FN(fma)((real)0.5, e, (real)-0.5) : e;
    real k = e > sqrt2_less_1 ? (real)1 : (real)0;
    return (x > 0 ? x : 0) + FN(vm_log_sum)(f, k);
}

/* Density of the standard normal distribution, e^(-x^2 / 2) / sqrt(2 pi). Largest error: 2.16 / 2.32 ULP. */
FASTNN_INLINE real FN(v_normal_pdf)(real x)
{
    real a = VM_FABS(x);
    a = a > VM_NORMAL_MAX ? VM_NORMAL_MAX : a;
    return (real)0.39894228040143268 * FN(vm_exp_half_square)(a);
}

/* Phi(x), its distribution function: the lower tail is e^(-x^2 / 2) over vm_normal_ratio, the upper one 1 less that.
 * Largest error, in the lower tail: 3.66 / 3.65 ULP. */
FASTNN_INLINE real FN(v_normal_cdf)(real x)
{
    real a = VM_FABS(x);
    a = a > VM_NORMAL_MAX ? VM_NORMAL_MAX : a;
    real tail = FN(vm_exp_half_square)(a) / FN(vm_normal_ratio)(a);
    return x < 0 ? tail : 1 - tail;
}

/* x - n in [-1/2, 1/2] for an integer n, exact for every x; NaN for infinity. */
FASTNN_INLINE real FN(vm_fraction)(real x)
{
#if defined(__SSE4_1__) || defined(__aarch64__) /* rounds in one instruction */
    return x - FN(round_even)(x);
#else
    real a = VM_FABS(x), n = (a + VM_TWO_MANTISSA) - VM_TWO_MANTISSA;
    a -= a < VM_TWO_MANTISSA ? n : a; /* larger numbers are integers */
    return FN(vm_real)(FN(vm_bits)(a) ^ (FN(vm_bits)(x) & VM_SIGN));
#endif
}

/* cos(2 pi x), from r = x - n: |r| is reflected at 1/4, which changes the sign, and b in [0, 1/4] at 1/8, which
 * exchanges sine and cosine. Largest error: 1.67 / 1.57 ULP. */
FASTNN_INLINE real FN(v_cos2pi)(real x)
{
    real a = VM_FABS(FN(vm_fraction)(x)), reflected = (real)0.5 - a, b = reflected < a ? reflected : a;
    real rest = (real)0.25 - b, u = rest < b ? rest : b, z = u * u;
    real sine = FN(vm_sin2pi_poly)(u, z), cosine = FN(vm_cos2pi_poly)(z), value = rest < b ? sine : cosine;
    return FN(vm_real)(FN(vm_bits)(value) | (FN(vm_bits)((real)0.25 - a) & VM_SIGN));
}

/* sin(2 pi x), likewise; it has the sign of r. Largest error: 1.67 / 1.57 ULP. */
FASTNN_INLINE real FN(v_sin2pi)(real x)
{
    real r = FN(vm_fraction)(x), a = VM_FABS(r), reflected = (real)0.5 - a, b = reflected < a ? reflected : a;
    real rest = (real)0.25 - b, u = rest < b ? rest : b, z = u * u;
    real sine = FN(vm_sin2pi_poly)(u, z), cosine = FN(vm_cos2pi_poly)(z), value = rest < b ? cosine : sine;
    return FN(vm_real)(FN(vm_bits)(value) | (FN(vm_bits)(r) & VM_SIGN));
}

#undef VM_MANTISSA
#undef VM_BIAS
#undef VM_ROUND
#undef VM_TWO_MANTISSA
#undef VM_LOG2E
#undef VM_LN2_HI
#undef VM_LN2_LO
#undef VM_EXP_MAX
#undef VM_EXP_MIN
#undef VM_EXPM1_MIN
#undef VM_TANH_MAX
#undef VM_NORMAL_MAX
#undef VM_LIFT
#undef VM_UNLIFT
#undef VM_LOW_HALF
#undef VM_FABS
#undef VM_MIN_NORMAL
#undef VM_SIGN
#undef VM_MANTISSA_MASK
#undef VM_TINY
#undef VM_SQRT_HALF
