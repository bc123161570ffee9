"""Teams of threads. `KIND` says what runs them: "openmp", "pthreads", or "none" where the calling thread is alone."""

cdef extern from "threads/team.h" nogil:
    void fastnn_run_team(int count, fastnn_team_body body, void *context)
    void fastnn_team_barrier(const fastnn_place *place)
    const char *fastnn_team_kind()
    double fastnn_clock()

KIND = fastnn_team_kind().decode()


cdef void run_team(int count, fastnn_team_body body, void *context) noexcept nogil:
    fastnn_run_team(count, body, context)


cdef void team_barrier(const fastnn_place *place) noexcept nogil:
    fastnn_team_barrier(place)


cdef double clock() noexcept nogil:
    return fastnn_clock()
