"""The machine, the package versions and the settings that figures depend on."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "scikit-learn", "jax", "jaxlib", "torch", "onnxruntime", "onnx", "skl2onnx",
            "openvino", "ai-edge-litert", "pandas", "pytabkit", "lightgbm")


def caches() -> dict[str, str]:
    """Name and size of the caches of the first core (Linux only)."""
    found = {}
    for entry in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((entry / name).read_text().strip() for name in ("level", "type", "size"))
        found[f"L{level}" + {"Data": "d", "Instruction": "i"}.get(kind, "")] = size
    return found


def cpu_model() -> str:
    """The name of the processor, complete on Linux only."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def versions() -> dict[str, str]:
    """The versions of Python and of the measured packages that are installed."""
    import fastnn

    found = {"python": platform.python_version(), "fastnn": fastnn.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict:
    """Machine, versions, SIMD level, BLAS and date."""
    from fastnn import runtime

    blas = [f"{lib['internal_api']} {lib['version']} ({lib['architecture']})" for lib in runtime.blas_info()]
    return {"machine": {"cpu": cpu_model(), "architecture": platform.machine(), "system": platform.system(),
                        "cores": runtime.cores(), "caches": caches()},
            "versions": versions(), "simd": runtime.simd_level(), "blas": ", ".join(blas),
            "date": datetime.now(UTC).strftime("%Y-%m-%d")}
