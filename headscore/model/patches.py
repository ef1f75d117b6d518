"""Find where the tokens of a vision transformer lie in the picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from headscore.arrays import Array
from headscore.model import hook


class PatchGrid(NamedTuple):
    """The patches of a picture, row by row.

    Attributes
    ----------
    rows, columns
        Their number in both dimensions.
    leading
        Tokens before the first patch, such as [CLS] and registers. There may be more behind the
        last one.
    """

    rows: int
    columns: int
    leading: int

    def places(self, tokens: int) -> tuple[Array, Array]:
        """Return the row and the column of each token, int32 (T,), -1 for none."""
        places = np.full((2, tokens), -1, np.int32)
        patches = slice(self.leading, self.leading + self.rows * self.columns)
        places[:, patches] = np.divmod(np.arange(self.rows * self.columns), self.columns)
        return places[0], places[1]


class _FirstLayerReached(Exception):  # noqa: N818 - no error: the rest of the pass is not needed
    """Raised to end a forward pass at its first attention."""


class _FirstQueries:
    """Keeps the queries of the first attention, and ends the pass there."""

    query: torch.Tensor | None = None

    def attending(self, inputs: hook.AttentionInputs) -> None:
        """Keep the queries (batch, Hq, T, d)."""
        self.query = inputs.query
        raise _FirstLayerReached


def patch_grid(model: Any, pixels: torch.Tensor, **options: Any) -> PatchGrid | None:
    """Find the patches of pictures, whatever tokens a model puts around them.

    Parameters
    ----------
    model
        A routed vision model, in eval mode.
    pixels
        (batch, channel, height, width), of which the shape and dtype matter.
    options
        Other arguments of the model.

    Returns
    -------
    PatchGrid or None
        None where tokens are no patches of the size that the config names, row by row.
    """
    size = _patch_size(model.config)
    if size is None or pixels.ndim != 4:
        return None
    high, wide = size
    rows, columns = pixels.shape[2] // high, pixels.shape[3] // wide
    if not rows * columns:
        return None
    # Each corner is changed in one black picture, where the queries of the first layer show which
    # token is of that patch: there, no token has attended to any other yet.
    corners = [(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1)]
    pictures = pixels.new_zeros(1 + len(corners), *pixels.shape[1:])
    for picture, (row, column) in zip(pictures[1:], corners, strict=True):
        picture[:, row * high : (row + 1) * high, column * wide : (column + 1) * wide] = 1
    tokens = _changed_tokens(model, {"pixel_values": pictures, **options})
    if tokens is None:
        return None
    leading = tokens[0]
    placed = [leading + row * columns + column for row, column in corners]
    return PatchGrid(rows, columns, leading) if tokens == placed else None


def _patch_size(config: Any) -> tuple[int, int] | None:
    """Return height and width of a patch in pixels."""
    size = getattr(config, "patch_size", None)
    sides = [size, size] if isinstance(size, int) else list(size or ())
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        return None
    return sides[0], sides[1]


def _changed_tokens(model: Any, inputs: dict[str, Any]) -> list[int] | None:
    """Return the token in which each picture but the first differs from that; None: not one."""
    first = _FirstQueries()
    try:
        with hook.trial(), hook.listening(first), torch.no_grad():
            model(**inputs)
    except _FirstLayerReached:
        pass
    except Exception:  # of any kind, the model's own code runs: there is no grid
        return None
    if first.query is None or first.query.shape[0] != len(inputs["pixel_values"]):
        return None
    query = first.query.float()
    apart = (query[1:] - query[:1]).abs().amax((1, 3))  # (picture, T)
    # Products of the same numbers may differ in their last bits from row to row of a batch.
    changed = apart > 0.05 * apart.amax(1, keepdim=True)
    if not bool((changed.sum(1) == 1).all()):
        return None
    found: list[int] = changed.int().argmax(1).tolist()
    return found
