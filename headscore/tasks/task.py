"""Task: a text in words, with the word pairs that heads of one function look along."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Many
from itertools import accumulate
from typing import NamedTuple

from headscore.corpus.sequence import Segment

_ATTACHED = frozenset(".,:?")  # words without a blank before them


class Task(NamedTuple):
    """A text and its gold pairs.

    Attributes
    ----------
    words
        Words and punctuation marks; where no pair needs its words, a sentence may be one word.
    pairs
        (relation, query word, key word): every token of one looks at every token of the other.
    copied
        (relation, later word, earlier word), equal words: the token before each token of the later
        one, which predicts it, looks at that token in the earlier one.
    """

    words: Many[str]
    pairs: Many[tuple[str, int, int]] = ()
    copied: Many[tuple[str, int, int]] = ()


def segment_of(words: Many[str], labels: Mapping[str, Many[str]]) -> Segment:
    """Return a segment of words, joined by blanks except before a full stop and the like."""
    gaps = [0, *(int(word not in _ATTACHED) for word in words[1:])]
    ends = list(accumulate(gap + len(word) for gap, word in zip(gaps, words, strict=True)))
    return Segment(
        "".join(" " * gap + word for gap, word in zip(gaps, words, strict=True)),
        tuple(words),
        tuple((end - len(word), end) for end, word in zip(ends, words, strict=True)),
        labels={name: tuple(each) for name, each in labels.items()},
    )
