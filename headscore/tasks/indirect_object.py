"""Indirect objects: who gets it, of two names of which one comes again.

The prompts of Wang et al. 2022, "Interpretability in the wild" (arXiv 2211.00593). In "When Mary
and John went to the store, John gave a drink to" the indirect object IO is Mary, and the subject
John stands at S1 and S2; END is the last token, which predicts IO.
"""

from __future__ import annotations

import numpy as np

from headscore.tasks.task import Task

_NAMES = (
    "Mary John Tom James Dan Martin Amy Alice Kate Laura Paul Mark Anna Emma David Peter Sarah "
    "Robert Susan Michael Lisa Thomas Helen George Jane Richard Rachel William Ruth Henry"
).split()
_OPENINGS = ("When", "After", "While")
_VISITS = ("went to", "were at", "came to", "met at", "left")
_PLACES = "store school office garden station hospital library restaurant".split()
_VERBS = "gave handed passed offered".split()
_GIFTS = "drink book ring letter key ball ticket computer basket".split()


def draw(rng: np.random.Generator) -> Task:
    """Draw a prompt; either name comes first equally often."""
    names = rng.choice(_NAMES, 2, replace=False).tolist()
    opening, visit, place, verb, gift = (
        str(rng.choice(each)) for each in (_OPENINGS, _VISITS, _PLACES, _VERBS, _GIFTS)
    )
    subject = int(rng.integers(2))
    start = [opening, names[0], "and", names[1], *visit.split(), "the", place, ","]
    words = [*start, names[subject], verb, "a", gift, "to"]
    s1, io = (1, 3) if subject == 0 else (3, 1)
    s2, end = len(start), len(words) - 1
    pairs = [
        ("s1_to_s2", s2, s1),
        ("after_s1_to_s2", s2, s1 + 1),
        ("s2_to_end", end, s2),
        ("io_to_end", end, io),
        ("s1_to_end", end, s1),
    ]
    return Task(words, pairs)
