/* kernels.inc.h: the kernels of one element type, in the order in which they build on each other. */
#include "math/vmath.inc.h"
#include "memory/transpose.inc.h"
#include "memory/gather.inc.h"
#include "memory/finite.inc.h"
#include "elementwise/reduce.inc.h"
#include "elementwise/softmax.inc.h"
#include "elementwise/dropout.inc.h"
#include "elementwise/activations.inc.h"
#include "elementwise/logarithms.inc.h"
#include "elementwise/losses.inc.h"
#include "elementwise/optimizers.inc.h"
#include "gemm/sparse.inc.h"
#if defined(FASTNN_VECTOR)
#include "gemm/epilogue.inc.h"
#include "gemm/tiles.inc.h"
#include "gemm/matvec.inc.h"
#include "gemm/dots.inc.h"
#endif
