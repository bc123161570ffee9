"""The names of the compiled kernels, in the order of csrc/fastnn.h, and the tables behind them."""

cdef extern from "fastnn.h" nogil:
    const fastnn_ops *fastnn_table(int level, int dtype) noexcept
    int fastnn_best_level() noexcept
    bint fastnn_keeps_z(int activation) noexcept
    bint fastnn_from_z(int loss) noexcept
    int fastnn_states(int rule) noexcept
    void fastnn_random_words(const uint32_t *key, const uint32_t *counter, uint32_t *words) noexcept
    void fastnn_shuffle(int64_t *order, ptrdiff_t count, uint64_t (*next_word)(void *) noexcept nogil,
                        void *generator) noexcept
    void fastnn_permuted(int64_t *order, ptrdiff_t first, ptrdiff_t length, ptrdiff_t count,
                         const uint64_t *keys) noexcept

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "identity", "softmax",
               "elu", "selu", "gelu", "silu", "softplus", "exp")
LOSSES = ("cross_entropy", "binary_cross_entropy", "poisson", "squared_error", "absolute", "huber", "quantile")
RULES = ("sgd", "momentum", "nesterov", "adam", "nadam", "rmsprop", "rmsprop_momentum", "rmsprop_nesterov")
FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "normal_cdf", "normal_pdf")
ALL_LEVELS = ("baseline", "avx2", "avx512")

if (len(ACTIVATIONS) != FASTNN_ACTIVATIONS or len(LOSSES) != FASTNN_LOSSES or len(RULES) != FASTNN_RULES
        or len(FUNCTIONS) != FASTNN_FUNCTIONS or len(ALL_LEVELS) != FASTNN_LEVELS):
    raise ImportError("fastnn's names and kernels differ: the installation is damaged or half rebuilt")

# The levels that this machine runs, slowest first; a level's index is its code.
LEVELS = ALL_LEVELS[:fastnn_best_level() + 1]

# The activations whose derivative is taken from Z; the others' is taken from A.
KEEPS_Z = tuple([name for code, name in enumerate(ACTIVATIONS) if fastnn_keeps_z(code)])

# The losses that are taken from Z[L], their output activation inside them; the others are taken from A[L].
FROM_Z = tuple([name for code, name in enumerate(LOSSES) if fastnn_from_z(code)])

# How many state arenas each rule has.
STATES = {name: fastnn_states(code) for code, name in enumerate(RULES)}


cdef const fastnn_ops *table(int level, int dtype) noexcept nogil:
    return fastnn_table(level, dtype)


cdef bint keeps_z(int activation) noexcept nogil:
    return fastnn_keeps_z(activation)


cdef bint from_z(int loss) noexcept nogil:
    return fastnn_from_z(loss)


cdef int states(int rule) noexcept nogil:
    return fastnn_states(rule)


cdef void random_words(const uint32_t *key, const uint32_t *counter, uint32_t *words) noexcept nogil:
    fastnn_random_words(key, counter, words)


cdef void shuffle_order(int64_t *order, ptrdiff_t count, uint64_t (*next_word)(void *) noexcept nogil,
                        void *generator) noexcept nogil:
    fastnn_shuffle(order, count, next_word, generator)


cdef void permuted(int64_t *order, ptrdiff_t first, ptrdiff_t length, ptrdiff_t count,
                   const uint64_t *keys) noexcept nogil:
    fastnn_permuted(order, first, length, count, keys)
