/* pthreads.inc.h: teams of POSIX threads, for compilers without OpenMP such as Apple's clang.

   A caller takes an idle team of the size it needs, or starts one, and works in it as thread 0; so several callers have
   a team each. A thread that waits spins for some microseconds and then sleeps. A forked child has no threads and starts
   new teams. The threads of idle teams end when the process does. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FASTNN_STACK_BYTES (2u << 20) /* of a thread: a product keeps a packed panel of up to 96 KiB; macOS gives 512 */
#define FASTNN_SPINS 1000             /* looks at a word before a waiting thread sleeps: 10 to 50 us */
#define FASTNN_ACTIVE_SPINS 1000000   /* with OMP_WAIT_POLICY=active */

/* Words that different threads write have a cache line each, of 128 bytes on some CPUs. */
#define OWN_LINE _Alignas(128)

typedef struct team {
    struct team *next; /* idle team */
    int asked, size;   /* threads asked for and started, with the caller */
    int spins;
    pthread_t *threads; /* (size - 1) */
    /* The call; written before `calls` changes. */
    fastnn_team_body body; /* NULL ends the threads */
    void *context;
    uint64_t mode;
    OWN_LINE atomic_uint calls;   /* begun */
    OWN_LINE atomic_uint results; /* calls that all threads but the caller's have finished */
    atomic_int working;           /* these threads, until they finish */
    OWN_LINE atomic_uint passed;  /* barriers that all threads have reached */
    atomic_int arrived;           /* threads at the next one */
    OWN_LINE atomic_int sleeping; /* threads */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* one of the words above */
} team;

typedef struct {
    team *team;
    int thread;
} seat;

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    team *idle;
    int closed; /* the process ends */
} pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_ONCE_INIT, NULL, 0};

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* `yield` does nothing on most of these CPUs */
#endif
}

/* ---- Waiting */

static void wait_while(team *t, atomic_uint *word, unsigned old)
{
    for (int k = 0; k < t->spins; k++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        relax();
    }
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->sleeping, 1);
    while (atomic_load(word) == old) pthread_cond_wait(&t->changed, &t->lock);
    atomic_fetch_sub(&t->sleeping, 1);
    pthread_mutex_unlock(&t->lock);
}

/* Either this thread sees the sleeper, or the sleeper sees the word: both write first and read then. */
static void change(team *t, atomic_uint *word)
{
    atomic_fetch_add(word, 1);
    if (atomic_load(&t->sleeping) == 0) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void wait_for_all(team *t)
{
    const unsigned before = atomic_load(&t->passed);
    if (atomic_fetch_add(&t->arrived, 1) + 1 < t->size) {
        wait_while(t, &t->passed, before);
        return;
    }
    atomic_store(&t->arrived, 0);
    change(t, &t->passed);
}

/* ---- Threads */

static void *work(void *given)
{
    seat own;
    memcpy(&own, given, sizeof own);
    free(given);
    team *t = own.team;
    for (unsigned call = 0;; call++) {
        wait_while(t, &t->calls, call);
        if (!t->body) return NULL;
        const fastnn_place place = {own.thread, t->size, t};
        fastnn_set_floating_mode(t->mode);
        t->body(t->context, &place);
        if (atomic_fetch_sub(&t->working, 1) == 1) change(t, &t->results);
    }
}

/* Start a thread, with the signals blocked: Python's handlers belong to the others. Return 1 on success. */
static int start_thread(team *t, int thread, const pthread_attr_t *attributes)
{
    sigset_t blocked, before;
    seat *own = malloc(sizeof *own);
    if (!own) return 0;
    own->team = t;
    own->thread = thread;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const int failed = pthread_create(&t->threads[thread - 1], attributes, work, own);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) free(own);
    return !failed;
}

static int chosen_spins(void)
{
    const char *policy = getenv("OMP_WAIT_POLICY");
    if (!policy) return FASTNN_SPINS;
    return *policy == 'p' || *policy == 'P' ? 0 : *policy == 'a' || *policy == 'A' ? FASTNN_ACTIVE_SPINS : FASTNN_SPINS;
}

/* Return a team of `count` threads, or of fewer if the system has no more, or NULL without memory. */
static team *new_team(int count)
{
    void *memory;
    pthread_attr_t attributes;
    if (posix_memalign(&memory, _Alignof(team), sizeof(team))) return NULL;
    team *t = memset(memory, 0, sizeof(team));
    t->threads = malloc((size_t)(count - 1) * sizeof *t->threads);
    if (!t->threads || pthread_attr_init(&attributes)) {
        free(t->threads);
        free(t);
        return NULL;
    }
    pthread_attr_setstacksize(&attributes, FASTNN_STACK_BYTES);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->asked = count;
    t->spins = chosen_spins();
    for (t->size = 1; t->size < count && start_thread(t, t->size, &attributes);) t->size++;
    pthread_attr_destroy(&attributes);
    return t;
}

static void end_team(team *t)
{
    t->body = NULL;
    change(t, &t->calls);
    for (int k = 0; k < t->size - 1; k++) pthread_join(t->threads[k], NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t->threads);
    free(t);
}

/* ---- The pool of idle teams */

static void lock_pool(void) { pthread_mutex_lock(&pool.lock); }
static void unlock_pool(void) { pthread_mutex_unlock(&pool.lock); }

/* The parent's threads do not exist in a forked child. */
static void forget_teams(void)
{
    pool.idle = NULL;
    unlock_pool();
}

static void end_idle_teams(void)
{
    lock_pool();
    team *t = pool.idle;
    pool.idle = NULL;
    pool.closed = 1;
    unlock_pool();
    while (t) {
        team *next = t->next;
        end_team(t);
        t = next;
    }
}

static void open_pool(void)
{
    pthread_atfork(lock_pool, unlock_pool, forget_teams);
    atexit(end_idle_teams);
}

static team *take_team(int count)
{
    pthread_once(&pool.once, open_pool);
    lock_pool();
    team **at = &pool.idle;
    while (*at && (*at)->asked != count) at = &(*at)->next;
    team *t = *at;
    if (t) *at = t->next;
    const int closed = pool.closed;
    unlock_pool();
    return t || closed ? t : new_team(count);
}

static void give_back(team *t)
{
    lock_pool();
    t->next = pool.idle;
    pool.idle = t;
    unlock_pool();
}

static void run_threads(int count, fastnn_team_body body, void *context)
{
    team *t = take_team(count);
    const fastnn_place place = {0, t ? t->size : 1, t};
    if (place.count == 1) {
        body(context, &place);
        if (t) give_back(t);
        return;
    }
    const unsigned before = atomic_load(&t->results);
    t->body = body;
    t->context = context;
    t->mode = fastnn_floating_mode();
    atomic_store(&t->working, t->size - 1);
    change(t, &t->calls);
    body(context, &place);
    wait_while(t, &t->results, before);
    give_back(t);
}
