"""Score attention weights that the user already has, as transformers returns them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Many
from importlib.metadata import version
from typing import Any

import numpy as np

from headscore import backends
from headscore.arrays import Array
from headscore.backends.checks import checked_visibility
from headscore.encoding.encoded import Encoded, check_encoded
from headscore.errors import InputError, UsageError
from headscore.options import BackendOptions, RunOptions, ScoreOptions
from headscore.roles.presence import check_parsed
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.by_sequence import packed, with_sums
from headscore.scores.exact_zeros import looks_causal
from headscore.scores.head_scores import HeadScores
from headscore.scores.matched_results import of_layers
from headscore.sieves.batch_plan import BatchPlan
from headscore.sieves.excess import control_position
from headscore.sieves.odds import ROWS
from headscore.sieves.sampling import with_controls
from headscore.sieves.visible_plan import VisiblePlan


def score_attentions(
    attentions: Iterable[Any],
    encoded: Encoded,
    roles: str | Iterable[str | Role] = ScoreOptions.roles,
    *,
    causal: bool | None = None,
    window: int | None = None,
    backend: str = BackendOptions.backend,
    control: str = RunOptions.control,
) -> HeadScores:
    """Score the attention of all layers of one batch.

    Parameters
    ----------
    attentions
        One (batch, head, T, T) per layer, as ``outputs.attentions``: torch, numpy or any array
        that is shared by DLPack, such as JAX's. None: the layer has no attention.
    encoded
        The batch, see `Encoded.from_arrays`.
    roles
        Role specs or `Role` objects.
    causal
        Whether keys after a query are invisible to it. None: they are where the attention is
        exactly 0 above the diagonal in every layer, head and sequence of at least two tokens,
        which is logged.
    window, backend
        As in `sieve_scores`.
    control
        As in `score`; columns are those of `encoded`.

    Returns
    -------
    HeadScores

    Raises
    ------
    UsageError
        A control of labels, and a batch with a source.
    InputError
        No layer with attention, or attention that `sieve_scores` refuses; a control of columns
        that `encoded` lacks.
    """
    options = RunOptions(control=control)
    attentions = _listed(attentions)
    if attentions and all(each is None for each in attentions):
        raise InputError(
            "attentions must be tensors, got None: only a model loaded with "
            "attn_implementation='eager' returns them"
        )
    if not attentions:
        raise InputError("attentions must hold at least one layer, got none")
    parsed = parse_roles(roles)
    check_encoded(encoded)
    check_parsed(parsed, encoded)
    if options.control_columns and encoded.source is not None:
        raise UsageError(f"control must be 'offset' for a batch with a source, got {control!r}")
    plan = BatchPlan.of(parsed, with_controls(encoded, parsed, options.control_columns))
    if causal is None:
        causal = looks_causal(attentions, encoded, window)
    layers = [
        None if each is None else _layer(n, each, plan, causal, window, backend)
        for n, each in enumerate(attentions)
    ]
    # Layers are (batch, column, head): first the roles, then the columns that the position
    # comparison needs. Heads may differ by layer, and a layer without attention has 0.
    heads = np.array([0 if layer is None else layer.shape[2] for layer in layers])
    scored = _side_by_side(layers, heads)
    visibility = checked_visibility(causal, window, plan)
    # Attainable does not depend on the layer here (one visibility): (batch, role) for every layer.
    seen, n_roles = plan.under(visibility), len(plan.roles)
    attainable = np.where(heads > 0, seen.arrays.attainable[:, :n_roles, None], np.nan)
    batch, width, *by_layer = scored.shape
    flat = scored.reshape(batch, width, math.prod(by_layer))
    excess, sums = control_position(seen.comparison, flat[:, : seen.width], None, n_roles)
    compared = plan.texts is not None and plan.sieves.listed.any()
    return HeadScores(
        values=np.ascontiguousarray(scored[:, :n_roles]),
        roles=plan.roles,
        sequence_ids=encoded.ids,
        documents=encoded.documents if any(encoded.documents) else None,
        attainable=attainable.astype(np.float32),
        facts={
            "headscore": version("headscore"),
            "roles": ",".join(plan.roles),
            **options.facts(),
        },
        lengths=encoded.lengths,
        excess=excess.reshape(batch, n_roles, *by_layer) if compared else None,
        position_sums=sums.reshape(ROWS, n_roles, *by_layer) if compared else None,
        heads=heads,
        **with_sums(
            packed(seen.overlap) * int((heads > 0).sum()),
            seen.invisible[:, :, None] & (heads > 0),
            n_roles,
        ),
        **_matched(seen, flat, heads),
    )


def _matched(plan: VisiblePlan, scores__bch: Array, heads__l: Array) -> dict[str, Any]:
    """Return the rows of the matched control by name, none without it."""
    if plan.matched is None:
        return {}
    most = int(heads__l.max())
    layers = [
        (layer, slice(layer * most, layer * most + count))
        for layer, count in enumerate(heads__l.tolist())
        if count
    ]
    return of_layers([(plan.matched, scores__bch, layers)], len(heads__l), most).arrays()


def _listed(attentions: Any) -> list[Any]:
    if attentions is None:
        return [None]
    if isinstance(attentions, str | Mapping) or not isinstance(attentions, Iterable):
        raise InputError(
            f"attentions must be one tensor for each layer, got {type(attentions).__name__}"
        )
    return list(attentions)


def _side_by_side(layers: Many[Array | None], heads__l: Array) -> Array:
    """Stack layers as columns (batch, column, layer, head), NaN where there is no head."""
    first = next(layer for layer in layers if layer is not None)
    columns = np.full((*first.shape[:2], len(layers), heads__l.max()), np.nan, np.float32)
    for number, layer in enumerate(layers):
        if layer is not None:
            columns[:, :, number, : layer.shape[2]] = layer
    return columns


def _layer(
    number: int, attention: Any, plan: BatchPlan, causal: bool, window: int | None, backend: str
) -> Any:
    try:
        scores = backends.sieve_scores(
            attention, plan, causal=causal, window=window, backend=backend
        )
    except InputError as error:
        raise InputError(f"layer {number}: {error}") from error
    return scores if isinstance(scores, np.ndarray) else scores.cpu().numpy()
