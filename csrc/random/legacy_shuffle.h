/* legacy_shuffle.h: shuffle in place exactly as NumPy's RandomState.shuffle does, and with the same random words.

   Fisher-Yates from the end. The index from 0 to i is a random word, masked to the bits of i; a larger one is rejected
   and drawn again. Whether it was rejected is arithmetic instead of a branch, which would often be mispredicted. */
#ifndef FASTNN_LEGACY_SHUFFLE_H
#define FASTNN_LEGACY_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

static inline void legacy_shuffle(int64_t *order,                    /* IN/OUT (count), or NULL: only draw */
                                  ptrdiff_t count,
                                  uint32_t (*next_uint32)(void *),   /* 32 random bits of the generator */
                                  uint64_t (*next_uint64)(void *),   /* 64, for indices that need more than 32 */
                                  void *generator)
{
    uint64_t last = count > 1 ? (uint64_t)count - 1 : 0, mask = last;
    for (int bits = 1; bits < 64; bits *= 2) mask |= mask >> bits;
    while (last > 0) {
        const uint64_t index = (last > UINT32_MAX ? next_uint64(generator) : next_uint32(generator)) & mask;
        const int accepted = index <= last;
        if (order) {
            const uint64_t chosen = accepted ? index : last; /* a rejected index swaps nothing */
            const int64_t value = order[chosen];
            order[chosen] = order[last];
            order[last] = value;
        }
        last -= (uint64_t)accepted;
        if (last <= mask >> 1) mask >>= 1;
    }
}

#endif
