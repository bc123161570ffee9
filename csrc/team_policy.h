/* team_policy.h: decide whether a team of threads or the calling thread alone does a plan's next call.

   When another program occupies a core, a team waits at every barrier for its pre-empted thread, and a call takes many
   times as long as on one thread. The policy compares the seconds per row of both and uses the team as long as it pays:

     TEAM    the team works. The time it saves per row accumulates as credit; when the credit is used up -> ALONE.
     SAMPLE  one call alone, to measure the time per row without the team; then TEAM again.
     ALONE   the calling thread works until `wait` seconds of work have passed; then TEAM. The wait doubles each time
             the team is soon disabled again, and is reset after the team has worked for a long time.

   The work is cut into the same parts in every state, so the results are bitwise identical.
   The caller reads the clock: `now` is in seconds and need not start at 0. A zeroed policy is ready for use. */
#ifndef FASTNN_TEAM_POLICY_H
#define FASTNN_TEAM_POLICY_H

enum { FASTNN_TEAM, FASTNN_SAMPLE, FASTNN_ALONE };

#define FASTNN_MIN_WAIT 1e-3      /* seconds; the initial value of `wait` */
#define FASTNN_MAX_WAIT 1.0       /* seconds; the upper limit of `wait` */
#define FASTNN_LASTING_WAITS 16   /* `wait` is reset if the team worked for this many waits, or calls alone if longer */
#define FASTNN_SAMPLE_PERIOD 256  /* calls from one SAMPLE to the next */
#define FASTNN_WAKE_UP 100e-6     /* seconds of initial credit: waking idle threads takes 20 to 60 us */
#define FASTNN_MAX_CREDIT 2       /* in calls alone: past savings must not delay disabling a pre-empted team */
#define FASTNN_SMOOTHING 0.25     /* weight of the last call in `solo_seconds_per_row` */

typedef struct {
    int state;
    double began;                 /* the time of the last decision */
    long calls;                   /* since the state was entered */
    double spent;                 /* seconds of work since the state was entered */
    double wait;                  /* seconds that the next ALONE lasts; 0 before the first decision */
    double solo_seconds_per_row;  /* exponential mean of calls without the team; 0 if unknown */
    double credit;                /* seconds per row that the team has saved */
} fastnn_team_policy;

/* Return 1 if the team should do the next call, 0 for the calling thread. Call `fastnn_record` after the work. */
static inline int fastnn_decide(fastnn_team_policy *policy, double now)
{
    if (policy->wait == 0) policy->wait = FASTNN_MIN_WAIT;
    /* Not the first call, which wakes the threads. */
    if (policy->state == FASTNN_TEAM && policy->calls % FASTNN_SAMPLE_PERIOD == 1) policy->state = FASTNN_SAMPLE;
    policy->began = now;
    return policy->state == FASTNN_TEAM;
}

static inline void fastnn_record_alone(fastnn_team_policy *policy, double seconds_per_row, double rows)
{
    if (policy->solo_seconds_per_row == 0) policy->solo_seconds_per_row = policy->credit = seconds_per_row;
    policy->solo_seconds_per_row += FASTNN_SMOOTHING * (seconds_per_row - policy->solo_seconds_per_row);
    if (policy->state == FASTNN_SAMPLE) {
        policy->state = FASTNN_TEAM;
    } else if (policy->spent >= policy->wait) {
        policy->state = FASTNN_TEAM;
        policy->calls = 2; /* no sample is needed soon */
        policy->spent = 0;
        policy->credit = policy->solo_seconds_per_row;
    }
    policy->credit += FASTNN_WAKE_UP / rows; /* the threads sleep by now */
}

/* Return 1 if the team worked long enough before the call that used up its credit. That call does not count:
   otherwise a team whose calls take 16 waits each would be retried after every call alone. */
static inline int fastnn_lasted(const fastnn_team_policy *policy, double seconds, double rows)
{
    const double call_alone = policy->solo_seconds_per_row * rows;
    const double unit = policy->wait > call_alone ? policy->wait : call_alone;
    return policy->spent - seconds >= FASTNN_LASTING_WAITS * unit;
}

static inline void fastnn_record_team(fastnn_team_policy *policy, double seconds, double rows)
{
    const double solo = policy->solo_seconds_per_row, most = FASTNN_MAX_CREDIT * solo;
    if (solo == 0) return;
    policy->credit += solo - seconds / rows;
    if (policy->credit > most) policy->credit = most;
    if (policy->credit >= 0) return;
    if (fastnn_lasted(policy, seconds, rows))
        policy->wait = FASTNN_MIN_WAIT;
    else
        policy->wait = 2 * policy->wait < FASTNN_MAX_WAIT ? 2 * policy->wait : FASTNN_MAX_WAIT;
    policy->state = FASTNN_ALONE;
    policy->calls = 0;
    policy->spent = 0;
}

/* Record the end of the call that `fastnn_decide` was asked about; it processed `rows` > 0 rows. */
static inline void fastnn_record(fastnn_team_policy *policy, double now, double rows)
{
    const double seconds = now - policy->began;
    policy->calls++;
    policy->spent += seconds;
    if (policy->state == FASTNN_TEAM)
        fastnn_record_team(policy, seconds, rows);
    else
        fastnn_record_alone(policy, seconds / rows, rows);
}

#endif
