/* openmp.h: the parts of OpenMP that Cython's parallel loops lack. Without OpenMP there is no team. */
#ifndef FASTNN_OPENMP_H
#define FASTNN_OPENMP_H

#if defined(_OPENMP)
#include <omp.h>
#endif

/* Seconds since some moment. */
static inline double fastnn_clock(void)
{
#if defined(_OPENMP)
    return omp_get_wtime();
#else
    return 0;
#endif
}

/* The threads of the current parallel block. */
static inline int fastnn_team_size(void)
{
#if defined(_OPENMP)
    return omp_get_num_threads();
#else
    return 1;
#endif
}

/* Wait for the team: Cython's prange loops inside one parallel block do not wait for each other. */
static inline void fastnn_barrier(void)
{
#if defined(_OPENMP) && defined(_MSC_VER)
    __pragma(omp barrier)
#elif defined(_OPENMP)
    _Pragma("omp barrier")
#endif
}

#endif
