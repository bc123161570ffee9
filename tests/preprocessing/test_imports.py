"""TableEncoder imports no library of tables, and says what to install without scikit-learn."""

import subprocess
import sys
import textwrap

import pytest

# Makes the libraries in `absent` look uninstalled.
ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
"""
LIBRARIES = {"pandas", "polars", "pyarrow"}


def run_python(code, absent=()):
    """Run code in a new interpreter that does not import from the source tree; return what it prints."""
    code = f"absent = {set(absent)}{ABSENT}{textwrap.dedent(code)}"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_tables_of_numpy_need_no_other_library():
    assert run_python("""
        import numpy as np
        from fastnn.preprocessing import TableEncoder
        rows = [[1.0, "a", True], [2.0, None, False], [None, "b", None]] * 9
        for X in (rows, np.array(rows, object)):
            encoder = TableEncoder().fit(X)
            print((encoder.transform(X)[:3] == encoder.transform(X[:3])).all())
        """, LIBRARIES).split() == ["True", "True"]


@pytest.mark.parametrize("used, make", [("pandas", "pandas.DataFrame({'a': [1.0, None], 'b': ['x', 'y']})"),
                                        ("polars", "polars.DataFrame({'a': [1.0, None], 'b': ['x', 'y']})"),
                                        ("pyarrow", "pyarrow.table({'a': [1.0, None], 'b': ['x', 'y']})")])
def test_a_table_needs_no_other_library(used, make):
    assert run_python(f"""
        import {used}
        from fastnn.preprocessing import TableEncoder
        X = {make}
        print(TableEncoder().fit(X).transform(X).tolist())
        """, LIBRARIES - {used}) == "[[0.0, 0.0, -1.0], [0.0, 1.0, 1.0]]"


@pytest.mark.parametrize("absent", ["sys.modules['sklearn'] = None",
                                    "import sklearn.utils.validation as v; del v.validate_data"], ids=["none", "old"])
def test_without_scikit_learn_the_error_says_what_to_install(absent):
    assert run_python(f"""
        import sys
        {absent}
        import fastnn
        try:
            fastnn.preprocessing
        except ImportError as error:
            print(error)
        """) == "fastnn.preprocessing needs scikit-learn 1.6 or newer: pip install 'fastnn[sklearn]'"
