"""The section of a page on the looks at which a run could stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headscore.report import look_sentences
from headscore.report.html import paths
from headscore.report.html.figures import HEIGHT, WIDTH
from headscore.statistics.stopping import trail


def section(facts: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the curve of decided tests over the sequences read; None for a plain run."""
    looks = list(trail(facts))
    if not looks:
        return None
    sequences = np.array([each.sequences for each in looks], np.float64)
    shares = [each.decided / max(each.tests, 1) for each in looks]
    # Looks double, so that the logarithm of their sizes is nearly even. Margins: 44 left for the
    # numbers, 20 right, 46 below, 20 above; a single look stands in the middle.
    logs = np.log(sequences)
    wide = logs[-1] - logs[0]
    at = (logs - logs[0]) / wide if wide else np.full(len(looks), 0.5)
    xs = [round(float(44 + each * (WIDTH - 64)), 1) for each in at]
    points = [(x, _height(share)) for x, share in zip(xs, shares, strict=True)]
    return {
        "path": paths.line(points),
        "points": [
            {"x": x, "y": y, "sequences": each.sequences, "text": f"{each.decided} of {each.tests}"}
            for (x, y), each in zip(points, looks, strict=True)
        ],
        "y": [(_height(share), f"{share:.0%}") for share in (0, 0.5, 1)],
        "reading": look_sentences.stopped(facts),
        "level": look_sentences.level(facts),
        "numbers": look_sentences.at_looks(facts),
        "bottom": HEIGHT - 46,
    }


def _height(share: float) -> float:
    return round(HEIGHT - 46 - share * (HEIGHT - 66), 1)
