"""Simulate the inner loops of the products on arm64 CPUs with llvm-mca: not a measurement.

The kernels are compiled for arm64 by the cross compilers that are installed, the innermost loops are cut out of the
assembly, and llvm-mca counts the cycles of 300 iterations with all data in the L1 cache. The limit is the same loop
without everything but its fmla, or without everything but its loads if these take longer. The newest llvm-mca on the
PATH is used: version 19 describes Neoverse N1 and V1, version 14 has them share the model of another CPU. For apple-m1
it takes Apple's A7 of 2013 ("Cyclone"), which computes two or three fmla per cycle.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

CSRC = Path(__file__).parents[2] / "csrc"
CPUS = ("neoverse-n1", "neoverse-v1", "apple-m1")
TARGET = "simulated loop on arm64: part of its limit"
KERNELS = {"tile 4 x 6": "micro_kernel_4x6", "tile 3 x 8": "micro_kernel_3x8", "dots 5 x 5": "dots_5x5",
           "matvec of 16 vectors": "row_strip_16"}
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-ffp-contract=off", "-fPIC", f"-I{CSRC}"]
COMPILERS = {
    "gcc": ("aarch64-linux-gnu-gcc", ["-fno-schedule-insns"]),  # as setup.py
    "clang": ("clang", ["--target=aarch64-linux-gnu"]),
}
ITERATIONS = 300
BRANCH = r"(?:b\.?\w*|cbn?z|tbn?z)\s+(?:.*,\s*)?(\.L\w+)$"


def assembly(compiler: str) -> str | None:
    """Return the kernels as assembly, or None without this compiler."""
    command, flags = COMPILERS[compiler]
    if not shutil.which(command):
        return None
    return subprocess.run([command, *flags, *FLAGS, "-S", "-o", "-", str(CSRC / "levels" / "baseline.c")], check=True,
                          capture_output=True, text=True).stdout


def inner_loop(text: str, function: str) -> list[str]:
    """Return the instructions of the first loop without a branch inside it that multiplies."""
    body = re.search(rf"^{function}:.*?\n(.*?)^\s*\.size\s+{function}", text, re.DOTALL | re.MULTILINE)
    if not body:
        raise ValueError(f"no function {function} in the assembly")
    code, labels = [], {}
    for line in body[1].splitlines():
        line = line.split("//")[0].strip()
        if label := re.match(r"(\.\w+):", line):
            labels[label[1]] = len(code)
        elif line and not line.startswith("."):
            code.append(line)
    for i, line in enumerate(code):
        branch = re.match(BRANCH, line)
        if branch and labels.get(branch[1], i + 1) <= i:
            loop = code[labels[branch[1]]:i + 1]
            if "fmla" in " ".join(loop) and not any(re.match(BRANCH, inner) for inner in loop[:-1]):
                return loop
    raise ValueError(f"no loop with fmla in {function}")


def cycles(mca: str, cpu: str, loop: list[str]) -> float:
    """Return the cycles of one iteration."""
    code = "\n".join(["loop:", *(re.sub(r"\.L\w+$", "loop", line) for line in loop), ""])
    process = subprocess.run(
        [mca, "-mtriple=aarch64-linux-gnu", f"-mcpu={cpu}", f"-iterations={ITERATIONS}", "-instruction-info=0",
         "-resource-pressure=0", "-"], input=code, check=True, capture_output=True, text=True)
    return int(re.search(r"Total Cycles:\s+(\d+)", process.stdout)[1]) / ITERATIONS


def simulate(mca: str, text: str, function: str, cpu: str) -> dict[str, float | str]:
    """Return cycles of one iteration per fmla and at the limit."""
    loop = inner_loop(text, function)
    multiplications = [line for line in loop if line.startswith("fmla")]
    limits = {"fmla": cycles(mca, cpu, multiplications),
              "loads": cycles(mca, cpu, [line for line in loop if line.startswith("ld")])}
    bound = max(limits, key=limits.get)
    return {"cycles": cycles(mca, cpu, loop), "fmla": len(multiplications), "limit": limits[bound], "bound": bound}


def newest_mca() -> str | None:
    """Return the command of the newest llvm-mca, or None."""
    names = {match for folder in os.get_exec_path() if Path(folder).is_dir() for path in Path(folder).glob("llvm-mca*")
             if (match := path.name)}
    versions = {int(name.removeprefix("llvm-mca-")): name for name in names if name.removeprefix("llvm-mca-").isdigit()}
    return versions[max(versions)] if versions else "llvm-mca" if "llvm-mca" in names else None


def run(options) -> list[dict]:
    mca = newest_mca()
    texts = {name: text for name in COMPILERS if (text := assembly(name)) is not None} if mca else {}
    if not texts:
        print("needs llvm-mca, and aarch64-linux-gnu-gcc or clang")
        return []
    version = re.search(r"LLVM version \S+", subprocess.run([mca, "--version"], capture_output=True, text=True).stdout)
    print(f"simulated by {mca} ({version[0] if version else 'version unknown'}): cycles per fmla / at the limit")
    rows = []
    for dtype in options.dtypes.split(","):
        for compiler, text in texts.items():
            for kernel, function in KERNELS.items():
                suffix = {"float32": "f32", "float64": "f64"}[dtype]
                print(f"{dtype} {compiler:<6} {kernel:<20}", end="")
                for cpu in CPUS:
                    row = simulate(mca, text, f"{function}_{suffix}", cpu)
                    print(f"  {cpu} {row['cycles'] / row['fmla']:.3f} / {row['limit'] / row['fmla']:.3f} "
                          f"({row['limit'] / row['cycles']:.2f} of {row['bound']})", end="", flush=True)
                    rows.append({"cell": f"{kernel}, {dtype}, {compiler}, {cpu}", **row,
                                 "targets": {TARGET: row["limit"] / row["cycles"]}})
                print()
    return rows
