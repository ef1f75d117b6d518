"""Find the sequence of a batch, and the token in it, that each token takes an output from."""

from __future__ import annotations

import torch

from headscore.errors import InputError
from headscore.model.forward import order_of


def donors(real__bt: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each token the sequence that it takes from, and the place in that sequence.

    The next sequence that has a token at the same position among its real tokens, the first one
    following the last; where no other has one, and for padding, the token itself:

        real         a b c .      takes from   d e f .
                     . d e f                   . g h c
                     g h . .                   a b . .

    Parameters
    ----------
    real__bt
        Bool (batch, T), the tokens that are not padding.

    Returns
    -------
    int64 (batch, T), int64 (batch, T)

    Raises
    ------
    InputError
        There is a single sequence.
    """
    batch, tokens = real__bt.shape
    if batch < 2:
        raise InputError(f"how='resample' needs a batch of at least 2 sequences, got {batch}")
    device = real__bt.device
    numbers = torch.arange(batch, device=device)
    position, lengths = real__bt.cumsum(1) - 1, real__bt.sum(1)
    sequence = numbers[:, None].repeat(1, tokens)
    open_ = real__bt.clone()
    for step in range(1, batch):
        other = (numbers + step) % batch
        reaches = open_ & (position < lengths[other, None])
        sequence = torch.where(reaches, other[:, None], sequence)
        open_ &= ~reaches
    own = torch.arange(tokens, device=device).expand(batch, tokens)
    place = order_of(real__bt, tokens)[sequence, position.clamp(min=0)]
    return sequence, torch.where(real__bt, place, own)
