"""Layers: counts, thirds, and the permutation test of a trend."""

import re
from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from headscore.errors import UsageError
from headscore.options import PermutationOptions
from headscore.statistics import depth


def labels(*counts, heads=4):
    """Labels (role, layer, head) with so many heads per layer, for each role."""
    return np.arange(heads) < np.array(counts)[:, :, None]


def test_layer_shares_count_labels_per_layer():
    table = depth.layer_shares(labels([4, 1, 0], [0, 2, 2]), ["a", "b"])
    assert ",".join(table) == "role,layer,depth,heads,of,share"
    assert table["role"].tolist() == ["a"] * 3 + ["b"] * 3
    assert table["layer"].tolist() == [0, 1, 2] * 2
    assert table["depth"].tolist() == [0, 0.5, 1] * 2
    assert table["heads"].tolist() == [4, 1, 0, 0, 2, 2]
    assert table["share"].tolist() == [1, 0.25, 0, 0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("n_layers", "expected"),
    [
        (1, "1"),
        (2, "02"),
        (3, "012"),
        (4, "0112"),
        (5, "00122"),
        (6, "001122"),
        (7, "0011122"),
        (8, "00011222"),
        (12, "000011112222"),
    ],
)
def test_thirds_are_the_same_from_both_ends(n_layers, expected):
    assert "".join(map(str, depth.thirds(n_layers))) == expected


def test_a_single_head_has_the_depth_of_its_layer():
    table = depth.depths(labels([0, 0, 1, 0, 0]), ["one"])
    assert table["depth"].tolist() == [0.5]


def test_depths_count_heads_by_third():
    counts = ([4, 3, 0, 0, 0, 0], [0, 0, 2, 2, 0, 0], [0, 0, 0, 0, 1, 4], [0] * 6)
    table = depth.depths(labels(*counts), ["first", "middle", "last", "none"]).set_index("role")
    assert table["heads"].tolist() == [7, 4, 5, 0]
    assert table[["early", "middle", "late"]].to_numpy().tolist() == [
        [7, 0, 0],
        [0, 4, 0],
        [0, 0, 5],
        [0, 0, 0],
    ]
    assert table["depth"].tolist()[:3] == pytest.approx([3 / 35, 0.5, 24 / 25])
    assert table["pvalue"][["first", "last"]].max() < 0.01
    assert table["pvalue"]["middle"] == 1  # no distance from the middle can be smaller
    assert np.isnan([table["depth"]["none"], table["pvalue"]["none"]]).all()


def test_trends_are_adjusted_over_the_roles_with_heads():
    counts = ([4, 3, 0, 0, 0, 0], [0, 0, 2, 2, 0, 0], [0] * 6, [2, 2, 0, 1, 0, 0])
    table = depth.depths(labels(*counts), list("abcd"))
    assert ",".join(table) == "role,heads,early,middle,late,depth,pvalue,pvalue_adj"
    known = [0, 1, 3]
    expected = multipletests(table["pvalue"][known], method="holm")[1]
    assert table["pvalue_adj"][known].tolist() == pytest.approx(expected, rel=1e-12)
    assert np.isnan(table["pvalue_adj"][2])


def test_trend_against_every_permutation():
    wanted = labels([3, 1, 0, 1], heads=3)  # 5 of 12 heads
    layer = np.repeat(np.arange(4), 3)
    observed = abs(layer[wanted[0].ravel()].mean() - 1.5)
    chosen = np.array(list(combinations(range(12), 5)))
    exact = (abs(layer[chosen].mean(axis=1) - 1.5) >= observed - 1e-12).mean()
    table = depth.depths(wanted, ["a"], PermutationOptions(permutations=100_000))
    assert 0.05 < exact < 0.5
    assert table["pvalue"][0] == pytest.approx(exact, abs=4 * np.sqrt(exact / 100_000))


def test_trend_is_the_same_from_both_ends_and_for_any_order_of_heads():
    rng = np.random.default_rng(3)
    one = rng.random((1, 6, 5)) < np.linspace(0.1, 0.7, 6)[:, None]
    forward = depth.depths(one, ["a"])
    backward = depth.depths(one[:, ::-1], ["a"])
    assert forward["depth"][0] == pytest.approx(1 - backward["depth"][0])
    assert forward["pvalue"].equals(backward["pvalue"])
    assert forward.equals(depth.depths(rng.permuted(one, axis=2), ["a"]))


def test_trend_p_is_valid_under_the_null_hypothesis():
    rng = np.random.default_rng(0)
    null = rng.random((2000, 6, 8)) < 0.25
    options = PermutationOptions(permutations=499)
    table = depth.depths(null, [str(n) for n in range(2000)], options)
    for level in (0.05, 0.2):
        share = (table["pvalue"] <= level).mean()
        assert 0.5 * level < share < level + 3 * np.sqrt(level / 2000)


def test_seed_0_repeats_and_1_does_not():
    one = labels([3, 1, 0, 1])
    options = [PermutationOptions(permutations=200, seed=seed) for seed in (0, 0, 1)]
    seeds = [depth.depths(one, ["a"], each) for each in options]
    assert seeds[0].equals(seeds[1])
    assert seeds[0]["pvalue"][0] != seeds[2]["pvalue"][0]


def test_one_layer_has_no_trend():
    table = depth.depths(labels([2]), ["a"])
    assert (table["middle"][0], table["heads"][0]) == (2, 2)
    assert table[["depth", "pvalue", "pvalue_adj"]].isna().all(axis=None)
    assert np.isnan(depth.layer_shares(labels([2]), ["a"])["depth"][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"permutations": 0}, "permutations must be an integer of at least 1, got 0"),
        ({"permutations": 1e3}, "permutations must be an integer of at least 1, got 1000.0"),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
        ({"seed": None}, "seed must be an integer of at least 0, got None"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        depth.depths(labels([1, 2]), ["a"], PermutationOptions(**options))
