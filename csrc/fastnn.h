/* fastnn.h: the interface of the compiled kernels to Cython.

   Dimension letters, everywhere in csrc:
     n   units of a layer (rows of Z, A, dZ)
     m   examples (columns)
   Unless noted, matrices are (n, m), column-major and contiguous.
   Each kernel exists once per SIMD level and element type. Callers hold the `fastnn_ops` of one level and type, and
   pass void pointers to elements of that type. */
#ifndef FASTNN_H
#define FASTNN_H

#include <stddef.h>
#include <stdint.h>

#include "registry.h"

enum { FASTNN_BASELINE, FASTNN_AVX2, FASTNN_AVX512, FASTNN_LEVELS };
enum { FASTNN_FLOAT32, FASTNN_FLOAT64, FASTNN_DTYPES };

/* Codes FASTNN_SIGMOID ..., FASTNN_CROSS_ENTROPY ..., FASTNN_SGD ..., FASTNN_F_EXP ..., and how many there are. */
#define FASTNN_CODE(name, ENUM, ...) FASTNN_##ENUM,
#define FASTNN_FUNCTION_CODE(name, ENUM) FASTNN_F_##ENUM,
enum { FASTNN_FOR_EACH_ACTIVATION(FASTNN_CODE, FASTNN_CODE) FASTNN_ACTIVATIONS };
enum { FASTNN_FOR_EACH_LOSS(FASTNN_CODE, FASTNN_CODE, FASTNN_CODE) FASTNN_LOSSES };
enum { FASTNN_FOR_EACH_RULE(FASTNN_CODE) FASTNN_RULES };
enum { FASTNN_FOR_EACH_FUNCTION(FASTNN_FUNCTION_CODE) FASTNN_FUNCTIONS };
#undef FASTNN_CODE
#undef FASTNN_FUNCTION_CODE

/* A loss and its parameters. */
typedef struct {
    int kind;         /* FASTNN_CROSS_ENTROPY ... */
    double parameter; /* cross-entropies: label smoothing; Huber: delta; quantile: the quantile; others: unused */
    double ceiling;   /* cap on a reported term: per example for the cross-entropy, per output unit for the others;
                         INFINITY for none. Gradients ignore it. */
    double factor;    /* multiplies the reported mean, not the gradient. Applied by the caller, not by the kernel. */
    int unit_weights; /* 1: the sample weights are one for each element of Y; 0: one per example. Not for losses that
                         take labels. */
    int dense;        /* 1: Y of a loss that takes labels is (n, m) instead, the probability of each label */
    ptrdiff_t per_target; /* r consecutive output units of a UNITS row have the same target, and each its own parameter
                             `levels`: Y is (n / r, m). For TARGETS rows that of the registry. 0 means 1. */
    const double *levels; /* IN (per_target) instead of `parameter`; not read if per_target is below 2 */
} fastnn_loss;

/* One update of the parameter arena theta, shared by all slices of a step. Groups of parameters have their own rates
   and their own `shrink`. */
typedef struct {
    int rule;                 /* FASTNN_SGD ... */
    double rate;              /* learning rate; Adam, NAdam: including the bias correction (prepare_update) */
    double gradient_rate;     /* NAdam: the rate of g itself, in addition to that of its first moment */
    double momentum;          /* momentum and Nesterov */
    double beta_1, beta_2;    /* decay of the first and second moment */
    double epsilon;           /* added outside the square root */
    double l2, l1;            /* J includes l2/2 * sum of W^2 + l1 * sum of |W| over the first n_decayed elements */
    double weight_decay;      /* decoupled weight decay, as a fraction of the learning rate */
    double decay;             /* learning rate * weight_decay (prepare_update) */
    double shrink;            /* decoupled weight decay: theta is multiplied by this before the step; 1 if unused */
    double clip;              /* the gradient is multiplied by this; 1 if unused */
    ptrdiff_t n_decayed;      /* number of weights, which precede the biases in the arena */
    ptrdiff_t size;           /* elements of the arena: the distance between two shards' gradients */
    int n_shards;             /* gradient arenas to sum */
} fastnn_update;

/* Dropout of a layer in one step. Element e of the (n, m) matrix is kept if the e-th word of the counter-based
   generator is at least `threshold`. In A, a dropped element is -0 and a kept zero is +0. */
typedef struct {
    uint32_t key[2];          /* of the training run and its step */
    uint32_t stream;          /* the layer */
    uint32_t threshold;       /* rate * 2^32 */
} fastnn_dropout;

/* How a column of X enters A[0]. */
enum {
    FASTNN_PLAIN,    /* unchanged, in one row */
    FASTNN_NUMBER,   /* x, then n_outputs rows U cos(2 pi v x + c) + d */
    FASTNN_CATEGORY, /* the learned vector of the code that x holds, in vector_size rows */
    FASTNN_KINDS
};

typedef struct {
    int kind;        /* FASTNN_PLAIN ... */
    ptrdiff_t row;   /* its first row of A[0] */
    ptrdiff_t index; /* number: its place among the numbers; category: its first row of `vectors`; plain: unused */
    ptrdiff_t count; /* category: codes 0 .. count - 1, at least one; others: unused */
} fastnn_column;

/* The input stage, X (n_columns, m) to A[0] (width, m). Arrays of parameters are C-ordered; N numbers, F frequencies,
   K outputs. Offsets are in elements from the start of an arena, of the parameters or of a gradient. */
typedef struct {
    ptrdiff_t n_columns, width, n_frequencies, n_outputs, vector_size;
    const fastnn_column *columns; /* IN (n_columns) */
    ptrdiff_t scale;       /* (width) factors of the rows of A[0]; -1 for none */
    ptrdiff_t frequencies; /* v (N, F) */
    ptrdiff_t phases;      /* c (N, F) */
    ptrdiff_t weights;     /* U (N, K, F) */
    ptrdiff_t biases;      /* d (N, K) */
    ptrdiff_t vectors;     /* (sum of the counts, vector_size) */
    ptrdiff_t first, stop; /* the elements of the arena that belong to the input stage */
} fastnn_inputs;

/* The steps applied to each element of a product C (n, m) before it is stored, in this order. */
typedef struct {
    const void *bias;             /* IN (n) added to each column, or NULL */
    const void *column_bias;      /* IN (m) added to each row, or NULL: the bias where units are columns */
    int relu;                     /* 1: max(C, 0) */
    int *finite;                  /* OUT or NULL: set to 0 if a row of the first tile of op(A) op(B) has a non-finite
                                     value; otherwise unchanged */
    const void *relu_mask_source; /* IN (n, m), columns as those of C, or NULL: C is 0 where this is not positive */
    void *sums;                   /* OUT (n) scale * (sum of the columns of C), if relu_mask_source is given */
    double scale;
} fastnn_epilogue;

typedef struct {
    /* A = g(Z + b), then dropout. If A == Z, A overwrites Z. */
    void (*activate)(int activation, ptrdiff_t n, ptrdiff_t m,
                     const void *b,   /* IN (n) or NULL */
                     void *Z,         /* IN (n, m) W A_prev; OUT W A_prev + b unless A == Z */
                     void *A,         /* OUT (n, m) */
                     const fastnn_dropout *dropout, /* IN or NULL; not with softmax */
                     ptrdiff_t first);              /* index of Z's first element within the mini-batch */

    /* dZ = dA * g'(Z) and db = scale * (sum of dZ over the examples), in one pass. */
    void (*activate_backward)(int activation, ptrdiff_t n, ptrdiff_t m,
                              const void *cache, /* IN (n, m): Z if the derivative needs it, else A */
                              const void *dropped, /* IN (n, m): A as dropout marked it, or NULL */
                              void *dZ,          /* IN (n, m) dA; OUT dZ */
                              double scale,
                              void *db);         /* OUT (n), or NULL */

    /* Return sum_j w_j L_j, each term capped at `ceiling` but not multiplied by `factor`, and store its derivative:
       w_j dL_j/dZ for losses computed from Z, else w_j dL_j/dA. With unit weights, w_ij multiplies the term of unit
       i. */
    double (*loss)(const fastnn_loss *loss,     /* IN */
                   ptrdiff_t n, ptrdiff_t m,
                   const void *Z,               /* IN (n, m): Z, or A if the loss is computed from A */
                   const void *Y,               /* IN (n / per_target, m); cross-entropy: int32 (m) labels unless
                                                   `dense` */
                   const void *sample_weight,   /* IN (m), unit weights: as Y; or NULL for all ones */
                   void *dZ);                   /* OUT (n, m), may be Z */

    /* out = scale * (sum of the columns of M). */
    void (*sum_columns)(ptrdiff_t n, ptrdiff_t m,
                        const void *M,   /* IN (n, m) */
                        double scale,
                        void *out);      /* OUT (n) */

    /* Apply one step to theta[start:stop]. Return the L2 and L1 penalty of the weights in that range, evaluated before
       the step. */
    double (*update)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop,
                     const void *gradients, /* IN (n_shards, size) */
                     void *theta,           /* IN/OUT (size) */
                     void *first,           /* IN/OUT (size): velocity or first moment; RMSprop: second moment */
                     void *second);         /* IN/OUT (size): second moment; RMSprop: velocity */

    /* out = clip * (sum of the shards' gradients + derivatives of the L2 and L1 terms). Return the values of
       these terms. */
    double (*total_gradient)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop,
                             const void *gradients, /* IN (n_shards, size) */
                             const void *theta,     /* IN (size) */
                             void *out,             /* OUT (stop - start), may be gradients + start */
                             double *squares);      /* OUT the sum of the squares of out */

    /* Z = W X^T for rows of a CSR matrix X. */
    void (*sparse_linear)(ptrdiff_t n, ptrdiff_t m,
                          const void *W,          /* IN (n, n[0]) */
                          const void *values,     /* IN (non-zeros) */
                          const int32_t *columns, /* IN (non-zeros), each below n[0] */
                          const int64_t *bounds,  /* IN (rows + 1): row j is bounds[j] .. bounds[j + 1] */
                          const int64_t *order,   /* IN (m) rows, or NULL: 0 .. m - 1 */
                          void *Z);               /* OUT (n, m) */

    /* dW = scale * dZ X for rows of a CSR matrix X. */
    void (*sparse_weight_gradient)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t n_prev, double scale,
                                   const void *dZ,         /* IN (n, m) */
                                   const void *values,     /* IN (non-zeros) */
                                   const int32_t *columns, /* IN (non-zeros), each below n_prev */
                                   const int64_t *bounds,  /* IN (rows + 1) */
                                   const int64_t *order,   /* IN (m) rows, or NULL */
                                   void *dW);              /* OUT (n, n_prev) */

    /* out[:, j] = X[order[j], :], or X[j, :] without an order. Strides are in elements. */
    void (*gather)(ptrdiff_t n, ptrdiff_t m,
                   const void *X,        /* IN rows of n elements */
                   ptrdiff_t row_stride, ptrdiff_t column_stride,
                   const int64_t *order, /* IN (m) or NULL */
                   void *out);           /* OUT (n, m) */

    /* Return 1 if all elements of the strided X (m rows of n) are finite, else 0. */
    int (*all_finite)(ptrdiff_t n, ptrdiff_t m,
                      const void *X,     /* IN */
                      ptrdiff_t row_stride, ptrdiff_t column_stride);

    /* A = softmax(Z) for few units, from the transpose of Z. */
    void (*softmax_across)(ptrdiff_t n, ptrdiff_t m,
                           void *Z,  /* IN (m, n) Z transposed; OUT A transposed */
                           void *A); /* OUT (n, m) */

    /* log A from Z, finite where A is rounded to 0; `activation` is softmax or sigmoid. */
    void (*log_probabilities)(int activation, ptrdiff_t n, ptrdiff_t m,
                              void *Z); /* IN (n, m) Z; OUT log A */

    /* out[i] = f(x[i]), FASTNN_F_EXP ... (math/vmath.inc.h), for tests, benchmarks and the course. */
    void (*elementwise)(int function, ptrdiff_t count,
                        const void *x,   /* IN (count) */
                        void *out);      /* OUT (count) */

    /* A[0] from X: the embedding of each column, times the factors of its rows. A code that is no integer of
       0 .. count - 1 counts as 0. */
    void (*embed)(const fastnn_inputs *inputs, ptrdiff_t m,
                  const void *X,     /* IN (n_columns, m) */
                  const void *theta, /* IN the arena of the parameters */
                  void *A);          /* OUT (width, m) */

    /* The derivatives of the input stage's parameters, times `scale`. */
    void (*embed_backward)(const fastnn_inputs *inputs, ptrdiff_t m,
                           const void *X,     /* IN (n_columns, m) */
                           const void *theta, /* IN the arena of the parameters */
                           const void *dA,    /* IN (width, m) */
                           double scale,
                           void *gradient);   /* OUT an arena: its elements first .. stop - 1 */

    /* A = (1 - t) Z + t g(Z) with Z + b for Z, then dropout. Not with softmax. */
    void (*activate_mixed)(int activation, ptrdiff_t n, ptrdiff_t m,
                           const void *b,   /* IN (n) or NULL */
                           const void *t,   /* IN (n) */
                           void *Z,         /* IN (n, m) W A_prev; OUT W A_prev + b */
                           void *A,         /* OUT (n, m), not Z */
                           const fastnn_dropout *dropout, /* IN or NULL */
                           ptrdiff_t first);              /* index of Z's first element within the mini-batch */

    /* dZ = dA * ((1 - t) + t g'(Z)), db = scale * (sum of dZ over the examples) and dt = scale * (sum of
       dA * (g(Z) - Z)); dA is 0 where a unit was dropped. */
    void (*activate_mixed_backward)(int activation, ptrdiff_t n, ptrdiff_t m,
                                    const void *t,       /* IN (n) */
                                    const void *Z,       /* IN (n, m) */
                                    const void *dropped, /* IN (n, m): A as dropout marked it, or NULL */
                                    void *dZ,            /* IN (n, m) dA; OUT dZ */
                                    double scale,
                                    void *db,            /* OUT (n), or NULL */
                                    void *dt);           /* OUT (n), or NULL */

    /* Bytes of a vector in the product kernels below; 0 if the level has none: they are NULL and BLAS multiplies. */
    ptrdiff_t vector;
    ptrdiff_t dots_tile_rows; /* rows of C up to which dot_kernel is the fastest for any number of columns */

    /* C = alpha op(A) op(B), as BLAS's gemm with beta = 0, then the epilogue. */
    void (*multiply)(int transpose_A, int transpose_B, ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha,
                     const void *A, ptrdiff_t lda,  /* IN (n, k), transposed: (k, n); columns lda apart */
                     const void *B, ptrdiff_t ldb,  /* IN (k, m), transposed: (m, k) */
                     void *C, ptrdiff_t ldc,        /* OUT (n, m) */
                     const fastnn_epilogue *epilogue); /* IN, or NULL */

    /* c = alpha A b. Requires n >= the number of elements in a vector. */
    void (*matvec)(ptrdiff_t n, ptrdiff_t k, double alpha,
                   const void *A, ptrdiff_t lda, /* IN (n, k), columns lda apart */
                   const void *b,                /* IN (k) */
                   void *c);                     /* OUT (n) */

    /* C = alpha A^T B, then bias and relu of the epilogue. */
    void (*dot_kernel)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha,
                       const void *A, ptrdiff_t lda, /* IN (k, n), columns lda apart */
                       const void *B, ptrdiff_t ldb, /* IN (k, m) */
                       void *C, ptrdiff_t ldc,       /* OUT (n, m) */
                       const fastnn_epilogue *epilogue); /* IN, or NULL */

    /* Do multiply-adds in registers only, and return their number; for benchmarks: no product can be faster. */
    ptrdiff_t (*multiply_adds)(ptrdiff_t rounds);
} fastnn_ops;

/* A row of the registry as data. */
typedef struct {
    const char *name;
    int needs_z;      /* the derivative is computed from Z, not from A */
    int rectifier;    /* "auto" initialises weights for a rectifier */
    int by_units;     /* A depends on Z of the same unit; 0: on all units of the example */
} fastnn_activation_facts;

typedef struct {
    const char *name;
    int from_z;       /* computed from Z[L] and includes the output activation; 0: from A[L] */
    int takes_labels; /* Y is int32 (m) labels unless `dense`; 0: always a matrix of the element type */
    int per_target;   /* output units of each target: above 1 for a TARGETS row, whose units differ in meaning */
} fastnn_loss_facts;

typedef struct {
    const char *name;
    int states;       /* state arenas */
} fastnn_rule_facts;

enum { FASTNN_SHUFFLE_ROUNDS = 8 };

/* Everything that Cython calls outside the kernels. csrc is linked into one extension module, which passes this
   struct to the others. */
typedef struct {
    const fastnn_activation_facts *activations; /* (FASTNN_ACTIVATIONS) */
    const fastnn_loss_facts *losses;            /* (FASTNN_LOSSES) */
    const fastnn_rule_facts *rules;             /* (FASTNN_RULES) */
    const char *const *functions;               /* (FASTNN_FUNCTIONS) */
    const char *const *levels;                  /* (FASTNN_LEVELS) */

    /* The best level that the CPU, the operating system and this build support. */
    int (*best_level)(void);

    /* The kernels of a level, or NULL if this build or machine lacks it. */
    const fastnn_ops *(*table)(int level, int dtype);

    /* Set the learning-rate fields of `u` for step t = 1, 2, ...: rate, gradient_rate, decay and shrink. */
    void (*prepare_update)(fastnn_update *u,  /* IN/OUT */
                           double t, double learning_rate);

    /* Two words of dropout's generator, Threefry-2x32 with 13 rounds (random/threefry.h). */
    void (*random_words)(const uint32_t key[2],     /* IN */
                         const uint32_t counter[2], /* IN */
                         uint32_t words[2]);        /* OUT */

    /* Shuffle in place (random/shuffle.h). */
    void (*shuffle)(int64_t *order,                /* IN/OUT (count) */
                    ptrdiff_t count,
                    uint64_t (*next_word)(void *), /* 64 random bits of the generator */
                    void *generator);

    /* Shuffle in place as NumPy's RandomState (random/legacy_shuffle.h). */
    void (*legacy_shuffle)(int64_t *order,                  /* IN/OUT (count), or NULL: only draw */
                           ptrdiff_t count,
                           uint32_t (*next_uint32)(void *), /* 32 random bits of the generator */
                           uint64_t (*next_uint64)(void *),
                           void *generator);

    /* Elements first, first + 1, ... of a pseudo-random permutation of 0 .. count - 1. */
    void (*permutation)(int64_t *order, /* OUT (length) */
                        ptrdiff_t first, ptrdiff_t length, ptrdiff_t count,
                        const uint64_t *keys); /* IN (FASTNN_SHUFFLE_ROUNDS) random words */
} fastnn_exports;

extern const fastnn_exports fastnn_csrc;

#endif
