"""Parse role specs into roles."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from headscore.errors import UsageError
from headscore.roles.registry import SETS, added, forms, look_up, own_names
from headscore.roles.role import Role
from headscore.roles.syntactic import (
    DIRECTIONS,
    EXACT,
    SYNTACTIC,
    UNIVERSAL,
    matches_role,
    relation,
)


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
    role = relation(spec) if spec.startswith(EXACT) or not _means_another(spec) else None
    if role is None:
        meant = nearest(spec.lower(), {*own_names(), *added(), *SYNTACTIC, "syntactic"})
        raise UsageError(f"a role must be one of {_allowed()}, got {spec!r}{meant}")
    return role


def _means_another(spec: str) -> bool:
    """Return whether a spec is a name of the registry in a wrong form, or nearly one."""
    known = [*own_names(), *added()]
    base = re.split("[:@]", spec)[0].lower()
    # So near (ratio 0.8) are no relations of SUD and Stanford, "cop" of Universal Dependencies to
    # copy, and "EXT" of CoNLL-2009 to next (relation:EXT is read).
    nearly = base not in ("syntactic", *UNIVERSAL) and difflib.get_close_matches(
        base, [*known, "syntactic"], n=1, cutoff=0.8
    )
    return base in known or bool(nearly)


def _allowed() -> str:
    return (
        f"{', '.join(forms())}, syntactic, or a dependency relation such as nsubj or nsubj:*, "
        f"with @{' or @'.join(DIRECTIONS[1:])} (relation:NAME for any other name)"
    )


def nearest(name: str | None, names: set[str], more: Collection[str] = ()) -> str:
    """Return a hint at the known names closest to an unknown one, "" for none.

    Of `more` names those follow that are close too, unless the name is one of them.
    """
    close = closest(name or "", names)
    if name and name.partition(":")[0] not in more:
        close += closest(name, set(more) - names)
    return f"; near to {name}: {', '.join(close)}" if close else ""


def closest(name: str, names: set[str]) -> list[str]:
    """Return up to three names that are close to one, in upper or lower case, the closest first."""
    written: dict[str, list[str]] = {}
    for each in sorted(names):
        written.setdefault(each.lower(), []).append(each)
    close = difflib.get_close_matches(name.lower(), written, n=3, cutoff=0.6)
    return [each for lower in close for each in written[lower]][:3]


def likeness(name: str, other: str) -> float:
    """Return how alike two names are, 0 to 1, in upper or lower case."""
    return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()
