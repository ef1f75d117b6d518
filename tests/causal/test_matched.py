"""Matched sets of heads: balance, and the rank of the true set under random labels."""

from math import comb

import numpy as np
import pytest

from headscore.causal.matched import matched_sets


def drawn(rng, sizes, counts):
    """Random heads with the role."""
    return [
        (layer, int(head))
        for layer, (size, count) in enumerate(zip(sizes, counts, strict=True))
        for head in rng.choice(size, count, replace=False)
    ]


def test_sets_have_as_many_heads_in_each_layer_and_differ():
    rng = np.random.default_rng(0)
    sizes = (8, 12, 12, 6)
    own = drawn(rng, sizes, (2, 0, 3, 1))
    found = matched_sets(own, sizes, rng.uniform(1, 2, (4, 12)), 19, seed=0)
    assert len(set(found)) == 19
    for each in found:
        assert each == tuple(sorted(set(each)))
        assert each != tuple(sorted(own))
        assert np.bincount([layer for layer, _ in each]).tolist() == [2, 0, 3, 1]
        assert all(head < sizes[layer] for layer, head in each)


def test_sets_are_the_same_for_the_same_seed_and_any_order():
    rng = np.random.default_rng(1)
    own = drawn(rng, (12, 12), (2, 3))
    norms = rng.uniform(1, 2, (2, 12))
    first = matched_sets(own, (12, 12), norms, 19, seed=0)
    assert matched_sets(own[::-1], (12, 12), norms, 19, seed=0) == first
    assert matched_sets(own, (12, 12), norms, 19, seed=1) != first


def test_there_are_no_more_sets_than_exist():
    found = matched_sets([(1, 0), (1, 3)], (6, 4), np.ones((2, 6)), 19, seed=0)
    assert len(set(found)) == len(found) == comb(4, 2) - 1
    assert matched_sets([(1, 0), (1, 1)], (6, 2), np.ones((2, 6)), 19, seed=0) == []


def test_the_set_of_the_role_is_never_drawn():
    norms = np.random.default_rng(2).uniform(1, 2, (1, 12))
    own = ((0, 3), (0, 7))
    assert not any(own in matched_sets(own, (12,), norms, 1, seed=seed) for seed in range(30))


def test_sets_are_matched_in_output_norm():
    ratios = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        size = rng.normal(0, 0.7, (6, 12))
        own = drawn(rng, (12,) * 6, (2,) * 6)
        goal = np.mean([size[head] for head in own])
        found = matched_sets(own, (12,) * 6, np.exp(size), 19, seed=seed)
        ratios += [np.mean([size[head] for head in each]) - goal for each in found]
    # Of unmatched sets the standard deviation would be 0.7 * sqrt(2 / 12) = 0.29.
    assert abs(np.mean(ratios)) < 0.02
    assert np.std(ratios) < 0.06


@pytest.mark.parametrize("slope", [0, 2])
@pytest.mark.parametrize(("sizes", "counts"), [((12,), (5,)), ((6, 6), (2, 2))])
def test_the_rank_of_a_role_without_effect_is_uniform(sizes, counts, slope):
    studies, ranks = 300, []
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        size = rng.normal(0, 0.5, (len(sizes), max(sizes)))
        effect = rng.normal(size=size.shape) + slope * size
        own = drawn(rng, sizes, counts)
        found = matched_sets(own, sizes, np.exp(size), 19, seed=seed)
        lost = [sum(effect[head] for head in each) for each in (own, *found)]
        ranks.append(1 + sum(each >= lost[0] for each in lost[1:]))
    for rank in (1, 5, 10, 15):  # of 20; 4 standard deviations of the count
        share = rank / 20
        expected, spread = studies * share, np.sqrt(studies * share * (1 - share))
        assert abs(np.sum(np.array(ranks) <= rank) - expected) < 4 * spread


def test_heads_without_output_are_matched_too():
    norms = np.zeros((1, 6))
    norms[0, 3:] = 1
    found = matched_sets([(0, 0)], (6,), norms, 2, seed=0)
    assert sorted(found) == [((0, 1),), ((0, 2),)]
