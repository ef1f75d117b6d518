"""Make roles from pairs of words, or of spans of letters, for each sequence, by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Many
from functools import partial
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np

from headscore.arrays import Array
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.encoded import LETTERS, WORDS, Encoded
from headscore.encoding.word_places import with_words, word_counts
from headscore.errors import InputError, UsageError
from headscore.roles.custom import no_id
from headscore.roles.role import Pairs, Role

Span: TypeAlias = tuple[int, ...]  # (start, end), or (start, end, text)
Side: TypeAlias = tuple[Any, ...]  # words, or spans
Group: TypeAlias = tuple[Side, Side]
Groups: TypeAlias = Mapping[str, tuple[Group, ...]]


def from_word_pairs(
    pairs: Mapping[str, Many[tuple[int | Iterable[int], int | Iterable[int]]]],
    name: str = "word_pairs",
) -> Role:
    """Make a role of listed pairs of words.

    Parameters
    ----------
    pairs
        Sequence id -> (words that look, words looked at), each a number or several. Words are those
        of the corpus, counted from 0; where a text came without words, what stands between its
        white space. The words of a second text follow those of the first. A word of several tokens
        stands for all of them, a word that was cut off for none. The score is the mean over the
        pairs. A sequence that is not among them takes no part.
    name
        The role's name.

    Raises
    ------
    UsageError
        The pairs are no such mapping.

    Examples
    --------
    >>> import headscore as hs
    >>> coreference = hs.roles.from_word_pairs({"s1": [(3, [1, 2])]}, "coreference")
    """
    return _made(name, pairs, _word, WORDS, _tokens_of_words, _check_words)


def from_spans(
    pairs: Mapping[str, Many[tuple[Any, Any]]],
    name: str = "spans",
) -> Role:
    """Make a role of listed pairs of spans of letters.

    Parameters
    ----------
    pairs
        Sequence id -> (spans that look, spans looked at), each a span or a list of several. A span
        is (start, end) in letters of the text, as in ``text[start:end]``, or (start, end, 1) in the
        second of two texts; it stands for every token with one of its letters. The score is the
        mean over the pairs. A sequence that is not among them takes no part.
    name
        The role's name.

    Raises
    ------
    UsageError
        The pairs are no such mapping.

    Examples
    --------
    >>> import headscore as hs
    >>> names = hs.roles.from_spans({"s1": [((20, 23), (0, 8))]}, "names")
    """
    return _made(name, pairs, _span, LETTERS, _tokens_of_spans, _check_spans)


def _made(
    name: str,
    pairs: Any,
    side: Callable[[str, Any], Side],
    columns: tuple[str, ...],
    tokens: Callable[[Encoded, int, Side], Array],
    check: Callable[[str, Groups, SequenceTable], None],
) -> Role:
    drawn = _groups(name, pairs, side)
    return Role(
        name,
        partial(_sieve, pairs=drawn, columns=columns, tokens=tokens),
        lacking=partial(_lacking, pairs=drawn, columns=columns),
        check=partial(check, name, drawn),
        ids=tuple(drawn),
    )


def _groups(name: str, pairs: Any, side: Callable[[str, Any], Side]) -> Groups:
    """Return the pairs as tuples; raise UsageError for what is none."""
    if not isinstance(pairs, Mapping):
        raise UsageError(
            f"the pairs of role {name!r} must be a mapping from sequence ids to lists of pairs, "
            f"got {type(pairs).__name__}"
        )
    found: dict[str, tuple[Group, ...]] = {}
    for id_, listed in pairs.items():
        for pair in listed if isinstance(listed, list | tuple) else (listed,):
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise UsageError(
                    f"the pairs of role {name!r} for sequence {id_!r} must be (words that look, "
                    f"words looked at), got {pair!r}"
                )
        found[id_] = tuple((side(name, a), side(name, b)) for a, b in listed)
    return found


def _word(name: str, given: Any) -> Side:
    """Return one or several numbers of words as a tuple."""
    words = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    if not words or not all(_is_whole(word) for word in words):
        raise UsageError(
            f"the words of role {name!r} must be whole numbers from 0 on, got {given!r}"
        )
    return tuple(map(int, words))


def _span(name: str, given: Any) -> Side:
    """Return one or several spans as a tuple."""
    spans = tuple(given) if isinstance(given, list) else (given,)
    for span in spans:
        whole = isinstance(span, tuple) and len(span) in (2, 3) and all(map(_is_whole, span))
        if not whole or span[0] >= span[1] or (*span, 0)[2] > 1:
            raise UsageError(
                f"the spans of role {name!r} must be (start, end) or (start, end, text), with the "
                f"start before the end and text 0 or 1, got {span!r}"
            )
    if not spans:
        raise UsageError(f"the spans of role {name!r} must be one or more, got none")
    return spans


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def _sieve(
    batch: Encoded,
    *,
    pairs: Groups,
    columns: tuple[str, ...],
    tokens: Callable[[Encoded, int, Side], Array],
) -> Pairs:
    if not _has(batch, columns):
        return Pairs.from_lists([])
    sides = [
        [(tokens(batch, s, a), tokens(batch.keyed, s, b)) for a, b in pairs.get(id_, ())]
        for s, id_ in enumerate(batch.ids)
    ]
    # A pair of which one side has no token is none.
    return Pairs.from_lists([[(a, b) for a, b in own if len(a) and len(b)] for own in sides])


def _has(batch: Encoded, columns: tuple[str, ...]) -> bool:
    return all(name in each.columns for name in columns for each in (batch, batch.keyed))


def _tokens_of_words(batch: Encoded, sequence: int, words: Side) -> Array:
    """Return the positions of the tokens of some words of a sequence."""
    first, last = (_of(batch, sequence, name) for name in WORDS)
    own = [(first <= word) & (word <= last) for word in words]
    return np.flatnonzero(np.any(own, axis=0))


def _tokens_of_spans(batch: Encoded, sequence: int, spans: Side) -> Array:
    """Return the positions of the tokens with a letter of some spans of a sequence."""
    begin, behind = (_of(batch, sequence, name) for name in LETTERS)
    text = batch.segments[slice(*batch.offsets[sequence : sequence + 2])]
    own = [
        (begin < span[1]) & (behind > span[0]) & (begin >= 0) & (text == (*span, 0)[2])
        for span in spans
    ]
    return np.flatnonzero(np.any(own, axis=0))


def _of(batch: Encoded, sequence: int, column: str) -> Array:
    return np.asarray(batch.columns[column].labels[slice(*batch.offsets[sequence : sequence + 2])])


def _check_words(name: str, pairs: Groups, table: SequenceTable) -> None:
    """Raise InputError for a word that its sequence does not have."""
    asked = [s for s, id_ in enumerate(table.ids) if id_ in pairs]
    counts = word_counts(with_words(table)).tolist() if asked else []
    for s in asked:
        for word in (word for pair in pairs[table.ids[s]] for side in pair for word in side):
            if word >= counts[s]:
                raise InputError(
                    f"the words of role {name!r} in sequence {table.ids[s]!r} must be among its "
                    f"{counts[s]}, counted from 0, got {word}"
                )


def _check_spans(name: str, pairs: Groups, table: SequenceTable) -> None:
    """Raise InputError for a span that reaches past its text, or is in none."""
    for s, id_ in enumerate(table.ids):
        for span in (span for pair in pairs.get(id_, ()) for side in pair for span in side):
            texts = table.texts[slice(*table.segment_offsets[s : s + 2])]
            number = (*span, 0)[2]
            length = len(texts[number]) if number < len(texts) else 0
            if span[1] > length:
                raise InputError(
                    f"the spans of role {name!r} in sequence {id_!r} must end within its text of "
                    f"{length} letters, got {span!r}"
                )


def _lacking(encoded: Encoded, *, pairs: Groups, columns: tuple[str, ...]) -> str | None:
    if (why := no_id(encoded, drawn=pairs)) is not None:
        return why
    if not _has(encoded, columns):
        if encoded.wordless is not None:
            return f"{encoded.wordless} is a slow tokenizer without offsets"
        return "the places of words are not known (encode keeps them with word_places=True)"
    return None
