"""Keep forks and calls into BLAS or OpenMP apart.

OpenBLAS stops its threads before a fork but leaves its locks as they are: a product running in another thread would
never end in the parent, nor the next one start in the child. The threads of a team do not survive a fork, and a child
that enters a parallel region of OpenMP in its parent's team hangs.
"""
import os
import time

# All changed with the GIL held.
cdef bint forked = False  # this process is a forked child
cdef int calls = 0        # running
cdef int forks = 0        # about to happen


cdef int begin_call() except -1:
    global calls
    while forks > 0:
        time.sleep(1e-4)
    calls += 1
    return 0


cdef void end_call() noexcept:
    global calls
    calls -= 1


cdef bint in_forked_child() noexcept nogil:
    return forked


def _before_fork():
    global forks
    forks += 1
    while calls > 0:
        time.sleep(1e-4)


def _after_fork_in_parent():
    global forks
    forks -= 1


def _after_fork_in_child():
    global forked, forks, calls
    forked, forks, calls = True, 0, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent,
                        after_in_child=_after_fork_in_child)
