"""Make the pages and figures of docs/benchmarks, and the figures of README.md, from the --json files of a folder.

The files of each instruction set are one run. What stands between a marker ``<!-- made: NAME -->`` and the next
``<!-- end -->`` of a page is replaced by the part NAME of every run that has it: a table, a list or pictures.
"""

import re
from importlib.util import find_spec
from pathlib import Path

from report.markdown import picture
from report.runs import Run, read
from report.summary import SUMMARIES, claims, missed, result, slower
from report.tables import TABLES, environment_table, targets_table

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "benchmarks"
PAGES = (FOLDER.with_suffix(".md"), FOLDER / "tables.md", ROOT / "README.md")
MARKED = re.compile(r"(<!-- made: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
SENTENCES = ("claims", "result")  # parts that name their run themselves


def parts(run: Run) -> dict[str, str]:
    """All parts of a run in Markdown, by name, except the pictures."""
    found = {"environment": environment_table(run.files), **slower(run), **missed(run), **claims(run), **result(run),
             **targets_table(run)}
    for makers in (TABLES, SUMMARIES):
        for bench, make in makers.items():
            if rows := run.rows(bench):
                found |= make(rows, run.isa)
    return found


def pictures(run: Run, page: Path) -> dict[str, str]:
    """The pictures of a run that were drawn now or before, as a page refers to them."""
    return {f"picture {path.stem}": picture(path, page)
            for path in (FOLDER / run.isa).glob("*.png")}


def joined(made: dict[str, str], name: str) -> str:
    """A part of every run, under the run's label."""
    if name in SENTENCES:
        return "".join(made.values())
    return "\n".join(f"**{label}**\n\n{text}" for label, text in made.items())


def fill(text: str, runs: list[tuple[Run, dict[str, str]]]) -> str:
    """The page with new parts between its markers; a part that no run has stays as it is."""
    def new(match: re.Match) -> str:
        made = {run.label: found[match[2]] for run, found in runs if match[2] in found}
        return f"{match[1]}{joined(made, match[2])}{match[3]}" if made else match[0]

    return MARKED.sub(new, text)


def run(options) -> None:
    runs = read(Path(options.folder))
    if find_spec("matplotlib"):
        from report import plots

        for each in runs:
            plots.draw(each, FOLDER / each.isa)
    else:
        print("matplotlib is not installed, so no pictures were drawn: pip install 'fastnn[bench]'")
    places, made = set(), set()
    for page in PAGES:
        found = [(each, parts(each) | pictures(each, page)) for each in runs]
        text = page.read_text(encoding="utf-8")
        places |= {name for _, name, _ in MARKED.findall(text)}
        made |= {name for _, each in found for name in each}
        page.write_text(fill(text, found), encoding="utf-8", newline="\n")
    for problem, names in (("no figures for", places - made), ("no markers for", made - places)):
        if names:
            print(f"{problem} {', '.join(sorted(names))}")
