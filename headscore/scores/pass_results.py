"""Collect the scores, position control and counts of all layers of one forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import torch

from headscore import backends
from headscore.arrays import Array, Bools, Ints, offsets_of
from headscore.backends import transfer
from headscore.backends.contract import Visibility
from headscore.backends.results import describe_faults
from headscore.errors import InputError
from headscore.model import forward
from headscore.scores.by_sequence import packed
from headscore.scores.matched_results import Layers, MatchedSums, of_layers
from headscore.scores.prepare import compared_arrays, named
from headscore.sieves.excess import PositionControl, control_position
from headscore.sieves.matching import MatchedRows
from headscore.sieves.odds import ROWS


@dataclass(frozen=True)
class PassResults:
    """The results of a batch, on the host.

    Attributes
    ----------
    values, attainable, excess, position_sums, entries, invisible
        As in `headscore.scores.batches.Scored`, of the sequences of the batch; `excess` and
        `position_sums` leave out sequences with a fault.
    left_out
        Word pairs without a comparison; where layers differ in visible keys, the most of any layer.
    faults
        uint8 (batch, layer, head), fault bits.
    matched
        The rows of the matched control, also of sequences with a fault; None: there are none.
    """

    values: Array
    attainable: Array
    excess: Array
    position_sums: Ints
    entries: Ints
    invisible: Bools
    left_out: int
    faults: Array
    matched: MatchedSums | None


def collect(
    done: forward.Pass,
    loaded: Mapping[Visibility, Mapping[str, torch.Tensor]] = MappingProxyType({}),
) -> PassResults | None:
    """Bring the results of a pass to the host, all in one copy.

    Parameters
    ----------
    done
        The pass.
    loaded
        For each visibility the arrays of `compared_arrays` that are on the device already.

    Returns
    -------
    PassResults or None
        None: some mask was not as expected, so that the pass is void.
    """
    roles = len(done.plan.roles)
    faults = torch.cat([raw.faults for raw in done.scored], 1)
    tensors = {
        "scores": torch.cat([raw.scores[:, :roles] for raw in done.scored], 2),
        "faults": faults,
    }
    if done.expected is not None and done.expected.doubts:
        tensors["doubt"] = torch.stack(done.expected.doubts).any().to(faults.device)
    for number, visibility in enumerate(dict.fromkeys(done.visibilities)):
        found = _to_control(done, visibility, faults, loaded.get(visibility))
        tensors |= {f"{number} {name}": tensor for name, tensor in found.items()}
    with done.stopwatch.stage("forward"):
        arrays = transfer.fetch(tensors)
    doubted = "doubt" in arrays and bool(arrays["doubt"])
    return None if doubted else _results(done, arrays)


def check_faults(faults__blh: Array, ids: tuple[str, ...]) -> None:
    """Raise InputError for the first faulty head, by layer, sequence and head."""
    places = np.argwhere(faults__blh.transpose(1, 0, 2))
    if len(places):
        layer, row, head = places[0].tolist()
        fault = describe_faults(int(faults__blh[row, layer, head]))
        raise InputError(
            f"the attention of sequence {ids[row]!r}, layer {layer}, head {head} {fault}"
        )


def scores_of(done: forward.Pass, scores__brx: Array) -> tuple[Array, Array]:
    """Return the batch's scores (batch, role, layer, head) and attainable (batch, role, layer).

    `scores__brx` holds the heads of all layers, one after the other.
    """
    batch, roles, _ = scores__brx.shape
    values = _empty(done, batch, roles)
    attainable = np.full(values.shape[:3], np.nan, np.float32)
    for layer, heads, visibility in _layers(done):
        arrays = done.plan.arrays(visibility)
        # (batch, role) against (batch, role, head).
        takes_part = arrays.takes_part[:, :roles, None]
        scores = np.where(takes_part, scores__brx[:, :, heads], np.float32(np.nan))
        values[:, :, layer, : scores.shape[2]] = scores
        attainable[:, :, layer] = arrays.attainable[:, :roles]
    return values, attainable


def invisible_of(done: forward.Pass) -> Bools:
    """Return bool (batch, role, layer), there is a sieve of which no entry is visible."""
    batch, roles = done.plan.batch, len(done.plan.roles)
    invisible = np.zeros((batch, roles, done.route.depth), np.bool_)
    for layer, visibility in zip(done.route.layers, done.visibilities, strict=True):
        invisible[:, :, layer] = done.plan.under(visibility).invisible
    return invisible


def entries_of(done: forward.Pass) -> Ints:
    """Return int64 (batch, role pair), the common sieve entries of two roles, over all layers."""
    layers = Counter(done.visibilities)
    # They depend on a layer by its visibility only: count once for each, times its layers.
    counts = [packed(done.plan.under(each).overlap) * number for each, number in layers.items()]
    return np.asarray(sum(counts))


def _results(done: forward.Pass, arrays: Mapping[str, Array]) -> PassResults:
    batch, roles, _ = arrays["scores"].shape
    values, attainable = scores_of(done, arrays["scores"])
    excess = _empty(done, batch, roles)
    sums = np.zeros((ROWS, *excess.shape[1:]), np.int64)
    faults = np.zeros((batch, *excess.shape[2:]), np.uint8)
    controls: dict[Visibility, PositionControl] = {}
    matched: dict[Visibility, Layers] = {}
    left_out = 0
    for number, visibility in enumerate(dict.fromkeys(done.visibilities)):
        found = named(arrays, str(number))
        controls[visibility] = _controlled(done, visibility, found, arrays)
        if "matched" in found:
            matched[visibility] = (_matched_rows(done, visibility), found["matched"], [])
        left_out = max(left_out, done.plan.under(visibility).left_out)
    # Heads of the layers of one visibility lie one after the other, as those of all layers do.
    ends = dict.fromkeys(controls, 0)
    for layer, heads, visibility in _layers(done):
        count, start = heads.stop - heads.start, ends[visibility]
        own = slice(start, start + count)
        ends[visibility] += count
        control = controls[visibility]
        excess[:, :, layer, :count] = control.excess[:, :, own]
        sums[:, :, layer, :count] = control.sums[:, :, own]
        if visibility in matched:
            matched[visibility][2].append((layer, own))
        faults[:, layer, :count] = arrays["faults"][:, heads]
    return PassResults(
        values=values,
        attainable=attainable,
        excess=excess,
        position_sums=sums,
        entries=entries_of(done),
        invisible=invisible_of(done),
        left_out=left_out,
        faults=faults,
        matched=of_layers([*matched.values()], *excess.shape[2:]) if matched else None,
    )


def _to_control(
    done: forward.Pass,
    visibility: Visibility,
    faults__bx: torch.Tensor,
    compared: Mapping[str, torch.Tensor] | None,
) -> dict[str, torch.Tensor]:
    """Return what the controls of some layers need on the host, or their result.

    Layers with equal visibility (all of them in most models; sliding windows may alternate) have
    the same comparison entries: their heads are put side by side.
    """
    chosen = [
        raw.scores
        for raw, each in zip(done.scored, done.visibilities, strict=True)
        if each == visibility
    ]
    plan = done.plan.under(visibility)
    compares = bool(len(plan.comparison.unit_role))
    if not compares and plan.matched is None:
        return {}
    columns, found = torch.cat(chosen, 2), {}
    if plan.matched is not None:
        found = {"matched": columns[:, plan.width :]}
        columns = columns[:, : plan.width]
    if not compares:
        return found
    if not backends.controls(done.chosen_backend):
        return {**found, "columns": columns}
    if compared is None:
        packed = transfer.Packed.of(compared_arrays(done.plan, visibility))
        compared = transfer.load(packed, columns.device)
    counted = faults__bx.amax(1) == 0
    excess, sums = backends.control_position(
        done.chosen_backend, compared, columns, counted, len(done.plan.roles)
    )
    return {**found, "excess": excess, "sums": sums}


def _matched_rows(done: forward.Pass, visibility: Visibility) -> MatchedRows:
    """Return the rows of the layers of a visibility, numbered among their own columns."""
    plan = done.plan.under(visibility)
    assert plan.matched is not None
    return replace(plan.matched, column=plan.matched.column - plan.width)


def _controlled(
    done: forward.Pass,
    visibility: Visibility,
    found: Mapping[str, Array],
    arrays: Mapping[str, Array],
) -> PositionControl:
    """Return the position control of the layers of a visibility."""
    batch, roles, _ = arrays["scores"].shape
    if "excess" in found:
        return PositionControl(found["excess"], found["sums"])
    counted = np.asarray(~arrays["faults"].any(axis=1))
    if "columns" in found:
        comparison = done.plan.under(visibility).comparison
        with done.stopwatch.stage("kernel"):  # what a GPU does where its scores are
            return control_position(comparison, found["columns"], counted, roles)
    heads = arrays["scores"].shape[2]  # enough for any of the visibilities
    nothing = np.full((batch, roles, heads), np.nan, np.float32)
    return PositionControl(nothing, np.zeros((ROWS, roles, heads), np.int64))


def _layers(done: forward.Pass) -> Iterator[tuple[int, slice, Visibility]]:
    """Yield each layer's number, the place of its heads among those of all, and its visibility."""
    ends = offsets_of(done.route.heads).tolist()
    heads = [slice(*each) for each in pairwise(ends)]
    yield from zip(done.route.layers, heads, done.visibilities, strict=True)


def _empty(done: forward.Pass, batch: int, roles: int) -> Array:
    """Return NaN (batch, role, layer, head): layers without attention and missing heads stay so."""
    return np.full((batch, roles, done.route.depth, max(done.route.heads)), np.nan, np.float32)
