"""The page of examples: a strip with arcs for each query that is shown."""

from __future__ import annotations

from typing import Any

from headscore.report.example_set import (
    Example,
    ExampleSet,
    Pair,
    instead,
    left_out,
    loss_sentences,
    percent,
    text_at,
)
from headscore.report.html.page import render
from headscore.report.html.strip import HEIGHT, runs_rightwards, strip
from headscore.report.wording import number, short_model
from headscore.scores.signature import printable


def examples_page(examples: ExampleSet) -> str:
    """Return examples as one self-contained HTML page.

    Parameters
    ----------
    examples
        The examples.
    """
    head = f"{examples.layer}.{examples.head}"
    context = {
        "title": f"Head {head}: {examples.role}",
        "model": short_model(examples.model),
        "answer": (
            f"In {examples.n} sequences, head {head} of {short_model(examples.model)} gives "
            f"{_times(examples.mean)} times as much attention to the tokens of the role "
            f"{examples.role} as uniform attention would. Below are the sequences in which it does "
            "so most and least."
        ),
        "height": HEIGHT,
        "parts": [
            ("Highest scores", [_drawn(each) for each in examples.highest]),
            ("Lowest scores", [_drawn(each) for each in examples.lowest]),
        ],
    }
    return render("examples.html", context)


def _drawn(example: Example) -> dict[str, Any]:
    """Return a sequence with its text and a strip for each pair that is shown."""
    tokens = [printable(token) for token in example.tokens]
    rightwards = runs_rightwards(example.tokens)
    ends = {at for pair in example.shown for at in (*pair.rows, *pair.keys)}
    many_keys = any(len(pair.keys) > len(tokens) // 2 for pair in example.shown)
    return {
        "id": example.id,
        "score": _times(example.score),
        "direction": "ltr" if rightwards else "rtl",
        "left_out": left_out(example),
        "losses": loss_sentences(example),
        "tokens": [(text, n in ends and not many_keys) for n, text in enumerate(tokens)],
        "pairs": [_pair(example, tokens, pair, rightwards) for pair in example.shown],
    }


def _pair(example: Example, tokens: list[str], pair: Pair, rightwards: bool) -> dict[str, Any]:
    return {
        "score": _times(pair.score),
        "looker": text_at(example, pair.rows),
        "target": text_at(example, pair.keys),
        "share": "" if pair.share is None else _unbroken(percent(pair.share)),
        "instead": [(text, _unbroken(share)) for text, share in instead(example, pair)],
        **strip(tokens, pair, rightwards=rightwards),
    }


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _times(score: float) -> str:
    return "< 0.01" if score < 0.01 else number(score)
