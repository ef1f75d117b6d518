"""Read which heads of a model are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

from headscore.errors import InputError, UsageError

if TYPE_CHECKING:
    from headscore.model.route import Route

Heads: TypeAlias = tuple[tuple[int, int], ...]  # (layer, head) of each
HeadsByLayer: TypeAlias = Mapping[int, tuple[int, ...]]

_PAIRS = "heads must be (layer, head) pairs of integers, or a table with the columns layer and head"


def heads_by_layer(heads: Any, route: Route) -> dict[int, tuple[int, ...]]:
    """Return the heads of each layer, in increasing order, each of them once.

    Parameters
    ----------
    heads
        (layer, head) pairs, or a data frame with the columns layer and head; None: all heads.
    route
        How the model's attention is read: which heads there are.

    Raises
    ------
    UsageError
        These are no pairs of integers, or there are none.
    InputError
        The model does not have such a head.
    """
    if heads is None:
        return {n: tuple(range(count)) for n, count in enumerate(route.heads_per_layer) if count}
    pairs = pairs_of(heads)
    if not pairs:
        raise UsageError("heads must name at least one head, got none")
    for layer, head in pairs:
        _check(layer, head, route)
    layers = dict.fromkeys(layer for layer, _ in pairs)
    return {layer: tuple(head for at, head in pairs if at == layer) for layer in layers}


def pairs_of(heads: Any) -> Heads:
    """Return (layer, head) pairs, or those of a data frame, in increasing order, each of them once.

    Raises
    ------
    UsageError
        These are no pairs of integers.
    """
    return tuple(sorted({_pair(each) for each in _rows(heads)}))


def _rows(heads: Any) -> Iterable[Any]:
    """Return the pairs of a data frame, or of an iterable as they are."""
    columns = getattr(heads, "columns", None)
    if columns is not None:
        if not {"layer", "head"} <= set(columns):
            raise UsageError(f"{_PAIRS}, got the columns {', '.join(map(str, columns))}")
        return zip(heads["layer"], heads["head"], strict=True)
    if isinstance(heads, str) or not isinstance(heads, Iterable):
        raise UsageError(f"{_PAIRS}, got {heads!r}")
    return heads


def _pair(value: Any) -> tuple[int, int]:
    try:
        layer, head = value
        return index(layer), index(head)
    except (TypeError, ValueError):
        raise UsageError(f"{_PAIRS}, got {value!r}") from None


def _check(layer: int, head: int, route: Route) -> None:
    """Check that a model has a head."""
    if not 0 <= layer < route.depth:
        raise InputError(f"layers of heads must lie in 0..{route.depth - 1}, got {(layer, head)}")
    count = route.heads_per_layer[layer]
    if not count:
        raise InputError(f"heads must be of layers with attention, got {(layer, head)}")
    if not 0 <= head < count:
        raise InputError(f"heads of layer {layer} must lie in 0..{count - 1}, got {(layer, head)}")
