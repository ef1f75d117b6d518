"""The hook: heads are scored where a model's queries and keys pass by.

Attention itself is never made: each layer's queries and keys go to a kernel that returns one
number per sequence, role and head. Only of a model that shows nothing but its attention weights
is one layer's T x T matrix there at a time, and that is said in the log. Where the kernel makes
attention's own output in the same pass, the model takes that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from headscore import backends, interface, returned
from headscore.backends.contract import PlanArrays, Raw, Visibility
from headscore.errors import InputError
from headscore.masks import Sight, read
from headscore.position import Controlled
from headscore.route import Route, eager, evaluating, forward_options
from headscore.stages import Stages


class LastLayerScored(Exception):  # noqa: N818 - no error: the rest of the pass is not needed
    """Ends a forward pass whose layers are all scored."""


@dataclass
class Pass:
    """One forward pass over one batch: what it scores, and what came out.

    Attributes
    ----------
    plan
        Sieves of the batch, with what their pairs are compared with.
    route
        How the model's attention is read.
    backend
        Name of the backend that computes.
    scored
        Raw scores, one per attention that has passed by.
    visibilities
        Who sees whom in each of these.
    stages
        Counts the time of the kernel.
    stops
        Whether the forward pass ends with the last layer's attention.
    """

    plan: Controlled
    route: Route
    backend: str
    scored: list[Raw] = field(default_factory=list)
    visibilities: list[Visibility] = field(default_factory=list)
    stages: Stages = field(default_factory=Stages)
    stops: bool = True
    _sights: dict[int, tuple[torch.Tensor | None, Visibility]] = field(default_factory=dict)

    def attending(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        scaling: float | None,
        options: dict[str, Any],
    ) -> torch.Tensor | None:
        """Score one layer from its queries and keys; ends the pass after the last one.

        Returns attention's output where it was made in the same pass.
        """
        visibility = self._visibility(module, mask, options)
        if options.get("position_bias") is not None:
            raise _not_supported(module, "a position bias")
        with self.stages.stage("kernel"):
            raw = backends.score_qk(
                query,
                key,
                self.plan,
                visibility,
                scale=scaling,
                softcap=options.get("softcap"),
                value=value if self._attends(query, options) else None,
                backend=self.backend,
            )
        self._add(raw._replace(output=None), visibility)
        return raw.output

    def take(self, module: torch.nn.Module, weights: torch.Tensor) -> None:
        """Score one layer from the weights that it returned; ends the pass after the last one."""
        del module
        visibility = self.route.visibilities[len(self.scored)]
        with self.stages.stage("kernel"):
            raw = backends.score_attention(weights, self.plan, visibility, backend=self.backend)
        self._add(raw, visibility)

    def results(self) -> Iterator[tuple[int, Raw, PlanArrays]]:
        """Yield for each layer with attention its number, raw scores and the plan's arrays."""
        for layer, raw, visibility in zip(
            self.route.layers, self.scored, self.visibilities, strict=True
        ):
            yield layer, raw, self.plan.arrays(visibility)

    def _attends(self, query: torch.Tensor, options: dict[str, Any]) -> bool:
        """Ask whether the kernel shall make the output: not the last one, nor the user's own."""
        needed = self.stops and len(self.scored) + 1 < len(self.route.layers)
        return (
            needed and options.get("s_aux") is None and backends.attends(self.backend, query.device)
        )

    def _add(self, raw: Raw, visibility: Visibility) -> None:
        self.scored.append(raw)
        self.visibilities.append(visibility)
        if self.stops and len(self.scored) == len(self.route.layers):
            raise LastLayerScored

    def _visibility(
        self, module: torch.nn.Module, mask: torch.Tensor | None, options: dict[str, Any]
    ) -> Visibility:
        """Tell who sees whom, and check that padding is as in the plan; once for each mask."""
        if mask is not None and id(mask) in self._sights:
            return self._sights[id(mask)][1]
        sight = read(mask, causal=interface.is_causal(module, options))
        if sight is None:
            raise _not_supported(module, "a mask that is neither causal, full nor a window")
        self._check_padding(module, sight)
        self._sights[id(mask)] = mask, sight.visibility  # the mask is kept: its id stays its own
        return sight.visibility

    def _check_padding(self, module: torch.nn.Module, sight: Sight) -> None:
        lengths = torch.from_numpy(self.plan.lengths)
        if sight.real is None:
            attended = not sight.visibility.causal and bool((lengths < self.plan.tokens).any())
        else:
            wanted = torch.arange(self.plan.tokens) < lengths[:, None]
            attended = not bool((sight.real.cpu() == wanted).all())
        if attended:
            raise _not_supported(module, "padding that is attended to")


def _not_supported(module: torch.nn.Module, what: str) -> InputError:
    return InputError(
        f"attention with {what} cannot be scored by this version, {type(module).__name__} has it"
    )


@contextmanager
def hooked(model: Any, route: Route) -> Iterator[None]:
    """Make a model ready for `run`; afterwards it is as it was."""
    with evaluating(model), eager(model) if route.returned else interface.routed(model):
        yield


@contextmanager
def hearing(model: Any, current: Pass) -> Iterator[None]:
    """Let a pass score whatever attention a hooked model computes."""
    shape = current.plan.batch, current.plan.tokens
    weights = returned.taking(model.modules(), shape, current.take)
    with weights if current.route.returned else interface.listening(current):
        yield


def run(model: Any, inputs: dict[str, torch.Tensor], current: Pass) -> None:
    """Run a hooked model over one batch, up to the last layer's attention.

    Raises
    ------
    InputError
        Fewer layers passed by than the model has.
    """
    extra = {"output_attentions": True} if current.route.returned else {}
    try:
        with torch.inference_mode(), hearing(model, current):
            model(**inputs, **forward_options(model, use_cache=False, **extra))
    except LastLayerScored:
        return
    raise InputError(
        f"{len(current.scored)} of {len(current.route.layers)} layers of {type(model).__name__} "
        "have shown their attention; scores of all of them are needed"
    )
