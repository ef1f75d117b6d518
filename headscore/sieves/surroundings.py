"""Surroundings: what else a head can find an entry by that knows the words' labels alone.

A head that looks at the nearest verb to the left finds the verb of most objects, and seldom that of
entries without an arc, where another verb often stands between. One that looks at all content words
nearby shares its attention among them, and subjects have fewer than other words. So entries are
compared where both agree: whether another word with the label of the key stands between query and
key, and how many content words stand within `NEAR` words of the query::

    label                      D  N  V  D  A  N  V
    content words near         2  1  2  4  3  2  2
    from A to the first N         k  .  .  q            no other N between
    from D to the second N     q  x  .  .  .  k         another N between

`benchmarks/matched.py` shows what such heads are called without it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, Ints, run_numbers, run_starts
from headscore.encoding.encoded import WORD, Encoded

NEAR = 2  # words on either side
KINDS = 2 * (2 * NEAR + 1)  # surroundings are numbered 0 .. KINDS - 1
# The open classes of Universal Dependencies (universaldependencies.org/u/pos). Labels of other sets
# have no content words, and entries then are compared whatever stands nearby.
CONTENT = ("ADJ", "ADV", "INTJ", "NOUN", "PROPN", "VERB")


class Surroundings(NamedTuple):
    """What is known of the tokens of a batch, int64 (token,) each.

    Attributes
    ----------
    word
        Number of the word; another number below 0 for each token that is no piece of a word.
    before, after
        The nearest token to the left and to the right, among all tokens of the batch, of another
        word of the text with the same labels; -1 where there is none.
    near
        Content words within `NEAR` words of the token's own.
    """

    word: Ints
    before: Ints
    after: Ints
    near: Ints

    @classmethod
    def of(cls, batch: Encoded, columns: tuple[str, ...], labels: Array) -> Surroundings:
        """Return those of a batch, with the columns of a control and a hash of their labels."""
        sequence, _ = batch.places
        # A special token is in no text, so in one of its own.
        own = -1 - np.arange(len(sequence))
        text = np.where(batch.special, own, 2 * sequence + batch.segments)
        word = words(batch)
        return cls(
            word,
            *_neighbours(text, labels, word),
            _count_near(_content(batch, columns), *_neighbours(text, np.zeros_like(text), word)),
        )

    def of_entries(self, query: Ints, key: Ints) -> Ints:
        """Return the number of the surroundings of entries of tokens among all of the batch."""
        nearest = np.where(key < query, self.after[key], self.before[key])
        between = (np.minimum(query, key) < nearest) & (nearest < np.maximum(query, key))
        # What lies between the query and a token of its own word is of that word too.
        other = self.word[nearest] != self.word[query]
        return np.asarray(2 * self.near[query] + (between & other))


def words(batch: Encoded) -> Ints:
    """Return a number for the word of each token, no two the same in different sequences."""
    sequence, _ = batch.places
    none = -1 - np.arange(len(sequence))
    if WORD not in batch.columns:
        return none
    number = batch.columns[WORD].labels.astype(np.int64)
    # Numbers of words begin anew in each sequence.
    return np.where(number >= 0, (int(number.max(initial=0)) + 1) * sequence + number, none)


def _content(batch: Encoded, columns: tuple[str, ...]) -> Array:
    """Return bool (token,): one of the labels is an open class."""
    found = np.zeros(len(batch.input_ids), np.bool_)
    for labels, names in (batch.columns[name] for name in columns if name in batch.columns):
        # The last place is that of label -1, a token without one.
        found |= np.isin([*names, ""], CONTENT)[labels] if names else False
    return found


def _neighbours(text: Ints, labels: Array, word: Ints) -> tuple[Ints, Ints]:
    """Return the nearest tokens of other words with the same labels and text, before and after."""
    # Tokens with one label of one text, in their order; those of a word are a run of these:
    #
    #     token      3 4 | 7 | 9 10         before     - - | 4 | 7 7         after     7 7 | 9 | - -
    n = len(text)
    order = np.lexsort((np.arange(n), labels, text))
    alike = text[order], labels[order]
    starts, run = run_starts(*alike, word[order]), run_numbers(*alike, word[order])
    group = np.append(run_numbers(*alike), -1)  # -1: neither before the first nor after the last
    found = np.full((2, n), -1)
    for side, place in enumerate((starts[:-1][run] - 1, starts[1:][run])):
        same = group[np.where(place < n, place, -1)] == group[:-1]
        found[side, order[same]] = order[place[same]]
    return found[0], found[1]


def _count_near(content: Array, before: Ints, after: Ints) -> Ints:
    """Return how many of the `NEAR` words on either side are content words, of tokens (token,)."""
    count = np.zeros(len(content), np.int64)
    for side in (before, after):
        at = np.arange(len(content))
        for _ in range(NEAR):
            at = np.where(at >= 0, side[at], -1)
            count += (at >= 0) & content[at]
    return count
