"""Score heads in a model's forward pass, from the queries and keys of each layer.

Attention weights are never stored: each layer's queries and keys go to a kernel that returns one
number per sequence, role and head. Only for a model that returns nothing but its attention weights
one layer's T x T matrix exists at a time, which is logged. Where the kernel computes the attention
output in the same pass, the model uses that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch

from headscore import backends
from headscore.backends.contract import Raw, Visibility
from headscore.errors import InputError
from headscore.model import hook, returned_weights
from headscore.model.arguments import forward_options
from headscore.model.compiled import running_uncompiled
from headscore.model.devices import offload_again
from headscore.model.masks import Expected, expecting, simplest
from headscore.model.modes import eager, evaluating
from headscore.model.norms import OutputNorms
from headscore.model.parts import Part
from headscore.model.route import Route
from headscore.model.sights import not_supported, read_checked
from headscore.sieves.batch_plan import BatchPlan
from headscore.stopwatch import Stopwatch

_NOTHING: AbstractContextManager[None] = nullcontext()


class LastLayerScored(Exception):  # noqa: N818 - no error: the rest of the pass is not needed
    """Raised to end a forward pass once all layers are scored."""


@dataclass
class Pass:
    """One forward pass over one batch: its plan and settings, and the raw scores so far.

    Attributes
    ----------
    plan
        Sieves of the batch, with the comparison entries of their word pairs.
    route
        How the model's attention is read.
    backend
        Name of the backend that computes.
    scored
        Raw scores, one per attention that has been computed.
    visibilities
        The visibility of each of these.
    stopwatch
        Where the time of the kernel is recorded.
    stops
        Whether the forward pass ends with the last layer's attention.
    norms
        The norms that attention is multiplied by; None: attention alone is scored.
    real
        Bool (batch, T of the model), the tokens that are not padding; None: the plan's lengths. For
        cross-attention those of the source, never None.
    chosen
        Bool (batch, T of the model), the tokens that the plan covers, in order; None: the first
        ones, up to the plan's lengths.
    chosen_keys
        As `chosen`, for the keys of cross-attention: the tokens of the source.
    order
        Int64 (batch, T of the plan) on the device: `order_of` the chosen tokens; None: made when it
        is needed.
    expected
        What is known of the masks; None: they are read, which waits for the device.
    """

    plan: BatchPlan
    route: Route
    backend: str
    scored: list[Raw] = field(default_factory=list)
    visibilities: list[Visibility] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    stops: bool = True
    norms: OutputNorms | None = None
    real: torch.Tensor | None = None
    chosen: torch.Tensor | None = None
    chosen_keys: torch.Tensor | None = None
    order: torch.Tensor | None = None
    expected: Expected | None = None
    _backend: ModuleType | None = None
    _sights: dict[int, tuple[torch.Tensor | None, Visibility]] = field(default_factory=dict)

    def attending(self, inputs: hook.AttentionInputs) -> torch.Tensor | None:
        """Score one layer from its queries and keys; raise `LastLayerScored` after the last one.

        Returns the attention output where it was computed in the same pass.
        """
        module, query, key, value, mask, scaling, options = inputs
        if query.shape[2] != key.shape[2] and not self.route.cross:
            return None  # keys of an earlier pass: the caller counts layers
        visibility = self._visibility(module, mask, options)
        backend = self._backend_on(query.device)
        bias = options.get("position_bias")
        with self.stopwatch.stage("kernel"), _no_grad():
            # Bias is (batch or 1, head, q, k): both its token axes lose the tokens left out.
            bias = None if bias is None else self._choose_keys(self._choose(bias, 2), 3)
            if self.norms is not None:
                # a * ||f(x)|| over its sum is the softmax of logit + log ||f(x)||: norms are a bias
                # of the keys, (batch, head, 1, k).
                norms = self.norms.log_norms(module, value, query.shape[1])
                bias = _weighed(bias, self._choose_keys(norms.unsqueeze(2), 3), self.plan.tokens)
            raw = backends.score_qk(
                self._choose(query, 2),
                self._choose_keys(key, 2),
                self.plan,
                visibility,
                scale=scaling,
                softcap=options.get("softcap"),
                bias=bias,
                value=value if backend.ATTENDS and self._output_is_needed(options) else None,
                backend=backend,
            )
        output = raw.output
        self._add(raw if output is None else raw._replace(output=None), visibility)
        return output

    def take(self, module: torch.nn.Module, weights: torch.Tensor) -> None:
        """Score one layer from the weights that it returned; otherwise as `attending`."""
        if self.norms is not None:
            raise InputError(
                f"weights 'norm' need the values of {type(module).__name__}, "
                "which returns nothing but its attention"
            )
        tokens = weights.shape[2]
        visibility = simplest(self.route.visibilities[len(self.scored)], tokens)
        self._check_window(module, visibility)
        with self.stopwatch.stage("kernel"), _no_grad():
            keys = self._order_of_keys(weights.device)
            weights = self._choose(weights, 2)
            if keys is not None:
                # After `_gathered` the kept tokens come first; the rest of a row is filled with
                # left out tokens, whose weights are set to 0 before rows are normalised again.
                weights = _gathered(weights, keys, 3) * (keys >= 0)[:, None, None]
                weights = weights / weights.sum(-1, keepdim=True)
            backend = self._backend_on(weights.device)
            raw = backends.score_attention(weights, self.plan, visibility, backend=backend)
        self._add(raw, visibility)

    def _backend_on(self, device: torch.device) -> ModuleType:
        """Return the backend that computes, chosen once."""
        if self._backend is None:
            self._backend = backends.choose(self.backend, device)
        return self._backend

    @property
    def chosen_backend(self) -> ModuleType:
        """The backend that has computed."""
        assert self._backend is not None
        return self._backend

    def _output_is_needed(self, options: dict[str, Any]) -> bool:
        """Return whether the kernel should compute the attention output.

        Not for the last layer, whose output is not needed, nor in a pass that a user runs. The
        scored attention must be the model's own: all tokens, no sinks, no norms; and square.
        """
        needed = self.stops and len(self.scored) + 1 < len(self.route.layers)
        own = self.chosen is None and self.norms is None and not self.route.cross
        return needed and own and options.get("s_aux") is None

    def _add(self, raw: Raw, visibility: Visibility) -> None:
        if self.expected is not None:
            self.expected.note(len(self.scored), visibility)
        self.scored.append(raw)
        self.visibilities.append(visibility)
        if self.stops and len(self.scored) == len(self.route.layers):
            raise LastLayerScored

    def _visibility(
        self, module: torch.nn.Module, mask: torch.Tensor | None, options: dict[str, Any]
    ) -> Visibility:
        """Return the visibility of a layer, after checking its padding; once for each mask."""
        # Layers of one kind share a mask object, and reading a mask waits for the device.
        if mask is not None and id(mask) in self._sights:
            return self._sights[id(mask)][1]
        causal, number = hook.is_causal(module, options), len(self.scored)
        sight = self.expected.sight(mask, number, causal=causal) if self.expected else None
        if sight is None:
            sight = read_checked(module, mask, self._real(), causal=causal)
        self._check_window(module, sight.visibility)
        self._sights[id(mask)] = mask, sight.visibility  # the mask is kept: its id stays its own
        return sight.visibility

    def _real(self) -> torch.Tensor:
        """Return the tokens that are not padding, bool (batch, T)."""
        if self.real is not None:
            return self.real
        return torch.arange(self.plan.tokens) < torch.from_numpy(self.plan.lengths)[:, None]

    def _check_window(self, module: torch.nn.Module, visibility: Visibility) -> None:
        """Check that a window means the same distances in the plan as in the model."""
        # Waits for the device only where the user's own pass has its mask there.
        if self.chosen is None or visibility.window is None:
            return
        # Runs of chosen tokens in each sequence: one for every step from False to True, and one
        # where the first token is chosen. Within a single run all distances are kept.
        starts = (self.chosen[:, 1:] > self.chosen[:, :-1]).sum(1) + self.chosen[:, 0]
        if (starts > 1).any():
            raise not_supported(module, "a sliding window over tokens that are left out")

    def _choose(self, tensor: torch.Tensor, axis: int) -> torch.Tensor:
        """Keep the chosen tokens along an axis of (batch or 1, head, ...)."""
        if self.chosen is None:
            return tensor
        return _gathered(tensor, self._in_order(tensor.device), axis)

    def _choose_keys(self, tensor: torch.Tensor, axis: int) -> torch.Tensor:
        """Keep the chosen tokens along an axis of keys."""
        order = self._order_of_keys(tensor.device)
        return tensor if order is None else _gathered(tensor, order, axis)

    def _order_of_keys(self, device: torch.device) -> torch.Tensor | None:
        """Return `order_of` the chosen keys, None where all are; of queries in one text."""
        if not self.route.cross:
            return None if self.chosen is None else self._in_order(device)
        if self.chosen_keys is None:
            return None
        longest = int(self.chosen_keys.sum(1).max())
        return order_of(self.chosen_keys, longest).to(device)

    def _in_order(self, device: torch.device) -> torch.Tensor:
        if self.order is None:
            assert self.chosen is not None
            self.order = order_of(self.chosen, self.plan.tokens).to(device)
        return self.order


def order_of(chosen__bt: torch.Tensor, tokens: int) -> torch.Tensor:
    """Return the places of the chosen tokens of each sequence in their order, then -1.

    Int64 (batch, tokens).
    """
    # A stable sort by "left out" moves the chosen tokens to the front in their order:
    #
    #     chosen      F T T F T         order   1 2 4 -1 -1     cut to T tokens
    order = torch.sort((~chosen__bt).to(torch.int8), dim=1, stable=True).indices[:, :tokens]
    rank = torch.arange(order.shape[1], device=order.device)
    return torch.where(rank < chosen__bt.sum(1, keepdim=True), order, -1)


def _gathered(tensor: torch.Tensor, order__bt: torch.Tensor, axis: int) -> torch.Tensor:
    """Return a tensor (batch or 1, head, ...) in an order along an axis; anything at -1."""
    # gather wants an index of the full shape: the order along `axis`, per sequence, and the same
    # along every other axis.
    tensor = tensor.expand(len(order__bt), *tensor.shape[1:])
    shape = [1] * tensor.ndim
    shape[0], shape[axis] = order__bt.shape
    wanted = list(tensor.shape)
    wanted[axis] = order__bt.shape[1]
    return tensor.gather(axis, order__bt.clamp(min=0).view(shape).expand(wanted))


def _no_grad() -> AbstractContextManager[None]:
    """Return a context without gradients: none is needed where they are off."""
    return torch.no_grad() if torch.is_grad_enabled() else _NOTHING


def _weighed(
    bias: torch.Tensor | None, log_norms__bh1k: torch.Tensor, queries: int
) -> torch.Tensor:
    """Return the bias plus the log norm of every key; without a bias, no T x T copy is made."""
    # `expand` gives a query axis of stride 0, which kernels accept.
    return log_norms__bh1k.expand(-1, -1, queries, -1) if bias is None else bias + log_norms__bh1k


@contextmanager
def attached(model: Any, route: Route, part: Part | None = None) -> Iterator[None]:
    """Prepare a model, or a part of it, for `scoring`; restore mode and attention afterwards."""
    network = model if part is None else part.network
    routed = eager(network) if route.returned else hook.routed(network)
    with evaluating(model), running_uncompiled(), routed:
        try:
            yield
        finally:
            offload_again(model)


@contextmanager
def scoring(current: Pass, *, keep: bool = False) -> Iterator[None]:
    """Score the attention of an attached model; `keep` the weights that its modules return."""
    plan, chosen = current.plan, current.chosen
    queries = plan.tokens if chosen is None else chosen.shape[1]
    modules = current.route.modules
    keys = current.real.shape[1] if current.route.cross and current.real is not None else queries
    weights = returned_weights.taking(modules, (plan.batch, queries, keys), current.take, keep=keep)
    with weights if current.route.returned else hook.listening(current, modules):
        yield


def run_pass(model: Any, inputs: dict[str, torch.Tensor], current: Pass) -> None:
    """Run an attached model over one batch, up to the last layer's attention.

    Raises
    ------
    InputError
        Fewer layers passed by than the model has.
    """
    extra = {"output_attentions": True} if current.route.returned else {}
    try:
        with torch.inference_mode(), scoring(current), expecting(current.expected):
            model(**inputs, **forward_options(model, use_cache=False, **extra))
    except LastLayerScored:
        return
    raise InputError(
        f"{len(current.scored)} of {len(current.route.layers)} layers of {type(model).__name__} "
        "have shown their attention; scores of all of them are needed"
    )
