"""Survey: the relations and labels of a corpus, counted without a tokenizer or a model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from headscore.corpus.sequence import Segment, Sequence
from headscore.roles.presence import Presence, no_pair, unparsed
from headscore.roles.role import Role
from headscore.roles.syntactic import matches_role
from headscore.roles.token_labels import asked_label, no_column, no_value


@dataclass
class Survey:
    """Counts of the sequences read so far.

    Attributes
    ----------
    sequences, blank, text_pairs, parsed, words
        Number of sequences, of those that have a blank text, are text pairs or have a parse, and of
        words.
    pairs, sequences_with
        Relation -> number of word pairs, and of sequences with one.
    taking_part
        Name of a role of word pairs -> sequences with a pair of one of its relations.
    labels
        Column -> label -> number of words.
    documents
        Names of the documents.
    whole
        Whether the corpus was read to its end.
    """

    sequences: int = 0
    blank: int = 0
    text_pairs: int = 0
    parsed: int = 0
    words: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    sequences_with: Counter[str] = field(default_factory=Counter)
    taking_part: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    documents: set[str] = field(default_factory=set)
    whole: bool = False

    def add(self, sequence: Sequence, roles: Iterable[Role] = ()) -> None:
        """Count one more sequence, which may take part in some roles of word pairs."""
        self.sequences += 1
        self.blank += not all(segment.text.strip() for segment in sequence.segments)
        self.text_pairs += sequence.is_pair
        self.parsed += any(segment.parsed for segment in sequence.segments)
        if sequence.document is not None:
            self.documents.add(sequence.document)
        own: Counter[str] = Counter()
        for segment in sequence.segments:
            self.words += len(segment.words or ())
            own.update(_relations(segment))
            for name, labels in (segment.labels or {}).items():
                self.labels.setdefault(name, Counter()).update(filter(None, labels))
        self.pairs.update(own)
        self.sequences_with.update(list(own))
        for role in roles:
            self.taking_part[role.name] += any(matches_role(role, name) for name in own)

    @property
    def kinds(self) -> tuple[int, int, int]:
        """The numbers of relations, of columns and of their labels that were met."""
        return len(self.pairs), len(self.labels), sum(map(len, self.labels.values()))

    def has(self, role: Role) -> bool:
        """Return whether the relation or label of a role was met; `presence` says why not."""
        if asked := asked_label(role):
            column, value = asked
            return column in self.labels and (value is None or value in self.labels[column])
        return any(matches_role(role, name) for name in self.pairs)

    def presence(self, roles: Iterable[Role], *, given: Iterable[str] = ()) -> Presence:
        """Return which of some roles a corpus lacks that was read as a whole.

        Of roles other than relations and labels it is not known here. `given` are relations besides
        those of the corpus, which a parser will give.
        """
        relations = {*self.pairs, *given}
        parsed = self.parsed > 0 or bool(relations)
        roles = tuple(roles)
        named = [role for role in roles if role.relation is not None]
        absent = {role.name: why for role in roles if (why := self._no_label(role))}
        if named and not parsed:
            absent |= dict.fromkeys((role.name for role in named), unparsed(named))
        for role in named if parsed else ():
            if not any(matches_role(role, each) for each in relations):
                absent[role.name] = no_pair(role)
        return Presence(absent, parsed, relations=tuple(sorted(relations)))

    def _no_label(self, role: Role) -> str | None:
        asked = asked_label(role)
        if asked is None or self.has(role):
            return None
        column, value = asked
        if value is None or column not in self.labels:
            return f"{role.name} has no sieve: {no_column(column, [*self.labels])}"
        return f"{role.name} has no sieve: {no_value(column, value, self.labels[column])}"


def survey(sequences: Iterable[Sequence], roles: Iterable[Role] = ()) -> Survey:
    """Count a whole corpus; `roles` of word pairs are counted as `Survey.taking_part`."""
    found, roles = Survey(), tuple(roles)
    for sequence in sequences:
        found.add(sequence, roles)
    found.whole = True
    return found


def look_for(
    sequences: Iterable[Sequence],
    roles: Iterable[Role],
    columns: Iterable[str] = (),
    *,
    seconds: float,
) -> Survey:
    """Count a corpus until all relations and labels of some roles were met, or time is over.

    `columns` are those of labels that have to be met too.
    """
    found, columns, kinds = Survey(), tuple(columns), (0, 0, 0)
    waiting = [role for role in roles if role.relation is not None or asked_label(role) is not None]
    end = time.perf_counter() + seconds
    for sequence in sequences:
        found.add(sequence)
        # Look again only where something new was met: that takes longer than to read a sentence.
        before, kinds = kinds, found.kinds
        if kinds != before:
            waiting = [role for role in waiting if not found.has(role)]
        met = not waiting and all(name in found.labels for name in columns)
        if met or time.perf_counter() > end:
            return found
    found.whole = True
    return found


def _relations(segment: Segment) -> list[str]:
    """Return the relation of each word pair of a segment."""
    heads, relations = segment.heads or (), segment.relations or ()
    own = [relation for head, relation in zip(heads, relations, strict=True) if head >= 0]
    return [*own, *(pair[0] for pair in segment.word_pairs or ())]
