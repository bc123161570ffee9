# csrc/fastnn.h for Cython; the header documents each function and its pointers.
# csrc is linked into this module only. The others call it through the struct `csrc`.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "fastnn.h" nogil:
    # A few of the codes that csrc/registry.h generates.
    enum:
        FASTNN_LEVELS
        FASTNN_FLOAT32
        FASTNN_FLOAT64
        FASTNN_RELU
        FASTNN_LEAKY_RELU
        FASTNN_IDENTITY
        FASTNN_SOFTMAX
        FASTNN_SIGMOID
        FASTNN_ACTIVATIONS
        FASTNN_LOSSES
        FASTNN_SGD
        FASTNN_RULES
        FASTNN_F_LOG
        FASTNN_FUNCTIONS
        FASTNN_SHUFFLE_ROUNDS
        FASTNN_PLAIN
        FASTNN_NUMBER
        FASTNN_CATEGORY
        FASTNN_KINDS

    ctypedef struct fastnn_loss:
        int kind
        double parameter
        double ceiling
        double factor
        bint unit_weights
        bint dense
        ptrdiff_t per_target
        const double *levels

    ctypedef struct fastnn_update:
        int rule
        double rate
        double gradient_rate
        double momentum
        double beta_1
        double beta_2
        double epsilon
        double l2
        double l1
        double weight_decay
        double decay
        double shrink
        double clip
        ptrdiff_t n_decayed
        ptrdiff_t size
        int n_shards

    ctypedef struct fastnn_dropout:
        uint32_t key[2]
        uint32_t stream
        uint32_t threshold

    ctypedef struct fastnn_column:
        int kind
        ptrdiff_t row
        ptrdiff_t index
        ptrdiff_t count

    ctypedef struct fastnn_inputs:
        ptrdiff_t n_columns
        ptrdiff_t width
        ptrdiff_t n_frequencies
        ptrdiff_t n_outputs
        ptrdiff_t vector_size
        const fastnn_column *columns
        ptrdiff_t scale
        ptrdiff_t frequencies
        ptrdiff_t phases
        ptrdiff_t weights
        ptrdiff_t biases
        ptrdiff_t vectors
        ptrdiff_t first
        ptrdiff_t stop

    ctypedef struct fastnn_epilogue:
        const void *bias
        const void *column_bias
        bint relu
        int *finite
        const void *relu_mask_source
        void *sums
        double scale

    ctypedef struct fastnn_ops:
        void (*activate)(int activation, ptrdiff_t n, ptrdiff_t m, const void *b, void *Z, void *A,
                         const fastnn_dropout *dropout, ptrdiff_t first) noexcept nogil
        void (*activate_backward)(int activation, ptrdiff_t n, ptrdiff_t m, const void *cache, const void *dropped,
                                  void *dZ, double scale, void *db) noexcept nogil
        double (*loss)(const fastnn_loss *loss, ptrdiff_t n, ptrdiff_t m, const void *Z, const void *Y,
                       const void *sample_weight, void *dZ) noexcept nogil
        void (*sum_columns)(ptrdiff_t n, ptrdiff_t m, const void *M, double scale, void *out) noexcept nogil
        double (*update)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop, const void *gradients,
                         void *theta, void *first, void *second) noexcept nogil
        double (*total_gradient)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop, const void *gradients,
                                 const void *theta, void *out, double *squares) noexcept nogil
        void (*sparse_linear)(ptrdiff_t n, ptrdiff_t m, const void *W, const void *values, const int32_t *columns,
                              const int64_t *bounds, const int64_t *order, void *Z) noexcept nogil
        void (*sparse_weight_gradient)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t n_prev, double scale, const void *dZ,
                                       const void *values, const int32_t *columns, const int64_t *bounds,
                                       const int64_t *order, void *dW) noexcept nogil
        void (*gather)(ptrdiff_t n, ptrdiff_t m, const void *X, ptrdiff_t row_stride, ptrdiff_t column_stride,
                       const int64_t *order, void *out) noexcept nogil
        int (*all_finite)(ptrdiff_t n, ptrdiff_t m, const void *X, ptrdiff_t row_stride,
                          ptrdiff_t column_stride) noexcept nogil
        void (*softmax_across)(ptrdiff_t n, ptrdiff_t m, void *Z, void *A) noexcept nogil
        void (*log_probabilities)(int activation, ptrdiff_t n, ptrdiff_t m, void *Z) noexcept nogil
        void (*elementwise)(int function, ptrdiff_t count, const void *x, void *out) noexcept nogil
        void (*embed)(const fastnn_inputs *inputs, ptrdiff_t m, const void *X, const void *theta,
                      void *A) noexcept nogil
        void (*embed_backward)(const fastnn_inputs *inputs, ptrdiff_t m, const void *X, const void *theta,
                               const void *dA, double scale, void *gradient) noexcept nogil
        void (*activate_mixed)(int activation, ptrdiff_t n, ptrdiff_t m, const void *b, const void *t, void *Z,
                               void *A, const fastnn_dropout *dropout, ptrdiff_t first) noexcept nogil
        void (*activate_mixed_backward)(int activation, ptrdiff_t n, ptrdiff_t m, const void *t, const void *Z,
                                        const void *dropped, void *dZ, double scale, void *db,
                                        void *dt) noexcept nogil
        ptrdiff_t vector
        ptrdiff_t dots_tile_rows
        void (*multiply)(bint transpose_A, bint transpose_B, ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha,
                         const void *A, ptrdiff_t lda, const void *B, ptrdiff_t ldb, void *C, ptrdiff_t ldc,
                         const fastnn_epilogue *epilogue) noexcept nogil
        void (*matvec)(ptrdiff_t n, ptrdiff_t k, double alpha, const void *A, ptrdiff_t lda, const void *b,
                       void *c) noexcept nogil
        void (*dot_kernel)(ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, double alpha, const void *A, ptrdiff_t lda,
                           const void *B, ptrdiff_t ldb, void *C, ptrdiff_t ldc,
                           const fastnn_epilogue *epilogue) noexcept nogil
        ptrdiff_t (*multiply_adds)(ptrdiff_t rounds) noexcept nogil

    ctypedef struct fastnn_activation_facts:
        const char *name
        bint needs_z
        bint rectifier
        bint by_units

    ctypedef struct fastnn_loss_facts:
        const char *name
        bint from_z
        bint takes_labels
        int per_target

    ctypedef struct fastnn_rule_facts:
        const char *name
        int states

    ctypedef struct fastnn_exports:
        const fastnn_activation_facts *activations
        const fastnn_loss_facts *losses
        const fastnn_rule_facts *rules
        const char *const *functions
        const char *const *levels
        int (*best_level)() noexcept nogil
        const fastnn_ops *(*table)(int level, int dtype) noexcept nogil
        void (*prepare_update)(fastnn_update *u, double t, double learning_rate) noexcept nogil
        void (*random_words)(const uint32_t *key, const uint32_t *counter, uint32_t *words) noexcept nogil
        void (*shuffle)(int64_t *order, ptrdiff_t count, uint64_t (*next_word)(void *) noexcept nogil,
                        void *generator) noexcept nogil
        void (*legacy_shuffle)(int64_t *order, ptrdiff_t count, uint32_t (*next_uint32)(void *) noexcept nogil,
                               uint64_t (*next_uint64)(void *) noexcept nogil, void *generator) noexcept nogil
        void (*permutation)(int64_t *order, ptrdiff_t first, ptrdiff_t length, ptrdiff_t count,
                            const uint64_t *keys) noexcept nogil


cdef const fastnn_exports *csrc

# The code of a name; ValueError if it is unknown.
cpdef int activation_code(str name) except -1
cpdef int loss_code(str name) except -1
cpdef int rule_code(str name) except -1
cpdef int function_code(str name) except -1

# ValueError for a loss whose examples have one term each.
cdef int refuse_unit_weights(int loss) except -1
