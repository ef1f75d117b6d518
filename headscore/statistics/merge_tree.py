r"""Merge tree: tallies of parts of a corpus, merged to the same bits however the parts were cut.

The corpus is cut into blocks of 32 sequences, and tallies are merged along one binary tree over the
blocks, here of five:

    level 3          all
                   /     \
    level 2      0..3     |
                /    \    |
    level 1   0,1    2,3  |
             /  \   /  \  |
    level 0 0    1 2    3 4
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.errors import UsageError
from headscore.statistics.criterion import Criterion
from headscore.statistics.tally import Tally, merge_tallies, tally

BLOCK = 32


@dataclass(frozen=True, eq=False)
class TallyTree:
    """The tallies of the largest whole subtrees of some blocks, by (level, index at that level)."""

    nodes: Mapping[tuple[int, int], Tally]


def tally_blocks(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None,
    criterion: Criterion,
    *,
    start: int = 0,
    evalues: bool = False,
) -> TallyTree:
    """Tally some sequences of a corpus, block by block.

    Parameters
    ----------
    values
        (sequence, role, layer, head), NaN where a sequence takes no part. A multiple of `BLOCK`
        sequences, or the last ones of the corpus.
    attainable
        The largest possible scores, (sequence, role, layer), or None if unknown.
    criterion
        What is tested; the same for all parts of a corpus.
    start
        Which sequence of the corpus the first one is, a multiple of `BLOCK`.
    evalues
        Whether to add up what the e-values need.

    Raises
    ------
    UsageError
        If start is not a multiple of `BLOCK`.
    """
    if start < 0 or start % BLOCK:
        raise UsageError(f"start must be a multiple of {BLOCK}, got {start}")
    nodes: dict[tuple[int, int], Tally] = {}
    for begin in range(0, len(values), BLOCK):
        block = slice(begin, begin + BLOCK)
        of_block = None if attainable is None else attainable[block]
        index = (start + begin) // BLOCK
        _put(nodes, 0, index, tally(values[block], of_block, criterion, evalues=evalues))
    return TallyTree(nodes)


def join_trees(*trees: TallyTree) -> TallyTree:
    """Join the trees of parts of one corpus, in any order.

    Raises
    ------
    UsageError
        If two of them tally the same block.
    """
    nodes: dict[tuple[int, int], Tally] = {}
    for part in trees:
        for (level, index), node in part.nodes.items():
            _put(nodes, level, index, node)
    return TallyTree(nodes)


def total(tree: TallyTree) -> Tally:
    """Return the tally of a whole corpus.

    Raises
    ------
    UsageError
        If a block is missing, or is there twice, or one before the last is not full.
    """
    nodes = sorted((index << level, node) for (level, index), node in tree.nodes.items())
    reached = 0
    for block, node in nodes:
        if block * BLOCK != reached:
            raise UsageError(
                "streams must tally every sequence of the corpus once, in full blocks, "
                f"got sequence {block * BLOCK} after {reached} sequences"
            )
        reached += node.n_sequences
    if not nodes:
        raise UsageError("streams must tally at least one sequence, got none")
    *rest, (_, whole) = nodes
    for _, left in reversed(rest):
        whole = merge_tallies(left, whole)
    return whole


def _put(nodes: dict[tuple[int, int], Tally], level: int, index: int, node: Tally) -> None:
    """Add a node, and merge it with its sibling for as long as there is one."""
    if (level, index) in nodes:
        raise UsageError(
            f"streams must not overlap, got sequences from {(index << level) * BLOCK} on twice"
        )
    sibling = nodes.pop((level, index ^ 1), None)
    if sibling is None:
        nodes[level, index] = node
        return
    left, right = (sibling, node) if index & 1 else (node, sibling)
    if left.n_sequences != BLOCK << level:
        raise UsageError(
            f"streams must hold full blocks of {BLOCK} sequences but for the last of the corpus, "
            f"got {left.n_sequences} from sequence {((index & ~1) << level) * BLOCK} on"
        )
    _put(nodes, level + 1, index >> 1, merge_tallies(left, right))
