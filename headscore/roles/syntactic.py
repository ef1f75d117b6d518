"""Syntactic roles: the word pairs of a dependency relation."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache, partial

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.roles._relations import word_pair_entries
from headscore.roles.role import Pairs, Role

SYNTACTIC = ("nsubj", "obj", "amod", "advmod")
# Relations of Universal Dependencies 2 (https://universaldependencies.org/u/dep).
UNIVERSAL = tuple(
    (
        "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det "
        "discourse dislocated expl fixed flat goeswith iobj list mark nmod nsubj nummod obj obl "
        "orphan parataxis punct reparandum root vocative xcomp"
    ).split()
)
DIRECTIONS = ("dep2head", "head2dep", "both")
_ALSO = {"obj": ("dobj",)}  # names before Universal Dependencies 2, which spaCy's English uses
EXACT = "relation:"  # before a name: it is taken as it is written, whatever is in it
# A plain name has letters and digits of any script, or -, with subtypes (nsubj:pass, nsubj:*,
# A0, --, 1-компл) and features of SUD (subj@pass, comp:obj@agent).
_PART = r"[\w\-]+"
_PLAIN = re.compile(rf"{_PART}(?::{_PART})*(?::\*)?(?:@{_PART})*")
# Commas separate roles and blanks are stripped: names of roles have %2C and %20 in their place.
_WRITTEN = re.compile(r"[\s,]")
_ESCAPED = re.compile("%(2C|20|09)", re.IGNORECASE)


def relation(spec: str) -> Role | None:
    """Make the role of a relation; None where the spec is not the name of one.

    Parameters
    ----------
    spec
        ``relation:NAME`` or a plain ``NAME``, either with ``@DIRECTION`` behind it.
    """
    name, direction = split_direction(spec)
    exact = name.startswith(EXACT)
    if exact:
        name = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name.removeprefix(EXACT))
    elif _PLAIN.fullmatch(name) is None or _is_wrong(name):
        return None
    if name in ("", "relation"):
        return None
    written = _WRITTEN.sub(lambda match: f"%{ord(match[0]):02X}", spec)
    sieve = partial(related, names=_names(name, exact), direction=direction)
    one_text = direction != DIRECTIONS[0]  # heads are no queries where they are in a source
    return Role(written, sieve, relation=name, one_text=one_text)


def split_direction(spec: str) -> tuple[str, str]:
    """Return the relation and the direction of a spec such as ``nsubj@head2dep``."""
    # What is behind the last @ is the direction only where it is one: subj@pass is a relation.
    name, _, direction = spec.rpartition("@")
    return (name, direction) if name and direction in DIRECTIONS else (spec, DIRECTIONS[0])


def _is_wrong(name: str) -> bool:
    """Return whether a plain name ends in a misspelled direction, or is a part of a union."""
    _, at, last = name.rpartition("@")
    near = difflib.get_close_matches(last.lower(), DIRECTIONS, n=1, cutoff=0.53) if at else []
    # "syntactic" is the union of four relations and has no subtypes.
    return bool(near) or re.split("[:@]", name)[0] == "syntactic" != name


def matches_role(role: Role, relation: str) -> bool:
    """Return whether a relation of the parse belongs to a role."""
    if role.relation is None:
        return False
    return _matches(relation, _names(role.relation, role.name.startswith(EXACT)))


def _names(name: str, exact: bool) -> tuple[str, ...]:
    """Return the names of the relations that a name stands for."""
    if exact:
        return (name,)
    together = SYNTACTIC if name == "syntactic" else (name,)
    return tuple(name for each in together for name in _with_older_names(each))


def _with_older_names(relation: str) -> list[str]:
    # A subtype (obj:x) has no older name; a wildcard (obj:*) stands for dobj:* too.
    base, colon, detail = relation.partition(":")
    older = _ALSO.get(base, ()) if detail in ("", "*") else ()
    return [relation, *(f"{name}{colon}{detail}" for name in older)]


def related(batch: Encoded, *, names: tuple[str, ...], direction: str = DIRECTIONS[0]) -> Pairs:
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
    return any(relation == name or _is_below(relation, name) for name in names)


def _is_below(relation: str, name: str) -> bool:
    """Return whether a name such as ``nsubj:*`` takes a relation along."""
    stem, wildcard, _ = name.rpartition(":*")
    return bool(wildcard) and (relation == stem or relation.startswith((f"{stem}:", f"{stem}@")))
