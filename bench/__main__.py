"""Run a benchmark of the installed package; `python bench --help` lists them."""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import forks
import isa
from checks import print_missed
from machine import environment
from measure import SLOWS_BLAS

# Each is a module of bench/suites: `run(options)` prints and returns the figures, `work(...)` measures in a process of
# its own.
BENCHES = {
    "step": "a training step: every peer, and the references of BLAS and memory",
    "versions": "a training step in this environment and in that of --other, in turn",
    "fit": "shuffling, time to accuracy on Fashion-MNIST, import time",
    "predict": "prediction: every peer",
    "memory": "peak memory of a fit; a memory map of 1e7 rows",
    "kernels": "the compiled kernels against memory copy, and `products`",
    "products": "the matrix products of the layers, by each kernel and by BLAS",
    "arm64": "the inner loops of the products on arm64 CPUs, simulated by llvm-mca",
    "scaling": "time per step against batch size, width and depth",
    "estimators": "whole fits of MLPClassifier against scikit-learn's",
    "tables": "errors and times of TabularClassifier and TabularRegressor on real tables, against RealMLP and others",
    "encoder": "TableEncoder on a million rows of 30 columns, and on single rows",
    "course": "full-batch gradient descent against a student's NumPy",
    "small": "the functions of the course one by one",
    "loop": "the Python training loop, and the fixed cost of a fit",
    "shards": "one shard, two shards or two parts of each layer per step",
    "fixed_costs": "small calls, an epoch on iris, validation, and searches by threads and processes",
    "teams": "the default number of threads against given ones, on idle and on busy cores",
    "spinning": "how long waiting threads spin before they sleep",
    "orders": "the storage order of W",
    "layouts": "the storage order of Z",
    "subnormals": "steps and predictions on subnormal numbers against normal ones",
    "embedding": "the input stage: its kernels, and steps and predictions with and without it",
    "functions": "exp, log, ... at each SIMD level",
    "vectorization": "Python loops against vectorised code",
}
DESCRIPTION = """Benchmarks of the installed package. Every system runs in its own process, because the thread pool of
one slows down another. The processes of the systems alternate, and the printed figures are medians over these turns.
A run ends with the figures that miss their target (bench/targets.py).
The environment variables OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which slow down BLAS, are removed.
--isa avx2 confines all systems to AVX2, where the machine has AVX-512: it sets a switch for each, every measured
process verifies it, and systems without a switch are left out. On a machine with AVX2 only it changes nothing.
`python bench report FOLDER` makes docs/benchmarks.md and its figures from the --json files in a folder."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:<14} {text}" for name, text in BENCHES.items()))
    parser.add_argument("bench", choices=[*BENCHES, "report"], metavar="BENCH", help="one of those below, or report")
    parser.add_argument("folder", nargs="?", help="report: the folder of the --json files")
    parser.add_argument("--turns", type=int, default=5, help="processes per system (default 5)")
    parser.add_argument("--threads", default="1,2", help="thread counts, separated by commas (default 1,2)")
    parser.add_argument("--only", default="", help="names of workloads, separated by commas (default all)")
    parser.add_argument("--peers", default="", help="systems to compare with, separated by commas (default all)")
    parser.add_argument("--dtypes", default="float32", help="dtypes, separated by commas (default float32)")
    parser.add_argument("--isa", choices=isa.ISAS, help="confine all systems to this instruction set")
    parser.add_argument("--other", default="", help="versions: Python of an environment with another fastnn")
    parser.add_argument("--data", default="tables", help="tables: folder of the CSV files (default ./tables)")
    parser.add_argument("--seeds", default="0,1,2", help="tables: seeds, separated by commas (default 0,1,2)")
    parser.add_argument("--earlier", default="", help="tables: --json file whose fits complete this run")
    parser.add_argument("--json", default="", help="also write the figures to this file")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)  # the arguments of one measured process
    parser.add_argument("--fork-for", default="", help=argparse.SUPPRESS)  # the system of forked processes
    options = parser.parse_args()
    if (options.bench == "report") != (options.folder is not None):
        parser.error("a FOLDER is needed for report, and only for report")
    if (options.bench == "versions") != bool(options.other) and not (options.worker or options.fork_for):
        parser.error("--other PYTHON is needed for versions, and only for versions")
    if not Path(options.json).parent.is_dir():  # before anything is measured
        parser.error(f"there is no folder for {options.json}")
    return options


def confined(work: Callable, arguments: dict):
    """The figures of a measured process, if its systems are confined to --isa."""
    figures = work(**arguments)
    isa.verify()
    return figures


def main() -> None:
    options = parse()
    if not (options.worker or options.fork_for):  # a measured process inherits the environment
        for variable in SLOWS_BLAS:
            os.environ.pop(variable, None)
        if options.isa:
            isa.confine(options.isa)
    module = importlib.import_module("report" if options.bench == "report" else f"suites.{options.bench}")
    if options.fork_for:
        forks.serve(options.fork_for, lambda arguments: confined(module.work, arguments))
        return
    if options.worker:
        print(json.dumps(confined(module.work, json.loads(options.worker))), flush=True)
        os._exit(0)  # PyTorch takes half a second to unload
    rows = module.run(options)
    if options.bench == "report":
        return
    surroundings = environment()
    print_missed(options.bench, rows, surroundings["simd"])
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"bench": options.bench, **surroundings, "confined": isa.description(), "turns": options.turns,
                       "rows": rows}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
