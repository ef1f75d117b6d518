"""Ablate: replace the output of whole heads in the forward passes of a model's user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch

from headscore.causal.called_mask import CalledMask
from headscore.causal.donors import donors
from headscore.causal.selection import HeadsByLayer, heads_by_layer
from headscore.errors import InputError, UsageError, unknown_name
from headscore.model import hook
from headscore.model.calls import watching
from headscore.model.compiled import running_uncompiled
from headscore.model.projections import Projection, projections
from headscore.model.route import discover
from headscore.model.unwrap import unwrap
from headscore.scores.user_batch import check_one_stack

ZERO, MEAN, RESAMPLE = "zero", "mean", "resample"
HOWS = (ZERO, MEAN, RESAMPLE)
Means = Mapping[int, torch.Tensor]


@contextmanager
def ablate(
    model: Any, heads: Any, how: str = ZERO, *, means: Means | None = None
) -> Iterator[Ablation]:
    """Replace the output of some heads in every forward pass of a model inside the block.

    A head's output is its slice of what the output projection of its layer reads. The model keeps
    its attention implementation and its mode, and gradients flow. Blocks nest: an inner one
    replaces what the outer ones leave.

    Parameters
    ----------
    model
        A transformers model, which you call with ``attention_mask`` where there is padding, on
        either side.
    heads
        (layer, head) pairs, or a data frame with the columns layer and head, such as
        ``report.heads("induction")``; None: all heads.
    how
        "zero": zeros. "mean": the mean output of the head, over the real tokens of the batch or as
        given by `means`. "resample": the output of the head for the next sequence of the batch, at
        the same position among its real tokens; sequences that end before that position are passed
        over, and where all others do, the output stays.
    means
        Mean output of the heads of each layer, {layer: (heads of the layer, size of a head)}, such
        as that over another corpus.

    Yields
    ------
    Ablation
        Its `heads` are those that are replaced, by layer.

    Raises
    ------
    UsageError
        An argument has a value that is not allowed.
    InputError
        There is no such head, the output projections are not found, or a pass is called such that
        the replacement is not defined.

    Examples
    --------
    >>> import headscore as hs
    >>> with hs.ablate(model, [(5, 1), (6, 9)], how="mean"):
    ...     loss = model(**batch, labels=batch["input_ids"]).loss
    """
    _check_how(how, means)
    model = unwrap(model).model
    check_one_stack(model, "ablate")
    with running_uncompiled():
        route = discover(model, scored=False)
        chosen = heads_by_layer(heads, route)
        found = projections(model, route)
    _check_means(means, chosen, found)
    called = CalledMask()
    run = Ablation(chosen, how, means, called)
    with (
        running_uncompiled(),
        called.reading(model) if run.reads_the_batch else nullcontext(),
        _hooked(model, found, run),
    ):
        yield run


@contextmanager
def ablating(
    model: Any,
    found: Iterable[Projection],
    heads: HeadsByLayer,
    how: str,
    means: Means | None = None,
    real__bt: torch.Tensor | None = None,
) -> Iterator[Ablation]:
    """Replace heads as `ablate`, in a model whose projections are known.

    Parameters
    ----------
    model
        The model that is called.
    found
        All its projections, by `headscore.model.projections.projections`.
    heads
        The heads of each layer.
    how, means
        As in `ablate`.
    real__bt
        Bool (batch, T), the tokens of the following passes that are not padding; None: all.
    """
    run = Ablation(heads, how, means, lambda: real__bt)
    with _hooked(model, found, run):
        yield run


class Ablation:
    """Heads whose output is replaced; `ablate` makes one.

    Attributes
    ----------
    heads
        The heads that are replaced, {layer: (head, ...)}.
    how
        What takes the place of their output.
    """

    def __init__(
        self,
        heads: HeadsByLayer,
        how: str,
        means: Means | None,
        real: Callable[[], torch.Tensor | None],
    ) -> None:
        self.heads = dict(heads)
        self.how = how
        self._real = real  # returns bool (batch, T), None: all tokens are real
        self._means = means
        self._calls: Counter[torch.nn.Module] = Counter()
        self._donors: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def reads_the_batch(self) -> bool:
        """Whether the replacement depends on the other tokens of the batch."""
        return self.how == RESAMPLE or (self.how == MEAN and self._means is None)

    def restart(self, model: Any, *_: Any) -> None:
        """Count calls of shared projections anew: before each forward pass."""
        if hook.in_trial():
            return
        if model.training and any(
            getattr(each, "gradient_checkpointing", False) for each in model.modules()
        ):
            raise InputError(
                "gradient checkpointing must be off, got a model that runs layers again in the "
                "backward pass, which may be after the ablation has ended"
            )
        self._calls.clear()
        self._donors = None

    def replaced(
        self, sharing: list[Projection], module: torch.nn.Module, arguments: tuple[Any, ...]
    ) -> tuple[Any, ...] | None:
        """Replace the heads at the input of a projection: its forward pre-hook."""
        if hook.in_trial():
            return None
        # The n-th call in a pass is of the n-th of the layers that share the projection.
        place = sharing[self._calls[module] % len(sharing)]
        self._calls[module] += 1
        chosen = self.heads.get(place.layer)
        if chosen is None:
            return None
        given, *others = arguments
        changed = given.clone()  # the model may need what it has made for its gradients
        heads = torch.tensor(chosen, device=given.device)
        by_head = changed.unflatten(-1, (place.heads, place.size))
        by_head[..., heads, :] = self._replacement(place, by_head, heads)
        return (changed, *others)

    def _replacement(
        self, place: Projection, output__bthd: torch.Tensor, heads: torch.Tensor
    ) -> torch.Tensor:
        """Return what takes the place of some heads, (b, T, heads, d) or broadcast to that."""
        if self.how == ZERO:
            return output__bthd.new_zeros(())
        if self.how == MEAN and self._means is not None:
            return self._means[place.layer].to(output__bthd)[heads]
        real = _real_of(output__bthd, self._real())
        if self.how == MEAN:
            return _mean(output__bthd[:, :, heads], real)
        if self._donors is None or self._donors[0].device != real.device:
            self._donors = donors(real)
        sequence, token = self._donors
        return output__bthd[sequence[:, :, None], token[:, :, None], heads]


@contextmanager
def _hooked(model: Any, found: Iterable[Projection], run: Ablation) -> Iterator[None]:
    """Call an ablation before the projections of the layers that lose heads."""
    layers: dict[torch.nn.Module, list[Projection]] = {}
    for each in found:
        layers.setdefault(each.module, []).append(each)
    with ExitStack() as stack:
        stack.enter_context(watching(model, run.restart))
        for module, sharing in layers.items():
            if any(each.layer in run.heads for each in sharing):
                replaced = partial(run.replaced, sharing)
                stack.enter_context(module.register_forward_pre_hook(replaced))
        yield


def _real_of(output__bthd: torch.Tensor, real__bt: torch.Tensor | None) -> torch.Tensor:
    """Return the real tokens of a batch on the device of an output."""
    shape = output__bthd.shape[:-2]
    if real__bt is None:
        return torch.ones(shape, dtype=torch.bool, device=output__bthd.device)
    if real__bt.shape != shape:
        raise InputError(
            f"attention_mask must have the batch and tokens {tuple(shape)} of the pass, "
            f"got {tuple(real__bt.shape)}"
        )
    return real__bt.to(output__bthd.device)


def _mean(output__bthd: torch.Tensor, real__bt: torch.Tensor) -> torch.Tensor:
    """Return the mean output of each head over the real tokens, (head, d); fills the padding."""
    wide = torch.promote_types(output__bthd.dtype, torch.float32)
    # Filled and not multiplied by 0: rows of padding may be NaN.
    real = output__bthd.masked_fill_(~real__bt[:, :, None, None], 0)
    return (real.sum((0, 1), dtype=wide) / real__bt.sum()).to(output__bthd.dtype)


def _check_how(how: str, means: Means | None) -> None:
    if how not in HOWS:
        raise UsageError(unknown_name(f"how must be one of {', '.join(HOWS)}", how, HOWS))
    if means is not None and how != MEAN:
        raise UsageError(f"means are of how='mean', got them with how={how!r}")


def _check_means(means: Means | None, heads: HeadsByLayer, found: tuple[Projection, ...]) -> None:
    """Check that means are there for every layer that loses heads, and of its shape."""
    if means is None:
        return
    if not isinstance(means, Mapping):
        raise UsageError(f"means must map layers to tensors, got {type(means).__name__}")
    for each in found:
        if each.layer not in heads:
            continue
        given = means.get(each.layer)
        if given is not None and not isinstance(given, torch.Tensor):
            raise UsageError(
                f"means of layer {each.layer} must be a tensor, got {type(given).__name__}"
            )
        shape = None if given is None else given.shape
        if shape is None or tuple(shape) != (each.heads, each.size):
            raise UsageError(
                f"means of layer {each.layer} must be a tensor {(each.heads, each.size)}, "
                f"got {'none' if shape is None else tuple(shape)}"
            )
