/* level.inc.h: every kernel, once for float and once for double, static, behind one table.

   The including unit defines FASTNN_TABLE, the table's name, and is compiled with the flags of its level.
   This file may export no other symbol: one of the same name, compiled for another level, could be linked in its place
   and crash an older machine. */
#include "fastnn.h"
#include "random/threefry.h"
#include "simd.h"
#include "tuning.h"
#if defined(FASTNN_VECTOR)
#include "gemm/partition.h"
#endif

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define R(x) ((real)(x))

#define real float
#define REAL_BITS 32
#define uint_real uint32_t
#define int_real int32_t
#define FN(name) name##_f32
#define square_root_f32 sqrtf
#define round_even_f32 rintf
#include "levels/kernels.inc.h"
#undef real
#undef REAL_BITS
#undef uint_real
#undef int_real
#undef FN

#define real double
#define REAL_BITS 64
#define uint_real uint64_t
#define int_real int64_t
#define FN(name) name##_f64
#define square_root_f64 sqrt
#define round_even_f64 rint
#include "levels/kernels.inc.h"
#undef real
#undef REAL_BITS
#undef uint_real
#undef int_real
#undef FN

#if defined(FASTNN_VECTOR)
#define PRODUCTS_ENTRY(suffix)                                                                    \
    FASTNN_VECTOR, DOT_FEW_ROWS, multiply_##suffix, matvec_##suffix, dot_kernel_##suffix,         \
        multiply_adds_##suffix
#else
#define PRODUCTS_ENTRY(suffix) 0, 0, NULL, NULL, NULL, NULL
#endif

#define TABLE_ENTRY(suffix)                                                                       \
    {                                                                                             \
        activate_##suffix, activate_backward_##suffix, loss_##suffix, sum_columns_##suffix,       \
        update_##suffix, total_gradient_##suffix, sparse_linear_##suffix,                         \
        sparse_weight_gradient_##suffix, gather_##suffix, all_finite_##suffix,                    \
        softmax_across_##suffix, log_probabilities_##suffix, elementwise_##suffix,                \
        embed_##suffix, embed_backward_##suffix,                                                  \
        activate_mixed_##suffix, activate_mixed_backward_##suffix,                                \
        PRODUCTS_ENTRY(suffix)                                                                    \
    }

extern const fastnn_ops FASTNN_TABLE[FASTNN_DTYPES];
const fastnn_ops FASTNN_TABLE[FASTNN_DTYPES] = {TABLE_ENTRY(f32), TABLE_ENTRY(f64)};
