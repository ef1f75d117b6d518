"""Find the words and the surface tokens among the rows of a CoNLL-U sentence."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence as Many
from dataclasses import dataclass


class RowError(Exception):
    """A sentence of a CoNLL-U file breaks a rule.

    Attributes
    ----------
    row
        Index of the row with the fault.
    reason
        One sentence.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows of words and surface tokens.

    Attributes
    ----------
    words
        The row of each syntactic word.
    tokens
        For each surface token, a word or a range, ``(row, start, stop)``: it stands for the words
        ``start .. stop - 1``.
    """

    words: list[int]
    tokens: list[tuple[int, int, int]]


def read_layout(ids: Many[str]) -> Layout:
    """Read the id column: words ``2``, ranges ``2-3`` before their words, empty nodes ``2.1``.

    Raises
    ------
    RowError
        The ids are not in order, or there is no word.
    """
    # `stop` is the first word after the last range; the words below it are spelled by the range.
    #
    #     row   id     n before   stop after   surface token (row, start, stop)
    #     0     1      0          0            (0, 0, 1)
    #     1     2-3    1          3            (1, 1, 3)
    #     2     2      1          3            none: inside the range
    #     3     3      2          3            none
    #     4     3.1    3          3            none: an empty node, skipped
    #     5     4      3          3            (5, 3, 4)
    words: list[int] = []
    tokens: list[tuple[int, int, int]] = []
    stop = n_empty = 0
    for row, id_ in enumerate(ids):
        n = len(words)
        if id_ == str(n + 1):
            if n >= stop:
                tokens.append((row, n, n + 1))
            words.append(row)
            n_empty = 0
        elif id_ == f"{n}.{n_empty + 1}":
            n_empty += 1
        else:
            if n < stop:
                raise _out_of_order(row, id_, n)
            stop = _range_stop(row, id_, n)
            tokens.append((row, n, stop))
    # The last range ends after the last word.
    if stop > len(words):
        row = tokens[-1][0]
        raise RowError(
            row, f"a range must end at a word of the sentence, got {reprlib.repr(ids[row])}"
        )
    if not words:
        raise RowError(len(ids) - 1, "a sentence must have a word, got none")
    return Layout(words, tokens)


def _range_stop(row: int, id_: str, n_words: int) -> int:
    first, dash, last = id_.partition("-")
    if not (dash and first == str(n_words + 1) and last.isascii() and last.isdigit()):
        raise _out_of_order(row, id_, n_words)
    # Python's int() of thousands of digits is slow and above 4300 digits an error.
    if len(last) > 9 or int(last) <= n_words:
        raise _out_of_order(row, id_, n_words)
    return int(last)


def _out_of_order(row: int, id_: str, n_words: int) -> RowError:
    return RowError(row, f"ids must count up, got {reprlib.repr(id_)} where {n_words + 1} is due")
