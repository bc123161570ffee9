"""A table in the forms of every library, with numbers, categories and missing values."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

COLUMNS = {
    "size": [1.5, None, 3.5, -2.0, 10.0, 0.25],
    "count": [3, 1, 4, 1, 5, 9],
    "rooms": [2, None, 1, 3, 2, 8],
    "new": [True, False, True, True, False, False],
    "sold": [True, None, False, True, None, False],
    "sex": ["m", "f", None, "f", "m", "f"],
    "colour": ["red", "blue", "red", None, "green", "blue"],
}
ROWS = [list(row) for row in zip(*COLUMNS.values(), strict=True)]
NAMES = list(COLUMNS)
PLAIN = pd.DataFrame(COLUMNS)  # bools and None in objects, numbers and NaN in floats
ARROW = pa.table(COLUMNS)
CATEGORIES = ["sex", "colour"]

NAMED = {
    "pandas": PLAIN,
    "pandas, objects": pd.DataFrame(ROWS, columns=NAMES, dtype=object),
    "pandas, nullable": PLAIN.convert_dtypes(),
    "pandas, arrow": PLAIN.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, arrow's dictionaries": ARROW.to_pandas(types_mapper=pd.ArrowDtype).astype(
        {name: pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())) for name in CATEGORIES}),
    "pandas, categories": PLAIN.astype(dict.fromkeys(CATEGORIES, "category")),
    "polars": pl.DataFrame(COLUMNS),
    "polars, categories": pl.DataFrame(COLUMNS).with_columns(pl.col(CATEGORIES).cast(pl.Categorical)),
    "pyarrow": ARROW,
    "pyarrow, in chunks": pa.concat_tables([ARROW.slice(0, 2), ARROW.slice(2, 3), ARROW.slice(5)]),
    "pyarrow, dictionaries": pa.table({name: pa.array(values).dictionary_encode() if name in CATEGORIES else values
                                       for name, values in COLUMNS.items()}),
    "pyarrow, a batch": ARROW.to_batches()[0],
}
UNNAMED = {
    "lists": ROWS,
    "tuples": tuple(map(tuple, ROWS)),
    "an array of objects": np.array(ROWS, object),
    "rows that are arrays": [np.array(row, object) for row in ROWS],
}
TABLES = {**NAMED, **UNNAMED}


def rows_of(form, start, stop):
    """Rows start .. stop - 1 of a table of `TABLES`."""
    table = TABLES[form]
    if hasattr(table, "iloc"):
        return table.iloc[start:stop]
    return table.slice(start, stop - start) if form.startswith(("pyarrow", "polars")) else table[start:stop]
