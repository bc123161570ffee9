"""The figures of docs/benchmarks."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import targets
from networks import NETWORKS, dashed
from peers import SYSTEMS
from tabular import scores
from tabular.systems import REALMLP

from report.markdown import LABELS, several
from report.runs import Run

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter

COLOURS = dict(zip(SYSTEMS, ("#222222", "#0072B2", "#D55E00", "#E69F00", "#009E73", "#999999", "#CC79A7", "#56B4E9",
                             "#882255", "#F0E442"), strict=True))
TIMES = FuncFormatter(lambda value, _: f"{value:g} x")
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
plt.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 130,
                 "axes.axisbelow": True, "figure.constrained_layout.use": True}


def bars(axes, rows: list[dict], mark: Callable[[dict], float] | None = None) -> None:
    """Draw times relative to fastnn's, the line at 1, on a log axis; a tick at the `mark` of each row."""
    peers = [name for name in SYSTEMS if name != "fastnn" and any(name in row["us"] for row in rows)]
    width = 0.8 / max(1, len(peers))
    for i, name in enumerate(peers):
        heights = [row["us"].get(name, np.nan) / row["us"]["fastnn"] for row in rows]
        x = np.arange(len(rows)) + (i - (len(peers) - 1) / 2) * width
        axes.bar(x, np.subtract(heights, 1), width * 0.92, bottom=1, color=COLOURS[name], label=LABELS.get(name, name))
        for place, height in zip(x, heights, strict=True):
            axes.annotate(f"{height:.2f}" if height < 10 else f"{height:.0f}", (place, max(height, 1)), (0, 2),
                          textcoords="offset points", ha="center", fontsize=6.5, rotation=90, va="bottom",
                          **({"color": "#B00020", "weight": "bold"} if height < 1 else {}))
    if mark:
        for place, row in enumerate(rows):
            level = mark(row) / row["us"]["fastnn"]
            axes.hlines(level, place - 0.46, place + 0.46, colors="#B00020", linewidth=1.6,
                        label="reference" if place == 0 else None)
    axes.axhline(1, color=COLOURS["fastnn"], linewidth=1.2, label="fastnn")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.8), high * 1.8)  # space for the numbers
    axes.yaxis.set_major_formatter(TIMES)
    axes.yaxis.set_minor_formatter("")
    axes.yaxis.grid(True, color="#DDDDDD", linewidth=0.6)
    axes.set_xticks(range(len(rows)), [row["workload"] for row in rows])
    axes.tick_params(axis="x", length=0)


def legend(figure, axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, columnspacing=1.2,
                  handlelength=1.3)


def step(rows: list[dict], isa: str, folder: Path) -> None:
    for dtype in several(rows, "dtype"):
        of = [row for row in rows if row["dtype"] == dtype]
        counts = several(of, "threads")
        figure, panels = plt.subplots(len(counts), 1, figsize=(9, 3.4 * len(counts)), squeeze=False)
        for n_threads, axes in zip(counts, panels[:, 0], strict=True):
            part = [row for row in of if row["threads"] == n_threads]
            bars(axes, part, lambda row: targets.reference(row["workload"], row["us"], isa))
            axes.set_xticks(range(len(part)), [
                f"{name}\n{dashed(NETWORKS[name][0])}\nbatch {NETWORKS[name][1]}"
                for name in several(part, "workload")])
            axes.set_title(f"{n_threads} thread{'s' * (n_threads > 1)}", loc="left")
            axes.set_ylabel("time / time of fastnn")
        figure.suptitle(f"Time of a training step relative to fastnn, {dtype}")
        legend(figure, panels[0, 0])
        figure.savefig(folder / f"step_{dtype}.png")
        plt.close(figure)


def predict(rows: list[dict], isa: str, folder: Path) -> None:
    for dtype in several(rows, "dtype"):
        of = [row for row in rows if row["dtype"] == dtype]
        counts, sizes = several(of, "threads"), several(of, "rows")
        for n_threads in counts:
            figure, panels = plt.subplots(len(sizes), 1, figsize=(9, 2.9 * len(sizes)), squeeze=False)
            for size, axes in zip(sizes, panels[:, 0], strict=True):
                bars(axes, [row for row in of if row["threads"] == n_threads and row["rows"] == size])
                axes.set_title(f"{size:,} row{'s' * (size > 1)}", loc="left")
                axes.set_ylabel("time / time of fastnn")
            figure.suptitle(f"Time of a prediction relative to fastnn, {dtype}, "
                            f"{n_threads} thread{'s' * (n_threads > 1)}")
            legend(figure, panels[0, 0])
            figure.savefig(folder / f"predict_{dtype}_{n_threads}.png")
            plt.close(figure)


def scaling(rows: list[dict], isa: str, folder: Path) -> None:
    curves = several(rows, "curve")
    figure, panels = plt.subplots(1, len(curves), figsize=(3.6 * len(curves), 3.6), squeeze=False)
    for curve, axes in zip(curves, panels[0], strict=True):
        for row, colour in zip([row for row in rows if row["curve"] == curve], ("#0072B2", "#D55E00", "#009E73"),
                               strict=False):
            x, us = np.array(row["values"], float), np.array(row["us"])
            ideal = np.exp(np.mean(np.log(us) - row["expected"] * np.log(x))) * x ** row["expected"]
            axes.plot(x, ideal, ":", color=colour, linewidth=1)
            axes.plot(x, us, "o-", color=colour, markersize=4,
                      label=f"{row['threads']} thread{'s' * (row['threads'] > 1)}: slope {row['slope']:.2f}")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(PLAIN)
        axes.set_xticks(row["values"])
        axes.yaxis.grid(True, color="#DDDDDD", linewidth=0.6)
        axes.set_xlabel(curve)
        axes.set_title(f"{curve}: ideal slope {row['expected']} (dotted)", loc="left", fontsize=9)
        axes.legend(frameon=False)
    panels[0, 0].set_ylabel("us per training step")
    figure.savefig(folder / "scaling.png")
    plt.close(figure)


def fit(rows: list[dict], isa: str, folder: Path) -> None:
    """Time to accuracy: start-up and reading the data (hatched), and the epochs."""
    of = [row for row in rows if row["part"] == "accuracy"]
    if not of:
        return
    figure, panels = plt.subplots(len(of), 1, figsize=(8, 0.7 + 1.6 * len(of)), squeeze=False, sharex=True)
    for row, axes in zip(of, panels[:, 0], strict=True):
        systems = [name for name in SYSTEMS if name in row["seconds"]][::-1]
        total = np.array([row["seconds"][name] for name in systems])
        epochs = np.array([row["training"][name] for name in systems])
        places = [LABELS.get(name, name) for name in systems]
        axes.barh(places, total - epochs, color="#EEEEEE", edgecolor="#888888", hatch="////", linewidth=0.5)
        axes.barh(places, epochs, left=total - epochs, color=[COLOURS[name] for name in systems])
        for place, (name, seconds) in enumerate(zip(systems, total, strict=True)):
            missed = row["reached"][name] < row["turns"]
            axes.annotate(f"{seconds:.1f} s, {row['epochs'][name]:.0f} epochs"
                          + missed * f", in {row['reached'][name]} of {row['turns']}", (seconds, place), (4, 0),
                          textcoords="offset points", va="center", fontsize=7.5)
        axes.set_title(f"learning rate {row['rate']}, {row['threads']} thread{'s' * (row['threads'] > 1)}",
                       loc="left", fontsize=9)
    panels[0, 0].set_xlim(0, 1.18 * max(max(row["seconds"].values()) for row in of))
    panels[-1, 0].set_xlabel("seconds to 88 % test accuracy on Fashion-MNIST, whole process "
                             "(hatched: start-up, imports, reading the data)")
    figure.savefig(folder / "accuracy.png")
    plt.close(figure)


def tables(rows: list[dict], isa: str, folder: Path) -> None:
    """Errors relative to RealMLP-TD's, a point for each system and table."""
    of = {name: scores.ratios(rows, name, REALMLP) for name in scores.systems(rows) if name != REALMLP}
    of = {name: values for name, values in of.items() if values}
    if not of:
        return
    names = [name for name in scores.tables(rows) if any(name in values for values in of.values())]
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.42 * len(names)))
    places = range(len(names))[::-1]  # the first table on top
    for i, (system, values) in enumerate(of.items()):
        axes.plot([values.get(name, np.nan) for name in names], places, "o" if system.startswith("fastnn") else "D",
                  color=list(COLOURS.values())[i], markersize=6 - (i > 1), linestyle="", label=system)
    axes.axvline(1, color="#888888", linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks([tick for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 4, 6, 8)
                     if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]])
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(places, names)
    axes.yaxis.grid(True, color="#DDDDDD", linewidth=0.6)
    axes.set_xlabel(f"error or RMSE of the test rows / that of {REALMLP} (lower is better)")
    legend(figure, axes)
    figure.savefig(folder / "tables.png")
    plt.close(figure)


def draw(run: Run, folder: Path) -> None:
    """Draw the figures of all benchmarks of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    for bench, plot in {"step": step, "predict": predict, "scaling": scaling, "fit": fit, "tables": tables}.items():
        if rows := run.rows(bench):
            plot(rows, run.isa, folder)
