"""Chunks of rows through the layers of a bound network."""
from libc.stddef cimport ptrdiff_t

from fastnn._core.gemm cimport BLAS, TILES
from fastnn._core.layer cimport (
    Layer, activate, linear_activate, linear_activate_across, linear_units, sparse_linear_activate)
from fastnn._core.sparse cimport Csr
from fastnn._core.team cimport fastnn_place, fastnn_take, fastnn_team_body, run_team
from fastnn._core.tuning cimport MIN_PARALLEL_WORK, MIN_UNITS_SPLIT, UNITS_GRANULE


cdef class PredictionChunks(BoundNetwork):
    cdef bint run_chunks(self, Call *call, int team) noexcept nogil:
        cdef ptrdiff_t k
        call.n_chunks = (call.m + call.chunk - 1) // call.chunk
        if team == 1:
            for k in range(call.n_chunks):
                if not self.run_chunk(call, k, 0):
                    return False
            return True
        call.taken = call.refused = 0
        self.call = call
        run_team(team, <fastnn_team_body>chunks_on_thread, <void *>self)
        return call.refused == 0

    cdef bint run_chunk(self, const Call *call, ptrdiff_t k, int thread) noexcept nogil:
        cdef ptrdiff_t first = k * call.chunk, count = min(call.chunk, call.m - first)
        cdef char *scratch = self.scratch + thread * self.per_thread * self.net.itemsize
        cdef char *X
        cdef char *A_prev
        cdef char *A = self.output_of(call, 0, first, scratch)
        cdef char *Z = self.Z_of(0, scratch, A)
        cdef int l
        if call.X == NULL:
            if not self.sparse_first_layer(call, first, count, Z, A):
                return False
        else:
            X = self.gather_rows(call, first, count, scratch)
            if self.net.inputs != NULL:
                if not self.embedded_first_layer(call, count, X, self.scratch_of(1, scratch), Z, A):
                    return False
            elif not self.first_layer(call, count, X, Z, A):
                return False
        for l in range(1, self.net.n_layers):
            A_prev, A = A, self.output_of(call, l, first, scratch)
            if call.layers[l].across:
                linear_activate_across(&self.net, &self.net.layers[l], call.layers[l].activation, count, A_prev,
                                       self.scratch_of(l, scratch), A)
            else:
                self.layer(call, l, count, A_prev, self.Z_of(l, scratch, A), A)
        return True

    # Compute A[1] from X (n[0], count); return whether X is finite. Z is A, or of a mixture a matrix of its own.
    cdef bint first_layer(self, const Call *call, ptrdiff_t count, const char *X, char *Z, char *A) noexcept nogil:
        cdef Layer *layer = &self.net.layers[0]
        cdef const LayerDecision *decision = &call.layers[0]
        cdef int finite = True, parts = self.parts_of(call, 0, count)
        if decision.kernel == BLAS:  # BLAS may skip terms, so A does not show whether X is finite
            if not self.all_finite(X, count):
                return False
            self.layer(call, 0, count, X, Z, A)
        elif decision.kernel == TILES and decision.epilogue and parts == 1:
            linear_activate(TILES, &self.net, layer, decision.activation, count, X, Z, A, NULL, 0, &finite)
            return finite or self.all_finite(X, count)
        else:
            self.linear(call, 0, parts, count, X, Z)
            if not self.shows_finite(X, Z, count):
                return False
            activate(&self.net, layer, decision.activation, count, Z, A, NULL, 0)
        return True

    # The same by way of A[0] (its rows, count), the output of the input stage. A code makes finite rows of any number.
    cdef bint embedded_first_layer(self, const Call *call, ptrdiff_t count, const char *X, char *A0, char *Z,
                                   char *A) noexcept nogil:
        if not self.all_finite(X, count):
            return False
        self.net.ops.embed(self.net.inputs, count, X, self.net.theta, A0)
        self.layer(call, 0, count, A0, Z, A)
        return True

    # Compute A[1] from `count` rows of a sparse X; return whether their values are finite.
    cdef bint sparse_first_layer(self, const Call *call, ptrdiff_t first, ptrdiff_t count, char *Z,
                                 char *A) noexcept nogil:
        cdef Csr rows = call.sparse_X
        cdef ptrdiff_t length
        rows.bounds += first
        length = rows.bounds[count] - rows.bounds[0]
        if not self.net.ops.all_finite(length, 1, rows.values + rows.bounds[0] * self.net.itemsize, length, 1):
            return False
        sparse_linear_activate(&self.net, &self.net.layers[0], call.layers[0].activation, count, &rows, NULL, Z, A,
                               NULL, 0)
        return True

    # Compute A (n[l+1], count) from A_prev (n[l], count).
    cdef void layer(self, const Call *call, int l, ptrdiff_t count, const char *A_prev, char *Z,
                    char *A) noexcept nogil:
        cdef Layer *layer = &self.net.layers[l]
        cdef const LayerDecision *decision = &call.layers[l]
        cdef int parts = self.parts_of(call, l, count)
        if decision.epilogue and parts == 1:
            linear_activate(decision.kernel, &self.net, layer, decision.activation, count, A_prev, Z, A, NULL, 0)
        else:
            self.linear(call, l, parts, count, A_prev, Z)
            activate(&self.net, layer, decision.activation, count, Z, A, NULL, 0)

    # ---- Z = W A_prev, split by units

    # Return the number of parts into which a layer's units are split: `call.parts` if the work suffices, else 1.
    cdef int parts_of(self, const Call *call, int l, ptrdiff_t count) noexcept nogil:
        cdef Layer *layer = &self.net.layers[l]
        if (not call.layers[l].split or layer.n_in * layer.n_out * count < MIN_PARALLEL_WORK
                or layer.n_out < max(<int>MIN_UNITS_SPLIT, 2 * UNITS_GRANULE * call.parts)):
            return 1
        return call.parts

    cdef void linear(self, const Call *call, int l, int parts, ptrdiff_t count, const char *A_prev,
                     char *Z) noexcept nogil:
        cdef Layer *layer = &self.net.layers[l]
        cdef int kernel = call.layers[l].kernel, s
        cdef ptrdiff_t rows = call.block if kernel == BLAS else count, length
        cdef Split split
        while count > 0:
            length = min(rows, count)
            if parts == 1:
                linear_units(kernel, &self.net, layer, 0, layer.n_out, length, A_prev, Z, NULL)
            elif not call.parallel_parts:
                for s in range(parts):
                    self.linear_part(kernel, layer, s, parts, length, A_prev, Z)
            else:
                split = Split(kernel, layer, parts, length, A_prev, Z)
                self.split = &split
                run_team(parts, <fastnn_team_body>parts_on_thread, <void *>self)
            A_prev, Z = A_prev + length * layer.n_in * self.net.itemsize, Z + length * layer.n_out * self.net.itemsize
            count -= length

    cdef void linear_part(self, int kernel, const Layer *layer, int s, int parts, ptrdiff_t count, const char *A_prev,
                          char *Z) noexcept nogil:
        cdef ptrdiff_t granules = layer.n_out // UNITS_GRANULE, start = granules * s // parts * UNITS_GRANULE
        cdef ptrdiff_t stop = layer.n_out if s == parts - 1 else granules * (s + 1) // parts * UNITS_GRANULE
        linear_units(kernel, &self.net, layer, start, stop - start, count, A_prev, Z, NULL)

    # ---- Finiteness of X (n[0], count)

    cdef bint all_finite(self, const char *X, ptrdiff_t count) noexcept nogil:
        cdef ptrdiff_t n = self.net.n_features
        return self.net.ops.all_finite(n, count, X, n, 1)

    # Like all_finite, but check the first unit of Z = W X (n[1], count) before X. A NaN or infinity in X makes its
    # column of Z non-finite for any W, so X is finite if the first unit is. For Z before relu, which maps -inf to 0.
    cdef bint shows_finite(self, const char *X, const char *Z, ptrdiff_t count) noexcept nogil:
        return (self.net.ops.all_finite(count, 1, Z, 0, self.net.layers[0].n_out) or self.all_finite(X, count))

    # ---- Memory of a chunk: a thread's scratch holds X if it is gathered, two matrices that layers use in turn, and Z
    # of a mixture. The second of the two holds A[0] of an input stage first.

    # Return X (n[0], count) of the chunk: in place if its rows are contiguous, otherwise gathered.
    cdef char *gather_rows(self, const Call *call, ptrdiff_t first, ptrdiff_t count, char *scratch) noexcept nogil:
        cdef ptrdiff_t n = self.net.n_features
        cdef char *rows = call.X + first * call.row_stride * self.net.itemsize
        if call.column_stride == 1 and call.row_stride == n:
            return rows
        self.net.ops.gather(n, count, rows, call.row_stride, call.column_stride, NULL, scratch)
        return scratch

    cdef char *scratch_of(self, int l, char *scratch) noexcept nogil:
        return scratch + (self.net.n_features + (l % 2) * self.net.widest) * self.block * self.net.itemsize

    cdef char *Z_of(self, int l, char *scratch, char *A) noexcept nogil:
        if self.net.layers[l].mixture == 0:
            return A
        return scratch + (self.net.n_features + 2 * self.net.widest) * self.block * self.net.itemsize

    cdef char *output_of(self, const Call *call, int l, ptrdiff_t first, char *scratch) noexcept nogil:
        if l == self.net.n_layers - 1:
            return call.out + first * self.net.layers[l].n_out * self.net.itemsize
        return self.scratch_of(l, scratch)


# The chunks that one thread of the team takes, one after the other.
cdef void chunks_on_thread(PredictionChunks plan, const fastnn_place *place) noexcept nogil:
    cdef Call *call = plan.call
    cdef ptrdiff_t k = fastnn_take(&call.taken)
    while k < call.n_chunks:
        if not plan.run_chunk(call, k, place.thread):
            fastnn_take(&call.refused)
        k = fastnn_take(&call.taken)


# The parts of a layer's units that belong to one thread of the team.
cdef void parts_on_thread(PredictionChunks plan, const fastnn_place *place) noexcept nogil:
    cdef const Split *split = plan.split
    cdef int s
    for s in range(split.parts * place.thread // place.count, split.parts * (place.thread + 1) // place.count):
        plan.linear_part(split.kernel, split.layer, s, split.parts, split.count, split.A_prev, split.Z)
