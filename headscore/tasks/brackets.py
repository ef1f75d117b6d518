"""Brackets: nested in random order, with words between them.

A closing bracket looks at the one that it closes: the last one that is still open (Dyck language).
"""

from __future__ import annotations

import numpy as np

from headscore.tasks.task import Task

BRACKETS = (4, 10)  # pairs
_KINDS = (("(", ")"), ("[", "]"), ("{", "}"))
_WORDS = "a list of names and more values for each item or none".split()


def draw(rng: np.random.Generator, size: int) -> Task:
    """Draw a text with `size` pairs of brackets."""
    words: list[str] = []
    pairs = []
    unclosed: list[tuple[str, int]] = []  # closing bracket, place of the opening one
    unopened = size
    while unopened or unclosed:
        words += rng.choice(_WORDS, int(rng.integers(3))).tolist()
        if unopened and (not unclosed or rng.random() < 0.5):
            opening, closing = _KINDS[int(rng.integers(len(_KINDS)))]
            unclosed.append((closing, len(words)))
            words.append(opening)
            unopened -= 1
        else:
            closing, place = unclosed.pop()
            pairs.append(("bracket", len(words), place))
            words.append(closing)
    return Task(words, pairs)
