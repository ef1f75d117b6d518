"""ExampleSet: the sequences with the highest and lowest scores, and their word pairs."""

from __future__ import annotations

from dataclasses import dataclass

from headscore.scores.head_scores import printable


@dataclass(frozen=True)
class Pair:
    """A word pair: the positions of its pieces, and its score.

    Attributes
    ----------
    rows, keys
        Positions of the query pieces, and of the key pieces.
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
                lines += [f"{pair.score:8.2f}    {words(each, pair)}" for pair in each.pairs]
        return lines


def words(example: Example, pair: Pair) -> str:
    """Return a word pair as text, query words -> key words."""
    rows, keys = (" ".join(example.tokens[i] for i in at) for at in (pair.rows, pair.keys))
    return f"{printable(rows)} -> {printable(keys)}"
