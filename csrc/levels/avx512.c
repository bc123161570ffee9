/* The kernels compiled with the flags of the level "avx512" (setup.py). */
#define FASTNN_TABLE fastnn_ops_avx512
#define FASTNN_VECTOR 64
#include "levels/level.inc.h"
