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
    '''
    double fastnn_clock() noexcept nogil

cdef enum:
    LEAST_WAIT = 1000       # microseconds that the caller's thread works alone before the team is tried again,
    LONGEST_WAIT = 1000000  # twice as many each time that the team did not last
    LASTING = 16            # waits that it worked for, and it has lasted
    REFRESH = 256           # calls of the team after which one is made alone, to know what that takes now
    WAKING = 100            # microseconds more that a team may take at first: threads sleep soon, and wake in 20 to 60

cdef struct Teamwork:
    long calls          # of this spell,
    double spent        # and seconds
    double wait         # seconds
    bint alone          # the way of this spell
    bint once           # this one call is made alone
    double pace         # seconds an example alone: a mean that forgets; 0 while unknown
    double balance      # what the team gained of late, in seconds an example; below 0 its spell ends
    double began


cdef inline bint begin_together(Teamwork *teamwork) noexcept nogil:
    if teamwork.wait == 0:
        teamwork.wait = 1e-6 * LEAST_WAIT
    teamwork.once = not teamwork.alone and teamwork.calls % REFRESH == 1  # the first call of all wakes the threads
    teamwork.began = fastnn_clock()
    return not (teamwork.alone or teamwork.once)


cdef inline void end_work(Teamwork *teamwork, double examples) noexcept nogil:
    cdef double took = fastnn_clock() - teamwork.began, now = took / examples
    teamwork.calls += 1
    teamwork.spent += took
    if teamwork.alone or teamwork.once:
        if teamwork.pace == 0:
            teamwork.pace = teamwork.balance = now
        teamwork.pace += 0.25 * (now - teamwork.pace)
        if teamwork.alone and teamwork.spent >= teamwork.wait:
            teamwork.alone, teamwork.calls, teamwork.spent, teamwork.balance = False, 2, 0, teamwork.pace
        teamwork.balance += 1e-6 * WAKING / examples
    elif teamwork.pace > 0:
        # Old gains do not make up for much: a team that is put aside again and again has to go.
        teamwork.balance = min(teamwork.balance + teamwork.pace - now, 2 * teamwork.pace)
        if teamwork.balance < 0:
            if teamwork.spent >= LASTING * teamwork.wait:
                teamwork.wait = 1e-6 * LEAST_WAIT
            else:
                teamwork.wait = min(2 * teamwork.wait, 1e-6 * LONGEST_WAIT)
            teamwork.alone, teamwork.calls, teamwork.spent = True, 0, 0
