"""Masks: who sees whom, in the words of the library and of a model that makes its own.

For the patterns that kernels know (full, causal, sliding windows) the mask that a model is given
is the padding alone, with the pattern written on it, so that no T x T mask is made. A mask that
a model made itself is read entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from transformers.masking_utils import (
    bidirectional_mask_function,
    causal_mask_function,
    sdpa_mask,
)

from headscore.backends.contract import Visibility

_TOLD = torch.uint8  # a mask of this type means nothing without the pattern written on it
_BLOCK_ROWS = 256
_HIDDEN = -1e4  # what models add to the logits of hidden keys, or less


class Sight(NamedTuple):
    """Who sees whom in one layer.

    Attributes
    ----------
    visibility
        The pattern.
    real
        Bool (batch, T), the tokens that are no padding; None: not told, or all.
    """

    visibility: Visibility
    real: torch.Tensor | None


def compact_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., torch.Tensor] = causal_mask_function,
    attention_mask: torch.Tensor | None = None,
    **options: Any,
) -> torch.Tensor | None:
    """Return the padding as (batch, 1, 1, T) where pattern and padding say all.

    Full attention needs nothing but its padding. Causal attention over right padding needs no
    mask at all: padded keys come after every real query, and padded queries are never looked at.
    Any other pattern that kernels know is written on the padding. The rest, and what is not
    square, gets the library's own mask.
    """
    if mask_function is bidirectional_mask_function:
        return None if attention_mask is None else attention_mask[:, None, None, :]
    device = options.get("device", "cpu")
    square = q_length == kv_length and not q_offset and not kv_offset
    if square and not options.get("use_vmap", False):
        shape = (batch_size, q_length)
        visibility = _pattern(mask_function, shape, options.get("local_size"), device)
        skip = options.get("allow_is_causal_skip", True)
        if visibility == Visibility(causal=True) and skip and _pads_right(attention_mask):
            return None
        if visibility is not None:
            return _tell(visibility, attention_mask, shape, device)
    mask: torch.Tensor | None = sdpa_mask(
        batch_size=batch_size,
        q_length=q_length,
        kv_length=kv_length,
        q_offset=q_offset,
        kv_offset=kv_offset,
        mask_function=mask_function,
        attention_mask=attention_mask,
        **options,
    )
    return mask


def told(mask: torch.Tensor | None) -> Sight | None:
    """Return what `compact_mask` wrote on a mask, if it did."""
    visibility = getattr(mask, "visibility", None)
    if mask is None or visibility is None:
        return None
    return Sight(visibility, mask[:, 0, 0].bool())


def read(mask: torch.Tensor | None, *, causal: bool) -> Sight | None:
    """Tell who sees whom by a layer's mask.

    Parameters
    ----------
    mask
        (batch or 1, head or 1, T or 1, T): bool, True where seen; or what is added to the logits,
        0 where seen and hugely negative elsewhere. None: no mask.
    causal
        Whether attention without a mask is causal.

    Returns
    -------
    Sight or None
        None for a mask that is neither padding, causal nor a sliding window.
    """
    if mask is None:
        return Sight(Visibility(causal), None)
    if mask.dtype == _TOLD:
        return told(mask)
    seen = _seen(mask)
    if seen is None:
        return None
    if mask.shape[1:3] == (1, 1):
        return Sight(Visibility(), seen[:, 0, 0])
    if mask.shape[2] != mask.shape[3] or (seen != seen[:, :1]).any():
        return None
    return _read_square(seen[:, 0])


def visible(
    visibility: Visibility, query: torch.Tensor, key: torch.Tensor, shift: int = 0
) -> torch.Tensor:
    """Return bool (query, key): which positions see which, padding apart."""
    distance = key - (query.unsqueeze(-1) + shift)
    seen = torch.ones_like(distance, dtype=torch.bool)
    if visibility.causal:
        seen &= distance <= 0
    if visibility.window is not None and visibility.causal:
        seen &= distance > -visibility.window
    elif visibility.window is not None:
        seen &= distance.abs() <= visibility.window
    return seen


def _tell(
    visibility: Visibility,
    attention_mask: torch.Tensor | None,
    shape: tuple[int, int],
    device: torch.device | str,
) -> torch.Tensor:
    real = torch.ones(shape, device=device) if attention_mask is None else attention_mask
    mask = real.to(device=device, dtype=_TOLD)[:, None, None, :].clone()
    mask.visibility = visibility  # type: ignore[attr-defined]
    return mask


def _pads_right(attention_mask: torch.Tensor | None) -> bool:
    if attention_mask is None:
        return True
    return bool((attention_mask[:, :-1] >= attention_mask[:, 1:]).all())


def _pattern(
    mask_function: Callable[..., torch.Tensor],
    shape: tuple[int, int],
    window: int | None,
    device: torch.device | str,
) -> Visibility | None:
    """Find the pattern of a mask function by comparing all that it says, block by block."""
    if mask_function is causal_mask_function:
        return Visibility(causal=True)
    candidates = [Visibility(c, w) for c in (True, False) for w in dict.fromkeys((None, window))]
    batch = torch.arange(shape[0], device=device)[:, None, None, None]
    head = torch.zeros(1, dtype=torch.int64, device=device)[:, None, None, None]
    key = torch.arange(shape[1], device=device)
    for query in torch.split(key, _BLOCK_ROWS):
        says = mask_function(batch, head, query[:, None], key)
        candidates = [each for each in candidates if (says == visible(each, query, key)).all()]
    return candidates[0] if candidates else None


def _seen(mask: torch.Tensor) -> torch.Tensor | None:
    """Return the mask as bool; None where it adds more to the logits than nothing or all."""
    if mask.ndim != 4:
        return None
    if not mask.is_floating_point():
        return mask.bool()
    hidden = mask <= _HIDDEN
    return ~hidden if (hidden | (mask == 0)).all() else None


def _read_square(seen__bqk: torch.Tensor) -> Sight | None:
    """Compare a mask with every pattern that it could be; a real token is one that sees itself."""
    real = seen__bqk.diagonal(dim1=1, dim2=2)
    seen = seen__bqk & real.unsqueeze(1)
    for visibility in _candidates(seen, real):
        if _agrees(seen, real, visibility):
            return Sight(visibility, real)
    return None


def _candidates(seen: torch.Tensor, real: torch.Tensor) -> Iterator[Visibility]:
    yield Visibility()
    yield Visibility(causal=True)
    _, query, key = (seen & real.unsqueeze(2)).nonzero(as_tuple=True)
    reach = int((query - key).max()) if len(query) else 0
    yield Visibility(True, reach + 1)
    yield Visibility(False, reach)


def _agrees(seen: torch.Tensor, real: torch.Tensor, visibility: Visibility) -> bool:
    place = torch.arange(seen.shape[-1], device=seen.device)
    wanted = visible(visibility, place, place) & real.unsqueeze(1)
    return not ((seen != wanted) & real.unsqueeze(2)).any()
