"""Tables and columns as programs hold them, for the tests of user data."""

import numpy as np
import pytest

pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
M = 60
X = np.random.default_rng(0).standard_normal((M, 3))
CODES = np.arange(M) % 3
WORDS = np.array(["a", "bb", "c"])[CODES]
DAYS = np.arange(M).astype("M8[D]")
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
TABLE = pd.DataFrame(X, columns=["age", "size", "mass"])
NO_NUMBERS = {
    "dates": DAYS, "a missing date": np.where(np.arange(M) == 3, np.datetime64("NaT"), DAYS),
    "durations": DAYS - DAYS[0], "texts": WORDS, "numbers as texts": CODES.astype(str), "bytes": WORDS.astype("S"),
    "objects of dates": DAYS.astype(object),
    "objects of datetime64": np.array(list(DAYS), object), "objects of texts": WORDS.astype(object),
    "None": np.where(CODES == 1, None, X[:, 0]), "pandas dates": pd.Series(DAYS), "pandas texts": pd.Series(WORDS),
    "time zone": pd.Series(pd.date_range("2024", periods=M, tz="UTC")), "polars dates": pl.Series(DAYS),
    "polars texts": pl.Series(WORDS.tolist()), "categories": pd.Series(WORDS, dtype="category"),
    "columns": pd.DataFrame({"a": X[:, 0], "b": DAYS}), "complex": X[:, 0] + 1j,
}
