/* The kernels compiled with the flags of the level "avx2" (setup.py). */
#define FASTNN_TABLE fastnn_ops_avx2
#define FASTNN_VECTOR 32
#define FASTNN_TILE_VECTORS 3 /* x 4 columns: 12 of 16 registers */
#define FASTNN_TILE_COLUMNS 4
#include "isa.inc.h"
