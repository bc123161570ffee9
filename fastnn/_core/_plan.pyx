"""Plan: the buffers of a training run, bound once; then one call a mini-batch."""
from cython.parallel cimport parallel, prange
from libc.math cimport INFINITY, NAN, isfinite, pow, sqrt
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from fastnn._core._bind cimport (
    arena_size, begin_call, bind_csr, dtype_code, end_call, in_forked_child, index_pointer, make_layers, operations,
    output_index_pointer, output_pointer, pointer, rows_pointer)
from fastnn._core._blas cimport check_dimension
from fastnn._core._ops cimport (
    FASTNN_ADAM, FASTNN_CROSS_ENTROPY, FASTNN_FLOAT32, FASTNN_IDENTITY, FASTNN_LOSSES, FASTNN_NADAM, FASTNN_RULES,
    FASTNN_SOFTMAX, fastnn_ops, fastnn_update, from_z, random_words, states as state_arenas)
from fastnn._core._pass cimport Bound, examples_in_range, shard_pass, step_weights, total_weight
from fastnn._core._teamwork cimport Teamwork, begin_together, end_work

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


cdef class Plan:
    """One network, its data and every buffer that a training step needs, bound once.

    `step(start, stop, learning_rate)` then runs gather, forward, loss, backward and update for the examples
    `start` to `stop` without the GIL and without allocating. The mini-batch is cut into `n_shards` parts of
    whole examples, each with a gradient arena of its own, the update into `n_slices` of the parameters; threads take
    shards and then slices, so that the results depend on these numbers alone.

    Parameters
    ----------
    sizes : sequence of int
        n[0], ..., n[L].
    activations : sequence of int
        A code per layer (index into `ACTIVATIONS`).
    row_major : sequence of bool
        The storage order of each W.
    loss : int
        Index into `LOSSES`. Those in `FROM_Z` are taken from Z[L].
    theta, gradients : ndarray (P,), (n_shards, P)
        Parameter arena IN/OUT, gradient arenas OUT.
    Z, A : list of ndarray (n[l], batch)
        Caches, OUT; `A[l] is Z[l]` where the derivative does not need Z.
    dZ : list of ndarray
        Scratch: two (max n[l], batch), or with `fused` one (n[l], batch) a layer.
    X, Y, weights : ndarray
        X (rows, n[0]), or the arrays (values, columns int32, bounds int64) of a CSR matrix, for which W[1] must be
        column-major; Y int32 (rows,) for cross_entropy, else C-ordered (rows, n[L]); weights (rows,) or None.
    batch : tuple of ndarray
        (n[0], batch), (n[L], batch) or int32 (batch,), (batch,): where a mini-batch is gathered; None for one
        that is read in place.
    order : ndarray of int64 (positions,) or None
        The order in which examples are taken, or a part of it; read at each step.
    rule, states, step_count, hyperparameters
        The update: index into `RULES`, its state arenas, an int64 array (1,) that counts steps, and momentum,
        beta_1, beta_2, epsilon, l2, l1, weight_decay, clip_norm, as far as they are not 0.
    team : int
        Threads that share the shards and the slices out, where that is quicker than one thread for all.
    n_slices : int
        Parts of the update; as many as there are shards if that is more.
    fused : bool
        The gradient of the weights is taken of the whole mini-batch, once all shards are through, in blocks that are
        used at once. It saves the arenas' way to memory; not for a sparse X, nor where a norm is clipped.
    blas : bool
        Leave all matrix products to BLAS, for it to use threads of its own.
    loss_parameter : float
        The cross-entropies' label smoothing, Huber's delta, the quantile.
    loss_ceiling, loss_factor : float
        In J, though not in its gradient, L of an example (but for the cross-entropy: of a unit) counts at most
        `loss_ceiling`, and their mean `loss_factor` times.
    l2_by_batch : bool
        l2 is divided by the sum of the weights of each mini-batch (without weights: by its examples).
    dropout : sequence of float
        The rate of each hidden layer, from 0 to below 1; empty for none.
    dropout_seed : int
        Of 64 bits; the units that a step leaves out depend on it and on the step count alone.
    """

    cdef Bound bound
    cdef fastnn_ops ops             # of the level
    cdef int rule, n_shards, n_slices, team
    cdef Teamwork teamwork
    cdef char *states[2]            # (P) each, or NULL
    cdef int64_t *step_count        # (1)
    cdef fastnn_update settings     # as given; a step works on a copy
    cdef double weight_decay, clip_norm, loss_factor
    cdef bint l2_by_batch
    cdef bint drops
    cdef uint32_t seed[2]           # of dropout
    cdef double *shard_loss         # (n_shards)
    cdef double *slice_penalty      # (n_slices) L2 and L1 terms of J
    cdef double *slice_squares      # (n_slices) of the gradient
    cdef bint busy
    cdef double loss_sum, weight_sum
    cdef list held                  # the bound arrays, so that none is freed or resized

    # Not __init__: no instance is unbound, and none is bound twice.
    def __cinit__(self, *, int level, sizes, activations, row_major, int loss, theta, gradients, Z, A, dZ, X, Y,
                  weights, batch, order, int rule, states, step_count, dict hyperparameters not None, int team=1,
                  int n_slices=1, bint fused=False, bint blas=False, double loss_parameter=0,
                  double loss_ceiling=INFINITY, double loss_factor=1, bint l2_by_batch=False, dropout=(),
                  dropout_seed=0):
        cdef Bound *bound = &self.bound
        self.held = []
        if not 0 <= loss < FASTNN_LOSSES or not 0 <= rule < FASTNN_RULES:
            raise ValueError("unknown loss or rule code")
        bound.dtype, bound.loss, bound.n_layers = dtype_code(theta), loss, len(sizes) - 1
        bound.loss_parameter, bound.loss_ceiling = loss_parameter, loss_ceiling
        self.loss_factor, self.l2_by_batch = loss_factor, l2_by_batch
        bound.fused = fused
        bound.itemsize = 4 if bound.dtype == FASTNN_FLOAT32 else 8
        self.ops = operations(level, bound.dtype)[0]
        if blas:
            self.ops.multiply = NULL
        bound.ops = &self.ops
        bound.layers = make_layers(sizes, activations, row_major, bound.itemsize)
        bound.widest = max(sizes[1:])
        if from_z(loss):
            bound.layers[bound.n_layers - 1].activation = FASTNN_IDENTITY
        bound.size = arena_size(bound.layers, bound.n_layers, bound.itemsize)
        bound.theta = self.output(theta, (bound.size,), "theta")
        self.n_shards = check_dimension(len(gradients), "the number of shards")
        bound.gradients = self.output(gradients, (max(1, self.n_shards), bound.size), "gradients", "C")
        self.bind_update(rule, states, step_count, hyperparameters)
        self.bind_dropout(dropout, dropout_seed)
        self.bind_data(X, Y, weights, order)
        self.bind_caches(Z, A, dZ, batch)
        self.team = max(1, team)
        self.n_slices = self.n_shards if fused else max(n_slices, self.n_shards)
        if fused and (bound.X == NULL or self.clip_norm > 0):
            raise ValueError("the update of a sparse X, or with a norm to be clipped, can't be fused")
        self.shard_loss = <double *>calloc(self.n_shards + 2 * self.n_slices, sizeof(double))
        if self.shard_loss == NULL:
            raise MemoryError
        self.slice_penalty = self.shard_loss + self.n_shards
        self.slice_squares = self.slice_penalty + self.n_slices

    def __dealloc__(self):
        free(self.bound.layers)
        free(self.bound.Z)
        free(self.shard_loss)

    # An array that the plan reads, or writes to: of just this shape, and dense in this order.
    cdef char *input(self, object array, tuple shape, str name) except NULL:
        return self.in_shape(pointer(array, self.bound.dtype, -1, name, self.held), array, shape, name, "C")

    cdef char *output(self, object array, tuple shape, str name, str order="F") except NULL:
        return self.in_shape(output_pointer(array, self.bound.dtype, -1, name, self.held), array, shape, name, order)

    cdef char *in_shape(self, char *address, object array, tuple shape, str name, str order) except NULL:
        if array.shape != shape or not array.flags[order]:
            raise ValueError(f"{name} must be {order}-ordered of shape {shape}, got shape {array.shape}")
        return address

    cdef int bind_update(self, int rule, object arenas, object step_count, dict hyperparameters) except -1:
        cdef int needed = state_arenas(rule), s
        cdef Bound *bound = &self.bound
        if len(arenas) != needed:
            raise ValueError(f"this rule needs {needed} state arenas, got {len(arenas)}")
        for s in range(needed):
            self.states[s] = self.output(arenas[s], (bound.size,), "an optimiser state")
        self.step_count = <int64_t *>output_index_pointer(step_count, 8, 1, "step_count", self.held)
        self.rule = self.settings.rule = rule
        self.settings.momentum = hyperparameters.get("momentum", 0.0)
        self.settings.beta_1 = hyperparameters.get("beta_1", 0.0)
        self.settings.beta_2 = hyperparameters.get("beta_2", 0.0)
        self.settings.epsilon = hyperparameters.get("epsilon", 0.0)
        self.settings.l2 = hyperparameters.get("l2", 0.0)
        self.settings.l1 = hyperparameters.get("l1", 0.0)
        self.settings.shrink = self.settings.clip = 1
        self.weight_decay = hyperparameters.get("weight_decay", 0.0)
        self.clip_norm = hyperparameters.get("clip_norm", 0.0)
        self.settings.n_decayed = bound.layers[0].b // bound.itemsize  # the biases follow the weights
        self.settings.size = bound.size
        return 0

    cdef int bind_dropout(self, object dropout, object seed) except -1:
        cdef Bound *bound = &self.bound
        cdef int l
        cdef uint64_t bits = seed
        cdef double rate
        self.seed[0], self.seed[1] = <uint32_t>bits, <uint32_t>(bits >> 32)
        if len(dropout) not in (0, bound.n_layers - 1):
            raise ValueError(f"need a dropout rate for each of {bound.n_layers - 1} hidden layers, got {len(dropout)}")
        for l in range(len(dropout)):
            rate = dropout[l]
            if not 0 <= rate < 1 or rate and bound.layers[l].activation == FASTNN_SOFTMAX:
                raise ValueError("a dropout rate must be from 0 to below 1, and 0 for softmax")
            bound.layers[l].threshold = <uint32_t>(rate * 4294967296.0)
            bound.layers[l + 1].input_scale = 1 / (1 - rate)
            self.drops |= bound.layers[l].threshold != 0
        return 0

    cdef int bind_data(self, object X, object Y, object weights, object order) except -1:
        cdef Bound *bound = &self.bound
        cdef ptrdiff_t n_out = bound.layers[bound.n_layers - 1].n_out
        if isinstance(X, tuple):
            bound.rows = bind_csr(X, bound.dtype, &bound.sparse_X, self.held)
            if bound.layers[0].row_major:
                raise ValueError("a sparse X needs W[1] column-major")
        else:
            bound.X = rows_pointer(X, bound.dtype, bound.layers[0].n_in, &bound.row_stride, &bound.column_stride,
                                   self.held)
            bound.rows = X.shape[0]
        if bound.loss == FASTNN_CROSS_ENTROPY:
            bound.Y = index_pointer(Y, 4, bound.rows, "labels", self.held)
        else:
            bound.Y = self.input(Y, (bound.rows, n_out), "Y")
        if weights is not None:
            bound.weights = self.input(weights, (bound.rows,), "weights")
        bound.positions = bound.rows
        if order is not None:
            if order.ndim != 1:
                raise ValueError(f"order must be of shape (positions,), got {order.shape}")
            bound.positions = order.size
            bound.order = <int64_t *>index_pointer(order, 8, bound.positions, "order", self.held)
        return 0

    cdef int bind_caches(self, object Z, object A, object dZ, object batch) except -1:
        cdef Bound *bound = &self.bound
        cdef int L = bound.n_layers, l
        if len(Z) != L or len(A) != L or len(dZ) != (L if bound.fused else 2) or len(batch) != 3:
            raise ValueError(f"need {L} matrices Z and A, {L if bound.fused else 2} of scratch and 3 for the batch")
        dtype_code(Z[0])
        cdef ptrdiff_t m = check_dimension(Z[0].size // bound.layers[0].n_out, "the batch size")
        bound.max_batch = m
        bound.Z = <char **>calloc(3 * L, sizeof(char *))
        if bound.Z == NULL:
            raise MemoryError
        bound.A, bound.dZ = bound.Z + L, bound.Z + 2 * L
        for l in range(L):
            bound.Z[l] = self.output(Z[l], (bound.layers[l].n_out, m), f"Z[{l + 1}]")
            bound.A[l] = self.output(A[l], (bound.layers[l].n_out, m), f"A[{l + 1}]")
            if bound.A[l] == bound.Z[l] and bound.layers[l].keeps_z:
                raise ValueError(f"layer {l + 1} needs Z and A apart")
            if bound.fused:
                bound.dZ[l] = self.output(dZ[l], (bound.layers[l].n_out, m), f"dZ[{l + 1}]")
            else:
                bound.dZ[l] = self.output(dZ[l % 2], (bound.widest, m), "dZ")
        if batch[0] is not None:
            bound.batch_X = self.output(batch[0], (bound.layers[0].n_in, m), "batch X")
        if batch[1] is not None and bound.loss == FASTNN_CROSS_ENTROPY:
            bound.batch_Y = output_index_pointer(batch[1], 4, m, "batch labels", self.held)
        elif batch[1] is not None:
            bound.batch_Y = self.output(batch[1], (bound.layers[L - 1].n_out, m), "batch Y")
        if batch[2] is not None:
            bound.batch_weights = self.output(batch[2], (m,), "batch weights")
        cdef bint shuffled = bound.order != NULL
        cdef bint in_place = (bound.X == NULL
                              or not shuffled and bound.column_stride == 1 and bound.row_stride == bound.layers[0].n_in)
        if (not in_place and bound.batch_X == NULL or shuffled and bound.batch_Y == NULL
                or shuffled and bound.weights != NULL and bound.batch_weights == NULL):
            raise ValueError("examples that are not read in place need batch buffers")
        return 0

    def step(self, ptrdiff_t start, ptrdiff_t stop, double learning_rate):
        """Move the parameters by one update on the examples `start` to `stop` of the order.

        Returns
        -------
        float
            The batch's loss J before the update: the weighted mean over the examples, plus the L2 and L1 terms. Where
            that mean is not finite, nothing is changed; nor where a norm to be clipped is not, and J is then NaN. A
            batch whose weights are all zero changes nothing and gives 0.

        Raises
        ------
        ValueError
            If the range is empty, outside the data, or longer than the batch buffers; or a sparse X is damaged.
        RuntimeError
            If another thread is inside this plan.
        """
        self.enter(start, stop)
        cdef double J
        with nogil:
            J = self.run(start, stop - start, learning_rate)
        self.leave()
        return J

    def gradient(self, ptrdiff_t start, ptrdiff_t stop, out):
        """As `step`, but the gradient, not clipped, goes to the arena `out` (P,) and the parameters stay.

        Returns
        -------
        float
            J.
        """
        cdef Bound *bound = &self.bound
        cdef char *target = output_pointer(out, bound.dtype, bound.size, "out", None)
        self.enter(start, stop)
        cdef double J, squares
        cdef ptrdiff_t count = stop - start
        cdef double weight
        cdef fastnn_update u
        with nogil:
            weight = total_weight(&self.bound, start, count)
            self.draw_key()
            J = self.forward_backward(start, count, weight)
            u = self.update_of(self.active_shards(count), weight)
            J += bound.ops.total_gradient(&u, 0, bound.size, bound.gradients, bound.theta, target, &squares)
        self.leave()
        return J

    def take_mean_loss(self):
        """The mean J of the examples since the last call, by their weights (without weights: their number)."""
        cdef double mean = self.loss_sum / self.weight_sum if self.weight_sum > 0 else NAN
        self.loss_sum = self.weight_sum = 0
        return mean

    cdef int enter(self, ptrdiff_t start, ptrdiff_t stop) except -1:
        if not 0 <= start < stop <= self.bound.positions or stop - start > self.bound.max_batch:
            raise ValueError(f"need 0 <= start < stop <= {self.bound.positions} and at most {self.bound.max_batch} "
                             f"examples, got {start} to {stop}")
        if not examples_in_range(&self.bound, start, stop):
            raise ValueError(f"order must name rows, from 0 to {self.bound.rows - 1}, and a sparse X columns, from 0 "
                             f"to {self.bound.layers[0].n_in - 1}, within its arrays")
        begin_call()
        if self.busy:
            end_call()
            raise RuntimeError("this plan is at work in another thread")
        self.busy = True
        return 0

    cdef void leave(self) noexcept:
        end_call()
        self.busy = False

    cdef int active_shards(self, ptrdiff_t count) noexcept nogil:
        return self.n_shards if count >= self.n_shards else <int>count

    # The key of the next step's dropout: words of the generator keyed by the seed, at the step's number.
    cdef void draw_key(self) noexcept nogil:
        cdef uint32_t[2] counter
        if self.drops:
            counter[0] = <uint32_t>self.step_count[0]
            counter[1] = <uint32_t>(self.step_count[0] >> 32)
            random_words(self.seed, counter, self.bound.key)

    cdef double run(self, ptrdiff_t start, ptrdiff_t count, double learning_rate) noexcept nogil:
        cdef double weight = total_weight(&self.bound, start, count), J = 0, penalty = 0
        cdef int S = self.active_shards(count), T = self.n_slices, s
        cdef bint clips = self.clip_norm > 0
        cdef fastnn_update u
        if weight == 0:
            return 0
        u = self.update_of(S, weight)
        self.set_rates(&u, learning_rate)
        self.draw_key()
        cdef bint shared = self.team > 1 and T > 1 and not in_forked_child()
        if not shared or not begin_together(&self.teamwork):
            for s in range(S):
                self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight, not self.bound.fused)
            if clips:
                for s in range(T):
                    self.total_slice(s, &u)
            for s in range(T):
                self.update_slice(s, S, start, count, weight, &u)
        else:
            with parallel(num_threads=self.team):
                for s in prange(S, schedule="static"):
                    self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight, not self.bound.fused)
                fastnn_barrier()
                if clips:
                    for s in prange(T, schedule="static"):
                        self.total_slice(s, &u)
                    fastnn_barrier()
                for s in prange(T, schedule="static"):
                    self.update_slice(s, S, start, count, weight, &u)
        if shared:
            end_work(&self.teamwork, count)
        for s in range(S):
            J += self.shard_loss[s]
        for s in range(T):
            penalty += self.slice_penalty[s]
        J *= self.loss_factor / weight
        if clips and not isfinite(self.gradient_norm()):
            J = NAN
        if isfinite(J):
            self.step_count[0] += 1
            J += penalty
        self.loss_sum += J * weight
        self.weight_sum += weight
        return J

    cdef fastnn_update update_of(self, int S, double weight) noexcept nogil:
        cdef fastnn_update u = self.settings
        u.n_shards = S
        if self.l2_by_batch and weight != 0:
            u.l2 /= weight
        return u

    # The learning rates of step t = step_count + 1, Adam's with the bias correction of its moments.
    cdef void set_rates(self, fastnn_update *u, double learning_rate) noexcept nogil:
        cdef double t = <double>(self.step_count[0] + 1), second
        u.rate = learning_rate
        u.shrink = 1 - learning_rate * self.weight_decay
        if self.rule == FASTNN_ADAM:
            u.rate *= sqrt(1 - pow(u.beta_2, t)) / (1 - pow(u.beta_1, t))
        elif self.rule == FASTNN_NADAM:
            second = learning_rate * sqrt(1 - pow(u.beta_2, t))
            u.rate = second * u.beta_1 / (1 - pow(u.beta_1, t + 1))
            u.gradient_rate = second * (1 - u.beta_1) / (1 - pow(u.beta_1, t))

    cdef double forward_backward(self, ptrdiff_t start, ptrdiff_t count, double weight) noexcept nogil:
        cdef double J = 0
        cdef int S = self.active_shards(count), s
        if self.team == 1 or S == 1 or in_forked_child():
            for s in range(S):
                self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight, True)
        else:
            for s in prange(S, schedule="static", num_threads=self.team):
                self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight, True)
        for s in range(S):
            J += self.shard_loss[s]
        return J * (self.loss_factor / weight) if weight != 0 else 0

    # Slices end on cache lines, so that no two threads write to the same one.
    cdef ptrdiff_t slice_start(self, int s) noexcept nogil:
        cdef ptrdiff_t T = self.n_slices
        return min(s * (((self.bound.size + T - 1) // T + 15) // 16 * 16), self.bound.size)

    # A slice of the whole gradient, and of its norm, before it is clipped: into the first shard's arena.
    cdef void total_slice(self, int s, const fastnn_update *u) noexcept nogil:
        cdef Bound *bound = &self.bound
        cdef ptrdiff_t first = self.slice_start(s), last = self.slice_start(s + 1)
        self.slice_penalty[s] = bound.ops.total_gradient(
            u, first, last, bound.gradients, bound.theta, bound.gradients + first * bound.itemsize,
            &self.slice_squares[s])

    cdef double gradient_norm(self) noexcept nogil:
        cdef double squares = 0
        cdef int s
        for s in range(self.n_slices):
            squares += self.slice_squares[s]
        return sqrt(squares)

    # A slice of the parameters takes its step, after the losses and gradients of S shards.
    cdef void update_slice(self, int s, int S, ptrdiff_t start, ptrdiff_t count, double weight,
                           const fastnn_update *u) noexcept nogil:
        cdef Bound *bound = &self.bound
        cdef ptrdiff_t first = self.slice_start(s), last = self.slice_start(s + 1)
        cdef fastnn_update own = u[0]
        cdef double J = 0, norm
        cdef int k
        for k in range(S):
            J += self.shard_loss[k]
        if not self.clip_norm > 0:
            self.slice_penalty[s] = 0
            if isfinite(J) and bound.fused:
                self.slice_penalty[s] = step_weights(bound, s, self.n_slices, start, count, weight, u, self.states[0],
                                                     self.states[1])
                if s == 0:  # the biases' gradient is in the shards' arenas
                    bound.ops.update(&own, u.n_decayed, bound.size, bound.gradients, bound.theta, self.states[0],
                                     self.states[1])
            elif isfinite(J):
                self.slice_penalty[s] = bound.ops.update(&own, first, last, bound.gradients, bound.theta,
                                                         self.states[0], self.states[1])
            return
        norm = self.gradient_norm()
        own.n_shards = 1
        own.l2 = own.l1 = 0  # they are in the total
        if norm > self.clip_norm:
            own.clip = self.clip_norm / norm
        if isfinite(J) and isfinite(norm):
            bound.ops.update(&own, first, last, bound.gradients, bound.theta, self.states[0], self.states[1])
