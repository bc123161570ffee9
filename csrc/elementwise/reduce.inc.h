/* reduce.inc.h: sums over the columns of a matrix, and the folded shape that makes loops over narrow matrices long.

   A matrix with adjacent columns is the same memory as one k times as tall with 1/k of the columns. Passes that treat
   each row alike read narrow layers in that folded shape: b is repeated k times, or sums are kept in k copies. */
#ifndef FASTNN_REDUCE
#define FASTNN_REDUCE

typedef struct {
    ptrdiff_t height; /* n * k: rows of the folded matrix */
    ptrdiff_t width;  /* m / k: its columns */
    ptrdiff_t rest;   /* n * (m % k): elements after them */
} folded_shape;

static folded_shape fold_shape(ptrdiff_t n, ptrdiff_t m)
{
    const ptrdiff_t k = MAX(1, MIN(m, FOLDED_HEIGHT / MAX(n, 1)));
    const folded_shape t = {n * k, m / k, n * (m % k)};
    return t;
}
#endif

/* out = k copies of b. */
static void FN(repeat)(ptrdiff_t n, ptrdiff_t height,
                       const real *restrict b, /* IN (n) or NULL for zeros */
                       real *restrict out)     /* OUT (height), height a multiple of n */
{
    if (!b) {
        memset(out, 0, (size_t)height * sizeof(real));
        return;
    }
    if (n == 1) {
        for (ptrdiff_t i = 0; i < height; i++) out[i] = *b;
        return;
    }
    memcpy(out, b, (size_t)n * sizeof(real));
    for (ptrdiff_t done = n; done < height;) { /* doubling */
        const ptrdiff_t more = MIN(done, height - done);
        memcpy(out + done, out, (size_t)more * sizeof(real));
        done += more;
    }
}

/* out = scale * (the sum of the k copies in `sums`). */
static void FN(add_copies)(ptrdiff_t n, ptrdiff_t height,
                           real *sums, /* IN/OUT (height) */
                           double scale,
                           real *out)  /* OUT (n), may be sums */
{
    while (height > n) { /* add the later half of the copies to the earlier ones */
        const ptrdiff_t half = height / n / 2 * n;
        height -= half;
        for (ptrdiff_t i = 0; i < half; i++) sums[i] += sums[height + i];
    }
    for (ptrdiff_t i = 0; i < n; i++) out[i] = (real)scale * sums[i];
}

FASTNN_INLINE void FN(accumulate)(ptrdiff_t count,
                                  const real *restrict x, /* IN (count) */
                                  real *restrict sums)    /* IN/OUT (count) */
{
    for (ptrdiff_t i = 0; i < count; i++) sums[i] += x[i];
}

static void FN(sum_columns)(ptrdiff_t n, ptrdiff_t m, const void *M_, double scale, void *out_)
{
    const real *M = M_;
    real *out = out_;
    real local[FOLDED_HEIGHT];
    const folded_shape t = fold_shape(n, m);
    real *sums = t.height <= FOLDED_HEIGHT ? local : out; /* taller: k = 1 */
    memset(sums, 0, (size_t)t.height * sizeof(real));
    for (ptrdiff_t j = 0; j < t.width; j++) FN(accumulate)(t.height, M + j * t.height, sums);
    FN(accumulate)(t.rest, M + t.width * t.height, sums);
    FN(add_copies)(n, t.height, sums, scale, out);
}
