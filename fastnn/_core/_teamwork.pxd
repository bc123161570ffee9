# Whether a team of threads works on a plan's parts, or the caller's thread alone: whichever has been quicker of late.
# Where another program wants the second core, a team waits at every barrier for whoever was put aside, and takes many
# times as long as one thread. The parts, and so the bits, are the same either way.

cdef extern from *:
    '''
    #ifdef _OPENMP
    #include <omp.h>
    static double fastnn_clock(void) { return omp_get_wtime(); }
    #else
    static double fastnn_clock(void) { return 0; }
    #endif

    enum { FASTNN_ALONE, FASTNN_TOGETHER };
    '''
    double fastnn_clock() noexcept nogil
    cdef enum:
        FASTNN_ALONE
        FASTNN_TOGETHER

# A trial of the slower way may take this part of all time.
cdef enum:
    TRIAL_SHARE = 32

cdef struct Teamwork:
    long calls
    double pace[2]      # seconds an example of each way, a mean that forgets; 0 while unknown
    double until_trial  # seconds of work after which the other way is tried again
    int way             # of the call that is under way
    double began


cdef inline bint begin_together(Teamwork *teamwork) noexcept nogil:
    cdef int better = teamwork.pace[FASTNN_TOGETHER] <= teamwork.pace[FASTNN_ALONE]
    if teamwork.calls < 2:  # the first one wakes the threads
        teamwork.way = FASTNN_TOGETHER
    elif teamwork.calls == 2:
        teamwork.way = FASTNN_ALONE
    else:
        teamwork.way = better if teamwork.until_trial > 0 else 1 - better
    teamwork.began = fastnn_clock()
    return teamwork.way == FASTNN_TOGETHER


cdef inline void end_work(Teamwork *teamwork, double examples) noexcept nogil:
    cdef double seconds = fastnn_clock() - teamwork.began, now = seconds / examples
    cdef double *pace = &teamwork.pace[teamwork.way]
    if teamwork.calls < 3:
        pace[0] = now
    else:
        pace[0] += 0.25 * (now - pace[0])
    if teamwork.until_trial > 0:
        teamwork.until_trial -= seconds
    else:
        teamwork.until_trial = TRIAL_SHARE * seconds
    teamwork.calls += 1
