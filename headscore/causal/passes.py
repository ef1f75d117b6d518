"""Passes of an experiment over a batch: the clean one, and one of each arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from headscore.arrays import Array, Floats
from headscore.backends.contract import Visibility
from headscore.causal.ablate import MEAN, Means, ablating
from headscore.causal.arms import OF_EDGES, Arm
from headscore.causal.change import Change, Clean
from headscore.causal.edges import RoleEdges
from headscore.causal.knockout import knocking
from headscore.causal.selection import Heads, heads_by_layer
from headscore.causal.setting import Setting
from headscore.causal.values import KEEP, PLACEBO
from headscore.encoding.encoded import Encoded
from headscore.errors import IncompleteError, InputError
from headscore.model.arguments import forward_options
from headscore.roles.role import Role
from headscore.scores.batches import inputs, is_out_of_memory


class Batch(NamedTuple):
    """A batch of the corpus.

    Attributes
    ----------
    rows
        Its sequences, as rows of the corpus.
    encoded
        These sequences.
    inputs
        What the model is called with.
    real__bt
        Bool (batch, T) on the device of the model, the tokens that are not padding.
    """

    rows: Array
    encoded: Encoded
    inputs: Mapping[str, torch.Tensor]
    real__bt: torch.Tensor


@dataclass(frozen=True, eq=False)
class Passes:
    """Runs the attached model of a setting."""

    setting: Setting

    def batch(self, rows: Array) -> Batch:
        """Make a batch of some rows of the corpus."""
        model, batch = self.setting.model, self.setting.encoded.take(rows)
        given = self.setting.metric.inputs(inputs(model, batch), batch)
        return Batch(rows, batch, given, torch.from_numpy(batch.real).to(model.device))

    def options(self) -> dict[str, Any]:
        """Return keyword arguments of every pass."""
        return forward_options(self.setting.model.network, use_cache=False)

    def clean(self, batch: Batch) -> Clean:
        """Run the model as it is."""
        metric = self.setting.metric
        with self._enough_memory(batch):
            clean = metric.clean(self._outputs(batch), batch.inputs, batch.encoded)
        known = np.bincount(clean.sequence, minlength=len(batch.rows)) > 0
        self._check_finite(clean.values, known, batch, "the clean pass")
        return clean

    def edges(
        self, role: Role, heads: Heads, batch: Batch, visibilities: Mapping[int, Visibility]
    ) -> RoleEdges:
        """Return the edges of a role in a batch, for the heads that have it."""
        return RoleEdges(
            role=role,
            batch=batch.encoded,
            real__bt=batch.real__bt,
            heads=heads,
            route=self.setting.model.route,
            visibilities=visibilities,
            seed=self.setting.options.seed,
        )

    def arm(
        self,
        arm: Arm,
        batch: Batch,
        clean: Clean,
        edges: RoleEdges,
        means: Means,
        first_layer: int = 0,
    ) -> tuple[Change, int]:
        """Run the model with the changes of an arm, from the first layer that is computed on.

        Returns
        -------
        change, left_alone
            What the model loses, and the rows of heads that would have no key left.
        """
        with self._enough_memory(batch):
            with self._changed(arm, batch, edges, means, first_layer) as runs:
                outputs = self._outputs(batch)
            change = self.setting.metric.arm(outputs, clean, edges.rows__bt)
        self._check_finite(change.delta, ~np.isnan(clean.values), batch, f"the arm {arm}")
        return change, sum(run.left_alone for run in runs)

    def _outputs(self, batch: Batch) -> Any:
        network, metric = self.setting.model.network, self.setting.metric
        with torch.inference_mode():
            return network(**batch.inputs, **self.options(), **metric.options)

    @contextmanager
    def _changed(
        self, arm: Arm, batch: Batch, edges: RoleEdges, means: Means, first_layer: int
    ) -> Iterator[list[Any]]:
        """Change the heads of an arm; yield what counts the rows that were left alone."""
        network, route = self.setting.model.network, self.setting.model.route
        with ExitStack() as stack:
            if arm.name in OF_EDGES:
                removed = edges.placebo.removed if arm.name == PLACEBO else (edges.sieve,)
                knock = partial(
                    knocking, network, route, keep=arm.name == KEEP, first_layer=first_layer
                )
                yield [stack.enter_context(knock(each, heads)) for each, heads in removed]
                return
            how = self.setting.options.how
            given = means if how == MEAN else None
            heads = heads_by_layer(arm.heads, route)
            found = self.setting.projections
            stack.enter_context(ablating(network, found, heads, how, given, batch.real__bt))
            yield []

    def _check_finite(self, values: Floats, known: Array, batch: Batch, what: str) -> None:
        wrong = np.flatnonzero(known & ~np.isfinite(values))
        if len(wrong):
            raise InputError(
                f"the metric of {what} must be finite, got {values[wrong[0]]} for sequence "
                f"{batch.encoded.ids[wrong[0]]!r}"
            )

    @contextmanager
    def _enough_memory(self, batch: Batch) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            size = batch.real__bt.numel()
            raise IncompleteError(
                f"memory must hold the logits of a batch, got out of it on one of {size} tokens: "
                "lower batch_tokens"
            ) from error
