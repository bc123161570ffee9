/* dropout.inc.h: inverted dropout (Srivastava et al. 2014) without a mask array.

   A dropped unit is marked by -0, a kept zero becomes +0; the backward pass reads the marks. The next layer's products
   apply the factor 1 / (1 - rate), so that A stays the value that g' is computed from. */

/* Mark units among `count` elements, the first of which is element `first` of the mini-batch's matrix. */
static void FN(drop)(const fastnn_dropout *dropout, ptrdiff_t first, ptrdiff_t count, real *restrict A /* IN/OUT */)
{
    const uint32_t threshold = dropout->threshold, stream = dropout->stream;
    uint32_t words[DROPOUT_BLOCK + 2 + 2 * 16 * THREEFRY_CHAINS];
    for (ptrdiff_t start = 0; start < count; start += DROPOUT_BLOCK) {
        const ptrdiff_t length = MIN(DROPOUT_BLOCK, count - start), odd = (first + start) % 2;
        const uint32_t pair = (uint32_t)((first + start) / 2), n_pairs = (uint32_t)(odd + length + 1) / 2;
        /* of the chains: whole vectors at every level, so that loops have no remainder */
        const uint32_t distance = (n_pairs + 16 * THREEFRY_CHAINS - 1) / (16 * THREEFRY_CHAINS) * 16;
        for (uint32_t k = 0; k < distance; k++)
            threefry_chains(dropout->key, pair + k, distance, stream, words + 2 * k);
        real *a = A + start;
        for (ptrdiff_t i = 0; i < length; i++) a[i] = words[odd + i] >= threshold ? a[i] + R(0.0) : R(-0.0);
    }
}

/* dA = 0 for dropped units. */
static void FN(drop_backward)(ptrdiff_t count,
                              const real *restrict A, /* IN (count), marked */
                              real *restrict dA)      /* IN/OUT (count) */
{
    for (ptrdiff_t i = 0; i < count; i++) {
        uint_real bits;
        memcpy(&bits, A + i, sizeof bits);
        dA[i] = bits == (uint_real)1 << (REAL_BITS - 1) ? 0 : dA[i];
    }
}
