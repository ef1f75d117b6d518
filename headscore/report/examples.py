"""Examples: the sequences with the highest and lowest scores of a head, with their word pairs."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headscore import files
from headscore.arrays import Array
from headscore.causal.edge_loss import edge_loss
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError, UsageError
from headscore.log import log
from headscore.model.load import Model, load_model
from headscore.options import ExampleOptions, RunOptions
from headscore.parsing.pipelines import find_parser
from headscore.parsing.source import Source
from headscore.report import html
from headscore.report.example_set import Example, ExampleSet, Pair
from headscore.roles.presence import missing
from headscore.roles.role import Pairs, Role
from headscore.roles.specs import parse_roles
from headscore.scores.batches import run_batches
from headscore.signatures import takes
from headscore.stopwatch import Stopwatch


@dataclass(frozen=True)
class Examples(ExampleSet):
    """The examples of one head in one role, see `ExampleSet`; with an HTML page."""

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one HTML page with an arc for each word pair; raise InputError if that fails."""
        files.write_text(path, html.examples_page(self))


@takes(ExampleOptions)
def examples(model: Any, corpus: Any, options: ExampleOptions) -> Examples:
    """Find the sequences with the highest and lowest scores, and score each of their word pairs.

    Parameters
    ----------
    model, corpus
        As in `headscore.score`.

    Returns
    -------
    ExampleSet
        `Examples`, which can also be written as a page.

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        The model or the corpus cannot be used as it is, or no sequence takes part.
    """
    return find_examples(model, corpus, options)


def find_examples(model: Any, corpus: Any, options: ExampleOptions) -> Examples:
    """Find examples as `examples` does."""
    role = _one_role(options.role)
    loaded = load_model(model, options, head="auto")
    head = options.layer, options.head
    _check_head(loaded, *head)
    encoded = _encoded(corpus, loaded, options)
    for sentence in missing((role,), encoded):
        log.warning(sentence)
    run = RunOptions(backend=options.backend)
    scores = run_batches(loaded, encoded, (role,), run).values[:, 0, head[0], head[1]]
    # NaN sorts to the end: cut it off. order[0] is the highest, order[-1] the lowest score.
    order = np.argsort(-scores, kind="stable")[: int((~np.isnan(scores)).sum())]
    if not len(order):
        raise InputError(f"no sequence of the corpus has a pair of {role.name!r}")

    def shown(chosen: Array) -> tuple[Example, ...]:
        return tuple(_example(loaded, encoded, int(s), role, run, head, scores) for s in chosen)

    return Examples(
        model=loaded.name,
        role=role.name,
        layer=options.layer,
        head=options.head,
        n=len(order),
        mean=float(scores[order].mean(dtype=np.float64)),
        highest=shown(order[: options.count]),
        # A sequence that is among the highest is not shown among the lowest.
        lowest=shown(order[::-1][: min(options.count, max(0, len(order) - options.count))]),
    )


def _encoded(corpus: Any, loaded: Model, options: ExampleOptions) -> Encoded:
    """Read, parse and encode a corpus."""
    parser = None if options.parser is None else find_parser(options.parser)
    with Source(corpus, options).opened(parser, Counter(), Stopwatch()) as sequences:
        return encode(sequences, loaded.tokenizer, max_length=loaded.max_length)


def _one_role(role: str | Role) -> Role:
    roles = parse_roles(role if isinstance(role, str) else [role])
    if len(roles) != 1:
        raise UsageError(f"role must be a single one, got {role!r}")
    return roles[0]


def _check_head(loaded: Model, layer: int, head: int) -> None:
    if not 0 <= layer < loaded.layers:
        raise UsageError(f"layer must lie in 0..{loaded.layers - 1}, got {layer}")
    heads = loaded.route.heads_per_layer[layer]
    if not heads:
        raise UsageError(f"layer must have attention, got {layer} without")
    if not 0 <= head < heads:
        raise UsageError(f"head must lie in 0..{heads - 1}, got {head}")


def _example(
    loaded: Model,
    encoded: Encoded,
    number: int,
    role: Role,
    run: RunOptions,
    head: tuple[int, int],
    scores: Array,
) -> Example:
    """Return a sequence with the score of each word pair, scored as a role of its own."""
    one = encoded.take(np.array([number]))
    sieve = role.sieve(one)
    if not isinstance(sieve, Pairs):
        raise UsageError(f"examples need a role of word pairs, got {role.name!r}")
    groups = np.unique(sieve.group)
    # One forward pass with a role per word pair: the sieve of each is one group of the whole sieve.
    alone = tuple(_alone(role, int(group)) for group in groups)
    values = run_batches(loaded, one, alone, run).values[0, :, head[0], head[1]]
    pairs = [
        Pair(_positions(sieve, group, "query"), _positions(sieve, group, "key"), float(value))
        for group, value in zip(groups, values, strict=True)
    ]
    pairs.sort(key=lambda pair: -pair.score)
    tokens = loaded.tokenizer.convert_ids_to_tokens(one.input_ids.tolist())
    lost = edge_loss(loaded, one, role, head)
    return Example(
        id=one.ids[0],
        tokens=tuple(map(str, tokens)),
        score=float(scores[number]),
        pairs=tuple(pairs),
        loss=None if lost is None else lost.loss,
        loss_without=None if lost is None else lost.without,
    )


def _alone(role: Role, group: int) -> Role:
    def sieve(batch: Encoded) -> Pairs:
        whole = role.sieve(batch)
        assert isinstance(whole, Pairs)
        mine = whole.group == group
        return Pairs(whole.sequence[mine], whole.group[mine], whole.query[mine], whole.key[mine])

    return replace(role, name=f"{role.name}#{group}", sieve=sieve, relation=None, lacking=None)


def _positions(sieve: Pairs, group: int, side: str) -> tuple[int, ...]:
    return tuple(np.unique(getattr(sieve, side)[sieve.group == group]).tolist())
