"""Read and validate the heads of a sentence as a tree."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence as Many


class TreeError(Exception):
    """The heads are no tree.

    Attributes
    ----------
    word
        Index of the word with the fault.
    reason
        One sentence.
    """

    def __init__(self, word: int, reason: str) -> None:
        super().__init__(reason)
        self.word = word
        self.reason = reason


def read_heads(heads: Many[str]) -> tuple[int, ...] | None:
    """Return the index of each word's head, -1 for the root and for words without a head.

    Parameters
    ----------
    heads
        For each word the number of its head counted from 1, ``0`` for the root, ``_`` for none.

    Returns
    -------
    tuple of int, or None
        None where no word has a head: the sentence is not parsed.

    Raises
    ------
    TreeError
        A head is not the number of another word, there is not exactly one root, or words depend
        on each other in a circle.
    """
    if heads.count("_") == len(heads):
        return None
    numbers = [_number(word, head, len(heads)) for word, head in enumerate(heads)]
    _check_root(heads)
    _check_cycle(numbers)
    return tuple(numbers)


def _number(word: int, head: str, n_words: int) -> int:
    if head == "_":
        return -1
    # isdigit also accepts digits of other scripts; more than nine digits are out of range anyway.
    number = int(head) if head.isascii() and head.isdigit() and len(head) < 10 else -1
    if not 0 <= number <= n_words:
        raise TreeError(
            word, f"a head must be '_' or lie in 0..{n_words}, got {reprlib.repr(head)}"
        )
    # Heads count from 1, words from 0.
    if number == word + 1:
        raise TreeError(word, f"a word's head must be another word, got {head} for word {head}")
    return number - 1


def _check_root(heads: Many[str]) -> None:
    n_roots = heads.count("0")
    if n_roots == 0:
        raise TreeError(0, "a sentence must have one root (head 0), got none")
    if n_roots > 1:
        second = heads.index("0", heads.index("0") + 1)
        raise TreeError(second, f"a sentence must have one root (head 0), got {n_roots}")


def _check_cycle(heads: list[int]) -> None:
    """Raise TreeError where following heads from some word never reaches the root."""
    # Pointer doubling: after k rounds above[w] is the ancestor 2^k steps up, -1 from the root on.
    # A path of a tree of n words has at most n steps, so n.bit_length() rounds reach the root.
    above = [*heads, -1]  # index -1 is this last entry: the root's ancestor is -1 again
    for _ in range(len(heads).bit_length()):
        if max(above) < 0:
            return
        above = [above[word] for word in above]
    word = max(above)  # so many steps up from anywhere, one is on the cycle
    if word >= 0:
        raise TreeError(word, f"heads must lead to the root, got a cycle through word {word + 1}")
