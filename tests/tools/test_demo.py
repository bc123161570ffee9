"""The console script: the whole demo, without its optional libraries, interrupted, and with invalid arguments."""

import importlib.util
import os
import re
import signal
import struct
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn
from fastnn import Network, datasets
from fastnn.__main__ import main
from fastnn._demo import comparison, demo

OPTIONAL = ("tqdm", "matplotlib", "sklearn")
PNG = b"\x89PNG\r\n\x1a\n"
ACCURACY = re.compile(r"^test accuracy: (\d+\.\d) %$", re.MULTILINE)


def run(folder, *arguments, without=()):
    """Run the program in `folder` in its own process, with the libraries `without` blocked from import."""
    block = "".join(f"sys.modules[{name!r}] = None; " for name in without)
    code = f"import sys; {block}from fastnn.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True,
                          timeout=600)


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def idx_folder(folder, shape=(5, 5), train=60, test=20, classes=(3, 7)):
    """Write a data set of dark and bright pictures; picture i has the label classes[i % len(classes)]."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for prefix, m in (("train", train), ("t10k", test)):
        which = np.arange(m) % len(classes)
        pixels = rng.integers(0, 128, (m, *shape)) + 127 * (which % 2)[:, None, None]
        write_idx(folder / f"{prefix}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", np.asarray(classes)[which])
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Run the demo with default settings, on one thread because other tests may use the cores."""
    folder = tmp_path_factory.mktemp("demo")
    return run(folder, "demo", "--threads", "1"), folder / "fastnn-demo"


# ---- the whole demo


def test_digits_are_learned(digits):
    process, _ = digits
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    (accuracy,) = ACCURACY.findall(process.stdout)
    assert float(accuracy) >= 97
    assert "(64, m)" in process.stdout and "parameters" in process.stdout  # the table of dimensions


def test_costs_agree_with_numpy(digits):
    output = digits[0].stdout
    rows = re.findall(r"^ *\d+  +(\d\.\d{15})  +(\d\.\d{15})  +(\d\.\de[+-]\d\d)$", output, re.MULTILINE)
    assert len(rows) >= 5
    for ours, theirs, difference in rows:
        # costs are printed with 15 decimals, the difference with 2 digits
        assert abs(abs(float(ours) - float(theirs)) - float(difference)) <= 1e-15 + 0.05 * float(difference)
    first, last = float(rows[0][0]), float(rows[-1][0])
    assert last < first / 2  # the network has learned
    costs, parameters = re.search(r"largest difference: (\S+) between costs, (\S+) between", output).groups()
    # 200 steps through 64 + 256 + 128 + 10 units, with a rounding error of at most 1.1e-16 each
    assert float(costs) <= 200 * 458 * 1.2e-16 and float(parameters) <= 200 * 458 * 1.2e-16
    assert re.search(r"NumPy \d.*: fastnn is \d+\.\d times (faster|slower)", output)


def test_demo_writes_network_and_plots(digits):
    process, out = digits
    network = Network.load(out / "network.fastnn")
    X, y = datasets.load_digits()
    _, held_out = datasets.stratified_split(y, 0.2, 0)
    accuracy = np.mean(network.predict(X[held_out] / 16) == y[held_out])
    assert f"{100 * accuracy:.1f}" == ACCURACY.findall(process.stdout)[0]
    expected = {"network.fastnn"}
    if importlib.util.find_spec("matplotlib"):
        expected |= {"loss.png", "wrong.png"}
        assert all((out / name).read_bytes().startswith(PNG) for name in ("loss.png", "wrong.png"))
    assert {path.name for path in out.iterdir()} == expected
    assert all(os.path.join("fastnn-demo", name) in process.stdout for name in expected)


def test_accuracy_of_sklearn_is_printed(digits):
    pytest.importorskip("sklearn")
    assert re.search(r"^scikit-learn +\d.* +\d\d\.\d %$", digits[0].stdout, re.MULTILINE)


def test_progress_bar_shows_validation_accuracy(digits):
    pytest.importorskip("tqdm")
    assert "epoch/s" in digits[0].stderr and "validation_accuracy" in digits[0].stderr


@pytest.mark.parametrize("without", [(name,) for name in OPTIONAL] + [OPTIONAL], ids="-".join)
def test_demo_runs_without_optional_libraries(without, tmp_path):
    folder = idx_folder(tmp_path / "data")
    process = run(tmp_path, "demo", "--data", str(folder), "--out", "out", "--epochs", "3", without=without)
    assert process.returncode == 0, process.stderr
    assert ACCURACY.search(process.stdout)
    names = {"tqdm": "tqdm", "matplotlib": "matplotlib", "sklearn": "scikit-learn"}
    for module, name in names.items():
        told = re.search(rf"{name}.*not installed \(pip install 'fastnn\[demo\]'\)", process.stdout)
        assert bool(told) == (module in without or importlib.util.find_spec(module) is None)
    if "tqdm" in without:
        assert len(re.findall(r"^epoch +\d+ +loss", process.stdout, re.MULTILINE)) == 3
    if "matplotlib" in without:
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["network.fastnn"]


@pytest.mark.parametrize("arguments", [["--threads", "1"], ["--threads", "3", "--seed", "2147483647"]])
def test_demo_reads_a_folder_of_idx_files(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    folder = idx_folder(tmp_path / "data", train=61, test=9, classes=(3, 250, 7))
    assert main(["demo", "--data", str(folder), "--out", str(tmp_path / "a" / "b"), "--epochs", "40", *arguments]) == 0
    output = capsys.readouterr().out
    assert "data: 61 pictures of 5 x 5 pixels to train on, 9 held out" in output
    assert "(3, 128)" in output  # three classes, whatever their labels are
    assert Network.load(tmp_path / "a" / "b" / "network.fastnn").layer_sizes == (25, 256, 128, 3)


def test_mistakes_are_not_drawn_if_pictures_are_not_square(tmp_path, capsys, monkeypatch):
    for name in OPTIONAL[2:]:
        monkeypatch.setitem(sys.modules, name, None)
    # more noise than signal, so that some are misclassified
    folder = idx_folder(tmp_path / "data", shape=(2, 3), classes=(0, 2))
    assert main(["demo", "--data", str(folder), "--out", str(tmp_path / "out"), "--epochs", "1"]) == 0
    assert "60 pictures to train on" in capsys.readouterr().out
    assert not (tmp_path / "out" / "wrong.png").exists()


@given(st.integers(1, 100_000))
def test_recipe_stages_add_up_to_all_epochs(epochs):
    stages = demo.Recipe((5,), 32, epochs, 0.01).stages()
    assert sum(n for n, _ in stages) == epochs and all(n >= 1 for n, _ in stages)
    assert stages[0][1] == 0.01 and [rate for _, rate in stages[1:]] in ([], [0.001])


@pytest.mark.parametrize("seed", [0, 1])
def test_digits_are_split_by_seed(seed):
    pictures = demo.load("digits", seed)
    assert (len(pictures.X_train), len(pictures.X_test)) == (1438, 359)
    assert pictures.X_train.dtype == np.float32 and pictures.X_train.min() == 0 and pictures.X_train.max() == 1
    assert pictures.shape == (8, 8) and pictures.class_names == tuple("0123456789")
    again = demo.load("digits", seed)
    assert np.array_equal(pictures.X_test, again.X_test)
    assert not np.array_equal(pictures.X_test, demo.load("digits", seed + 1).X_test)


# ---- the checks of the demo can fail


@pytest.mark.parametrize("error", [1e-9, np.nan])
def test_demo_fails_if_a_cost_differs(error, monkeypatch, tmp_path, capsys):
    right = comparison.ReferenceNetwork.step
    monkeypatch.setattr(comparison.ReferenceNetwork, "step", lambda *arguments: right(*arguments) + error)
    folder = idx_folder(tmp_path / "data")
    assert main(["demo", "--data", str(folder), "--out", str(tmp_path / "out"), "--epochs", "1"]) == 1
    assert "differ by more than rounding explains" in capsys.readouterr().err


def test_demo_fails_if_a_step_differs(monkeypatch, tmp_path, capsys):
    right = comparison.ReferenceNetwork.step

    def step(self, X, Y, rate):
        return right(self, X, Y, rate * (1 + 1e-8))

    monkeypatch.setattr(comparison.ReferenceNetwork, "step", step)
    folder = idx_folder(tmp_path / "data")
    assert main(["demo", "--data", str(folder), "--out", str(tmp_path / "out"), "--epochs", "1"]) == 1
    assert "differ by more than rounding explains" in capsys.readouterr().err


def test_demo_fails_if_the_saved_network_differs(monkeypatch, tmp_path, capsys):
    right = Network.load

    def load(path):
        network = right(path)
        network.b[0][0, 0] += 1e-3
        return network

    monkeypatch.setattr(Network, "load", load)
    assert main(["demo", "--data", str(idx_folder(tmp_path / "data")), "--out", str(tmp_path), "--epochs", "1"]) == 1
    assert "predicts something else" in capsys.readouterr().err


def test_demo_reports_a_full_disk(monkeypatch, tmp_path, capsys):
    def save(self, path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Network, "save", save)
    assert main(["demo", "--data", str(idx_folder(tmp_path / "data")), "--out", str(tmp_path), "--epochs", "1"]) == 1
    assert "No space left on device" in capsys.readouterr().err


# ---- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: train|predict|info|demo"),
        (["fit"], "invalid choice: 'fit'"),
        (["info", "a.fastnn", "b.fastnn"], "unrecognized arguments: b.fastnn"),
        (["demo", "--epochs", "0"], "--epochs: expected a whole number from 1 to 100000, got '0'"),
        (["demo", "--epochs", "1.5"], "--epochs: expected a whole number"),
        (["demo", "--threads", "-1"], "--threads: expected a whole number from 1 to 4096, got '-1'"),
        (["demo", "--seed", "2147483648"], "--seed: expected a whole number from 0 to 2147483647"),
        (["demo", "--seed", "x"], "got 'x'"),
    ],
)
def test_invalid_arguments_exit_with_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def fails(capsys, *arguments):
    """Run a demo that must exit with 2; return its error message."""
    assert main(["demo", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("fastnn demo: error: ")
    return captured.err


def test_invalid_data_exits_with_2(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "digits, fashion-mnist or a folder of IDX files, got 'mnist'" in fails(capsys, "--data", "mnist")
    (tmp_path / "empty").mkdir()
    assert "must hold four IDX files" in fails(capsys, "--data", "empty")
    one = idx_folder(tmp_path / "one", classes=(4,))
    assert "at least two classes" in fails(capsys, "--data", str(one))
    none = idx_folder(tmp_path / "none", test=0)
    assert "got 60 and 0" in fails(capsys, "--data", str(none))
    file = idx_folder(tmp_path / "cut") / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    assert "is truncated" in fails(capsys, "--data", "cut")
    monkeypatch.setattr(datasets, "_FASHION_MNIST", tmp_path / "no-such-folder")
    assert "apt-get install dataset-fashion-mnist" in fails(capsys, "--data", "fashion-mnist")
    assert not (tmp_path / "fastnn-demo").exists()


def test_invalid_output_folder_exits_with_2(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "file" in fails(capsys, "--out", str(tmp_path / "file"))


# ---- the program


def test_version_and_info_are_printed(tmp_path):
    process = run(tmp_path, "--version")
    assert (process.returncode, process.stdout) == (0, f"fastnn {fastnn.__version__}\n")
    process = run(tmp_path, "info")
    assert process.returncode == 0 and process.stderr == ""
    assert fastnn.__version__ in process.stdout and fastnn.runtime.simd_level() in process.stdout
    assert "threads" in process.stdout and "blas" in process.stdout


def test_console_script_calls_main():
    try:
        distribution = metadata.distribution("fastnn")
    except metadata.PackageNotFoundError:
        pytest.skip("fastnn is imported from a folder, not installed")
    scripts = distribution.entry_points.select(group="console_scripts", name="fastnn")
    assert [script.load() for script in scripts] == [main]


def started(folder):
    """Start a demo that would run for long, and wait until it trains."""
    # shells start background jobs, and so their children, with SIGINT ignored
    code = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from fastnn.__main__ import main; sys.exit(main(['demo', '--epochs', '100000']))")
    process = subprocess.Popen([sys.executable, "-P", "-c", code], cwd=folder, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("Adam"):
            return process
    process.kill()
    raise AssertionError(process.communicate()[1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send SIGINT to one process")
def test_ctrl_c_exits_with_130(tmp_path):
    process = started(tmp_path)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "fastnn: interrupted" in errors and "Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe raises another error on Windows")
@pytest.mark.parametrize("command", ["demo", "info"])
def test_closed_pipe_exits_quietly(command, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run([sys.executable, "-m", "fastnn", command], cwd=tmp_path, stdout=writer,
                             stderr=subprocess.PIPE, timeout=120)
    os.close(writer)
    assert process.returncode == 1 and process.stderr == b""
