"""What a model knows of each column of its table, as text."""

from typing import Any

__all__ = ["column_rows"]

LABELS_SHOWN = 4
ENCODINGS = {"one-hot": "category", "code": "category (vector)", "number": "number", "constant": "constant"}


def column_rows(model: Any) -> list[tuple[str, str, str, str]]:
    """Return for each column its name, type, number of gaps in training, and its values in a few words."""
    return [(str(column.name), ENCODINGS[column.encoding], f"{column.gaps:,}" if column.gaps else "", _values(column))
            for column in model.encoder_.columns_]


def _values(column: Any) -> str:
    if column.kind == "category":
        labels = [label for _, label in sorted(zip(column.counts, column.categories, strict=True),
                                               key=lambda pair: -pair[0])]
        shown = ", ".join(str(label) for label in labels[:LABELS_SHOWN])
        return f"{len(labels)}: {shown}{', ...' if len(labels) > LABELS_SHOWN else ''}" if labels else "all missing"
    if column.median is None:
        return "all missing"
    median = column.median / column.unit
    if not column.scale:
        return f"always {median:.6g}"
    return f"median {median:.6g}, scale {1 / (column.scale * column.unit):.6g}"
