"""Checks of arguments that are functions or objects, among them the callbacks of a fit."""

import inspect
from typing import Any

import numpy as np

from fastnn._data.checks import shown

__all__ = ["callbacks", "check_call", "refuse_class"]

# The hooks of a callback object, with their arguments.
HOOKS = {"check": ("run",), "on_fit_begin": ("run",), "on_epoch_end": ("run", "record"), "on_fit_end": ("run",)}


def refuse_class(value: Any, what: str) -> None:
    """Raise a TypeError if `value` is a class where an object is expected."""
    if isinstance(value, type):
        raise TypeError(f"{what}: {value.__name__} is a class; pass an instance: {value.__name__}()")


def check_call(function: Any, arguments: tuple[str, ...], what: str) -> None:
    """Raise a TypeError if `function` cannot be called with these positional arguments or runs only when awaited.

    The functions of C that do not tell their parameters pass.
    """
    call = f"{what} is called as {getattr(function, '__name__', 'it')}({', '.join(arguments)})"
    if any(kind(function) for kind in (inspect.iscoroutinefunction, inspect.isasyncgenfunction,
                                       inspect.isgeneratorfunction)):
        raise TypeError(f"{call} and must be an ordinary function, not a generator or an async function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise TypeError(f"{call}, but its parameters are {signature}: {error}") from None


def callbacks(given: Any, base: type, further: tuple[type, ...] = ()) -> tuple[Any, ...]:
    """Return a tuple of callbacks; None stands for none.

    Parameters
    ----------
    given : sequence, iterable or None
        Functions of two arguments, and instances of `base` or of one of the `further` classes.
    base : type
        The base class of callback objects, in which all `HOOKS` do nothing.
    further : tuple of type

    Raises
    ------
    TypeError
        If they are anything else: a class, no sequence, a function of other arguments.
    """
    if given is None:
        return ()
    refuse_class(given, "callbacks")
    single = callable(given) or isinstance(given, (base, *further))
    if single or isinstance(given, (str, bytes, dict, set, frozenset)) or not np.iterable(given):
        hint = ": put it in a list" if single else ""
        raise TypeError(f"callbacks must be a sequence of callables, got {shown(given)}{hint}")
    result = tuple(given)
    for callback in result:
        refuse_class(callback, "callbacks")
        if isinstance(callback, base):
            _check_hooks(callback, base)
        elif not isinstance(callback, further):
            _check_function(callback)
    return result


def _check_hooks(callback: Any, base: type) -> None:
    """Raise a TypeError if a hook that a callback object overrides does not take the hook's arguments."""
    for name, arguments in HOOKS.items():
        if getattr(type(callback), name) is not getattr(base, name) or name in getattr(callback, "__dict__", ()):
            hook = getattr(callback, name)
            if not callable(hook):
                raise TypeError(f"callbacks: {type(callback).__name__}.{name} must be a method, got {shown(hook)}")
            check_call(hook, arguments, f"callbacks: a method of {type(callback).__name__}")


def _check_function(callback: Any) -> None:
    """Raise a TypeError if `callback` is no function of a network or estimator and a record."""
    if not callable(callback):
        hint = ""
        if hasattr(callback, "on_fit_task_end"):
            hint = ": scikit-learn's own callbacks are set by set_callbacks"
        elif hasattr(callback, "on_epoch_end"):
            hint = ": derive its class from fastnn.callbacks.Callback"
        raise TypeError("callbacks: a callback must be callable as callback(network, record), got "
                        f"{shown(callback)}{hint}")
    check_call(callback, ("network", "record"), "callbacks: a callback")
