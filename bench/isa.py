"""Confine every system to an instruction set (``--isa``), to measure it on a machine that has a newer one.

`confine` sets the switch of each system in the environment, which the measured processes inherit. After its work each
process verifies what can be verified (`verify`). A system without a switch is left out on a newer machine
(`peers.System.confinable`).
"""

import os
import re
import sys

from machine import cpu_model

ISAS = ("avx2",)
REQUESTED = "BENCH_ISA"  # the environment variable that tells a measured process the value of --isa
# OpenBLAS, XLA and oneDNN (in PyTorch, JAX); MKL in PyTorch heeds its switch on Intel's CPUs, on others it has no
# AVX-512 kernels.
SWITCHES = {"FASTNN_SIMD": "avx2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2", "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
# Where the machine has AVX-512: XLA gives products to YNNPACK, which has no switch, and Inductor compiles with
# -march=native.
NEWER = {"XLA_FLAGS": f"{SWITCHES['XLA_FLAGS']} --xla_cpu_experimental_ynn_fusion_type=",
         "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3"}
AVX2_CORES = ("Zen", "Haswell")  # OpenBLAS's names of its AVX2 kernels, for AMD and for Intel


def requested() -> str:
    """The instruction set that this run is confined to, or ""."""
    return os.environ.get(REQUESTED, "")


def levels() -> tuple[str, ...]:
    """fastnn's SIMD levels that this machine has."""
    from fastnn._core.registry import LEVELS

    return tuple(LEVELS)


def newer() -> bool:
    """Whether the run is confined to less than the machine has."""
    return bool(requested()) and requested() != levels()[-1]


def numpy_features() -> list[str]:
    """NumPy's dispatched features beyond AVX2 that this machine has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__[name] and re.match("AVX512|X86_V4", name)]


def switches() -> dict[str, str]:
    """The environment variables that confine the systems on this machine."""
    core = AVX2_CORES[0 if cpu_model().startswith("AMD") else 1]
    found = SWITCHES | {"OPENBLAS_CORETYPE": core}
    if levels()[-1] != "avx2":
        found |= NEWER
        if names := numpy_features():
            found["NPY_DISABLE_CPU_FEATURES"] = " ".join(names)
    return found


def confine(isa: str) -> None:
    """Set the switches in the environment of this process and of those that it starts."""
    os.environ["FASTNN_SIMD"] = isa  # before fastnn is imported
    if isa not in levels():
        raise SystemExit(f"--isa {isa}: this machine has no {isa.upper()}, only {', '.join(levels())}")
    os.environ |= switches()
    os.environ[REQUESTED] = isa


def description() -> dict:
    """What the report says: the instruction set, the best one of the machine, the switches, the systems left out."""
    if not requested():
        return {}
    from peers import SYSTEMS

    left_out = [name for name, system in SYSTEMS.items() if newer() and not system.confinable]
    return {"isa": requested(), "machine": levels()[-1], "left out": left_out,
            "switches": {name: os.environ[name] for name in switches()}}


# ---- What a measured process verifies: each function returns problems in words --------------------------------------


def check_environment() -> list[str]:
    """The variables that are not set, for instance because a system replaced one."""
    return [f"{name} is {os.environ.get(name, '')!r} instead of {value!r}" for name, value in switches().items()
            if value not in os.environ.get(name, "")]


def check_fastnn() -> list[str]:
    from fastnn import runtime

    return [] if runtime.simd_level() == requested() else [f"fastnn runs {runtime.simd_level()}"]


def check_blas() -> list[str]:
    """All BLAS libraries of the process: NumPy's and SciPy's wheels load one each."""
    from threadpoolctl import ThreadpoolController

    found = []
    for library in ThreadpoolController().info():
        if library["user_api"] == "blas" and (library["internal_api"] == "openblas" or newer()):
            core = library.get("architecture")
            found += [] if core in AVX2_CORES else [f"{library['internal_api']} runs {core}: {library['filepath']}"]
    return found


def check_numpy() -> list[str]:
    names = numpy_features()  # of the running process: those disabled are False
    return [f"NumPy runs {', '.join(names)}"] if names else []


def check_torch() -> list[str]:
    import torch

    found = torch.backends.cpu.get_cpu_capability()
    return [] if found == "AVX2" else [f"PyTorch runs {found}"]


def check_inductor() -> list[str]:
    from torch._inductor import config
    from torch._inductor.cpu_vec_isa import pick_vec_isa

    found = [] if str(pick_vec_isa()) == "avx2" else [f"Inductor vectorises for {pick_vec_isa()}"]
    return found + ([f"Inductor compiles for {config.cpp.march or 'the machine'}"]
                    if newer() and config.cpp.march != NEWER["TORCHINDUCTOR_CPP_MARCH"] else [])


def check_jax() -> list[str]:
    """What a compiled product of matrices uses."""
    import jax
    from jax.experimental.serialize_executable import serialize

    matrix = jax.numpy.ones((128, 128))
    compiled = jax.jit(lambda A, B: jax.nn.relu(A @ B)).lower(matrix, matrix).compile()
    code, _, _ = serialize(compiled)
    names = sorted({name.decode() for name in re.findall(rb"\+(avx512\w*|avx10\w*|amx\w*)", code)})
    found = [f"XLA compiles for {', '.join(names)}"] if names else []
    if b"+avx2" not in code:
        found.append("XLA does not compile for AVX2")
    if newer() and "ynn" in compiled.as_text():
        found.append("XLA calls YNNPACK, which takes what the machine has")
    return found


CHECKS = {"fastnn": check_fastnn, "numpy": check_numpy, "threadpoolctl": check_blas, "torch": check_torch,
          "torch._inductor.cpu_vec_isa": check_inductor, "jax": check_jax}  # by a module that is loaded


def verify() -> None:
    """Raise an error if a system that this process has loaded is not confined; without --isa do nothing."""
    if not requested():
        return
    import threadpoolctl  # noqa: F401  (what is loaded is checked, so load it)

    found = check_environment()
    for module, check in CHECKS.items():
        if module in sys.modules:
            found += check()
    if found:
        raise RuntimeError(f"not confined to {requested()}: {'; '.join(found)}")
