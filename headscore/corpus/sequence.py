"""Sequence: one model input before it meets a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import eq
from typing import NoReturn

from headscore.errors import InputError


@dataclass(frozen=True, slots=True)
class Segment:
    """One text of a sequence and, where it was parsed or split, its words.

    Attributes
    ----------
    text
        The text as the model reads it.
    words
        Its syntactic words in order, or None where the text is not split.
    spans
        ``(start, end)`` in characters of `text` for each word; given wherever words are.
    heads
        For each word the index (from 0) of its head word, -1 for the root or no head.
    relations
        For each word the name of its relation to its head.
    labels
        Name of a column -> for each word its label there, such as a part of speech or the type of
        an entity; "" for a word without one.
    word_pairs
        Word pairs besides those of the heads, such as of coreferent words, each ``(relation, word,
        head word)`` with indices of words; None where none are known.
    """

    text: str
    words: tuple[str, ...] | None = None
    spans: tuple[tuple[int, int], ...] | None = None
    heads: tuple[int, ...] | None = None
    relations: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] | None = None
    word_pairs: tuple[tuple[str, int, int], ...] | None = None

    def __post_init__(self) -> None:
        if not self.text.isascii():
            _check_unicode(self.text)
        # Most segments of a corpus without parses hold a text alone.
        if (
            self.words is not None
            or self.spans is not None
            or self.heads is not None
            or self.relations is not None
            or self.labels is not None
            or self.word_pairs is not None
        ):
            self._check_columns()

    def _check_columns(self) -> None:
        columns = [("spans", self.spans), ("heads", self.heads), ("relations", self.relations)]
        if self.labels:
            columns += self.labels.items()
        n_words = 0 if self.words is None else len(self.words)
        for name, value in columns:
            if value is not None and (self.words is None or len(value) != n_words):
                raise InputError(
                    f"{name} must have one entry for each of the {n_words} words, got {len(value)}"
                )
        if (self.words is None) != (self.spans is None):
            raise InputError("words and spans must be given together, got only one of them")
        if (self.heads is None) != (self.relations is None):
            raise InputError("heads and relations must be given together, got only one of them")
        heads = self.heads
        if heads and (
            # C loops over the heads: this runs for every sentence, the search for the fault only in
            # errors.
            min(heads) < -1 or max(heads) >= len(heads) or any(map(eq, heads, range(len(heads))))
        ):
            _refuse_heads(heads)
        for pair in self.word_pairs or ():
            _check_pair(pair, n_words)

    @property
    def parsed(self) -> bool:
        """Whether dependency heads and relations, or other word pairs, are known."""
        return self.heads is not None or self.word_pairs is not None

    @classmethod
    def from_words(
        cls,
        words: Many[str],
        heads: Many[int] | None = None,
        relations: Many[str] | None = None,
        labels: Mapping[str, Many[str]] | None = None,
        word_pairs: Many[tuple[str, int, int]] | None = None,
    ) -> Segment:
        """Return a segment of words without a text; the text is the words joined by spaces."""
        # Each word and one space: "Dogs bark" has starts 0 and 5; the last start is not used.
        starts = accumulate((len(word) + 1 for word in words), initial=0)
        return cls(
            " ".join(words),
            tuple(words),
            tuple((start, start + len(word)) for start, word in zip(starts, words, strict=False)),
            None if heads is None else tuple(heads),
            None if relations is None else tuple(relations),
            None if labels is None else {name: tuple(each) for name, each in labels.items()},
            None if word_pairs is None else tuple(word_pairs),
        )


def _refuse_heads(heads: Many[int]) -> NoReturn:
    """Raise InputError for the first invalid head."""
    bad = (i for i, head in enumerate(heads) if not -1 <= head < len(heads) or head == i)
    index = next(bad)
    raise InputError(
        f"heads must be -1 or the index of another word, got {heads[index]} for word {index}"
    )


def _check_pair(pair: tuple[str, int, int], n_words: int) -> None:
    """Raise InputError for a word pair that is none."""
    if not isinstance(pair, tuple) or [type(each) for each in pair] != [str, int, int]:
        raise InputError(f"word_pairs must be (relation, word, head word), got {pair!r}")
    if not (0 <= pair[1] < n_words and 0 <= pair[2] < n_words and pair[1] != pair[2]):
        raise InputError(
            f"word_pairs must join two of the {n_words} words, counted from 0, got {pair!r}"
        )


def _check_unicode(text: str) -> None:
    """Raise InputError for a lone surrogate, which no tokenizer accepts."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"a text must be valid Unicode, got the lone surrogate {text[error.start]!r} "
            f"at character {error.start + 1}"
        ) from None


@dataclass(frozen=True, slots=True)
class Sequence:
    """One model input: a text, or a pair of texts.

    Attributes
    ----------
    id
        A name that is unique in the corpus; readers number sequences without an id.
    segments
        One or two `Segment`.
    document
        The document it belongs to, None if unknown.

    Examples
    --------
    >>> import headscore as hs
    >>> one = hs.Sequence.from_text("The dog barked.")
    >>> pair = hs.Sequence.from_text("Who barked?", "The dog barked.")
    >>> parsed = hs.Sequence.from_words(["Dogs", "bark"], [1, -1], ["nsubj", "root"])
    """

    id: str
    segments: tuple[Segment, ...]
    document: str | None = None

    def __post_init__(self) -> None:
        if len(self.segments) not in (1, 2):
            raise InputError(f"a sequence has one or two segments, got {len(self.segments)}")

    @property
    def is_pair(self) -> bool:
        """Whether the sequence is a pair of texts."""
        return len(self.segments) == 2

    @property
    def parsed(self) -> bool:
        """Whether every segment has dependency heads and relations."""
        return all(segment.parsed for segment in self.segments)

    @classmethod
    def from_text(
        cls, text: str, second: str | None = None, *, id: str = "", document: str | None = None
    ) -> Sequence:
        """Return a sequence of one text, or of a text pair."""
        texts = (text,) if second is None else (text, second)
        return cls(id, tuple(Segment(each) for each in texts), document)

    @classmethod
    def from_words(
        cls,
        words: Many[str],
        heads: Many[int] | None = None,
        relations: Many[str] | None = None,
        *,
        labels: Mapping[str, Many[str]] | None = None,
        word_pairs: Many[tuple[str, int, int]] | None = None,
        id: str = "",
        document: str | None = None,
    ) -> Sequence:
        """Return a sequence of words, with heads, relations, labels and word pairs if given."""
        segment = Segment.from_words(words, heads, relations, labels, word_pairs)
        return cls(id, (segment,), document)

    def renamed(self, id: str) -> Sequence:
        """Return the same sequence under another id."""
        return replace(self, id=id)
