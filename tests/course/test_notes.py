"""The scripts in examples/notes run, and the table of statements in docs/guide/course.md names existing tests."""

import importlib
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from helpers.notes_scripts import NOTES, ROOT, needs_scripts

pytestmark = needs_scripts
TESTS = ROOT / "tests"
PICTURES = {
    "activations": ["activations.png"],
    "computation_graph": ["graph_of_J.svg", "graph_of_logistic_loss.svg"],
    "cost_function": ["cost_function.png"],
    "hyperparameters": ["learning_rates.png"],
    "initialization": ["initialization.png"],
    "linear_activations": ["regression.png"],
    "planar_flower": ["planar_flower.png"],
}


# ---- The scripts run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(NOTES.glob("*.py")), ids=lambda path: path.stem)
def test_scripts_run_and_write_their_pictures(path, script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    state = np.random.get_state()
    module = script(path.stem)
    assert not capsys.readouterr().out and not list(tmp_path.iterdir())  # importing does nothing
    if path.stem == "pictures":
        return
    assert re.search(r"Notes? 00\d", module.__doc__)
    try:
        module.main(tmp_path / "out")
    finally:
        np.random.set_state(state)
    assert len(capsys.readouterr().out) > 60
    expected = [name for name in PICTURES.get(path.stem, []) if name.endswith(".svg") or find_spec("matplotlib")]
    written = sorted(tmp_path.glob("out/*"))
    assert [picture.name for picture in written] == expected
    for picture in written:
        content = picture.read_bytes()
        if picture.suffix == ".png":
            assert content.startswith(b"\x89PNG\r\n")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_scripts_run_without_matplotlib(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    script("cost_function").main(tmp_path / "out")
    assert "(no cost_function.png: matplotlib is not installed)" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_pictures_go_to_the_folder_out(tmp_path):
    process = subprocess.run([sys.executable, "-W", "error", NOTES / "computation_graph.py", "--out", "here"],
                             cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert sorted(path.name for path in tmp_path.glob("here/*")) == PICTURES["computation_graph"]


def test_bench_vectorization_runs():
    """Its figures are of the functions that test_four_ways_agree compares."""
    arguments = json.dumps({"way": "fastnn", "n_x": 2, "m": 3})
    process = subprocess.run([sys.executable, ROOT / "bench", "vectorization", "--worker", arguments],
                             capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert float(process.stdout) > 0


# ---- docs/guide/course.md --------------------------------------------------------------------------------------------


def table():
    """(statement, notes, where, tests) of each row."""
    text = (ROOT / "docs" / "guide" / "course.md").read_text(encoding="utf-8")
    part = text.split("## Statements")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines()
            if line.startswith("| ") and not line.startswith("| statement")]
    assert all(len(row) == 4 for row in rows)
    return rows


def test_table_names_what_exists(script):
    rows = table()
    assert len(rows) > 40 and {note for row in rows for note in re.findall(r"\d{3}", row[1])} == {
        "000", "001", "002", "003", "004"}
    used = set()
    for statement, _, where, tests in rows:
        names, told = re.findall(r"`([^`]+)`", where), tests == "-"
        assert told == where.startswith("told") and (told or names), statement
        for name in names:
            if name.startswith("fastnn."):
                module, _, attribute = name.rpartition(".")
                owner, _, member = module.rpartition(".")
                found = (getattr(importlib.import_module(module), attribute, None) if find_spec(module)
                         else getattr(getattr(importlib.import_module(owner), member), attribute, None))
                assert found is not None, name
            else:
                path, _, function = name.partition(":")
                assert (ROOT / path).is_file(), name
                if function:
                    assert callable(getattr(script(Path(path).stem), function)), name
                used.add(path)
        for test in re.findall(r"`([^`]+)`", tests):
            path, _, function = test.rpartition("::")
            sources = [file.read_text(encoding="utf-8") for file in TESTS.glob(path or "course/test_notes*.py")]
            assert any(re.search(rf"^def {function}\(", source, re.MULTILINE) for source in sources), test
    scripts = {f"examples/notes/{path.name}" for path in NOTES.glob("*.py")} - {"examples/notes/pictures.py"}
    assert scripts <= used  # every script is in the table
