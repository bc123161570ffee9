"""The compiled core.

GNU's OpenMP library reads its settings when it is first loaded, which is here. By default its threads spin for
milliseconds while they wait: where other programs keep the cores busy, a step on two threads then took up to 29 times
as long as on one, against 1.1 to 1.3 times with a short spin, which costs next to nothing on idle cores
(ARCHITECTURE.md, "Threads"). A setting of the user's is left alone.
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
