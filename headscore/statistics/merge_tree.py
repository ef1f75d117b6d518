r"""Merge tree: merge the tallies of parts of a corpus, bit-identical for any cut into parts.

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
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.errors import UsageError
from headscore.statistics.criterion import Criterion
from headscore.statistics.tally import Tally, merge_tallies, tally

# Sequences of a leaf. Part of the definition of a result: another size changes the last bits.
BLOCK = 32


@dataclass(frozen=True, eq=False)
class TallyTree:
    """The tallies of the largest complete subtrees, by (level, index at that level)."""

    nodes: Mapping[tuple[int, int], Tally]


def tally_blocks(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None,
    criterion: Criterion,
    *,
    start: int = 0,
    evalues: bool = False,
) -> TallyTree:
    """Return the tallies of consecutive sequences of a corpus, block by block.

    Parameters
    ----------
    values
        (sequence, role, layer, head), NaN where a sequence takes no part. A multiple of `BLOCK`
        sequences, or the last ones of the corpus.
    attainable
        The largest possible scores, (sequence, role, layer), or None if unknown.
    criterion
        The criterion of the test, the same for all parts of a corpus.
    start
        Which sequence of the corpus the first one is, a multiple of `BLOCK`.
    evalues
        Whether to add up the bets of the e-values.

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
    """Merge the trees of parts of one corpus, in any order.

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
    # Node (level, index) covers the blocks index << level up to (index + 1) << level. What is left
    # of 7 blocks are the subtrees of 4, 2 and 1 blocks (7 = 0b111), here with their first blocks:
    #
    #     (2, 0)   0 1 2 3
    #     (1, 2)           4 5
    #     (0, 6)               6
    starts = ((index << level, node) for (level, index), node in tree.nodes.items())
    nodes = sorted(starts, key=itemgetter(0))
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
    # Merge from the right, smallest subtree first: the order depends on the number of blocks only.
    *rest, (_, whole) = nodes
    for _, left in reversed(rest):
        whole = merge_tallies(left, whole)
    return whole


def _put(nodes: dict[tuple[int, int], Tally], level: int, index: int, node: Tally) -> None:
    """Insert a node; merge it with its sibling, and so on upwards."""
    if (level, index) in nodes:
        raise UsageError(
            f"streams must not overlap, got sequences from {(index << level) * BLOCK} on twice"
        )
    # The two children of a node differ in the last bit of their index; the parent's is index >> 1.
    sibling = nodes.pop((level, index ^ 1), None)
    if sibling is None:
        nodes[level, index] = node
        return
    left, right = (sibling, node) if index & 1 else (node, sibling)
    # Only the last block of a corpus may be short, and it has no right neighbour.
    if left.n_sequences != BLOCK << level:
        raise UsageError(
            f"streams must hold full blocks of {BLOCK} sequences but for the last of the corpus, "
            f"got {left.n_sequences} from sequence {((index & ~1) << level) * BLOCK} on"
        )
    _put(nodes, level + 1, index >> 1, merge_tallies(left, right))
