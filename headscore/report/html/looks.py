"""The section of a page on the looks at which a run could stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from headscore.report import look_sentences
from headscore.report.html import paths
from headscore.report.html.figures import HEIGHT, WIDTH
from headscore.statistics.stopping import trail

_NUMBERED = 8  # looks whose sequences stand below the curve, at most


def section(facts: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the curve of decided tests over the sequences read; None for a plain run."""
    looks = list(trail(facts))
    if not looks:
        return None
    shares = [each.decided / max(each.tests, 1) for each in looks]
    # Looks stand at equal distances, as the documents of each are twice those of the one before.
    # Margins: 44 left for the numbers, 20 right, 46 below, 28 above.
    xs = np.linspace(44, WIDTH - 20, len(looks)).round(1).tolist()
    points = [(x, _height(share)) for x, share in zip(xs, shares, strict=True)]
    every = math.ceil(len(looks) / _NUMBERED)
    return {
        "path": paths.line(points),
        "points": [
            {
                "x": x,
                "y": y,
                "sequences": each.sequences,
                "text": f"{each.decided} of {each.tests}",
                "numbered": (len(looks) - 1 - n) % every == 0,
            }
            for n, ((x, y), each) in enumerate(zip(points, looks, strict=True))
        ],
        "y": [(_height(share), f"{share:.0%}") for share in (0, 0.5, 1)],
        "reading": look_sentences.stopped(facts),
        "level": look_sentences.level(facts),
        "numbers": look_sentences.at_looks(facts),
        "bottom": HEIGHT - 46,
    }


def _height(share: float) -> float:
    return round(HEIGHT - 46 - share * (HEIGHT - 74), 1)
