"""The stages of a training step, and the threads that share them."""
from libc.math cimport NAN, isfinite, sqrt
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from fastnn._core.forkguard cimport in_forked_child
from fastnn._core.joint_pass cimport joint_pass
from fastnn._core.registry cimport csrc, fastnn_update
from fastnn._core.shard cimport shard_pass, total_weight
from fastnn._core.team cimport clock, fastnn_place, fastnn_team_body, run_team, team_barrier
from fastnn._core.team_policy cimport fastnn_decide, fastnn_record
from fastnn._core.training_buffers cimport Group
from fastnn._core.tuning cimport SLICE_GRANULE


cdef class TrainingStages(BoundTraining):
    def __dealloc__(self):
        free(self.shard_loss)

    cdef int bind_team(self, int team, int n_parts) except -1:
        self.team, self.n_parts = max(1, team), n_parts
        if n_parts > 1 and (self.n_shards > 1 or self.run.X == NULL or self.net.inputs != NULL
                            or self.net.layers[0].mixture):
            raise ValueError("parts need a single shard, a dense X, no input stage and no mixtures")
        self.n_slices = max(self.n_shards, n_parts)
        if self.n_slices == 1:
            self.n_slices = self.team
        self.shard_loss = <double *>calloc(self.n_shards + 2 * self.n_slices, sizeof(double))
        if self.shard_loss == NULL:
            raise MemoryError
        self.slice_penalty = self.shard_loss + self.n_shards
        self.slice_squares = self.slice_penalty + self.n_slices
        return 0

    cdef void begin(self, ptrdiff_t start, ptrdiff_t count, double dropout=1) noexcept nogil:
        cdef uint32_t[2] counter
        self.start, self.count = start, count
        self.n_active = self.n_shards if count >= self.n_shards else <int>count
        self.weight = total_weight(&self.run, start, count)
        self.update = self.settings
        self.update.n_shards = self.n_active
        self.scale_l2()
        if self.drops:
            if dropout != self.dropout_factor:
                self.set_dropout(dropout)
            counter[0], counter[1] = <uint32_t>self.step_count[0], <uint32_t>(self.step_count[0] >> 32)
            csrc.random_words(self.dropout_seed, counter, self.run.dropout_key)

    cdef void combine(self, double loss, double weight) noexcept nogil:
        self.weight, self.n_active = weight, 1
        self.shard_loss[0] = loss * weight / self.run.loss.factor
        self.scale_l2()

    cdef void scale_l2(self) noexcept nogil:
        self.update.l2 = self.settings.l2
        if self.l2_by_batch:
            self.update.l2 /= max(self.weight, 0.1)

    cdef double mean_loss(self) noexcept nogil:
        return self.total_loss() * (self.run.loss.factor / self.weight) if self.weight != 0 else 0

    cdef double total_loss(self) noexcept nogil:
        cdef double total = 0
        cdef int s
        for s in range(self.n_active):
            total += self.shard_loss[s]
        return total

    cdef double end_update(self, double loss) noexcept nogil:
        cdef double penalty = 0
        cdef int s
        if self.clip_norm > 0 and not isfinite(self.gradient_norm()):
            penalty = NAN
        elif isfinite(loss):
            self.step_count[0] += 1
            penalty = self.frozen_penalty()
            for s in range(self.n_slices):
                penalty += self.slice_penalty[s]
        self.loss_sum += (loss + penalty) * self.weight
        self.weight_sum += self.weight
        return penalty

    # ---- Running stages

    # Run a bit set of stages, on the team or on the calling thread. Each stage waits for the previous one to finish.
    cdef void run_stages(self, int stages, int call) noexcept nogil:
        cdef bint shared = self.team > 1 and self.n_slices > 1 and not in_forked_child()
        cdef bint together = shared and fastnn_decide(&self.policies[call], clock())
        self.stages = stages
        run_team(self.team if together else 1, <fastnn_team_body>stages_on_thread, <void *>self)
        if shared:
            fastnn_record(&self.policies[call], clock(), self.count)

    cdef int parts(self, int stage) noexcept nogil:
        return self.n_active if stage == PASS else self.n_slices

    cdef void run_part(self, int stage, int k) noexcept nogil:
        if stage == PASS:
            self.shard_loss[k] = shard_pass(&self.run, k, self.n_active, self.start, self.count, self.weight)
        elif stage == REDUCE:
            self.reduce_slice(k)
        elif stage == PENALIZE:
            self.penalize_slice(k)
        else:
            self.update_slice(k)

    # Slices end at cache-line boundaries, so that no two threads write to the same line.
    cdef ptrdiff_t slice_start(self, int s) noexcept nogil:
        cdef ptrdiff_t length = (self.net.size + self.n_slices - 1) // self.n_slices
        return min(s * ((length + SLICE_GRANULE - 1) // SLICE_GRANULE * SLICE_GRANULE), self.net.size)

    # Confine a range to slice s; it is empty if start >= stop.
    cdef void part_of_slice(self, int s, ptrdiff_t *start, ptrdiff_t *stop) noexcept nogil:
        start[0] = max(self.slice_start(s), start[0])
        stop[0] = min(self.slice_start(s + 1), stop[0])

    # The L2 and L1 terms of the frozen layers.
    cdef double frozen_penalty(self) noexcept nogil:
        return 0.5 * self.update.l2 * self.frozen_squares + self.update.l1 * self.frozen_absolutes

    # Store the sum of the shards' gradients in the first gradient arena.
    cdef void reduce_slice(self, int s) noexcept nogil:
        cdef fastnn_update sum_alone = self.update
        cdef double squares
        sum_alone.l2 = sum_alone.l1 = 0
        self.sum_slice(&sum_alone, s, &squares)

    # Store the sum of the shards' gradients and of the penalties' derivatives in the first arena, and its squared norm.
    cdef void penalize_slice(self, int s) noexcept nogil:
        self.slice_penalty[s] = self.sum_slice(&self.update, s, &self.slice_squares[s])

    cdef double sum_slice(self, const fastnn_update *u, int s, double *squares) noexcept nogil:
        cdef double penalty = 0, part = 0
        cdef ptrdiff_t start, stop
        cdef int r
        squares[0] = 0
        for r in range(self.n_ranges):
            start, stop = self.ranges[2 * r], self.ranges[2 * r + 1]
            self.part_of_slice(s, &start, &stop)
            if start < stop:
                penalty += self.net.ops.total_gradient(u, start, stop, self.run.gradients, self.net.theta,
                                                       self.run.gradients + start * self.net.itemsize, &part)
                squares[0] += part
        return penalty

    cdef double gradient_norm(self) noexcept nogil:
        cdef double squares = 0
        cdef int s
        for s in range(self.n_slices):
            squares += self.slice_squares[s]
        return sqrt(squares)

    cdef void update_slice(self, int s) noexcept nogil:
        cdef fastnn_update u = self.update
        cdef double norm, penalty = 0
        cdef ptrdiff_t start, stop
        cdef const Group *group
        cdef int r
        if self.clip_norm > 0:
            norm = self.gradient_norm()
            if not isfinite(norm):
                return
            u.n_shards, u.l2, u.l1 = 1, 0, 0  # PENALIZE has already added them
            if norm > self.clip_norm:
                u.clip = self.clip_norm / norm
        if not isfinite(self.total_loss()):
            return
        for r in range(self.n_groups):
            group = &self.groups[r]
            start, stop = group.start, group.stop
            self.part_of_slice(s, &start, &stop)
            if start < stop:
                u.rate, u.gradient_rate = self.update.rate * group.rate, self.update.gradient_rate * group.rate
                u.shrink = 1 - self.update.decay * (group.rate * group.decay)
                penalty += self.net.ops.update(&u, start, stop, self.run.gradients, self.net.theta, self.states[0],
                                               self.states[1])
        if not self.clip_norm > 0:
            self.slice_penalty[s] = penalty


# The parts of all stages that belong to one thread of the team.
cdef void stages_on_thread(TrainingStages plan, const fastnn_place *place) noexcept nogil:
    cdef int i, k, parts
    for i in range(N_STAGES):
        if plan.stages >> i & 1:
            if 1 << i == PASS and plan.n_parts > 1:
                joint_pass(&plan.run, plan.n_parts, place, plan.start, plan.count, plan.weight, plan.shard_loss)
            else:
                parts = plan.parts(1 << i)
                for k in range(parts * place.thread // place.count, parts * (place.thread + 1) // place.count):
                    plan.run_part(1 << i, k)
            if plan.stages >> (i + 1):
                team_barrier(place)
