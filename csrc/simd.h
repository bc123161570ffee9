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
#if defined(__GNUC__)
#define IN_REGISTER(x) __asm__("" : "+v"(x))
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
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define fma_f32(a, b, c) __builtin_fmaf(a, b, c)
#define fma_f64(a, b, c) __builtin_fma(a, b, c)
#else
FASTNN_INLINE float fma_f32(float a, float b, float c) { return a * b + c; }
FASTNN_INLINE double fma_f64(double a, double b, double c) { return a * b + c; }
#endif

#if defined(FASTNN_VECTOR)
#include <immintrin.h>

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
#else
#define vector_fma_f32(a, b, c) ((vector_f32)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define vector_fma_f64(a, b, c) ((vector_f64)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define broadcast_f32(x) ((vector_f32)_mm256_set1_ps(x))
#define broadcast_f64(x) ((vector_f64)_mm256_set1_pd(x))
#endif
#endif

#endif
