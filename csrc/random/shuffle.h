/* shuffle.h: shuffle in place; and compute a part of a pseudo-random permutation without storing the rest.

   Fisher-Yates from the end (Durstenfeld 1964), with several random indices from each 64-bit word. For indices below
   a, b, ... the word is multiplied by a: the upper half of the 128-bit product is the first index, and the lower half
   yields the next index in the same way. Words that would bias the result are rejected (Lemire 2019, "Fast random
   integer generation in an interval"; Brackett-Rozinsky & Lemire 2024, "Batched ranged random integer generation"). */
#ifndef FASTNN_SHUFFLE_H
#define FASTNN_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

/* Return the upper half of x y and store the lower half. */
static inline uint64_t wide_product(uint64_t x, uint64_t y, uint64_t *low)
{
#if defined(__SIZEOF_INT128__)
    __extension__ const unsigned __int128 product = (unsigned __int128)x * y;
    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
#else
    const uint64_t x0 = (uint32_t)x, x1 = x >> 32, y0 = (uint32_t)y, y1 = y >> 32;
    const uint64_t middle = x1 * y0 + (x0 * y0 >> 32), other = x0 * y1 + (uint32_t)middle;
    *low = x * y;
    return x1 * y1 + (middle >> 32) + (other >> 32);
#endif
}

/* Number of indices below `bound` per word: their cases stay below 2^57, so that words are rarely rejected. */
static inline int indices_of_a_word(ptrdiff_t bound)
{
    return bound <= 1 << 14 ? 4 : bound <= 1 << 19 ? 3 : bound <= 1 << 28 ? 2 : 1;
}

static inline void shuffle(int64_t *order,                 /* IN/OUT (count) */
                           ptrdiff_t count,
                           uint64_t (*next_word)(void *), void *generator)
{
    uint64_t index[4];
    for (ptrdiff_t left = count; left > 1;) {
        int together = indices_of_a_word(left);
        if (together > left - 1) together = (int)(left - 1);
        uint64_t cases = 1, low, least = 0;
        for (int t = 0; t < together; t++) cases *= (uint64_t)(left - t);
        do {
            low = next_word(generator);
            for (int t = 0; t < together; t++) index[t] = wide_product(low, (uint64_t)(left - t), &low);
            if (low < cases && !least) least = (0 - cases) % cases; /* 2^64 mod cases; 0 only for a power of 2 */
        } while (low < least);
        for (int t = 0; t < together; t++) {
            const ptrdiff_t last = --left;
            const int64_t chosen = order[index[t]];
            order[index[t]] = order[last];
            order[last] = chosen;
        }
    }
}

/* The permutation that needs no memory: a Feistel network on the fewest bits that hold count - 1, repeated until the
   result is below count (cycle walking; Black & Rogaway 2002, "Ciphers with arbitrary finite domains"). In each round,
   one half of the bits is combined with a keyed hash of the other. */

/* SplitMix64's finaliser with Stafford's constants (mix 13, 2011) and a key. */
static inline uint64_t keyed_hash(uint64_t x, uint64_t key)
{
    x += key;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline void permuted(int64_t *order,  /* OUT (length) the images of first, first + 1, ... */
                            ptrdiff_t first, ptrdiff_t length, ptrdiff_t count,
                            const uint64_t keys[FASTNN_SHUFFLE_ROUNDS]) /* IN */
{
    int bits = 2;
    while ((uint64_t)(count - 1) >> bits) bits++;
    const int low_bits = bits / 2;
    const uint64_t low_mask = ((uint64_t)1 << low_bits) - 1, high_mask = ((uint64_t)1 << (bits - low_bits)) - 1;
    for (ptrdiff_t i = 0; i < length; i++) {
        uint64_t number = (uint64_t)(first + i);
        do {
            uint64_t low = number & low_mask, high = number >> low_bits;
            for (int r = 0; r < FASTNN_SHUFFLE_ROUNDS; r += 2) {
                low ^= keyed_hash(high, keys[r]) & low_mask;
                high ^= keyed_hash(low, keys[r + 1]) & high_mask;
            }
            number = high << low_bits | low;
        } while (number >= (uint64_t)count);
        order[i] = (int64_t)number;
    }
}

#endif
