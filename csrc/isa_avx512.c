/* The kernels compiled with the flags of the level "avx512" (setup.py). */
#define FASTNN_SKINNY /* with 16 registers its tiles spill, and BLAS is faster */
#define FASTNN_TABLE fastnn_ops_avx512
#include "isa.inc.h"
