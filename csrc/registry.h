/* registry.h: one row for each activation, loss, update rule and mathematical function.

   Everything that enumerates them is generated from these lists: the enums in fastnn.h, the tables of names and facts
   in dispatch.c, the kernels' dispatch tables, and through `fastnn_exports` the names in Cython and Python.
   A row's position in its list is its code. Add new rows at the end. */
#ifndef FASTNN_REGISTRY_H
#define FASTNN_REGISTRY_H

/* UNITS rows apply to each unit on its own, COLUMNS rows to all units of an example together.

   name       in Python and in the formulas of elementwise/activations.inc.h
   ENUM       FASTNN_<ENUM> in C and Cython
   needs Z    1 if the derivative is computed from Z, 0 if from A (Z is then overwritten by A in training)
   rectifier  1 if weights are initialised for a rectifier (He), 0 for a roughly linear unit (Glorot) */
#define FASTNN_FOR_EACH_ACTIVATION(UNITS, COLUMNS) \
    UNITS(sigmoid, SIGMOID, 0, 0) \
    UNITS(tanh, TANH, 0, 0) \
    UNITS(relu, RELU, 0, 1) \
    UNITS(leaky_relu, LEAKY_RELU, 0, 1) \
    UNITS(identity, IDENTITY, 0, 0) \
    COLUMNS(softmax, SOFTMAX, 0, 0) \
    UNITS(elu, ELU, 0, 1) \
    UNITS(selu, SELU, 0, 0) \
    UNITS(gelu, GELU, 1, 1) \
    UNITS(silu, SILU, 1, 1) \
    UNITS(softplus, SOFTPLUS, 1, 1) \
    UNITS(exp, EXP, 0, 0) \
    UNITS(mish, MISH, 1, 1)

/* UNITS rows sum a term for each output unit and take Y (n[L], m); COLUMNS rows compute one term for all units of an
   example and take labels, or with `dense` Y (n[L], m); TARGETS rows compute a term for each target from several output
   units and take Y (n[L] / per target, m).

   name        in Python and in the formulas of elementwise/losses.inc.h (UNITS) and loss_blocks.inc.h (the others)
   ENUM        FASTNN_<ENUM>
   from Z      1 if the loss contains its output activation and is computed from Z[L], 0 if from A[L]
   per target  of TARGETS rows: the output units of each target */
#define FASTNN_FOR_EACH_LOSS(UNITS, COLUMNS, TARGETS) \
    COLUMNS(cross_entropy, CROSS_ENTROPY, 1) \
    UNITS(binary_cross_entropy, BINARY_CROSS_ENTROPY, 1) \
    UNITS(poisson, POISSON, 1) \
    UNITS(squared_error, SQUARED_ERROR, 0) \
    UNITS(absolute, ABSOLUTE, 0) \
    UNITS(huber, HUBER, 0) \
    UNITS(quantile, QUANTILE, 0) \
    TARGETS(gaussian, GAUSSIAN, 0, 2)

/* name    in Python
   ENUM    FASTNN_<ENUM>
   states  state arenas, each of the size of the parameters
   rms     1 if g is first divided by its root mean square, kept in the first state
   step    the formula in elementwise/optimizers.inc.h, which gets the states that `rms` leaves */
#define FASTNN_FOR_EACH_RULE(X) \
    X(sgd, SGD, 0, 0, sgd) \
    X(momentum, MOMENTUM, 1, 0, momentum) \
    X(nesterov, NESTEROV, 1, 0, nesterov) \
    X(adam, ADAM, 2, 0, adam) \
    X(nadam, NADAM, 2, 0, nadam) \
    X(rmsprop, RMSPROP, 1, 1, sgd) \
    X(rmsprop_momentum, RMSPROP_MOMENTUM, 2, 1, momentum) \
    X(rmsprop_nesterov, RMSPROP_NESTEROV, 2, 1, nesterov)

/* The functions of math/vmath.inc.h: name (there v_<name>), FASTNN_F_<ENUM>. */
#define FASTNN_FOR_EACH_FUNCTION(X) \
    X(exp, EXP) \
    X(expm1, EXPM1) \
    X(log, LOG) \
    X(log1p, LOG1P) \
    X(tanh, TANH) \
    X(sigmoid, SIGMOID) \
    X(softplus, SOFTPLUS) \
    X(normal_cdf, NORMAL_CDF) \
    X(normal_pdf, NORMAL_PDF) \
    X(cos2pi, COS2PI) \
    X(sin2pi, SIN2PI)

#endif
