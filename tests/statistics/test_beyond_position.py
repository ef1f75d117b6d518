"""The test of heads beyond position: against scipy, and in summaries, files and comparisons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import headscore as hs
from headscore.errors import InputError
from headscore.statistics.beyond_position import RATIO

ROLES = ("local", "nsubj", "obj")


def made_scores(n=60, seed=0):
    """Scores of 2 layers of 3 heads, and log ratios of nsubj and obj, some missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(4, 0.5, (n, 3, 2, 3)).astype(np.float32)
    beyond = rng.normal(0.45, 0.3, values.shape).astype(np.float32)
    beyond[:, 1, 0] += 0.6
    beyond[:, 0] = np.nan
    beyond[::5, 2] = np.nan
    return hs.HeadScores.from_arrays(
        values, ROLES, documents=[f"d{s // 6}" for s in range(n)], beyond=beyond
    )


def rows_of(report, role):
    return report.table[report.table["role"] == role].reset_index(drop=True)


def test_ratio_and_p_value_agree_with_scipy():
    scores = made_scores()
    report = hs.test(scores, adjust="none")
    for number, role in enumerate(ROLES[1:], start=1):
        rows = rows_of(report, role)
        logs = scores.beyond[:, number].reshape(60, -1).astype(float)
        logs = logs[~np.isnan(logs[:, 0])]
        want = stats.ttest_1samp(logs, np.log(RATIO), alternative="greater").pvalue
        np.testing.assert_allclose(rows["beyond_pvalue"], want, rtol=1e-5)
        np.testing.assert_allclose(rows["beyond_ratio"], np.exp(logs.mean(axis=0)), rtol=1e-9)
        assert rows["beyond_position"].tolist() == (want <= 0.05).tolist()


def test_roles_without_word_pairs_have_no_ratio():
    rows = rows_of(hs.test(made_scores()), "local")
    assert rows["beyond_ratio"].isna().all()
    assert rows["beyond_pvalue"].isna().all()
    assert rows["beyond_position"].isna().all()
    without = hs.test(replace(made_scores(), beyond=None))
    assert without.table["beyond_position"].isna().all()
    assert without.beyond() == {}
    assert "beyond position" not in without.summary()


def test_p_values_are_adjusted_over_the_cells_of_pair_roles():
    scores = made_scores()
    raw = hs.test(scores, adjust="none").table["beyond_pvalue"]
    got = hs.test(scores, adjust="bh").table["beyond_position"].dropna()
    want = stats.false_discovery_control(raw.dropna()) <= 0.05
    assert got.tolist() == want.tolist()
    assert 0 < want.sum() < len(want)


def test_clusters_are_the_units_of_the_test():
    scores = made_scores()
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 0.5, (10, 1, 2, 3)).repeat(6, axis=0).astype(np.float32)
    scores = replace(scores, beyond=scores.beyond + shared)
    naive, grouped = (
        rows_of(hs.test(scores, clusters=clusters), "nsubj") for clusters in (None, "document")
    )
    means = scores.beyond[:, 1].reshape(10, 6, 6).mean(axis=1).astype(float)
    want = stats.ttest_1samp(means, np.log(RATIO), alternative="greater").pvalue
    np.testing.assert_allclose(grouped["beyond_pvalue"], want, rtol=1e-5)
    high = naive["beyond_pvalue"] < 0.5
    assert (naive["beyond_pvalue"] < grouped["beyond_pvalue"])[high].all()


def test_beyond_counts_the_heads_beyond_position():
    report = hs.test(made_scores())
    rows = rows_of(report, "nsubj")
    assert report.beyond()["nsubj"] == (6, int(rows["beyond_position"].sum()))
    assert 3 <= report.beyond()["nsubj"][1] < 6
    line = next(each for each in report.summary().splitlines() if "beyond position" in each)
    stay, obj = report.beyond()["nsubj"][1], report.beyond()["obj"]
    assert line == f"heads with a role beyond position: nsubj {stay} of 6, obj {obj[1]} of {obj[0]}"


def test_saved_scores_and_reports_keep_it(tmp_path):
    scores = made_scores()
    scores.save(tmp_path / "s.hs")
    loaded = hs.load(tmp_path / "s.hs")
    np.testing.assert_array_equal(loaded.beyond, scores.beyond)
    report = hs.test(loaded)
    report.save(tmp_path / "r.hs")
    pd.testing.assert_frame_equal(hs.load(tmp_path / "r.hs").table, report.table)


def test_ratios_of_another_shape_raise():
    with pytest.raises(InputError, match="beyond must be float32"):
        hs.HeadScores.from_arrays(np.ones((3, 1, 1, 1)), ["nsubj"], beyond=np.ones((3, 1, 1, 2)))


def test_a_comparison_has_columns_for_both_sides(tmp_path):
    before = made_scores()
    after = replace(before, values=before.values + 1, beyond=before.beyond - 1)
    change = hs.compare(before, after)
    sides = {name: hs.test(scores).table for name, scores in (("before", before), ("after", after))}
    for name, table in sides.items():
        pd.testing.assert_series_equal(
            change.table[f"beyond_{name}"], table["beyond_position"], check_names=False
        )
    change.save(tmp_path / "c.hs")
    pd.testing.assert_frame_equal(hs.load(tmp_path / "c.hs").table, change.table)


def test_checkpoints_are_aligned_and_averaged():
    before = made_scores()
    order = np.arange(60)[::-1]
    turned = hs.HeadScores.from_arrays(
        before.values[order][:, ::-1],
        ROLES[::-1],
        sequence_ids=[str(s) for s in order],
        documents=[before.documents[s] for s in order],
        beyond=before.beyond[order][:, ::-1] + 1,
    )
    table = hs.compare(before, [before, turned]).table
    means = replace(before, beyond=before.beyond + np.float32(0.5))
    want = hs.test(means).table["beyond_position"]
    pd.testing.assert_series_equal(table["beyond_after"], want, check_names=False)
