/* mixtures.inc.h: A = (1 - t) Z + t g(Z) with a t for each unit (RealMLP's parametric activations, Holzmueller et al.
   2024), and its derivatives.

   With t = 1, A is g(Z) exactly, as long as Z is finite: 0 Z is 0. The backward pass computes g(Z) again, so that only
   Z is kept, and A for the marks of dropout. */

/* The part of an activation that a mixture computes in a loop of its own: the exponential, or all of g(z). In one loop
   with the rest, its operations, each of which waits for the one before, would leave units of the CPU idle. */
#define IS(ENUM, OTHER) (FASTNN_##ENUM == FASTNN_##OTHER)
#define PART_OF(name, ENUM, z)                                            \
    (IS(ENUM, ELU) || IS(ENUM, SELU) ? FN(vm_expm1_negative)(z)           \
     : IS(ENUM, MISH)                ? FN(vm_exp_neg_abs)(z) : FN(g_##name)(z))
/* g(z) and g'(z) from this part x. */
#define VALUE(ENUM, z, x)                                                 \
    (IS(ENUM, ELU)    ? FN(elu_of)(z, x)                                  \
     : IS(ENUM, SELU) ? FN(selu_of)(z, x)                                 \
     : IS(ENUM, MISH) ? FN(mish_of)(z, x) : (x))
#define SLOPE(name, ENUM, needs_z, z, x, g) \
    (IS(ENUM, MISH) ? FN(d_mish_of)(z, x) : FN(d_##name)(needs_z ? (z) : (g)))

/* The two loops of a mixture over `count` elements; b, t and the sums are (count) too. */
#define MIXTURE_LOOPS(name, ENUM, needs_z, rectifier)                                                              \
    static void FN(name##_mixed)(ptrdiff_t count, const real *restrict b, const real *restrict t, real *restrict Z, \
                                 real *restrict A)                                                                 \
    {                                                                                                              \
        for (ptrdiff_t i = 0; i < count; i++) {                                                                    \
            const real z = Z[i] + b[i];                                                                            \
            Z[i] = z;                                                                                              \
            A[i] = PART_OF(name, ENUM, z);                                                                         \
        }                                                                                                          \
        for (ptrdiff_t i = 0; i < count; i++)                                                                      \
            A[i] = FN(fma)(t[i], VALUE(ENUM, Z[i], A[i]), (1 - t[i]) * Z[i]);                                      \
    }                                                                                                              \
    static void FN(name##_mixed_backward)(ptrdiff_t count, const real *restrict t, const real *restrict Z,         \
                                          real *restrict dZ, real *restrict sums, real *restrict t_sums)           \
    {                                                                                                              \
        real part[FOLDED_HEIGHT];                                                                                  \
        for (ptrdiff_t i = 0; i < count; i++) part[i] = PART_OF(name, ENUM, Z[i]);                                 \
        for (ptrdiff_t i = 0; i < count; i++) {                                                                    \
            const real z = Z[i], x = part[i], g = VALUE(ENUM, z, x), da = dZ[i];                                   \
            const real dz = da * FN(fma)(t[i], SLOPE(name, ENUM, needs_z, z, x, g), 1 - t[i]);                     \
            dZ[i] = dz;                                                                                            \
            sums[i] += dz;                                                                                         \
            t_sums[i] += da * (g - z);                                                                             \
        }                                                                                                          \
    }

/* COLUMNS rows have no mixture: their entries are empty. */
#define SKIP(name, ...)
FASTNN_FOR_EACH_ACTIVATION(MIXTURE_LOOPS, SKIP)

typedef struct {
    void (*forward)(ptrdiff_t, const real *restrict, const real *restrict, real *restrict, real *restrict);
    void (*backward)(ptrdiff_t, const real *restrict, const real *restrict, real *restrict, real *restrict,
                     real *restrict);
} FN(mixture_loops);

#define LOOPS(name, ...) {FN(name##_mixed), FN(name##_mixed_backward)},
#define NO_LOOPS(name, ...) {NULL, NULL},
static const FN(mixture_loops) FN(mixtures_of)[] = {FASTNN_FOR_EACH_ACTIVATION(LOOPS, NO_LOOPS)};

#ifndef FASTNN_MIXTURE_STRIP
#define FASTNN_MIXTURE_STRIP
/* Rows first .. first + count - 1 of all columns, which are `stride` apart. A narrow matrix is a single strip, in its
   folded shape; a tall one has strips of FOLDED_HEIGHT rows, whose sums fit a local array. */
typedef struct {
    ptrdiff_t n;      /* rows of the matrix in the strip */
    ptrdiff_t height; /* n, or n * k if folded */
    ptrdiff_t width;  /* columns */
    ptrdiff_t rest;   /* elements of the folded matrix after them */
    ptrdiff_t stride;
} mixture_strip;

static mixture_strip strip_of_rows(ptrdiff_t n, ptrdiff_t m, ptrdiff_t row)
{
    const folded_shape t = fold_shape(n, m);
    const ptrdiff_t rows = MIN(n - row, FOLDED_HEIGHT);
    const mixture_strip narrow = {n, t.height, t.width, t.rest, t.height}, tall = {rows, rows, m, 0, n};
    return n <= FOLDED_HEIGHT ? narrow : tall;
}
#endif

static void FN(activate_mixed)(int activation, ptrdiff_t n, ptrdiff_t m, const void *b_, const void *t_, void *Z_,
                               void *A_, const fastnn_dropout *dropout, ptrdiff_t first)
{
    const real *b = b_, *t = t_;
    real *Z = Z_, *A = A_;
    real biases[FOLDED_HEIGHT], shares[FOLDED_HEIGHT];
    if (n <= 0 || m <= 0) return;
    for (ptrdiff_t row = 0; row < n; row += FOLDED_HEIGHT) {
        const mixture_strip s = strip_of_rows(n, m, row);
        FN(repeat)(s.n, s.height, b ? b + row : NULL, biases);
        FN(repeat)(s.n, s.height, t + row, shares);
        for (ptrdiff_t j = 0; j <= s.width; j++) {
            const ptrdiff_t start = row + j * s.stride, count = j < s.width ? s.height : s.rest;
            if (count == 0) break; /* start may lie beyond the matrix */
            FN(mixtures_of)[activation].forward(count, biases, shares, Z + start, A + start);
            if (dropout) FN(drop)(dropout, first + start, count, A + start);
        }
    }
}

static void FN(activate_mixed_backward)(int activation, ptrdiff_t n, ptrdiff_t m, const void *t_, const void *Z_,
                                        const void *dropped_, void *dZ_, double scale, void *db_, void *dt_)
{
    const real *t = t_, *Z = Z_, *dropped = dropped_;
    real *dZ = dZ_, *db = db_, *dt = dt_;
    real shares[FOLDED_HEIGHT], sums[FOLDED_HEIGHT], t_sums[FOLDED_HEIGHT];
    for (ptrdiff_t row = 0; row < n; row += FOLDED_HEIGHT) {
        const mixture_strip s = strip_of_rows(n, m, row);
        FN(repeat)(s.n, s.height, t + row, shares);
        memset(sums, 0, (size_t)s.height * sizeof(real));
        memset(t_sums, 0, (size_t)s.height * sizeof(real));
        for (ptrdiff_t j = 0; j <= s.width; j++) {
            const ptrdiff_t start = row + j * s.stride, count = j < s.width ? s.height : s.rest;
            if (count == 0) break;
            if (dropped) FN(drop_backward)(count, dropped + start, dZ + start);
            FN(mixtures_of)[activation].backward(count, shares, Z + start, dZ + start, sums, t_sums);
        }
        if (db) FN(add_copies)(s.n, s.height, sums, scale, db + row);
        if (dt) FN(add_copies)(s.n, s.height, t_sums, scale, dt + row);
    }
}

#undef NO_LOOPS
#undef LOOPS
#undef SKIP
#undef MIXTURE_LOOPS
#undef SLOPE
#undef VALUE
#undef PART_OF
#undef IS
