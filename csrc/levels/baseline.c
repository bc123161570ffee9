/* The kernels compiled with the flags of the level "baseline" (setup.py). */
#define FASTNN_TABLE fastnn_ops_baseline
#include "levels/level.inc.h"
