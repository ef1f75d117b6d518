"""Checks of values that several families of options share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeGuard


def are_names(value: object) -> TypeGuard[Sequence[str]]:
    """Return whether a value is a list or tuple of texts that are not empty."""
    return isinstance(value, list | tuple) and all(isinstance(each, str) and each for each in value)


def is_among_or_ids(words: tuple[str, ...]) -> Callable[[object], bool]:
    """Return a check for one of some words, ids of sequences, or None."""
    # A text is one of the words, not a list of the ids of its letters.
    return lambda value: (
        value in words if isinstance(value, str) else value is None or isinstance(value, Iterable)
    )
