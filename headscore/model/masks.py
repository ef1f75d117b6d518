"""Make and read the attention masks of transformers and of models with masks of their own.

For the patterns that kernels support (full, causal, sliding windows) the mask passed to a model is
its padding mask with the pattern as an attribute, so that no T x T mask is made. A mask that a
model made itself is read entry by entry.

Reading waits for the device. For batches that this package pads itself the answer is known on the
host: it is used without waiting, and compared with the mask on the device (see `Expected`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, NamedTuple

import torch
from transformers.masking_utils import (
    bidirectional_mask_function,
    causal_mask_function,
    sdpa_mask,
)

from headscore.backends.contract import Visibility

_COMPACT = torch.uint8  # dtype of padding masks that carry a pattern as an attribute
_BLOCK_ROWS = 256  # rows of a mask function compared at a time, so that no T x T mask exists
_MASKED = -1e4  # the largest number that models add to the logits of masked keys


class Sight(NamedTuple):
    """Which keys the queries of one layer may attend to.

    Attributes
    ----------
    visibility
        The pattern.
    real
        Bool (batch, T), the tokens that are not padding; None: unknown, or all.
    """

    visibility: Visibility
    real: torch.Tensor | None


@dataclass
class Expected:
    """What the host knows of the masks of a batch, padded on the right, before they are read.

    Attributes
    ----------
    real
        Bool (batch, T) on the device, the tokens that are not padding.
    padded
        Whether there is any padding.
    visibilities
        The pattern of each layer in an earlier batch, by number of the attention. The owner keeps
        it from batch to batch.
    doubts
        Bool tensors () on the device: a mask differs from what was expected. If any is True, the
        pass is void and its masks must be read.
    """

    real: torch.Tensor
    padded: bool
    visibilities: dict[int, Visibility]
    doubts: list[torch.Tensor] = field(default_factory=list)

    def sight(self, mask: torch.Tensor | None, number: int, *, causal: bool) -> Sight | None:
        """Return which keys a layer's queries may attend to by the mask, as `read` would.

        None: nothing is known, the mask must be read.
        """
        if mask is None:
            return None if self.padded and not causal else Sight(Visibility(causal), None)
        compact = read_compact(mask)
        if compact is not None and compact.real is not None:
            if compact.real.shape != self.real.shape:
                return None
            self.doubts.append((compact.real != self.real).any())
            return compact
        before = self.visibilities.get(number)
        if not self._has_form(mask) or (before is None and mask.shape[2] > 1):
            return None
        # A padding mask (batch or 1, 1, 1, T) has no pattern; that of any other one is known from
        # an earlier batch.
        tokens = self.real.shape[1]
        padding = mask.shape[2] == 1
        visibility = Visibility() if padding or before is None else simplest(before, tokens)
        self.doubts.append(_differs(mask, visibility, self.real))
        return Sight(visibility, self.real)

    def note(self, number: int, visibility: Visibility) -> None:
        """Keep the visibility of a layer, unless the known one is the same for so many tokens."""
        before = self.visibilities.get(number)
        if before is None or simplest(before, self.real.shape[1]) != visibility:
            self.visibilities[number] = visibility

    def _has_form(self, mask: torch.Tensor) -> bool:
        """Return whether a mask is (batch or 1, 1, 1, T) or (batch or 1, head or 1, T, T)."""
        batch, tokens = self.real.shape
        if mask.ndim != 4 or mask.dtype == _COMPACT or mask.shape[0] not in (1, batch):
            return False
        return mask.shape[1:] == (1, 1, tokens) or mask.shape[2:] == (tokens, tokens)


# Set during a pass over a batch that this package has padded. Each thread has its own.
_expected: ContextVar[Expected | None] = ContextVar("headscore_expected", default=None)
# Set during a trial run: receives an entry for each causal mask that was left out.
_left_out: ContextVar[list[bool]] = ContextVar("headscore_left_out")
# The patterns of mask functions that have been evaluated, with the T up to which they hold.
_patterns: dict[Hashable, tuple[int, Visibility]] = {}


@contextmanager
def expecting(expected: Expected | None) -> Iterator[None]:
    """Make masks inside the block by what is known of their padding."""
    token = _expected.set(expected)
    try:
        yield
    finally:
        _expected.reset(token)


@contextmanager
def noting_left_out() -> Iterator[list[bool]]:
    """Yield a list that receives an entry for each causal mask that is left out in the block."""
    noted: list[bool] = []
    token = _left_out.set(noted)
    try:
        yield noted
    finally:
        _left_out.reset(token)


def simplest(visibility: Visibility, tokens: int) -> Visibility:
    """Return the visibility without a window that reaches over all T tokens."""
    causal, window = visibility
    # A causal window of w keys counts the query itself; a symmetric one has w on each side.
    covers = window is not None and window >= (tokens if causal else tokens - 1)
    return Visibility(causal) if covers else visibility


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
    """Return a padding mask (batch, 1, 1, T) if pattern and padding determine the whole mask.

    Full attention needs its padding mask only. Causal attention over right padding needs no mask:
    padded keys come after every real query, and the output of padded queries is never used. Any
    other pattern that kernels support is an attribute of the padding mask. Other patterns, and
    masks that are not square, are made by transformers.
    """
    # transformers calls this for each kind of layer, with the pattern as a function of (batch,
    # head, query, key). `use_vmap` marks functions that need not broadcast, so those that a model
    # adds to the usual patterns.
    if mask_function is bidirectional_mask_function:
        return None if attention_mask is None else attention_mask[:, None, None, :]
    device = options.get("device", "cpu")
    square = q_length == kv_length and not q_offset and not kv_offset
    if square and not options.get("use_vmap", False):
        shape = (batch_size, q_length)
        visibility = _pattern(mask_function, shape, options.get("local_size"), device)
        skip = options.get("allow_is_causal_skip", True)
        if visibility == Visibility(causal=True) and skip and _pads_right(attention_mask):
            if (noted := _left_out.get(None)) is not None:
                noted.append(True)
            return None
        if visibility is not None:
            return _compact(visibility, attention_mask, shape, device)
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


def read_compact(mask: torch.Tensor | None) -> Sight | None:
    """Return pattern and padding of a mask made by `compact_mask`; None for any other mask."""
    visibility = getattr(mask, "visibility", None)
    if mask is None or visibility is None:
        return None
    return Sight(visibility, mask[:, 0, 0].bool())


def read(mask: torch.Tensor | None, *, causal: bool) -> Sight | None:
    """Return which keys queries may attend to by a layer's mask.

    Parameters
    ----------
    mask
        (batch or 1, head or 1, q or 1, k): bool, True where visible; or numbers added to the
        logits, 0 where visible and hugely negative elsewhere. None: no mask.
    causal
        Whether attention without a mask is causal.

    Returns
    -------
    Sight or None
        None for a mask that is neither padding, causal nor a sliding window.
    """
    if mask is None:
        return Sight(Visibility(causal), None)
    # A compact mask that lost its attribute in some operation is not readable: None.
    if mask.dtype == _COMPACT:
        return read_compact(mask)
    allowed = _as_bool(mask)
    if allowed is None:
        return None
    if mask.shape[1:3] == (1, 1):
        return Sight(Visibility(), allowed[:, 0, 0])
    # Scores need one mask for all heads.
    if (allowed != allowed[:, :1]).any():
        return None
    if mask.shape[2] == mask.shape[3]:
        return _read_square(allowed[:, 0])
    # Of keys of another text, the same ones for every query.
    same = (allowed == allowed[:, :, :1]).all()
    return Sight(Visibility(), allowed[:, 0, 0]) if same else None


def visible(
    visibility: Visibility, query: torch.Tensor, key: torch.Tensor, shift: int = 0
) -> torch.Tensor:
    """Return bool (query, key): the query may attend to the key, padding apart."""
    distance = key - (query.unsqueeze(-1) + shift)
    allowed = torch.ones_like(distance, dtype=torch.bool)
    if visibility.causal:
        allowed &= distance <= 0
    if visibility.window is not None and visibility.causal:
        allowed &= distance > -visibility.window
    elif visibility.window is not None:
        allowed &= distance.abs() <= visibility.window
    return allowed


def _compact(
    visibility: Visibility,
    attention_mask: torch.Tensor | None,
    shape: tuple[int, int],
    device: torch.device | str,
) -> torch.Tensor:
    # `clone`, since the attribute is set on the tensor: the caller's own mask stays as it is.
    real = torch.ones(shape, device=device) if attention_mask is None else attention_mask
    mask = real.to(device=device, dtype=_COMPACT)[:, None, None, :].clone()
    mask.visibility = visibility  # type: ignore[attr-defined]
    return mask


def _pads_right(attention_mask: torch.Tensor | None) -> bool:
    # Right padding: a sequence never goes up from 0 to 1.
    if attention_mask is None:
        return True
    expected = _expected.get()
    if expected is not None and expected.real.shape == attention_mask.shape:
        expected.doubts.append((attention_mask.bool() != expected.real).any())
        return True
    return bool((attention_mask[:, :-1] >= attention_mask[:, 1:]).all())


def _pattern(
    mask_function: Callable[..., torch.Tensor],
    shape: tuple[int, int],
    window: int | None,
    device: torch.device | str,
) -> Visibility | None:
    """Return the pattern of a mask function: the one that agrees with it everywhere, or None."""
    if mask_function is causal_mask_function:
        return Visibility(causal=True)
    # Evaluated once per function (made anew for each batch) and T: evaluating waits for the device.
    identity = _identity(mask_function)
    checked, known = _patterns.get(identity, (0, None))
    if known is not None and shape[1] <= checked:
        return simplest(known, shape[1])
    found = _evaluated(mask_function, shape, window, device)
    if identity is not None and found is not None:
        _patterns[identity] = shape[1], found
    return found


def _identity(value: object) -> Hashable | None:
    """Return what a mask function computes from, if that is code and numbers; None: tensors too."""
    if isinstance(value, int | float | str | bool | None):
        return type(value), value
    parts: tuple[object, ...]
    if isinstance(value, tuple):
        parts = value
    elif isinstance(value, FunctionType):
        parts = *(cell.cell_contents for cell in value.__closure__ or ()), value.__defaults__
    else:
        return None
    found = [_identity(part) for part in parts]
    if None in found:
        return None
    return getattr(value, "__code__", None), *found


def _evaluated(
    mask_function: Callable[..., torch.Tensor],
    shape: tuple[int, int],
    window: int | None,
    device: torch.device | str,
) -> Visibility | None:
    # A mask function is opaque, so it is evaluated and compared with each pattern that it could be,
    # in blocks of rows; candidates that differ anywhere drop out. The window that transformers
    # passes may mean the causal or the symmetric one.
    candidates = [Visibility(c, w) for c in (True, False) for w in dict.fromkeys((None, window))]
    batch = torch.arange(shape[0], device=device)[:, None, None, None]
    head = torch.zeros(1, dtype=torch.int64, device=device)[:, None, None, None]
    key = torch.arange(shape[1], device=device)
    for query in torch.split(key, _BLOCK_ROWS):
        wanted = mask_function(batch, head, query[:, None], key)
        candidates = [each for each in candidates if (wanted == visible(each, query, key)).all()]
    return candidates[0] if candidates else None


def _as_bool(mask: torch.Tensor) -> torch.Tensor | None:
    """Return a mask as bool; None where it adds numbers to the logits other than 0 and -inf."""
    if mask.ndim != 4:
        return None
    if not mask.is_floating_point():
        return mask.bool()
    masked = mask <= _MASKED
    return ~masked if (masked | (mask == 0)).all() else None


def _differs(mask: torch.Tensor, visibility: Visibility, real__bt: torch.Tensor) -> torch.Tensor:
    """Return bool (), on the device: the mask is not of this pattern over these tokens."""
    if mask.is_floating_point():
        allowed = ~(mask <= _MASKED)
        odd = (allowed & (mask != 0)).any()
    else:
        allowed = mask.bool()
        odd = torch.zeros((), dtype=torch.bool, device=mask.device)
    if mask.shape[2] == 1:  # (batch or 1, 1, 1, T): a padding mask
        return odd | (allowed[:, 0, 0] != real__bt).any()
    place = torch.arange(real__bt.shape[1], device=mask.device)
    pattern = visible(visibility, place, place) & real__bt.unsqueeze(1)  # (batch, q, k)
    rows = real__bt[:, None, :, None]
    own = allowed.diagonal(dim1=2, dim2=3) != real__bt.unsqueeze(1)
    return odd | own.any() | ((allowed != pattern.unsqueeze(1)) & rows).any()


def _read_square(allowed__bqk: torch.Tensor) -> Sight | None:
    """Return the pattern that a mask agrees with, None where there is none.

    Tokens that do not attend to themselves are padding.
    """
    real = allowed__bqk.diagonal(dim1=1, dim2=2)
    for visibility in _candidates(allowed__bqk, real):
        if _agrees(allowed__bqk, real, visibility):
            return Sight(visibility, real)
    return None


def _candidates(allowed: torch.Tensor, real: torch.Tensor) -> Iterator[Visibility]:
    yield Visibility()
    yield Visibility(causal=True)
    # A window must reach exactly as far as the farthest visible key, so there is only one candidate
    # of each kind; the causal one counts the query itself, hence + 1.
    _, query, key = (allowed & real.unsqueeze(2)).nonzero(as_tuple=True)
    reach = int((query - key).max()) if len(query) else 0
    yield Visibility(True, reach + 1)
    yield Visibility(False, reach)


def _agrees(allowed: torch.Tensor, real: torch.Tensor, visibility: Visibility) -> bool:
    """Return whether each real token sees the real ones of a pattern; what padding sees is free."""
    place = torch.arange(allowed.shape[-1], device=allowed.device)
    wanted = visible(visibility, place, place) & real.unsqueeze(1)
    return not ((allowed != wanted) & real.unsqueeze(2)).any()
