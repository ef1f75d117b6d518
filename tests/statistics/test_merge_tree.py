"""Tallies of parts merge to the same bits as one pass, however the corpus is split."""

import random
import re
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headscore.errors import UsageError
from headscore.statistics.criterion import Criterion
from headscore.statistics.merge_tree import BLOCK, TallyTree, join_trees, tally_blocks, total
from headscore.statistics.moments import moments, summarise
from headscore.statistics.tally import merge_tallies

CRITERION = Criterion.of_mean(np.array([1.0, 3.0]))


def made(n, seed=0):
    """Scores in which every kind of cell is somewhere: idle blocks, equal, infinite, missing."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(2, 1.5, (n, 2, 2, 3)).astype(np.float32)
    attainable = (20 + 30 * rng.random((n, 2, 2))).astype(np.float32)
    idle = rng.random(n) < 0.3
    idle[: BLOCK + 3] = True
    values[idle, 1], attainable[idle, 1] = np.nan, np.nan
    values[:, 0, 0, 0] = 0.1
    values[n // 2, 0, 1, 2] = np.inf
    values[n // 2, 0, 1, 1] = np.nan
    return values, attainable


def part(values, attainable, first, last):
    rows = slice(first * BLOCK, last * BLOCK)
    return tally_blocks(
        values[rows], attainable[rows], CRITERION, start=first * BLOCK, evalues=True
    )


def bits(tally):
    return [np.asarray(getattr(tally, field.name)).tobytes() for field in fields(tally)]


@given(st.integers(1, 15 * BLOCK), st.lists(st.integers(1, 14), max_size=6), st.randoms())
def test_any_split_in_any_order_gives_the_same_bits(n, cuts, rnd):
    values, attainable = made(n)
    n_blocks = -(-n // BLOCK)
    ends = sorted({0, n_blocks, *(cut for cut in cuts if cut < n_blocks)})
    parts = [part(values, attainable, *span) for span in pairwise(ends)]
    rnd.shuffle(parts)
    whole = bits(total(part(values, attainable, 0, n_blocks)))
    assert bits(total(join_trees(*parts))) == whole
    while len(parts) > 1:  # pairs, as workers report
        parts.append(join_trees(parts.pop(0), parts.pop(0)))
    assert bits(total(parts[0])) == whole


def test_streamed_moments_have_the_bits_of_one_pass():
    values, attainable = made(11 * BLOCK + 5)
    parts = [part(values, attainable, block, block + 1) for block in range(12)]
    random.Random(1).shuffle(parts)
    streamed = summarise(total(join_trees(*parts)), CRITERION)
    at_once = moments(values, attainable, tau=CRITERION, evalues=True)
    for name, array in vars(at_once).items():
        assert array.tobytes() == getattr(streamed, name).tobytes(), name
    # The test has teeth: a merge along another tree has other bits.
    nodes = {index: node for each in parts for (_, index), node in each.nodes.items()}
    in_line, *rest = (nodes[index] for index in range(12))
    for each in rest:
        in_line = merge_tallies(in_line, each)
    assert in_line.m3.tobytes() != total(join_trees(*parts)).m3.tobytes()


@pytest.mark.parametrize(
    ("n_blocks", "tree"),
    [
        (3, ((0, 1), 2)),
        (5, (((0, 1), (2, 3)), 4)),
        (6, (((0, 1), (2, 3)), (4, 5))),
        (7, (((0, 1), (2, 3)), ((4, 5), 6))),
    ],
)
def test_blocks_merge_along_the_drawn_tree(n_blocks, tree):
    values, attainable = made(n_blocks * BLOCK)

    def along(node):
        if isinstance(node, int):
            return part(values, attainable, node, node + 1).nodes[0, node]
        return merge_tallies(along(node[0]), along(node[1]))

    assert bits(total(part(values, attainable, 0, n_blocks))) == bits(along(tree))


def test_merged_moments_agree_with_scipy():
    rng = np.random.default_rng(4)
    values = rng.gamma(2, 1.5, (200, 2, 1, 2)) + np.linspace(0, 5, 200)[:, None, None, None]
    attainable = 30 + rng.gamma(3, 2, (200, 2, 1)) + np.linspace(9, 0, 200)[:, None, None]
    whole = total(tally_blocks(values, attainable, CRITERION))
    x = values[:, 1, 0, 1]
    at = 1, 0, 1
    assert whole.mean[at] == pytest.approx(x.mean(), rel=1e-14)
    assert whole.m2[at] == pytest.approx(((x - x.mean()) ** 2).sum(), rel=1e-13)
    assert whole.m3[at] == pytest.approx(200 * stats.moment(x, 3), rel=1e-11)
    assert whole.above[at] == (x > 3).sum()
    possible = attainable[:, 1, 0]
    covariances = 200 * np.cov(x, possible, ddof=0)
    assert whole.attainable[at] == pytest.approx(possible.sum(), rel=1e-14)
    assert whole.attainable_m2[at] == pytest.approx(covariances[1, 1], rel=1e-12)
    assert whole.cross[at] == pytest.approx(covariances[0, 1], rel=1e-12)
    assert whole.most[at] == possible.max()
    assert whole.n_sequences == whole.n[at] == 200


# NumAcc3 and NumAcc4 of the NIST Statistical Reference Datasets, as in test_moments: 0.1 exactly,
# where the sum of squares gives 0.1265 for NumAcc4.
@pytest.mark.parametrize("large", [1000000.0, 10000000.0])
def test_merged_moments_match_nist(large):
    values = np.array([0.2, *[0.1, 0.3] * 500])[:, None, None, None] + large
    criterion = Criterion.of_mean(np.array([3.0]))
    parts = [
        tally_blocks(values[start : start + BLOCK], None, criterion, start=start)
        for start in range(0, 1001, BLOCK)
    ]
    cell = summarise(total(join_trees(*parts[::-1])), criterion)
    assert cell.mean.item() == pytest.approx(large + 0.2, rel=1e-15)
    assert cell.sd.item() == pytest.approx(0.1, rel=1e-7)


def test_sequences_that_take_no_part_change_no_sum():
    values, attainable = made(4 * BLOCK)
    values[:, 0, 1] = 1.0  # instead of the infinite ones
    part_of = ~np.isnan(values[:, 1, 0, 0])
    whole = total(tally_blocks(values, attainable, CRITERION))
    kept = total(tally_blocks(values[part_of], attainable[part_of], CRITERION))
    for name in ("n", "mean", "m2", "m3", "attainable", "attainable_m2", "cross", "most", "above"):
        got, expected = (getattr(each, name)[1] for each in (whole, kept))
        np.testing.assert_allclose(got, expected, rtol=1e-9, err_msg=name)


def test_unknown_attainable_of_one_part_is_unknown_in_the_whole():
    values, attainable = made(3 * BLOCK)
    known = tally_blocks(values[:BLOCK], attainable[:BLOCK], CRITERION)
    unknown = tally_blocks(values[BLOCK:], None, CRITERION, start=BLOCK)
    whole = total(join_trees(unknown, known))
    for name in ("attainable", "attainable_m2", "cross", "most"):
        assert getattr(whole, name) is None


def test_a_tree_keeps_one_node_per_full_subtree():
    values, attainable = made(1000 * BLOCK)
    assert len(tally_blocks(values, attainable, CRITERION).nodes) == 6  # 1000 is 0b1111101000


def test_overlapping_or_missing_parts_raise():
    values, attainable = made(5 * BLOCK)
    one, two, three = (part(values, attainable, n, n + 1) for n in range(3))
    with pytest.raises(UsageError, match="must not overlap, got sequences from 32 on twice"):
        join_trees(two, two)
    with pytest.raises(UsageError, match="once, in full blocks, got sequence 64 after 32 seq"):
        total(join_trees(three, one))
    with pytest.raises(UsageError, match="once, in full blocks, got sequence 32 after 0 seq"):
        total(two)
    with pytest.raises(UsageError, match="once, in full blocks, got sequence 32 after 64 seq"):
        total(join_trees(part(values, attainable, 0, 2), two))
    with pytest.raises(UsageError, match="once, in full blocks, got sequence 0 after"):
        total(join_trees(part(values, attainable, 0, 2), one))
    with pytest.raises(UsageError, match="at least one sequence, got none"):
        total(TallyTree({}))


def test_a_short_block_before_the_last_raises():
    values, attainable = made(5 * BLOCK)
    short = tally_blocks(values[: BLOCK - 1], attainable[: BLOCK - 1], CRITERION)
    rest = part(values, attainable, 1, 2)
    other = "full blocks of 32 sequences but for the last of the corpus, got 31 from sequence 0"
    for order in ((short, rest), (rest, short)):
        with pytest.raises(UsageError, match=other):
            join_trees(*order)


@pytest.mark.parametrize("start", [1, BLOCK - 1, -BLOCK])
def test_start_inside_a_block_raises(start):
    values, attainable = made(BLOCK)
    message = f"start must be a multiple of 32, got {start}"
    with pytest.raises(UsageError, match=re.escape(message)):
        tally_blocks(values, attainable, CRITERION, start=start)
