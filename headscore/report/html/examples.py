"""The page of examples: arcs over the tokens of sequences."""

from __future__ import annotations

import unicodedata
from typing import Any

from headscore.report.example_set import Example, ExampleSet
from headscore.report.html.page import render, short_model
from headscore.report.wording import number
from headscore.scores.head_scores import printable

_LETTER, _GAP = 8.0, 10.0  # units, of a font in which all letters are as wide


def examples_page(examples: ExampleSet) -> str:
    """Return examples as one self-contained HTML page.

    Parameters
    ----------
    examples
        The examples.
    """
    every = [*examples.highest, *examples.lowest]
    most = max((pair.score for each in every for pair in each.pairs), default=1.0) or 1.0
    head = f"{examples.layer}.{examples.head}"
    context = {
        "title": f"Head {head}: {examples.role}",
        "model": short_model(examples.model),
        "answer": (
            f"In {examples.n} sequences, head {head} of {short_model(examples.model)} gives "
            f"{number(examples.mean)} times as much attention to {examples.role} pairs as uniform "
            "attention would. Below are the sequences in which it does so most and least."
        ),
        "parts": [
            ("Highest scores", [_drawn(each, most) for each in examples.highest]),
            ("Lowest scores", [_drawn(each, most) for each in examples.lowest]),
        ],
    }
    return render("examples.html", context)


def _drawn(example: Example, most: float) -> dict[str, Any]:
    """Return the positions of the tokens of a sequence, and an arc for each word pair."""
    tokens = [printable(token) for token in example.tokens]
    # Layout in units; tokens stand on one line with gaps, arcs begin and end at token middles:
    #
    #     | gap | token 0 | gap | token 1 | gap |
    #           ^ starts[0]     ^ starts[1]
    wide = [_LETTER * _columns(token) for token in tokens]
    starts = [sum(wide[:n]) + _GAP * (n + 1) for n in range(len(wide))]
    middles = [start + width / 2 for start, width in zip(starts, wide, strict=True)]
    ends = {at for pair in example.pairs for at in (*pair.rows, *pair.keys)}
    arcs = []
    for pair in example.pairs:
        # A word in pieces: the mean of the middles of its pieces.
        begin, end = (sum(middles[i] for i in at) / len(at) for at in (pair.rows, pair.keys))
        # Higher arcs for longer distances, up to 70 units above the base line y = 92.
        high = min(70.0, 14 + abs(end - begin) * 0.28)
        share = max(0.0, min(1.0, pair.score / most))
        arcs.append(
            {
                # Cubic Bezier: with both control points c above the base line its top is at 3/4 c,
                # so 1.3 times the height puts it at 0.975 of the height.
                "path": f"M{begin:.1f} 92C{begin:.1f} {92 - high * 1.3:.1f} "
                f"{end:.1f} {92 - high * 1.3:.1f} {end:.1f} 92",
                "x": (begin + end) / 2,
                "y": 92 - high - 3,
                "tip": f"M{end - 4:.1f} 86L{end:.1f} 93L{end + 4:.1f} 86",
                "width": round(1 + 3 * share, 2),
                "opacity": round(0.35 + 0.65 * share, 2),
                "score": number(pair.score, 2 if pair.score < 1 else 3),
                "looker": " ".join(tokens[i] for i in pair.rows),
                "target": " ".join(tokens[i] for i in pair.keys),
            }
        )
    return {
        "id": example.id,
        "score": number(example.score),
        "text": " ".join(tokens),
        "width": round(sum(wide) + _GAP * (len(wide) + 1)),
        "tokens": [
            {"text": text, "x": round(x, 1), "end": n in ends}
            for n, (text, x) in enumerate(zip(tokens, middles, strict=True))
        ],
        "arcs": arcs,
    }


def _columns(text: str) -> int:
    # Wide (W) and full-width (F) letters take two columns of a monospaced font.
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text) or 1
