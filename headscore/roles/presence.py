"""Find the roles that no sequence of a corpus can take part in, and the reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.roles import crossing
from headscore.roles.registry import added, own_names
from headscore.roles.role import Pairs, Role
from headscore.roles.specs import likeness, nearest
from headscore.roles.syntactic import UNIVERSAL, matches_role

_FIRST = 16  # sequences in which a role is looked for first
_LISTED = 30  # relations of a corpus that an error lists
_UNPARSED = ("local", "block", "delimiter", "previous", "next")  # need no parse; for errors


@dataclass
class Presence:
    """Which roles and parses the part of a corpus read so far holds.

    Attributes
    ----------
    absent
        Role name -> reason why no sequence takes part in it; None before the first sequence.
    parsed
        Whether any scored sequence had a parse.
    unparsed
        Whether any text came without a parse, so that a parser was run.
    relations
        The relations that have word pairs.
    """

    absent: dict[str, str] | None = None
    parsed: bool = False
    unparsed: bool = False
    relations: tuple[str, ...] = ()

    @classmethod
    def of(cls, roles: tuple[Role, ...], encoded: Encoded) -> Presence:
        """Return the presence of roles in one chunk."""
        return cls(absent(roles, encoded), encoded.parsed, relations=_relations(encoded))

    def add(self, later: Presence) -> None:
        """Add the next part: a role is absent where it is absent in both."""
        # The intersection of both parts: a role of one sequence in the corpus is not absent.
        if later.absent is not None:
            known = later.absent if self.absent is None else self.absent
            self.absent = {name: known[name] for name in known if name in later.absent}
        self.parsed |= later.parsed
        self.unparsed |= later.unparsed
        self.relations = tuple(sorted({*self.relations, *later.relations}))

    def note_unparsed(self, n_segments: int) -> None:
        """Record the number of segments that came without a parse."""
        self.unparsed |= n_segments > 0

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Presence:
        """Parse the output of `to_json`; raises ValueError or TypeError for anything else."""
        found = cls(**json.loads(text))
        absent = {} if found.absent is None else found.absent
        if not all(isinstance(each, str) for each in (*absent.values(), *found.relations)):
            raise TypeError(f"absent and relations must be texts, got {found}")
        found.relations = tuple(found.relations)
        return found


def missing(roles: Iterable[Role], encoded: Encoded) -> list[str]:
    """Return a sentence for each role that no sequence of the corpus can take part in.

    Roles that came with a set, such as block with "paper", get none: the report shows their
    status. A set whose relations lack a parse gets one.

    Raises
    ------
    InputError
        A relation was named and no sequence has a parse, or none of the roles occurs.
    """
    roles = tuple(roles)
    return absence_warnings(roles, Presence.of(roles, encoded))


def check_parsed(roles: Iterable[Role], encoded: Encoded) -> None:
    """Check that relations named by the caller have a parse; raises InputError as `missing`."""
    relations = [role for role in roles if role.relation is not None]
    if not encoded.parsed and not all(role.from_set for role in relations):
        raise _nothing_parsed(relations, _unparsed(relations, encoded))


def absent(roles: Iterable[Role], encoded: Encoded) -> dict[str, str]:
    """Return role name -> reason, for the roles that no sequence can take part in."""
    roles = _unseen(tuple(roles), encoded)
    # Without a parse all relations share one reason, so that a user gets one sentence for all.
    relations = [role for role in roles if role.relation is not None]
    if relations and not encoded.parsed:
        reason = _unparsed(relations, encoded)
        reasons = {role.name: reason for role in relations}
    else:
        reasons = {role.name: found for role in relations if (found := _absent(role, encoded))}
    for role in roles:
        if role.one_text and encoded.source is not None:
            reasons[role.name] = f"{role.name} has no sieve: {crossing.WHY}"
        elif role.lacking is not None and (found := role.lacking(encoded)):
            reasons[role.name] = f"{role.name} has no sieve: {found}"
    return reasons


def _unseen(roles: tuple[Role, ...], encoded: Encoded) -> tuple[Role, ...]:
    """Return the roles without those that some of the first sequences can take part in."""
    # Most roles occur at once, and to find them in the whole chunk costs as much as to plan it.
    if len(encoded) <= _FIRST:
        return roles
    reasons = absent(roles, encoded.take(np.arange(_FIRST)))
    return tuple(role for role in roles if role.name in reasons)


def absence_warnings(roles: Iterable[Role], presence: Presence) -> list[str]:
    """Return the reasons that are reported to a user; raises as `missing`."""
    roles = tuple(roles)
    reasons = presence.absent or {}
    named = [role for role in roles if role.relation is not None and not role.from_set]
    if named and not presence.parsed:
        raise _nothing_parsed(named, reasons[named[0].name])
    if len(reasons) == len(roles):
        first = next((role for role in roles if not role.from_set), roles[0])
        raise InputError(f"none of the roles occurs in the corpus: {_reason(first, presence)}")
    shown = [
        _reason(role, presence) for role in roles if role.name in reasons and _is_reported(role)
    ]
    return list(dict.fromkeys(shown))  # without repeats, in order


def _reason(role: Role, presence: Presence) -> str:
    """Return the reason why a role is absent, for a relation with those that the corpus has."""
    reason = (presence.absent or {})[role.name]
    if role.relation is None or not presence.parsed:
        return reason
    if any(matches_role(role, each) for each in presence.relations):
        return f"{reason} has its words in two tokens"
    near = nearest(role.relation, {*presence.relations, *own_names(), *added()})
    # A set such as "paper" may lack several relations: the list would come with each of them.
    has = "" if role.from_set else _has(role.relation, presence.relations)
    return f"{reason}{near}{has}"


def unknown_ids(roles: Iterable[Role], ids: Iterable[str] | None) -> list[str]:
    """Return a sentence for each role that was made for sequences which are not among the scored.

    Roles of which none is among them are absent, and get another one.
    """
    made = [role for role in roles if role.ids]
    known = set(ids or ()) if made else set()
    sentences = []
    for role in made:
        unknown = [id_ for id_ in role.ids if id_ not in known]
        if 0 < len(unknown) < len(role.ids):
            sentences.append(
                f"{role.name}: {len(unknown)} of its {len(role.ids)} sequence ids are not among "
                f"the sequences scored, {unknown[0]!r} first"
            )
    return sentences


def _has(relation: str, relations: tuple[str, ...]) -> str:
    """Return the relations of the corpus, the nearest first and all where they are few."""
    order = sorted(relations, key=lambda each: (-likeness(relation, each), each))
    more = f" and {len(order) - _LISTED} more" if len(order) > _LISTED else ""
    return f"; the corpus has {', '.join(order[:_LISTED])}{more}" if order else ""


def _nothing_parsed(relations: list[Role], reason: str) -> InputError:
    known = (*own_names(), *added())
    named = [role for role in relations if not role.from_set]
    meant = "".join(nearest(role.relation, set(known), UNIVERSAL) for role in named)
    return InputError(f"{reason}; {', '.join(_UNPARSED)} and others need no parse{meant}")


def _is_reported(role: Role) -> bool:
    return not role.from_set or role.relation is not None


def _absent(role: Role, encoded: Encoded) -> str | None:
    sieve = role.sieve(encoded)
    if not isinstance(sieve, Pairs) or len(sieve.query):
        return None
    return no_pair(role)


def no_pair(role: Role) -> str:
    """Return the reason for a role of word pairs without any."""
    return f"no pair of relation {role.relation!r} in the corpus"


def _relations(encoded: Encoded) -> tuple[str, ...]:
    return tuple(sorted(encoded.relation_names[n] for n in np.unique(encoded.pairs.relation)))


def _unparsed(relations: list[Role], encoded: Encoded) -> str:
    if encoded.source is not None:
        what = "pairs of an Encoded with a source"
        return unparsed(relations, "no word pair joins target and source", what)
    if encoded.wordless is not None:
        why = f"{encoded.wordless} is a slow tokenizer without offsets"
        return unparsed(relations, why, "a fast tokenizer (AutoTokenizer, or a converted one)")
    return unparsed(relations)


def unparsed(
    relations: list[Role],
    why: str = "the text is not parsed",
    what: str = "a spaCy pipeline as parser, or a parsed corpus (.conllu)",
) -> str:
    """Return the reason for roles of word pairs without a parse."""
    names = ", ".join(role.name for role in relations)
    have = "has" if len(relations) == 1 else "have"
    return f"{why}, so {names} {have} no sieve: give {what}"
