"""Options of `synthetic`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headscore.declarations import Options, option, or_none

KINDS = ("repeated", "repeated_text", "indirect_object", "needle", "ordered", "brackets")


def _is_span(value: object) -> bool:
    whole = isinstance(value, tuple | list) and [type(each) for each in value] == [int, int]
    return whole and 1 <= value[0] <= value[1]  # type: ignore[index]


@dataclass(frozen=True, kw_only=True)
class SyntheticOptions(Options):
    """What `headscore.synthetic` takes."""

    seed: int = option(
        0, "seed of what is drawn; a sequence does not depend on those after it", least=0
    )
    size: tuple[int, int] | None = option(
        None,
        "least and most that a sequence holds, drawn uniformly: tokens (repeated) or words "
        "(repeated_text) of a half, sentences around needles, items of a list, pairs of brackets",
        rule="be a pair of whole numbers, the least at least 1 and at most the other",
        accepts=or_none(_is_span),
        unset="by kind",
    )
    texts: Any = option(
        None,
        "corpus, as in `score`, whose texts are repeated or stand around a needle",
        unset="the sentences of the demo",
    )
