"""TrainingPlan: a network, its examples and all buffers of a training run, bound once; then one call per mini-batch."""
cimport cython
from libc.math cimport INFINITY, NAN
from libc.stddef cimport ptrdiff_t
from libc.string cimport memset

from fastnn._core.arrays cimport output_pointer
from fastnn._core.gemm cimport BLAS_ONLY, FASTEST_KERNEL
from fastnn._core.registry cimport csrc
from fastnn._core.shard cimport examples_in_range
from fastnn._core.training_stages cimport (
    APPLY_CALL, GRADIENT_CALL, PASS, PENALIZE, REDUCE, STEP_CALL, UPDATE, TrainingStages)


@cython.final
cdef class TrainingPlan(TrainingStages):
    """One network, its examples and every buffer that a training step needs, bound once.

    `step` runs gather, forward pass, loss, backward pass and update without the GIL and without allocating;
    `gradient` and `apply` are its two halves. The mini-batch is split into `n_shards` shards of whole examples, each
    with a gradient arena of its own, and the update into as many slices of the parameters (for one shard, into
    `team`). Threads take shards, then slices, so that results depend on these numbers alone.

    Every argument is read by attribute.

    Parameters
    ----------
    architecture
        `sizes`: n[0], ..., n[L]; `activations`: a name per layer.
    parameters
        `theta` (P,): the parameter arena, IN/OUT; `row_major`: the storage order of each W.
    objective
        `loss` with `name`, `parameter`, `ceiling` and `factor`; `l2`, `l1`; `dropout`: the rate of each hidden layer,
        or empty; `l2_by_batch`: divide l2 by the total weight of each mini-batch, or by
        0.1 if that is less.
    update
        `rule`: a name in `registry.RULES`; `arenas`: its states (P,), IN/OUT; `step_count`: int64 (1,), IN/OUT;
        `hyperparameters`: dict of momentum, beta_1, beta_2, epsilon and weight_decay, 0 if missing; `clip_norm`: the
        largest norm of a gradient, or 0; `dropout_seed`: 64 bits. The units that a step drops depend on the seed and
        the step count alone. None for a plan that computes gradients only, without dropout.
    examples
        `X` (rows, n[0]), or the arrays (values, columns int32, bounds int64) of a CSR matrix, for which W[1] must be
        column-major; `Y`: C-ordered (rows, n[L]), or for cross_entropy int32 (rows,) labels; `weights` (rows,), for
        other losses than cross_entropy also C-ordered (rows, n[L]), or None; `order`: int64 (positions,), the order in
        which examples are taken, read at each step; or None.
    workspace
        `gradients` (n_shards, P), OUT; `Z`, `A`: lists of (n[l], batch), OUT, where A[l] is Z[l] if the derivative does
        not need Z; `dZ`: two (max n[l], batch), OUT; `batch_X` (n[0], batch), `batch_Y` (n[L], batch) or int32
        (batch,), `batch_weights` (batch,) or (n[L], batch): where a mini-batch is gathered, OUT, each None if it is
        read in place; with an input stage `A0`: A[0] (its rows, batch), OUT.
    parallelism
        `n_shards`; `team`: threads that share shards and slices; `blas_threads`: above 1, all products are left to
        BLAS and its threads; `n_parts`: above 1, the parts of each layer that threads share in a single shard.
    level : int
        Index into `registry.LEVELS`.
    frozen
        `layers`: indices from 0 of the layers whose parameters and states stay as they are; `squares`, `absolutes`:
        the sums over their weights, which the reported J contains. The gradients of these parameters are undefined in
        `workspace.gradients`. None if all layers are trained. A mixture belongs to its layer.
    groups : sequence of (start, stop, rate, decay), optional
        The trained ranges of the arena, in order, and the factors of each: its learning rate is learning_rate * rate,
        and decoupled weight decay multiplies it by 1 - learning_rate * rate * weight_decay * decay. A layer is frozen
        if none of them has a part of its W; `frozen` then gives its sums alone. By default all layers that are not
        frozen and the input stage, with rate 1, and decay 1 for W and 0 for all else.
    parts : Parts, optional
        The input stage and the mixtures: see `fastnn._model.parts.Parts`. None if there are layers only.
    """

    cdef readonly object workspace  # as given

    # Not __init__: no instance is unbound, and none is bound twice.
    def __cinit__(self, architecture, parameters, objective, update, examples, workspace, parallelism, *, int level,
                  frozen=None, groups=None, parts=None):
        cdef int blas_threads = parallelism.blas_threads, team = parallelism.team
        self.workspace = workspace
        self.bind_network(level, architecture, parameters, BLAS_ONLY if blas_threads > 1 else FASTEST_KERNEL, True,
                          parts)
        self.bind_objective(objective)
        if update is not None:
            self.bind_update(update)
            self.bind_dropout(objective.dropout, update.dropout_seed)
        self.bind_examples(examples)
        self.bind_trained(frozen, groups)
        self.bind_workspace(workspace, parallelism)
        self.bind_team(team, parallelism.n_parts)

    def step(self, ptrdiff_t start, ptrdiff_t stop, double learning_rate, double weight_decay=1, double dropout=1):
        """Update the parameters on the examples `start` to `stop` of the order: `gradient`, then `apply`.

        `weight_decay` multiplies the decoupled weight decay, and `dropout` the rates of dropout.

        Returns
        -------
        float
            J of the mini-batch before the update: the weighted mean loss plus the L2 and L1 terms. If the mean loss
            is not finite, nothing changes. If clipping is on and the norm is not finite, nothing changes and J is NaN.
            If the total weight is 0, nothing changes and J is 0.

        Raises
        ------
        ValueError
            If the range is empty, outside the data or longer than the workspace, if a sparse X is damaged, if the plan
            has no update, or if a rate of dropout would be negative or not below 1. With `checks_X` also if X of these
            examples is not finite; the step was then made.
        RuntimeError
            If another thread is using this plan.
        """
        self.require_update()
        self.require_rates(dropout)
        self.enter_range(start, stop)
        cdef double J = 0
        with nogil:
            self.has_gradient = False
            self.begin(start, stop - start, dropout)
            if self.weight != 0:
                self.update.weight_decay *= weight_decay
                csrc.prepare_update(&self.update, <double>(self.step_count[0] + 1), learning_rate)
                self.run_stages(PASS | (PENALIZE | UPDATE if self.clip_norm > 0 else UPDATE), STEP_CALL)
                J = self.mean_loss()
                J += self.end_update(J)
        self.leave()
        if self.run.finite != NULL and not self.X_is_finite:
            raise ValueError("X holds NaN or infinity")
        return J

    def gradient(self, ptrdiff_t start, ptrdiff_t stop, double dropout=1):
        """Leave the gradient of the mean loss over the examples `start` to `stop` in `workspace.gradients[0]`.

        Penalties and clipping are left to `apply`. The gradient may be changed between the two calls: for distributed
        training, to the mean of all machines' `workspace.gradients[0]`, weighted by their `batch_weight`. `apply` then
        takes the mean loss and the total weight of all machines. `dropout` multiplies the rates of dropout.

        Returns
        -------
        float
            The weighted mean loss, without penalties; 0 if the total weight is 0.

        Raises
        ------
        ValueError, RuntimeError
            As for `step`, but the plan needs no update.
        """
        self.require_rates(dropout)
        self.enter_range(start, stop)
        cdef double loss
        with nogil:
            self.begin(start, stop - start, dropout)
            self.run_stages(PASS | REDUCE if self.n_active > 1 else PASS, GRADIENT_CALL)
            self.update.n_shards = 1
            self.has_gradient = True
            loss = self.mean_loss()
        self.leave()
        return loss

    def apply(self, double learning_rate, loss=None, weight=None, double weight_decay=1):
        """Update the parameters by the gradient in `workspace.gradients[0]`, which `gradient` left there.

        Adds the derivative of the L2 and L1 terms, clips the norm and makes one step of the update rule. After
        `gradient`, the parameters and states are bitwise identical to those after `step`.

        Parameters
        ----------
        learning_rate : float
        loss, weight : float, optional
            The mean loss and the total weight of the mini-batch, if the gradient is no longer that of `gradient`
            alone. By default those of the last `gradient`.
        weight_decay : float
            Multiplies the decoupled weight decay.

        Returns
        -------
        float
            The L2 and L1 terms of J before the update. If clipping is on and the norm is not finite, nothing changes
            and the result is NaN. If the mean loss was not finite or the total weight was 0, nothing changes and the
            result is 0.

        Raises
        ------
        ValueError
            If the plan has no update, or `weight` is not a finite number of at least 0.
        TypeError
            If only one of `loss` and `weight` is given.
        RuntimeError
            If there is no gradient to apply, or another thread is using this plan.
        """
        self.require_update()
        if not self.has_gradient:
            raise RuntimeError("there is no gradient to apply: call gradient first")
        cdef double penalty = 0, mean_loss = 0, total_weight = 0
        cdef bint combined = loss is not None
        if combined != (weight is not None):
            raise TypeError("give both loss and weight, or neither")
        if combined:
            mean_loss, total_weight = loss, weight
            if not 0 <= total_weight < INFINITY:
                raise ValueError(f"weight must be a finite number of at least 0, got {weight}")
        self.enter()
        with nogil:
            self.has_gradient = False
            if combined:
                self.combine(mean_loss, total_weight)
            if self.weight != 0:
                self.update.weight_decay *= weight_decay
                csrc.prepare_update(&self.update, <double>(self.step_count[0] + 1), learning_rate)
                self.run_stages(PENALIZE | UPDATE if self.clip_norm > 0 else UPDATE, APPLY_CALL)
                penalty = self.end_update(self.mean_loss())
        self.leave()
        return penalty

    def penalized_gradient(self, ptrdiff_t start, ptrdiff_t stop, out):
        """Fill `out` (P,) with the gradient of J, the mean loss plus penalties, over the examples `start` to `stop`.

        It is 0 for frozen layers.

        Returns
        -------
        float
            J.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            As for `gradient`, and if `out` does not fit.
        """
        cdef char *target = output_pointer(out, self.net.dtype, self.net.size, "out", None)
        self.enter_range(start, stop)
        cdef double J, squares
        cdef ptrdiff_t begins, ends, itemsize = self.net.itemsize
        cdef int r
        with nogil:
            self.has_gradient = False
            self.begin(start, stop - start)
            self.run_stages(PASS, GRADIENT_CALL)
            J = self.mean_loss()
            J += self.frozen_penalty()
            if self.n_ranges > 1 or self.ranges[1] - self.ranges[0] < self.net.size:
                memset(target, 0, self.net.size * itemsize)
            for r in range(self.n_ranges):
                begins, ends = self.ranges[2 * r], self.ranges[2 * r + 1]
                J += self.net.ops.total_gradient(&self.update, begins, ends, self.run.gradients, self.net.theta,
                                                 target + begins * itemsize, &squares)
        self.leave()
        return J

    @property
    def checks_X(self):
        """Whether `step` checks that X of its examples is finite, which must be so; false at first."""
        return self.run.finite != NULL

    @checks_X.setter
    def checks_X(self, bint value):
        self.X_is_finite = True
        self.run.finite = &self.X_is_finite if value else NULL

    @property
    def batch_weight(self):
        """The total weight of the last mini-batch; without sample weights its number of examples."""
        return self.weight

    def take_mean_loss(self):
        """Return the mean J of all steps since the last call, weighted by their mini-batches' total weights."""
        cdef double mean = self.loss_sum / self.weight_sum if self.weight_sum > 0 else NAN
        self.loss_sum = self.weight_sum = 0
        return mean

    cdef int require_update(self) except -1:
        if self.step_count == NULL:
            raise ValueError("this plan has no update: it computes gradients only")
        return 0

    cdef int require_rates(self, double dropout) except -1:
        if not 0 <= dropout * self.highest_rate < 1:
            raise ValueError(f"dropout rates must be from 0 to below 1, got {self.highest_rate} * {dropout}")
        return 0

    cdef int enter_range(self, ptrdiff_t start, ptrdiff_t stop) except -1:
        if not 0 <= start < stop <= self.run.positions or stop - start > self.run.max_batch:
            raise ValueError(f"need 0 <= start < stop <= {self.run.positions} and at most {self.run.max_batch} "
                             f"examples, got {start} to {stop}")
        if not examples_in_range(&self.run, start, stop):
            raise ValueError(f"order must name rows, from 0 to {self.run.rows - 1}, and a sparse X columns, from 0 "
                             f"to {self.net.n_features - 1}, within its arrays")
        return self.enter()
