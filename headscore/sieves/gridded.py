"""Gridded: a batch whose lengths and padding are computed once for all roles."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded


class Gridded(Encoded):
    """An `Encoded` that keeps what roles ask it for again and again."""

    @classmethod
    def of(cls, encoded: Encoded) -> Gridded:
        """Return the same batch; its arrays are not copied."""
        gridded = object.__new__(cls)
        vars(gridded).update(vars(encoded))
        if encoded.source is not None:
            vars(gridded)["source"] = cls.of(encoded.source)
        return gridded

    @cached_property
    def lengths(self) -> Array:  # noqa: D102
        return _kept(np.diff(self.offsets))

    @cached_property
    def tokens(self) -> int:  # noqa: D102
        return int(self.lengths.max(initial=0)) if self.padded is None else self.padded

    @cached_property
    def real(self) -> Array:  # noqa: D102
        return _kept(np.arange(self.tokens) < self.lengths[:, None])

    @cached_property
    def places(self) -> tuple[Array, Array]:  # noqa: D102
        sequence, position = super().places
        return _kept(sequence), _kept(position)


def _kept(array: Array) -> Array:
    # Every role gets the same array: none may change it for the others.
    array.flags.writeable = False
    return array
