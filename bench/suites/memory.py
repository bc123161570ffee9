"""Peak memory of a fit for every peer, and the memory of a fit on memory maps of different sizes."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import numpy as np
import peers
import targets
from measure import gather, threads

SIZES, BATCH, ROWS = [784, 128, 64, 10], 128, 60_000
MAP_SIZES, MAP_BATCH, MAP_ROWS, PIECE = [32, 64, 32, 2], 512, (1_000_000, 10_000_000), 1_000_000
INTERVAL = 0.002  # seconds between two readings of RssAnon
MB = 1e6


def held(field: str) -> float:
    """MB of this process: VmRSS (now), VmHWM (peak) or RssAnon (now, without mapped files)."""
    return int(re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1024 / MB


def arrays(system: str, n_threads: int) -> dict[str, float]:
    """The peak memory of a fit of one epoch. "extra" excludes X, y and the memory held before them (interpreter,
    modules, network), but includes code that a system compiles for the fit."""
    peer = peers.make(system, SIZES, "float32", n_threads)
    before, earlier_peak = held("VmRSS"), held("VmHWM")
    rng = np.random.default_rng(0)
    y = rng.integers(0, SIZES[-1], ROWS)
    X = rng.standard_normal((ROWS, SIZES[0]), np.float32)
    peer.train(X, y, BATCH, 1)
    peak = held("VmHWM")
    if peak <= earlier_peak:
        raise RuntimeError("the peak was before the fit")
    return {"before": before, "peak": peak, "data": X.nbytes / MB, "extra": peak - before - (X.nbytes + y.nbytes) / MB}


def highest(call: Callable[[], object]) -> float:
    """The largest increase of RssAnon during the call."""
    done, seen, before = Event(), [held("RssAnon")], held("RssAnon")

    def watch() -> None:
        while not done.wait(INTERVAL):
            seen.append(held("RssAnon"))

    watcher = Thread(target=watch)
    watcher.start()
    call()
    done.set()
    watcher.join()
    return max(seen) - before


def memory_map(path: str, rows: int, n_threads: int) -> dict[str, float]:
    """The largest increase of RssAnon on a memory map, in a fit of one epoch and in a prediction.

    Both are warmed up on the first rows; the probabilities that the prediction returns are subtracted.
    """
    from fastnn import Network

    X = np.memmap(path, np.float32, "r", shape=(rows, MAP_SIZES[0]))
    y = np.random.default_rng(0).integers(0, MAP_SIZES[-1], rows, np.int32)
    net = Network(MAP_SIZES, random_state=0)

    def fit(m: int, epochs: int) -> None:
        net.fit(X[:m], y[:m], batch_size=MAP_BATCH, epochs=epochs, n_threads=n_threads)

    fit(MAP_BATCH, 2)
    fit_rise = highest(lambda: fit(rows, 1))
    net.predict_proba(X[:MAP_BATCH], n_threads=n_threads)
    returned = rows * MAP_SIZES[-1] * X.itemsize / MB
    return {"fit": fit_rise, "predict_proba": highest(lambda: net.predict_proba(X, n_threads=n_threads)) - returned}


def write(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        for _ in range(rows // PIECE):
            rng.standard_normal((PIECE, MAP_SIZES[0]), np.float32).tofile(file)


def run_arrays(options) -> list[dict]:
    systems, rows = peers.chosen(options, "trains"), []
    print(f"\nPeak MB of a fit of one epoch of {ROWS} x {SIZES[0]} float32, minus the memory held before X and y were "
          f"created; in brackets without X and y (target: {targets.FIT_MEMORY:.0f})")
    for n_threads in threads(options):
        cases = {name: {"part": "arrays", "system": name, "n_threads": n_threads} for name in systems}
        figures = gather("memory", cases, n_threads, options.turns)
        print(f"{n_threads} threads: " + ", ".join(f"{name} {of['peak'] - of['before']:.0f} ({of['extra']:.0f})"
                                                   for name, of in figures.items()), flush=True)
        rows.append({"part": "arrays", "threads": n_threads, "target": targets.FIT_MEMORY,
                     **{key: {name: of[key] for name, of in figures.items()} for key in figures["fastnn"]}})
    return rows


def run_map(options) -> list[dict]:
    table = []
    print(f"\nLargest increase of RssAnon in MB on a memory map of rows x {MAP_SIZES[0]} float32, in a fit of one "
          f"shuffled epoch and in a prediction, without its result (target: constant)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "X.f32")
        write(path, max(MAP_ROWS))
        for n_threads in threads(options):
            cases = {str(m): {"part": "map", "path": str(path), "rows": m, "n_threads": n_threads} for m in MAP_ROWS}
            for rows, rises in gather("memory", cases, n_threads, options.turns).items():
                print(f"{n_threads} threads, {int(rows):>10,} rows: "
                      + ", ".join(f"{call} {rise:.1f}" for call, rise in rises.items()), flush=True)
                table += [{"part": "map", "call": call, "threads": n_threads, "rows": int(rows), "rise": rise,
                           "growth": targets.MAP_GROWTH} for call, rise in rises.items()]
    return table


PARTS = {"arrays": run_arrays, "map": run_map}


def work(part: str, **arguments) -> dict[str, float]:
    return {"arrays": arrays, "map": memory_map}[part](**arguments)


def run(options) -> list[dict]:
    if not Path("/proc/self/status").exists():
        print("skipped: memory is read from /proc/self/status, which this system does not have")
        return []
    names = options.only.split(",") if options.only else PARTS
    return [row for name in names for row in PARTS[name](options)]
