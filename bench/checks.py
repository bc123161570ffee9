"""The figures of a run beside their targets."""

from collections.abc import Callable, Iterator
from statistics import mean
from typing import NamedTuple

import targets
from peers import SYSTEMS
from tabular import scores
from tabular.systems import LIGHTGBM, MLPS, OUR_ENSEMBLE, OURS, REALMLP
from targets import Limit


class Check(NamedTuple):
    """A figure, what it is measured on, and its target."""

    cell: str
    what: str
    value: float
    limit: Limit

    @property
    def met(self) -> bool:
        return self.value >= self.limit.bound if self.limit.lowest else self.value <= self.limit.bound

    @property
    def figure(self) -> str:
        return f"{self.value:.0f}" if self.value >= 100 else f"{self.value:#.3g}"

    @property
    def target(self) -> str:
        return f"{'≥' if self.limit.lowest else '≤'} {self.limit.bound:.3g}"

    def __str__(self) -> str:
        return f"{self.cell}: {self.what} {self.figure} ({self.target})"


def best_peer(values: dict[str, float]) -> tuple[str, float] | tuple[None, None]:
    """The competitor with the lowest figure."""
    peers = {name: value for name, value in values.items() if name in SYSTEMS and name != "fastnn"}
    return min(peers.items(), key=lambda item: item[1]) if peers else (None, None)


def threads_text(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def step(rows: list[dict], isa: str) -> Iterator[Check]:
    alone = {(row["workload"], row["dtype"]): row["us"]["fastnn"] for row in rows if row["threads"] == 1}
    for row in rows:
        case, us = (row["workload"], row["dtype"], row["threads"]), row["us"]
        cell = f"step of {row['workload']}, {row['dtype']}, {threads_text(row['threads'])}"
        name, best = best_peer(us)
        if best is not None:
            yield Check(cell, f"fastnn / {name}", us["fastnn"] / best, Limit(targets.step_peer(*case, isa)))
        if (bound := targets.step_reference(*case, isa)) is not None:
            yield Check(cell, "fastnn / reference", us["fastnn"] / targets.reference(row["workload"], us, isa),
                        Limit(bound))
        if (bound := targets.step_threads(isa)) is not None and row["threads"] > 1 and case[:2] in alone:
            yield Check(cell, "time / time on one thread", us["fastnn"] / alone[case[:2]], Limit(bound))


def predict(rows: list[dict], isa: str) -> Iterator[Check]:
    for row in rows:
        us = row["us"]
        other, bound = targets.predict(row["workload"], row["dtype"], row["rows"], isa)
        name, value = (other, us.get(other)) if other else best_peer(us)
        if bound is not None and value is not None:
            yield Check(f"prediction of {row['workload']}, {row['rows']:,} row{'s' * (row['rows'] > 1)}, "
                        f"{row['dtype']}, {threads_text(row['threads'])}", f"fastnn / {name}", us["fastnn"] / value,
                        Limit(bound))


def fit(rows: list[dict], isa: str) -> Iterator[Check]:
    for row in rows:
        if row["part"] == "shuffling":
            yield Check(f"epoch, {threads_text(row['threads'])}", "shuffled / in order", row["ratio"],
                        Limit(targets.SHUFFLED_EPOCH))
        elif row["part"] == "import":
            yield Check("import", "ms", row["ms"], Limit(targets.IMPORT))
        elif (best := best_peer(row["seconds"]))[1] is not None:
            yield Check(f"time to accuracy at {row['rate']}, {threads_text(row['threads'])}", f"fastnn / {best[0]}",
                        row["seconds"]["fastnn"] / best[1], Limit(targets.ACCURACY))


def memory(rows: list[dict], isa: str) -> Iterator[Check]:
    least: dict[tuple, dict] = {}
    for row in rows:
        cell = f"memory, {threads_text(row['threads'])}"
        if row["part"] == "arrays":
            yield Check(cell, "MB beyond the data", row["extra"]["fastnn"], Limit(targets.FIT_MEMORY))
            continue
        smallest = least.setdefault((row["call"], row["threads"]), row)  # the rows come in increasing size
        if row is not smallest:
            yield Check(f"{cell}, {row['call']} of a map of {row['rows']:,} rows",
                        f"MB more than of {smallest['rows']:,} rows", row["rise"] - smallest["rise"],
                        Limit(targets.MAP_GROWTH))


def scaling(rows: list[dict], isa: str) -> Iterator[Check]:
    for row in rows:
        yield Check(f"slope against {row['curve']}, {threads_text(row['threads'])}", "relative deviation",
                    abs(row["slope"] / row["expected"] - 1), Limit(targets.SLOPE_TOLERANCE))


def estimators(rows: list[dict], isa: str) -> Iterator[Check]:
    for row in rows:
        yield Check(f"estimator on {row['workload']}, {threads_text(row['threads'])}", "scikit-learn / fastnn",
                    row["scikit-learn"]["us"] / row["fastnn"]["us"], Limit(row["target"], lowest=True))


def tables(rows: list[dict], isa: str) -> Iterator[Check]:
    """Errors averaged over the seeds; times at the largest number of threads."""
    sizes = {table: row["rows"] for table, row in scores.tables(rows).items()}
    if errors := scores.ratios(rows, OURS, REALMLP):
        yield Check(f"mean of {len(errors)} tables", f"error of fastnn / {REALMLP}", mean(errors.values()),
                    Limit(targets.TABLE_MEAN))
    for table, value in errors.items():
        yield Check(table, f"error of fastnn / {REALMLP}", value, Limit(targets.TABLE_WORST))
    for system in MLPS:
        for table, value in scores.ratios(rows, OURS, system).items():
            yield Check(table, f"error of fastnn / {system}", value, Limit(targets.TABLE_SKLEARN))
    if gains := scores.ratios(rows, OUR_ENSEMBLE, OURS):
        yield Check(f"mean of {len(gains)} tables", "error of 5 models / 1 model", mean(gains.values()),
                    Limit(targets.TABLE_ENSEMBLE))
    if len(wins := scores.ratios(rows, OUR_ENSEMBLE, LIGHTGBM)) >= scores.ALL_TABLES:
        yield Check(f"{len(wins)} tables", f"tables on which 5 models have a lower error than {LIGHTGBM}",
                    sum(value < 1 for value in wins.values()), Limit(targets.TABLE_WINS, lowest=True))
    for table, value in scores.ratios(rows, OURS, REALMLP, "seconds", scores.most_threads(rows, REALMLP)).items():
        if sizes[table] > targets.TABLE_TIME_ROWS:
            yield Check(table, f"time of fastnn / {REALMLP}", value, Limit(targets.TABLE_TIME))


SUITES: dict[str, Callable[[list[dict], str], Iterator[Check]]] = {
    "step": step, "predict": predict, "fit": fit, "memory": memory, "scaling": scaling, "estimators": estimators,
    "tables": tables}


def single(rows: list[dict]) -> list[Check]:
    """The figures whose targets are single numbers: the "targets" of rows, {name in `targets.LIMITS`: value}."""
    return [Check(row["cell"], name, value, targets.LIMITS[name])
            for row in rows for name, value in row.get("targets", {}).items()]


def checks(bench: str, rows: list[dict], isa: str) -> list[Check]:
    """All figures of a benchmark that have targets."""
    return (list(SUITES[bench](rows, isa)) if bench in SUITES else []) + single(rows)


def print_missed(bench: str, rows: list[dict], isa: str) -> None:
    """Print the figures that miss their targets."""
    found = checks(bench, rows, isa)
    missed = [check for check in found if not check.met]
    if found:
        print(f"\n{len(found) - len(missed)} of {len(found)} targets met"
              + (", missed:" if missed else "") + "".join(f"\n  {check}" for check in missed))
