/* team.h: a team of threads that runs one function: by OpenMP, by POSIX threads where a compiler lacks OpenMP, or, where
   both are missing, the calling thread alone. */
#ifndef FASTNN_TEAM_H
#define FASTNN_TEAM_H

#include <stddef.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

/* A thread's place in its team. */
typedef struct {
    int thread; /* 0 .. count - 1; 0 is the caller's */
    int count;  /* threads that run the function: at most as many as were asked for */
    void *team; /* of POSIX threads */
} fastnn_place;

typedef void (*fastnn_team_body)(void *context, const fastnn_place *place);

/* Call `body` in `count` threads at the same time, in the caller's floating-point mode, and wait for all of them. Several
   threads may do so at the same time; a body may not. */
void fastnn_run_team(int count, fastnn_team_body body, void *context);

/* Wait until all threads of the team have come here. */
void fastnn_team_barrier(const fastnn_place *place);

/* "openmp", "pthreads" or "none". */
const char *fastnn_team_kind(void);

/* Seconds since some moment. */
double fastnn_clock(void);

/* Return the counter and add 1, as one operation: threads that share work take different parts. */
static inline ptrdiff_t fastnn_take(ptrdiff_t *counter)
{
#if defined(_MSC_VER) && !defined(__clang__) && defined(_WIN64)
    return _InterlockedExchangeAdd64((volatile __int64 *)counter, 1);
#elif defined(_MSC_VER) && !defined(__clang__)
    return _InterlockedExchangeAdd((volatile long *)counter, 1);
#else
    return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
#endif
}

#endif
