"""What a model knows of each column of its table, as text."""

from typing import Any

__all__ = ["column_rows", "identifiers"]

LABELS_SHOWN = 4
LONGEST_LABEL = 24  # characters
MIN_DISTINCT = 0.9  # categories per row of an identifier
ENCODINGS = {"one-hot": "category", "code": "category (vector)", "number": "number", "constant": "constant"}


def column_rows(encoder: Any) -> list[tuple[str, str, str, str]]:
    """Return for each column of a fitted TableEncoder its name, type, number of gaps, and values in a few words."""
    return [(str(column.name), ENCODINGS[column.encoding], f"{column.gaps:,}" if column.gaps else "", _values(column))
            for column in encoder.columns_]


def _values(column: Any) -> str:
    if column.kind == "category":
        labels = [label for _, label in sorted(zip(column.counts, column.categories, strict=True),
                                               key=lambda pair: -pair[0])]
        shown = ", ".join(_one_line(label) for label in labels[:LABELS_SHOWN])
        return f"{len(labels)}: {shown}{', ...' if len(labels) > LABELS_SHOWN else ''}" if labels else "all missing"
    if column.median is None:
        return "all missing"
    median = column.median / column.unit
    if not column.scale:
        return f"always {median:.6g}"
    return f"median {median:.6g}, scale {1 / (column.scale * column.unit):.6g}"


def _one_line(label: object) -> str:
    text = " ".join(str(label).split())
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 3] + "..."


def identifiers(encoder: Any, n_rows: int) -> list[str]:
    """Return the columns of categories of which nearly every row has its own, such as names, keys and dates."""
    return [str(column.name) for column in encoder.columns_
            if column.kind == "category" and len(column.categories) > max(MIN_DISTINCT * (n_rows - column.gaps), 2)]
