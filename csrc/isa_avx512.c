/* The kernels compiled with the flags of the level "avx512" (setup.py). */
#define FASTNN_TABLE fastnn_ops_avx512
#define FASTNN_VECTOR 64
#define FASTNN_TILE_VECTORS 3 /* x 8 columns: 24 of 32 registers */
#define FASTNN_TILE_COLUMNS 8
#include "isa.inc.h"
