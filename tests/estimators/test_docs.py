"""The docstrings of both estimators: numpydoc sections that agree with the code and with each other."""

import inspect
import re

import pytest
from helpers.estimator_cases import OURS
from helpers.estimator_data import fitted
from sklearn.utils._param_validation import StrOptions

KINDS = list(OURS)


def section(kind, name):
    """Return the entries of a docstring section as {name: (type, description)}, lists of names taken apart."""
    text = inspect.cleandoc(OURS[kind].__doc__)
    body = re.search(rf"^{name}\n-+\n(.*?)(?=\n\n\w+\n---|\Z)", text, re.S | re.M)[1]
    entries = re.findall(r"^(\w+) : (.*)\n((?:    .*(?:\n|\Z))*)", body + "\n", re.M)
    assert len(entries) == len(re.findall(r"^\S", body, re.M))
    return {name: (" ".join(kind.split()), description) for name, kind, description in entries}


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_documented_with_its_default(kind):
    documented = section(kind, "Parameters")
    signature = inspect.signature(OURS[kind]).parameters
    assert list(documented) == list(signature)
    for name, (kinds, description) in documented.items():
        assert kinds.endswith(f", default={signature[name].default!r}"), name
        assert description, name


@pytest.mark.parametrize("kind", KINDS)
def test_documented_options_are_the_accepted_ones(kind):
    for name, constraints in OURS[kind]._parameter_constraints.items():
        options = {option for one in constraints if isinstance(one, StrOptions) for option in one.options}
        kinds, _ = section(kind, "Parameters")[name]
        assert set(re.findall(r"'(\w+)'", kinds.rpartition(", default=")[0])) == options, name


def test_shared_entries_are_identical():
    for name in ("Parameters", "Attributes"):
        first, second = (section(kind, name) for kind in KINDS)
        for shared in first.keys() & second.keys():
            assert first[shared] == second[shared], shared
    assert OURS["classifier"].fit.__doc__ == OURS["regressor"].fit.__doc__


@pytest.mark.parametrize("kind", KINDS)
def test_every_fitted_attribute_is_documented(kind):
    model = fitted(kind, early_stopping=True, **({"normalize_y": True} if kind == "regressor" else {}))
    public = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    assert public | {"feature_names_in_"} == section(kind, "Attributes").keys()
