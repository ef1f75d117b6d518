"""Where a head looks, shown: the sequences and word pairs that score highest and lowest."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headscore.arrays import Array
from headscore.corpus import read
from headscore.encoding import encode as encoding
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError, UsageError
from headscore.log import log
from headscore.model import load as models
from headscore.parsing import parse as parsing
from headscore.parsing import pipelines
from headscore.parsing.cache import open_cache
from headscore.report import html
from headscore.roles import specs as sieves
from headscore.roles.specs import Pairs, Role
from headscore.scores import batches as running
from headscore.scores import files
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
class Examples:
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

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one HTML page with an arc for each pair; raises InputError if that fails."""
        page = html.examples_page(self)
        with files.replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def lines(self) -> list[str]:
        """Say it in text: the score and the pairs of each example."""
        lines = [f"head {self.layer}.{self.head} in {self.role}: mean {self.mean:.3g}, n {self.n}"]
        for title, examples in (("highest", self.highest), ("lowest", self.lowest)):
            lines += ["", title]
            for each in examples:
                text = printable(" ".join(each.tokens))
                lines.append(f"{each.score:8.2f}  {printable(each.id)}  {text}")
                lines += [f"{pair.score:8.2f}    {words(each, pair)}" for pair in each.pairs]
        return lines


def words(example: Example, pair: Pair) -> str:
    """Write a pair: who looks at whom."""
    rows, keys = (" ".join(example.tokens[i] for i in at) for at in (pair.rows, pair.keys))
    return f"{printable(rows)} -> {printable(keys)}"


def examples(
    model: Any,
    corpus: Any,
    *,
    layer: int,
    head: int,
    role: str | Role,
    count: int = 5,
    tokenizer: Any = None,
    parser: Any = None,
    pairs: str | None = None,
    columns: tuple[str, ...] | None = None,
    skip_invalid: bool = False,
    max_length: int | None = None,
    device: str = "auto",
    backend: str = "auto",
) -> Examples:
    """Find the sequences that score highest and lowest, and score each of their pairs alone.

    Parameters
    ----------
    model, corpus, tokenizer, parser, pairs, columns, skip_invalid, max_length, device, backend
        As in `headscore.score`.
    layer, head
        The head, counted from 0.
    role
        A role of word pairs: ``"syntactic"``, any relation, or a `Role` that returns `Pairs`.
    count
        Sequences on each side.

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        The model or the corpus cannot be used as it is, or no sequence takes part.
    """
    (chosen_role,) = _one_role(role)
    if count < 1:
        raise UsageError(f"count must be 1 or more, got {count}")
    loaded = models.load(model, tokenizer, max_length=max_length, device=device)
    _check_head(loaded, layer, head)
    found: Counter[str] = Counter()
    sequences = read(
        corpus,
        pairs=pairs,
        columns=columns,
        skip_invalid=skip_invalid,
        counts=found,
        log=log.warning,
    )
    pipeline = None if parser is None else pipelines.find_parser(parser)
    with open_cache("auto", pipeline.identity if pipeline else None) as store:
        if pipeline is not None:
            sequences = parsing.parse(sequences, pipeline, store=store)
        encoded = encoding.encode(sequences, loaded.tokenizer, max_length=loaded.max_length)
    for sentence in sieves.missing((chosen_role,), encoded):
        log.warning(sentence)
    scores = running.run(loaded, encoded, (chosen_role,), backend=backend).values[:, 0, layer, head]
    order = np.argsort(-scores, kind="stable")[: int((~np.isnan(scores)).sum())]
    if not len(order):
        raise InputError(f"no sequence of the corpus has a pair of {chosen_role.name!r}")
    at = layer, head

    def shown(chosen: Array) -> tuple[Example, ...]:
        return tuple(
            _example(loaded, encoded, int(s), chosen_role, at, float(scores[s]), backend)
            for s in chosen
        )

    return Examples(
        loaded.name,
        chosen_role.name,
        layer,
        head,
        len(order),
        float(scores[order].mean(dtype=np.float64)),
        shown(order[:count]),
        shown(order[::-1][: min(count, max(0, len(order) - count))]),
    )


def _one_role(role: str | Role) -> tuple[Role, ...]:
    roles = sieves.parse_roles(role if isinstance(role, str) else [role])
    if len(roles) != 1:
        raise UsageError(f"role must be a single one, got {role!r}")
    return roles


def _check_head(loaded: models.Model, layer: int, head: int) -> None:
    if not 0 <= layer < loaded.layers:
        raise UsageError(f"layer must lie in 0..{loaded.layers - 1}, got {layer}")
    heads = loaded.route.heads_per_layer[layer]
    if not heads:
        raise UsageError(f"layer must have attention, got {layer} without")
    if not 0 <= head < heads:
        raise UsageError(f"head must lie in 0..{heads - 1}, got {head}")


def _example(
    loaded: models.Model,
    encoded: Encoded,
    number: int,
    role: Role,
    at: tuple[int, int],
    score: float,
    backend: str,
) -> Example:
    """Score each pair of a sequence as if it were a role of its own."""
    one = encoded.take(np.array([number]))
    sieve = role.sieve(one)
    if not isinstance(sieve, Pairs):
        raise UsageError(f"examples need a role of word pairs, got {role.name!r}")
    groups = np.unique(sieve.group)
    alone = tuple(_alone(role, int(group)) for group in groups)
    values = running.run(loaded, one, alone, backend=backend).values[0, :, at[0], at[1]]
    pairs = [
        Pair(_positions(sieve, group, "query"), _positions(sieve, group, "key"), float(value))
        for group, value in zip(groups, values, strict=True)
    ]
    pairs.sort(key=lambda pair: -pair.score)
    tokens = loaded.tokenizer.convert_ids_to_tokens(one.input_ids.tolist())
    return Example(one.ids[0], tuple(map(str, tokens)), score, tuple(pairs))


def _alone(role: Role, group: int) -> Role:
    def sieve(batch: Encoded) -> Pairs:
        whole = role.sieve(batch)
        assert isinstance(whole, Pairs)
        mine = whole.group == group
        return Pairs(whole.sequence[mine], whole.group[mine], whole.query[mine], whole.key[mine])

    return replace(role, name=f"{role.name}#{group}", sieve=sieve, relation=None, lacking=None)


def _positions(sieve: Pairs, group: int, side: str) -> tuple[int, ...]:
    return tuple(np.unique(getattr(sieve, side)[sieve.group == group]).tolist())
