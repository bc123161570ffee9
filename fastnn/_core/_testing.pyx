"""The compiled core's parts for tests and benchmarks: every kernel that `kernels` does not offer, the team
policy and the floating-point mode.

Conventions as in `fastnn._core.kernels`, but the kernels run in the mode of the caller.
"""
from cython.parallel cimport prange
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from fastnn._core.arrays cimport (
    dtype_code, index_pointer, matrix_pointer, matrix_shape, operations, output_pointer, pointer, rows_pointer)
from fastnn._core.blas cimport matmul
from fastnn._core.floating_mode cimport FASTNN_FLUSH, fastnn_floating_mode, fastnn_set_floating_mode
from fastnn._core.forkguard cimport begin_call, end_call
from fastnn._core.gemm cimport BLAS, DOTS, MATVEC, TILES, fastest_kernel, product
from fastnn._core.kernels cimport Product, bind_product, csr_rows
from fastnn._core.registry cimport (
    FASTNN_FLOAT32, FASTNN_FLOAT64, csrc, fastnn_epilogue, fastnn_ops, fastnn_update, function_code, rule_code)
from fastnn._core.sparse cimport Csr
from fastnn._core.team cimport fastnn_place, fastnn_take, fastnn_team_body, run_team, team_barrier
from fastnn._core.team_policy cimport (
    FASTNN_ALONE, FASTNN_SAMPLE, FASTNN_TEAM, fastnn_decide, fastnn_record, fastnn_team_policy)

from fastnn._core.registry import LEVELS

__all__ = ["FLUSH", "TeamPolicy", "elementwise", "fastest", "floating_mode", "gather", "modes_of_team", "multiply",
           "multiply_adds", "rates", "set_floating_mode", "sparse_weight_gradient", "sum_columns", "team_counts",
           "total_gradient", "update"]

FLUSH = <uint64_t>FASTNN_FLUSH  # the bits of a floating-point mode that flush subnormal numbers to zero

TEAM_STATES = {FASTNN_TEAM: "team", FASTNN_SAMPLE: "sample", FASTNN_ALONE: "alone"}


cdef class TeamPolicy:
    """csrc/team_policy.h with the caller's clock."""

    cdef fastnn_team_policy policy

    def decide(self, double now):
        """Return whether the team should do the next call."""
        return fastnn_decide(&self.policy, now)

    def record(self, double now, double rows):
        """End the call: it processed `rows` rows until `now`."""
        fastnn_record(&self.policy, now, rows)

    @property
    def state(self):
        """team, sample or alone."""
        return TEAM_STATES[self.policy.state]

    @property
    def wait(self):
        """Seconds that the next spell alone lasts."""
        return self.policy.wait

    @property
    def credit(self):
        """Seconds per row that the team has saved."""
        return self.policy.credit


def floating_mode():
    """Return the floating-point mode of this thread: the register of the CPU that holds it."""
    return fastnn_floating_mode()


def set_floating_mode(uint64_t mode):
    """Set the floating-point mode of this thread, which NumPy and Python compute in too."""
    fastnn_set_floating_mode(mode)


def modes_of_team(int team):
    """Return the floating-point modes of the threads that a plan with a team of that size works on."""
    cdef uint64_t[64] modes
    cdef int k
    if not 1 <= team <= 64:
        raise ValueError(f"need a team of 1 to 64 threads, got {team}")
    for k in prange(team, schedule="static", num_threads=team, nogil=True):
        modes[k] = fastnn_floating_mode()
    return [modes[k] for k in range(team)]


cdef struct Counting:
    int barriers
    ptrdiff_t threads      # that have come
    ptrdiff_t[64] counts   # of each thread


cdef void count_on_thread(Counting *counting, const fastnn_place *place) noexcept nogil:
    cdef int _, other
    fastnn_take(&counting.threads)
    for _ in range(counting.barriers):
        counting.counts[place.thread] += 1
        team_barrier(place)
        for other in range(place.count):
            if counting.counts[other] != counting.counts[place.thread]:
                fastnn_take(&counting.threads)
        team_barrier(place)


def team_counts(int team, int calls, int barriers):
    """Run a function `calls` times in a team; return how often each of its threads passed a barrier.

    The function passes pairs of `barriers`, between which it compares the counts of all threads.

    Raises
    ------
    RuntimeError
        If the counts differed, or a thread was missing.
    """
    cdef Counting counting
    cdef int _, k, most = 0
    if not 1 <= team <= 64:
        raise ValueError(f"need a team of 1 to 64 threads, got {team}")
    counting.barriers = barriers
    memset(counting.counts, 0, sizeof(counting.counts))
    for _ in range(calls):
        counting.threads = 0
        with nogil:
            run_team(team, <fastnn_team_body>count_on_thread, <void *>&counting)
        if most == 0:
            most = counting.threads
        if counting.threads != most or most > team:
            raise RuntimeError(f"{counting.threads} threads and differences, {most} expected")
    return [counting.counts[k] for k in range(most)]


def sum_columns(M, double scale, out, int level=0):
    """Compute `out` (n,) OUT = scale * the sum of the columns of `M` (n, m) IN."""
    cdef int dtype = dtype_code(M)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(M, "M")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *source = matrix_pointer(M, dtype, shape, "M")
    cdef char *sums = output_pointer(out, dtype, n, "out", None)
    with nogil:
        ops.sum_columns(n, m, source, scale, sums)


def gather(X, order, out, int level=0):
    """Compute `out` (n, m) OUT, whose column j is row order[j] of `X` (rows, n) IN, strided or not; `order` (m,) int64
    IN, or None for the first m rows."""
    cdef int dtype = dtype_code(X)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(out, "out")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *target = matrix_pointer(out, dtype, shape, "out", written=True)
    cdef ptrdiff_t row_stride, column_stride
    cdef char *source = rows_pointer(X, dtype, n, &row_stride, &column_stride, None)
    cdef int64_t *rows = NULL if order is None else <int64_t *>index_pointer(order, 8, m, "order", None)
    if m and not (X.shape[0] >= m if order is None else 0 <= order.min() and order.max() < X.shape[0]):
        raise ValueError(f"order must name m = {m} rows of X, from 0 to {X.shape[0] - 1}")
    with nogil:
        ops.gather(n, m, source, row_stride, column_stride, rows, target)


def elementwise(str name, x, out, int level=0):
    """Compute `out` (count,) OUT = f(`x` (count,) IN) for a name in FUNCTIONS."""
    cdef int dtype = dtype_code(x), function = function_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef char *source = pointer(x, dtype, -1, "x", None)
    cdef ptrdiff_t count = x.size
    cdef char *target = output_pointer(out, dtype, count, "out", None)
    with nogil:
        ops.elementwise(function, count, source, target)


def fastest(int level, dtype, ptrdiff_t n, ptrdiff_t m, ptrdiff_t k, *, bint transpose_A=False, bint transpose_B=False):
    """Return the kernel that is chosen for C (n, m) = op(A) (n, k) op(B) (k, m) of dense matrices."""
    cdef int code = FASTNN_FLOAT32 if dtype == "float32" else FASTNN_FLOAT64
    cdef int kernel = fastest_kernel(operations(level, code), code, transpose_A, transpose_B, n, m, k,
                                     m if transpose_B else k)
    return {BLAS: "BLAS", TILES: "tiles", DOTS: "dots", MATVEC: "matvec"}[kernel]


def multiply_adds(str dtype, ptrdiff_t rounds, int level):
    """Do multiply-adds in registers; return their number, or 0 if the level has no kernels for products."""
    cdef const fastnn_ops *ops = operations(level, FASTNN_FLOAT32 if dtype == "float32" else FASTNN_FLOAT64)
    cdef ptrdiff_t done = 0
    if ops.multiply_adds != NULL:
        with nogil:
            done = ops.multiply_adds(rounds)
    return done


def multiply(A, B, C, level=None, *, bint transpose_A=False, bint transpose_B=False, double alpha=1.0,
             str by="", bias=None, shifts=None, bint relu=False, active=None, sums=None, double scale=1.0,
             ptrdiff_t repetitions=1):
    """Compute `C` (n, m) OUT = alpha op(`A`) (n, k) IN op(`B`) (k, m) IN, all Fortran-ordered.

    Without a level by BLAS; with a level by the kernel that layers would choose, or `by` a given one: "tiles", "dots"
    (op(A) a transpose, op(B) none) or "matvec" (m = 1, no transposes, columns of at least 64 bytes).

    Epilogue of tiles and dots: add `bias` (n,) IN to the rows (tiles also `shifts` (m,) IN to the columns) and, with
    `relu`, take max(C, 0). Or, for tiles, set C to 0 where `active` (n, m) IN is not positive, and compute `sums` (n,)
    OUT = scale * the sums of C's columns.
    """
    cdef const fastnn_ops *ops = NULL
    cdef int kernel = {"": BLAS, "tiles": TILES, "dots": DOTS, "matvec": MATVEC}[by]
    cdef Product p = bind_product(A, B, C, transpose_A, transpose_B)
    if (kernel == DOTS and (not transpose_A or transpose_B)
            or kernel == MATVEC and (transpose_A or transpose_B or p.m != 1 or p.n * C.itemsize < 64)):
        raise ValueError(f"{by} do not make this product")
    if level is None and by:
        raise ValueError("a kernel needs a level")
    if level is not None:
        ops = operations(level, p.dtype)
        if by and ops.multiply == NULL:
            raise ValueError(f"the level {LEVELS[level]} leaves products to BLAS")
    cdef ptrdiff_t _
    cdef fastnn_epilogue epilogue
    epilogue.bias, epilogue.column_bias, epilogue.finite = NULL, NULL, NULL
    epilogue.relu_mask_source, epilogue.sums = NULL, NULL
    epilogue.relu, epilogue.scale = relu, scale
    if bias is not None:
        epilogue.bias = pointer(bias, p.dtype, p.n, "bias", None)
    if shifts is not None:
        epilogue.column_bias = pointer(shifts, p.dtype, p.m, "shifts", None)
    if active is not None:
        epilogue.relu_mask_source = matrix_pointer(active, p.dtype, (p.n, p.m), "active")
        epilogue.sums = output_pointer(sums, p.dtype, p.n, "sums", None)
    if (kernel != TILES and (shifts is not None or active is not None)
            or kernel not in (TILES, DOTS) and (bias is not None or relu)):
        raise ValueError("only the level's own product can be finished")
    if repetitions < 1:
        raise ValueError("at least one repetition is made")
    begin_call()
    with nogil:
        for _ in range(repetitions):
            if kernel == TILES:
                ops.multiply(transpose_A, transpose_B, p.n, p.m, p.k, alpha, p.A, p.lda, p.B, p.ldb, p.C, p.n,
                             &epilogue)
            elif kernel == DOTS:
                ops.dot_kernel(p.n, p.m, p.k, alpha, p.A, p.lda, p.B, p.ldb, p.C, p.n, &epilogue)
            elif kernel == MATVEC:
                ops.matvec(p.n, p.k, alpha, p.A, p.lda, p.B, p.C)
            elif ops != NULL:
                product(ops, p.dtype, transpose_A, transpose_B, p.n, p.m, p.k, alpha, p.A, p.lda, p.B, p.ldb, p.C, p.n)
            else:
                matmul(p.dtype, transpose_A, transpose_B, p.n, p.m, p.k, alpha, p.A, p.lda, p.B, p.ldb, p.C, p.n)
    end_call()


cdef fastnn_update arguments(str rule, object theta, object gradients, dict hyperparameters) except *:
    cdef fastnn_update u
    dtype_code(gradients)
    unknown = hyperparameters.keys() - {"rate", "gradient_rate", "momentum", "beta_1", "beta_2", "epsilon", "l2", "l1",
                                        "shrink", "clip", "n_decayed"}
    if unknown:
        raise TypeError(f"unknown hyperparameters: {', '.join(unknown)}")
    if gradients.ndim != 2 or gradients.shape[1] != theta.size or not gradients.flags.c_contiguous:
        raise ValueError(f"gradients must be C-ordered (n_shards, {theta.size}), got shape {gradients.shape}")
    u.rule = rule_code(rule)
    u.rate, u.gradient_rate = hyperparameters.get("rate", 0.0), hyperparameters.get("gradient_rate", 0.0)
    u.momentum = hyperparameters.get("momentum", 0.0)
    u.beta_1, u.beta_2 = hyperparameters.get("beta_1", 0.0), hyperparameters.get("beta_2", 0.0)
    u.epsilon = hyperparameters.get("epsilon", 0.0)
    u.l2, u.l1 = hyperparameters.get("l2", 0.0), hyperparameters.get("l1", 0.0)
    u.weight_decay = u.decay = 0
    u.shrink, u.clip = hyperparameters.get("shrink", 1.0), hyperparameters.get("clip", 1.0)
    u.n_decayed = hyperparameters.get("n_decayed", 0)
    u.size, u.n_shards = theta.size, gradients.shape[0]
    return u


def update(str rule, theta, gradients, first=None, second=None, ptrdiff_t start=0, stop=None, int level=0,
           **hyperparameters):
    """Update theta[start:stop] by one step of `rule`; return the L2 and L1 terms of its weights before the step.

    `theta` (P,) IN/OUT; `gradients` (n_shards, P) IN; `first`, `second` (P,) IN/OUT as the rule needs;
    hyperparameters as in csrc/fastnn.h: rate, gradient_rate, momentum, beta_1, beta_2, epsilon, l2, l1, shrink, clip,
    n_decayed.
    """
    cdef int dtype = dtype_code(theta)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef fastnn_update u = arguments(rule, theta, gradients, hyperparameters)
    cdef ptrdiff_t end = theta.size if stop is None else stop
    cdef int needed = csrc.rules[u.rule].states
    if (needed > 0) != (first is not None) or (needed > 1) != (second is not None):
        raise ValueError(f"{rule} needs {needed} state arrays")
    if not 0 <= start <= end <= theta.size or u.n_shards < 1:
        raise ValueError("need 0 <= start <= stop <= the size of theta and at least one gradient")
    cdef char *t = output_pointer(theta, dtype, -1, "theta", None)
    cdef char *g = pointer(gradients, dtype, -1, "gradients", None)
    cdef char *v = NULL if first is None else output_pointer(first, dtype, u.size, "first", None)
    cdef char *s = NULL if second is None else output_pointer(second, dtype, u.size, "second", None)
    cdef double penalty
    with nogil:
        penalty = ops.update(&u, start, end, g, t, v, s)
    return penalty


def rates(str rule, double t, double learning_rate, *, double beta_1=0, double beta_2=0, double weight_decay=0):
    """Return the hyperparameters of `update` for step t = 1, 2, ...: rate, gradient_rate and shrink."""
    cdef fastnn_update u
    u.rule, u.beta_1, u.beta_2, u.weight_decay = rule_code(rule), beta_1, beta_2, weight_decay
    csrc.prepare_update(&u, t, learning_rate)
    return {"rate": u.rate, "gradient_rate": u.gradient_rate, "shrink": u.shrink}


def total_gradient(theta, gradients, out, int level=0, **hyperparameters):
    """Compute `out` (P,) OUT = clip * (the sum of `gradients` (n_shards, P) IN + l2 * `theta` (P,) IN + l1 * its signs,
    the latter two on the first n_decayed). Return the L2 and L1 terms, and the sum of the squares of `out`."""
    cdef int dtype = dtype_code(theta)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef fastnn_update u = arguments("sgd", theta, gradients, hyperparameters)
    if u.n_shards < 1:
        raise ValueError("need at least one gradient")
    cdef char *t = pointer(theta, dtype, -1, "theta", None)
    cdef char *g = pointer(gradients, dtype, -1, "gradients", None)
    cdef char *target = output_pointer(out, dtype, u.size, "out", None)
    cdef double penalty, squares
    with nogil:
        penalty = ops.total_gradient(&u, 0, u.size, g, t, target, &squares)
    return penalty, squares


def sparse_weight_gradient(dZ, tuple X, order, double scale, dW, int level=0):
    """Compute `dW` (n, n_prev) OUT = scale * `dZ` (n, m) IN times rows of a CSR matrix, as in `sparse_linear`."""
    cdef int dtype = dtype_code(dZ)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef Csr csr
    cdef int64_t *rows
    shape = matrix_shape(dW, "dW")
    cdef ptrdiff_t n = shape[0], n_prev = shape[1], m = csr_rows(X, order, dtype, n_prev, &csr, &rows)
    cdef char *dz = matrix_pointer(dZ, dtype, (n, m), "dZ")
    cdef char *dw = matrix_pointer(dW, dtype, shape, "dW", written=True)
    with nogil:
        ops.sparse_weight_gradient(n, m, n_prev, scale, dz, csr.values, csr.columns, csr.bounds, rows, dw)
