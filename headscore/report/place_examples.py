"""Examples of pictures and sound: the tokens are places, such as patches of a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.report.example_set import MOST_SHOWN, Example
from headscore.report.role_pairs import pairs_of
from headscore.roles.grid import PLACE, has_places
from headscore.roles.role import Role
from headscore.scores.capture import Capture, capture

Inputs = Mapping[str, torch.Tensor]
_BATCH = 16  # sequences of a pass


class Places:
    """A model and what it reads, sequence by sequence."""

    def __init__(self, model: Any, inputs: Inputs, backend: str) -> None:
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                f"model must be loaded where its inputs are tensors, got {type(model).__name__}"
            )
        sizes = {len(each) for each in inputs.values()}
        if len(sizes) != 1 or 0 in sizes:
            raise InputError(f"inputs must be tensors of as many sequences, got {sorted(sizes)}")
        self.model, self.inputs, self.backend = model, inputs, backend
        self.n = sizes.pop()

    def run(self, roles: Iterable[Role], sequences: range) -> Capture:
        """Return the scores of some sequences."""
        with torch.no_grad(), capture(self.model, roles, backend=self.backend) as run:
            for start in range(sequences.start, sequences.stop, _BATCH):
                stop = min(start + _BATCH, sequences.stop)
                self.model(**{name: each[start:stop] for name, each in self.inputs.items()})
        return run

    def example(self, number: int, role: Role, head: tuple[int, int], score: float) -> Example:
        """Return a sequence with its pairs, each scored as a role of its own."""
        one = range(number, number + 1)
        (encoded,) = self.run([role], one).encoded()

        def scored(roles: Iterable[Role]) -> Array:
            return self.run(roles, one).scores().values[0, :, head[0], head[1]]

        return Example(
            id=str(number),
            tokens=place_names(encoded),
            score=score,
            pairs=pairs_of(role, encoded, scored, most=MOST_SHOWN),
        )


def are_inputs(corpus: object) -> bool:
    """Return whether a corpus is the inputs of a model, by name."""
    return (
        isinstance(corpus, Mapping)
        and bool(corpus)
        and all(isinstance(each, torch.Tensor) and each.ndim for each in corpus.values())
    )


def place_names(one: Encoded) -> tuple[str, ...]:
    """Return the row and column of each token of a sequence, or its number where it has none."""
    if not has_places(one):
        return tuple(map(str, range(len(one.input_ids))))
    places: list[Array] = [one.columns[name].labels for name in PLACE]
    return tuple(
        f"{row},{column}" if row >= 0 and column >= 0 else f"#{number}"
        for number, (row, column) in enumerate(zip(*places, strict=True))
    )
