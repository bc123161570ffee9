/* The kernels compiled with the flags of the level "avx2" (setup.py). */
#define FASTNN_TABLE fastnn_ops_avx2
#define FASTNN_VECTOR 32
#include "levels/level.inc.h"
