/* team.c: the team of threads of this build. */
#include "threads/team.h"

#include "floating_mode.h"

#if defined(_OPENMP)
#include <omp.h>
#elif defined(__unix__) || defined(__APPLE__)
#define FASTNN_PTHREADS
#include "threads/pthreads.inc.h"
#endif

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <time.h>
#endif

#if defined(_OPENMP)
static void run_threads(int count, fastnn_team_body body, void *context)
{
    const uint64_t callers_mode = fastnn_floating_mode();
#pragma omp parallel num_threads(count)
    {
        const uint64_t mode = fastnn_floating_mode();
        const fastnn_place place = {omp_get_thread_num(), omp_get_num_threads(), NULL};
        fastnn_set_floating_mode(callers_mode);
        body(context, &place);
        fastnn_restore_mode(mode);
    }
}
#endif

void fastnn_run_team(int count, fastnn_team_body body, void *context)
{
#if defined(_OPENMP) || defined(FASTNN_PTHREADS)
    if (count > 1) {
        run_threads(count, body, context);
        return;
    }
#endif
    (void)count;
    const fastnn_place alone = {0, 1, NULL};
    body(context, &alone);
}

void fastnn_team_barrier(const fastnn_place *place)
{
    if (place->count == 1) return;
#if defined(_OPENMP)
#pragma omp barrier
#elif defined(FASTNN_PTHREADS)
    wait_for_all(place->team);
#endif
}

const char *fastnn_team_kind(void)
{
#if defined(_OPENMP)
    return "openmp";
#elif defined(FASTNN_PTHREADS)
    return "pthreads";
#else
    return "none";
#endif
}

double fastnn_clock(void)
{
#if defined(_WIN32)
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (double)ticks.QuadPart / (double)per_second.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#endif
}
