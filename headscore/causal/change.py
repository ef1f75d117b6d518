"""Change: what a changed pass loses in each sequence, compared with the clean pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch

from headscore.arrays import Array, Bools, Floats
from headscore.encoding.encoded import Encoded

Inputs: TypeAlias = Mapping[str, torch.Tensor]


class Change(NamedTuple):
    """What a changed pass loses, float64 (batch,) each; see `headscore.causal.values.ArmValues`."""

    delta: Floats
    at_rows: Floats
    elsewhere: Floats
    divergence: Floats


@dataclass(frozen=True, eq=False)
class Clean:
    """What a metric keeps of the clean pass of a batch.

    Attributes
    ----------
    values
        float64 (batch,): the metric of the clean pass, NaN where there is nothing to predict.
    sequence, row
        int64 (token,): the tokens that the metric is a mean of.
    kept
        What the metric compares with: its own.
    """

    values: Floats
    sequence: Array
    row: Array
    kept: Any


class Metric(Protocol):
    """What is compared between a changed pass and the clean pass."""

    @property
    def name(self) -> str:
        """Name of the metric."""

    @property
    def unit(self) -> str:
        """Unit of `Change.delta`."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Keyword arguments that the forward pass needs."""

    def inputs(self, inputs: Inputs, batch: Encoded, /) -> Inputs:
        """Return the inputs of every pass over a batch."""

    def clean(self, outputs: Any, inputs: Inputs, batch: Encoded, /) -> Clean:
        """Return what arms are compared with."""

    def arm(self, outputs: Any, clean: Clean, rows: Bools, /) -> Change:
        """Return what a changed pass loses; `rows` is bool (batch, T)."""


def split(delta: Floats, clean: Clean, rows: Bools, divergence: Floats) -> Change:
    """Average numbers of tokens over each sequence, and apart over the marked rows and the rest."""
    at, batch = rows[clean.sequence, clean.row], len(clean.values)
    return Change(
        delta=means(delta, clean.sequence, batch),
        at_rows=means(delta[at], clean.sequence[at], batch),
        elsewhere=means(delta[~at], clean.sequence[~at], batch),
        divergence=means(divergence, clean.sequence, batch),
    )


def means(values: Floats, sequence: Array, batch: int) -> Floats:
    """Return the mean of each sequence, (batch,), NaN without a value."""
    counts = np.bincount(sequence, minlength=batch)
    sums = np.bincount(sequence, values, minlength=batch)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
