"""Choose sequences and roles of scores by what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from headscore.arrays import Bools, Ints
from headscore.errors import InputError, UsageError, unknown_name
from headscore.roles.specs import closest, parse_roles

# True or False for each sequence, or what returns that for its id.
Where: TypeAlias = Callable[[str], bool] | Iterable[bool]


def chosen_sequences(
    ids: Sequence[str], documents: Sequence[str | None] | None, asked: Mapping[str, Any]
) -> Bools:
    """Return which sequences are chosen by all of some conditions, bool (sequence,).

    Parameters
    ----------
    ids, documents
        Those of the scores.
    asked
        The conditions `where`, `ids` and `documents` of `HeadScores.select`; None: no condition.

    Raises
    ------
    UsageError
        A condition has a wrong form, or names what the scores do not have.
    InputError
        The documents are unknown, or no sequence is chosen.
    """
    conditions = {name: value for name, value in asked.items() if value is not None}
    chosen = np.ones(len(ids), np.bool_)
    if "where" in conditions:
        chosen &= _where(conditions["where"], ids)
    if "ids" in conditions:
        chosen &= _among("ids", conditions["ids"], ids)
    if "documents" in conditions:
        if documents is None:
            raise InputError("documents can be chosen from scores with documents only, got none")
        chosen &= _among("documents", conditions["documents"], documents)
    if not chosen.any():
        raise InputError(f"{' and '.join(conditions)} must choose at least one sequence, got none")
    return chosen


def chosen_roles(
    roles: Sequence[str], asked: Any, of: str = "the scores"
) -> tuple[Ints, tuple[str, ...]]:
    """Return numbers, int64 (role,), and new names of the roles asked for, in the order asked.

    Parameters
    ----------
    roles
        Those of the scores.
    asked
        As in `HeadScores.select`; None: all.
    of
        What has these roles, for messages.

    Raises
    ------
    UsageError
        There is no such role, or one is named twice.
    """
    if asked is None:
        return np.arange(len(roles)), tuple(roles)
    if isinstance(asked, Mapping):
        for name in asked:
            if not isinstance(name, str) or not name:
                raise UsageError(f"names of roles must be texts that are not empty, got {name!r}")
        numbers, _ = chosen_roles(roles, asked.values(), of)
        return numbers, tuple(asked)
    # A name of the scores as it is first: roles of your own numbers may have any name.
    texts = asked if asked in roles or not isinstance(asked, str) else asked.split(",")
    items = [texts] if isinstance(texts, str) or not isinstance(texts, Iterable) else list(texts)
    names = [name for item in items for name in _names(item, roles)]
    for name in names:
        if name not in roles:
            raise UsageError(unknown_name(f"roles must be of {of}", name, roles))
        if names.count(name) > 1:
            raise UsageError(f"roles must differ from one another, got {name!r} twice")
    if not names:
        raise UsageError("roles must name at least one role, got none")
    return np.array([list(roles).index(name) for name in names], np.int64), tuple(names)


def _names(item: Any, roles: Sequence[str]) -> list[str]:
    if isinstance(item, str) and item in roles:
        return [item]
    return [role.name for role in parse_roles([item])]


def _where(where: Any, ids: Sequence[str]) -> Bools:
    rule = (
        f"where must be True or False for each of {len(ids)} sequences, or a function that "
        "returns it for an id, got"
    )
    values = [where(each) for each in ids] if callable(where) else where
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise UsageError(f"{rule} {values!r:.60}")
    listed = list(values)
    if len(listed) != len(ids):
        raise UsageError(f"{rule} {len(listed)} values")
    for each, value in zip(ids, listed, strict=True):
        if not isinstance(value, bool | np.bool_):
            raise UsageError(f"{rule} {value!r:.60} for {each!r}")
    return np.array(listed, np.bool_)


def _among(what: str, asked: Any, known: Sequence[str | None]) -> Bools:
    """Return which sequences have one of some names."""
    if not isinstance(asked, Iterable):
        raise UsageError(f"{what} must be a list of texts, got {asked!r:.60}")
    names = [asked] if isinstance(asked, str) else list(asked)
    texts = {each for each in known if each is not None}
    for name in names:
        if not isinstance(name, str) or name not in texts:
            near = closest(str(name), texts)
            hint = ", ".join(map(repr, near or sorted(texts)[:3]))
            raise UsageError(
                f"{what} must be of the scores, got {name!r:.60}; "
                f"{'nearest' if near else 'they are such as'}: {hint}"
            )
    chosen = set(names)
    return np.array([each in chosen for each in known], np.bool_)
