"""README.md and the guides: their code runs and gives the promised values, their figures are those of the sources.

The examples run too. Links and file names are checked in test_docs.py.
"""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

import fastnn
from fastnn.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def readme():
    path = ROOT / "README.md"
    if not path.exists():
        pytest.skip("the tests run without the checkout: no README.md beside them")
    return path.read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def promises(code):
    """Yield (line number, value as text) of each comment `# -> value`."""
    for number, line in enumerate(code.splitlines(), 1):
        if found := re.search(r"# -> (.*)$", line):
            yield number, found[1]


def run(text):
    """Run the Python blocks of a text in one namespace, and compare the promised values."""
    names: dict = {}
    checked = []
    for code in blocks(text, "python"):
        expected = dict(promises(code))
        for statement in ast.parse(code).body:
            if statement.end_lineno in expected:
                assert isinstance(statement, ast.Expr), ast.unparse(statement)
                value = eval(compile(ast.Expression(statement.value), "a block", "eval"), names)
                assert value == ast.literal_eval(expected[statement.end_lineno]), ast.unparse(statement)
                checked.append(statement)
            else:
                exec(compile(ast.Module([statement], []), "a block", "exec"), names)
    assert len(checked) == len(re.findall("# -> ", text)) > 0


def test_readme_runs(readme, tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "penguins.csv", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    run(readme)
    assert capsys.readouterr().out.strip() == blocks(readme, "text")[0].strip()  # the summary
    assert (tmp_path / "digits.fastnn").exists()


def test_training_guide_runs(readme, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    run((ROOT / "docs" / "guide" / "training.md").read_text(encoding="utf-8"))


def test_estimators_guide_runs(readme, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():  # the guide sets a filter
        run((ROOT / "docs" / "guide" / "estimators.md").read_text(encoding="utf-8"))


def test_tables_guide_runs(readme, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    run((ROOT / "docs" / "guide" / "tables.md").read_text(encoding="utf-8"))


def test_command_line_guide_runs(readme, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    table = pandas.read_csv(shutil.copy(ROOT / "examples" / "penguins.csv", tmp_path))
    table.drop(columns="species").reset_index(names="id").to_csv("new.csv", index=False)
    text = (ROOT / "docs" / "guide" / "command-line.md").read_text(encoding="utf-8")
    for block in blocks(text, "bash"):
        program, *arguments = shlex.split(block)
        assert (program, main(arguments)) == ("fastnn", 0)
    printed = capsys.readouterr().out
    for line in blocks(text, "text")[0].splitlines():
        assert line.split()[0] in printed
    assert pandas.read_csv("answers.csv")["id"].tolist() == list(range(len(table)))
    run(text)


def test_course_guide_runs(readme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run((ROOT / "docs" / "guide" / "course.md").read_text(encoding="utf-8"))


def test_commands_are_those_of_ci_and_extras_exist(readme):
    commands = [line for block in blocks(readme, "bash") for line in block.splitlines()]
    script = ROOT / ".ci" / "run"
    if script.exists():
        for command in commands:
            assert command in script.read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert [re.match(r"pip install '\.\[(\w+)\]' && (fastnn demo|pytest)$|pip install pandas && fastnn train ", line)[1]
            for line in commands] == ["demo", None, "test"]
    listed = re.search(r"^Extras: .*?\n$|Extras: (?:.|\n)*?\.\n", readme, re.MULTILINE)[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(extras)


def test_probabilities_are_nearer_to_the_reference_than_those_of_any_other_system(readme):
    """The largest error in float32 over the networks of the benchmarks, for each instruction set."""
    assert "the probabilities of fastnn are nearer to a float64 reference than those of any other system" in readme
    runs = [path for path in (ROOT / "docs" / "benchmarks" / "figures").iterdir() if path.is_dir()]
    assert runs
    for run in runs:
        worst: dict[str, float] = {}
        for row in json.loads((run / "predict.json").read_text(encoding="utf-8"))["rows"]:
            for system, error in row["error"].items():
                worst[system] = max(worst.get(system, 0.0), error)
        assert min(worst, key=worst.get) == "fastnn", run.name


def test_error_table_is_that_of_the_kernels(readme):
    page = (ROOT / "docs" / "development" / "measurements.md").read_text(encoding="utf-8")
    source = (ROOT / "csrc" / "math" / "vmath.inc.h").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+)(?: \(gelu\))? \| (\d\.\d\d) \| (\d\.\d\d) \|$", page, re.MULTILINE)
    assert len(rows) == 9
    for name, single, double in rows:
        (comment,) = re.findall(rf"Largest error(?:(?!FASTNN_INLINE).)*?(?=FASTNN_INLINE real FN\(v_{name}\))", source,
                                re.DOTALL)
        assert re.search(r"(\d\.\d\d) / (\d\.\d\d) ULP", comment).groups() == (single, double), name


def test_environment_variables_are_those_that_the_package_reads(readme):
    source = "".join(path.read_text(encoding="utf-8") for path in Path(fastnn.__file__).parent.rglob("*.py"))
    assert set(re.findall(r"FASTNN_[A-Z_]+", readme)) == set(re.findall(r'"(FASTNN_[A-Z_]+)"', source))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(path, tmp_path):
    process = subprocess.run([sys.executable, "-W", "error", path], cwd=tmp_path, capture_output=True, text=True,
                             timeout=300)
    assert process.returncode == 0, process.stderr
    assert process.stdout and not process.stderr and not list(tmp_path.iterdir())
