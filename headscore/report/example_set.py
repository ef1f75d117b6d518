"""ExampleSet: sequences and word pairs that score highest and lowest; pages show it."""

from __future__ import annotations

from dataclasses import dataclass

from headscore.scores.head_scores import printable


@dataclass(frozen=True)
class Pair:
    """A pair of words: where their pieces are, and how much attention it gets.

    Attributes
    ----------
    rows, keys
        Positions of the pieces that look, and of those that are looked at.
    score
        Sieve bias score of this pair alone: 1 is uniform attention.
    """

    rows: tuple[int, ...]
    keys: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class Example:
    """A sequence: its tokens, its score and its pairs, strongest first."""

    id: str
    tokens: tuple[str, ...]
    score: float
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class ExampleSet:
    """The sequences that score highest and lowest for one head in one role.

    Attributes
    ----------
    model, role, layer, head
        What was looked at.
    n, mean
        Sequences that take part in the role, and the mean of their scores.
    highest, lowest
        The examples, from the outside in.
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
                lines += [f"{pair.score:8.2f}    {words(each, pair)}" for pair in each.pairs]
        return lines


def words(example: Example, pair: Pair) -> str:
    """Return a pair as text: which words look at which."""
    rows, keys = (" ".join(example.tokens[i] for i in at) for at in (pair.rows, pair.keys))
    return f"{printable(rows)} -> {printable(keys)}"
