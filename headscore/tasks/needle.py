"""Needles in haystacks: a sentence to be found again among others, and the answer copied from it.

As Wu et al. 2024, "Retrieval head mechanistically explains long-context factuality" (arXiv
2404.15574): a retrieval head looks, from the token before an answer token, at the token of the
needle that holds it. Two more sentences of the same form, about other cities, stand in the text, so
that the needle is known by its content alone.
"""

from __future__ import annotations

from collections.abc import Sequence as Many

import numpy as np

from headscore.tasks.task import Task

SENTENCES = (8, 16)  # around the needles
_CITIES = (
    "Paris London Berlin Madrid Rome Vienna Tokyo Cairo Boston Chicago Sydney Moscow Dublin Oslo"
).split()
_ANSWERS = (
    "green apple river silver stone candle paper forest window yellow tiger summer mountain orange "
    "garden winter copper mirror basket violin"
).split()
_NEEDLE = "The secret words of {} are"
_QUESTION = "Question : which secret words belong to {} ? Answer : the words for {} are"
_WORDS = 3  # of an answer


def draw(rng: np.random.Generator, size: int, texts: Many[str]) -> Task:
    """Draw a text with `size` sentences around three needles, and a question about one of them."""
    hay = [texts[at] for at in rng.integers(len(texts), size=size)]
    cities = rng.choice(_CITIES, 3, replace=False).tolist()
    answers = rng.choice(_ANSWERS, (3, _WORDS), replace=False).tolist()
    places = sorted(rng.integers(size + 1, size=3).tolist())
    words: list[str] = []
    starts = []  # of the answers
    for sentence in range(size + 1):
        for needle in [n for n, place in enumerate(places) if place == sentence]:
            words += _NEEDLE.format(cities[needle]).split()
            starts.append(len(words))
            words += [*answers[needle], "."]
        words += hay[sentence : sentence + 1]
    asked = int(rng.integers(3))
    words += _QUESTION.format(cities[asked], cities[asked]).split()
    last = len(words)
    copied = [("retrieval", last + n, starts[asked] + n) for n in range(_WORDS)]
    return Task([*words, *answers[asked], "."], copied=copied)
