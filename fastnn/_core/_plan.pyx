"""Plan: the buffers of a training run, bound once; then one call a mini-batch."""
cimport numpy as cnp
from cython.parallel cimport parallel, prange
from libc.math cimport NAN, isfinite, pow, sqrt
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from fastnn._core._bind cimport (
    arena_size, dtype_code, in_forked_child, index_pointer, make_layers, operations, pointer)
from fastnn._core._blas cimport check_dimension
from fastnn._core._dense cimport Layer, input_gradient, linear, weight_gradient
from fastnn._core._ops cimport (
    FASTNN_ADAM, FASTNN_CROSS_ENTROPY, FASTNN_FLOAT32, FASTNN_IDENTITY, FASTNN_LOSSES, FASTNN_RULES, FASTNN_SGD,
    FASTNN_SQUARED_ERROR, fastnn_ops, fastnn_update)

cnp.import_array()

cdef extern from *:
    '''
    /* Cython's prange loops inside one parallel block do not wait for each other. */
    static void fastnn_barrier(void)
    {
    #if defined(_OPENMP) && defined(_MSC_VER)
        __pragma(omp barrier)
    #elif defined(_OPENMP)
        _Pragma("omp barrier")
    #endif
    }
    '''
    void fastnn_barrier() noexcept nogil


cdef struct Data:            # rows of the caller's world: X (rows, n[0]), targets, weights
    char *X                  # IN, strided
    ptrdiff_t row_stride     # in elements
    ptrdiff_t column_stride
    ptrdiff_t rows
    char *Y                  # IN (rows, n[L]), or int32 (rows) labels
    char *weights            # IN (rows), or NULL
    int64_t *order           # IN (rows), or NULL for 0, 1, 2, ...


cdef struct Caches:          # of one mini-batch, columns shared out among the shards
    char *X                  # (n[0], m), or NULL where batches are read in place
    char *Y                  # (n[L], m) or int32 (m), or NULL likewise
    char *weights            # (m), or NULL likewise
    char **Z                 # L matrices (n[l], m)
    char **A                 # L matrices (n[l], m); A[l] is Z[l] where Z is not kept
    char *dZ[2]              # (widest layer, m), taken in turns


cdef class Plan:
    """One network, its data and every buffer that a training step needs, bound once.

    `step(start, stop, learning_rate)` then runs gather, forward, loss, backward and update for the examples
    `start` to `stop` without the GIL and without allocating. The mini-batch is cut into `n_shards` parts of
    whole examples, each with a gradient arena of its own; threads take shards, so that the results depend on
    the number of shards alone.

    Parameters
    ----------
    sizes : sequence of int
        n[0], ..., n[L].
    activations : sequence of int
        A code per layer (index into `ACTIVATIONS`).
    row_major : sequence of bool
        The storage order of each W.
    loss : int
        Index into `LOSSES`. The cross-entropies are taken from Z[L].
    theta, gradients : ndarray (P,), (n_shards, P)
        Parameter arena IN/OUT, gradient arenas OUT.
    Z, A : list of ndarray (n[l], batch)
        Caches, OUT; `A[l] is Z[l]` where the derivative does not need Z.
    dZ : pair of ndarray (max n[l], batch)
        Scratch.
    X, Y, weights : ndarray
        X (rows, n[0]); Y int32 (rows,) for cross_entropy, else C-ordered (rows, n[L]); weights (rows,) or None.
    batch : tuple of ndarray
        (n[0], batch), (n[L], batch) or int32 (batch,), (batch,): where a mini-batch is gathered; None for one
        that is read in place.
    order : ndarray of int64 (rows,) or None
        The order in which examples are taken; read at each step.
    rule, states, step_count, hyperparameters
        The update: index into `RULES`, its state arenas, an int64 array (1,) that counts steps, and momentum,
        beta_1, beta_2, epsilon, l2.
    team : int
        Threads that share the shards out.
    """

    cdef const fastnn_ops *ops
    cdef int dtype, n_layers, loss, rule, n_shards, team
    cdef ptrdiff_t itemsize, size, max_batch
    cdef Layer *layers
    cdef char *theta
    cdef char *gradients
    cdef char *states[2]
    cdef int64_t *step_count
    cdef Data data
    cdef Caches caches
    cdef fastnn_update settings     # as given; a step works on a copy
    cdef double *shard_loss         # (n_shards)
    cdef double *slice_squares      # (n_shards)
    cdef bint busy
    cdef double loss_sum, weight_sum
    cdef list held

    def __cinit__(self):
        self.held = []

    def __init__(self, *, int level, sizes, activations, row_major, int loss, theta, gradients, Z, A, dZ, X, Y,
                 weights, batch, order, int rule, states, step_count, dict hyperparameters, int team=1):
        if self.layers != NULL:
            raise RuntimeError("a plan is bound once")
        if not 0 <= loss < FASTNN_LOSSES or not 0 <= rule < FASTNN_RULES:
            raise ValueError("unknown loss or rule code")
        cdef int L = len(sizes) - 1, dtype = dtype_code(theta)
        cdef list held = self.held
        self.dtype, self.loss, self.rule, self.team = dtype, loss, rule, max(1, team)
        self.itemsize = 4 if dtype == FASTNN_FLOAT32 else 8
        self.ops = operations(level, dtype)
        self.layers = make_layers(sizes, activations, row_major, self.itemsize)
        self.n_layers = L
        if loss != FASTNN_SQUARED_ERROR:  # taken from Z[L]
            self.layers[L - 1].activation = FASTNN_IDENTITY
        self.size = arena_size(self.layers, L, self.itemsize)
        self.theta = pointer(theta, dtype, self.size, "theta", held)
        if gradients.ndim != 2 or gradients.shape[0] < 1 or not gradients.flags.c_contiguous:
            raise ValueError("gradients must be C-ordered (n_shards, P)")
        self.n_shards = gradients.shape[0]
        self.gradients = pointer(gradients, dtype, self.n_shards * self.size, "gradients", held)
        self.bind_states(rule, states, step_count)
        self.bind_data(X, Y, weights, order)
        self.bind_caches(Z, A, dZ, batch)
        self.settings.rule = rule
        self.settings.momentum = hyperparameters.get("momentum", 0.0)
        self.settings.beta_1 = hyperparameters.get("beta_1", 0.0)
        self.settings.beta_2 = hyperparameters.get("beta_2", 0.0)
        self.settings.epsilon = hyperparameters.get("epsilon", 0.0)
        self.settings.l2 = hyperparameters.get("l2", 0.0)
        self.settings.n_decayed = self.layers[0].b // self.itemsize
        self.settings.size = self.size
        self.shard_loss = <double *>calloc(2 * self.n_shards, sizeof(double))
        if self.shard_loss == NULL:
            raise MemoryError
        self.slice_squares = self.shard_loss + self.n_shards

    def __dealloc__(self):
        free(self.layers)
        free(self.shard_loss)
        free(self.caches.Z)

    cdef int bind_states(self, int rule, object states, object step_count) except -1:
        cdef int needed = 0 if rule == FASTNN_SGD else 2 if rule == FASTNN_ADAM else 1, s
        if len(states) != needed:
            raise ValueError(f"this rule needs {needed} state arenas, got {len(states)}")
        for s in range(needed):
            self.states[s] = pointer(states[s], self.dtype, self.size, "an optimiser state", self.held)
        self.step_count = <int64_t *>index_pointer(step_count, 8, 1, "step_count", self.held)
        return 0

    cdef int bind_data(self, object X, object Y, object weights, object order) except -1:
        cdef Layer *last = &self.layers[self.n_layers - 1]
        if dtype_code(X) != self.dtype or X.ndim != 2 or X.shape[1] != self.layers[0].n_in:
            raise ValueError(f"X must be (m, n[0]) = (m, {self.layers[0].n_in}) of the network's dtype")
        cdef cnp.ndarray source = X
        if not cnp.PyArray_ISALIGNED(source) or source.strides[0] % self.itemsize or source.strides[1] % self.itemsize:
            raise ValueError("X must be aligned")
        self.held.append((X, memoryview(X)))
        self.data.rows = source.shape[0]
        self.data.X = <char *>cnp.PyArray_DATA(source)
        self.data.row_stride = source.strides[0] // self.itemsize
        self.data.column_stride = source.strides[1] // self.itemsize
        if self.loss == FASTNN_CROSS_ENTROPY:
            self.data.Y = index_pointer(Y, 4, self.data.rows, "labels", self.held)
        else:
            if Y.ndim != 2 or not Y.flags.c_contiguous:
                raise ValueError(f"Y must be C-ordered (m, n[L]) = (m, {last.n_out})")
            self.data.Y = pointer(Y, self.dtype, self.data.rows * last.n_out, "Y", self.held)
        if weights is not None:
            self.data.weights = pointer(weights, self.dtype, self.data.rows, "weights", self.held)
        if order is not None:
            self.data.order = <int64_t *>index_pointer(order, 8, self.data.rows, "order", self.held)
        return 0

    cdef int bind_caches(self, object Z, object A, object dZ, object batch) except -1:
        cdef int L = self.n_layers, l, widest = 0
        if len(Z) != L or len(A) != L or len(dZ) != 2 or len(batch) != 3 or Z[0].ndim != 2:
            raise ValueError(f"need {L} matrices Z and A, 2 of scratch and 3 for the batch")
        cdef ptrdiff_t m = check_dimension(Z[0].shape[1], "the batch size")
        self.max_batch = m
        self.caches.Z = <char **>calloc(2 * L, sizeof(char *))
        if self.caches.Z == NULL:
            raise MemoryError
        self.caches.A = self.caches.Z + L
        for l in range(L):
            self.caches.Z[l] = pointer(Z[l], self.dtype, self.layers[l].n_out * m, f"Z[{l + 1}]", self.held)
            self.caches.A[l] = pointer(A[l], self.dtype, self.layers[l].n_out * m, f"A[{l + 1}]", self.held)
            if self.caches.A[l] == self.caches.Z[l] and self.layers[l].keeps_z:
                raise ValueError(f"layer {l + 1} needs Z and A apart")
            widest = max(widest, <int>self.layers[l].n_out)
        for l in range(2):
            self.caches.dZ[l] = pointer(dZ[l], self.dtype, widest * m, "dZ", self.held)
        in_place = self.data.order == NULL
        contiguous = self.data.column_stride == 1 and self.data.row_stride == self.layers[0].n_in
        for l, (name, needed) in enumerate((("X", not (in_place and contiguous)), ("Y", not in_place),
                                            ("weights", not in_place and self.data.weights != NULL))):
            if needed and batch[l] is None:
                raise ValueError(f"gathering needs a batch buffer for {name}")
        if batch[0] is not None:
            self.caches.X = pointer(batch[0], self.dtype, self.layers[0].n_in * m, "batch X", self.held)
        if batch[1] is not None and self.loss == FASTNN_CROSS_ENTROPY:
            self.caches.Y = index_pointer(batch[1], 4, m, "batch labels", self.held)
        elif batch[1] is not None:
            self.caches.Y = pointer(batch[1], self.dtype, self.layers[L - 1].n_out * m, "batch Y", self.held)
        if batch[2] is not None:
            self.caches.weights = pointer(batch[2], self.dtype, m, "batch weights", self.held)
        return 0

    def step(self, ptrdiff_t start, ptrdiff_t stop, double learning_rate):
        """Move the parameters by one update on the examples `start` to `stop` of the order.

        Returns
        -------
        float
            The batch's loss J before the update: the weighted mean over the examples, plus the L2 term. Where
            it is not finite, nothing is changed. A batch whose weights are all zero changes nothing and gives 0.

        Raises
        ------
        ValueError
            If the range is empty, outside the data, or longer than the batch buffers.
        RuntimeError
            If another thread is inside this plan.
        """
        self.enter(start, stop)
        cdef double J
        with nogil:
            J = self.run(start, stop - start, learning_rate)
        self.busy = False
        return J

    def gradient(self, ptrdiff_t start, ptrdiff_t stop, out):
        """As `step`, but the gradient goes to the arena `out` (P,) and the parameters stay.

        Returns
        -------
        float
            J.
        """
        cdef char *target = pointer(out, self.dtype, self.size, "out", None)
        self.enter(start, stop)
        cdef double J, squares
        cdef ptrdiff_t count = stop - start
        cdef fastnn_update u = self.settings
        with nogil:
            J = self.forward_backward(start, count)
            u.n_shards = self.active_shards(count)
            squares = self.ops.total_gradient(&u, 0, self.size, self.gradients, self.theta, target)
        self.busy = False
        return J + 0.5 * u.l2 * squares

    def take_mean_loss(self):
        """The mean J of the examples since the last call, by their weights (without weights: their number)."""
        cdef double mean = self.loss_sum / self.weight_sum if self.weight_sum > 0 else NAN
        self.loss_sum = self.weight_sum = 0
        return mean

    cdef int enter(self, ptrdiff_t start, ptrdiff_t stop) except -1:
        if not 0 <= start < stop <= self.data.rows or stop - start > self.max_batch:
            raise ValueError(f"need 0 <= start < stop <= {self.data.rows} and at most {self.max_batch} examples, "
                             f"got {start} to {stop}")
        if self.busy:
            raise RuntimeError("this plan is at work in another thread")
        self.busy = True
        return 0

    cdef int active_shards(self, ptrdiff_t count) noexcept nogil:
        return self.n_shards if count >= self.n_shards else <int>count

    cdef double total_weight(self, ptrdiff_t start, ptrdiff_t count) noexcept nogil:
        cdef ptrdiff_t j, row
        cdef double total = 0
        if self.data.weights == NULL:
            return count
        for j in range(start, start + count):
            row = self.data.order[j] if self.data.order != NULL else j
            total += (<float *>self.data.weights)[row] if self.dtype == FASTNN_FLOAT32 \
                else (<double *>self.data.weights)[row]
        return total

    cdef double run(self, ptrdiff_t start, ptrdiff_t count, double learning_rate) noexcept nogil:
        cdef double weight = self.total_weight(start, count), J = 0, squares = 0
        cdef int S = self.active_shards(count), s
        cdef fastnn_update u = self.settings
        if weight == 0:
            return 0
        u.n_shards = S
        u.rate = learning_rate
        if self.rule == FASTNN_ADAM:  # the bias correction of step t
            u.rate *= (sqrt(1 - pow(u.beta_2, <double>(self.step_count[0] + 1)))
                       / (1 - pow(u.beta_1, <double>(self.step_count[0] + 1))))
        if self.team == 1 or S == 1 or in_forked_child():
            for s in range(S):
                self.shard(s, S, start, count, weight)
            for s in range(S):
                self.update_slice(s, S, &u)
        else:
            with parallel(num_threads=self.team):
                for s in prange(S, schedule="static"):
                    self.shard(s, S, start, count, weight)
                fastnn_barrier()
                for s in prange(S, schedule="static"):
                    self.update_slice(s, S, &u)
        for s in range(S):
            J += self.shard_loss[s]
            squares += self.slice_squares[s]
        J /= weight
        if isfinite(J):
            self.step_count[0] += 1
            J += 0.5 * u.l2 * squares
        self.loss_sum += J * weight
        self.weight_sum += weight
        return J

    cdef double forward_backward(self, ptrdiff_t start, ptrdiff_t count) noexcept nogil:
        cdef double weight = self.total_weight(start, count), J = 0
        cdef int S = self.active_shards(count), s
        if self.team == 1 or S == 1 or in_forked_child():
            for s in range(S):
                self.shard(s, S, start, count, weight)
        else:
            for s in prange(S, schedule="static", num_threads=self.team):
                self.shard(s, S, start, count, weight)
        for s in range(S):
            J += self.shard_loss[s]
        return J / weight if weight != 0 else 0

    # Slices end on cache lines, so that no two threads write to the same one.
    cdef void update_slice(self, int s, int S, const fastnn_update *u) noexcept nogil:
        cdef ptrdiff_t length = ((self.size + S - 1) // S + 15) // 16 * 16
        cdef ptrdiff_t first = min(s * length, self.size), last = min(first + length, self.size)
        cdef double J = 0
        cdef int k
        for k in range(S):
            J += self.shard_loss[k]
        self.slice_squares[s] = 0
        if isfinite(J):
            self.slice_squares[s] = self.ops.update(u, first, last, self.gradients, self.theta, self.states[0],
                                                    self.states[1])

    # Forward, loss and backward for one shard's examples, into its own gradient arena.
    cdef void shard(self, int s, int S, ptrdiff_t start, ptrdiff_t count, double weight) noexcept nogil:
        cdef ptrdiff_t first = s * count // S, m = (s + 1) * count // S - first, n
        cdef ptrdiff_t item = self.itemsize
        cdef int L = self.n_layers, l
        cdef char *X = self.batch_X(start, first, m)
        cdef char *gradient = self.gradients + s * self.size * item
        cdef double scale = 1 / weight if weight != 0 else 0
        cdef char *A_prev = X
        cdef char *Z = NULL
        cdef char *A = NULL
        cdef char *dZ
        cdef char *dA
        cdef Layer *layer
        for l in range(L):
            layer = &self.layers[l]
            Z = self.caches.Z[l] + first * layer.n_out * item
            A = self.caches.A[l] + first * layer.n_out * item
            linear(self.dtype, layer, m, self.theta, A_prev, Z)
            self.ops.activate(layer.activation, layer.n_out, m, self.theta + layer.b, Z, A)
            A_prev = A

        layer = &self.layers[L - 1]
        n = layer.n_out
        # The loss's derivative goes over A[L], unless g' still needs it.
        dZ = A if layer.activation == FASTNN_IDENTITY else self.scratch(L - 1, first)
        self.shard_loss[s] = self.ops.loss(self.loss, n, m, A, self.batch_Y(start, first, m),
                                           self.batch_weights(start, first, m), dZ)
        if layer.activation == FASTNN_IDENTITY:
            self.ops.sum_columns(n, m, dZ, scale, gradient + layer.b)
        else:
            self.ops.activate_backward(layer.activation, n, m, Z if layer.keeps_z else A, dZ, scale,
                                       gradient + layer.b)

        for l in range(L - 1, 0, -1):
            layer = &self.layers[l]
            n = layer.n_in
            A_prev = self.caches.A[l - 1] + first * n * item
            weight_gradient(self.dtype, layer, m, scale, dZ, A_prev, gradient)
            dA = self.scratch(l - 1, first)
            input_gradient(self.dtype, layer, m, self.theta, dZ, dA)
            layer = &self.layers[l - 1]
            Z = self.caches.Z[l - 1] + first * n * item
            self.ops.activate_backward(layer.activation, n, m, Z if layer.keeps_z else A_prev, dA, scale,
                                       gradient + layer.b)
            dZ = dA
        weight_gradient(self.dtype, &self.layers[0], m, scale, dZ, X, gradient)

    # Where layer l's dZ is worked out: the two scratch matrices in turns, each shard in its own columns.
    cdef char *scratch(self, int l, ptrdiff_t first) noexcept nogil:
        cdef ptrdiff_t widest = 0
        cdef int k
        for k in range(self.n_layers):
            widest = max(widest, self.layers[k].n_out)
        return self.caches.dZ[l % 2] + first * widest * self.itemsize

    # The shard's columns of X: read in place where they lie so, else gathered.
    cdef char *batch_X(self, ptrdiff_t start, ptrdiff_t first, ptrdiff_t m) noexcept nogil:
        cdef ptrdiff_t n = self.layers[0].n_in, row = start + first
        cdef const int64_t *order = NULL
        cdef char *source = self.data.X
        cdef char *out
        if self.data.order != NULL:
            order = self.data.order + row
        else:
            source += row * self.data.row_stride * self.itemsize
            if self.data.column_stride == 1 and self.data.row_stride == n:
                return source
        out = self.caches.X + first * n * self.itemsize
        self.ops.gather(n, m, source, self.data.row_stride, self.data.column_stride, order, out)
        return out

    cdef char *batch_Y(self, ptrdiff_t start, ptrdiff_t first, ptrdiff_t m) noexcept nogil:
        cdef ptrdiff_t n = self.layers[self.n_layers - 1].n_out, row = start + first, j
        cdef ptrdiff_t width = 4 if self.loss == FASTNN_CROSS_ENTROPY else n * self.itemsize
        cdef const int64_t *order
        if self.data.order == NULL:
            return self.data.Y + row * width
        order = self.data.order + row
        if self.loss == FASTNN_CROSS_ENTROPY:
            for j in range(m):
                (<int32_t *>self.caches.Y)[first + j] = (<int32_t *>self.data.Y)[order[j]]
        else:
            self.ops.gather(n, m, self.data.Y, n, 1, order, self.caches.Y + first * width)
        return self.caches.Y + first * width

    cdef char *batch_weights(self, ptrdiff_t start, ptrdiff_t first, ptrdiff_t m) noexcept nogil:
        cdef ptrdiff_t row = start + first
        if self.data.weights == NULL:
            return NULL
        if self.data.order == NULL:
            return self.data.weights + row * self.itemsize
        self.ops.gather(1, m, self.data.weights, 1, 1, self.data.order + row,
                        self.caches.weights + first * self.itemsize)
        return self.caches.weights + first * self.itemsize
