/* The kernels compiled with the flags of the level "avx512" (setup.py). Empty in the arm64 half of a universal build. */
#if defined(__x86_64__) || defined(_M_X64)
#define FASTNN_TABLE fastnn_ops_avx512
#define FASTNN_VECTOR 64
#include "levels/level.inc.h"
#endif
