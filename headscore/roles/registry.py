"""The registry of named roles, with those of other packages.

A package adds a role under the entry point group ``headscore.roles``::

    [project.entry-points."headscore.roles"]
    coreference = "my_package.roles:coreference"

The name is that used in specs. The object is a `Role`, or a function ``(spec, detail) -> Role``
that is called with the whole spec and with what follows its colon (None without a colon).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from headscore.errors import UsageError, one_line
from headscore.roles.gold import GOLD_ROLES
from headscore.roles.grid import grid
from headscore.roles.positional import PLACES, diagonal, local, offset, recent
from headscore.roles.repeats import REPEATS
from headscore.roles.role import Role
from headscore.roles.special_tokens import SPECIAL
from headscore.roles.syntactic import SYNTACTIC
from headscore.roles.token_labels import LABELLED, labelled

GROUP = "headscore.roles"
SETS: dict[str, tuple[str, ...]] = {
    "paper": (
        "local",
        "syntactic",
        *SYNTACTIC,
        "block",
        "delimiter",
        "delimiter_cls",
        "delimiter_sep",
    ),
    "decoder": ("local", "sink", "previous", "duplicate", "induction", "punctuation"),
}
Maker = Callable[[str, str | None], Role]


def _numbered(spec: str, detail: str | None, *, make: Any, default: int | None) -> Role:
    number = default if detail is None else _integer(detail)
    if number is None:
        raise UsageError(f"{spec.partition(':')[0]} must come as {_form(spec)}, got {spec!r}")
    role: Role = make(spec, number)
    return role


def _form(spec: str) -> str:
    return f"{spec.partition(':')[0]}:NUMBER"


def _integer(text: str) -> int | None:
    # At most 9 digits: within the band of `Role`, which ends at 2**30.
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text) else None


def _of_column(spec: str, detail: str | None) -> Role:
    column, equals, value = (detail or "").partition("=")
    return labelled(spec, column, value if equals else None)


_ALIASES = {  # names of TransformerLens
    "previous_token_head": "previous",
    "duplicate_token_head": "duplicate",
    "induction_head": "induction",
}
_PLAIN = {role.name: role for role in (*SPECIAL, *PLACES, *REPEATS, *GOLD_ROLES)}
NAMED: dict[str, Role] = {
    **_PLAIN,
    **{alias: replace(_PLAIN[name], name=alias) for alias, name in _ALIASES.items()},
    **{role.name: role for role in LABELLED},
}
MADE: dict[str, tuple[str, Maker]] = {  # name -> how it is written, and what makes it
    "local": ("local[:WIDTH]", partial(_numbered, make=local, default=2)),
    "offset": ("offset:K", partial(_numbered, make=offset, default=None)),
    "label": ("label:COLUMN[=VALUE]", _of_column),
    "grid": ("grid:WIDTH", partial(_numbered, make=grid, default=None)),
    "diagonal": ("diagonal[:WIDTH]", partial(_numbered, make=diagonal, default=2)),
    "recent": ("recent:WIDTH", partial(_numbered, make=recent, default=None)),
}


@cache
def added() -> dict[str, EntryPoint]:
    """Return the roles of other packages by name, except for names of this package."""
    # Cached: reading the metadata of all installed packages takes a while.
    found = {point.name: point for point in entry_points(group=GROUP)}
    return {name: point for name, point in found.items() if name not in own_names()}


def own_names() -> tuple[str, ...]:
    """Return this package's names except relations: sets, made and named roles."""
    return (*SETS, *MADE, *NAMED)


def forms() -> tuple[str, ...]:
    """Return how each role or set is written that needs no parse, also those of packages."""
    return (*SETS, *(form for form, _ in MADE.values()), *NAMED, *added())


def look_up(spec: str) -> Role | None:
    """Return the role of a spec; None for a name that is not in the registry.

    Raises
    ------
    UsageError
        The name is known but not in this form, or another package's role cannot be made.
    """
    name, colon, rest = spec.partition(":")
    detail = rest if colon else None
    if name in MADE:
        return MADE[name][1](spec, detail)
    if spec in NAMED:
        return NAMED[spec]
    return _from_package(added()[name], spec, detail) if name in added() else None


def _from_package(point: EntryPoint, spec: str, detail: str | None) -> Role:
    try:
        found = point.load()
        role = found if isinstance(found, Role) else found(spec, detail)
    except UsageError:
        raise
    except Exception as error:  # of any kind: another package's code runs
        raise UsageError(
            f"the role {spec!r} of {point.value} cannot be made: {one_line(error)}"
        ) from error
    if not isinstance(role, Role) or role.name != spec:
        got = repr(role.name) if isinstance(role, Role) else type(role).__name__
        raise UsageError(f"{point.value} must give a Role named {spec!r}, got {got}")
    return role
