/* kernels.inc.h: the kernels of one element type, in the order in which they build on each other. */
#include "vmath.inc.h"
#include "columns.inc.h"
#include "softmax.inc.h"
#include "dropout.inc.h"
#include "activations.inc.h"
#include "losses.inc.h"
#include "optimizers.inc.h"
#include "sparse.inc.h"
#if defined(FASTNN_VECTOR)
#include "products.inc.h"
#include "matvec.inc.h"
#include "dots.inc.h"
#endif
