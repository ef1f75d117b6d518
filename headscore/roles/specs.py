"""Role specs: from a text or a list to roles, and which of them a corpus cannot have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from headscore.encoding.encoded import Encoded
from headscore.errors import InputError, UsageError
from headscore.roles.registry import MADE, NAMED, SETS, added, look_up, own_names
from headscore.roles.role import EVERYWHERE, Labels, Pairs, Role, Sieve
from headscore.roles.syntactic import DIRECTIONS, SYNTACTIC, relation, wanted

__all__ = [
    "EVERYWHERE",
    "Labels",
    "Pairs",
    "Role",
    "Sieve",
    "asks_for",
    "missing",
    "parse_roles",
]


def parse_roles(roles: str | Iterable[str | Role]) -> tuple[Role, ...]:
    """Turn role specs into roles.

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
    """Whether some role stands for a relation of the parse."""
    return any(wanted(role, name) for role in roles)


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
    role = None if base.lower() in (*own_names(), *added()) else relation(spec)
    if role is None:
        meant = _nearest(spec.lower(), {*own_names(), *added(), *SYNTACTIC, "syntactic"})
        raise UsageError(f"a role must be one of {_allowed()}, got {spec!r}{meant}")
    return role


def _allowed() -> str:
    forms = ", ".join([*SETS, *(form for form, _ in MADE.values()), *NAMED, *added()])
    return (
        f"{forms}, syntactic, or a dependency relation such as nsubj or nsubj:*, "
        f"with @{' or @'.join(DIRECTIONS[1:])}"
    )


def missing(roles: Iterable[Role], encoded: Encoded) -> list[str]:
    """Say which roles no sequence of the corpus can take part in, a sentence each.

    Roles that came with a set, such as block with "paper", need no sentence: the report shows
    their status. A set without a parse gets one.

    Raises
    ------
    InputError
        A relation was asked for by name and nothing is parsed, or none of the roles occurs.
    """
    roles = tuple(roles)
    return say_absent(roles, absent(roles, encoded), parsed=encoded.parsed)


def check_parsed(roles: Iterable[Role], encoded: Encoded) -> None:
    """Check that a relation asked for by name can be looked for; raises InputError as `missing`."""
    relations = [role for role in roles if role.relation is not None]
    if not encoded.parsed and not all(role.from_set for role in relations):
        raise _nothing_parsed(relations, _unparsed(relations, encoded.wordless))


def absent(roles: Iterable[Role], encoded: Encoded) -> dict[str, str]:
    """Return why no sequence can take part in a role, by its name; no entry where some can."""
    roles = tuple(roles)
    relations = [role for role in roles if role.relation is not None]
    if relations and not encoded.parsed:
        sentence = _unparsed(relations, encoded.wordless)
        sentences = {role.name: sentence for role in relations}
    else:
        sentences = {role.name: found for role in relations if (found := _absent(role, encoded))}
    for role in roles:
        if role.lacking is not None and (found := role.lacking(encoded)):
            sentences[role.name] = f"{role.name} has no sieve: {found}"
    return sentences


def say_absent(roles: Iterable[Role], sentences: Mapping[str, str], *, parsed: bool) -> list[str]:
    """Return what is worth saying of the roles that `absent` names; raises as `missing`."""
    roles = tuple(roles)
    named = [role for role in roles if role.relation is not None and not role.from_set]
    if named and not parsed:
        raise _nothing_parsed(named, sentences[named[0].name])
    if len(sentences) == len(roles):
        raise InputError(f"none of the roles occurs in the corpus: {sentences[roles[0].name]}")
    shown = [sentences[r.name] for r in roles if r.name in sentences and _worth_saying(r)]
    return list(dict.fromkeys(shown))


def _nothing_parsed(relations: list[Role], sentence: str) -> InputError:
    known = (*own_names(), *added())
    named = [role for role in relations if not role.from_set]
    meant = "".join(_nearest(role.relation, set(known)) for role in named)
    return InputError(f"{sentence}; roles that need no parse are {', '.join(known)}{meant}")


def _worth_saying(role: Role) -> bool:
    return not role.from_set or role.relation is not None


def _absent(role: Role, encoded: Encoded) -> str | None:
    sieve = role.sieve(encoded)
    if not isinstance(sieve, Pairs) or len(sieve.query):
        return None
    present = {encoded.relation_names[n] for n in np.unique(encoded.pairs.relation)}
    near = _nearest(role.relation, {*present, *own_names(), *added()})
    return f"no pair of relation {role.relation!r} in the corpus{near}"


def _unparsed(relations: list[Role], wordless: str | None) -> str:
    names = ", ".join(role.name for role in relations)
    why, what = "the text is not parsed", "a spaCy pipeline as parser, or a parsed corpus (.conllu)"
    if wordless is not None:
        why = f"{wordless} does not tell which token came from where"
        what = "a fast tokenizer (AutoTokenizer, or a converted one)"
    have = "has" if len(relations) == 1 else "have"
    return f"{why}, so {names} {have} no sieve: give {what}"


def _nearest(relation: str | None, names: set[str]) -> str:
    close = difflib.get_close_matches(relation or "", sorted(names), n=3, cutoff=0.6)
    return f"; near to {relation}: {', '.join(close)}" if close else ""
