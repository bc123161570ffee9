/* threefry.h: the counter-based random number generator of dropout.

   Threefry-2x32 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") with 13 rounds, the
   fewest that passed the authors' tests. Words depend only on key and counter, not on threads, SIMD level or the order
   of the work. It consists of additions, rotations and exclusive ors, which compilers vectorise. */
#ifndef FASTNN_THREEFRY_H
#define FASTNN_THREEFRY_H

#include "simd.h"

#include <stddef.h>
#include <stdint.h>

static inline uint32_t rotated(uint32_t x, int bits) { return (x << bits) | (x >> (32 - bits)); }

/* THREEFRY_CHAINS of them at once: in a single chain each operation waits for the one before. */
#define THREEFRY_CHAINS 4
#define THREEFRY_EACH(DO, a, b) \
    DO(0, a, b);                \
    DO(1, a, b);                \
    DO(2, a, b);                \
    DO(3, a, b)
#define THREEFRY_ADD(i, a, b) x##i += y##i
#define THREEFRY_MIX(i, bits, b) y##i = rotated(y##i, bits) ^ x##i
#define THREEFRY_KEY(i, first, second) \
    x##i += first;                     \
    y##i += second
#define THREEFRY_START(i, a, b) uint32_t x##i = low + i * distance, y##i = high
#define THREEFRY_STORE(i, a, b)             \
    words[i * 2 * (size_t)distance] = x##i; \
    words[i * 2 * (size_t)distance + 1] = y##i
#define THREEFRY_ROUND(bits)           \
    THREEFRY_EACH(THREEFRY_ADD, 0, 0); \
    THREEFRY_EACH(THREEFRY_MIX, bits, 0)
#define THREEFRY_ROUNDS(a, b, c, d) \
    THREEFRY_ROUND(a);              \
    THREEFRY_ROUND(b);              \
    THREEFRY_ROUND(c);              \
    THREEFRY_ROUND(d)

/* The words of the counters (low + i distance, high), i = 0, ..., THREEFRY_CHAINS - 1, each 2 distance after the last.
   Inlined, so that a loop around it is vectorised. */
FASTNN_INLINE void threefry_chains(const uint32_t key[2], uint32_t low, uint32_t distance, uint32_t high,
                                   uint32_t *words)
{
    const uint32_t first = key[0], second = key[1], third = 0x1BD11BDAu ^ first ^ second;
    THREEFRY_EACH(THREEFRY_START, 0, 0);
    THREEFRY_EACH(THREEFRY_KEY, first, second);
    THREEFRY_ROUNDS(13, 15, 26, 6);
    THREEFRY_EACH(THREEFRY_KEY, second, third + 1);
    THREEFRY_ROUNDS(17, 29, 16, 24);
    THREEFRY_EACH(THREEFRY_KEY, third, first + 2);
    THREEFRY_ROUNDS(13, 15, 26, 6);
    THREEFRY_EACH(THREEFRY_KEY, first, second + 3);
    THREEFRY_ROUND(17);
    THREEFRY_EACH(THREEFRY_STORE, 0, 0);
}

static inline void threefry(const uint32_t key[2], uint32_t low, uint32_t high, uint32_t words[2])
{
    uint32_t all[2 * THREEFRY_CHAINS];
    threefry_chains(key, low, 1, high, all);
    words[0] = all[0];
    words[1] = all[1];
}

#endif
