"""Scores of attention that you already have, as transformers returns it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from importlib.metadata import version
from typing import Any

import numpy as np

from headscore import backends, beyond
from headscore.backends.contract import Visibility
from headscore.encoded import Encoded
from headscore.errors import InputError
from headscore.overlap import count_overlap
from headscore.plan import SievePlan
from headscore.position import Controlled
from headscore.scores import HeadScores
from headscore.sieves import Role, parse_roles


def score_attentions(
    attentions: Many[Any],
    encoded: Encoded,
    roles: str | Iterable[str | Role] = "paper",
    *,
    causal: bool = False,
    window: int | None = None,
    backend: str = "auto",
) -> HeadScores:
    """Score the attention of all layers of one batch.

    Parameters
    ----------
    attentions
        One (batch, head, T, T) tensor or array per layer, as ``outputs.attentions``.
    encoded
        The batch, see `Encoded.from_arrays`.
    roles
        Role specs or `Role` objects.
    causal, window, backend
        As in `sieve_scores`.

    Returns
    -------
    HeadScores

    Raises
    ------
    InputError
        No layer, layers of different shapes, or attention that `sieve_scores` refuses.
    """
    if attentions is None or any(each is None for each in attentions):
        raise InputError(
            "attentions must be tensors, got None: only a model loaded with "
            "attn_implementation='eager' returns them"
        )
    if not len(attentions):
        raise InputError("attentions must hold at least one layer, got none")
    parsed = parse_roles(roles)
    plan = SievePlan.compile(parsed, encoded)
    control = Controlled.of(plan, encoded)
    layers = [
        _layer(n, each, control, causal, window, backend) for n, each in enumerate(attentions)
    ]
    if len({layer.shape for layer in layers}) > 1:
        heads = [layer.shape[2] for layer in layers]
        raise InputError(f"every layer must have the same number of heads, got {heads}")
    visibility = Visibility(causal, window)
    attainable = plan.arrays(visibility).attainable
    columns = np.stack(layers, axis=2)
    ratios = beyond.log_ratios(control, columns, beyond.compare(control, visibility))
    return HeadScores(
        np.ascontiguousarray(columns[:, : len(plan.names)]),
        plan.names,
        encoded.ids,
        encoded.documents if any(encoded.documents) else None,
        np.repeat(attainable[:, :, None], len(layers), axis=2),
        facts={"headscore": version("headscore"), "roles": ",".join(plan.names)},
        overlap=count_overlap(plan, visibility) * len(layers),
        beyond=ratios if plan.listed.any() else None,
    )


def _layer(
    number: int, attention: Any, plan: Controlled, causal: bool, window: int | None, backend: str
) -> Any:
    try:
        scores = backends.sieve_scores(
            attention, plan, causal=causal, window=window, backend=backend
        )
    except InputError as error:
        raise InputError(f"layer {number}: {error}") from error
    return scores if isinstance(scores, np.ndarray) else scores.cpu().numpy()
