"""PredictionPlan: a network's forward pass, bound once; rows go through all layers in chunks that stay in the cache."""
cimport cython
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stddef cimport ptrdiff_t
from libc.stdlib cimport calloc, free

from fastnn._core.arrays cimport bind_csr, output_pointer, rows_pointer
from fastnn._core.blas cimport check_dimension
from fastnn._core.forkguard cimport in_forked_child
from fastnn._core.gemm cimport BLAS, FASTEST_KERNEL, TILES
from fastnn._core.layer cimport (
    Layer, has_epilogue, linear_activate, linear_activate_across, linear_kernel, linear_units, outputs_across,
    sparse_linear_activate)
from fastnn._core.network cimport BoundNetwork
from fastnn._core.registry cimport FASTNN_FLOAT32, FASTNN_IDENTITY
from fastnn._core.sparse cimport Csr, rows_in_range
from fastnn._core.team_policy cimport fastnn_clock, fastnn_decide, fastnn_record, fastnn_team_policy
from fastnn._core.tuning cimport (
    MIN_PARALLEL_WORK, MIN_ROWS_ACROSS, MIN_ROWS_SPLIT_BY_ROWS, MIN_ROWS_SPLIT_LARGE_LAYERS, MIN_UNITS_SPLIT,
    UNITS_GRANULE, WEIGHT_BYTES_PER_ROW)

cnp.import_array()

# How the rows of a call go through a layer.
cdef struct LayerDecision:
    int kernel
    int activation    # the layer's, or identity for raw outputs
    bint epilogue     # the kernel applies the activation, unless the units are split
    bint across       # vectorised over examples
    bint split        # large enough products are split by units

# The rows of a call, and how they are worked on.
cdef struct Call:
    char *X                  # IN (m, n[0]), strided; NULL for a sparse X
    ptrdiff_t row_stride     # in elements
    ptrdiff_t column_stride
    Csr sparse_X             # IN, instead of X
    ptrdiff_t m
    char *out                # OUT (m, n[L]), C-ordered
    ptrdiff_t block          # rows that BLAS multiplies at a time: its last bits depend on their number
    ptrdiff_t chunk          # rows that a thread takes through all layers at a time: some blocks
    int parts                # into which the units of a large layer are split
    bint together            # whether threads share these parts
    LayerDecision *layers    # (n_layers)


@cython.final
cdef class PredictionPlan(BoundNetwork):
    """The forward pass of a network on bound parameters.

    Parameters
    ----------
    architecture, parameters
        As for `TrainingPlan`; theta is read only.
    scratch : ndarray (team, per thread)
        C-ordered; `scratch_size(sizes, block)` is what a thread needs.
    block : int
        Rows that go through the layers together.
    level : int
        Index into `registry.LEVELS`.
    """

    cdef readonly int team
    cdef fastnn_team_policy policies[2]  # for splitting by units and by rows, whose times per row differ
    cdef ptrdiff_t block, per_thread, min_rows_split
    cdef char *scratch
    cdef LayerDecision *decisions    # (n_layers) of the present call
    cdef bint across                 # the output layer of many rows is vectorised over examples

    def __cinit__(self, architecture, parameters, scratch, block, *, int level):  # no instance is unbound
        self.bind_network(level, architecture, parameters, FASTEST_KERNEL, False)
        self.block = check_dimension(block, "the block")
        if self.block < 1:
            raise ValueError(f"the block must be at least 1, got {block}")
        self.per_thread = self.scratch_size(architecture.sizes, block)
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
    def scratch_size(sizes, block):
        """Return the number of scratch elements that one thread needs."""
        return (sizes[0] + 2 * max(sizes[1:])) * block

    def blas_work(self, ptrdiff_t m):
        """Return the multiply-adds of the largest product that is left to BLAS if `m` rows are predicted."""
        cdef ptrdiff_t largest = 0, count = min(m, self.block_rows(m))
        cdef Layer *layer
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
            If another thread is inside this plan.
        """
        cdef Layer *first = &self.net.layers[0]
        cdef ptrdiff_t n_out = self.net.layers[self.net.n_layers - 1].n_out
        cdef Call call
        call.X = NULL
        if isinstance(X, tuple):
            call.m = bind_csr(X, self.net.dtype, &call.sparse_X, None)
            if first.row_major:
                raise ValueError("a sparse X needs W[1] column-major")
            if not rows_in_range(&call.sparse_X, first.n_in, call.m, NULL):
                raise ValueError(f"a sparse X must name columns from 0 to {first.n_in - 1}, within its arrays")
        else:
            call.X = rows_pointer(X, self.net.dtype, first.n_in, &call.row_stride, &call.column_stride, None)
            call.m = X.shape[0]
        call.out = output_pointer(out, self.net.dtype, call.m * n_out, "out", None)
        if out.shape != (call.m, n_out) or not out.flags.c_contiguous:
            raise ValueError(f"out must be C-ordered (m, n[L]) = ({call.m}, {n_out}), got shape {out.shape}")
        return self.predict(&call, raw)

    def fast_path(self, X, bint raw=False):
        """Return A[L] of the rows of `X` as a new array (m, n[L]); with `raw`, Z[L].

        Returns
        -------
        ndarray or None
            None unless X is a C-ordered ndarray (m, n[0]) of the network's dtype with m >= 1 and finite values. The
            caller then falls back to full validation.

        Raises
        ------
        RuntimeError
            If another thread is inside this plan.
        """
        cdef Call call
        cdef cnp.npy_intp shape[2]
        cdef int typenum = cnp.NPY_FLOAT32 if self.net.dtype == FASTNN_FLOAT32 else cnp.NPY_FLOAT64
        if not cnp.PyArray_CheckExact(X) or cnp.PyArray_NDIM(X) != 2:
            return None
        shape[0], shape[1] = cnp.PyArray_DIM(X, 0), self.net.layers[self.net.n_layers - 1].n_out
        if (cnp.PyArray_TYPE(X) != typenum or not cnp.PyArray_ISNOTSWAPPED(X) or not cnp.PyArray_ISCARRAY_RO(X)
                or shape[0] < 1 or cnp.PyArray_DIM(X, 1) != self.net.layers[0].n_in):
            return None
        out = cnp.PyArray_EMPTY(2, shape, typenum, 0)
        call.X, call.row_stride, call.column_stride = <char *>cnp.PyArray_DATA(X), self.net.layers[0].n_in, 1
        call.m, call.out = shape[0], <char *>cnp.PyArray_DATA(out)
        return out if self.predict(&call, raw) else None

    # ---- Once per call

    # Predict all rows; returns whether all values are finite.
    cdef bint predict(self, Call *call, bint raw) except -1:
        cdef ptrdiff_t m = call.m, n_chunks, k
        cdef bint by_rows = m >= self.min_rows_split, shared = self.team > 1 and m > 0 and not in_forked_child(), team
        cdef int finite = True
        cdef fastnn_team_policy *policy = &self.policies[by_rows]
        self.enter()
        with nogil:
            team = shared and fastnn_decide(policy, fastnn_clock())
            self.decide(call, raw, by_rows, team)
            n_chunks = (m + call.chunk - 1) // call.chunk
            if team and by_rows:
                for k in prange(n_chunks, schedule="dynamic", num_threads=self.team):
                    finite &= self.run_chunk(call, k, threadid())
            else:
                for k in range(n_chunks):
                    finite &= self.run_chunk(call, k, 0)
            if shared:
                fastnn_record(policy, fastnn_clock(), m)
        self.leave()
        return finite

    # Choose block, chunk and parts, and a kernel for each layer. BLAS's last bits depend on the block and on the parts,
    # so these are the same whether a team works or not.
    cdef void decide(self, Call *call, bint raw, bint by_rows, bint team) noexcept nogil:
        cdef ptrdiff_t block = max(<ptrdiff_t>1, min(call.m, self.block_rows(call.m)))
        cdef ptrdiff_t n_blocks = (call.m + block - 1) // block, most = self.block // block
        cdef int l, L = self.net.n_layers
        cdef Layer *layer
        cdef LayerDecision *decision
        if team and by_rows:
            most = min(most, max(<ptrdiff_t>1, n_blocks // self.team))
        call.block, call.chunk = block, most * block
        call.parts, call.together = 1 if by_rows else self.team, team and not by_rows
        call.layers = self.decisions
        for l in range(L):
            layer, decision = &self.net.layers[l], &self.decisions[l]
            decision.kernel = linear_kernel(&self.net, layer, block)
            decision.activation = FASTNN_IDENTITY if raw and l == L - 1 else layer.activation
            decision.epilogue = has_epilogue(decision.kernel, decision.activation)
            decision.across = l == L - 1 and self.across and call.m >= MIN_ROWS_ACROSS
            decision.split = call.together or decision.kernel == BLAS

    # Rows from which threads split the rows: a function of the layers' shapes alone.
    cdef ptrdiff_t rows_worth_splitting(self) noexcept nogil:
        cdef ptrdiff_t work = 0, elements = 0, least
        cdef Layer *layer
        for l in range(self.net.n_layers):
            layer = &self.net.layers[l]
            work += layer.n_in * layer.n_out
            elements += layer.n_in * layer.n_out if layer.n_out >= MIN_UNITS_SPLIT else 0
        least = max(elements * self.net.itemsize // WEIGHT_BYTES_PER_ROW, MIN_PARALLEL_WORK // work + 1)
        return min(<ptrdiff_t>MIN_ROWS_SPLIT_BY_ROWS, max(<ptrdiff_t>MIN_ROWS_SPLIT_LARGE_LAYERS, least))

    # Rows of a block: small enough for four threads, even if there are fewer, as BLAS's last bits depend on it.
    cdef ptrdiff_t block_rows(self, ptrdiff_t m) noexcept nogil:
        if m < self.min_rows_split:
            return self.block
        return min(self.block, (m + 3) // 4)

    # ---- Once per chunk

    # Take the k-th chunk through all layers; returns whether its values are finite.
    cdef bint run_chunk(self, const Call *call, ptrdiff_t k, int thread) noexcept nogil:
        cdef ptrdiff_t first = k * call.chunk, count = min(call.chunk, call.m - first)
        cdef char *scratch = self.scratch + thread * self.per_thread * self.net.itemsize
        cdef char *A_prev
        cdef char *A = self.output_of(call, 0, first, scratch)
        cdef int l
        if call.X == NULL:
            if not self.sparse_first_layer(call, first, count, A):
                return False
        elif not self.first_layer(call, count, self.gather_rows(call, first, count, scratch), A):
            return False
        for l in range(1, self.net.n_layers):
            A_prev, A = A, self.output_of(call, l, first, scratch)
            if call.layers[l].across:
                linear_activate_across(&self.net, &self.net.layers[l], call.layers[l].activation, count, A_prev,
                                       self.scratch_of(l, scratch), A)
            else:
                self.layer(call, l, count, A_prev, A)
        return True

    # A[1] of X (n[0], count); returns whether X is finite.
    cdef bint first_layer(self, const Call *call, ptrdiff_t count, const char *X, char *A) noexcept nogil:
        cdef Layer *layer = &self.net.layers[0]
        cdef const LayerDecision *decision = &call.layers[0]
        cdef int finite = True
        if decision.kernel == BLAS:  # it may leave out terms, so that A does not show whether X is finite
            if not self.all_finite(X, count):
                return False
            self.layer(call, 0, count, X, A)
        elif decision.kernel == TILES and decision.epilogue and self.parts_of(call, 0, count) == 1:
            linear_activate(TILES, &self.net, layer, decision.activation, count, X, A, A, NULL, 0, &finite)
            return finite or self.all_finite(X, count)
        else:
            self.linear(call, 0, count, X, A)
            if not self.shows_finite(X, A, count):
                return False
            self.net.ops.activate(decision.activation, layer.n_out, count, self.net.theta + layer.b, A, A, NULL, 0)
        return True

    # A[1] of rows of a sparse X; returns whether their values are finite.
    cdef bint sparse_first_layer(self, const Call *call, ptrdiff_t first, ptrdiff_t count, char *A) noexcept nogil:
        cdef Csr rows = call.sparse_X
        cdef ptrdiff_t length
        rows.bounds += first
        length = rows.bounds[count] - rows.bounds[0]
        if not self.net.ops.all_finite(length, 1, rows.values + rows.bounds[0] * self.net.itemsize, length, 1):
            return False
        sparse_linear_activate(&self.net, &self.net.layers[0], call.layers[0].activation, count, &rows, NULL, A, A,
                               NULL, 0)
        return True

    # A (n[l+1], count) of A_prev (n[l], count)
    cdef void layer(self, const Call *call, int l, ptrdiff_t count, const char *A_prev, char *A) noexcept nogil:
        cdef Layer *layer = &self.net.layers[l]
        cdef const LayerDecision *decision = &call.layers[l]
        if decision.epilogue and self.parts_of(call, l, count) == 1:
            linear_activate(decision.kernel, &self.net, layer, decision.activation, count, A_prev, A, A, NULL, 0)
        else:
            self.linear(call, l, count, A_prev, A)
            self.net.ops.activate(decision.activation, layer.n_out, count, self.net.theta + layer.b, A, A, NULL, 0)

    # ---- Z = W A_prev, split by units

    # The number of parts that the units of a layer are split into: `call.parts` if there is enough work, else 1.
    cdef int parts_of(self, const Call *call, int l, ptrdiff_t count) noexcept nogil:
        cdef Layer *layer = &self.net.layers[l]
        if (not call.layers[l].split or layer.n_in * layer.n_out * count < MIN_PARALLEL_WORK
                or layer.n_out < max(<int>MIN_UNITS_SPLIT, 2 * UNITS_GRANULE * call.parts)):
            return 1
        return call.parts

    cdef void linear(self, const Call *call, int l, ptrdiff_t count, const char *A_prev, char *Z) noexcept nogil:
        cdef Layer *layer = &self.net.layers[l]
        cdef int kernel = call.layers[l].kernel, parts = self.parts_of(call, l, count), s
        cdef ptrdiff_t rows = call.block if kernel == BLAS else count, start = 0, length
        while start < count:
            length = min(rows, count - start)
            if parts == 1 or not call.together:
                for s in range(parts):
                    self.linear_part(kernel, layer, s, parts, length, A_prev, Z)
            else:
                for s in prange(parts, schedule="static", num_threads=parts):
                    self.linear_part(kernel, layer, s, parts, length, A_prev, Z)
            A_prev, Z = A_prev + length * layer.n_in * self.net.itemsize, Z + length * layer.n_out * self.net.itemsize
            start += length

    cdef void linear_part(self, int kernel, const Layer *layer, int s, int parts, ptrdiff_t count, const char *A_prev,
                          char *Z) noexcept nogil:
        cdef ptrdiff_t granules = layer.n_out // UNITS_GRANULE, start = granules * s // parts * UNITS_GRANULE
        cdef ptrdiff_t stop = layer.n_out if s == parts - 1 else granules * (s + 1) // parts * UNITS_GRANULE
        linear_units(kernel, &self.net, layer, start, stop - start, count, A_prev, Z, NULL)

    # ---- Finiteness of X (n[0], count)

    cdef bint all_finite(self, const char *X, ptrdiff_t count) noexcept nogil:
        cdef ptrdiff_t n = self.net.layers[0].n_in
        return self.net.ops.all_finite(n, count, X, n, 1)

    # The same, at first by Z (n[1], count) = W X: each NaN or infinity in X makes its column of Z NaN or infinite,
    # whatever W is, so X is finite if the first unit is. (Z before relu, which maps -inf to 0.)
    cdef bint shows_finite(self, const char *X, const char *Z, ptrdiff_t count) noexcept nogil:
        return (self.net.ops.all_finite(count, 1, Z, 0, self.net.layers[0].n_out) or self.all_finite(X, count))

    # ---- Memory of a chunk: a thread's scratch holds X, if gathered, and two matrices that layers use in turns

    # X (n[0], count) of the chunk: in place if rows are contiguous, else gathered.
    cdef char *gather_rows(self, const Call *call, ptrdiff_t first, ptrdiff_t count, char *scratch) noexcept nogil:
        cdef ptrdiff_t n = self.net.layers[0].n_in
        cdef char *rows = call.X + first * call.row_stride * self.net.itemsize
        if call.column_stride == 1 and call.row_stride == n:
            return rows
        self.net.ops.gather(n, count, rows, call.row_stride, call.column_stride, NULL, scratch)
        return scratch

    cdef char *scratch_of(self, int l, char *scratch) noexcept nogil:
        return scratch + (self.net.layers[0].n_in + (l % 2) * self.net.widest) * self.block * self.net.itemsize

    cdef char *output_of(self, const Call *call, int l, ptrdiff_t first, char *scratch) noexcept nogil:
        if l == self.net.n_layers - 1:
            return call.out + first * self.net.layers[l].n_out * self.net.itemsize
        return self.scratch_of(l, scratch)
