/* team_policy.h: decide whether a team of threads or the calling thread alone does a plan's next call.

   When another program occupies a core, a team waits at every barrier for its pre-empted thread, and a call takes many
   times as long as on one thread. The policy compares the seconds per row of both and uses the team as long as it pays:

     TEAM    the team works. The time it saves per row accumulates as credit; when the credit is used up -> ALONE.
     SAMPLE  one call alone, to measure the time per row without the team; then TEAM again. Samples are more frequent
             while the team saves little.
     ALONE   the calling thread works until `wait` seconds of work have passed; then TEAM. The wait is a multiple of the
             time that the team has lost, so that retries cost a fixed part of the time. The multiple doubles with each
             team that loses, and is reset by one that saves time.

   The work is cut into the same parts in every state, so the results are bitwise identical.
   The caller reads the clock: `now` is in seconds and need not start at 0. A zeroed policy is ready for use. */
#ifndef FASTNN_TEAM_POLICY_H
#define FASTNN_TEAM_POLICY_H

enum { FASTNN_TEAM, FASTNN_SAMPLE, FASTNN_ALONE };

#define FASTNN_MIN_WAIT 1e-3     /* seconds; the lower limit of `wait`, for a team that saved time before it failed */
#define FASTNN_MAX_WAIT 5.0      /* seconds; the upper limit of `wait` */
#define FASTNN_MIN_PATIENCE 16   /* seconds alone per second that the team lost: at first, */
#define FASTNN_MAX_PATIENCE 64   /* and at most */
#define FASTNN_SAMPLE_PERIOD 256 /* calls from one SAMPLE to the next, */
#define FASTNN_DOUBT 0.85        /* or, if the team takes more than this part of the time alone, */
#define FASTNN_DOUBT_PERIOD 16   /* calls */
#define FASTNN_DOUBT_SECONDS 5e-3 /* that take this long, since each sample lets the threads fall asleep */
#define FASTNN_WAKE_UP 100e-6    /* seconds of credit after a call alone: waking idle threads takes 20 to 60 us */
#define FASTNN_FIRST_CREDIT 0.5  /* in calls alone: what a team may lose before it has saved anything */
#define FASTNN_MAX_CREDIT 2      /* in calls alone: past savings must not delay disabling a pre-empted team */
#define FASTNN_FASTER 0.5        /* weight of the last call in `solo_seconds_per_row` if it was faster, */
#define FASTNN_SLOWER 0.125      /* and if it was slower: it may have been pre-empted, which says nothing of the work */
#define FASTNN_SMOOTHING 0.125   /* weight of the last call in `team_seconds_per_row` */

typedef struct {
    int state;
    double began;                 /* the time of the last decision */
    long calls;                   /* since the state was entered or, in TEAM, from the last SAMPLE on */
    double spent;                 /* seconds of these calls */
    double patience;              /* the multiple of the lost time that the next ALONE lasts; 0 before the first call */
    double wait;                  /* seconds that the current ALONE lasts */
    double solo_seconds_per_row;  /* exponential mean of calls without the team; 0 if unknown */
    double team_seconds_per_row;  /* exponential mean of calls by the team since ALONE; 0 if unknown */
    double credit;                /* seconds per row that the team has saved, between its limits */
    double saved;                 /* seconds that the team has saved since ALONE, without limits */
} fastnn_team_policy;

static inline int fastnn_sample_is_due(const fastnn_team_policy *policy)
{
    const double solo = policy->solo_seconds_per_row;
    if (solo == 0) return policy->calls == 1; /* not the first call, which wakes the threads */
    if (policy->calls >= FASTNN_SAMPLE_PERIOD) return 1;
    return policy->team_seconds_per_row > FASTNN_DOUBT * solo && policy->calls >= FASTNN_DOUBT_PERIOD &&
           policy->spent >= FASTNN_DOUBT_SECONDS;
}

/* Return 1 if the team should do the next call, 0 for the calling thread. Call `fastnn_record` after the work. */
static inline int fastnn_decide(fastnn_team_policy *policy, double now)
{
    if (policy->patience == 0) policy->patience = FASTNN_MIN_PATIENCE;
    if (policy->state == FASTNN_TEAM && fastnn_sample_is_due(policy)) policy->state = FASTNN_SAMPLE;
    policy->began = now;
    return policy->state == FASTNN_TEAM;
}

static inline void fastnn_enter(fastnn_team_policy *policy, int state)
{
    policy->state = state;
    policy->calls = 0;
    policy->spent = 0;
}

static inline void fastnn_record_alone(fastnn_team_policy *policy, double seconds_per_row, double rows)
{
    const double change = seconds_per_row - policy->solo_seconds_per_row;
    if (policy->solo_seconds_per_row == 0) {
        policy->solo_seconds_per_row = seconds_per_row;
        policy->credit = FASTNN_FIRST_CREDIT * seconds_per_row;
    } else {
        policy->solo_seconds_per_row += (change < 0 ? FASTNN_FASTER : FASTNN_SLOWER) * change;
    }
    if (policy->state == FASTNN_SAMPLE) {
        fastnn_enter(policy, FASTNN_TEAM);
        policy->calls = 1;
    } else if (policy->spent >= policy->wait) {
        fastnn_enter(policy, FASTNN_TEAM);
        policy->saved = policy->team_seconds_per_row = 0;
        policy->credit = FASTNN_FIRST_CREDIT * policy->solo_seconds_per_row;
    }
    policy->credit += FASTNN_WAKE_UP / rows; /* the threads sleep by now */
}

static inline void fastnn_disable_team(fastnn_team_policy *policy)
{
    const double patience = policy->saved > 0 ? FASTNN_MIN_PATIENCE : 2 * policy->patience;
    policy->wait = -policy->saved * policy->patience;
    policy->wait = policy->wait < FASTNN_MAX_WAIT ? policy->wait : FASTNN_MAX_WAIT;
    policy->wait = policy->wait > FASTNN_MIN_WAIT ? policy->wait : FASTNN_MIN_WAIT;
    policy->patience = patience < FASTNN_MAX_PATIENCE ? patience : FASTNN_MAX_PATIENCE;
    fastnn_enter(policy, FASTNN_ALONE);
}

static inline void fastnn_record_team(fastnn_team_policy *policy, double seconds, double rows)
{
    const double solo = policy->solo_seconds_per_row, most = FASTNN_MAX_CREDIT * solo, seconds_per_row = seconds / rows;
    const double weight = policy->team_seconds_per_row == 0 ? 1 : FASTNN_SMOOTHING;
    if (solo == 0) return;
    policy->team_seconds_per_row += weight * (seconds_per_row - policy->team_seconds_per_row);
    policy->saved += solo * rows - seconds;
    policy->credit += solo - seconds_per_row;
    if (policy->credit > most) policy->credit = most;
    if (policy->credit < 0) fastnn_disable_team(policy);
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
