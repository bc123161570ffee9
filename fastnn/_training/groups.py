"""The groups of parameters that a fit trains, each with its learning rate and weight decay."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from fastnn._data import checks
from fastnn._model.parameters import GroupRange, ParameterLayout
from fastnn.optimizers import Group, Optimizer

__all__ = ["TrainedGroups", "check_groups"]


def check_groups(groups: Any, optimizer: Optimizer, layout: ParameterLayout) -> dict[str, Group]:
    """Return the argument `groups` of `Network.fit` as a dict; empty for None.

    Raises
    ------
    ValueError, TypeError
        If a group is unknown, has another number of layers or no weight decay by this optimiser.
    """
    if groups is None:
        return {}
    if not isinstance(groups, Mapping):
        raise TypeError(f"groups must be a dict of fastnn.optimizers.Group, got {checks.shown(groups)}")
    layers: dict[str, list[int | None]] = {}
    for one in layout.groups():
        layers.setdefault(one.name, []).append(one.layer)
    for name, group in groups.items():
        if name not in layers:
            raise ValueError(f"groups: this network has no group {checks.shown(name)}; it has {', '.join(layers)}")
        if not isinstance(group, Group):
            raise TypeError(f"groups[{name!r}] must be a fastnn.optimizers.Group, got {checks.shown(group)}")
        for factor in ("learning_rate", "weight_decay"):
            _check_length(getattr(group, factor), layers[name], f"groups[{name!r}]", factor)
        if _decays(group) and not hasattr(optimizer, "weight_decay"):
            raise ValueError(f"groups[{name!r}] has weight_decay={group.weight_decay}, but {optimizer!r} has no weight "
                             "decay: use AdamW")
    return dict(groups)


def _check_length(factor: Any, layers: list[int | None], group: str, name: str) -> None:
    """Raise if a sequence of factors does not have one for each layer of the group."""
    if not isinstance(factor, tuple):
        return
    if layers == [None] or None in layers:
        raise ValueError(f"{group} belongs to no layers: its {name} must be a number, got {factor}")
    if len(factor) != len(layers):
        raise ValueError(f"{group} needs {len(layers)} factors of the {name}, one for each layer, or a number; got "
                         f"{len(factor)}: {factor}")


def _decays(group: Group) -> bool:
    """Return whether a group asks for weight decay."""
    factors = group.weight_decay if isinstance(group.weight_decay, tuple) else (group.weight_decay,)
    return any(factors)


class TrainedGroups(NamedTuple):
    """The parameters that are trained.

    Attributes
    ----------
    rows : tuple of (start, stop, rate, decay) or None
        Ranges of the arena and their factors, as `TrainingPlan` takes them; None for its default.
    frozen : tuple of int
        Indices from 0 of the layers whose W is not trained.
    """

    rows: tuple[tuple[int, int, float, float], ...] | None = None
    frozen: tuple[int, ...] = ()

    @classmethod
    def of(cls, layout: ParameterLayout, groups: Mapping[str, Group], frozen: tuple[int, ...] = ()) -> Self:
        """Return the groups of checked factors, without the layers of these indices from 0.

        Raises
        ------
        ValueError
            If no parameter is left.
        """
        if not groups:
            return cls(None, frozen)
        rows, kept = [], set()
        seen: dict[str, int] = {}
        for one in layout.groups():
            group, place = groups.get(one.name, PLAIN), seen.get(one.name, 0)
            seen[one.name] = place + 1
            rate = _factor(group.learning_rate, place)
            is_frozen = one.layer is not None and one.layer - 1 in frozen
            if rate > 0 and not is_frozen:
                rows.append((one.start, one.stop, rate, _decay(group, one, place)))
            elif one.name == "W" and one.layer is not None:
                kept.add(one.layer - 1)
        if not rows:
            raise ValueError("groups and frozen_layers leave nothing to train: a learning_rate of 0 freezes a group")
        return cls(tuple(rows), tuple(sorted(kept)))


PLAIN = Group()


def _factor(factors: Any, place: int) -> float:
    """Return the factor of the part at this place of its group."""
    return float(factors[place] if isinstance(factors, tuple) else factors)


def _decay(group: Group, part: GroupRange, place: int) -> float:
    """Return the factor of weight decay of a part of a group."""
    if group.weight_decay is None:
        return 1.0 if part.name == "W" else 0.0
    return _factor(group.weight_decay, place)
