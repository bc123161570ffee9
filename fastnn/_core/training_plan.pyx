"""Plan: the buffers of a training run, bound once; then one call a mini-batch."""
from cython.parallel cimport parallel, prange
from libc.math cimport INFINITY, NAN, isfinite, sqrt
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from fastnn._core.arrays cimport output_pointer
from fastnn._core.forkguard cimport begin_call, end_call, in_forked_child
from fastnn._core.network cimport BoundRun
from fastnn._core.registry cimport csrc, fastnn_loss, fastnn_update
from fastnn._core.shard cimport Bound, examples_in_range, shard_pass, total_weight
from fastnn._core.team_policy cimport fastnn_barrier, fastnn_clock, fastnn_decide, fastnn_record, fastnn_team_policy


cdef class Plan(BoundRun):
    """One network, its data and every buffer that a training step needs, bound once.

    `step(start, stop, learning_rate)` then runs gather, forward, loss, backward and update for the examples
    `start` to `stop` without the GIL and without allocating. The mini-batch is cut into `n_shards` parts of
    whole examples, each with a gradient arena of its own, the update into as many slices
    of the parameters, or for one shard into `team`; threads take shards and then slices.

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
        Scratch: two (max n[l], batch).
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
    blas : bool
        Leave all matrix products to BLAS, for it to use threads of its own.
    loss_parameter : float
        The cross-entropies' label smoothing, Huber's delta, the quantile.
    loss_ceiling, loss_factor : float
        Upper bound on a reported loss term, per example for the cross-entropy and per output unit for the others, and
        factor applied to the reported mean. Gradients ignore both.
    l2_by_batch : bool
        l2 is divided by the sum of the weights of each mini-batch (without weights: by its examples).
    dropout : sequence of float
        The rate of each hidden layer, from 0 to below 1; empty for none.
    dropout_seed : int
        Of 64 bits; the units that a step leaves out depend on it and on the step count alone.
    """

    cdef int n_slices, team         # slices of the update: n_shards, or `team` for one shard
    cdef fastnn_team_policy policy
    cdef bint l2_by_batch
    cdef double *shard_loss         # (n_shards)
    cdef double *slice_penalty      # (n_slices) L2 and L1 terms of J
    cdef double *slice_squares      # (n_slices) of the gradient
    cdef bint busy
    cdef double loss_sum, weight_sum

    # Not __init__: no instance is unbound, and none is bound twice.
    def __cinit__(self, *, int level, sizes, activations, row_major, int loss, theta, gradients, Z, A, dZ, X, Y,
                  weights, batch, order, int rule, states, step_count, dict hyperparameters not None, int team=1,
                  bint blas=False, double loss_parameter=0,
                  double loss_ceiling=INFINITY, double loss_factor=1, bint l2_by_batch=False, dropout=(),
                  dropout_seed=0):
        cdef Bound *bound = &self.bound
        bound.loss = fastnn_loss(kind=loss, parameter=loss_parameter, ceiling=loss_ceiling, factor=loss_factor)
        self.l2_by_batch = l2_by_batch
        self.bind_network(level, sizes, activations, row_major, bound.loss, theta, gradients, blas)
        self.bind_update(rule, states, step_count, hyperparameters)
        self.bind_dropout(dropout, dropout_seed)
        self.bind_data(X, Y, weights, order)
        self.bind_caches(Z, A, dZ, batch)
        self.team = max(1, team)
        self.n_slices = self.n_shards if self.n_shards > 1 else self.team
        self.shard_loss = <double *>calloc(self.n_shards + 2 * self.n_slices, sizeof(double))
        if self.shard_loss == NULL:
            raise MemoryError
        self.slice_penalty = self.shard_loss + self.n_shards
        self.slice_squares = self.slice_penalty + self.n_slices

    def __dealloc__(self):
        free(self.shard_loss)

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
            csrc.random_words(self.seed, counter, self.bound.key)

    cdef double run(self, ptrdiff_t start, ptrdiff_t count, double learning_rate) noexcept nogil:
        cdef double weight = total_weight(&self.bound, start, count), J = 0, penalty = 0
        cdef int S = self.active_shards(count), T = self.n_slices, s
        cdef bint clips = self.clip_norm > 0
        cdef fastnn_update u
        if weight == 0:
            return 0
        u = self.update_of(S, weight)
        csrc.prepare_update(&u, <double>(self.step_count[0] + 1), learning_rate)
        self.draw_key()
        cdef bint shared = self.team > 1 and T > 1 and not in_forked_child()
        if not shared or not fastnn_decide(&self.policy, fastnn_clock()):
            for s in range(S):
                self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight)
            if clips:
                for s in range(T):
                    self.total_slice(s, &u)
            for s in range(T):
                self.update_slice(s, S, &u)
        else:
            with parallel(num_threads=self.team):
                for s in prange(S, schedule="static"):
                    self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight)
                fastnn_barrier()
                if clips:
                    for s in prange(T, schedule="static"):
                        self.total_slice(s, &u)
                    fastnn_barrier()
                for s in prange(T, schedule="static"):
                    self.update_slice(s, S, &u)
        if shared:
            fastnn_record(&self.policy, fastnn_clock(), count)
        for s in range(S):
            J += self.shard_loss[s]
        for s in range(T):
            penalty += self.slice_penalty[s]
        J *= self.bound.loss.factor / weight
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

    cdef double forward_backward(self, ptrdiff_t start, ptrdiff_t count, double weight) noexcept nogil:
        cdef double J = 0
        cdef int S = self.active_shards(count), s
        if self.team == 1 or S == 1 or in_forked_child():
            for s in range(S):
                self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight)
        else:
            for s in prange(S, schedule="static", num_threads=self.team):
                self.shard_loss[s] = shard_pass(&self.bound, s, S, start, count, weight)
        for s in range(S):
            J += self.shard_loss[s]
        return J * (self.bound.loss.factor / weight) if weight != 0 else 0

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
    cdef void update_slice(self, int s, int S, const fastnn_update *u) noexcept nogil:
        cdef Bound *bound = &self.bound
        cdef ptrdiff_t first = self.slice_start(s), last = self.slice_start(s + 1)
        cdef fastnn_update own = u[0]
        cdef double J = 0, norm
        cdef int k
        for k in range(S):
            J += self.shard_loss[k]
        if not self.clip_norm > 0:
            self.slice_penalty[s] = 0
            if isfinite(J):
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
