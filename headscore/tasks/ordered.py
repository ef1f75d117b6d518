"""Ordered lists: numbers, letters, days or months, each with a few words.

Successor heads (Gould et al. 2023, arXiv 2312.09230) write the successor of what they look at: from
the token before an item, which predicts it, they look at the item before.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from headscore.tasks.task import Task

ITEMS = (4, 7)
_ORDERS = [
    each.split()
    for each in (
        "one two three four five six seven eight nine ten eleven twelve",
        "first second third fourth fifth sixth seventh eighth ninth tenth",
        "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "January February March April May June July August September October November December",
    )
]
_WORDS = "bread milk rice sugar paper soap tea salt eggs butter honey apples cheese coffee".split()
_NUMBERS = 50  # the first number of a list of numbers is drawn below


def draw(rng: np.random.Generator, size: int) -> Task:
    """Draw a list of `size` items that follow one another."""
    orders = [each for each in _ORDERS if len(each) >= size]
    order = int(rng.integers(len(orders) + 1))
    if order < len(orders):
        start = int(rng.integers(len(orders[order]) - size + 1))
        items = orders[order][start : start + size]
    else:
        start = int(rng.integers(1, _NUMBERS))
        items = [str(number) for number in range(start, start + size)]
    words: list[str] = []
    places = []
    for item in items:
        places.append(len(words))
        own = rng.choice(_WORDS, int(rng.integers(1, 4)), replace=False).tolist()
        words += [item, ":", *own, "."]
    # The full stop before an item predicts it.
    pairs = [("successor", at - 1, before) for before, at in pairwise(places)]
    return Task(words, pairs)
