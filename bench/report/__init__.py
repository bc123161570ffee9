"""Make the pages and figures of docs/benchmarks from the --json files of a folder.

Fills the tables between the markers of docs/benchmarks.md (a summary) and of docs/benchmarks/tables.md (all figures),
and draws docs/benchmarks/*.png.
"""

import json
import re
from importlib.util import find_spec
from pathlib import Path

from report.summary import SUMMARIES, slower
from report.tables import TABLES, environment_table

SUMMARY = Path(__file__).parents[2] / "docs" / "benchmarks.md"
FOLDER = SUMMARY.with_suffix("")
PAGES = (SUMMARY, FOLDER / "tables.md")
MARKED = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def read(folder: Path) -> list[dict]:
    """The --json files in the folder that have tables."""
    files = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["bench"] in TABLES | SUMMARIES:
            files.append(content)
        else:
            print(f"{path.name}: the report has no table for {content['bench']}")
    if not files:
        raise SystemExit(f"{folder} holds no --json file of {', '.join(TABLES | SUMMARIES)}")
    return files


def tables(files: list[dict]) -> dict[str, str]:
    """All tables that the files have figures for, by name."""
    found = {"environment": environment_table(files), **slower(files)}
    for makers in (TABLES, SUMMARIES):
        for bench, make in makers.items():
            if rows := [row for file in files if file["bench"] == bench for row in file["rows"]]:
                found |= make(rows, files[0]["simd"])
    return found


def fill(text: str, found: dict[str, str]) -> str:
    """The page with new tables between its markers; a table without figures stays as it is."""
    return MARKED.sub(lambda match: match[1] + found[match[2]] + match[3] if match[2] in found else match[0], text)


def run(options) -> None:
    files = read(Path(options.folder))
    found = tables(files)
    places = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        places |= {name for _, name, _ in MARKED.findall(text)}
        page.write_text(fill(text, found), encoding="utf-8", newline="\n")
    for problem, names in (("no figures for", places - set(found)), ("no markers for", set(found) - places)):
        if names:
            print(f"{problem} {', '.join(sorted(names))}")
    if find_spec("matplotlib"):
        from report import plots

        plots.draw(files, FOLDER)
    else:
        print("matplotlib is not installed, so no figures were drawn: pip install 'fastnn[bench]'")
