# When a team of threads pays: csrc/team_policy.h, with the clock and barrier of csrc/openmp.h.
cdef extern from "team_policy.h" nogil:
    enum:
        FASTNN_TEAM
        FASTNN_SAMPLE
        FASTNN_ALONE

    ctypedef struct fastnn_team_policy:
        int state
        double wait
        double credit

    bint fastnn_decide(fastnn_team_policy *policy, double now)
    void fastnn_record(fastnn_team_policy *policy, double now, double rows)

cdef extern from "openmp.h" nogil:
    double fastnn_clock()
    void fastnn_barrier()
    int fastnn_team_size()
