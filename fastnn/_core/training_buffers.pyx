"""The buffers of a training run, checked once and bound to C pointers."""
from libc.math cimport INFINITY
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from fastnn._core.arrays cimport bind_csr, bind_loss, dtype_code, index_pointer, output_index_pointer, rows_pointer
from fastnn._core.blas cimport check_dimension
from fastnn._core.layer cimport Layer
from fastnn._core.registry cimport (
    FASTNN_IDENTITY, FASTNN_SOFTMAX, csrc, refuse_unit_weights, rule_code)


cdef class BoundTraining(BoundNetwork):
    def __dealloc__(self):
        free(self.run.Z)
        free(self.ranges)
        free(self.groups)
        free(self.dropout_rates)

    cdef int bind_objective(self, object objective) except -1:
        cdef Layer *first = &self.net.layers[0]
        loss = objective.loss
        self.run.net = &self.net
        self.run.n_targets = bind_loss(&self.run.loss, loss.name, loss.parameter, loss.ceiling, loss.factor,
                                       self.net.layers[self.net.n_layers - 1].n_out, self.held)
        if csrc.losses[self.run.loss.kind].from_z:
            self.net.layers[self.net.n_layers - 1].activation = FASTNN_IDENTITY
        self.settings.l2, self.settings.l1, self.l2_by_batch = objective.l2, objective.l1, objective.l2_by_batch
        self.settings.n_decayed, self.settings.size = first.b // self.net.itemsize, self.net.size
        self.settings.shrink = self.settings.clip = 1
        return 0

    cdef int bind_update(self, object update) except -1:
        cdef int rule = rule_code(update.rule), s
        cdef int needed = csrc.rules[rule].states
        cdef dict hyperparameters = update.hyperparameters
        if hyperparameters is None:
            raise TypeError("hyperparameters must be a dict, got None")
        if len(update.arenas) != needed:
            raise ValueError(f"this rule needs {needed} state arenas, got {len(update.arenas)}")
        for s in range(needed):
            self.states[s] = self.output(update.arenas[s], (self.net.size,), "an optimiser state")
        self.settings.rule = rule
        self.settings.momentum = hyperparameters.get("momentum", 0.0)
        self.settings.beta_1 = hyperparameters.get("beta_1", 0.0)
        self.settings.beta_2 = hyperparameters.get("beta_2", 0.0)
        self.settings.epsilon = hyperparameters.get("epsilon", 0.0)
        self.settings.weight_decay = hyperparameters.get("weight_decay", 0.0)
        self.clip_norm = update.clip_norm
        self.step_count = <int64_t *>output_index_pointer(update.step_count, 8, 1, "step_count", self.held)
        return 0

    cdef int bind_dropout(self, object rates, object seed) except -1:
        cdef Layer *layers = self.net.layers
        cdef int l
        cdef uint64_t bits = seed
        cdef double rate
        self.dropout_seed[0], self.dropout_seed[1] = <uint32_t>bits, <uint32_t>(bits >> 32)
        if len(rates) not in (0, self.net.n_layers - 1):
            raise ValueError(f"need a dropout rate for each of {self.net.n_layers - 1} hidden layers, got {len(rates)}")
        self.dropout_rates = <double *>calloc(self.net.n_layers, sizeof(double))
        if self.dropout_rates == NULL:
            raise MemoryError
        for l in range(len(rates)):
            rate = rates[l]
            if not 0 <= rate < 1 or rate and layers[l].activation == FASTNN_SOFTMAX:
                raise ValueError("a dropout rate must be from 0 to below 1, and 0 for softmax")
            self.dropout_rates[l] = rate
            self.highest_rate = max(self.highest_rate, rate)
        self.drops = self.highest_rate > 0
        self.set_dropout(1)
        return 0

    # Multiply the rates of all layers by a factor that leaves them below 1.
    cdef void set_dropout(self, double factor) noexcept nogil:
        cdef double rate
        cdef int l
        self.dropout_factor = factor
        for l in range(self.net.n_layers - 1):
            rate = self.dropout_rates[l] * factor
            self.net.layers[l].threshold = <uint32_t>(rate * 4294967296.0)
            self.net.layers[l + 1].input_scale = 1 / (1 - rate)

    cdef int bind_trained(self, object frozen, object groups) except -1:
        cdef Layer *layers = self.net.layers
        cdef Layer *layer
        cdef int L = self.net.n_layers, l
        cdef list rows = None if groups is None else check_groups(groups, self.net.size)
        if frozen is not None:
            for l in frozen.layers:
                if not 0 <= l < L:
                    raise ValueError(f"frozen layers must be from 0 to {L - 1}, got {l}")
                layers[l].frozen = True
            self.frozen_squares, self.frozen_absolutes = frozen.squares, frozen.absolutes
        l = 3 * L + 1 if rows is None else len(rows)
        self.ranges = <ptrdiff_t *>calloc(2 * l, sizeof(ptrdiff_t))
        self.groups = <Group *>calloc(l, sizeof(Group))
        if self.ranges == NULL or self.groups == NULL:
            raise MemoryError
        if rows is None:
            self.add_layers()
        else:
            self.add_groups(rows)
        while self.run.lowest < L:
            layer = &layers[self.run.lowest]
            if (self.is_trained(layer.W, layer.n_in * layer.n_out) or self.is_trained(layer.b, layer.n_out)
                    or layer.mixture and self.is_trained(layer.mixture, layer.n_out)):
                break
            self.run.lowest += 1
        if self.net.inputs != NULL and self.is_trained(self.inputs.first * self.net.itemsize,
                                                       self.inputs.stop - self.inputs.first):
            self.run.trains_inputs, self.run.lowest = True, 0
        if self.run.lowest == L:
            raise ValueError("all layers are frozen")
        return 0

    # Every layer that is not frozen, with its mixture, and the input stage. Weight decay acts on W only.
    cdef void add_layers(self) noexcept:
        cdef Layer *layer
        cdef int l
        for l in range(self.net.n_layers):
            layer = &self.net.layers[l]
            self.add_part(layer.frozen, layer.W, layer.n_in * layer.n_out, 1)
        for l in range(self.net.n_layers):
            self.add_part(self.net.layers[l].frozen, self.net.layers[l].b, self.net.layers[l].n_out, 0)
        if self.net.inputs != NULL:
            self.add_part(False, self.inputs.first * self.net.itemsize, self.inputs.stop - self.inputs.first, 0)
        for l in range(self.net.n_layers):
            layer = &self.net.layers[l]
            self.add_part(layer.frozen or not layer.mixture, layer.mixture, layer.n_out, 0)

    # Append `count` elements from this byte of the arena on, unless they are frozen.
    cdef void add_part(self, bint frozen, ptrdiff_t offset, ptrdiff_t count, double decay) noexcept:
        cdef ptrdiff_t start = offset // self.net.itemsize
        if not frozen and count > 0:
            self.add_group(start, start + count, 1, decay)

    # Rows of `check_groups`; a layer is frozen if none of them has a part of its W.
    cdef void add_groups(self, list rows) noexcept:
        cdef Layer *layer
        cdef int l
        for start, stop, rate, decay in rows:
            self.add_group(start, stop, rate, decay)
        for l in range(self.net.n_layers):
            layer = &self.net.layers[l]
            layer.frozen = not self.is_trained(layer.W, layer.n_in * layer.n_out)

    # Append a group, and its range; extend the last ones where this makes no difference.
    cdef void add_group(self, ptrdiff_t start, ptrdiff_t stop, double rate, double decay) noexcept:
        cdef Group *last = self.groups + max(0, self.n_groups - 1)
        if self.settings.weight_decay == 0:
            decay = 0
        if self.n_groups > 0 and last.stop == start and last.rate == rate and last.decay == decay:
            last.stop = stop
        else:
            self.groups[self.n_groups] = Group(start, stop, rate, decay)
            self.n_groups += 1
        if self.n_ranges == 0 or self.ranges[2 * self.n_ranges - 1] != start:
            self.ranges[2 * self.n_ranges] = start
            self.n_ranges += 1
        self.ranges[2 * self.n_ranges - 1] = stop

    # Whether any of the `count` parameters from this byte of the arena on is trained.
    cdef bint is_trained(self, ptrdiff_t offset, ptrdiff_t count) noexcept:
        cdef ptrdiff_t start = offset // self.net.itemsize
        cdef int r
        for r in range(self.n_ranges):
            if self.ranges[2 * r] < start + count and start < self.ranges[2 * r + 1]:
                return True
        return False

    cdef int bind_examples(self, object examples) except -1:
        cdef TrainingBuffers *run = &self.run
        cdef Layer *first = &self.net.layers[0]
        X, order = examples.X, examples.order
        if isinstance(X, tuple):
            run.rows = bind_csr(X, self.net.dtype, &run.sparse_X, self.held)
            if self.net.inputs != NULL:
                raise ValueError("an input stage takes no sparse X")
            if first.row_major:
                raise ValueError("a sparse X needs W[1] column-major")
        else:
            run.X = rows_pointer(X, self.net.dtype, self.net.n_features, &run.row_stride, &run.column_stride, self.held)
            run.rows = X.shape[0]
        run.loss.dense = csrc.losses[run.loss.kind].takes_labels and getattr(examples.Y, "ndim", 1) == 2
        if csrc.losses[run.loss.kind].takes_labels and not run.loss.dense:
            run.Y = index_pointer(examples.Y, 4, run.rows, "labels", self.held)
        else:
            run.Y = self.input(examples.Y, (run.rows, run.n_targets), "Y")
        run.weight_width = 1
        if examples.weights is not None:
            shape = (run.rows, run.n_targets)
            if examples.weights.ndim == 2:
                refuse_unit_weights(run.loss.kind)
                run.loss.unit_weights, run.weight_width = True, run.n_targets
            run.sample_weight = self.input(examples.weights, shape if run.loss.unit_weights else shape[:1], "weights")
        run.positions = run.rows
        if order is not None:
            if order.ndim != 1:
                raise ValueError(f"order must be of shape (positions,), got {order.shape}")
            run.positions = order.size
            run.order = <int64_t *>index_pointer(order, 8, run.positions, "order", self.held)
        return 0

    cdef int bind_workspace(self, object workspace, object parallelism) except -1:
        cdef TrainingBuffers *run = &self.run
        cdef Layer *layers = self.net.layers
        cdef int L = self.net.n_layers, l
        cdef ptrdiff_t m
        Z, A, dZ = workspace.Z, workspace.A, workspace.dZ
        self.n_shards = check_dimension(parallelism.n_shards, "the number of shards")
        if self.n_shards < 1:
            raise ValueError(f"need at least one shard, got {self.n_shards}")
        run.gradients = self.output(workspace.gradients, (self.n_shards, self.net.size), "gradients", "C")
        if len(Z) != L or len(A) != L or len(dZ) != 2:
            raise ValueError(f"need {L} matrices Z and A and 2 dZ, got {len(Z)}, {len(A)} and {len(dZ)}")
        dtype_code(Z[0])
        m = run.max_batch = check_dimension(Z[0].size // layers[0].n_out, "the batch size")
        run.Z = <char **>calloc(2 * L + 2, sizeof(char *))
        if run.Z == NULL:
            raise MemoryError
        run.A, run.dZ = run.Z + L, run.Z + 2 * L
        for l in range(L):
            run.Z[l] = self.output(Z[l], (layers[l].n_out, m), f"Z[{l + 1}]")
            run.A[l] = self.output(A[l], (layers[l].n_out, m), f"A[{l + 1}]")
            if run.A[l] == run.Z[l] and layers[l].needs_z:
                raise ValueError(f"layer {l + 1} needs Z and A apart")
        for l in range(2):
            run.dZ[l] = self.output(dZ[l], (self.net.widest, m), "dZ")
        if self.net.inputs != NULL:
            run.A0 = self.output(workspace.A0, (self.net.inputs.width, m), "A[0]")
        if workspace.batch_X is not None:
            run.batch_X = self.output(workspace.batch_X, (self.net.n_features, m), "batch X")
        if workspace.batch_Y is not None and csrc.losses[run.loss.kind].takes_labels and not run.loss.dense:
            run.batch_Y = output_index_pointer(workspace.batch_Y, 4, m, "batch labels", self.held)
        elif workspace.batch_Y is not None:
            run.batch_Y = self.output(workspace.batch_Y, (run.n_targets, m), "batch Y")
        if workspace.batch_weights is not None:
            shape = (run.weight_width, m)
            run.batch_weights = self.output(workspace.batch_weights, shape if run.loss.unit_weights else shape[1:],
                                            "batch weights")
        if needs_batch_buffers(run, self.net.n_features):
            raise ValueError("examples that are not read in place need batch buffers")
        return 0


# Whether examples have to be gathered into a buffer that is missing.
cdef bint needs_batch_buffers(const TrainingBuffers *run, ptrdiff_t n) noexcept:
    cdef bint shuffled = run.order != NULL
    cdef bint in_place = run.X == NULL or (not shuffled and run.column_stride == 1 and run.row_stride == n)
    return (not in_place and run.batch_X == NULL or shuffled and run.batch_Y == NULL
            or shuffled and run.sample_weight != NULL and run.batch_weights == NULL)


# The rows (start, stop, rate, decay) of `groups` as a list of tuples, in an arena of this size.
cdef list check_groups(object groups, ptrdiff_t size):
    cdef list rows = []
    cdef ptrdiff_t start, stop, end = 0
    cdef double rate, decay
    for start, stop, rate, decay in groups:
        if not end <= start < stop <= size:
            raise ValueError(f"groups must be ranges in order, from 0 to {size}, got {start} to {stop} after {end}")
        if not (0 < rate < INFINITY and 0 <= decay < INFINITY):
            raise ValueError(f"a group needs a positive rate and a decay of at least 0, got {rate} and {decay}")
        rows.append((start, stop, rate, decay))
        end = stop
    if not rows:
        raise ValueError("all layers are frozen")
    return rows
