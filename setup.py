"""Build the compiled core: one C library per SIMD level, then the Cython modules above them.

Switches in the environment: FASTNN_DEBUG=1 (no optimisation, symbols), FASTNN_SANITIZE=1 (address and undefined
behaviour, gcc or clang), FASTNN_OPENMP=0 (POSIX threads instead of OpenMP).
"""

import os
import re
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
DEBUG = os.environ.get("FASTNN_DEBUG") == "1"
SANITIZE = os.environ.get("FASTNN_SANITIZE") == "1"

COMPILER = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def predefined_macros() -> set[str]:
    """The names of the compiler's own macros; none if it does not tell them."""
    command = [*COMPILER, *shlex.split(os.environ.get("CFLAGS", "")), "-dM", "-E", "-x", "c", os.devnull]
    try:
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return set()
    return set(re.findall(r"#define (\w+)", output))


def target_architectures(macros: set[str]) -> set[str]:
    """The architectures to compile for, "x86_64" and "arm64", which may differ from that of this machine."""
    if sys.platform == "darwin":  # the compiler may work for two at once, and then tells nothing
        asked = re.findall(r"-arch\s+(\w+)", os.environ.get("ARCHFLAGS", ""))
        asked = asked or [sysconfig.get_platform().rsplit("-")[-1]]
        return {"x86_64", "arm64"} if "universal2" in asked else {ARCHITECTURES.get(name, name) for name in asked}
    if macros:
        return {name for macro, name in (("__x86_64__", "x86_64"), ("__aarch64__", "arm64")) if macro in macros}
    name = os.environ.get("VSCMD_ARG_TGT_ARCH") or sysconfig.get_platform().removeprefix("linux-").removeprefix("win-")
    return {ARCHITECTURES.get(name.lower(), name)}


MACROS_OF_COMPILER = set() if MSVC else predefined_macros()
TARGETS = target_architectures(MACROS_OF_COMPILER)

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
    if len(TARGETS) > 1:  # these flags are for one half of a universal build
        for level in ("avx2", "avx512"):
            LEVEL_FLAGS[level] = [word for flag in LEVEL_FLAGS[level] for word in ("-Xarch_x86_64", flag)]
    if "arm64" in TARGETS and "__GNUC__" in MACROS_OF_COMPILER and "__clang__" not in MACROS_OF_COMPILER:
        # The first scheduling pass of gcc moves loads ahead until the accumulators no longer fit in the registers.
        LEVEL_FLAGS["baseline"] += ["-fno-schedule-insns"]

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
MACROS = [("FASTNN_X86_LEVELS", "1")] if "x86_64" in TARGETS else []
LEVELS = ["baseline", "avx2", "avx512"] if "x86_64" in TARGETS else ["baseline"]


def openmp_flags() -> list[str]:
    """The compiler's OpenMP flag, or where it has none that of POSIX threads (csrc/threads)."""
    without = [] if MSVC else ["-pthread"]
    if os.environ.get("FASTNN_OPENMP") == "0":
        return without
    if MSVC:
        return ["/openmp"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
        probe = [*COMPILER, "-fopenmp", str(source), "-o", str(Path(folder, "probe"))]
        try:
            subprocess.run(probe, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return without
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
        [f"fastnn/_core/{name}.pyx", *(["csrc/threads/team.c"] if name == "team" else [])],
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


PARALLEL = {"team", "_testing"}  # modules with parallel regions
OPENMP = openmp_flags()
setup(
    libraries=[library(f"fastnn_{level}", f"csrc/levels/{level}.c", LEVEL_FLAGS[level]) for level in LEVELS]
    + [library("fastnn_dispatch", "csrc/dispatch.c", [])],
    ext_modules=cythonize(
        [
            extension(name, OPENMP if name in PARALLEL else [])
            for name in ["registry", "team", "blas", "arrays", "conversion", "forkguard", "kernels", "course", "shard",
                         "joint_pass",
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
