/* The kernels compiled with the flags of the level "baseline" (setup.py). */
#define FASTNN_TABLE fastnn_ops_baseline
#if defined(__aarch64__)
#define FASTNN_VECTOR 16 /* NEON, which every arm64 CPU has */
#endif
#include "levels/level.inc.h"
