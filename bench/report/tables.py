"""The tables of docs/benchmarks/tables.md: one function per benchmark, from its rows to {name of a table: Markdown}."""

import targets
from checks import best_peer, single
from networks import NETWORKS

from report.markdown import cells, digits, labels, network, present, quotient, ratio, several, table, winner
from report.runs import Run
from report.tabular import tables_tables


def step_tables(rows: list[dict], isa: str) -> dict[str, str]:
    found = {}
    for dtype in sorted(several(rows, "dtype")):
        of = [row for row in rows if row["dtype"] == dtype]
        systems = present(of, "us")
        lines, losses = [], []
        for row in of:
            us, case = row["us"], (row["workload"], dtype, row["threads"], isa)
            reference = targets.reference(row["workload"], us, isa)
            start = [network(row["workload"]), str(NETWORKS[row["workload"]][1]), str(row["threads"])]
            lines.append([*start, *cells(us, systems), digits(us["GEMM alone"]), digits(us["GEMM compiled"]),
                          digits(reference), ratio(quotient(us["fastnn"], best_peer(us)[1]), targets.step_peer(*case)),
                          ratio(us["fastnn"] / reference, targets.step_reference(*case)), winner(us)])
            losses.append([*start, *(f"{row['loss'][name]:.4f}" if name in row["loss"] else "" for name in systems)])
        head = ["network", "batch", "threads", *labels(systems)]
        found[f"step {dtype}"] = table([*head, "GEMM alone", "GEMM compiled", "reference", "fastnn / best peer",
                                        "fastnn / reference", "fastest"], lines)
        found[f"losses {dtype}"] = table(head, losses)
    return found


def predict_tables(rows: list[dict], isa: str) -> dict[str, str]:
    found = {}
    for dtype in sorted(several(rows, "dtype")):
        of = [row for row in rows if row["dtype"] == dtype]
        systems, lines = present(of, "us"), []
        for row in of:
            us = row["us"]
            other, limit = targets.predict(row["workload"], dtype, row["rows"], isa)
            compared = ratio(quotient(us["fastnn"], us.get(other) if other else best_peer(us)[1]), limit)
            lines.append([network(row["workload"]), str(row["threads"]), str(row["rows"]), *cells(us, systems),
                          compared and f"{compared} of {other or 'the best'}", winner(us)])
        found[f"predict {dtype}"] = table(["network", "threads", "rows", *labels(systems), "fastnn / other", "fastest"],
                                          lines)
    return found


def fit_tables(rows: list[dict], isa: str) -> dict[str, str]:
    found = {}
    if of := [row for row in rows if row["part"] == "shuffling"]:
        systems = present(of, "ms")
        found["shuffling"] = table(
            ["threads", *labels(systems), "fastnn in order", "shuffled / in order"],
            [[str(row["threads"]), *cells(row["ms"], systems), digits(row["in order"]),
              ratio(row["ratio"], row["target"])] for row in of])
    if of := [row for row in rows if row["part"] == "accuracy"]:
        found["accuracy"] = accuracy_table(of)
    if of := [row for row in rows if row["part"] == "import"]:
        found["import"] = table(["ms", "target"], [[f"{row['ms']:.1f}" if row["ms"] <= row["target"]
                                                    else f"**{row['ms']:.1f}, missed**", f"≤ {row['target']:g}"]
                                                   for row in of])
    return found


def accuracy_table(rows: list[dict]) -> str:
    """Seconds (and epochs) to a test accuracy; how often it was reached, where not in every turn."""
    systems, lines = present(rows, "seconds"), []
    for row in rows:
        texts = []
        for name, value in zip(systems, cells(row["seconds"], systems), strict=True):
            missed = row["reached"].get(name, 0) < row["turns"]
            texts.append(value and f"{value} ({row['epochs'][name]:.0f})"
                         + missed * f", in {row['reached'].get(name, 0)} of {row['turns']}")
        compared = quotient(row["seconds"]["fastnn"], best_peer(row["seconds"])[1])
        lines.append([row["rate"], str(row["threads"]), *texts, ratio(compared, row["target"]), winner(row["seconds"])])
    return table(["learning rate", "threads", *labels(systems), "fastnn / best peer", "fastest"], lines)


def memory_tables(rows: list[dict], isa: str) -> dict[str, str]:
    found = {}
    if of := [row for row in rows if row["part"] == "arrays"]:
        systems = present(of, "extra")
        found["memory"] = table(
            ["threads", *labels(systems), "lowest", "target for fastnn"],
            [[str(row["threads"]), *cells(row["extra"], systems), winner(row["extra"]),
              f"≤ {row['target']:g}" + ("" if row["extra"]["fastnn"] <= row["target"] else ", **missed**")]
             for row in of])
    if of := [row for row in rows if row["part"] == "map"]:
        found["memory map"] = table(
            ["call", "threads", "rows", "increase of RssAnon in MB"],
            [[row["call"], str(row["threads"]), f"{row['rows']:,}", f"{row['rise']:.1f}" + growth(row, of)]
             for row in of])
    return found


def growth(row: dict, of: list[dict]) -> str:
    """Whether a memory map took more memory than the one with the fewest rows."""
    alike = [other for other in of if (other["call"], other["threads"]) == (row["call"], row["threads"])]
    least = min(alike, key=lambda other: other["rows"])
    return "" if row["rise"] <= least["rise"] + row["growth"] else ", **missed** (constant)"


def scaling_tables(rows: list[dict], isa: str) -> dict[str, str]:
    lines = []
    for row in rows:
        slope = f"{row['slope']:.2f}"
        kept = abs(row["slope"] / row["expected"] - 1) <= targets.SLOPE_TOLERANCE
        lines.append([row["curve"], str(row["threads"]),
                      ", ".join(f"{value}: {digits(us)}" for value, us in zip(row["values"], row["us"], strict=True)),
                      slope if kept else f"**{slope}, missed**", f"{row['expected']} ± {targets.SLOPE_TOLERANCE:.0%}"])
    return {"scaling": table(["varied", "threads", "us per step", "slope", "target"], lines)}


def by_kernel(row: dict, product: str) -> str:
    """The times of a product by each kernel, the lowest in bold."""
    times = {key.removeprefix(f"{product} "): value for key, value in row.items() if key.startswith(f"{product} ")}
    least = min(times.values())
    return ", ".join(f"**{name} {digits(us)}**" if us == least else f"{name} {digits(us)}"
                     for name, us in times.items())


def kernels_tables(rows: list[dict], isa: str) -> dict[str, str]:
    found, products = {}, ("Z", "dW", "dA")
    of = [row for row in rows if row["part"] == "products" and "targets" not in row]
    for dtype in sorted(several(of, "dtype")):
        found[f"products {dtype}"] = table(
            ["W", "m", *products], [[f"{row['n_prev']} -> {row['n']}", str(row["m"]),
                                     *(by_kernel(row, product) for product in products)]
                                    for row in of if row["dtype"] == dtype])
    if of := [row for row in rows if row["part"] == "passes"]:
        found["passes"] = table(
            ["kernel", "dtype", *(f"{elements:,}" for elements in of[0]["elements"])],
            [[row["kernel"], row["dtype"], *(f"{value:.1f}" for value in row["bytes/ns"])] for row in of])
    return found


def products_tables(rows: list[dict], isa: str) -> dict[str, str]:
    return kernels_tables([{"part": "products", **row} for row in rows], isa)


def targets_table(run: Run) -> dict[str, str]:
    """The figures whose targets are single numbers (`targets.LIMITS`)."""
    lines = [[check.cell, check.what, check.figure if check.met else f"**{check.figure}, missed**",
              check.target] for bench in run.benches for check in single(run.rows(bench))]
    return {"targets": table(["measured", "figure", "value", "target"], lines)} if lines else {}


def confinement(file: dict) -> str:
    """How all systems were confined to an instruction set (isa.py)."""
    if not (confined := file.get("confined")):
        return "no system"
    settings = " ".join(f"{name}={value!r}" if " " in value else f"{name}={value}"
                        for name, value in confined["switches"].items())
    return (f"all systems to {confined['isa']} (the machine has {confined['machine']}): `{settings}`; left out: "
            f"{', '.join(confined['left out']) or 'none'}")


def environment_table(files: list[dict]) -> str:
    """Machine, versions and dates; all distinct values where the files differ."""
    def every(value) -> str:
        return "; ".join(dict.fromkeys(value(file) for file in files))

    lines = [["processor", every(lambda file: f"{file['machine']['cpu']}, {file['machine']['architecture']}, "
                                              f"{file['machine']['cores']} cores")],
             ["caches", every(lambda file: ", ".join(f"{name} {size}" for name, size
                                                     in file["machine"]["caches"].items()))],
             ["SIMD level", every(lambda file: file["simd"])], ["BLAS", every(lambda file: file["blas"])],
             ["versions", every(lambda file: ", ".join(f"{name} {of}" for name, of in file["versions"].items()))],
             *([["confined", every(confinement)]] if any(file.get("confined") for file in files) else []),
             ["dates", every(lambda file: file["date"])],
             ["processes per figure", ", ".join(
                 f"{bench} " + " or ".join(str(turns) for turns in sorted({file["turns"] for file in files
                                                                          if file["bench"] == bench}))
                 for bench in several(files, "bench"))]]
    return table(["measured with", ""], lines)


TABLES = {"step": step_tables, "predict": predict_tables, "fit": fit_tables, "memory": memory_tables,
          "scaling": scaling_tables, "kernels": kernels_tables, "products": products_tables,
          "tables": tables_tables}
