"""The runs of a report: for each instruction set, the --json files of one machine."""

import json
from pathlib import Path
from typing import NamedTuple

LABELS = {"avx2": "AVX2", "avx512": "AVX-512", "neon": "NEON", "baseline": "baseline"}  # in the order of the pages


class Run(NamedTuple):
    """The files measured with one instruction set."""

    isa: str
    files: list[dict]

    @property
    def label(self) -> str:
        return LABELS[self.isa]

    @property
    def benches(self) -> list[str]:
        return list(dict.fromkeys(file["bench"] for file in self.files))

    def rows(self, bench: str) -> list[dict]:
        return [row for file in self.files if file["bench"] == bench for row in file["rows"]]


def read(folder: Path) -> list[Run]:
    """One run for each instruction set that the --json files in the folder and its subfolders were measured with."""
    files: dict[str, list[dict]] = {}
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        files.setdefault(content["simd"], []).append(content)
    if not files:
        raise SystemExit(f"{folder} holds no --json file")
    return [Run(isa, files[isa]) for isa in LABELS if isa in files]
