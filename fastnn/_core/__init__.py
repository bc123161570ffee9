"""The compiled core.

GNU's OpenMP library reads its settings when it is first loaded, which happens here. By default its threads spin for
milliseconds while they wait. If other programs keep the cores busy, a training step on two threads then takes up to 29
times as long as on one; with a short spin, 1.1 to 1.3 times. On idle cores a short spin costs next to nothing
(docs/development/measurements.md). Settings of the user are kept.
"""

import os
from importlib import import_module

SPIN = "GOMP_SPINCOUNT"
spin_is_ours = SPIN not in os.environ and "OMP_WAIT_POLICY" not in os.environ

if spin_is_ours:
    os.environ[SPIN] = "1000"
try:
    import_module("fastnn._core.training_plan")
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("fastnn._core"):
        raise
    raise ImportError("this is fastnn's source folder, which holds no compiled modules: install it (`pip install .`), "
                      "then run Python in another folder, or with -P") from None
finally:
    if spin_is_ours:  # not for child processes
        del os.environ[SPIN]
