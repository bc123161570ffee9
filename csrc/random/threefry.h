/* threefry.h: the counter-based random number generator of dropout.

   Threefry-2x32 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") with 13 rounds, the
   fewest that passed the authors' tests. Words depend only on key and counter, not on threads, SIMD level or the order
   of the work. It consists of additions, rotations and exclusive ors, which compilers vectorise. */
#ifndef FASTNN_THREEFRY_H
#define FASTNN_THREEFRY_H

#include <stdint.h>

static inline uint32_t rotated(uint32_t x, int bits) { return (x << bits) | (x >> (32 - bits)); }

#define THREEFRY_ROUND(bits) \
    x += y;                  \
    y = rotated(y, bits) ^ x
#define THREEFRY_ROUNDS(a, b, c, d) \
    THREEFRY_ROUND(a);              \
    THREEFRY_ROUND(b);              \
    THREEFRY_ROUND(c);              \
    THREEFRY_ROUND(d)

static inline void threefry(const uint32_t key[2], uint32_t low, uint32_t high, uint32_t words[2])
{
    const uint32_t third = 0x1BD11BDAu ^ key[0] ^ key[1];
    uint32_t x = low + key[0], y = high + key[1];
    THREEFRY_ROUNDS(13, 15, 26, 6);
    x += key[1];
    y += third + 1;
    THREEFRY_ROUNDS(17, 29, 16, 24);
    x += third;
    y += key[0] + 2;
    THREEFRY_ROUNDS(13, 15, 26, 6);
    x += key[0];
    y += key[1] + 3;
    THREEFRY_ROUND(17);
    words[0] = x;
    words[1] = y;
}

#endif
