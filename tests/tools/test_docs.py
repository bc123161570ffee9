"""The pages of the documentation: links lead somewhere, named files exist, and the reference page is complete."""

import importlib
import re
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
if not (ROOT / "README.md").exists():
    pytest.skip("the tests run without the checkout: no documentation beside them", allow_module_level=True)
# A path of the repository in backticks: `fastnn/network.py`, `csrc/gemm`, `docs/guide/training.md:Losses`.
NAMED = re.compile(r"`((?:fastnn|csrc|bench|docs|tests|examples|\.ci)/[\w./-]+)(?=[`:\s])")


def text_of(page):
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def page_name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"(?<!\\)\]\(([^)\s]+)\)", text_of(page)):
        if not re.match(r"https?://", target):
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=page_name)
def test_named_files_exist(page):
    for name in NAMED.findall(text_of(page)):
        assert (ROOT / name.rstrip(".")).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_rows_of_a_table_have_the_same_number_of_cells(page):
    columns = None
    for number, line in enumerate(text_of(page).splitlines(), 1):
        if not line.startswith("|"):
            columns = None
            continue
        cells = len(re.sub(r"\\\|", "", line).strip().strip("|").split("|"))
        assert columns in (None, cells), f"line {number}: {line}"
        columns = cells


# ---- docs/reference/api.md

MODULES = ("callbacks", "embeddings", "initializers", "losses", "metrics", "optimizers", "runtime", "schedules")
# Offered by a public module to the rest of the package, not to users.
INTERNAL = {"blas_threads", "check", "default", "fill", "get", "resolve", "weighted_sum"}
ESTIMATORS = {"MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor", "from_sklearn"}
PACKAGES = ("datasets", "estimators", "functional", "gradcheck", "graph", "plot", "preprocessing", "reference",
            "tabular")


def sections():
    """The names in backticks of each section of the reference page, by the section's module."""
    text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    return {title: {name for line in body.splitlines() if line.startswith("|")
                    for name in re.findall(r"`(\w+)`", line.split(" | ")[0])}
            for title, body in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("module", ["fastnn", *(f"fastnn.{name}" for name in (*MODULES, *PACKAGES))])
def test_the_reference_page_lists_every_public_name(module):
    for package, optional in (("estimators", "sklearn"), ("preprocessing", "sklearn"), ("tabular", "sklearn"),
                              ("plot", "matplotlib")):
        if module == f"fastnn.{package}":
            pytest.importorskip(optional)
    loaded = importlib.import_module(module)
    listed = sections()[module]
    for name in listed:
        assert (module == "fastnn" and name in ESTIMATORS) or hasattr(loaded, name), name
    assert set(loaded.__all__) - listed - INTERNAL == set()


def test_every_public_module_has_a_section():
    public = {path.stem for path in Path(fastnn.__file__).parent.iterdir()
              if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())}
    assert public - {"network", "history"} == {*MODULES, *PACKAGES}
