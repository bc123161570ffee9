"""The tables of docs/benchmarks.md: the figures that a user looks for, and where fastnn is not the fastest."""

from checks import best_peer
from networks import NETWORKS

from report.markdown import LABELS, cells, digits, labels, network, present, several, table

SHOWN = ("fastnn", "JAX scanned", "torch eager", "torch.compile", "scikit-learn", "NumPy")
PREDICTS = ("fastnn", "onnxruntime", "OpenVINO", "LiteRT", "JAX scanned", "torch eager", "scikit-learn", "NumPy")


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
        lines.append([name, *times, gain, *peaks])
    return {"estimators": table(["data", "fastnn, us", "scikit-learn, us", "speed-up", "fastnn, peak MB",
                                 "scikit-learn, peak MB"], lines)}


def slower(files: list[dict]) -> dict[str, str]:
    """Every step and prediction, in both dtypes, in which a competitor is faster than fastnn."""
    lines = []
    for bench, what in (("step", "training step, batch {0}"), ("predict", "prediction, {rows:,} rows")):
        for row in (row for file in files if file["bench"] == bench for row in file["rows"]):
            name, value = best_peer(row["us"])
            if value is not None and value < row["us"]["fastnn"]:
                lines.append([network(row["workload"]), what.format(NETWORKS[row["workload"]][1], **row), row["dtype"],
                              str(row["threads"]), digits(row["us"]["fastnn"]),
                              f"{LABELS.get(name, name)} {digits(value)}", f"{row['us']['fastnn'] / value:.3f}"])
    return {"slower": table(["network", "call", "dtype", "threads", "fastnn, us", "fastest, us", "fastnn / fastest"],
                            lines)}


SUMMARIES = {"step": step_summary, "predict": predict_summary, "fit": fit_summary, "memory": memory_summary,
             "estimators": estimators_summary}
