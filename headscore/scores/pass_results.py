"""Collect the scores, position control and counts of all layers of one forward pass."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from headscore.arrays import Array, Bools
from headscore.backends.results import mark_absent
from headscore.model import forward
from headscore.sieves.excess import PositionControl, control_position
from headscore.sieves.odds import ROWS


def scores_of(done: forward.Pass) -> tuple[Array, Array]:
    """Return the batch's scores (batch, role, layer, head) and attainable (batch, role, layer)."""
    route = done.route
    roles = len(done.plan.roles)
    shape = (done.plan.batch, roles, route.depth)
    values = np.full((*shape, max(route.heads)), np.nan, np.float32)
    attainable = np.full(shape, np.nan, np.float32)
    for layer, raw, arrays in done.results():
        scores = mark_absent(raw.scores.cpu(), arrays)[:, :roles].numpy()
        values[:, :, layer, : scores.shape[2]] = scores
        attainable[:, :, layer] = arrays.attainable[:, :roles]
    return values, attainable


def control_of(done: forward.Pass, counted: Bools) -> tuple[PositionControl, int]:
    """Compare the word pairs of a batch with position, in the sequences that are counted.

    Returns
    -------
    control, left_out
        The comparison, and the number of word pairs without one; where layers differ in visible
        keys, the most of any layer.
    """
    most = max(done.route.heads)
    shape = (len(done.plan.roles), done.route.depth, most)
    found = np.full((done.plan.batch, *shape), np.nan, np.float32)
    sums = np.zeros((ROWS, *shape), np.int64)
    layers, left_out = np.array(done.route.layers), 0
    # Layers with equal visibility (all of them in most models; sliding windows may alternate) have
    # the same comparison entries: stack them on the layer axis, (batch, column, layer, head).
    for visibility in set(done.visibilities):
        chosen = np.flatnonzero([each == visibility for each in done.visibilities])
        scores = [_to_width(done.scored[n].scores, most) for n in chosen]
        columns = torch.stack(scores, dim=2).cpu().numpy()
        plan = done.plan.under(visibility)
        flat = columns.reshape(*columns.shape[:2], len(chosen) * most)
        control = control_position(plan.comparison, flat, counted, shape[0])
        found[:, :, layers[chosen]] = control.excess.reshape(-1, shape[0], len(chosen), most)
        sums[:, :, layers[chosen]] = control.sums.reshape(ROWS, shape[0], len(chosen), most)
        left_out = max(left_out, plan.left_out)
    return PositionControl(found, sums), left_out


def _to_width(scores__brh: torch.Tensor, heads: int) -> torch.Tensor:
    missing = heads - scores__brh.shape[2]
    return torch.nn.functional.pad(scores__brh, (0, missing), value=float("nan"))


def invisible_of(done: forward.Pass) -> Array:
    """Return int64 (role, layer), the sequences with a sieve of which no entry is visible."""
    counts = np.zeros((len(done.plan.roles), done.route.depth), np.int64)
    found = {each: done.plan.under(each).invisible for each in set(done.visibilities)}
    for layer, visibility in zip(done.route.layers, done.visibilities, strict=True):
        counts[:, layer] = found[visibility]
    return counts


def overlap_of(done: forward.Pass) -> Array:
    """Return int64 (role, role), the common sieve entries of a batch, summed over layers."""
    layers = Counter(done.visibilities)
    # Overlap depends on a layer by its visibility only: count once for each, times its layers.
    counts = [done.plan.under(each).overlap * number for each, number in layers.items()]
    return np.asarray(sum(counts))
