"""Forward: a network's prediction, bound once; rows go through all layers in blocks that stay in the cache."""
from cython.parallel cimport prange, threadid
from libc.stddef cimport ptrdiff_t
from libc.stdlib cimport free

from fastnn._core._bind cimport (
    arena_size, begin_call, bind_csr, dtype_code, end_call, in_forked_child, make_layers, operations, output_pointer,
    pointer, rows_pointer)
from fastnn._core._blas cimport check_dimension
from fastnn._core._dense cimport Csr, Layer, linear_activate, rows_in_range, sparse_linear
from fastnn._core._ops cimport FASTNN_FLOAT32, FASTNN_IDENTITY, fastnn_ops
from fastnn._core._teamwork cimport Teamwork, begin_together, end_work

# The examples of a call.
cdef struct Rows:
    char *X                  # IN (m, n[0]), strided; NULL for a sparse X
    ptrdiff_t row_stride     # in elements
    ptrdiff_t column_stride
    Csr sparse_X             # IN instead


cdef class Forward:
    """The forward pass of a network on bound parameters.

    Parameters
    ----------
    sizes, activations, row_major
        As for `Plan`.
    theta : ndarray (P,)
        Parameter arena, IN.
    scratch : ndarray (team, per thread)
        C-ordered; `needed(sizes, block)` says how much a thread needs.
    block : int
        Examples that go through the layers together.
    """

    cdef fastnn_ops ops       # of the level
    cdef fastnn_ops blas_ops  # the same, all products left to BLAS
    cdef int dtype, n_layers, team
    cdef Teamwork teamwork
    cdef ptrdiff_t itemsize, block, widest, per_thread
    cdef Layer *layers
    cdef char *theta
    cdef char *scratch
    cdef bint busy
    cdef list held

    def __cinit__(self, *, int level, sizes, activations, row_major, theta, scratch, block):  # no instance is unbound
        self.held = []
        self.dtype = dtype_code(theta)
        self.itemsize = 4 if self.dtype == FASTNN_FLOAT32 else 8
        self.ops = self.blas_ops = operations(level, self.dtype)[0]
        self.blas_ops.multiply = NULL
        self.layers = make_layers(sizes, activations, row_major, self.itemsize)
        self.n_layers = len(sizes) - 1
        self.theta = pointer(theta, self.dtype, arena_size(self.layers, self.n_layers, self.itemsize), "theta",
                             self.held)
        self.block = check_dimension(block, "the block")
        self.widest = max(sizes[1:])
        if self.block < 1:
            raise ValueError(f"the block must be at least 1, got {block}")
        self.per_thread = self.needed(sizes, block)
        self.scratch = output_pointer(scratch, self.dtype, -1, "scratch", self.held)
        if scratch.ndim != 2 or scratch.shape[0] < 1 or scratch.shape[1] != self.per_thread:
            raise ValueError(f"scratch must be (team, {self.per_thread}), got shape {scratch.shape}")
        self.team = check_dimension(scratch.shape[0], "the team")

    def __dealloc__(self):
        free(self.layers)

    @staticmethod
    def needed(sizes, block):
        """Elements of scratch that one thread needs."""
        return (sizes[0] + 2 * max(sizes[1:])) * block

    def run(self, X, out, bint raw=False, bint blas=False):
        """Fill `out` (m, n[L]), C-ordered, with A[L] of the rows of `X` (m, n[0]); with `raw`, with Z[L].

        With `blas` all matrix products are left to BLAS, for it to use threads of its own.

        `X` may be the arrays (values, columns, bounds) of a CSR matrix, as for `Plan`.

        Returns
        -------
        bool
            False if X holds NaN or infinity; `out` is then not to be used.

        Raises
        ------
        ValueError, TypeError
            If the arrays do not fit the network.
        RuntimeError
            If another thread is inside this plan.
        """
        cdef Layer *last = &self.layers[self.n_layers - 1]
        cdef const fastnn_ops *ops = &self.blas_ops if blas else &self.ops
        cdef Rows rows
        cdef ptrdiff_t m
        rows.X = NULL
        if isinstance(X, tuple):
            m = bind_csr(X, self.dtype, &rows.sparse_X, None)
            if self.layers[0].row_major:
                raise ValueError("a sparse X needs W[1] column-major")
            if not rows_in_range(&rows.sparse_X, self.layers[0].n_in, m, NULL):
                raise ValueError(f"a sparse X must name columns from 0 to {self.layers[0].n_in - 1}, within its arrays")
        else:
            rows.X = rows_pointer(X, self.dtype, self.layers[0].n_in, &rows.row_stride, &rows.column_stride, None)
            m = X.shape[0]
        cdef char *target = output_pointer(out, self.dtype, m * last.n_out, "out", None)
        if out.shape != (m, last.n_out) or not out.flags.c_contiguous:
            raise ValueError(f"out must be C-ordered (m, n[L]) = ({m}, {last.n_out}), got shape {out.shape}")
        cdef ptrdiff_t n_blocks = (m + self.block - 1) // self.block, k
        cdef int bad = 0
        cdef bint shared = self.team > 1 and n_blocks > 1 and not in_forked_child()
        begin_call()
        if self.busy:
            end_call()
            raise RuntimeError("this plan is at work in another thread")
        self.busy = True
        with nogil:
            if not shared or not begin_together(&self.teamwork):
                for k in range(n_blocks):
                    bad |= self.run_block(ops, k, 0, m, &rows, target, raw)
            else:
                for k in prange(n_blocks, schedule="dynamic", num_threads=self.team):
                    bad |= self.run_block(ops, k, threadid(), m, &rows, target, raw)
            if shared:
                end_work(&self.teamwork, m)
        self.busy = False
        end_call()
        return not bad

    cdef int run_block(self, const fastnn_ops *ops, ptrdiff_t k, int thread, ptrdiff_t m, const Rows *rows, char *out,
                       bint raw) noexcept nogil:
        cdef ptrdiff_t first = k * self.block, count = min(self.block, m - first), item = self.itemsize
        cdef int l, L = self.n_layers, activation
        cdef char *scratch = self.scratch + thread * self.per_thread * item
        cdef char *A = scratch
        cdef char *Z
        cdef Layer *layer
        cdef Csr sparse_X = rows.sparse_X
        if rows.X != NULL:
            A = self.block_of_rows(rows, first, count, scratch)
            if not ops.all_finite(self.layers[0].n_in, count, A, self.layers[0].n_in, 1):
                return 1
        else:
            sparse_X.bounds += first
            if not self.values_finite(&sparse_X, count):
                return 1
        scratch += self.layers[0].n_in * self.block * item
        for l in range(L):
            layer = &self.layers[l]
            Z = scratch + (l % 2) * self.widest * self.block * item
            if l == L - 1:
                Z = out + first * layer.n_out * item
            activation = FASTNN_IDENTITY if raw and l == L - 1 else layer.activation
            if l == 0 and rows.X == NULL:
                sparse_linear(ops, layer, count, self.theta, &sparse_X, NULL, Z)
                ops.activate(activation, layer.n_out, count, self.theta + layer.b, Z, Z, NULL, 0)
            else:
                linear_activate(ops, self.dtype, layer, activation, count, self.theta, A, Z, Z, NULL, 0)
            A = Z
        return 0

    # Rows first .. first + count of X as columns: in place where they follow each other so, else gathered.
    cdef char *block_of_rows(self, const Rows *rows, ptrdiff_t first, ptrdiff_t count, char *scratch) noexcept nogil:
        cdef ptrdiff_t n = self.layers[0].n_in
        cdef char *source = rows.X + first * rows.row_stride * self.itemsize
        if rows.column_stride == 1 and rows.row_stride == n:
            return source
        self.ops.gather(n, count, source, rows.row_stride, rows.column_stride, NULL, scratch)
        return scratch

    cdef bint values_finite(self, const Csr *X, ptrdiff_t count) noexcept nogil:
        cdef ptrdiff_t length = X.bounds[count] - X.bounds[0]
        return self.ops.all_finite(length, 1, X.values + X.bounds[0] * self.itemsize, length, 1)
