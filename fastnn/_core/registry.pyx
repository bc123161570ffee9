"""The names and facts of csrc/registry.h. A name's index in its tuple is its code."""

cdef extern from "fastnn.h" nogil:
    const fastnn_exports fastnn_csrc

csrc = &fastnn_csrc

ACTIVATIONS = tuple([csrc.activations[code].name.decode() for code in range(FASTNN_ACTIVATIONS)])
LOSSES = tuple([csrc.losses[code].name.decode() for code in range(FASTNN_LOSSES)])
RULES = tuple([csrc.rules[code].name.decode() for code in range(FASTNN_RULES)])
FUNCTIONS = tuple([csrc.functions[code].decode() for code in range(FASTNN_FUNCTIONS)])

# The SIMD levels, slowest first, and those that this machine supports.
ALL_LEVELS = tuple([csrc.levels[code].decode() for code in range(FASTNN_LEVELS)])
LEVELS = ALL_LEVELS[:csrc.best_level() + 1]

# Activations whose derivative is computed from Z; that of the others is computed from A.
KEEPS_Z = tuple([name for code, name in enumerate(ACTIVATIONS) if csrc.activations[code].needs_z])

# Activations whose weights are initialised for a rectifier.
RECTIFIERS = tuple([name for code, name in enumerate(ACTIVATIONS) if csrc.activations[code].rectifier])

# Activations that are element-wise; the others (softmax) depend on all units of an example.
BY_UNITS = tuple([name for code, name in enumerate(ACTIVATIONS) if csrc.activations[code].by_units])

# Losses computed from Z[L], with the output activation inside them; the others are computed from A[L].
FROM_Z = tuple([name for code, name in enumerate(LOSSES) if csrc.losses[code].from_z])

# The kinds of columns of X in an input stage.
PLAIN, NUMBER, CATEGORY = FASTNN_PLAIN, FASTNN_NUMBER, FASTNN_CATEGORY

# The number of state arenas of each rule.
STATES = {name: csrc.rules[code].states for code, name in enumerate(RULES)}


cdef int code_of(tuple names, str name) except -1:
    if name not in names:
        raise ValueError(f"unknown name {name!r}: expected one of {', '.join(names)}")
    return names.index(name)


cpdef int activation_code(str name) except -1:
    return code_of(ACTIVATIONS, name)


cpdef int loss_code(str name) except -1:
    return code_of(LOSSES, name)


cdef int refuse_unit_weights(int loss) except -1:
    if csrc.losses[loss].takes_labels:
        raise ValueError("a loss that takes labels has one weight per example")
    return 0


cpdef int rule_code(str name) except -1:
    return code_of(RULES, name)


cpdef int function_code(str name) except -1:
    return code_of(FUNCTIONS, name)
