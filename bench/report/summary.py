"""The tables of docs/benchmarks.md: the figures that a user looks for, and where fastnn is not the fastest."""

from checks import Check, best_peer, checks
from networks import NETWORKS

from report.markdown import LABELS, cells, digits, labels, network, present, several, table
from report.runs import Run

SHOWN = ("fastnn", "JAX scanned", "torch eager", "torch.compile", "scikit-learn", "NumPy")
PREDICTS = ("fastnn", "onnxruntime", "OpenVINO", "LiteRT", "JAX scanned", "torch eager", "scikit-learn", "NumPy")

NONE = "None.\n"
WHOLE_FITS = {"iris": "iris, 4-100-3, batch 150", "breast cancer": "breast cancer, 30-100-1, batch 200",
              "digits": "digits, 64-100-10, batch 200", "pictures": "pictures, 784-128-64-10, batch 128, float32",
              "texts": "texts, 50000-64-20, batch 200, CSR matrix"}


def joined(rows: list[dict], system: str) -> str:
    """A system's figures on one thread / two threads."""
    texts = [digits(row["us"].get(system)) for row in rows]
    return " / ".join(texts) if all(texts) else ""


def advantage(rows: list[dict]) -> str:
    """How many times faster fastnn is than the fastest competitor, on one thread / two threads."""
    best = [best_peer(row["us"])[1] for row in rows]
    return " / ".join(f"{them / row['us']['fastnn']:.1f}" for row, them in zip(rows, best, strict=True) if them)


def step_summary(rows: list[dict], isa: str) -> dict[str, str]:
    of = [row for row in rows if row["dtype"] == "float32"]
    systems = [name for name in SHOWN if name in present(of, "us")]
    lines = []
    for name in several(of, "workload"):
        alike = [row for row in of if row["workload"] == name]
        lines.append([network(name), str(NETWORKS[name][1]), *(joined(alike, system) for system in systems),
                      advantage(alike)])
    return {"step summary": table(["network", "batch", *labels(systems), "speed-up over the next"], lines)}


def predict_summary(rows: list[dict], isa: str) -> dict[str, str]:
    of = [row for row in rows if row["dtype"] == "float32"]
    systems = [name for name in PREDICTS if name in present(of, "us")]
    lines = []
    for name in several(of, "workload"):
        for size in several(of, "rows"):
            alike = [row for row in of if (row["workload"], row["rows"]) == (name, size)]
            lines.append([network(name), f"{size:,}", *(joined(alike, system) for system in systems)])
    errors = present(of, "error")
    return {"predict summary": table(["network", "rows", *labels(systems)], lines),
            "errors": table(labels(errors), [[f"{max(row['error'][name] for row in of if name in row['error']):.1f}"
                                              for name in errors]])}


def fit_summary(rows: list[dict], isa: str) -> dict[str, str]:
    of = [row for row in rows if row["part"] == "accuracy"]
    systems = present(of, "seconds")
    lines = [[row["rate"], str(row["threads"]),
              *(text and f"{text} ({row['epochs'][name]:.0f})"
                for name, text in zip(systems, cells(row["seconds"], systems), strict=True))] for row in of]
    return {"accuracy summary": table(["learning rate", "threads", *labels(systems)], lines)} if of else {}


def memory_summary(rows: list[dict], isa: str) -> dict[str, str]:
    of = [row for row in rows if row["part"] == "arrays"]
    systems = present(of, "extra")
    lines = [[str(row["threads"]), *cells(row["extra"], systems)] for row in of]
    return {"memory summary": table(["threads", *labels(systems)], lines)} if of else {}


def estimators_summary(rows: list[dict], isa: str) -> dict[str, str]:
    lines = []
    for name in several(rows, "workload"):
        alike = [row for row in rows if row["workload"] == name]
        ours, theirs = ([row[system] for row in alike] for system in ("fastnn", "scikit-learn"))
        peaks = [f"{values[0]['peak_MB']:.0f}" if "peak_MB" in values[0] else "" for values in (ours, theirs)]
        times = [" / ".join(digits(value["us"]) for value in values) for values in (ours, theirs)]
        gain = " / ".join(f"{them['us'] / us['us']:.1f}" for us, them in zip(ours, theirs, strict=True))
        lines.append([WHOLE_FITS.get(name, name), *times, gain, *peaks])
    return {"estimators": table(["data", "fastnn, us", "scikit-learn, us", "speed-up", "fastnn, peak MB",
                                 "scikit-learn, peak MB"], lines)}


def slower(run: Run) -> dict[str, str]:
    """Every step and prediction, in both dtypes, in which a competitor is faster than fastnn."""
    lines = []
    for bench, what in (("step", "training step, batch {0}"), ("predict", "prediction, {rows:,} rows")):
        for row in run.rows(bench):
            name, value = best_peer(row["us"])
            if value is not None and value < row["us"]["fastnn"]:
                lines.append([network(row["workload"]), what.format(NETWORKS[row["workload"]][1], **row), row["dtype"],
                              str(row["threads"]), digits(row["us"]["fastnn"]),
                              f"{LABELS.get(name, name)} {digits(value)}", f"{row['us']['fastnn'] / value:.3f}"])
    head = ["network", "call", "dtype", "threads", "fastnn, us", "fastest, us", "fastnn / fastest"]
    return {"slower": table(head, lines) if lines else NONE}


def missed(run: Run) -> dict[str, str]:
    """All figures that miss their target."""
    lines = [[check.cell, check.what, check.figure, check.target]
             for check in all_checks(run) if not check.met]
    return {"missed": table(["measured", "figure", "value", "target"], lines) if lines else NONE}


def all_checks(run: Run) -> list[Check]:
    return [check for bench in run.benches for check in checks(bench, run.rows(bench), run.isa)]


def place(run: Run) -> str:
    """Instruction set, processors and dates of a run."""
    cpus = dict.fromkeys(f"{file['machine']['cpu']}, {file['machine']['cores']} cores" for file in run.files)
    dates = sorted({file["date"] for file in run.files})
    return f"**{run.label}** ({'; '.join(cpus)}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))})"


def result(run: Run) -> dict[str, str]:
    """In how many steps and predictions fastnn is the fastest, and how many targets it meets."""
    counts = []
    for bench, what in (("step", "training steps"), ("predict", "predictions")):
        best = [(row["us"]["fastnn"], best_peer(row["us"])[1]) for row in run.rows(bench)]
        compared = [ours <= theirs for ours, theirs in best if theirs is not None]
        if compared:
            counts.append(f"in {sum(compared)} of {len(compared)} {what}")
    met = [check.met for check in all_checks(run)]
    fastest = f"fastnn is the fastest {' and '.join(counts)}, and " if counts else "fastnn "
    return {"result": f"- {place(run)}: {fastest}meets {sum(met)} of {len(met)} targets.\n"}


def span(values: list[float]) -> str:
    """The lowest and the highest value."""
    return " to ".join(dict.fromkeys((f"{min(values):.2f}", f"{max(values):.2f}")))


def claims(run: Run) -> dict[str, str]:
    """What README says of a run: float32 steps and predictions, and the time to an accuracy at the default rate."""
    texts = []
    for bench, what in (("step", "a training step takes"), ("predict", "a prediction of one row takes")):
        us = [row["us"] for row in run.rows(bench) if row["dtype"] == "float32" and row.get("rows", 1) == 1]
        if us and all(best_peer(each)[1] for each in us):
            text = f"{what} {span([each['fastnn'] / best_peer(each)[1] for each in us])} of the time of the fastest " \
                   f"other system"
            if all("scikit-learn" in each for each in us):
                text += f", {span([each['fastnn'] / each['scikit-learn'] for each in us])} of scikit-learn's"
            texts.append(text)
    accuracy = [row for row in run.rows("fit") if row["part"] == "accuracy" and row["rate"] == "0.001"]
    for row in accuracy[-1:]:
        texts.append(f"88 % test accuracy on Fashion-MNIST takes {row['seconds']['fastnn']:.3g} s with the start of "
                     f"Python, against {best_peer(row['seconds'])[1]:.3g} s for the next system")
    return {"claims": f"- {place(run)}: {'; '.join(texts)}.\n"} if texts else {}


SUMMARIES = {"step": step_summary, "predict": predict_summary, "fit": fit_summary, "memory": memory_summary,
             "estimators": estimators_summary}
