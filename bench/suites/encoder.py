"""TableEncoder: a million rows of 30 columns, with the peak of memory, and single rows of 20 columns."""

import re
from pathlib import Path
from time import perf_counter

import numpy as np
from measure import gather, microseconds

ROWS, MB = 1_000_000, 1e6
FORMS = ("array", "pandas", "categories", "objects", "polars", "pyarrow")
# A row of 20 columns; all but the first have 10 numbers and 10 texts of six values.
ROW_FORMS = ("numbers", "objects", "list", "pandas", "polars", "pyarrow")


def held(field: str) -> float:
    """MB of this process: VmRSS (now) or VmHWM (peak)."""
    return int(re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1024 / MB


def columns(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """20 columns of numbers, three with gaps, 4 of whole numbers and bools, 5 of texts of 3 to 50,000 values."""
    table = {f"number {j}": rng.normal(size=ROWS) for j in range(21)}
    for j in range(3):
        table[f"number {j}"][::5] = np.nan
    table |= {f"count {j}": rng.integers(0, 1000, ROWS) for j in range(3)} | {"flag": rng.random(ROWS) < 0.3}
    for n_values in (3, 6, 50, 500, 50_000):
        table[f"text {n_values}"] = np.array([f"value {k}" for k in range(n_values)], object)[
            rng.integers(0, n_values, ROWS)]
    return table


def table_of(form: str):
    rng = np.random.default_rng(0)
    if form == "array":
        return rng.normal(size=(ROWS, 30))
    table = columns(rng)
    if form == "polars":
        import polars
        return polars.DataFrame(table)
    if form == "pyarrow":
        import pyarrow
        return pyarrow.table(table)
    import pandas
    texts = [name for name in table if name.startswith("text")]
    kinds = {"objects": dict.fromkeys(texts, object), "categories": dict.fromkeys(texts, "category")}
    return pandas.DataFrame(table).astype(kinds.get(form, {}))


def million(form: str) -> dict[str, float]:
    """Seconds of fit and transform, and MB at the peak beyond the table and the output."""
    from fastnn.preprocessing import TableEncoder

    X, encoder = table_of(form), TableEncoder()
    encoder.fit(X[:100] if form != "pyarrow" else X.slice(0, 100))  # imports what scikit-learn imports late
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = held("VmRSS"), perf_counter()
    encoder.fit(X)
    fitted = perf_counter()
    encoded = encoder.transform(X)
    end = perf_counter()
    return {"fit": fitted - start, "transform": end - fitted, "MB": held("VmHWM") - before - encoded.nbytes / MB}


def row(form: str) -> dict[str, float]:
    """Microseconds to encode one row."""
    from fastnn.preprocessing import TableEncoder

    rng = np.random.default_rng(0)
    table = {f"number {j}": rng.normal(size=1000) for j in range(20 if form == "numbers" else 10)}
    if form == "numbers":
        X = np.column_stack(list(table.values()))
    else:
        table |= {f"text {j}": rng.choice(list("abcdef"), 1000).astype(object) for j in range(10)}
        X = list(map(list, zip(*table.values(), strict=True)))
        if form == "objects":
            X = np.array(X, object)
        elif form != "list":
            library = __import__(form)
            X = library.table(table) if form == "pyarrow" else library.DataFrame(table)
    encoder = TableEncoder().fit(X)
    one = X.slice(0, 1) if form == "pyarrow" else X[:1]
    return {"us": microseconds(lambda: encoder.transform(one), seconds=0.1)}


def work(part: str, form: str) -> dict[str, float]:
    return million(form) if part == "million" else row(form)


def run(options) -> list[dict]:
    rows: list[dict] = []
    only = options.only.split(",") if options.only else (*FORMS, *ROW_FORMS)
    large, small = ([form for form in forms if form in only] for forms in (FORMS, ROW_FORMS))
    print(f"{ROWS} rows x 30 columns:  fit s, transform s, peak MB beyond table and output")
    for form, figures in gather("encoder", {form: {"part": "million", "form": form} for form in large}, 1,
                                options.turns).items():
        print(f"  {form:<12}{figures['fit']:8.2f}{figures['transform']:8.2f}{figures['MB']:8.0f}", flush=True)
        rows.append({"cell": f"encoder, {form}", **figures,
                     "targets": {"encoder: peak memory without table and output, GB": figures["MB"] / 1e3}})
    print("a row of 20 columns: us")
    for form, figures in gather("encoder", {form: {"part": "row", "form": form} for form in small}, 1,
                                options.turns).items():
        print(f"  {form:<12}{figures['us']:8.1f}", flush=True)
        wanted = {"encoded numbers of a row, us": figures["us"]} if form == "numbers" else {}
        rows.append({"cell": f"encoded row, {form}", **figures, **({"targets": wanted} if wanted else {})})
    return rows
