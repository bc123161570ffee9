/* dispatch.c: the tables of the registry, and the choice of the kernels that this CPU and operating system can run. */
#include "elementwise/optimizers.inc.h"
#include "fastnn.h"
#include "random/legacy_shuffle.h"
#include "random/shuffle.h"
#include "random/threefry.h"

extern const fastnn_ops fastnn_ops_baseline[FASTNN_DTYPES];

/* setup.py sets FASTNN_X86_LEVELS if it builds the two units below; a universal build of macOS includes them for x86-64
   only. */
#if defined(FASTNN_X86_LEVELS) && !defined(__x86_64__) && !defined(_M_X64)
#undef FASTNN_X86_LEVELS
#endif

#if defined(FASTNN_X86_LEVELS)
extern const fastnn_ops fastnn_ops_avx2[FASTNN_DTYPES];
extern const fastnn_ops fastnn_ops_avx512[FASTNN_DTYPES];

#if defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
static void cpuid(unsigned leaf, unsigned subleaf, unsigned r[4] /* OUT eax, ebx, ecx, edx */)
{
    int out[4];
    __cpuidex(out, (int)leaf, (int)subleaf);
    for (int i = 0; i < 4; i++) r[i] = (unsigned)out[i];
}
static uint64_t xgetbv0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(unsigned leaf, unsigned subleaf, unsigned r[4] /* OUT eax, ebx, ecx, edx */)
{
    __cpuid_count(leaf, subleaf, r[0], r[1], r[2], r[3]);
}
static uint64_t xgetbv0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}
#endif

/* Intel SDM volume 1, 13 and 14: a vector extension may be used when CPUID reports it and the operating
   system saves its registers (OSXSAVE, then the bits of XCR0). Every subset that setup.py's flags enable
   is asked for. */
static int x86_level(void)
{
    unsigned r[4];
    cpuid(0, 0, r);
    if (r[0] < 7) return FASTNN_BASELINE;

    cpuid(1, 0, r);
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    if ((r[2] & (fma | osxsave | avx)) != (fma | osxsave | avx)) return FASTNN_BASELINE;
    const uint64_t xcr0 = xgetbv0();
    if ((xcr0 & 0x06) != 0x06) return FASTNN_BASELINE; /* xmm, ymm */

    cpuid(7, 0, r);
    const unsigned avx2 = 1u << 5, f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    if (!(r[1] & avx2)) return FASTNN_BASELINE;
    if ((r[1] & (f | dq | bw | vl)) != (f | dq | bw | vl)) return FASTNN_AVX2;
    return (xcr0 & 0xe6) == 0xe6 ? FASTNN_AVX512 : FASTNN_AVX2; /* + opmask, zmm0-15 high, zmm16-31 */
}
#endif

/* Cached: in a virtual machine each CPUID costs microseconds. (A race between two threads stores the same value.) */
static int best_level(void)
{
#if defined(FASTNN_X86_LEVELS)
    static int level = -1;
    if (level < 0) level = x86_level();
    return level;
#else
    return FASTNN_BASELINE;
#endif
}

static const fastnn_ops *table(int level, int dtype)
{
    if (level < 0 || level > best_level() || dtype < 0 || dtype >= FASTNN_DTYPES) return NULL;
#if defined(FASTNN_X86_LEVELS)
    if (level == FASTNN_AVX512) return &fastnn_ops_avx512[dtype];
    if (level == FASTNN_AVX2) return &fastnn_ops_avx2[dtype];
#endif
    return &fastnn_ops_baseline[dtype];
}

static void random_words(const uint32_t key[2], const uint32_t counter[2], uint32_t words[2])
{
    threefry(key, counter[0], counter[1], words);
}

#define BY_UNITS(name, ENUM, needs_z, rectifier) {#name, needs_z, rectifier, 1},
#define BY_COLUMNS(name, ENUM, needs_z, rectifier) {#name, needs_z, rectifier, 0},
static const fastnn_activation_facts activations[] = {FASTNN_FOR_EACH_ACTIVATION(BY_UNITS, BY_COLUMNS)};

#define OF_UNITS(name, ENUM, from_z) {#name, from_z, 0, 1},
#define OF_COLUMNS(name, ENUM, from_z) {#name, from_z, 1, 1},
#define OF_TARGETS(name, ENUM, from_z, per_target) {#name, from_z, 0, per_target},
static const fastnn_loss_facts losses[] = {FASTNN_FOR_EACH_LOSS(OF_UNITS, OF_COLUMNS, OF_TARGETS)};

#define RULE(name, ENUM, states, rms, step) {#name, states},
static const fastnn_rule_facts rules[] = {FASTNN_FOR_EACH_RULE(RULE)};

#define FUNCTION(name, ENUM) #name,
static const char *const functions[] = {FASTNN_FOR_EACH_FUNCTION(FUNCTION)};
#if defined(__aarch64__) /* baseline.c */
static const char *const levels[] = {"neon", "avx2", "avx512"};
#else
static const char *const levels[] = {"baseline", "avx2", "avx512"};
#endif

const fastnn_exports fastnn_csrc = {
    activations, losses, rules, functions, levels, best_level, table, prepare_update, random_words, shuffle,
    legacy_shuffle, permuted,
};
