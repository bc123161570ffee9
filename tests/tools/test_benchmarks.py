"""The benchmarks can be started, their figures are of what they name, and the report says what its files hold."""

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH, DOCUMENT = ROOT / "bench", ROOT / "docs" / "benchmarks.md"

pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="the tests run without the checkout: no bench/ beside them")

ENVIRONMENT = {
    "machine": {"cpu": "a processor", "architecture": "x86_64", "system": "Linux", "cores": 2, "caches": {"L2": "1M"}},
    "versions": {"python": "3.11.1", "fastnn": "0.1"}, "simd": "avx2", "blas": "openblas", "date": "2026-01-01",
    "turns": 3}


def python_bench(*arguments, bench=BENCH, cwd):
    return subprocess.run([sys.executable, bench, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300)


def step(fastnn, jax, n_threads, **more):
    us = {"fastnn": fastnn, "JAX scanned": jax, "GEMM alone": 300.0, "GEMM compiled": 290.0, "update": 10.0}
    return {"workload": "fmnist", "dtype": "float32", "threads": n_threads, "us": us,
            "loss": {"fastnn": 0.25, "JAX scanned": 0.5}, **more}


@pytest.fixture
def report(tmp_path):
    """Write files, make the report of a copy, and return its text."""
    shutil.copytree(BENCH, tmp_path / "bench")
    (tmp_path / "docs").mkdir()
    shutil.copy(DOCUMENT, tmp_path / "docs")

    def make(**files):
        figures = tmp_path / "figures"
        figures.mkdir()
        for bench, rows in files.items():
            content = json.dumps({"bench": bench, **ENVIRONMENT, "rows": rows})
            (figures / f"{bench}.json").write_text(content, encoding="utf-8")
        process = python_bench("report", figures, bench=tmp_path / "bench", cwd=tmp_path)
        assert process.returncode == 0, process.stderr
        return (tmp_path / "docs" / "benchmarks.md").read_text(encoding="utf-8")

    return make


def rows_of(text, name):
    """The cells of a table's rows, as dictionaries by column."""
    lines = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)[1].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_report(report, tmp_path):
    before = DOCUMENT.read_text(encoding="utf-8")
    text = report(step=[step(250.0, 500.0, 1), step(420.0, 400.0, 2)],
                  predict=[{"workload": "iris", "dtype": "float32", "threads": 1, "rows": 1,
                            "us": {"fastnn": 2.0, "onnxruntime": 8.0}}],
                  scaling=[{"curve": "width", "threads": 1, "values": [128, 256], "us": [100.0, 400.0], "slope": 2.0,
                            "expected": 2}])
    one, two = rows_of(text, "step float32")
    assert one["JAX scanned"] == "500" and one["quickest"] == "fastnn" and one["floor"] == "310"
    assert one["fastnn / best peer"] == "0.50 (≤ 0.9)" and one["fastnn / floor"] == "0.81 (≤ 1.05)"
    assert two["JAX scanned"] == "**400**" and two["quickest"] == "**JAX scanned**"
    assert two["fastnn / best peer"] == "**1.05, missed** (≤ 0.7)"
    assert [row["fastnn"] for row in rows_of(text, "losses float32")] == ["0.2500", "0.2500"]
    (row,) = rows_of(text, "predict float32")
    assert row["onnxruntime"] == "8" and row["fastnn / its peer"] == "0.25 (≤ 0.5) of onnxruntime"
    (row,) = rows_of(text, "scaling")
    assert row["slope"] == "2.00"

    def prose(document):
        return re.sub(r"(<!-- table: .+? -->\n).*?(<!-- end -->)", r"\1\2", document, flags=re.DOTALL)

    def body(document, name):
        return re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", document, re.DOTALL)[1]

    assert prose(text) == prose(before)  # what is between the markers alone has changed
    assert body(text, "memory") == body(before, "memory")
    pictures = {path.name for path in (tmp_path / "docs" / "benchmarks").glob("*.png")}
    assert pictures == ({"step_float32.png", "predict_float32_1.png", "scaling.png"} if find_spec("matplotlib")
                        else set())


def test_report_of_the_rest(report, tmp_path):
    """Where a system lacks a figure, and what only fastnn is measured in."""
    text = report(
        fit=[{"part": "shuffling", "threads": 1, "ms": {"fastnn": 100.0, "NumPy": 90.0}, "in order": 90.0,
              "ratio": 100 / 90, "target": 1.08},
             {"part": "accuracy", "rate": "0.001", "threads": 2, "target": 0.5, "turns": 3,
              "reached": {"fastnn": 3, "NumPy": 2},
              **{key: {"fastnn": 2.0, "NumPy": 5.0} for key in ("seconds", "training", "epochs", "accuracy")}},
             {"part": "import", "ms": 31.0, "target": 30.0}],
        memory=[{"part": "arrays", "threads": 1, "target": 60.0, "beside": {"fastnn": 9.0, "NumPy": 8.0}},
                {"part": "map", "call": "fit", "threads": 1, "rows": 1000, "rise": 1.5, "growth": 10.0},
                {"part": "map", "call": "fit", "threads": 1, "rows": 9000, "rise": 20.0, "growth": 10.0},
                {"part": "map", "call": "predict_proba", "threads": 1, "rows": 9000, "rise": 20.0, "growth": 10.0}],
        kernels=[{"part": "products", "dtype": "float32", "n_prev": 4, "n": 3, "m": 2,
                  **{f"{p} {by}": us for p in ("Z", "dW", "dA") for by, us in (("BLAS", 2.0), ("own", 1.0))}},
                 {"part": "passes", "kernel": "Adam", "dtype": "float32", "elements": [10, 20],
                  "bytes/ns": [1.0, 2.0]}])
    (row,) = rows_of(text, "shuffling")
    assert row["NumPy"] == "**90**" and row["shuffled / in order"] == "**1.11, missed** (≤ 1.08)"
    (row,) = rows_of(text, "accuracy")
    assert row["NumPy"] == "5 (5), in 2 of 3" and row["fastnn"] == "2 (2)" and row["quickest"] == "fastnn"
    assert "missed" in rows_of(text, "import")[0]["ms"]
    assert rows_of(text, "memory")[0]["least"] == "**NumPy**"
    rises = [row["MB that RssAnon rises by"] for row in rows_of(text, "memory map")]
    assert rises == ["1.5", "20.0, **missed** (constant)", "20.0"]
    assert rows_of(text, "products float32")[0]["dA"] == "BLAS 2, **own 1**"
    assert rows_of(text, "passes")[0]["20"] == "2.0"


def test_report_needs_files(tmp_path):
    process = python_bench("report", tmp_path, cwd=tmp_path)
    assert process.returncode == 1 and "holds no --json file" in process.stderr


def test_help_names_every_bench(tmp_path):
    process = python_bench("--help", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    listed = re.findall(r"^(\w+)  +\S", process.stdout, re.MULTILINE)
    assert set(listed) == {path.stem for path in (BENCH / "suites").glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("arguments", [("step", "a folder"), ("report",), ("step", "--json", "absent/x.json")])
def test_arguments(tmp_path, arguments):
    process = python_bench(*arguments, cwd=tmp_path)
    assert process.returncode == 2 and "usage: python bench" in process.stderr


def test_json(tmp_path):
    """One measured process, and what is written beside its figures."""
    process = python_bench("step", "--only", "iris", "--threads", "1", "--turns", "1", "--peers", "NumPy", "--json",
                           "step.json", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    content = json.loads((tmp_path / "step.json").read_text(encoding="utf-8"))
    assert content["bench"] == "step" and content["turns"] == 1
    assert set(ENVIRONMENT) < set(content) and content["versions"]["numpy"]
    (row,) = content["rows"]
    assert set(row["us"]) == {"fastnn", "NumPy", "GEMM alone", "GEMM compiled", "update"}
    assert all(us > 0 for us in row["us"].values())
    assert set(row["loss"]) == {"fastnn", "NumPy"}
