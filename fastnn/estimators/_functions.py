"""The functions and objects among an estimator's parameters: copies and clones share them, pickles hold copies."""

import copy
import pickle
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastnn._data.checks import shown
from fastnn.callbacks import CSVLogger

__all__ = ["PARAMETERS", "copied", "deep_copied", "packed", "sharing_clone"]

# The parameters that may hold functions, with the values that leave them out.
PARAMETERS: dict[str, Any] = {"callbacks": (), "scoring": None}


class _Being(threading.local):
    """The estimators (their ids) whose state this thread is taking with the functions as they are."""

    def __init__(self) -> None:
        self.kept: set[int] = set()


_BEING = _Being()


@contextmanager
def _keeping_functions(estimator: Any) -> Iterator[None]:
    """Let `packed` leave the functions of this estimator as they are."""
    outermost = id(estimator) not in _BEING.kept
    _BEING.kept.add(id(estimator))
    try:
        yield
    finally:
        if outermost:
            _BEING.kept.discard(id(estimator))


# Copies


def copied(estimator: Any, is_own: Callable[[str], bool]) -> Any:
    """Return a copy, for ``__copy__``, that shares all attributes except those for whose names `is_own` is true."""
    with _keeping_functions(estimator):
        state = estimator.__getstate__()
    shared = {name: value for name, value in state.items() if not is_own(name)}
    memo = {id(value): value for value in shared.values()}  # such as the user's RandomState
    own = {name: value for name, value in state.items() if is_own(name)}
    result = object.__new__(type(estimator))
    result.__setstate__(shared | copy.deepcopy(own, memo))
    return result


def deep_copied(estimator: Any, memo: dict[int, Any]) -> Any:
    """Return a copy that shares only functions and callbacks, for ``__deepcopy__``."""
    for name in PARAMETERS:
        for value in _items(getattr(estimator, name, None)):
            memo[id(value)] = value
    with _keeping_functions(estimator):
        state = estimator.__getstate__()
    result = object.__new__(type(estimator))
    memo[id(estimator)] = result
    result.__setstate__(copy.deepcopy(state, memo))
    return result


def sharing_clone(estimator: Any, clone: Any) -> Any:
    """Return an unfitted estimator with the same functions and with copies of the other parameters.

    Parameters
    ----------
    estimator : BaseMLP
    clone : callable
        scikit-learn's cloning of an estimator, which would copy functions that are objects.
    """
    given = {name: getattr(estimator, name) for name in PARAMETERS if hasattr(estimator, name)}
    stand_in = object.__new__(type(estimator))
    vars(stand_in).update(vars(estimator))
    for name in given:
        setattr(stand_in, name, PARAMETERS[name])
    result = clone(stand_in)
    for name, value in given.items():
        setattr(result, name, type(value)(value) if type(value) in (list, tuple) else value)
    return result


# Pickles


class _Sink:
    """A file that keeps nothing, but notices objects of the script that runs."""

    def __init__(self) -> None:
        self.of_main = False

    def write(self, data: Any) -> int:
        self.of_main = self.of_main or b"__main__" in bytes(data)
        return len(data)


class _Packed:
    """The functions of a parameter, as a pickle holds them: it restores the parameter itself.

    Parameters
    ----------
    name : str
    sequence : type or None
        list or tuple; None for a parameter that is one function.
    plain : dict
        Position to object: those that are pickled as usual.
    by_value : bytes
        A pickle of a dict of the others.
    """

    def __init__(self, name: str, sequence: type | None, plain: dict[int, Any], by_value: bytes) -> None:
        self.parts = name, sequence, plain, by_value

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, self.parts


def packed(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Change the state of an estimator so that every function in it can be pickled; return it.

    Functions of importable modules are pickled as usual, by their names. Lambdas, local functions and those of the
    script that runs, and objects of its classes, are pickled by value (with joblib), so that another program can load
    them. If that is impossible too, they are left out. During a fit, callbacks that may hold pickles of the estimator
    are left out; loading then warns.

    Warns
    -----
    UserWarning
        If a function is left out.
    """
    if id(estimator) in _BEING.kept:
        return state
    if "_in_training" in vars(estimator) and "callbacks" in state:
        state["callbacks"] = _of_running_fit(state["callbacks"])
    found = {name: state[name] for name in PARAMETERS if name in state and _needs_packing(state[name])}
    if not found:
        return state
    with _keeping_functions(estimator):  # a bound method may lead back to the estimator
        for name, value in found.items():
            state[name] = _pack(name, value)
    return state


class _OfRunningFit:
    """The callbacks of an estimator in training, as a pickle holds them; see `_of_running_fit`."""

    def __init__(self, kept: Any) -> None:
        self.kept = kept

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked_callbacks, (self.kept,)


def _of_running_fit(callbacks: Any) -> Any:
    """Return callbacks without those that may hold data, such as pickles of the estimator from earlier epochs.

    A pickle of each epoch would hold all earlier ones, and double in size. Functions that are pickled by their names
    and `CSVLogger` stay.
    """
    kept = [item for item in _items(callbacks) if item is None or _holds_no_data(item)]
    if len(kept) == len(_items(callbacks)):
        return callbacks
    return _OfRunningFit(tuple(kept) if isinstance(callbacks, tuple) else kept)


def _holds_no_data(item: Any) -> bool:
    by_name = isinstance(item, types.FunctionType) or (
        isinstance(item, types.BuiltinFunctionType) and isinstance(item.__self__, types.ModuleType))
    return (by_name or type(item) is CSVLogger) and _is_plain(item)


def _unpacked_callbacks(kept: Any) -> Any:
    """Return the callbacks that a pickle of a running fit holds."""
    warnings.warn("callbacks: this pickle was made during a fit, which leaves out callbacks that may hold data: set "
                  "callbacks again to train further with them", stacklevel=2)
    return kept


def _items(value: Any) -> list[Any]:
    """Return the functions in the value of a parameter."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _needs_packing(value: Any) -> bool:
    given = [item for item in _items(value) if item is not None and not isinstance(item, str)]
    return bool(given) and not isinstance(value, _OfRunningFit)


def _pack(name: str, value: Any) -> Any:
    plain: dict[int, Any] = {}
    others: dict[int, Any] = {}
    for position, item in enumerate(_items(value)):
        (plain if _is_plain(item) else others)[position] = item
    if not others:
        return value
    by_value = {position: item for position, item in others.items() if _by_value(item) is not None}
    for position, item in others.items():
        if position in by_value:
            continue
        if _is_plain(item, of_main=True):
            plain[position] = item
        else:
            warnings.warn(f"{name}: {shown(item)} cannot be pickled and is left out: set {name} again after loading",
                          stacklevel=4)
    sequence = type(value) if isinstance(value, (list, tuple)) else None
    return _Packed(name, sequence, plain, _by_value(by_value) or b"")


def _is_plain(item: Any, *, of_main: bool = False) -> bool:
    """Return whether pickle takes an object and another program can load it; with `of_main`, only the first."""
    sink = _Sink()
    try:
        pickle.Pickler(sink, pickle.HIGHEST_PROTOCOL).dump(item)
    except Exception:  # foreign classes raise many types
        return False
    return of_main or not sink.of_main


def _by_value(item: Any) -> bytes | None:
    """Return a pickle of an object, with its functions and classes by value; None if that is impossible."""
    from joblib import wrap_non_picklable_objects  # scikit-learn needs it

    try:
        return pickle.dumps(wrap_non_picklable_objects([item], keep_wrapper=False))
    except Exception:
        return None


def _unpacked(name: str, sequence: type | None, plain: dict[int, Any], by_value: bytes) -> Any:
    """Return the value of a parameter; leave out, with a warning, functions that cannot be loaded."""
    found = dict(plain)
    if by_value:
        try:
            found |= pickle.loads(by_value)[0]
        except Exception as error:
            warnings.warn(f"{name}: functions that were pickled by value cannot be loaded and are left out "
                          f"({type(error).__name__}: {error})", stacklevel=2)
    values = [found[position] for position in sorted(found)]
    if sequence is not None:
        return sequence(values)
    return values[0] if values else PARAMETERS[name]
