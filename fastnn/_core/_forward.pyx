"""Forward: a network's prediction, bound once; rows go through all layers in blocks that stay in the cache."""
from cython.parallel cimport prange, threadid
from libc.stddef cimport ptrdiff_t
from libc.stdlib cimport free

from fastnn._core._bind cimport (
    arena_size, dtype_code, in_forked_child, make_layers, operations, output_pointer, pointer, rows_pointer)
from fastnn._core._blas cimport check_dimension
from fastnn._core._dense cimport Layer, linear
from fastnn._core._ops cimport FASTNN_FLOAT32, FASTNN_IDENTITY, fastnn_ops


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

    cdef const fastnn_ops *ops
    cdef int dtype, n_layers, team
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
        self.ops = operations(level, self.dtype)
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

    def run(self, X, out, bint raw=False):
        """Fill `out` (m, n[L]), C-ordered, with A[L] of the rows of `X` (m, n[0]); with `raw`, with Z[L].

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
        cdef ptrdiff_t row_stride, column_stride
        cdef char *x = rows_pointer(X, self.dtype, self.layers[0].n_in, &row_stride, &column_stride, None)
        cdef ptrdiff_t m = X.shape[0]
        cdef char *target = output_pointer(out, self.dtype, m * last.n_out, "out", None)
        if out.shape != (m, last.n_out) or not out.flags.c_contiguous:
            raise ValueError(f"out must be C-ordered (m, n[L]) = ({m}, {last.n_out}), got shape {out.shape}")
        cdef ptrdiff_t n_blocks = (m + self.block - 1) // self.block, k
        cdef int bad = 0
        if self.busy:
            raise RuntimeError("this plan is at work in another thread")
        self.busy = True
        with nogil:
            if self.team == 1 or n_blocks < 2 or in_forked_child():
                for k in range(n_blocks):
                    bad |= self.run_block(k, 0, m, x, row_stride, column_stride, target, raw)
            else:
                for k in prange(n_blocks, schedule="static", num_threads=self.team):
                    bad |= self.run_block(k, threadid(), m, x, row_stride, column_stride, target, raw)
        self.busy = False
        return not bad

    cdef int run_block(self, ptrdiff_t k, int thread, ptrdiff_t rows, char *x, ptrdiff_t row_stride,
                       ptrdiff_t column_stride, char *out, bint raw) noexcept nogil:
        cdef ptrdiff_t first = k * self.block, m = min(self.block, rows - first), item = self.itemsize
        cdef ptrdiff_t n = self.layers[0].n_in
        cdef int l, L = self.n_layers
        cdef char *scratch = self.scratch + thread * self.per_thread * item
        cdef char *A = x + first * row_stride * item
        cdef char *Z
        cdef Layer *layer
        if column_stride != 1 or row_stride != n:
            self.ops.gather(n, m, A, row_stride, column_stride, NULL, scratch)
            A = scratch
        if not self.ops.all_finite(n, m, A, n, 1):
            return 1
        scratch += n * self.block * item
        for l in range(L):
            layer = &self.layers[l]
            Z = scratch + (l % 2) * self.widest * self.block * item
            if l == L - 1:
                Z = out + first * layer.n_out * item
            linear(self.ops, self.dtype, layer, m, self.theta, A, Z)
            self.ops.activate(FASTNN_IDENTITY if raw and l == L - 1 else layer.activation, layer.n_out, m,
                              self.theta + layer.b, Z, Z)
            A = Z
        return 0
