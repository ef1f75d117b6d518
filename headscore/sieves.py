"""Roles: which key tokens each query token of an Encoded batch looks at.

A role is a name and a function Encoded -> sieve, where a sieve is either `Labels` (look at the
keys that carry your label), `Pairs` (listed entries) or a boolean mask. A new role is one
function and one line in `_BUILT_IN` or `_WITH_NUMBER`; nothing else knows any role.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from headscore.encoded import Array, Encoded, ragged_take
from headscore.errors import InputError, UsageError

EVERYWHERE = (-(2**30), 2**30)


@dataclass(frozen=True)
class Labels:
    """Query i looks at the keys with the same label; -1 matches nothing.

    Attributes
    ----------
    query, key
        integers (sequence, T).
    """

    query: Array
    key: Array


@dataclass(frozen=True)
class Pairs:
    """Listed entries: in its group, query i looks at key j.

    The score of a group is the mean over its queries of the mean over their keys; the score of
    the sequence is the mean over its groups.

    Attributes
    ----------
    sequence, group, query, key
        int64 (entry,); groups are numbered within their sequence.
    """

    sequence: Array
    group: Array
    query: Array
    key: Array

    @classmethod
    def from_lists(cls, pairs: Many[Many[tuple[Iterable[int], Iterable[int]]]]) -> Pairs:
        """Make them from lists: for each sequence, groups of (query positions, key positions)."""
        rows = [
            (s, g, i, j)
            for s, groups in enumerate(pairs)
            for g, (queries, keys) in enumerate(groups)
            for i in queries
            for j in keys
        ]
        return cls(*np.array(rows, np.int64).reshape(-1, 4).T)


Sieve: TypeAlias = Labels | Pairs | Array


@dataclass(frozen=True)
class Role:
    """A named function that a head may have.

    Attributes
    ----------
    name
        How tables call it.
    sieve
        Encoded batch -> `Labels`, `Pairs`, or a bool mask (sequence, T, T).
    band
        For `Labels`: only keys with ``lo <= j - i <= hi``.
    times_entropy
        Multiply each token score by the Shannon entropy of its row, in nats.
    relation
        The dependency relation it stands for, if any.
    lacking
        Encoded corpus -> why no sequence of it has a sieve, or None.
    from_set
        It came with a set such as "paper": where it cannot apply it is reported, not refused.

    Examples
    --------
    >>> import numpy as np, headscore as hs
    >>> def commas(batch):
    ...     ids = batch.grid(batch.input_ids, fill=-1)
    ...     key = np.where(ids == 1010, 0, -1)
    ...     return hs.Labels(np.zeros_like(key), key)
    >>> role = hs.Role("commas", commas)
    """

    name: str
    sieve: Callable[[Encoded], Sieve]
    band: tuple[int, int] = EVERYWHERE
    times_entropy: bool = False
    relation: str | None = None
    lacking: Callable[[Encoded], str | None] | None = None
    from_set: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UsageError(f"the name of a role must be a text, got {self.name!r}")
        low, high = EVERYWHERE
        whole = isinstance(self.band, tuple) and [type(each) for each in self.band] == [int, int]
        if not whole or not all(low <= each <= high for each in self.band):
            raise UsageError(
                f"the band of role {self.name!r} must be two integers within {EVERYWHERE}, "
                f"got {self.band!r}"
            )


def _to_everyone(key: Array) -> Labels:
    return Labels(np.zeros_like(key), key)


def _all_keys(batch: Encoded) -> Labels:
    return _to_everyone(np.zeros((len(batch), batch.tokens), np.int32))


def _special(batch: Encoded) -> Array:
    return batch.grid(batch.special, fill=0)


def _first_special(batch: Encoded) -> Array:
    special = _special(batch)
    return np.asarray(special & (special.cumsum(1) == 1))


def _delimiter(batch: Encoded) -> Labels:
    return _to_everyone(np.where(_special(batch), 0, -1))


def _delimiter_cls(batch: Encoded) -> Labels:
    return _to_everyone(np.where(_first_special(batch), 0, -1))


def _delimiter_sep(batch: Encoded) -> Labels:
    return _to_everyone(np.where(_special(batch) & ~_first_special(batch), 0, -1))


def _sink(batch: Encoded) -> Labels:
    key = np.full((len(batch), batch.tokens), -1)
    key[:, :1] = 0
    return _to_everyone(key)


def _block(batch: Encoded) -> Labels:
    """Pairs only. Special tokens before the first text go with it, later ones with the second."""
    text = batch.real & ~_special(batch)
    segment = batch.grid(batch.segments, fill=-1)
    key = np.where(text, segment, -1)
    before = text.cumsum(1) == 0
    query = np.where(text, segment, np.where(before, 0, 1))
    is_pair = (key == 0).any(1, keepdims=True) & (key == 1).any(1, keepdims=True)
    return Labels(np.where(is_pair & batch.real, query, -1), np.where(is_pair, key, -1))


def _no_special(encoded: Encoded) -> str | None:
    if encoded.special.any():
        return None
    return "the tokenizer adds no special tokens (sink is the role of the first token)"


def _no_separator(encoded: Encoded) -> str | None:
    seen = np.concatenate([[0], encoded.special.cumsum()])[encoded.offsets]
    if (np.diff(seen) > 1).any():
        return None
    return _no_special(encoded) or "the tokenizer adds no special token but the first"


def _no_pair(encoded: Encoded) -> str | None:
    if (encoded.segments[~encoded.special] == 1).any():
        return None
    return "the corpus has no pair of texts (pairs consecutive makes them of sentences)"


def _relations(batch: Encoded, *, names: tuple[str, ...], direction: str) -> Pairs:
    wanted = [n for n, name in enumerate(batch.relation_names) if _matches(name, names)]
    pairs = batch.pairs
    chosen = np.flatnonzero(np.isin(pairs.relation, wanted))
    sequence = np.repeat(np.arange(len(batch)), np.diff(pairs.offsets))[chosen]
    one_way = _cross(
        chosen, pairs.dependent_offsets, pairs.dependents, pairs.head_offsets, pairs.heads
    )
    other = _cross(
        chosen, pairs.head_offsets, pairs.heads, pairs.dependent_offsets, pairs.dependents
    )
    parts = {"dep2head": [one_way], "head2dep": [other], "both": [one_way, other]}[direction]
    owner = np.concatenate([part[0] for part in parts])
    group = np.concatenate([part[0] + n * len(chosen) for n, part in enumerate(parts)])
    query = np.concatenate([part[1] for part in parts])
    key = np.concatenate([part[2] for part in parts])
    return Pairs(sequence[owner], group, query, key)


def _cross(
    chosen: Array, row_offsets: Array, rows: Array, column_offsets: Array, columns: Array
) -> tuple[Array, Array, Array]:
    """Every (row piece, column piece) of the chosen pairs, and which of them it belongs to."""
    offsets, at = ragged_take(row_offsets, chosen)
    owner = np.repeat(np.arange(len(chosen)), np.diff(offsets))
    offsets, column_at = ragged_take(column_offsets, chosen[owner])
    width = np.diff(offsets)
    return np.repeat(owner, width), np.repeat(rows[at], width), columns[column_at]


def _matches(relation: str, names: tuple[str, ...]) -> bool:
    return any(
        relation == name or (name.endswith(":*") and relation.split(":")[0] == name[:-2])
        for name in names
    )


_BUILT_IN: dict[str, Role] = {
    role.name: role
    for role in (
        Role("delimiter", _delimiter, lacking=_no_special),
        Role("delimiter_cls", _delimiter_cls, lacking=_no_special),
        Role("delimiter_sep", _delimiter_sep, lacking=_no_separator),
        Role("block", _block, times_entropy=True, lacking=_no_pair),
        Role("block_plain", _block, lacking=_no_pair),
        Role("sink", _sink),
    )
}
_WITH_NUMBER: dict[str, Callable[[str, int], Role]] = {
    "local": lambda name, width: Role(name, _all_keys, band=(-_natural(name, width), width)),
    "offset": lambda name, k: Role(name, _all_keys, band=(k, k)),
}
_DEFAULT_NUMBER = {"local": 2}
_SYNTACTIC = ("nsubj", "obj", "amod", "advmod")
_ALSO = {"obj": ("dobj",)}  # older names of a relation
_SETS: dict[str, tuple[str, ...]] = {
    "paper": (
        "local",
        "syntactic",
        *_SYNTACTIC,
        "block",
        "delimiter",
        "delimiter_cls",
        "delimiter_sep",
    )
}
_DIRECTIONS = ("dep2head", "head2dep", "both")
_SPEC = re.compile(r"([A-Za-z_]+)(?::([A-Za-z_*]+|[+-]?\d+))?(?:@(\w+))?")


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


def _roles_of(item: str | Role) -> list[Role]:
    if isinstance(item, Role):
        return [item]
    if not isinstance(item, str):
        raise UsageError(f"a role must be a text or a Role, got {type(item).__name__}")
    spec = item.strip()
    if spec in _SETS:
        return [replace(_one_role(name), from_set=True) for name in _SETS[spec]]
    return [_one_role(spec)]


def _one_role(spec: str) -> Role:
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise UsageError(f"a role must be one of {_allowed()}, got {spec!r}")
    base, detail, direction = match.groups()
    if base in _WITH_NUMBER:
        return _numbered(spec, base, detail, direction)
    if spec in _BUILT_IN:
        return _BUILT_IN[spec]
    if (
        base in (*_BUILT_IN, *_SETS)
        or spec.startswith("syntactic:")
        or (direction or "dep2head") not in _DIRECTIONS
    ):
        raise UsageError(f"a role must be one of {_allowed()}, got {spec!r}")
    relation = base if detail is None else f"{base}:{detail}"
    together = _SYNTACTIC if relation == "syntactic" else (relation,)
    names = tuple(name for each in together for name in _with_older_names(each))
    sieve = partial(_relations, names=names, direction=direction or "dep2head")
    return Role(spec, sieve, relation=relation)


def _with_older_names(relation: str) -> list[str]:
    base, colon, detail = relation.partition(":")
    older = _ALSO.get(base, ()) if detail in ("", "*") else ()
    return [relation, *(f"{name}{colon}{detail}" for name in older)]


def _numbered(spec: str, base: str, detail: str | None, direction: str | None) -> Role:
    number = _DEFAULT_NUMBER.get(base) if detail is None else _integer(detail)
    if number is None or direction is not None:
        raise UsageError(f"{base} must come as {base}:NUMBER, got {spec!r}")
    return _WITH_NUMBER[base](spec, number)


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text) else None


def _natural(name: str, number: int) -> int:
    if number < 0:
        raise UsageError(f"the width of a local role must be 0 or more, got {name!r}")
    return number


def _allowed() -> str:
    return (
        f"{', '.join(_SETS)}, local[:WIDTH], offset:K, {', '.join(_BUILT_IN)}, syntactic, or a "
        f"dependency relation such as nsubj or nsubj:*, with @{' or @'.join(_DIRECTIONS[1:])}"
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


def absent(roles: Iterable[Role], encoded: Encoded) -> dict[str, str]:
    """Return why no sequence can take part in a role, by its name; no entry where some can."""
    roles = tuple(roles)
    relations = [role for role in roles if role.relation is not None]
    if relations and not encoded.parsed:
        sentences = {role.name: _unparsed(relations) for role in relations}
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
        known = ", ".join([*_SETS, *_WITH_NUMBER, *_BUILT_IN])
        raise InputError(f"{sentences[named[0].name]}; roles that need no parse are {known}")
    if len(sentences) == len(roles):
        raise InputError(f"none of the roles occurs in the corpus: {sentences[roles[0].name]}")
    shown = [sentences[r.name] for r in roles if r.name in sentences and _worth_saying(r)]
    return list(dict.fromkeys(shown))


def _worth_saying(role: Role) -> bool:
    return not role.from_set or role.relation is not None


def _absent(role: Role, encoded: Encoded) -> str | None:
    sieve = role.sieve(encoded)
    if not isinstance(sieve, Pairs) or len(sieve.query):
        return None
    present = {encoded.relation_names[n] for n in np.unique(encoded.pairs.relation)}
    return f"no pair of relation {role.relation!r} in the corpus{_nearest(role.relation, present)}"


def _unparsed(relations: list[Role]) -> str:
    names = ", ".join(role.name for role in relations)
    return (
        f"the text is not parsed, so {names} {'has' if len(relations) == 1 else 'have'} no sieve: "
        "give a spaCy pipeline as parser, or a parsed corpus (.conllu)"
    )


def _nearest(relation: str | None, present: set[str]) -> str:
    close = difflib.get_close_matches(relation or "", sorted(present), n=3, cutoff=0.5)
    return f"; near to it: {', '.join(close)}" if close else ""
