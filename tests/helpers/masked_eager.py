"""Eager attention over full T x T matrices, without some entries: what a knock-out must equal."""

from contextlib import contextmanager

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from headscore.roles.role import Labels, Pairs

NAME = "masked_eager"
_runs = []


class Masked:
    """What is removed in one pass, and how many rows of heads would have lost all."""

    def __init__(self, entries, heads, layers, keep):
        self.entries = entries  # bool (batch, T, T), by place
        self.heads = heads  # layer -> heads; None: all
        self.layers = iter(layers)
        self.keep = keep
        self.left_alone = 0

    def left(self, visible):
        """Visible entries (batch, head, T, T) of the next layer that stay."""
        layer, n_heads = next(self.layers), visible.shape[1]
        heads = range(n_heads) if self.heads is None else self.heads.get(layer, ())
        chosen = torch.tensor([head in heads for head in range(n_heads)])[:, None]
        sieve = visible & self.entries[:, None]
        stays = sieve if self.keep else visible & ~sieve
        has_sieve, has_left = sieve.any(-1) & chosen, stays.any(-1)
        self.left_alone += int((has_sieve & ~has_left).sum())
        return torch.where((has_sieve & has_left)[..., None], stays, visible)


def _attention(
    module, query, key, value, mask, scaling=None, softcap=None, s_aux=None, position_bias=None,
    is_causal=None, **_
):  # fmt: skip
    batch, heads, tokens, size = query.shape
    key, value = (each.repeat_interleave(heads // each.shape[1], 1) for each in (key, value))
    scaling = size**-0.5 if scaling is None else scaling
    logits = (query @ key.transpose(2, 3)) * scaling
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    if position_bias is not None:
        logits = logits + position_bias
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if mask is None:
        visible = torch.ones(tokens, tokens, dtype=torch.bool)
        visible = (visible.tril() if causal else visible).expand(batch, heads, -1, -1)
    else:
        visible = (mask > -1e4).expand(batch, heads, -1, -1)
    visible = visible | torch.eye(tokens, dtype=torch.bool)
    logits = logits.masked_fill(~_runs[-1].left(visible), float("-inf"))
    if s_aux is not None:
        logits = torch.cat([logits, s_aux.view(1, -1, 1, 1).expand(batch, -1, tokens, 1)], 3)
    wide = torch.promote_types(logits.dtype, torch.float32)
    weights = logits.softmax(3, dtype=wide)[..., :tokens].to(value.dtype)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, eager_mask)


@contextmanager
def masked(model, route, entries, heads=None, *, keep=False):
    """Remove entries in the next pass of a model."""
    run = Masked(entries, heads, route.layers, keep)
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    _runs.append(run)
    try:
        yield run
    finally:
        _runs.pop()
        model.set_attn_implementation(before)


def entries_of(roles, encoded, real):
    """Entries of the sieves of roles, bool (batch, T, T) by place in the padded batch."""
    found = torch.zeros(*real.shape, real.shape[1], dtype=torch.bool)
    places = [row.nonzero()[:, 0].tolist() for row in real]
    for role in roles:
        sieve = role.sieve(encoded)
        for sequence, query, key in _listed(sieve, role.band, encoded.lengths.tolist()):
            found[sequence, places[sequence][query], places[sequence][key]] = True
    return found


def _listed(sieve, band, lengths):
    """(sequence, query, key) of a sieve, by position."""
    if isinstance(sieve, Pairs):
        columns = sieve.sequence, sieve.query, sieve.key
        yield from zip(*(each.tolist() for each in columns), strict=True)
    elif isinstance(sieve, Labels):
        for sequence, length in enumerate(lengths):
            for query in range(length):
                for key in range(length):
                    label = sieve.query[sequence, query]
                    same = label >= 0 and label == sieve.key[sequence, key]
                    if same and band[0] <= key - query <= band[1]:
                        yield sequence, query, key
    else:
        yield from zip(*(each.tolist() for each in sieve.nonzero()), strict=True)
