"""ExampleSet: the sequences with the highest and lowest scores, and their word pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from headscore.scores.signature import printable

MOST_SHOWN = 6  # pairs of a sequence: half of them its strongest, half its weakest
_MOST_OTHERS = 3  # keys of other roles that are written beside a pair


class Attended(NamedTuple):
    """A key, and the share of the attention of a pair's queries that it gets."""

    key: int
    share: float


@dataclass(frozen=True)
class Pair:
    """A word pair, or a query and its keys in a role without word pairs, with its score.

    Attributes
    ----------
    rows, keys
        Positions of the query pieces, and of the key pieces.
    score
        Sieve bias score of this pair alone: 1 is uniform attention.
    attended
        The four keys that get most of the attention of the queries, and the four strongest of the
        pair's own, strongest first; the mean over the queries. Empty where the pair is not shown.
    share
        Share of the attention of the queries on all keys of the pair; None where it is not shown.
    """

    rows: tuple[int, ...]
    keys: tuple[int, ...]
    score: float
    attended: tuple[Attended, ...] = ()
    share: float | None = None

    @property
    def elsewhere(self) -> tuple[Attended, ...]:
        """The keys of `attended` that are not those of the role."""
        return tuple(each for each in self.attended if each.key not in self.keys)


@dataclass(frozen=True)
class Example:
    """A sequence.

    Attributes
    ----------
    id, tokens, score
        Its id, tokens and score.
    pairs
        Its word pairs, strongest first; in a role without word pairs its queries with their keys.
    loss, loss_without
        Mean loss of the model in nats at the rows of the pairs, and that without the entries of
        the pairs in this head; None without a language-model head.
    """

    id: str
    tokens: tuple[str, ...]
    score: float
    pairs: tuple[Pair, ...]
    loss: float | None = None
    loss_without: float | None = None

    @property
    def shown(self) -> tuple[Pair, ...]:
        """The pairs that are shown: all, or the strongest and the weakest of many."""
        half = MOST_SHOWN // 2
        return (
            self.pairs if len(self.pairs) <= MOST_SHOWN else self.pairs[:half] + self.pairs[-half:]
        )


@dataclass(frozen=True)
class ExampleSet:
    """The sequences that score highest and lowest for one head in one role.

    Attributes
    ----------
    model, role, layer, head
        The model, the role and the head.
    n, mean
        Sequences that take part in the role, and the mean of their scores.
    highest, lowest
        The examples, the most extreme score first.
    """

    model: str
    role: str
    layer: int
    head: int
    n: int
    mean: float
    highest: tuple[Example, ...]
    lowest: tuple[Example, ...]

    def lines(self) -> list[str]:
        """Return lines of text: the score and the pairs of each example."""
        lines = [f"head {self.layer}.{self.head} in {self.role}: mean {self.mean:.3g}, n {self.n}"]
        for title, examples in (("highest", self.highest), ("lowest", self.lowest)):
            lines += ["", title]
            for each in examples:
                text = printable(" ".join(each.tokens))
                lines.append(f"{each.score:8.2f}  {printable(each.id)}  {text}")
                lines += [f"          {sentence}" for sentence in loss_sentences(each)]
                lines += [f"{pair.score:8.2f}    {_line(each, pair)}" for pair in each.shown]
                lines += [f"            ({sentence})" for sentence in left_out(each)]
        return lines


def words(example: Example, pair: Pair) -> str:
    """Return a word pair as text, query words -> key words."""
    return f"{text_at(example, pair.rows)} -> {text_at(example, pair.keys)}"


def text_at(example: Example, places: Iterable[int]) -> str:
    """Return the tokens at some places as text."""
    return printable(" ".join(example.tokens[at] for at in places))


def percent(share: float) -> str:
    """Return a share as text, ``"<1 %"`` for a small one."""
    return "<1 %" if share < 0.005 else f"{100 * share:.0f} %"


def instead(example: Example, pair: Pair) -> list[tuple[str, str]]:
    """Return the other keys to which the queries of a pair attend most, with their shares."""
    return [
        (text_at(example, [each.key]), percent(each.share))
        for each in pair.elsewhere[:_MOST_OTHERS]
    ]


def left_out(example: Example) -> list[str]:
    """Return how many pairs of a sequence are shown, one sentence, or none where all are."""
    n, shown = len(example.pairs), len(example.shown)
    return [] if n == shown else [f"the {shown // 2} strongest and {shown // 2} weakest of {n}"]


def _line(example: Example, pair: Pair) -> str:
    others = ", ".join(f"{text} {share}" for text, share in instead(example, pair))
    return words(example, pair) + (f"   most attention elsewhere: {others}" if others else "")


def loss_sentences(example: Example) -> list[str]:
    """Return the loss with and without the pairs in words, one sentence or none."""
    if example.loss is None or example.loss_without is None:
        return []
    return [
        f"loss at these words {example.loss:.3f} nats a token, "
        f"{example.loss_without:.3f} without these pairs in this head"
    ]
