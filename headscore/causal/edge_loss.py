"""The loss of a language model at the rows of a role, with and without the role's edges."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch

from headscore.arrays import Ints
from headscore.causal.entry_blocks import EntryBlocks
from headscore.causal.knockout import knocking
from headscore.causal.placebo import role_edges
from headscore.causal.predictions import Predicted, losses, masked_inputs, next_tokens
from headscore.causal.removal import Removal
from headscore.encoding.encoded import Encoded
from headscore.model.arguments import forward_options
from headscore.model.forward import attached
from headscore.model.lm_head import CAUSAL, head_of
from headscore.model.load import Model
from headscore.model.masks import simplest
from headscore.roles.role import Role
from headscore.scores.batches import inputs


class EdgeLoss(NamedTuple):
    """Mean loss in nats at the rows of a role, and that without its edges in one head."""

    loss: float
    without: float


def edge_loss(model: Model, one: Encoded, role: Role, head: tuple[int, int]) -> EdgeLoss | None:
    """Return the loss of a sequence at the rows in which a role has an edge.

    A causal model predicts the next token there; of a masked model these tokens are masked.

    Parameters
    ----------
    model
        A model that has been run, so that its `Model.visibilities` are known.
    one
        One sequence.
    role
        The role.
    head
        (layer, head) that loses the edges.

    Returns
    -------
    EdgeLoss or None
        None where the model has no language-model head, or one for the next token that it may see,
        does not show its queries and keys, or predicts nothing at these rows.
    """
    kind, layer = head_of(model.network), head[0]
    mask = None if kind == CAUSAL else model.tokenizer.mask_token_id
    if model.route.returned or kind is None or (kind != CAUSAL and mask is None):
        return None
    seen = simplest(model.visibilities[model.route.layers.index(layer)], one.tokens)
    if kind == CAUSAL and not seen.causal:
        return None  # the model sees what it is to predict
    blocks = EntryBlocks.of(role, one, seen)
    chosen = _predicted(one, np.unique(role_edges(blocks).query), causal=kind == CAUSAL)
    if not len(chosen.target):
        return None
    read = inputs(model, one)
    given = read if mask is None else masked_inputs(read, chosen, mask)
    options = forward_options(model.network, use_cache=False)
    real = torch.from_numpy(one.real).to(model.device)
    removal = Removal.of_sieves(blocks.plan.sieves, real)
    knocked = knocking(model.network, model.route, removal, {layer: (head[1],)})
    found = []
    with torch.inference_mode(), attached(model.network, model.route):
        for changed in (nullcontext(), knocked):
            with changed:
                logits = model.network(**given, **options).logits
            found.append(float(losses(logits, chosen).mean()))
    return EdgeLoss(*found)


def _predicted(one: Encoded, rows: Ints, *, causal: bool) -> Predicted:
    if not causal:
        return Predicted(np.zeros_like(rows), rows, one.input_ids[rows])
    every = next_tokens(one)
    at = np.isin(every.row, rows)
    return Predicted(every.sequence[at], every.row[at], every.target[at])
