"""The forward and backward pass of a whole mini-batch by all threads together.

Threads share the units of large layers, and the examples where a layer is small. Each thread then reads its part of W
only, and one gradient arena suffices. They wait for each other after each layer, which shards do not.
"""
from libc.stddef cimport ptrdiff_t

from fastnn._core.layer cimport (
    Layer, activation_gradient, backward_kernel, has_backward_epilogue, has_epilogue, linear_activate,
    linear_backward_units, linear_kernel, linear_units, weight_gradient_part)
from fastnn._core.registry cimport FASTNN_RELU, fastnn_dropout, fastnn_epilogue
from fastnn._core.shard cimport Shard, columns, dZ_of, gather_X, make_shard, output_gradient
from fastnn._core.team cimport team_barrier
from fastnn._core.tuning cimport MIN_UNITS_SPLIT, UNITS_GRANULE

# A mini-batch, and the parts of each layer that one thread takes.
cdef struct Pass:
    const TrainingBuffers *run
    int parts
    int begin, end  # of this thread's parts
    bint serial     # whether this thread does what is not cut into parts
    const fastnn_place *place
    ptrdiff_t start
    double weight
    Shard whole  # all examples


cdef void joint_pass(const TrainingBuffers *run, int parts, const fastnn_place *place, ptrdiff_t start,
                     ptrdiff_t count, double weight, double *loss) noexcept nogil:
    cdef Pass this
    cdef Shard examples
    cdef int l, k
    this.run, this.parts, this.place, this.serial = run, parts, place, place.thread == 0
    this.begin, this.end = parts * place.thread // place.count, parts * (place.thread + 1) // place.count
    this.start, this.weight = start, weight
    this.whole = make_shard(run, 0, 1, start, count, weight)
    for k in range(this.begin, this.end):
        examples = examples_of(&this, k)
        gather_X(run, &examples)
    wait(&this)
    for l in range(run.net.n_layers):
        forward(&this, l)
    if this.serial:
        loss[0] = output_gradient(run, &this.whole)
    wait(&this)
    for l in range(run.net.n_layers - 1, run.lowest - 1, -1):
        backward(&this, l)


# ---- Forward: Z[l] and A[l]

cdef void forward(const Pass *this, int l) noexcept nogil:
    cdef const TrainingBuffers *run = this.run
    cdef const Layer *layer = &run.net.layers[l]
    cdef const char *A_prev = input_of(this, l, &this.whole)
    cdef char *Z = run.Z[l]
    cdef char *A = run.A[l]
    cdef int k, kernel = linear_kernel(run.net, layer, this.whole.m)
    cdef bint complete = has_epilogue(kernel, layer.activation) and Z == A and not layer.threshold
    cdef ptrdiff_t first, stop
    cdef fastnn_epilogue epilogue
    if layer.n_out < MIN_UNITS_SPLIT:
        forward_examples(this, l)
    else:
        epilogue.column_bias = epilogue.relu_mask_source = NULL
        epilogue.relu, epilogue.finite = layer.activation == FASTNN_RELU, NULL
        for k in range(this.begin, this.end):
            first, stop = part_start(this, k, layer.n_out), part_start(this, k + 1, layer.n_out)
            if first < stop:
                epilogue.bias = run.net.theta + layer.b + first * run.net.itemsize
                linear_units(kernel, run.net, layer, first, stop - first, this.whole.m, A_prev, Z,
                             &epilogue if complete else NULL)
        if not complete:
            wait(this)
            activate_examples(this, l)
    wait(this)


# A layer on the examples of this thread's parts.
cdef void forward_examples(const Pass *this, int l) noexcept nogil:
    cdef const TrainingBuffers *run = this.run
    cdef const Layer *layer = &run.net.layers[l]
    cdef fastnn_dropout dropout
    cdef Shard examples
    cdef int k
    for k in range(this.begin, this.end):
        examples = examples_of(this, k)
        if examples.m > 0:
            linear_activate(linear_kernel(run.net, layer, examples.m), run.net, layer, layer.activation, examples.m,
                            input_of(this, l, &examples), columns(run, run.Z[l], layer.n_out, &examples),
                            columns(run, run.A[l], layer.n_out, &examples), dropout_of(this, l, &dropout),
                            examples.column * layer.n_out)


# The activation of a layer on the examples of this thread's parts.
cdef void activate_examples(const Pass *this, int l) noexcept nogil:
    cdef const TrainingBuffers *run = this.run
    cdef const Layer *layer = &run.net.layers[l]
    cdef fastnn_dropout dropout
    cdef Shard examples
    cdef int k
    for k in range(this.begin, this.end):
        examples = examples_of(this, k)
        run.net.ops.activate(layer.activation, layer.n_out, examples.m, run.net.theta + layer.b,
                             columns(run, run.Z[l], layer.n_out, &examples),
                             columns(run, run.A[l], layer.n_out, &examples), dropout_of(this, l, &dropout),
                             examples.column * layer.n_out)


# ---- Backward: dW[l], then dZ[l-1] and db[l-1] down to the lowest trained layer

cdef void backward(const Pass *this, int l) noexcept nogil:
    cdef const TrainingBuffers *run = this.run
    cdef const Layer *layer = &run.net.layers[l]
    cdef const Layer *previous
    cdef const char *A_prev = input_of(this, l, &this.whole)
    cdef char *dZ = dZ_of(run, l, &this.whole)
    cdef char *dZ_prev
    cdef ptrdiff_t first, stop, longer = max(layer.n_in, layer.n_out), m = this.whole.m
    cdef int k, kernel
    for k in range(this.begin, this.end):
        first, stop = part_start(this, k, longer), part_start(this, k + 1, longer)
        if first < stop and not layer.frozen:
            weight_gradient_part(run.net, layer, first, stop - first, m, this.whole.scale, dZ, A_prev, run.gradients)
    if l == run.lowest:
        return
    previous, dZ_prev = &run.net.layers[l - 1], dZ_of(run, l - 1, &this.whole)
    kernel = backward_kernel(run.net, layer, m)
    for k in range(this.begin, this.end):
        first, stop = part_start(this, k, layer.n_in), part_start(this, k + 1, layer.n_in)
        if first < stop:
            linear_backward_units(kernel, run.net, layer, previous, first, stop - first, m, this.whole.scale, dZ,
                                  A_prev, dZ_prev, run.gradients)
    wait(this)
    if not has_backward_epilogue(kernel, previous):
        if this.serial:
            activation_gradient(run.net, previous, m, this.whole.scale, run.Z[l - 1], A_prev, dZ_prev, run.gradients)
        wait(this)


# ---- Parts

cdef void wait(const Pass *this) noexcept nogil:
    team_barrier(this.place)


# Where part k of `total` units begins: at whole vectors. No part is shorter than a vector unless all units are: the
# matrix-vector kernel would write to the part before, which another thread computes.
cdef ptrdiff_t part_start(const Pass *this, int k, ptrdiff_t total) noexcept nogil:
    return total if k == this.parts else total // UNITS_GRANULE * k // this.parts * UNITS_GRANULE


# The examples of part k.
cdef Shard examples_of(const Pass *this, int k) noexcept nogil:
    return make_shard(this.run, k, this.parts, this.start, this.whole.m, this.weight)


# A[l-1] of some examples.
cdef char *input_of(const Pass *this, int l, const Shard *examples) noexcept nogil:
    if l == 0:
        return examples.X
    return columns(this.run, this.run.A[l - 1], this.run.net.layers[l].n_in, examples)


cdef fastnn_dropout *dropout_of(const Pass *this, int l, fastnn_dropout *dropout) noexcept nogil:
    if this.run.net.layers[l].threshold == 0:
        return NULL
    dropout.key[0], dropout.key[1] = this.run.dropout_key[0], this.run.dropout_key[1]
    dropout.stream, dropout.threshold = l, this.run.net.layers[l].threshold
    return dropout
