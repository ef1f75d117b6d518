"""Heads beyond position: against scipy, by hand, and in summaries, files and comparisons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import headscore as hs
from headscore.errors import InputError
from headscore.options import AdjustOptions
from headscore.sieves.odds import FACTORS, MARGIN, UNIT, scaled
from headscore.statistics.adjust import adjust
from headscore.statistics.beyond_position import Excess, beyond_position, odds
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments
from headscore.statistics.skewness import HIGH
from headscore.statistics.units import sequences

ROLES = ("local", "nsubj", "obj")


def made(n=64, seed=0):
    """Scores of 2 layers of 4 heads, and the excess of nsubj and obj, some of them missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(4, 0.5, (n, 3, 2, 4)).astype(np.float32)
    excess = rng.normal(0.03, 0.6, values.shape).astype(np.float32)
    excess[:, 1, 0] += [0.5, 0.5, -0.5, 0.2]
    excess[:, 0] = np.nan
    excess[::5, 2] = np.nan
    sums = rng.integers(0, 64 * 2**20, (11, 3, 2, 4))
    sums[1] = 64 * 20 * 2**20
    sums[2:] = np.sort(sums[2:], axis=0)
    sums[:, 0] = 0
    return hs.HeadScores.from_arrays(
        values,
        ROLES,
        documents=[f"d{s % 16}" for s in range(n)],
        excess=excess,
        position_sums=sums,
    )


def rows_of(report, role):
    return report.table[report.table["role"] == role].reset_index(drop=True)


def excess_of(scores, role):
    """The excess of the heads of a role, (sequence, head), of those that are compared."""
    excess = scores.excess[:, ROLES.index(role)].reshape(len(scores.excess), -1).astype(float)
    return excess[~np.isnan(excess[:, 0])]


def safe_p(x, size, df, b):
    """P-value of H0 "the mean is at most 0", safe where the scores are skewed to the left."""
    t = -x.mean(axis=0) / np.hypot(x.std(axis=0, ddof=1) / len(x) ** 0.5, 0.0025 * size)
    b = np.maximum(b, 1e-9)
    return stats.t.cdf(np.expm1(2 * b * t) / (2 * b), df)


@pytest.mark.parametrize("role", ROLES[1:])
def test_p_value_is_the_one_that_is_safe_against_skewness(role):
    scores = made()
    rows = rows_of(hs.test(scores, adjust="none", clusters=None), role)
    excess = {each: excess_of(scores, each) for each in ROLES[1:]}
    b = {each: -stats.skew(x) / 3 / len(x) ** 0.5 for each, x in excess.items()}
    # Skewness is borrowed from the heads of the role, and from the other role of the head.
    largest = np.maximum(b[role], np.quantile(b[role], HIGH))
    largest = np.maximum(largest, np.quantile([b["nsubj"], b["obj"]], HIGH, axis=0))
    x, score = excess[role], scores.position_sums[0, ROLES.index(role)].ravel() * UNIT
    size = np.maximum(score / len(x), np.abs(x.mean(axis=0)))
    want = safe_p(x, size, len(x) - 1, largest)
    np.testing.assert_allclose(rows["beyond_pvalue"], want, rtol=1e-4)
    assert ((rows["beyond_position"] == "has") == (rows["beyond_pvalue"] <= 0.05)).all()


def test_state_needs_the_role_and_the_excess():
    scores = made()
    scores.values[:, 1, 0, 0] -= 2  # beyond position, but without the role
    report = hs.test(scores)
    both = np.maximum(report.table["pvalue"], report.table["beyond_pvalue"])
    expected = adjust(both.to_numpy()) <= 0.05
    assert ((report.table["beyond_position"] == "has") == expected).all()
    rows = rows_of(report, "nsubj")
    assert rows["beyond_position"].tolist()[:4] == ["undecided", "has", "has_not", "undecided"]
    assert (rows["beyond_pvalue"][0] < 1e-4, rows["label"][0]) == (True, False)
    assert not rows["beyond_position"][4:].isin(["has", ""]).any()


def test_roles_without_word_pairs_have_no_state():
    rows = rows_of(hs.test(made()), "local")
    assert rows[["position_mean", "beyond_odds", "beyond_pvalue"]].isna().all(axis=None)
    assert (rows["beyond_position"] == "").all()
    without = hs.test(replace(made(), excess=None, position_sums=None)).table
    assert without[["position_mean", "beyond_odds", "beyond_pvalue"]].isna().all(axis=None)
    assert (without["beyond_position"] == "").all()


def test_excess_without_sums_is_tested_all_the_same():
    with_sums, without = (
        hs.test(scores).table for scores in (made(), replace(made(), position_sums=None))
    )
    assert without[["position_mean", "beyond_odds"]].isna().all(axis=None)
    np.testing.assert_allclose(without["beyond_pvalue"], with_sums["beyond_pvalue"], rtol=0.01)
    assert (without["beyond_position"] == with_sums["beyond_position"]).all()


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_both_directions_are_adjusted_over_the_cells_of_pair_roles(method):
    scores = made()
    report = hs.test(scores, adjust=method, clusters=None)
    shown = report.table["beyond_position"]
    raw = report.table["beyond_pvalue"]
    above = np.maximum(raw, report.table["pvalue"])
    assert ((shown == "has") == (adjust(above.to_numpy(), method) <= 0.05)).all()
    assert 0 < (shown == "has").sum() < (shown != "").sum()
    assert (shown == "has_not").sum() == 1


def test_clusters_of_one_size_are_tested_by_their_means():
    scores = made()
    shared = np.random.default_rng(1).normal(0, 0.3, (16, 1, 2, 4))[np.arange(64) % 16]
    nsubj = hs.HeadScores.from_arrays(
        scores.values[:, 1:2],
        ["nsubj"],
        documents=scores.documents,
        excess=scores.excess[:, 1:2] + shared,
        position_sums=4 * scores.position_sums[:, 1:2],
    )
    means = hs.HeadScores.from_arrays(
        nsubj.values.reshape(4, 16, 1, 2, 4).mean(axis=0),
        ["nsubj"],
        excess=nsubj.excess.reshape(4, 16, 1, 2, 4).mean(axis=0),
        position_sums=scores.position_sums[:, 1:2],
    )
    grouped, of_means = (hs.test(each).table for each in (nsubj, means))
    assert (grouped["n_clusters"] == 16).all()
    for name in ("position_mean", "beyond_odds", "beyond_pvalue"):
        np.testing.assert_allclose(grouped[name], of_means[name], rtol=1e-3)
    assert (grouped["beyond_position"] == of_means["beyond_position"]).all()


def test_position_mean_is_the_score_at_the_odds_of_position():
    scores = made()
    report = hs.test(scores)
    n = np.where(scores.takes_part() & [False, True, True], [64, 64, 51], np.nan)[:, None, None]
    expected = scores.position_sums[2 + FACTORS.tolist().index(1.0)] / 2**20 / n
    np.testing.assert_allclose(report.array("position_mean"), expected, rtol=1e-12)


def judged(excess):
    """The judgement of two heads that surely have the role."""
    label = np.full((1, 1, 2), True)
    return beyond_position(excess, np.zeros((1, 1, 2)), label, AdjustOptions())


def test_nothing_is_beyond_position_without_its_label():
    # Holm over the cells of pairs is less strict than over all: 60 heads of one role of pairs.
    rng = np.random.default_rng(0)
    values = 3 + rng.normal(0.12, 0.3, (60, 4, 1, 60))
    excess = np.full(values.shape, np.nan)
    excess[:, 1] = rng.normal(5, 0.1, (60, 1, 60))
    sums = np.full((11, 4, 1, 60), 60 << 20)
    scores = hs.HeadScores.from_arrays(values, list("abcd"), excess=excess, position_sums=sums)
    table = hs.test(scores).table
    alone = adjust(table["pvalue"][60:120].to_numpy()) <= 0.05
    assert (alone & ~table["label"][60:120]).any()
    assert table["label"][table["beyond_position"] == "has"].all()


def test_labels_too_few_pairs_of_which_are_compared_are_undecided():
    scores = made()
    scores.excess[7:, 1, 0, 1] = np.nan
    row = rows_of(hs.test(scores, clusters=None), "nsubj").iloc[1]
    assert (row["label"], row["beyond_position"]) == (True, "undecided")


def test_an_excess_is_judged_beside_the_score():
    # 0.05 of a score of 1 is something, and of a score of 50 less than a quarter per cent.
    excess = np.full((20, 1, 1, 2), 0.05) * (1 + 1e-3 * np.arange(20)[:, None, None, None])
    cells = moments(excess, tau=Criterion.above_zero(1))
    sums = np.zeros((11, 1, 1, 2))
    sums[0, 0, 0] = 20 * np.array([1.0, 50.0]) / UNIT
    sums[1] = 20 * 100 / UNIT
    units = sequences(cells, Criterion.above_zero(1))
    found = judged(Excess(cells, units, sums))
    t = 0.05 * 1.0095 / 0.0025 / np.array([1, 50])
    np.testing.assert_allclose(found.pvalue.ravel(), stats.t.sf(t, 19), rtol=0.02)
    assert found.state.ravel().tolist() == ["has", "undecided"]


def test_equal_excesses_show_nothing():
    # An excess has no bound that a lucky sample could be held against.
    excess = np.full((200, 1, 1, 2), [0.5, -0.5])
    cells = moments(excess, tau=Criterion.above_zero(1))
    units = sequences(cells, Criterion.above_zero(1))
    found = judged(Excess(cells, units, None))
    assert found.state.ravel().tolist() == ["undecided", "undecided"]


# --- odds


def curve(c, visible=20.0):
    """Mean scores with each factor times the odds, for pairs that position gives c."""
    return np.array([visible * np.mean(scaled(np.asarray(c, float), k)) for k in FACTORS])


def odds_of(k, c, visible=20.0):
    score = visible * np.mean(scaled(np.asarray(c, float), k))
    return odds(np.array(score), np.array(visible), curve(c, visible)).item()


@given(
    k=st.floats(1e-3, 1e3),
    c=st.floats(1e-4, 0.999),
)
def test_odds_of_pairs_alike_are_exact_also_beyond_the_factors(k, c):
    assert odds_of(k, [c]) == pytest.approx(k, rel=1e-6)


@given(
    k=st.floats(0.25, 64),
    c=st.lists(st.floats(0.002, 0.8), min_size=2, max_size=12),
)
def test_odds_of_pairs_as_unlike_as_can_be_are_found_within_five_per_cent(k, c):
    assert odds_of(k, c) == pytest.approx(k, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_odds_of_unlike_pairs_are_found_within_two_per_cent(seed):
    rng = np.random.default_rng(seed)
    c = np.exp(rng.uniform(np.log(0.005), np.log(0.5), 30))
    for k in np.exp(rng.uniform(np.log(0.25), np.log(64), 20)):
        assert odds_of(k, c) == pytest.approx(k, rel=0.02)


@pytest.mark.parametrize("k", FACTORS)
def test_odds_are_exact_at_the_factors(k):
    assert odds_of(k, [0.01, 0.2, 0.7]) == pytest.approx(k, rel=1e-9)


@pytest.mark.parametrize(("k", "c"), [(200.0, [0.01, 0.05, 0.2]), (0.1, [0.1, 0.3, 0.6])])
def test_odds_beyond_the_factors_go_on_with_slope_1(k, c):
    assert odds_of(k, c) == pytest.approx(k, rel=0.25)
    assert (odds_of(k, c) > 64, odds_of(k, c) < 0.25) == (k > 64, k < 0.25)


@given(c=st.lists(st.floats(0.002, 0.9), min_size=1, max_size=5), low=st.floats(0, 20))
def test_odds_rise_with_the_score(c, low):
    scores = np.array([low, min(low + 0.1, 20.0)])
    found = odds(scores, np.full(2, 20.0), np.repeat(curve(c)[:, None], 2, axis=1))
    assert found[0] <= found[1]


def test_odds_at_the_ends():
    everything, nothing, no_position = (
        odds(np.array(score), np.array(20.0), at).item()
        for score, at in ((20.0, curve([0.2])), (0.0, curve([0.2])), (3.0, np.zeros(9)))
    )
    assert (everything, nothing, no_position) == (np.inf, 0, np.inf)
    assert np.isnan(odds(np.array(0.0), np.array(20.0), np.zeros(9)))
    assert np.isnan(odds(np.array(np.nan), np.array(np.nan), np.full(9, np.nan)))


def test_odds_of_exact_margin_lie_on_the_null():
    # Pairs of 1.5 times the odds have the excess 0 by definition, and the odds 1.5.
    c = np.array([0.02, 0.1, 0.3])
    assert odds_of(MARGIN, c) == pytest.approx(MARGIN, rel=0.01)


# --- summaries, files, comparisons


def test_beyond_counts_the_heads_beyond_position():
    report = hs.test(made())
    counts = {role: report.beyond()[role] for role in ROLES[1:]}
    assert set(report.beyond()) == set(counts)
    for role, (n_labels, n_beyond) in counts.items():
        rows = rows_of(report, role)
        assert n_labels == rows["label"].sum()
        assert n_beyond == (rows["label"] & (rows["beyond_position"] == "has")).sum()
    assert 0 < counts["nsubj"][1] < counts["nsubj"][0] == 8


def test_saved_scores_and_reports_keep_it(tmp_path):
    scores = made()
    scores.save(tmp_path / "s.hs")
    loaded = hs.load(tmp_path / "s.hs")
    np.testing.assert_array_equal(loaded.excess, scores.excess)
    np.testing.assert_array_equal(loaded.position_sums, scores.position_sums)
    report = hs.test(loaded)
    report.save(tmp_path / "r.hs")
    pd.testing.assert_frame_equal(hs.load(tmp_path / "r.hs").table, report.table)


def test_excess_of_another_shape_raises():
    with pytest.raises(InputError, match="excess must be float32"):
        hs.HeadScores.from_arrays(np.ones((3, 1, 1, 1)), ["nsubj"], excess=np.ones((3, 1, 1, 2)))


def test_a_comparison_has_columns_for_both_sides(tmp_path):
    before = made()
    after = replace(before, values=before.values + 1, excess=before.excess - 1)
    change = hs.compare(before, after)
    sides = {name: hs.test(scores).table for name, scores in (("before", before), ("after", after))}
    for name, table in sides.items():
        pd.testing.assert_series_equal(
            change.table[f"beyond_{name}"], table["beyond_position"], check_names=False
        )
    change.save(tmp_path / "c.hs")
    pd.testing.assert_frame_equal(hs.load(tmp_path / "c.hs").table, change.table)


def test_checkpoints_are_aligned_and_averaged():
    before = made()
    order = np.arange(64)[::-1]
    turned = hs.HeadScores.from_arrays(
        before.values[order][:, ::-1],
        ROLES[::-1],
        sequence_ids=[str(s) for s in order],
        documents=[before.documents[s] for s in order],
        excess=before.excess[order][:, ::-1] + 1,
        position_sums=before.position_sums[:, ::-1],
    )
    table = hs.compare(before, [before, turned]).table
    means = replace(before, excess=before.excess + np.float32(0.5))
    want = hs.test(means).table["beyond_position"]
    pd.testing.assert_series_equal(table["beyond_after"], want, check_names=False)
