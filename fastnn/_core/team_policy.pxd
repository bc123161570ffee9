# When a team of threads pays: csrc/team_policy.h.
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
