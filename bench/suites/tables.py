"""Errors and times on real tables: TabularClassifier and TabularRegressor against RealMLP-TD, LightGBM, scikit-learn.

Every table is split at random into 75 % training and 25 % test rows, once for each of --seeds, which is the seed of the
systems too. A process trains one system and is measured from the call of `fit` to its end. fastnn is measured at each
of --threads, the others at the largest. Two parts need no files: a table of 1,000 rows, and one of a million rows.
"""

import json
import resource
import sys
import warnings
from pathlib import Path
from time import perf_counter

import isa
from measure import in_process, threads
from tabular import data, scores
from tabular.systems import OUR_ENSEMBLE, OURS, REALMLP, SYSTEMS, baseline, chosen, score

TEST = 0.25  # of the rows
TEST_ROWS = 20_000  # of a generated table
PARTS: dict[str, tuple[int, dict]] = {"small": (1000, {}), "large": (1_000_000, {"time_limit": 60})}  # generated
MB = 1e6


def fitted(system: str, train, y, test, classes: bool, seed: int, n_threads: int, **parameters):
    """Fit a system; return the seconds of the fit, and its predictions."""
    make, prepare, _, _ = SYSTEMS[system]
    model = make(train, classes, seed, n_threads, **parameters)
    train, test = prepare(train, test)
    began = perf_counter()
    model.fit(train, y)
    return perf_counter() - began, model.predict(test)


def table_fit(path: str, table: str, system: str, seed: int, n_threads: int) -> dict:
    from sklearn.model_selection import train_test_split

    X, y, classes = data.load(Path(path), table)
    train, test, y_train, y_test = train_test_split(X, y, test_size=TEST, random_state=seed)
    seconds, predicted = fitted(system, train, y_train, test, classes, seed, n_threads)
    return {"rows": len(y), "metric": "error" if classes else "RMSE", "value": score(predicted, y_test, classes),
            "baseline": baseline(y_train, y_test, classes), "seconds": seconds}


def generated_fit(rows: int, n_threads: int, **parameters) -> dict:
    """A fit of a generated table; the peak memory of the whole process, without the table."""
    train, y = data.generated(rows)
    test, y_test = data.generated(TEST_ROWS, seed=1)
    seconds, predicted = fitted(OURS, train, y, test, True, 0, n_threads, **parameters)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    table = float(train.memory_usage(index=False).sum() + y.nbytes) / MB
    return {"seconds": seconds, "table_MB": table, "value": score(predicted, y_test, True),
            "baseline": baseline(y, y_test, True),
            "extra_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB - table}


def work(part: str, **arguments) -> dict:
    warnings.simplefilter("ignore")  # ConvergenceWarning, and the advice of Lightning
    return {"fit": table_fit, "generated": generated_fit}[part](**arguments)


def found_tables(options) -> dict[str, Path]:
    """The files of the tables of --only (default: all eight) in the folder of --data."""
    names = [name for name in options.only.split(",") if name not in PARTS] if options.only else list(data.TABLES)
    folder = Path(options.data)
    paths = {name: data.path_of(folder, name) for name in names}
    for name, path in paths.items():
        if path is None:
            source = f" ({data.TABLES[name].source})" if name in data.TABLES else ""
            print(f"skipped: no {name}.csv or {name}.csv.gz in {folder}{source}")
    return {name: path for name, path in paths.items() if path is not None}


def run_fits(options) -> list[dict]:
    paths = found_tables(options)
    if not paths:
        return []
    counts, rows = threads(options), []
    print(f"{'table':<12} seed  {'system':<18} threads  {'':<6} {'value':>10} {'of baseline':>12} {'seconds':>9}")
    for seed in (int(seed) for seed in options.seeds.split(",")):
        for table, path in paths.items():
            for system in chosen(options.peers, isa.newer()):
                for n_threads in counts if system == OURS else [max(counts)]:
                    case = {"table": table, "system": system, "seed": seed, "n_threads": n_threads}
                    row = {"part": "fit", "table": table, "seed": seed, "system": system, "threads": n_threads,
                           **in_process("tables", {"part": "fit", "path": str(path.resolve()), **case}, n_threads)}
                    print(f"{table:<12} {seed:>4}  {system:<18} {n_threads:>7}  {row['metric']:<6} "
                          f"{row['value']:>10.5g} {row['value'] / row['baseline']:>12.3f} {row['seconds']:>9.2f}",
                          flush=True)
                    rows.append(row)
    return rows


def settings(parameters: dict) -> str:
    return "".join(f", {name}={value}" for name, value in parameters.items())


def run_generated(options) -> list[dict]:
    if OURS not in chosen(options.peers, isa.newer()):
        return []
    figures = {"small": lambda row: {"fit of 1,000 rows, s": row["seconds"]},
               "large": lambda row: {"fit with time_limit=60, s": row["seconds"],
                                     "peak memory without the table, GB": row["extra_MB"] / 1e3,
                                     "error / that of the commonest class": row["value"] / row["baseline"]}}
    n_threads, rows = max(threads(options)), []
    for part in options.only.split(",") if options.only else PARTS:
        if part not in PARTS:
            continue
        m, parameters = PARTS[part]
        row = in_process("tables", {"part": "generated", "rows": m, "n_threads": n_threads, **parameters}, n_threads)
        print(f"{m:,} rows x 30 columns, {n_threads} threads{settings(parameters)}: {row['seconds']:.2f} s, error "
              f"{row['value']:.4f} (of the commonest class: {row['baseline']:.4f}), peak memory "
              f"{row['extra_MB']:.0f} MB without the table of {row['table_MB']:.0f} MB", flush=True)
        rows.append({"part": "generated", "cell": f"{m:,} rows x 30 columns", "rows": m, "threads": n_threads, **row,
                     "targets": figures[part](row)})
    return rows


def text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def print_comparison(rows: list[dict]) -> None:
    """For each table: means over the seeds, and fastnn relative to RealMLP-TD."""
    systems = scores.systems(rows)
    ours = [(OURS, n_threads) for n_threads in scores.threads_of(rows, OURS)]
    for title, key, form, columns in (
            ("error or RMSE", "value", ".5g", [(system, None) for system in systems]),
            ("seconds of fit", "seconds", ".3g", ours + [(system, None) for system in systems if system != OURS])):
        print(f"\nMean {title} over the seeds" + (", and its ratio to RealMLP-TD's" if REALMLP in systems else ""))
        heads = [name if n_threads is None else f"{name}, {n_threads} thr." for name, n_threads in columns]
        print(f"{'table':<12} " + " ".join(f"{head:>24}" for head in heads))
        for table in scores.tables(rows):
            cells = []
            for system, n_threads in columns:
                value = scores.average(rows, table, system, key, n_threads)
                ratio = scores.ratio(rows, table, system, REALMLP, key, n_threads)
                cells.append(f"{text(value, form)}{'' if ratio is None else f' ({ratio:.3f})'}")
            print(f"{table:<12} " + " ".join(f"{cell:>24}" for cell in cells))
    for system in (OURS, OUR_ENSEMBLE):
        if found := scores.ratios(rows, system, REALMLP):
            worst = max(found, key=lambda table: found[table])
            print(f"{system} / RealMLP-TD: mean {sum(found.values()) / len(found):.4f}, worst {found[worst]:.4f} "
                  f"({worst})")


def run(options) -> list[dict]:
    rows = run_fits(options) + run_generated(options)
    if options.earlier:
        measured = {(row["table"], row["seed"], row["system"], row["threads"]) for row in scores.fits(rows)}
        earlier = json.loads(Path(options.earlier).read_text(encoding="utf-8"))["rows"]
        rows += [row for row in scores.fits(earlier)
                 if (row["table"], row["seed"], row["system"], row["threads"]) not in measured]
    if scores.fits(rows):
        print_comparison(rows)
    return rows
