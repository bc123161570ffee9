/* simd.h: what the kernels need of the compiler and of the level: attributes, pragmas, fused multiply-add, vectors.

   Included once, before the element types. A level with vector types defines FASTNN_VECTOR, the bytes of a vector. */
#ifndef FASTNN_SIMD_H
#define FASTNN_SIMD_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define FASTNN_INLINE static inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define FASTNN_INLINE static __forceinline
#else
#define FASTNN_INLINE static inline
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define restrict __restrict
#define SIMD
#define SIMD_REDUCE(op, ...)
#define SIMD_MAX(x)
#define UNROLL
#undef FASTNN_VECTOR /* no vector types: BLAS computes the dense products */
#pragma fp_contract(off)
#else
#define FASTNN_PRAGMA(text) _Pragma(#text)
#define SIMD FASTNN_PRAGMA(omp simd)
#define SIMD_REDUCE(op, ...) FASTNN_PRAGMA(omp simd reduction(op : __VA_ARGS__))
#if defined(__clang__)
#define UNROLL FASTNN_PRAGMA(clang loop unroll(full))
#define SIMD_MAX(x) /* clang does not vectorise a maximum that NaN may reach */
#else
#define UNROLL FASTNN_PRAGMA(GCC unroll 16)
#define SIMD_MAX(x) SIMD_REDUCE(max, x)
#endif
#endif

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

/* Keep a vector in a register: it is loaded once, where compilers would use it from memory in each multiplication. */
#if defined(__aarch64__)
#define IN_REGISTER(x) __asm__("" : "+w"(x))
#elif defined(__GNUC__)
#define IN_REGISTER(x) __asm__("" : "+v"(x))
#endif

/* Keep an offset in a register. From offsets that it knows to be multiples, clang computes each address by adding to
   the previous one: on arm64 a chain of additions that takes longer than the multiplications. */
#if defined(__aarch64__) && defined(__clang__)
#define OFFSET_IN_REGISTER(x) __asm__("" : "+r"(x))
#else
#define OFFSET_IN_REGISTER(x) ((void)(x))
#endif

/* Elements of the vectors x and y by their indices, those of y after those of x. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define FASTNN_SHUFFLES
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#endif
#endif

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* fma_f32 and fma_f64: a * b + c, rounded once where the level has the instruction, twice elsewhere.

   setup.py forbids compilers to contract a * b + c by themselves: one may fuse it in the body of a loop and not in its
   remainder, another elsewhere. An element would then depend on its position, and a result on the compiler. */
#if defined(__clang__) /* llvm.fmuladd: in this form clang vectorises reductions too */
#define FASTNN_FUSED FASTNN_PRAGMA(clang fp contract(on))
FASTNN_INLINE float fma_f32(float a, float b, float c) { FASTNN_FUSED return a * b + c; }
FASTNN_INLINE double fma_f64(double a, double b, double c) { FASTNN_FUSED return a * b + c; }
#elif defined(__FMA__) || defined(__aarch64__)
#define fma_f32(a, b, c) __builtin_fmaf(a, b, c)
#define fma_f64(a, b, c) __builtin_fma(a, b, c)
#else
FASTNN_INLINE float fma_f32(float a, float b, float c) { return a * b + c; }
FASTNN_INLINE double fma_f64(double a, double b, double c) { return a * b + c; }
#endif

#if defined(FASTNN_VECTOR)
#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif

typedef float vector_f32 __attribute__((vector_size(FASTNN_VECTOR)));
typedef double vector_f64 __attribute__((vector_size(FASTNN_VECTOR)));
/* An integer for each element: all bits set or none, as comparisons give it. */
typedef int32_t mask_f32 __attribute__((vector_size(FASTNN_VECTOR)));
typedef int64_t mask_f64 __attribute__((vector_size(FASTNN_VECTOR)));
/* A vector at any element of an array. */
typedef float vector_at_f32 __attribute__((vector_size(FASTNN_VECTOR), aligned(sizeof(float)), may_alias));
typedef double vector_at_f64 __attribute__((vector_size(FASTNN_VECTOR), aligned(sizeof(double)), may_alias));

#define LANES (FASTNN_VECTOR / (ptrdiff_t)sizeof(real)) /* elements in a vector of the current type */

/* vector_fma_f32 and vector_fma_f64: fma of vectors. */
#if FASTNN_VECTOR == 64
#define vector_fma_f32(a, b, c) ((vector_f32)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define vector_fma_f64(a, b, c) ((vector_f64)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define broadcast_f32(x) ((vector_f32)_mm512_set1_ps(x))
#define broadcast_f64(x) ((vector_f64)_mm512_set1_pd(x))
#elif FASTNN_VECTOR == 32
#define vector_fma_f32(a, b, c) ((vector_f32)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define vector_fma_f64(a, b, c) ((vector_f64)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define broadcast_f32(x) ((vector_f32)_mm256_set1_ps(x))
#define broadcast_f64(x) ((vector_f64)_mm256_set1_pd(x))
#else /* 16: NEON */
#define vector_fma_f32(a, b, c) ((vector_f32)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define vector_fma_f64(a, b, c) ((vector_f64)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
/* In a register as a scalar: fmla multiplies by a lane of it, while ld1r would take a turn of the units that do fmla. */
FASTNN_INLINE vector_f32 broadcast_f32(float x) { IN_REGISTER(x); return (vector_f32)vdupq_n_f32(x); }
FASTNN_INLINE vector_f64 broadcast_f64(double x) { IN_REGISTER(x); return (vector_f64)vdupq_n_f64(x); }
#endif
#endif

#endif
