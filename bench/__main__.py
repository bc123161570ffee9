"""Benchmarks of the installed package: ``python bench`` and step, predict, estimators, course, small, loop, scaling,
orders, layouts, products, functions or vectorization.

Every system runs in a process of its own (one system's thread pool slows another's), processes take turns, and
what is printed is the median over the turns. Some machines set OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE, which slows
BLAS: both are left out of the measured processes.
"""

import argparse
import importlib
import json
import sys

BENCHES = ("step", "predict", "estimators", "course", "small", "loop", "scaling", "orders", "layouts", "products",
           "functions", "vectorization")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench", description=__doc__)
    parser.add_argument("bench", choices=BENCHES)
    parser.add_argument("--turns", type=int, default=5, help="processes per system (default 5)")
    parser.add_argument("--threads", default="1,2", help="thread counts, separated by commas (default 1,2)")
    parser.add_argument("--only", default="", help="names of workloads, separated by commas (default all)")
    parser.add_argument("--peers", default="", help="systems to compare with, separated by commas (default all)")
    parser.add_argument("--dtypes", default="float32", help="dtypes, separated by commas (default float32)")
    parser.add_argument("--json", default="", help="also write the figures to this file")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)  # the arguments of one measured process
    options = parser.parse_args()
    module = importlib.import_module(options.bench)
    if options.worker:
        print(json.dumps(module.work(**json.loads(options.worker))))
        return
    figures = module.run(options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
