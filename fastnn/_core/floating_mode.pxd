# Subnormal numbers count as zero while the core computes: csrc/floating_mode.h.
from libc.stdint cimport uint64_t

cdef extern from "floating_mode.h" nogil:
    enum:
        FASTNN_FLUSH
    uint64_t fastnn_floating_mode()
    void fastnn_set_floating_mode(uint64_t mode)
    uint64_t fastnn_flush_subnormals()
    void fastnn_restore_mode(uint64_t mode)
