"""Heads that prefer word pairs to matched controls: against loops, and in tables and files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.matched import SEQUENCES, SHAPE, STRATA, made, rows_of
from scipy import stats

import headscore as hs
from headscore.options import AdjustOptions
from headscore.sieves.odds import MARGIN
from headscore.statistics.adjust import adjust
from headscore.statistics.cluster_robust import degrees_of_freedom
from headscore.statistics.clusters import Clusters, clusters_of
from headscore.statistics.matched import Matched, beyond_matched
from headscore.statistics.skewness import cautious


def table_of(report, role):
    return report.table[report.table["role"] == role].reset_index(drop=True)


# --- against loops


def groups(scores, role, layer):
    """stratum -> (cases, controls), lists of (sequence, weight, attention of the heads)."""
    found = {}
    for row in range(len(scores.matched)):
        own = scores.matched_role[row]
        if own in (role, -1) and scores.matched_stratum[row] and scores.matched_weight[row, layer]:
            entry = (
                int(scores.matched_sequence[row]),
                float(scores.matched_weight[row, layer]),
                scores.matched[row, layer].astype(float),
            )
            found.setdefault(int(scores.matched_stratum[row]), ([], []))[int(own == -1)].append(
                entry
            )
    return {key: both for key, both in found.items() if both[0] and both[1]}


def p_and_q(cases, controls, scale=lambda sequence: 1.0):
    """P and Q of one stratum, rows of a sequence scaled."""
    a = sum(scale(s) * x for s, _, x in cases)
    c = sum(scale(s) * x for s, _, x in controls)
    n_a = sum(scale(s) * w for s, w, _ in cases)
    n_c = sum(scale(s) * w for s, w, _ in controls)
    n = n_a + n_c
    return a * (n_c - c) / n, c * (n_a - a) / n, n_a, n_c


def by_hand(scores, codes, role, layer):
    """Ratio, and t, of the heads."""
    strata = groups(scores, role, layer).values()
    p, q, *_ = (sum(each) for each in zip(*(p_and_q(*each) for each in strata), strict=True))
    deviation, size = deviations_by_hand(scores, codes, role, layer)
    weight = 1 / (1 - size / size.sum())
    variance = (weight[:, None] * deviation**2).sum(axis=0)
    return p / q, (p - MARGIN * q) / np.sqrt(variance)


def deviations_by_hand(scores, codes, role, layer):
    """Deviation of each cluster from the mean, (cluster, head), and its size, (cluster,)."""
    strata = groups(scores, role, layer).values()
    total, size, step = np.zeros((codes.max() + 1, 4)), np.zeros(codes.max() + 1), 1e-5
    for cases, controls in strata:
        _, _, n_a, n_c = p_and_q(cases, controls)
        n = n_a + n_c
        for s, w, _ in cases:
            size[codes[s]] += w * n_c**2 / n**2
        for s, w, _ in controls:
            size[codes[s]] += w * n_a**2 / n**2
        for cluster in {codes[s] for s, *_ in (*cases, *controls)}:
            # The derivative by the size of the cluster.
            u = [
                grown[0] - MARGIN * grown[1]
                for move in (-step, step)
                if (grown := p_and_q(cases, controls, growing(codes, cluster, move)))
            ]
            total[cluster] += (u[1] - u[0]) / (2 * step) * np.sqrt(n / (n - 1))
    return total - np.outer(size, total.sum(axis=0) / size.sum()), size


def growing(codes, cluster, step):
    """Scale the rows of a cluster by 1 + step."""
    return lambda sequence: 1 + step * (codes[sequence] == cluster)


@pytest.mark.parametrize("clusters", [None, "document"])
def test_ratio_and_error_are_those_of_loops(clusters):
    scores = made()
    known = clusters_of(scores, clusters)
    codes = np.arange(SEQUENCES) if known.codes is None else known.codes
    found = Matched.of_scores(scores, known, ddof=1)
    for role, layer in ((1, 0), (1, 1), (2, 0), (2, 1)):
        ratio, t = by_hand(scores, codes, role, layer)
        np.testing.assert_allclose(found.ratio[role, layer], ratio, rtol=1e-5)
        own = (found.cells.mean / found.units.se)[role, layer]
        np.testing.assert_allclose(own, t, rtol=1e-4)


def test_counts_are_those_of_the_compared_pairs():
    scores = made()
    found = Matched.of_scores(scores, clusters_of(scores, "document"), ddof=1)
    strata = groups(scores, 1, 0).values()
    sequences = {s for cases, _ in strata for s, *_ in cases}
    assert (found.cells.n[1] == len(sequences)).all()
    assert (found.units.n[1] == len({s % 15 for s in sequences})).all()
    np.testing.assert_allclose(found.share[1:], 1)
    assert np.isnan(found.share[0]).all()
    assert np.isnan(found.ratio[0]).all()


def without_controls(scores, strata):
    """Scores with the controls of some strata alone."""
    kept = (scores.matched_role >= 0) | np.isin(scores.matched_stratum, strata)
    rows = {name: getattr(scores, name)[kept] for name in rows_of(n=1)}
    return replace(scores, **rows)


def test_pairs_without_a_control_are_left_out_and_counted():
    scores = without_controls(made(), [1, 2, 3])
    found = Matched.of_scores(scores, Clusters.none(""), ddof=1)
    own = scores.matched_role == 1
    compared = own & (scores.matched_stratum <= 3)
    weight = scores.matched_weight[:, 0]
    np.testing.assert_allclose(found.share[1], weight[compared].sum() / weight[own].sum())
    ratio, _ = by_hand(scores, np.arange(SEQUENCES), 1, 0)
    np.testing.assert_allclose(found.ratio[1, 0], ratio, rtol=1e-5)


def test_entries_without_a_label_are_compared_with_nothing():
    rows = rows_of()
    rows["matched_stratum"] = np.where(rows["matched_stratum"] == 1, 0, rows["matched_stratum"])
    some, fewer = made(rows=rows), without_controls(made(), range(2, STRATA + 1))
    known = Clusters.none("")
    np.testing.assert_array_equal(
        Matched.of_scores(some, known, ddof=1).ratio, Matched.of_scores(fewer, known, ddof=1).ratio
    )


# --- the test


def test_p_value_is_the_one_that_is_safe_against_skewness():
    scores = made()
    known = clusters_of(scores, "auto")
    found = Matched.of_scores(scores, known, ddof=1)
    by_loops = {
        (role, layer): deviations_by_hand(scores, known.codes, role, layer)
        for role, layer in np.ndindex(3, 2)
        if role
    }
    t, b, df = (np.full(SHAPE, np.nan) for _ in range(3))
    for at, (u, size) in by_loops.items():
        se = np.sqrt((u**2 / (1 - size / size.sum())[:, None]).sum(axis=0)) / size.sum()
        t[at] = found.cells.mean[at] / np.hypot(se, 0.0025 * found.magnitude[at])
        root = np.sqrt((u**2).sum(axis=0))
        b[at] = (u**3).sum(axis=0) / root**3 / 3 - (size @ u) / size.sum() / root
        df[at] = degrees_of_freedom(size[:, None])
    want = stats.t.cdf(cautious(-t, -b, ~np.isnan(t)), df)
    np.testing.assert_allclose(hs.test(scores).array("matched_pvalue"), want, rtol=1e-3)


def test_the_states_are_those_of_the_odds():
    table = table_of(hs.test(made(n=200, rows=rows_of(n=200))), "obj")
    assert table["matched"].tolist() == ["has_not", "undecided", "has", "has"] * 2
    np.testing.assert_allclose(table["matched_ratio"], [0.7, 1.5, 4, 4] * 2, rtol=0.2)
    np.testing.assert_allclose(table["matched_share"], 1)


def test_roles_without_word_pairs_have_no_state():
    report = hs.test(made())
    local = table_of(report, "local")
    assert (local["matched"] == "").all()
    assert local[["matched_share", "matched_ratio", "matched_pvalue"]].isna().all(axis=None)
    without = hs.test(replace(made(), **dict.fromkeys(rows_of(n=1)))).table
    assert (without["matched"] == "").all()
    assert without[["matched_share", "matched_ratio", "matched_pvalue"]].isna().all(axis=None)


def test_nothing_is_shown_without_the_role():
    scores = made()
    scores.values[:, 1, 0, 2] -= 5
    report = hs.test(scores)
    row = table_of(report, "nsubj").iloc[2]
    assert (row["label"], row["matched"]) == (False, "undecided")
    assert row["matched_pvalue"] < 1e-3
    both = np.maximum(report.table["pvalue"], report.table["matched_pvalue"])
    expected = report.table["label"] & (adjust(both.to_numpy()) <= 0.05)
    assert ((report.table["matched"] == "has") == expected).all()


def test_only_heads_with_the_role_are_shown_not_to_exceed_it():
    scores = made(n=200, rows=rows_of(n=200))
    assert table_of(hs.test(scores), "obj")["matched"][0] == "has_not"
    scores.values[:, 2, 0, 0] -= 5
    assert table_of(hs.test(scores), "obj")["matched"][0] == "undecided"


def test_nothing_is_shown_that_position_explains():
    scores = made()
    excess = np.random.default_rng(0).normal(1, 0.3, scores.values.shape).astype(np.float32)
    excess[:, 0] = np.nan
    excess[:, 1, 0, 2] -= 1
    report = hs.test(replace(scores, excess=excess))
    table = table_of(report, "nsubj")
    assert table["beyond_position"].tolist()[2:4] == ["undecided", "has"]
    assert table["matched"].tolist()[2:4] == ["undecided", "has"]
    assert table["matched_pvalue"][2] < 1e-3
    assert report.table["beyond_position"][report.table["matched"] == "has"].eq("has").all()


def test_word_pairs_none_of_which_has_a_control_are_undecided():
    table = table_of(hs.test(without_controls(made(), [])), "nsubj")
    assert (table["matched"] == "undecided").all()
    assert (table["matched_share"] == 0).all()
    assert table[["matched_ratio", "matched_pvalue"]].isna().all(axis=None)


def test_pairs_of_too_few_units_are_undecided():
    scores = made()
    kept = (scores.matched_role != 1) | (scores.matched_sequence % 15 < 7)  # seven documents
    few = replace(scores, **{name: getattr(scores, name)[kept] for name in rows_of(n=1)})
    assert (table_of(hs.test(few), "nsubj")["matched"] == "undecided").all()
    assert table_of(hs.test(few), "nsubj")["matched_pvalue"].isna().all()
    assert (table_of(hs.test(few), "obj")["matched"] == "has").any()


def test_heads_that_a_layer_lacks_have_no_state():
    scores = made()
    scores.values[:, :, 1, 3] = np.nan
    scores.matched[:, 1, 3] = np.nan
    report = hs.test(replace(scores, heads=np.array([4, 3])))
    assert (report.array("matched")[:, 1, 3] == "").all()
    assert np.isnan(report.array("matched_ratio")[:, 1, 3]).all()
    others = hs.test(made()).array("matched_ratio")[1:, 1, :3]
    np.testing.assert_array_equal(report.array("matched_ratio")[1:, 1, :3], others)


def test_attention_of_nothing_shows_nothing():
    rows = rows_of()
    rows["matched"] = np.zeros_like(rows["matched"])
    table = table_of(hs.test(made(rows=rows)), "nsubj")
    assert table["matched_ratio"].isna().all()
    assert (table["matched"] == "undecided").all()


def test_equal_attention_is_no_margin():
    # Exactly the margin everywhere, without any noise: neither side is shown.
    rows = rows_of()
    share = np.where(rows["matched_role"] < 0, 0.2, MARGIN * 0.2 / (1 + (MARGIN - 1) * 0.2))
    rows["matched"] = np.broadcast_to(
        (share * rows["matched_weight"][:, 0])[:, None, None], rows["matched"].shape
    ).astype(np.float32)
    table = table_of(hs.test(made(rows=rows)), "nsubj")
    np.testing.assert_allclose(table["matched_ratio"], MARGIN, rtol=1e-5)
    assert (table["matched"] == "undecided").all()


# --- files


def test_saved_reports_keep_it(tmp_path):
    report = hs.test(made())
    report.save(tmp_path / "r.hs")
    pd.testing.assert_frame_equal(hs.load(tmp_path / "r.hs").table, report.table)


def test_options_reach_both_directions():
    found = Matched.of_scores(made(), Clusters.none(""), ddof=1)
    zero, yes = np.zeros(SHAPE), np.ones(SHAPE, bool)
    strict = beyond_matched(found, zero, yes, yes, AdjustOptions(alpha=1e-60))
    loose = beyond_matched(found, zero, yes, yes, AdjustOptions(alpha=0.5, adjust="none"))
    assert set(strict.state[1:].ravel()) == {"undecided"}
    assert {"has", "has_not"} <= set(loose.state[1:].ravel())
