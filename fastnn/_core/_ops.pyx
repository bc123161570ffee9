"""The names of the compiled kernels, in the order of csrc/fastnn.h, and the tables behind them."""

cdef extern from "fastnn.h" nogil:
    const fastnn_ops *fastnn_table(int level, int dtype) noexcept
    int fastnn_best_level() noexcept
    bint fastnn_keeps_z(int activation) noexcept

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "identity", "softmax",
               "elu", "selu", "gelu", "silu", "softplus")
LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error")
RULES = ("sgd", "momentum", "nesterov", "adam")
FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "normal_cdf", "normal_pdf")
ALL_LEVELS = ("baseline", "avx2", "avx512")

if (len(ACTIVATIONS) != FASTNN_ACTIVATIONS or len(LOSSES) != FASTNN_LOSSES or len(RULES) != FASTNN_RULES
        or len(FUNCTIONS) != FASTNN_FUNCTIONS or len(ALL_LEVELS) != FASTNN_LEVELS):
    raise ImportError("fastnn's names and kernels differ: the installation is damaged or half rebuilt")

# The levels that this machine runs, slowest first; a level's index is its code.
LEVELS = ALL_LEVELS[:fastnn_best_level() + 1]

# The activations whose derivative is taken from Z; the others' is taken from A.
KEEPS_Z = tuple([name for code, name in enumerate(ACTIVATIONS) if fastnn_keeps_z(code)])


cdef const fastnn_ops *table(int level, int dtype) noexcept nogil:
    return fastnn_table(level, dtype)


cdef bint keeps_z(int activation) noexcept nogil:
    return fastnn_keeps_z(activation)
