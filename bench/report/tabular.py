"""The tables of `python bench tables`: errors and times on real tables."""

from collections.abc import Callable
from statistics import mean

import targets
from tabular import scores
from tabular.systems import OUR_ENSEMBLE, OURS, REALMLP

from report.markdown import digits, ratio, table


def lowest_bold(values: list[float | None], form: Callable[[float], str]) -> list[str]:
    """The texts of a row's figures, the lowest in bold."""
    least = min((value for value in values if value is not None), default=None)
    return ["" if value is None else f"**{form(value)}**" if value == least else form(value) for value in values]


def error_text(row: dict) -> Callable[[float], str]:
    """Errors in percent, RMSE with at least four digits."""
    if row["metric"] == "error":
        return lambda value: f"{100 * value:.2f} %"
    return lambda value: f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def compared(rows: list[dict], system: str, name: str | None, bound: float) -> str:
    """The ratio of errors to RealMLP-TD's on one table, or its mean over the tables."""
    found = scores.ratios(rows, system, REALMLP)
    value = found.get(name) if name else mean(found.values()) if found else None
    if value is None or system != OURS:
        return "" if value is None else f"{value:.3f}"
    return f"{value:.3f} (≤ {bound:g})" if value <= bound else f"**{value:.3f}, missed** (≤ {bound:g})"


def errors(rows: list[dict]) -> str:
    systems, lines = scores.systems(rows), []
    for name, row in scores.tables(rows).items():
        values = [scores.average(rows, name, system, "value") for system in systems]
        lines.append([name, f"{row['rows']:,}", *lowest_bold(values, error_text(row)),
                      compared(rows, OURS, name, targets.TABLE_WORST),
                      compared(rows, OUR_ENSEMBLE, name, targets.TABLE_WORST)])
    lines.append(["mean", "", *([""] * len(systems)), compared(rows, OURS, None, targets.TABLE_MEAN),
                  compared(rows, OUR_ENSEMBLE, None, targets.TABLE_MEAN)])
    return table(["table", "rows", *systems, f"{OURS} / {REALMLP}", f"{OUR_ENSEMBLE} / {REALMLP}"], lines)


def times(rows: list[dict]) -> str:
    """Seconds of a fit; fastnn at every number of threads, the others at the largest."""
    columns = [(OURS, count) for count in scores.threads_of(rows, OURS)]
    columns += [(name, scores.most_threads(rows, name)) for name in scores.systems(rows) if name != OURS]
    shared, lines = scores.most_threads(rows, REALMLP), []
    for name, row in scores.tables(rows).items():
        values = [digits(scores.average(rows, name, system, "seconds", count)) for system, count in columns]
        bound = targets.TABLE_TIME if row["rows"] > targets.TABLE_TIME_ROWS else None
        lines.append([name, *values, ratio(scores.ratio(rows, name, OURS, REALMLP, "seconds", shared), bound)])
    heads = [f"{name}, {count} thread{'s' * (count > 1)}" for name, count in columns]
    return table(["table", *heads, f"{OURS} / {REALMLP}"], lines)


def tables_tables(rows: list[dict], isa: str) -> dict[str, str]:
    found = {}
    if scores.fits(rows):
        found |= {"tables errors": errors(rows), "tables times": times(rows)}
    if of := [row for row in rows if row["part"] == "generated"]:
        found["generated tables"] = table(
            ["rows", "threads", "seconds", "error", "error of the commonest class", "table, MB",
             "peak memory without it, MB"],
            [[f"{row['rows']:,}", str(row["threads"]), digits(row["seconds"]), f"{row['value']:.4f}",
              f"{row['baseline']:.4f}", f"{row['table_MB']:.0f}", f"{row['extra_MB']:.0f}"] for row in of])
    return found
