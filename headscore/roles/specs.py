"""Parse role specs into roles."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace

from headscore.errors import UsageError
from headscore.roles.registry import SETS, added, forms, look_up, own_names
from headscore.roles.role import Role
from headscore.roles.syntactic import DIRECTIONS, SYNTACTIC, matches_role, relation


def parse_roles(roles: str | Iterable[str | Role]) -> tuple[Role, ...]:
    """Parse role specs into roles.

    Parameters
    ----------
    roles
        A comma-separated text such as ``"paper"`` or ``"local:2,offset:-1,nsubj@both"``, or an
        iterable of specs and `Role` objects.

    Raises
    ------
    UsageError
        A spec of no known form, no role at all, or the same role twice.
    """
    if not isinstance(roles, Iterable):
        raise UsageError(f"roles must be a text or a list, got {type(roles).__name__}")
    items = roles.split(",") if isinstance(roles, str) else list(roles)
    parsed = [role for item in items for role in _roles_of(item)]
    if not parsed:
        raise UsageError(f"roles must name at least one role ({_allowed()}), got none")
    names = [role.name for role in parsed]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"roles must differ from one another, got {name!r} twice")
    return tuple(parsed)


def asks_for(roles: Iterable[Role], name: str) -> bool:
    """Return whether a relation of the parse belongs to some role."""
    return any(matches_role(role, name) for role in roles)


def _roles_of(item: str | Role) -> list[Role]:
    if isinstance(item, Role):
        return [item]
    if not isinstance(item, str):
        raise UsageError(f"a role must be a text or a Role, got {type(item).__name__}")
    spec = item.strip()
    if spec in SETS:
        return [replace(_one_role(name), from_set=True) for name in SETS[spec]]
    return [_one_role(spec)]


def _one_role(spec: str) -> Role:
    role = look_up(spec)
    if role is not None:
        return role
    base = re.split("[:@]", spec)[0]
    # A name of the registry in a wrong form is an error, not a relation with the same name.
    role = None if base.lower() in (*own_names(), *added()) else relation(spec)
    if role is None:
        meant = nearest(spec.lower(), {*own_names(), *added(), *SYNTACTIC, "syntactic"})
        raise UsageError(f"a role must be one of {_allowed()}, got {spec!r}{meant}")
    return role


def _allowed() -> str:
    return (
        f"{', '.join(forms())}, syntactic, or a dependency relation such as nsubj or nsubj:*, "
        f"with @{' or @'.join(DIRECTIONS[1:])}"
    )


def nearest(relation: str | None, names: set[str]) -> str:
    """Return a hint at the known names closest to an unknown one, "" for none."""
    close = difflib.get_close_matches(relation or "", sorted(names), n=3, cutoff=0.6)
    return f"; near to {relation}: {', '.join(close)}" if close else ""
