/* floating_mode.h: while the core computes, subnormal numbers count as zero.

   Moments that decay, saturated activations and a tiny X are subnormal sooner or later, and many CPUs then compute a
   multiple of the usual time. The mode belongs to a thread: each thread of a team sets it, and restores the caller's
   before it leaves, because other libraries use the same threads. */
#ifndef FASTNN_FLOATING_MODE_H
#define FASTNN_FLOATING_MODE_H

#include <stdint.h>

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#include <immintrin.h>
/* Bits of MXCSR: results that are subnormal become 0 (FTZ), operands that are subnormal count as 0 (DAZ). */
#define FASTNN_FLUSH (0x8000u | 0x0040u)
static inline uint64_t fastnn_floating_mode(void) { return _mm_getcsr(); }
static inline void fastnn_set_floating_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
/* The bit FZ of FPCR does both. */
#define FASTNN_FLUSH ((uint64_t)1 << 24)
static inline uint64_t fastnn_floating_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void fastnn_set_floating_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#elif defined(_M_ARM64)
#include <intrin.h>
#define FASTNN_FLUSH ((uint64_t)1 << 24)
static inline uint64_t fastnn_floating_mode(void) { return (uint64_t)_ReadStatusReg(ARM64_FPCR); }
static inline void fastnn_set_floating_mode(uint64_t mode) { _WriteStatusReg(ARM64_FPCR, (__int64)mode); }
#else /* subnormal numbers are computed with, at their speed */
#define FASTNN_FLUSH 0
static inline uint64_t fastnn_floating_mode(void) { return 0; }
static inline void fastnn_set_floating_mode(uint64_t mode) { (void)mode; }
#endif

/* Let subnormal numbers count as zero in this thread; return its mode for `fastnn_restore_mode`. */
static inline uint64_t fastnn_flush_subnormals(void)
{
    const uint64_t mode = fastnn_floating_mode();
    fastnn_set_floating_mode(mode | FASTNN_FLUSH);
    return mode;
}

/* Restore a mode, with the exception flags that were raised when it was read. */
static inline void fastnn_restore_mode(uint64_t mode) { fastnn_set_floating_mode(mode); }

#endif
