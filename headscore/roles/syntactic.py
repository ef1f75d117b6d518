"""Syntactic roles: the word pairs of a dependency relation."""

from __future__ import annotations

import re
from functools import lru_cache, partial

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.roles._relations import word_pair_entries
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
    one_text = (direction or "dep2head") != "dep2head"  # heads are no queries where in a source
    return Role(spec, sieve, relation=name, one_text=one_text)


def matches_role(role: Role, relation: str) -> bool:
    """Return whether a relation of the parse belongs to a role."""
    if role.relation is None:
        return False
    together = SYNTACTIC if role.relation == "syntactic" else (role.relation,)
    names = tuple(name for each in together for name in _with_older_names(each))
    return _matches(relation, names)


def _with_older_names(relation: str) -> list[str]:
    # A subtype (obj:x) has no older name; a wildcard (obj:*) stands for dobj:* too.
    base, colon, detail = relation.partition(":")
    older = _ALSO.get(base, ()) if detail in ("", "*") else ()
    return [relation, *(f"{name}{colon}{detail}" for name in older)]


def _related(batch: Encoded, *, names: tuple[str, ...], direction: str) -> Pairs:
    """Return the entries of the word pairs, without those whose query is also the key."""
    # Rows are the pieces of the dependent (dep2head) or of the head word (head2dep). `both` has two
    # groups for each pair, so that each direction counts as a pair of its own.
    forward, backward = direction != "head2dep", direction != "dep2head"
    wanted = _wanted(batch.relation_names, names)
    one_text = batch.source is None
    return Pairs(*word_pair_entries(batch.pairs, wanted, forward, backward, one_text))


@lru_cache(maxsize=256)  # asked again for every batch of a corpus
def _wanted(relations: tuple[str, ...], names: tuple[str, ...]) -> Array:
    return np.array([_matches(relation, names) for relation in relations], np.uint8)


def _matches(relation: str, names: tuple[str, ...]) -> bool:
    return any(
        relation == name or (name.endswith(":*") and relation.split(":")[0] == name[:-2])
        for name in names
    )
