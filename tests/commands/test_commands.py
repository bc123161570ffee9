"""fastnn train, predict and info: what they print and write, and the errors of what cannot be used."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fastnn import Network, TabularClassifier
from fastnn.__main__ import main

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

VOID = {"meta", "br", "img", "link"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def flats(m=300, seed=0):
    """Flats with two numbers, a category, gaps, a code that is no quantity, and their price and class."""
    rng = np.random.default_rng(seed)
    area, floor = rng.uniform(20, 150, m).round(1), rng.integers(0, 9, m)
    town = rng.choice(["Ulm", "Köln", "Bonn"], m)
    price = 3 * area + 20 * (town == "Köln") + rng.normal(0, 5, m)
    frame = pd.DataFrame({"area": area, "floor": floor, "town": town, "code": rng.integers(100, 103, m),
                          "price": price.round(2), "sort": np.where(price > price.mean(), "dear", "cheap")})
    frame.loc[::17, "area"] = np.nan
    frame.loc[3::40, "town"] = None
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which a classifier and a regressor were trained by the command line."""
    folder = tmp_path_factory.mktemp("commands")
    flats().to_csv(folder / "flats.csv", index=False)
    for target, other in (("sort", "price"), ("price", "sort")):
        done = run(folder, "train", "flats.csv", "--target", target, "--drop", other, "--categorical", "code", "--out",
                   f"{target}.fastnn", "--epochs", "8", "--threads", "1")
        assert done.returncode == 0, done.stderr
        (folder / f"{target}.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def run(folder, *arguments, without=()):
    """Run the program in `folder` in its own process, with the libraries `without` blocked from import."""
    block = "".join(f"sys.modules[{name!r}] = None; " for name in without)
    code = f"import sys; {block}from fastnn.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-X", "utf8", "-c", code, *arguments], cwd=folder, capture_output=True,
                          encoding="utf-8", timeout=300)


class Page(HTMLParser):
    """Checks that tags are balanced; collects the text and the addresses of other files."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.addresses = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href") and value[:1] != "#"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


# ---- train


@pytest.mark.parametrize(("target", "task", "scores"), [
    ("sort", "classification of 2 classes", ("accuracy", "balanced accuracy", "log-loss")),
    ("price", "regression of numbers", ("RMSE", "mean absolute error", "R2"))])
def test_train_prints_types_gaps_and_scores_beside_those_of_a_constant(folder, target, task, scores):
    text = (folder / f"{target}.txt").read_text(encoding="utf-8")
    assert task in text
    assert re.search(r"^area +number +\d+ +median", text, re.MULTILINE)
    assert re.search(r"^town +category +\d+ +3: ", text, re.MULTILINE)
    assert re.search(r"^code +category +3: ", text, re.MULTILINE)
    for name in scores:
        assert re.search(rf"^{name} +\S+ +\S+$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120


def test_the_printed_score_is_that_of_the_saved_model(folder):
    """The rows held out are those of scikit-learn's split with the same seed."""
    from sklearn.model_selection import train_test_split

    frame = flats()
    test = train_test_split(frame, test_size=0.2, random_state=0, stratify=frame["sort"])[1]
    model = TabularClassifier.load(folder / "sort.fastnn")
    accuracy = np.mean(model.predict(test[["area", "floor", "town", "code"]]) == test["sort"])
    assert f"{accuracy:.4g}" in re.search(r"^accuracy +(\S+)", (folder / "sort.txt").read_text(encoding="utf-8"),
                                          re.MULTILINE)[1]


def test_a_target_of_few_whole_numbers_is_a_class_unless_asked_otherwise(tmp_path):
    frame = flats(60)
    frame["rooms"] = np.arange(60) % 4
    frame.to_csv(tmp_path / "flats.csv", index=False)
    common = ("train", "flats.csv", "--target", "rooms", "--out", "m.fastnn", "--epochs", "1", "--no-report")
    assert "classification of 4 classes" in run(tmp_path, *common).stdout
    assert "regression of numbers from 0 to 3" in run(tmp_path, *common, "--task", "regression").stdout
    assert not (tmp_path / "m.html").exists()


def test_rows_without_a_target_are_left_out_and_counted(tmp_path):
    frame = flats(60)
    frame.loc[:4, "sort"] = None
    frame.to_csv(tmp_path / "flats.csv", index=False)
    done = run(tmp_path, "train", "flats.csv", "--target", "sort", "--out", "m.fastnn", "--epochs", "1", "--no-report")
    assert "5 rows without a target are left out" in done.stdout
    assert "55 rows" in done.stdout


# ---- the report


@pytest.mark.parametrize("target", ["sort", "price"])
def test_the_report_is_one_page_with_all_pictures_and_tables(folder, target):
    text = (folder / f"{target}.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.addresses  # self-contained
    assert "<script" not in text
    words = " ".join(page.words)
    for part in (f"Predicting {target}", "Score on 60 rows held out", "this model", "Columns", "town", "W[l]"):
        assert part in words
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 3
    for picture in pictures:
        ET.fromstring(picture)
    assert "dear" in pictures[0] if target == "sort" else "predicted = true" in pictures[0]
    assert "area" in pictures[2]


def test_text_of_the_table_cannot_become_markup(tmp_path):
    frame = flats(60).rename(columns={"town": "<b>town</b>"})
    frame["sort"] = frame["sort"].replace("dear", "<script>alert(1)</script>")
    frame.to_csv(tmp_path / "flats.csv", index=False)
    done = run(tmp_path, "train", "flats.csv", "--target", "sort", "--out", "m.fastnn", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "<b>" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_report_without_errors(folder):
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0",
         f"--screenshot={folder / 'report.png'}", "--window-size=1000,2400", (folder / "sort.html").as_uri()],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "CONSOLE" not in done.stderr
    from matplotlib.image import imread

    picture = imread(folder / "report.png")
    ink = (picture[..., :3].min(axis=2) < 0.9).mean(axis=1)  # of each line of pixels
    assert (ink > 0).mean() > 0.5


# ---- predict and info


def test_predict_gives_the_answers_of_the_model_by_name_of_column(folder):
    new = flats(20, seed=1)[["town", "code", "floor", "area", "price"]]  # another order
    new.insert(0, "id", range(20))
    new.to_csv(folder / "new.csv", index=False)
    done = run(folder, "predict", "sort.fastnn", "new.csv", "--out", "answers.csv", "--keep", "id")
    assert done.returncode == 0, done.stderr
    answers = pd.read_csv(folder / "answers.csv")
    assert list(answers.columns) == ["id", "prediction", "probability of cheap", "probability of dear"]
    expected = TabularClassifier.load(folder / "sort.fastnn").predict(new[["area", "floor", "town", "code"]])
    assert answers["prediction"].tolist() == expected.tolist()


def test_predict_prints_csv_without_out_and_writes_parquet(folder):
    pytest.importorskip("pyarrow")
    flats(5).to_parquet(folder / "five.parquet")
    printed = run(folder, "predict", "price.fastnn", "five.parquet").stdout
    assert printed.splitlines()[0] == "prediction"
    run(folder, "predict", "price.fastnn", "five.parquet", "--out", "five-answers.parquet")
    written = pd.read_parquet(folder / "five-answers.parquet")["prediction"]
    np.testing.assert_allclose(written, list(map(float, printed.splitlines()[1:])), rtol=1e-6)  # float32 as text


def test_info_describes_models_of_tables_and_networks(folder, capsys):
    assert main(["info", str(folder / "sort.fastnn")]) == 0
    text = capsys.readouterr().out
    assert "TabularClassifier" in text
    assert "2 classes: cheap, dear" in text
    assert re.search(r"^town +category", text, re.MULTILINE)
    Network([3, 2, 2]).save(folder / "net.fastnn")
    assert main(["info", str(folder / "net.fastnn")]) == 0
    assert "W[l]" in capsys.readouterr().out


# ---- errors


@pytest.mark.parametrize(("arguments", "message"), [
    (("train", "none.csv", "--target", "y", "--out", "m"), "none.csv"),
    (("train", "flats.csv", "--target", "prise", "--out", "m"), "did you mean 'price'"),
    (("train", "flats.csv", "--target", "sort", "--drop", "town", "flor", "--out", "m"), "did you mean 'floor'"),
    (("train", "flats.csv", "--target", "sort", "--task", "regression", "--out", "m"), "needs numbers"),
    (("train", "flats.csv", "--target", "price", "--task", "classification", "--out", "m"), "too many to learn"),
    (("train", "flats.csv", "--target", "sort", "--out", "none/m"), "no folder none"),
    (("train", "flats.csv", "--target", "sort", "--out", "flats.csv"), "flats.csv would be overwritten"),
    (("train", "flats.csv", "--target", "sort", "--out", "m.html"), "m.html would be overwritten"),
    (("train", "constant.csv", "--target", "floor", "--out", "m"), "single value 3"),
    (("predict", "sort.fastnn", "flats.csv", "--out", "flats.csv"), "flats.csv would be overwritten"),
    (("predict", "array.fastnn", "flats.csv"), "without names of columns"),
    (("predict", "sort.fastnn", "short.csv"), "no column 'area'"),
    (("predict", "flats.csv", "flats.csv"), "flats.csv"),
    (("predict", "net.fastnn", "flats.csv"), "holds a Network"),
    (("info", "flats.csv"), "flats.csv"),
])
def test_what_cannot_be_used_is_refused_in_one_line(folder, arguments, message):
    flats(30)[["town", "floor", "code"]].to_csv(folder / "short.csv", index=False)
    flats(30).assign(floor=3).to_csv(folder / "constant.csv", index=False)
    TabularClassifier(epochs=1).fit(np.eye(20), np.arange(20) % 2).save(folder / "array.fastnn")
    Network([3, 2, 2]).save(folder / "net.fastnn")
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("library", ["pandas", "sklearn", "matplotlib"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(folder, library):
    done = run(folder, "train", "flats.csv", "--target", "sort", "--out", "m", without=[library])
    assert done.returncode == 2
    assert library in done.stderr
    assert "pip install 'fastnn[tables]'" in done.stderr


def test_a_model_that_cannot_be_written_leaves_the_old_answers(folder, tmp_path):
    (tmp_path / "old.csv").write_text("old\n")
    done = run(folder, "predict", "sort.fastnn", "short.csv", "--out", str(tmp_path / "old.csv"))
    assert done.returncode == 2
    assert (tmp_path / "old.csv").read_text() == "old\n"
    assert [path.name for path in Path(tmp_path).iterdir()] == ["old.csv"]


def test_an_error_in_the_report_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "m.html").write_text("old")
    flats(40).to_csv(tmp_path / "flats.csv", index=False)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastnn._commands.report._page", fail)
    table, model = str(tmp_path / "flats.csv"), str(tmp_path / "m")
    assert main(["train", table, "--target", "sort", "--out", model, "--epochs", "1"]) == 130
    assert (tmp_path / "m.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flats.csv", "m", "m.html"]


def test_columns_are_shown_before_training_with_those_that_identify_rows(tmp_path, monkeypatch, capsys):
    frame = flats(40).assign(key=[f"flat\n{i}" for i in range(40)])
    frame.drop(columns="sort").to_csv(tmp_path / "flats.csv", index=False)

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastnn.TabularRegressor.fit", stop)
    assert main(["train", str(tmp_path / "flats.csv"), "--target", "price", "--out", str(tmp_path / "m")]) == 130
    text = capsys.readouterr().out
    assert re.search(r"^key +category \(vector\) +32: flat 0, ", text, re.MULTILINE)
    assert "nearly every row has its own value of 'key': " in text


def test_the_report_of_very_many_columns_leaves_out_their_importance(tmp_path):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(40, 501))).add_prefix("x").assign(y=np.arange(40) % 2)
    wide.to_csv(tmp_path / "wide.csv", index=False)
    table, model = str(tmp_path / "wide.csv"), str(tmp_path / "m")
    assert main(["train", table, "--target", "y", "--out", model, "--epochs", "1"]) == 0
    assert "it would take long for 501 columns" in (tmp_path / "m.html").read_text(encoding="utf-8")
