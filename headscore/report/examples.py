"""Examples: the sequences with the highest and lowest scores of a head, and where it looks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Any

import numpy as np

from headscore import files
from headscore.arrays import Array
from headscore.causal.edge_loss import edge_loss
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError, UsageError
from headscore.log import log
from headscore.model.described import check_number
from headscore.model.load import Model, load_model
from headscore.model.route import Route
from headscore.options import ExampleOptions, RunOptions
from headscore.parsing.pipelines import find_parser
from headscore.parsing.source import Source
from headscore.report import html
from headscore.report.example_set import MOST_SHOWN, Example, ExampleSet
from headscore.report.place_examples import Places, are_inputs
from headscore.report.role_pairs import pairs_of
from headscore.roles.presence import missing
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.batches import run_batches
from headscore.scores.notebook import view
from headscore.scores.signature import printable
from headscore.signatures import takes
from headscore.stopwatch import Stopwatch


@dataclass(frozen=True)
class Examples(ExampleSet):
    """The examples of one head in one role, see `ExampleSet`; with an HTML page."""

    def __str__(self) -> str:
        """Return the lines, for `print`."""
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        """Show the examples in a notebook: the score and the text of each."""
        first, *_ = self.lines()
        rows = [
            (f"{each.score:.2f}", f"{printable(each.id)}: {printable(' '.join(each.tokens))}")
            for each in (*self.highest, *self.lowest)
        ]
        return view(printable(first), rows, printable(self.model))

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one HTML page with arcs from each query; raise InputError if that fails."""
        files.write_text(path, html.examples_page(self))


@takes(ExampleOptions)
def examples(model: Any, corpus: Any, options: ExampleOptions) -> Examples:
    """Find the sequences with the highest and lowest scores, and where the head looks in them.

    Parameters
    ----------
    model, corpus
        As in `headscore.score`; or a model of pictures or sound, loaded, and its inputs by name,
        such as ``{"pixel_values": tensor}``, whose tokens are shown as "row,column" of a patch.

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
    if are_inputs(corpus):
        return _of_places(model, corpus, role, options)
    loaded = load_model(model, options, head="auto")
    head = options.layer, options.head
    _check_head(loaded.route, *head)
    encoded = _encoded(corpus, loaded, options)
    for sentence in missing((role,), encoded):
        log.warning(sentence)
    run = RunOptions(backend=options.backend, position=False)
    scores = run_batches(loaded, encoded, (role,), run).values[:, 0, head[0], head[1]]
    return _extremes(
        loaded.name,
        role,
        options,
        scores,
        lambda s: _example(loaded, encoded, s, role, run, head, scores),
    )


def _of_places(
    model: Any, inputs: Mapping[str, Any], role: Role, options: ExampleOptions
) -> Examples:
    """Find examples among the inputs of a model that reads pictures or sound."""
    places = Places(model, inputs, options.backend)
    run = places.run([role], range(places.n))
    assert run.route is not None  # found in the first pass at the latest
    head = options.layer, options.head
    _check_head(run.route, *head)
    found = run.scores()
    scores = found.values[:, 0, head[0], head[1]]
    name = dict(found.facts)["model"]
    return _extremes(
        name, role, options, scores, lambda s: places.example(s, role, head, float(scores[s]))
    )


def _extremes(
    name: str,
    role: Role,
    options: ExampleOptions,
    scores: Array,
    example: Callable[[int], Example],
) -> Examples:
    """Return the examples with the highest and lowest scores."""
    # NaN sorts to the end: cut it off. order[0] is the highest, order[-1] the lowest score.
    order = np.argsort(-scores, kind="stable")[: int((~np.isnan(scores)).sum())]
    if not len(order):
        raise InputError(f"no sequence of the corpus has an entry of {role.name!r}")

    def shown(chosen: Array) -> tuple[Example, ...]:
        return tuple(example(int(s)) for s in chosen)

    return Examples(
        model=name,
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


def _check_head(route: Route, layer: int, head: int) -> None:
    check_number("layer", layer, route.depth)
    heads = route.heads_per_layer[layer]
    if not heads:
        raise UsageError(f"layer must have attention, got {layer} without")
    check_number("head", head, heads)


def _example(
    loaded: Model,
    encoded: Encoded,
    number: int,
    role: Role,
    run: RunOptions,
    head: tuple[int, int],
    scores: Array,
) -> Example:
    """Return a sequence with its pairs, each scored as a role of its own."""
    one = encoded.take(np.array([number]))

    def score(roles: Many[Role]) -> Array:
        return run_batches(loaded, one, tuple(roles), run).values[0, :, head[0], head[1]]

    tokens = loaded.tokenizer.convert_ids_to_tokens(one.input_ids.tolist())
    lost = edge_loss(loaded, one, role, head)
    return Example(
        id=one.ids[0],
        tokens=tuple(map(str, tokens)),
        score=float(scores[number]),
        pairs=pairs_of(role, one, score, most=MOST_SHOWN),
        loss=None if lost is None else lost.loss,
        loss_without=None if lost is None else lost.without,
    )
