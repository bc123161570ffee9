"""A training step of two installed versions of fastnn: microseconds of each, and the ratio."""

import sys
from statistics import median

from measure import in_process, threads
from networks import chosen, label

from suites import step


def work(**arguments) -> dict[str, float]:
    return step.work("fastnn", **arguments)


def run(options) -> list[dict]:
    pythons = {"other": options.other, "this": sys.executable}
    rows = []
    for dtype in options.dtypes.split(","):
        print(f"\nMicroseconds per training step ({dtype}), median of {options.turns} processes of each, in turn;\n"
              "ratio: the median over the turns of this / other, with the lowest and highest")
        print(f"| {'workload':<36} | threads | {'other':>9} | {'this':>9} | ratio |\n|---|---|---|---|---|")
        for workload in chosen(options):
            for n_threads in threads(options):
                arguments = {"workload": workload, "dtype": dtype, "n_threads": n_threads}
                turns = [{name: in_process("versions", arguments, n_threads, python)["us"]
                          for name, python in pythons.items()} for _ in range(options.turns)]
                us = {name: median(turn[name] for turn in turns) for name in pythons}
                ratios = sorted(turn["this"] / turn["other"] for turn in turns)
                print(f"| {label(workload):<36} | {n_threads:>7} | {us['other']:>9.2f} | {us['this']:>9.2f} | "
                      f"{median(ratios):.3f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |", flush=True)
                rows.append({"workload": workload, "dtype": dtype, "threads": n_threads, "us": us, "ratios": ratios})
    return rows
