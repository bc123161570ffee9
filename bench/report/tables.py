"""The tables of the report: rows of figures to Markdown."""

import targets
from networks import NETWORKS, dashed
from peers import SYSTEMS

# ---- Markdown -------------------------------------------------------------------------------------------------------


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def digits(value: float | None) -> str:
    """Three digits, all of those before the point."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def fraction(value: float | None, target: float | None) -> str:
    """A ratio and what it is to be at most."""
    if value is None:
        return ""
    if target is None:
        return f"{value:.2f}"
    return f"{value:.2f} (≤ {target:g})" if value <= target else f"**{value:.2f}, missed** (≤ {target:g})"


def named(row: dict, systems: list[str], key: str = "us") -> list[str]:
    """The systems' figures; bold what is better than fastnn's."""
    values = row[key]
    return [f"**{digits(values[name])}**" if values.get(name, float("inf")) < values["fastnn"]
            else digits(values.get(name)) for name in systems]


def best_peer(values: dict[str, float]) -> tuple[str, float] | tuple[None, None]:
    peers = {name: value for name, value in values.items() if name in SYSTEMS and name != "fastnn"}
    return min(peers.items(), key=lambda item: item[1]) if peers else (None, None)


def against(ours: float, theirs: float | None) -> float | None:
    return None if theirs is None else ours / theirs


def verdict(row: dict, key: str = "us") -> str:
    """Which system is best: plainly so, where it is another one."""
    name, value = best_peer(row[key])
    return "" if name is None else "fastnn" if row[key]["fastnn"] <= value else f"**{name}**"


def present(rows: list[dict], key: str) -> list[str]:
    """The systems of the rows, in their usual order."""
    return [name for name in SYSTEMS if any(name in row[key] for row in rows)]


def network(workload: str) -> list[str]:
    sizes, batch = NETWORKS[workload]
    return [f"{workload} {dashed(sizes)}", str(batch)]


# ---- One function a bench: name of a table -> its text --------------------------------------------------------------


def step_tables(rows: list[dict]) -> dict[str, str]:
    found = {}
    for dtype in sorted({row["dtype"] for row in rows}):
        of = [row for row in rows if row["dtype"] == dtype]
        systems = present(of, "us")
        lines, losses = [], []
        for row in of:
            us, case = row["us"], (row["workload"], dtype, row["threads"])
            floor = targets.floor(row["workload"], us)
            start = [*network(row["workload"]), str(row["threads"])]
            lines.append([*start, *named(row, systems), digits(us["GEMM alone"]), digits(us["GEMM compiled"]),
                          digits(floor), fraction(against(us["fastnn"], best_peer(us)[1]), targets.step_peer(*case)),
                          fraction(us["fastnn"] / floor, targets.step_floor(*case)), verdict(row)])
            losses.append([*start, *(f"{row['loss'][name]:.4f}" if name in row["loss"] else "" for name in systems)])
        head = ["network", "batch", "threads", *systems]
        found[f"step {dtype}"] = table([*head, "GEMM alone", "GEMM compiled", "floor", "fastnn / best peer",
                                        "fastnn / floor", "quickest"], lines)
        found[f"losses {dtype}"] = table(head, losses)
    return found


def predict_tables(rows: list[dict]) -> dict[str, str]:
    found = {}
    for dtype in sorted({row["dtype"] for row in rows}):
        of = [row for row in rows if row["dtype"] == dtype]
        systems, lines = present(of, "us"), []
        for row in of:
            other, limit = targets.predict(row["workload"], dtype, row["rows"])
            theirs = row["us"].get(other) if other else best_peer(row["us"])[1]
            ratio = fraction(against(row["us"]["fastnn"], theirs), limit)
            lines.append([network(row["workload"])[0], str(row["threads"]), str(row["rows"]), *named(row, systems),
                          ratio and f"{ratio} of {other or 'the best'}", verdict(row)])
        found[f"predict {dtype}"] = table(["network", "threads", "rows", *systems, "fastnn / its peer", "quickest"],
                                           lines)
    return found


def fit_tables(rows: list[dict]) -> dict[str, str]:
    found = {}
    if of := [row for row in rows if row["part"] == "shuffling"]:
        systems = present(of, "ms")
        found["shuffling"] = table(
            ["threads", *systems, "fastnn in order", "shuffled / in order"],
            [[str(row["threads"]), *named(row, systems, "ms"), digits(row["in order"]),
              fraction(row["ratio"], row["target"])] for row in of])
    if of := [row for row in rows if row["part"] == "accuracy"]:
        systems, lines = present(of, "seconds"), []
        for row in of:
            cells = []
            for name, value in zip(systems, named(row, systems, "seconds"), strict=True):
                few = row["reached"].get(name, 0) < row["turns"]
                cells.append(value and f"{value} ({row['epochs'][name]:.0f})"
                             + few * f", in {row['reached'].get(name, 0)} of {row['turns']}")
            ratio = against(row["seconds"]["fastnn"], best_peer(row["seconds"])[1])
            lines.append([row["rate"], str(row["threads"]), *cells, fraction(ratio, row["target"]),
                          verdict(row, "seconds")])
        found["accuracy"] = table(["learning rate", "threads", *systems, "fastnn / best peer", "quickest"], lines)
    if of := [row for row in rows if row["part"] == "import"]:
        found["import"] = table(["ms", "target"], [[f"{row['ms']:.1f}" if row["ms"] <= row["target"]
                                                    else f"**{row['ms']:.1f}, missed**", f"≤ {row['target']:g}"]
                                                   for row in of])
    return found


def missed(row: dict, of: list[dict]) -> str:
    """Whether a memory map of more rows took more memory than one of the fewest."""
    alike = [other for other in of if (other["call"], other["threads"]) == (row["call"], row["threads"])]
    least = min(alike, key=lambda other: other["rows"])
    return "" if row["rise"] <= least["rise"] + row["growth"] else ", **missed** (constant)"


def memory_tables(rows: list[dict]) -> dict[str, str]:
    found = {}
    if of := [row for row in rows if row["part"] == "arrays"]:
        systems = present(of, "beside")
        found["memory"] = table(
            ["threads", *systems, "least", "target for fastnn"],
            [[str(row["threads"]), *named(row, systems, "beside"), verdict(row, "beside"),
              f"≤ {row['target']:g}" + ("" if row["beside"]["fastnn"] <= row["target"] else ", **missed**")]
             for row in of])
    if of := [row for row in rows if row["part"] == "map"]:
        found["memory map"] = table(
            ["call", "threads", "rows", "MB that RssAnon rises by"],
            [[row["call"], str(row["threads"]), f"{row['rows']:,}", f"{row['rise']:.1f}" + missed(row, of)]
             for row in of])
    return found


def scaling_tables(rows: list[dict]) -> dict[str, str]:
    lines = []
    for row in rows:
        slope = f"{row['slope']:.2f}"
        lines.append([row["curve"], str(row["threads"]),
                      ", ".join(f"{value}: {digits(us)}" for value, us in zip(row["values"], row["us"], strict=True)),
                      slope if abs(row["slope"] / row["expected"] - 1) <= 0.1 else f"**{slope}, missed**",
                      f"{row['expected']} ± 10 %"])
    return {"scaling": table(["grows", "threads", "us a step", "slope", "target"], lines)}


def by_kernel(row: dict, product: str) -> str:
    """The times of a product by each kernel that makes it, the least bold."""
    times = {key.removeprefix(f"{product} "): value for key, value in row.items() if key.startswith(f"{product} ")}
    least = min(times.values())
    return ", ".join(f"**{name} {digits(us)}**" if us == least else f"{name} {digits(us)}"
                     for name, us in times.items())


def kernels_tables(rows: list[dict]) -> dict[str, str]:
    found, products = {}, ("Z", "dW", "dA")
    of = [row for row in rows if row["part"] == "products"]
    for dtype in sorted({row["dtype"] for row in of}):
        found[f"products {dtype}"] = table(
            ["W", "m", *products], [[f"{row['n_prev']} -> {row['n']}", str(row["m"]),
                                     *(by_kernel(row, product) for product in products)]
                                    for row in of if row["dtype"] == dtype])
    if of := [row for row in rows if row["part"] == "passes"]:
        found["passes"] = table(
            ["kernel", "dtype", *(f"{elements:,}" for elements in of[0]["elements"])],
            [[row["kernel"], row["dtype"], *(f"{value:.1f}" for value in row["bytes/ns"])] for row in of])
    return found


TABLES = {"step": step_tables, "predict": predict_tables, "fit": fit_tables, "memory": memory_tables,
          "scaling": scaling_tables, "kernels": kernels_tables}


def environment_table(files: list[dict]) -> str:
    """What the figures were taken with; where files differ, all that there is."""
    def every(value) -> str:
        return "; ".join(dict.fromkeys(value(file) for file in files))

    lines = [["processor", every(lambda file: f"{file['machine']['cpu']}, {file['machine']['architecture']}, "
                                              f"{file['machine']['cores']} cores")],
             ["caches", every(lambda file: ", ".join(f"{name} {size}" for name, size
                                                     in file["machine"]["caches"].items()))],
             ["SIMD level", every(lambda file: file["simd"])], ["BLAS", every(lambda file: file["blas"])],
             ["versions", every(lambda file: ", ".join(f"{name} {of}" for name, of in file["versions"].items()))],
             ["dates", every(lambda file: file["date"])],
             ["processes a figure", "; ".join(f"{file['bench']} {file['turns']}" for file in files)]]
    return table(["measured with", ""], lines)
