"""A plan on a device, with the workspace that the kernels of all its layers use in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from headscore.backends.device_plan import DevicePlan


class Workspace(NamedTuple):
    """What the kernels of a layer write for one another, as in csrc/cuda/sieve_scores.h."""

    heads: int
    blocks: int
    block_sums: torch.Tensor
    block_faults: torch.Tensor
    row_top: torch.Tensor | None
    row_mass: torch.Tensor | None
    row_entropy: torch.Tensor | None
    piece_sums: torch.Tensor | None


class Room(NamedTuple):
    """A workspace, and its addresses as the compiled module has read them."""

    workspace: Workspace
    handle: Any


class Loaded(NamedTuple):
    """A plan on a device.

    Attributes
    ----------
    plan
        Its arrays; kept, for `handle` knows their addresses only.
    handle
        The plan as the compiled module has read it.
    rooms
        By number of heads. The kernels of one stream run one after the other, so that the layers
        share a workspace.
    """

    plan: DevicePlan
    handle: Any
    rooms: dict[int, Room]

    def add_room(
        self, heads: int, blocks: int, device: torch.device, read: Callable[[Workspace], Any]
    ) -> None:
        """Make the workspace of layers with so many heads; `read` returns its handle."""

        def floats(*shape: int) -> torch.Tensor:
            return torch.empty(shape, dtype=torch.float32, device=device)

        # Each block of rows writes its own partial sums and fault bits, which a second kernel
        # combines in a fixed order: scores are bit-identical from run to run, without atomics.
        # Pair roles need the softmax statistics of each row (largest logit, sum, entropy) once the
        # pass over all keys has ended; a plan without pairs does without these arrays.
        plan = self.plan
        rows = (plan.batch, heads, plan.tokens)
        workspace = Workspace(
            heads=heads,
            blocks=blocks,
            block_sums=floats(plan.batch, heads, blocks, plan.label_roles),
            block_faults=torch.empty(plan.batch, heads, blocks, dtype=torch.uint8, device=device),
            row_top=floats(*rows) if plan.pieces else None,
            row_mass=floats(*rows) if plan.pieces else None,
            row_entropy=floats(*rows) if plan.pieces else None,
            piece_sums=floats(heads, plan.pieces) if plan.pieces else None,
        )
        self.rooms[heads] = Room(workspace, read(workspace))
