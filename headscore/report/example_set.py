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
    """A sequence.

    Attributes
    ----------
    id, tokens, score
        Its id, tokens and score.
    pairs
        Its word pairs, strongest first.
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
                lines += [f"{pair.score:8.2f}    {words(each, pair)}" for pair in each.pairs]
        return lines


def words(example: Example, pair: Pair) -> str:
    """Return a word pair as text, query words -> key words."""
    rows, keys = (" ".join(example.tokens[i] for i in at) for at in (pair.rows, pair.keys))
    return f"{printable(rows)} -> {printable(keys)}"


def loss_sentences(example: Example) -> list[str]:
    """Return the loss with and without the pairs in words, one sentence or none."""
    if example.loss is None or example.loss_without is None:
        return []
    return [
        f"loss at these words {example.loss:.3f} nats a token, "
        f"{example.loss_without:.3f} without these pairs in this head"
    ]
