"""Correspondence of heads: profiles, distances, assignments, both permutation tests."""

from itertools import permutations

import numpy as np
import pytest

from headscore.statistics import seed_heads
from headscore.statistics.profiles import distances, profiles
from headscore.statistics.seed_heads import assignment, by_assignment, by_index

LAYERS, HEADS = 2, 4
ALL = np.full(LAYERS, HEADS)


def kinds(seeds, *, moved, noise=0.1, seed=0, roles=3):
    """Mean scores of seeds with the same kinds of heads, moved within layers or not."""
    rng = np.random.default_rng(seed)
    kind = rng.gamma(1, 2, (roles, LAYERS, HEADS)) + 0.5
    means = []
    for _ in range(seeds):
        own = kind * np.exp(rng.normal(0, noise, kind.shape))
        if moved:
            own = np.stack([own[:, k, rng.permutation(HEADS)] for k in range(LAYERS)], axis=1)
        means.append(own)
    return np.stack(means)


def test_profiles_are_standardised_logs():
    means = kinds(3, moved=True)
    means[:, 1] = np.nan  # a role in which nothing takes part
    means[0, 2, 0, 0] = 1e-9
    found = profiles(means, ALL)
    assert found.shape == (3, 2, LAYERS, HEADS)
    logs = np.log(np.maximum(means[:, [0, 2]], 0.1))
    for role in range(2):
        expected = (logs[:, role] - logs[:, role].mean()) / logs[:, role].std()
        np.testing.assert_allclose(found[:, role], expected)


def test_heads_that_are_not_there_and_roles_that_do_not_differ_are_left_out():
    means = kinds(2, moved=True)
    means[:, :, 1, 2:] = np.nan
    means[:, 0] = 2.0
    found = profiles(means, np.array([4, 2]))
    assert found.shape[1] == 2
    of_heads = found.reshape(2, 2, -1)[:, :, :6]
    np.testing.assert_allclose(of_heads.mean(axis=(0, 2)), 0, atol=1e-12)


def test_distances_are_root_mean_squares():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 5, 3))
    found = distances(one, other)
    for a in range(3):
        for b in range(3):
            expected = np.sqrt(np.mean((one[:, a] - other[:, b]) ** 2))
            assert found[a, b] == pytest.approx(expected)


def test_index_distances_and_their_mean_over_all_permutations():
    means = kinds(2, moved=True, seed=3)
    of_heads = profiles(means, ALL)
    found = by_index(of_heads, ALL, seed=0)
    layers = [distances(of_heads[0][:, k], of_heads[1][:, k]) for k in range(LAYERS)]
    observed = np.mean([np.diag(apart) for apart in layers])
    assert found.distance == pytest.approx([observed])
    every = [
        np.mean([[layers[0][h, p[h]] for h in range(4)], [layers[1][h, q[h]] for h in range(4)]])
        for p in permutations(range(4))
        for q in permutations(range(4))
    ]
    assert found.expected == pytest.approx([np.mean(every)])
    exact = np.mean(np.array(every) <= observed + 1e-9)
    assert found.pvalue == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999) + 1e-3)


def test_heads_that_stay_correspond_by_index_and_heads_that_move_do_not():
    stay, move = (
        by_index(profiles(kinds(4, moved=moved), ALL), ALL, seed=0) for moved in (False, True)
    )
    assert stay.pvalue == 1 / 10_000
    assert (stay.distance < 0.5 * stay.expected).all()
    assert move.pvalue > 0.05


@pytest.mark.parametrize("moved", [False, True])
def test_kinds_that_recur_are_found_wherever_they_stand(moved):
    found = by_assignment(profiles(kinds(3, moved=moved), ALL), ALL, seed=0)
    assert found.pvalue == 1 / 200
    assert (found.distance < found.expected).all()


def test_the_best_assignment_against_all_assignments():
    of_heads = profiles(kinds(2, moved=True, noise=1.0, seed=5), ALL)
    places, distance = assignment(*of_heads, ALL)
    assert sorted(places) == list(range(8))
    assert (places // HEADS == np.arange(8) // HEADS).all()  # layers are far apart
    for layer in range(LAYERS):
        apart = distances(of_heads[0][:, layer], of_heads[1][:, layer])
        best = min(sum(apart[h, p[h]] for h in range(HEADS)) for p in permutations(range(HEADS)))
        assert distance[layer * HEADS : (layer + 1) * HEADS].sum() == pytest.approx(best)


def test_heads_are_assigned_within_a_tenth_of_the_depth():
    rng = np.random.default_rng(0)
    heads = np.full(20, 1)
    one, other = rng.normal(size=(2, 3, 20, 1))
    places, _ = assignment(one, other, heads)
    assert np.abs(places - np.arange(20)).max() == 2


def test_layers_of_different_sizes():
    heads = np.array([4, 2])
    means = kinds(3, moved=False)
    means[:, :, 1, 2:] = np.nan
    of_heads = profiles(means, heads)
    places, distance = assignment(*of_heads[:2], heads)
    assert sorted(places) == list(range(6))
    assert np.isfinite(distance).all()
    assert by_index(of_heads, heads, seed=0).pvalue < 0.01
    assert np.isfinite(by_assignment(of_heads, heads, seed=0).distance).all()


@pytest.mark.parametrize("test", [by_index, by_assignment])
def test_levels_under_the_null(test, monkeypatch):
    """P-values of exchangeable heads are at most alpha in a share alpha of all studies."""
    monkeypatch.setattr(seed_heads, "INDEX_DRAWS", 199)
    monkeypatch.setattr(seed_heads, "ASSIGNMENT_DRAWS", 39)
    rng, runs = np.random.default_rng(0), 200
    pvalues = np.array(
        [
            test(profiles(rng.gamma(1, 2, (3, 2, LAYERS, HEADS)), ALL), ALL, seed=run).pvalue
            for run in range(runs)
        ]
    )
    for alpha in (0.05, 0.2, 0.5):
        assert np.mean(pvalues <= alpha) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    assert pvalues.max() > 0.8


def test_one_head_a_layer_shows_nothing():
    one = np.ones(3, np.int64)
    of_heads = profiles(np.random.default_rng(0).gamma(2, 1, (3, 2, 3, 1)), one)
    assert by_index(of_heads, one, seed=0).pvalue == 1
    assert by_assignment(of_heads, one, seed=0).pvalue == 1


def test_a_seed_repeats_the_draws():
    of_heads = profiles(kinds(3, moved=True, noise=1), ALL)
    for test in (by_index, by_assignment):
        assert test(of_heads, ALL, seed=0).pvalue == test(of_heads, ALL, seed=0).pvalue
