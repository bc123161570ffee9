"""PredictionPlan: a network's forward pass, bound once. Chunks of rows that stay in the cache go through all layers."""
cimport cython
cimport numpy as cnp
from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_CheckExact
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from fastnn._core.arrays cimport bind_csr, output_pointer, rows_pointer
from fastnn._core.blas cimport check_dimension
from fastnn._core.conversion cimport convert_rows
from fastnn._core.floating_mode cimport fastnn_flush_subnormals, fastnn_restore_mode
from fastnn._core.forkguard cimport in_forked_child
from fastnn._core.gemm cimport BLAS, FASTEST_KERNEL
from fastnn._core.layer cimport Layer, has_epilogue, linear_kernel, outputs_across
from fastnn._core.prediction_chunks cimport Call, LayerDecision, PredictionChunks
from fastnn._core.registry cimport FASTNN_FLOAT32, FASTNN_IDENTITY
from fastnn._core.sparse cimport rows_in_range
from fastnn._core.team cimport clock
from fastnn._core.team_policy cimport fastnn_decide, fastnn_record, fastnn_team_policy
from fastnn._core.tuning cimport (
    MAX_CONVERTED_ELEMENTS, MIN_PARALLEL_WORK, MIN_ROWS_ACROSS, MIN_ROWS_SPLIT_BY_ROWS, MIN_ROWS_SPLIT_LARGE_LAYERS,
    MIN_UNITS_SPLIT, WEIGHT_BYTES_PER_ROW)

cnp.import_array()


@cython.final
cdef class PredictionPlan(PredictionChunks):
    """The forward pass of a network on bound parameters.

    Parameters
    ----------
    architecture, parameters
        As for `TrainingPlan`; theta is read only.
    scratch : ndarray (team, per thread)
        C-ordered; `scratch_size(sizes, block, parts)` is what a thread needs.
    block : int
        Rows that a thread's scratch can hold.
    level : int
        Index into `registry.LEVELS`.
    parts : Parts, optional
        As for `TrainingPlan`.
    """

    cdef readonly int team
    cdef fastnn_team_policy policies[2]  # for splitting by units and by rows, whose times per row differ
    cdef ptrdiff_t min_rows_split
    cdef LayerDecision *decisions    # (n_layers) of the current call
    cdef bint across                 # the output layer of many rows is vectorised over examples

    def __cinit__(self, architecture, parameters, scratch, block, *, int level, parts=None):  # no instance is unbound
        self.bind_network(level, architecture, parameters, FASTEST_KERNEL, False, parts)
        self.block = check_dimension(block, "the block")
        if self.block < 1:
            raise ValueError(f"the block must be at least 1, got {block}")
        self.per_thread = self.scratch_size(architecture.sizes, block, parts)
        self.scratch = output_pointer(scratch, self.net.dtype, -1, "scratch", self.held)
        if scratch.ndim != 2 or scratch.shape[0] < 1 or scratch.shape[1] != self.per_thread:
            raise ValueError(f"scratch must be (team, {self.per_thread}), got shape {scratch.shape}")
        self.team = check_dimension(scratch.shape[0], "the team")
        self.across = self.net.n_layers > 1 and outputs_across(&self.net)
        self.min_rows_split = self.rows_worth_splitting()
        self.decisions = <LayerDecision *>calloc(self.net.n_layers, sizeof(LayerDecision))
        if self.decisions == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.decisions)

    @staticmethod
    def scratch_size(sizes, block, parts=None):
        """Return the number of scratch elements that one thread needs."""
        if parts is None:
            return (sizes[0] + 2 * max(sizes[1:])) * block
        widest = max(parts.widths[0 if parts.table is not None else 1:])
        return (parts.n_features + (3 if parts.mixtures else 2) * widest) * block

    cpdef ptrdiff_t blas_work(self, ptrdiff_t m) noexcept:
        """Return the multiply-adds of the largest product that is left to BLAS if `m` rows are predicted."""
        cdef ptrdiff_t largest = 0, count = min(m, self.block_rows(m))
        cdef Layer *layer
        cdef int l
        for l in range(self.net.n_layers):
            layer = &self.net.layers[l]
            if linear_kernel(&self.net, layer, count) == BLAS:
                largest = max(largest, count * layer.n_in * layer.n_out)
        return largest

    def run(self, X, out, bint raw=False):
        """Fill `out` (m, n[L]), C-ordered, with A[L] of the rows of `X` (m, n[0]); with `raw`, with Z[L].

        `X` may be the arrays (values, columns, bounds) of a CSR matrix, as for `TrainingPlan`.

        Returns
        -------
        bool
            False if X holds NaN or infinity; `out` is then undefined.

        Raises
        ------
        ValueError, TypeError
            If the arrays do not fit the network.
        RuntimeError
            If another thread is using this plan.
        """
        cdef Layer *first = &self.net.layers[0]
        cdef ptrdiff_t n_out = self.net.layers[self.net.n_layers - 1].n_out
        cdef Call call
        call.X = NULL
        if isinstance(X, tuple):
            call.m = bind_csr(X, self.net.dtype, &call.sparse_X, None)
            if self.net.inputs != NULL:
                raise ValueError("an input stage takes no sparse X")
            if first.row_major:
                raise ValueError("a sparse X needs W[1] column-major")
            if not rows_in_range(&call.sparse_X, first.n_in, call.m, NULL):
                raise ValueError(f"a sparse X must name columns from 0 to {first.n_in - 1}, within its arrays")
        else:
            call.X = rows_pointer(X, self.net.dtype, self.net.n_features, &call.row_stride, &call.column_stride, None)
            call.m = X.shape[0]
        call.out = output_pointer(out, self.net.dtype, call.m * n_out, "out", None)
        if out.shape != (call.m, n_out) or not out.flags.c_contiguous:
            raise ValueError(f"out must be C-ordered (m, n[L]) = ({call.m}, {n_out}), got shape {out.shape}")
        return self.predict(&call, raw)

    cpdef fast_path(self, X, bint raw=False):
        """Return A[L] of the rows of `X` as a new array (m, n[L]); with `raw`, Z[L].

        Returns
        -------
        ndarray or None
            None unless X is an ndarray (m, n[0]) with m >= 1 and finite values that is C-ordered and of the network's
            dtype, or small and of another order or real dtype. The caller then falls back to full validation.

        Raises
        ------
        RuntimeError
            If another thread is using this plan.
        """
        cdef Call call
        cdef cnp.npy_intp shape[2]
        cdef uint64_t mode
        cdef bint converted
        cdef int typenum = cnp.NPY_FLOAT32 if self.net.dtype == FASTNN_FLOAT32 else cnp.NPY_FLOAT64
        if not cnp.PyArray_CheckExact(X) or cnp.PyArray_NDIM(X) != 2:
            return None
        shape[0], shape[1] = cnp.PyArray_DIM(X, 0), self.net.layers[self.net.n_layers - 1].n_out
        if shape[0] < 1 or cnp.PyArray_DIM(X, 1) != self.net.n_features:
            return None
        if cnp.PyArray_TYPE(X) != typenum or not cnp.PyArray_ISNOTSWAPPED(X) or not cnp.PyArray_ISCARRAY_RO(X):
            if cnp.PyArray_SIZE(X) > MAX_CONVERTED_ELEMENTS:
                return None
            given, X = X, cnp.PyArray_EMPTY(2, cnp.PyArray_DIMS(X), typenum, 0)
            mode = fastnn_flush_subnormals()
            converted = convert_rows(given, self.net.dtype, <char *>cnp.PyArray_DATA(X))
            fastnn_restore_mode(mode)
            if not converted:
                return None
        out = cnp.PyArray_EMPTY(2, shape, typenum, 0)
        call.X, call.row_stride, call.column_stride = <char *>cnp.PyArray_DATA(X), self.net.n_features, 1
        call.m, call.out = shape[0], <char *>cnp.PyArray_DATA(out)
        return out if self.predict(&call, raw) else None

    # Predict all rows; return whether X is finite.
    cdef bint predict(self, Call *call, bint raw) except -1:
        cdef ptrdiff_t m = call.m
        cdef bint by_rows = m >= self.min_rows_split, shared = self.team > 1 and m > 0 and not in_forked_child(), team
        cdef bint finite
        cdef fastnn_team_policy *policy = &self.policies[by_rows]
        self.enter()
        with nogil:
            team = shared and fastnn_decide(policy, clock())
            self.decide(call, raw, by_rows, team)
            finite = self.run_chunks(call, self.team if team and by_rows else 1)
            if shared:
                fastnn_record(policy, clock(), m)
        self.leave()
        return finite

    # Choose block, chunk and parts, and a kernel for each layer. Block and parts change the last bits of BLAS's
    # results, so they do not depend on whether a team works.
    cdef void decide(self, Call *call, bint raw, bint by_rows, bint team) noexcept nogil:
        cdef ptrdiff_t block = max(<ptrdiff_t>1, min(call.m, self.block_rows(call.m)))
        cdef ptrdiff_t n_blocks = (call.m + block - 1) // block, most = self.block // block
        cdef int l, L = self.net.n_layers
        cdef Layer *layer
        cdef LayerDecision *decision
        if team and by_rows:
            most = min(most, max(<ptrdiff_t>1, n_blocks // self.team))
        call.block, call.chunk = block, most * block
        call.parts, call.parallel_parts = 1 if by_rows else self.team, team and not by_rows
        call.layers = self.decisions
        for l in range(L):
            layer, decision = &self.net.layers[l], &self.decisions[l]
            decision.kernel = linear_kernel(&self.net, layer, block)
            decision.activation = FASTNN_IDENTITY if raw and l == L - 1 else layer.activation
            decision.epilogue = not layer.mixture and has_epilogue(decision.kernel, decision.activation)
            decision.across = l == L - 1 and self.across and call.m >= MIN_ROWS_ACROSS
            decision.split = call.parallel_parts or decision.kernel == BLAS

    # Return the number of rows from which threads split the rows; it depends only on the layers' shapes.
    cdef ptrdiff_t rows_worth_splitting(self) noexcept nogil:
        cdef ptrdiff_t work = 0, elements = 0, least
        cdef Layer *layer
        for l in range(self.net.n_layers):
            layer = &self.net.layers[l]
            work += layer.n_in * layer.n_out
            elements += layer.n_in * layer.n_out if layer.n_out >= MIN_UNITS_SPLIT else 0
        least = max(elements * self.net.itemsize // WEIGHT_BYTES_PER_ROW, MIN_PARALLEL_WORK // work + 1)
        return min(<ptrdiff_t>MIN_ROWS_SPLIT_BY_ROWS, max(<ptrdiff_t>MIN_ROWS_SPLIT_LARGE_LAYERS, least))

    # Return the rows of a block: small enough for four threads, even if there are fewer, because blocks change the last
    # bits of BLAS's results.
    cdef ptrdiff_t block_rows(self, ptrdiff_t m) noexcept nogil:
        if m < self.min_rows_split:
            return self.block
        return min(self.block, (m + 3) // 4)


@cython.final
cdef class PlanPool:
    """The plans of a predictor that no call uses. Each call takes one, so that several threads may predict at a time.

    Parameters
    ----------
    bind : callable
        ``bind(team)`` returns a new plan for up to `team` threads.
    max_rows : int
        Rows up to which `fast_path` applies.
    max_rows_single_thread : int
        Rows up to which one thread works.
    max_team : int
        Largest team.
    max_serial_blas_work : int
        Multiply-adds up to which BLAS computes a product on one thread.
    """

    cdef object bind
    cdef ptrdiff_t max_rows, max_rows_single_thread, max_serial_blas_work
    cdef long max_team
    cdef dict idle   # lists of plans by team
    cdef list alone  # the idle plans of one thread

    def __cinit__(self, bind, *, max_rows, max_rows_single_thread, max_team, max_serial_blas_work):
        self.bind, self.max_rows, self.max_rows_single_thread = bind, max_rows, max_rows_single_thread
        self.max_team, self.max_serial_blas_work = max_team, max_serial_blas_work
        self.alone = []
        self.idle = {1: self.alone}

    def fast_path(self, X, bint raw=False, n_threads=None):
        """Return `PredictionPlan.fast_path` of a plan for as many rows and threads.

        Returns
        -------
        ndarray or None
            None also where the caller has to check `n_threads`, to find its default or to limit BLAS's threads.
        """
        cdef ptrdiff_t m
        cdef long team = 1
        cdef int overflow = 0
        cdef PredictionPlan plan
        if not cnp.PyArray_CheckExact(X) or cnp.PyArray_NDIM(X) != 2:
            return None
        m = cnp.PyArray_DIM(X, 0)
        if n_threads is not None:
            if not PyLong_CheckExact(n_threads):
                return None
            team = PyLong_AsLongAndOverflow(n_threads, &overflow)
        if m > self.max_rows or not 1 <= team <= self.max_team:
            return None
        if m <= self.max_rows_single_thread:
            team = 1
        elif n_threads is None:
            return None
        plan = self.take(team)
        outputs = plan.fast_path(X, raw) if plan.blas_work(m) < self.max_serial_blas_work else None
        self.give_back(team, plan)
        return outputs

    cpdef take(self, long team):
        """Remove an idle plan for a team and return it, or a new one."""
        cdef list plans = self.alone if team == 1 else self.idle.setdefault(team, [])
        try:
            return plans.pop()
        except IndexError:  # not a test before: another thread may take the last plan after it
            return self.bind(team)

    cpdef give_back(self, long team, plan):
        """Make a plan idle that was taken for a team."""
        (<list>(self.alone if team == 1 else self.idle[team])).append(plan)
