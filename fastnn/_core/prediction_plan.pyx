"""Forward: a network's prediction, bound once; rows go through all layers in blocks that stay in the cache."""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stddef cimport ptrdiff_t
from libc.stdlib cimport free

from fastnn._core.arrays cimport (
    arena_size, bind_csr, dtype_code, make_layers, operations, output_pointer, pointer, rows_pointer)
from fastnn._core.blas cimport check_dimension
from fastnn._core.dense cimport (
    BLAS, TILES, Csr, Layer, finishes, linear_activate, linear_activate_across, linear_kernel, linear_units,
    outputs_across, rows_in_range, sparse_linear)
from fastnn._core.forkguard cimport begin_call, end_call, in_forked_child
from fastnn._core.registry cimport FASTNN_FLOAT32, FASTNN_IDENTITY, fastnn_ops
from fastnn._core.team_policy cimport fastnn_clock, fastnn_decide, fastnn_record, fastnn_team_policy

cnp.import_array()

cdef enum:
    MANY_ROWS = 64         # threads share out blocks of rows from here on, of fewer the units of layers; or the rows
    FEW_ROWS = 8           # from here, with a row at least for so many bytes of W, as each of them reads all of it
    BYTES_A_ROW = 1 << 18
    LEAST_WORK = 400000    # multiply-adds of the rows, or of the layer: less takes less time than threads do
    PART_UNITS = 16        # units go to threads in multiples of so many: the elements of a vector, or two
    LEAST_UNITS = 64       # of a layer where units are shared: of fewer its rows are, however large W is

# The examples of a call.
cdef struct Rows:
    char *X                  # IN (m, n[0]), strided; NULL for a sparse X
    ptrdiff_t row_stride     # in elements
    ptrdiff_t column_stride
    Csr sparse_X             # IN instead
    ptrdiff_t m


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
    cdef int dtype, n_layers
    cdef readonly int team
    cdef fastnn_team_policy policies[2]  # for splitting by units and by rows, whose times per row differ
    cdef ptrdiff_t itemsize, block, widest, per_thread, least_rows
    cdef Layer *layers
    cdef char *theta
    cdef char *scratch
    cdef bint across  # the examples of many rows lie along the vectors in the last layer
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
        self.across = self.n_layers > 1 and outputs_across(self.ops, self.dtype, self.layers[self.n_layers - 1].n_out)
        if self.block < 1:
            raise ValueError(f"the block must be at least 1, got {block}")
        self.least_rows = self.rows_to_share()
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

    def blas_work(self, ptrdiff_t m):
        """Multiply-adds of the largest product that is left to BLAS where `m` rows are predicted."""
        cdef ptrdiff_t largest = 0, count = min(m, self.rows_of_a_block(m))
        cdef Layer *layer
        for l in range(self.n_layers):
            layer = &self.layers[l]
            if linear_kernel(self.ops, self.dtype, layer, count) == BLAS:
                largest = max(largest, count * layer.n_in * layer.n_out)
        return largest

    def run(self, X, out, bint raw=False):
        """Fill `out` (m, n[L]), C-ordered, with A[L] of the rows of `X` (m, n[0]); with `raw`, with Z[L].

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
        cdef Rows rows
        rows.X = NULL
        if isinstance(X, tuple):
            rows.m = bind_csr(X, self.dtype, &rows.sparse_X, None)
            if self.layers[0].row_major:
                raise ValueError("a sparse X needs W[1] column-major")
            if not rows_in_range(&rows.sparse_X, self.layers[0].n_in, rows.m, NULL):
                raise ValueError(f"a sparse X must name columns from 0 to {self.layers[0].n_in - 1}, within its arrays")
        else:
            rows.X = rows_pointer(X, self.dtype, self.layers[0].n_in, &rows.row_stride, &rows.column_stride, None)
            rows.m = X.shape[0]
        cdef char *target = output_pointer(out, self.dtype, rows.m * last.n_out, "out", None)
        if out.shape != (rows.m, last.n_out) or not out.flags.c_contiguous:
            raise ValueError(f"out must be C-ordered (m, n[L]) = ({rows.m}, {last.n_out}), got shape {out.shape}")
        return self.go_through(&rows, target, raw)

    def at_once(self, X, bint raw=False):
        """Return A[L] of the rows of `X` as a new array (m, n[L]); with `raw`, Z[L].

        Returns
        -------
        ndarray or None
            None where X is anything but a C-ordered ndarray (m, n[0]) of the network's dtype, m >= 1, of finite
            values: what it is then is for slower checks to say.

        Raises
        ------
        RuntimeError
            If another thread is inside this plan.
        """
        cdef Rows rows
        cdef cnp.npy_intp shape[2]
        if not cnp.PyArray_CheckExact(X) or cnp.PyArray_NDIM(X) != 2:
            return None
        shape[0], shape[1] = cnp.PyArray_DIM(X, 0), self.layers[self.n_layers - 1].n_out
        cdef int typenum = cnp.NPY_FLOAT32 if self.dtype == FASTNN_FLOAT32 else cnp.NPY_FLOAT64
        if (cnp.PyArray_TYPE(X) != typenum or not cnp.PyArray_ISNOTSWAPPED(X) or not cnp.PyArray_ISCARRAY_RO(X)
                or shape[0] < 1 or cnp.PyArray_DIM(X, 1) != self.layers[0].n_in):
            return None
        rows.X, rows.row_stride, rows.column_stride = <char *>cnp.PyArray_DATA(X), self.layers[0].n_in, 1
        rows.m = shape[0]
        out = cnp.PyArray_EMPTY(2, shape, typenum, 0)
        return out if self.go_through(&rows, <char *>cnp.PyArray_DATA(out), raw) else None

    # The least number of rows that threads share out. It follows the layers' shapes alone.
    cdef ptrdiff_t rows_to_share(self) noexcept nogil:
        cdef ptrdiff_t work = 0, elements = 0, least
        cdef Layer *layer
        for l in range(self.n_layers):
            layer = &self.layers[l]
            work += layer.n_in * layer.n_out
            elements += layer.n_in * layer.n_out if layer.n_out >= LEAST_UNITS else 0
        least = max(elements * self.itemsize // BYTES_A_ROW, LEAST_WORK // work + 1)
        return min(<ptrdiff_t>MANY_ROWS, max(<ptrdiff_t>FEW_ROWS, least))

    # Blocks enough for threads to share out, whether there are any: BLAS's bits depend on how many rows it gets.
    cdef ptrdiff_t rows_of_a_block(self, ptrdiff_t m) noexcept nogil:
        if m < self.least_rows:
            return self.block
        return min(self.block, (m + 3) // 4)

    # True if all values are finite.
    cdef bint go_through(self, const Rows *rows, char *out, bint raw) except -1:
        cdef ptrdiff_t m = rows.m
        cdef bint shared = self.team > 1 and m > 0 and not in_forked_child(), together, by_rows = m >= self.least_rows
        cdef ptrdiff_t block = max(<ptrdiff_t>1, min(m, self.rows_of_a_block(m))), n_blocks = (m + block - 1) // block
        cdef ptrdiff_t rows_at_once = self.block // block * block, k  # blocks as the scratch holds them
        cdef int bad = 0, parts = 1 if by_rows else self.team
        cdef fastnn_team_policy *policy = &self.policies[by_rows]
        begin_call()
        if self.busy:
            end_call()
            raise RuntimeError("this plan is at work in another thread")
        self.busy = True
        with nogil:
            together = shared and fastnn_decide(policy, fastnn_clock())
            if together and by_rows:
                rows_at_once = min(rows_at_once, max(<ptrdiff_t>1, n_blocks // self.team) * block)
                for k in prange((m + rows_at_once - 1) // rows_at_once, schedule="dynamic", num_threads=self.team):
                    bad |= self.run_blocks(k * rows_at_once, min(rows_at_once, m - k * rows_at_once), block,
                                           threadid(), 1, False, rows, out, raw)
            else:
                for k in range((m + rows_at_once - 1) // rows_at_once):
                    bad |= self.run_blocks(k * rows_at_once, min(rows_at_once, m - k * rows_at_once), block,
                                           0, parts, together, rows, out, raw)
            if shared:
                fastnn_record(policy, fastnn_clock(), m)
        self.busy = False
        end_call()
        return not bad

    # The rows first .. first + count, in a thread's scratch; the units of large layers in up to `most` parts, shared by
    # threads that work `together`. BLAS's bits depend on the parts and on the block that it gets at once, so they are
    # the same without threads.
    cdef int run_blocks(self, ptrdiff_t first, ptrdiff_t count, ptrdiff_t block, int thread, int most, bint together,
                        const Rows *rows, char *out, bint raw) noexcept nogil:
        cdef const fastnn_ops *ops = self.ops
        cdef ptrdiff_t item = self.itemsize
        cdef int l, L = self.n_layers, kernel, activation, parts, finite = True
        cdef ptrdiff_t at_once, k
        cdef char *scratch = self.scratch + thread * self.per_thread * item
        cdef char *A = scratch
        cdef char *Z
        cdef Layer *layer
        cdef Csr sparse_X = rows.sparse_X
        if rows.X != NULL:
            A = self.block_of_rows(rows, first, count, scratch)
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
                A = Z
                continue
            if l == L - 1 and self.across and rows.m >= MANY_ROWS:
                linear_activate_across(ops, layer, activation, count, self.theta, A,
                                       scratch + (l % 2) * self.widest * self.block * item, Z)
                return 0
            kernel = linear_kernel(ops, self.dtype, layer, block)
            parts = self.parts_of(layer, count, most) if together or kernel == BLAS else 1
            if l == 0 and kernel == BLAS and not ops.all_finite(layer.n_in, count, A, layer.n_in, 1):
                return 1
            if parts == 1 and (kernel == TILES or l > 0) and finishes(kernel, activation):
                linear_activate(kernel, ops, self.dtype, layer, activation, count, self.theta, A, Z, Z, NULL, 0,
                                &finite if l == 0 else NULL)
                if not finite and not ops.all_finite(layer.n_in, count, A, layer.n_in, 1):
                    return 1
                finite = True
            else:
                at_once = block if kernel == BLAS else count
                for k in range((count + at_once - 1) // at_once):
                    self.linear_in_parts(parts, together, kernel, layer, min(at_once, count - k * at_once),
                                         A + k * at_once * layer.n_in * item, Z + k * at_once * layer.n_out * item)
                if l == 0 and kernel != BLAS and not self.rows_finite(count, A, Z):
                    return 1
                ops.activate(activation, layer.n_out, count, self.theta + layer.b, Z, Z, NULL, 0)
            A = Z
        return 0

    # Into how many parts, 1 or `most`, the units of a layer are cut.
    cdef int parts_of(self, const Layer *layer, ptrdiff_t count, int most) noexcept nogil:
        if layer.n_in * layer.n_out * count < LEAST_WORK or layer.n_out < max(<int>LEAST_UNITS, 2 * PART_UNITS * most):
            return 1
        return most

    # Z = W A_prev of `count` rows
    cdef void linear_in_parts(self, int parts, bint together, int kernel, const Layer *layer, ptrdiff_t count,
                              const char *A_prev, char *Z) noexcept nogil:
        cdef int s
        if parts == 1 or not together:
            for s in range(parts):
                self.linear_part(kernel, layer, s, parts, count, A_prev, Z)
        else:
            for s in prange(parts, schedule="static", num_threads=parts):
                self.linear_part(kernel, layer, s, parts, count, A_prev, Z)

    cdef void linear_part(self, int kernel, const Layer *layer, int s, int parts, ptrdiff_t count, const char *A_prev,
                          char *Z) noexcept nogil:
        cdef ptrdiff_t groups = layer.n_out // PART_UNITS, start = groups * s // parts * PART_UNITS
        cdef ptrdiff_t stop = layer.n_out if s == parts - 1 else groups * (s + 1) // parts * PART_UNITS
        linear_units(kernel, self.ops, self.dtype, layer, start, stop - start, count, self.theta, A_prev, Z, NULL)

    # Is X (n[0], count) finite? What is not makes its whole column of Z = W X not finite, as w * NaN is NaN for each w,
    # and w * inf is infinite or NaN: where the first unit is finite, so is X. (Of Z before relu, which makes -inf 0,
    # and not by a BLAS that leaves out terms.)
    cdef bint rows_finite(self, ptrdiff_t count, const char *X, const char *Z) noexcept nogil:
        cdef Layer *layer = &self.layers[0]
        return (self.ops.all_finite(count, 1, Z, 0, layer.n_out)
                or self.ops.all_finite(layer.n_in, count, X, layer.n_in, 1))

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
