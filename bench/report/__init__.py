"""Make docs/benchmarks.md (the tables between its markers) and its figures from the --json files of a folder."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

from report.tables import TABLES, environment_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PICTURES = DOCUMENT.with_suffix("")
MARKED = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def read(folder: Path) -> list[dict]:
    """The files of the benches that the report knows."""
    files = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["bench"] in TABLES:
            files.append(content)
        else:
            print(f"{path.name}: the report has no table for {content['bench']}")
    if not files:
        raise SystemExit(f"{folder} holds no --json file of {', '.join(TABLES)}")
    return files


def tables(files: list[dict]) -> dict[str, str]:
    found = {"environment": environment_table(files)}
    for bench, make in TABLES.items():
        if rows := [row for file in files if file["bench"] == bench for row in file["rows"]]:
            found |= make(rows)
    return found


def fill(text: str, found: dict[str, str]) -> str:
    """The text with the tables between their markers; one for which there are no figures stays as it is."""
    places = [name for _, name, _ in MARKED.findall(text)]
    for what, names in (("no figures for", set(places) - set(found)), ("no markers for", set(found) - set(places))):
        if names:
            print(f"{what} {', '.join(sorted(names))}")
    return MARKED.sub(lambda match: match[1] + found[match[2]] + match[3] if match[2] in found else match[0], text)


def run(options) -> None:
    files = read(Path(options.folder))
    text = fill(DOCUMENT.read_text(encoding="utf-8"), tables(files))
    DOCUMENT.write_text(text, encoding="utf-8", newline="\n")
    if find_spec("matplotlib"):
        from report import plots

        plots.draw(files, PICTURES)
    else:
        print("matplotlib is not installed, so there are no pictures: pip install 'fastnn[bench]'")
