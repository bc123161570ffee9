"""Benchmarks of the installed package; `python bench --help` says which."""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

from measure import SLOWS_BLAS, environment

BENCHES = {
    "step": "a training step beside every peer and its floors",
    "fit": "shuffling, time to accuracy on Fashion-MNIST, import",
    "predict": "prediction beside every peer",
    "memory": "peak memory of a fit; a memory map of 1e7 rows",
    "kernels": "the compiled kernels beside copying, and products",
    "products": "the layers' matrix products beside BLAS",
    "scaling": "growth with batch, width and depth",
    "estimators": "whole fits of MLPClassifier beside scikit-learn's",
    "course": "full-batch gradient descent beside a student's NumPy",
    "small": "the course's functions one by one",
    "loop": "the Python loop and what a fit costs beside its steps",
    "shards": "from where on two threads pay",
    "orders": "the storage order of W",
    "layouts": "the storage order of Z",
    "functions": "exp, log, ... at each SIMD level",
    "vectorization": "loops beside vectorised code",
}
DESCRIPTION = """Benchmarks of the installed package. Every system runs in a process of its own (one system's thread
pool slows another's), processes take turns, and what is printed is the median over the turns. Some machines set
OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE, which slows BLAS: both are left out.
`python bench report FOLDER` makes the tables and plots of docs/benchmarks.md from a folder of --json files."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name:<14} {what}" for name, what in BENCHES.items()))
    parser.add_argument("bench", choices=[*BENCHES, "report"], metavar="BENCH", help="one of those below, or report")
    parser.add_argument("folder", nargs="?", help="report: where the --json files are")
    parser.add_argument("--turns", type=int, default=5, help="processes per system (default 5)")
    parser.add_argument("--threads", default="1,2", help="thread counts, separated by commas (default 1,2)")
    parser.add_argument("--only", default="", help="names of workloads, separated by commas (default all)")
    parser.add_argument("--peers", default="", help="systems to compare with, separated by commas (default all)")
    parser.add_argument("--dtypes", default="float32", help="dtypes, separated by commas (default float32)")
    parser.add_argument("--json", default="", help="also write the figures to this file")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)  # the arguments of one measured process
    options = parser.parse_args()
    if (options.bench == "report") != (options.folder is not None):
        parser.error("report, and nothing else, takes a FOLDER")
    if not Path(options.json).parent.is_dir():  # rather than when all is measured
        parser.error(f"there is no folder for {options.json}")
    for variable in SLOWS_BLAS:
        os.environ.pop(variable, None)
    module = importlib.import_module(options.bench)
    if options.worker:
        print(json.dumps(module.work(**json.loads(options.worker))))
        return
    rows = module.run(options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"bench": options.bench, **environment(), "turns": options.turns, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
