"""The tokens that a language model predicts in a batch, with its loss and divergence at them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from headscore.arrays import Array, Floats
from headscore.causal.change import Inputs
from headscore.causal.hashing import draw_from, mixed, sequence_keys
from headscore.encoding.encoded import Encoded

_BLOCK_LOGITS = 2**21  # logits that are normalised at a time: 8 MB in float32


class Predicted(NamedTuple):
    """The predictions of a batch.

    Attributes
    ----------
    sequence, row
        int64 (prediction,): the token at whose place the model predicts.
    target
        int64 (prediction,): the token id to be predicted.
    """

    sequence: Array
    row: Array
    target: Array


def next_tokens(batch: Encoded) -> Predicted:
    """Return the predictions of a causal model: every token predicts the next, the last nothing."""
    # Flat tokens: the target of a token is its right neighbour, if that is in the same sequence.
    sequence, position = places(batch)
    predicts = np.flatnonzero(sequence[1:] == sequence[:-1])
    return Predicted(sequence[predicts], position[predicts], batch.input_ids[predicts + 1])


def masked_tokens(batch: Encoded, *, share: float, seed: int) -> Predicted:
    """Choose the tokens to mask: at random, the same for a sequence in any batch.

    Parameters
    ----------
    batch
        The sequences.
    share
        Of the tokens that are not special, rounded; at least one of each sequence is masked.
    seed
        Another seed chooses others.
    """
    sequence, position = (each[~batch.special] for each in places(batch))
    wanted = np.rint(share * np.bincount(sequence, minlength=len(batch))).astype(np.int64)
    hashes = mixed(sequence_keys(batch, seed)[sequence], position)
    chosen = draw_from(sequence, hashes, np.maximum(1, wanted))
    ids = batch.input_ids[~batch.special]
    return Predicted(sequence[chosen], position[chosen], ids[chosen])


def masked_inputs(inputs: Inputs, predicted: Predicted, mask: int) -> Inputs:
    """Return the inputs of a model with the tokens to be predicted masked."""
    ids = inputs["input_ids"].clone()
    ids[torch.from_numpy(predicted.sequence), torch.from_numpy(predicted.row)] = mask
    return {**inputs, "input_ids": ids}


def places(batch: Encoded) -> tuple[Array, Array]:
    """Return the sequence and the position of each token, int64 (token,) each."""
    sequence = np.repeat(np.arange(len(batch)), batch.lengths)
    return sequence, np.arange(len(sequence)) - batch.offsets[sequence]


def losses(logits__btv: torch.Tensor, predicted: Predicted) -> Floats:
    """Return the loss of each prediction in nats, (prediction,).

    Parameters
    ----------
    logits__btv
        (batch, T, word) of any floating dtype.
    predicted
        The predictions of the batch.
    """
    rows, target = _rows(logits__btv, predicted), _on(predicted.target, logits__btv)
    parts = [
        functional.cross_entropy(_logits(logits__btv, each), target[block], reduction="none")
        for block, each in _blocks(rows, logits__btv.shape[-1])
    ]
    return _joined(parts)


def divergences(
    clean__btv: torch.Tensor, changed__btv: torch.Tensor, predicted: Predicted
) -> Floats:
    """Return KL(clean || changed) of each prediction in nats, (prediction,).

    Parameters
    ----------
    clean__btv, changed__btv
        (batch, T, word), the logits of both passes.
    predicted
        The predictions of the batch.
    """
    rows = _rows(clean__btv, predicted)
    parts = []
    for _, each in _blocks(rows, clean__btv.shape[-1]):
        clean, changed = (
            functional.log_softmax(_logits(logits, each), dim=-1)
            for logits in (clean__btv, changed__btv)
        )
        terms = functional.kl_div(changed, clean, reduction="none", log_target=True)
        parts.append(terms.sum(-1).clamp_(min=0))  # below 0 by rounding only
    return _joined(parts)


def _rows(logits__btv: torch.Tensor, predicted: Predicted) -> torch.Tensor:
    """Return the row of each prediction among the batch * T rows of the logits."""
    return _on(predicted.sequence * logits__btv.shape[1] + predicted.row, logits__btv)


def _blocks(rows: torch.Tensor, words: int) -> list[tuple[slice, torch.Tensor]]:
    size = max(1, _BLOCK_LOGITS // words)
    cuts = [slice(start, start + size) for start in range(0, len(rows), size)]
    return [(cut, rows[cut]) for cut in cuts]


def _logits(logits__btv: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return some rows of the logits in float32 or more."""
    taken = logits__btv.flatten(0, 1)[rows]
    return taken if taken.dtype == torch.float64 else taken.float()


def _on(array: Array, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(array).to(like.device)


def _joined(parts: list[torch.Tensor]) -> Floats:
    if not parts:
        return np.zeros(0)
    return np.asarray(torch.cat(parts).cpu().double().numpy())
