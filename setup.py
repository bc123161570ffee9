"""Build the compiled core: one C library per SIMD level, then the Cython modules above them.

Switches in the environment: FASTNN_DEBUG=1 (no optimisation, symbols), FASTNN_SANITIZE=1 (address and undefined
behaviour, gcc or clang), FASTNN_OPENMP=0 (no threads).
"""

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from glob import glob
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

MSVC = sys.platform == "win32" and "MSC" in sys.version
X86_64 = platform.machine().lower() in {"x86_64", "amd64"} and "universal2" not in sysconfig.get_platform()
DEBUG = os.environ.get("FASTNN_DEBUG") == "1"
SANITIZE = os.environ.get("FASTNN_SANITIZE") == "1"

if MSVC:
    COMMON = ["/O2", "/std:c11", "/fp:precise"]
    LEVEL_FLAGS = {"baseline": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]}
else:
    # No -ffast-math, but the parts of it that hold here: nobody reads errno or floating-point traps.
    COMMON = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-fvisibility=hidden", "-fPIC"]
    COMMON += ["-ffp-contract=off", "-fno-lto", "-Wall", "-Wextra"]  # simd.h: fused where the source says so
    LEVEL_FLAGS = {
        "baseline": [],
        "avx2": ["-mavx2", "-mfma"],
        "avx512": ["-mavx2", "-mfma", *(f"-mavx512{subset}" for subset in ("f", "dq", "bw", "vl"))],
    }
    LEVEL_FLAGS["avx512"] += ["-mprefer-vector-width=512"]

# Last on the command line, so that they win over Python's own flags, which may ask for symbols: two thirds of a wheel.
SANITIZERS = ["-fsanitize=address,undefined"] if SANITIZE else []
if MSVC:
    DEBUGGING = ["/Od"] if DEBUG else []
elif DEBUG or SANITIZE:
    DEBUGGING = ["-O0" if DEBUG else "-O1", "-g", *SANITIZERS]
else:
    DEBUGGING = ["-g0"]

# Nothing throws through these functions, so they need no unwind tables.
SMALLER = [] if MSVC or DEBUG or SANITIZE else ["-fno-asynchronous-unwind-tables", "-ffunction-sections",
                                                "-fdata-sections"]
# Without symbols, unused functions and unwind tables, a wheel is 9 % smaller.
STRIP = ["-Wl,-s,--gc-sections"] if sys.platform == "linux" and not (DEBUG or SANITIZE) else []
# Modules that run once per fit, or in tests only: small rather than fast.
SMALL = {"_testing", "kernels", "arrays", "conversion", "forkguard", "network", "training_buffers"}

HEADERS = sorted(glob("csrc/**/*.h", recursive=True))
MACROS = [("FASTNN_X86_LEVELS", "1")] if X86_64 else []
LEVELS = ["baseline", "avx2", "avx512"] if X86_64 else ["baseline"]


def openmp_flags() -> list[str]:
    """The compiler's OpenMP flag, or nothing where it has none: the wheel then runs on one thread."""
    if os.environ.get("FASTNN_OPENMP") == "0":
        return []
    if MSVC:
        return ["/openmp"]
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
        probe = [*compiler, "-fopenmp", str(source), "-o", str(Path(folder, "probe"))]
        try:
            subprocess.run(probe, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return []
    return ["-fopenmp"]


def library(name: str, source: str, flags: list[str]) -> tuple[str, dict]:
    # obj_deps: a header edit rebuilds the objects.
    return name, {
        "sources": [source],
        "include_dirs": ["csrc"],
        "macros": MACROS,
        "cflags": [*COMMON, *flags, *SMALLER, *DEBUGGING],
        "obj_deps": {"": HEADERS},
    }


def extension(name: str, openmp: list[str]) -> Extension:
    with_kernels = name == "registry"
    return Extension(
        f"fastnn._core.{name}",
        [f"fastnn/_core/{name}.pyx"],
        include_dirs=["csrc", numpy.get_include()],
        libraries=[f"fastnn_{level}" for level in [*LEVELS, "dispatch"]][::-1] if with_kernels else [],
        # The target is the oldest NumPy that pyproject.toml allows; NumPy's own default rises with its versions.
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"),
                       ("NPY_TARGET_VERSION", "NPY_1_25_API_VERSION")],
        extra_compile_args=[*([] if MSVC else ["-Os" if name in SMALL else "-O2", "-ffp-contract=off",
                                               "-fvisibility=hidden"]), *SMALLER, *openmp, *DEBUGGING],
        extra_link_args=[*([] if MSVC else openmp), *SANITIZERS, *STRIP],
        depends=[*HEADERS, *glob("csrc/**/*.c", recursive=True), *glob("fastnn/_core/*.pxd")],
    )


PARALLEL = {"training_stages", "prediction_chunks", "prediction_plan", "_testing"}  # modules with parallel regions
OPENMP = openmp_flags()
setup(
    libraries=[library(f"fastnn_{level}", f"csrc/levels/{level}.c", LEVEL_FLAGS[level]) for level in LEVELS]
    + [library("fastnn_dispatch", "csrc/dispatch.c", [])],
    ext_modules=cythonize(
        [
            extension(name, OPENMP if name in PARALLEL else [])
            for name in ["registry", "blas", "arrays", "conversion", "forkguard", "kernels", "course", "shard",
                         "network", "training_buffers", "training_stages", "training_plan", "prediction_chunks",
                         "prediction_plan", "_testing"]
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": False,  # the .pyi files have the signatures
            "freethreading_compatible": False,
        },
    ),
)
