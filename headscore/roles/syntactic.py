"""Syntactic roles: the word pairs of a dependency relation."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from headscore.arrays import Array, ragged_take
from headscore.encoding.encoded import Encoded
from headscore.roles.role import Pairs, Role

SYNTACTIC = ("nsubj", "obj", "amod", "advmod")
DIRECTIONS = ("dep2head", "head2dep", "both")
_ALSO = {"obj": ("dobj",)}  # names before Universal Dependencies 2, which spaCy's English uses
# RELATION[:SUBTYPE or :*][@DIRECTION], such as nsubj, nsubj:pass, nsubj:*, obj@both.
_SPEC = re.compile(r"([A-Za-z_]+)(?::([A-Za-z_*]+))?(?:@(\w+))?")


def relation(spec: str) -> Role | None:
    """Make the role of a relation; None where the spec does not have that form."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    base, detail, direction = match.groups()
    # "syntactic" is the union of four relations and has no subtypes.
    wrong = base == "syntactic" and detail is not None
    if wrong or (direction or "dep2head") not in DIRECTIONS:
        return None
    name = base if detail is None else f"{base}:{detail}"
    together = SYNTACTIC if name == "syntactic" else (name,)
    names = tuple(name for each in together for name in _with_older_names(each))
    sieve = partial(_related, names=names, direction=direction or "dep2head")
    return Role(spec, sieve, relation=name)


def matches_role(role: Role, relation: str) -> bool:
    """Return whether a relation of the parse belongs to a role."""
    if role.relation is None:
        return False
    together = SYNTACTIC if role.relation == "syntactic" else (role.relation,)
    names = tuple(name for each in together for name in _with_older_names(each))
    return _matches(relation, names)


def arcs(batch: Encoded) -> Pairs:
    """Return the entries of all arcs of the parse, of whatever relation, in both directions."""
    return _related(batch, names=batch.relation_names, direction="both")


def _with_older_names(relation: str) -> list[str]:
    # A subtype (obj:x) has no older name; a wildcard (obj:*) stands for dobj:* too.
    base, colon, detail = relation.partition(":")
    older = _ALSO.get(base, ()) if detail in ("", "*") else ()
    return [relation, *(f"{name}{colon}{detail}" for name in older)]


def _related(batch: Encoded, *, names: tuple[str, ...], direction: str) -> Pairs:
    """Return the entries of the word pairs, without those whose query is also the key."""
    # A token may be a piece of both words of a pair, e.g. of "don't" in two words.
    wanted = [n for n, name in enumerate(batch.relation_names) if _matches(name, names)]
    pairs = batch.pairs
    chosen = np.flatnonzero(np.isin(pairs.relation, wanted))
    sequence = np.repeat(np.arange(len(batch)), np.diff(pairs.offsets))[chosen]
    # Rows are the pieces of the dependent (dep2head) or of the head word (head2dep). `both` has two
    # groups for each pair, so that each direction counts as a pair of its own.
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
    apart = query != key
    return Pairs(sequence[owner[apart]], group[apart], query[apart], key[apart])


def _cross(
    chosen: Array, row_offsets: Array, rows: Array, column_offsets: Array, columns: Array
) -> tuple[Array, Array, Array]:
    """Return every (row piece, column piece) of the chosen pairs, and the number of its pair.

    For a pair 0 with rows 4, 5 and columns 7, 8::

        owner of each row      0   0
        columns of each row    7 8 7 8
        result                 (0, 4, 7) (0, 4, 8) (0, 5, 7) (0, 5, 8)
    """
    # Taking the columns of the owner of every row repeats them once for each row.
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
