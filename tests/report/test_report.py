"""Report: the table, its queries, and its files."""

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from helpers.position import KEYS, compared
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats

import headscore as hs
from headscore import files
from headscore.errors import InputError, UsageError
from headscore.report.head_rows import FIRST
from headscore.report.report import Report
from headscore.report.saved import load
from headscore.report.terminal.report import render_report
from headscore.report.terminal.style import Style
from headscore.report.wording import format_pvalue
from headscore.scores.head_scores import HeadScores
from headscore.statistics.adjust import adjust
from headscore.statistics.evalues import e_bh
from headscore.statistics.status import ABSENT, STATUSES, TESTABLE
from headscore.statistics.table import COLUMNS

ROLES = ("local", "syntactic", "block")
# What heads (layer, head) are made to have, by role; nobody has block.
TRUE = {
    "local": [(0, 0), (0, 1), (1, 2)],
    "syntactic": [(0, 1), (1, 2), (1, 1)],
    "block": [],
}


def made_scores(n_sequences=40, **changes):
    """Scores of 2 layers of 3 heads around 2, and around 4 where a head has a role."""
    rng = np.random.default_rng(0)
    values = rng.normal(2, 0.5, (n_sequences, 3, 2, 3)).astype(np.float32)
    for index, role in enumerate(ROLES):
        for strength, (layer, head) in enumerate(TRUE[role]):
            values[:, index, layer, head] += 2 + strength
    values[::4, 1] = np.nan
    scores = HeadScores.from_arrays(values, ROLES)
    parts = {"facts": {"model": "bert", "dtype": "float32"}, "counts": {"skipped": 2, "cut": 0}}
    return replace(scores, **{**parts, **changes})


@pytest.fixture(scope="module")
def report():
    return hs.test(made_scores())


def test_columns_and_order_of_rows(report):
    table = report.table
    assert ",".join(table) == (
        "role,layer,head,mean,ci_low,verdict,position_mean,beyond_position,beyond_odds,matched,"
        "matched_ratio,n,n_clusters,n_effective,deff,coverage,sd,skew,attainable,attained,"
        "attained_low,attained_high,share_above,tau,statistic,df,pvalue,pvalue_adj,pvalue_below,"
        "pvalue_skew,log_evalue,label,label_unadjusted,robust,beyond_pvalue,beyond_pvalue_below,"
        "matched_share,matched_pvalue,status,flags,corpus,model"
    )
    expected = [(role, layer, head) for role in ROLES for layer in range(2) for head in range(3)]
    assert list(zip(table["role"], table["layer"], table["head"], strict=True)) == expected
    assert set(table["model"]) == {"bert"}


def test_row_against_scipy():
    scores = made_scores()
    table = hs.test(scores, tau=2.1, alpha=0.01, adjust="bh").table
    for (role, layer, head), row in table.set_index(["role", "layer", "head"]).iterrows():
        x = scores.values[:, ROLES.index(role), layer, head].astype(float)
        x = x[~np.isnan(x)]
        test = stats.ttest_1samp(x, 2.1, alternative="greater")
        assert row["n"] == len(x)
        assert row["coverage"] == len(x) / 40
        assert row["share_above"] == pytest.approx((x > 2.1).mean())
        assert row["pvalue"] == pytest.approx(test.pvalue, rel=1e-6)
        assert row["ci_low"] == pytest.approx(test.confidence_interval(0.99).low, rel=1e-7)
        assert row["label_unadjusted"] == (test.pvalue <= 0.01)
    expected = stats.false_discovery_control(table["pvalue"], method="bh")
    np.testing.assert_allclose(table["pvalue_adj"], expected, rtol=1e-12)
    assert table["label"].tolist() == (expected <= 0.01).tolist()


def test_sequences_are_their_own_clusters_without_clusters(report):
    table = report.table
    assert table["n_clusters"].tolist() == table["n"].tolist()
    assert (table["df"] == table["n_clusters"] - 1).all()


def test_clusters_change_every_column():
    documents = [str(n // 4) for n in range(40)]
    scores = made_scores(documents=tuple(documents))
    naive = hs.test(scores, clusters=None).table
    report = hs.test(scores)
    for row, plain in zip(report.table.itertuples(), naive.itertuples(), strict=True):
        values = scores.values[:, ROLES.index(row.role), row.layer, row.head].astype(float)
        kept = ~np.isnan(values)
        fit = sm.OLS(values[kept] - 3, np.ones(kept.sum())).fit(
            cov_type="cluster",
            cov_kwds={"groups": np.array(documents, dtype=int)[kept], "df_correction": True},
            use_t=True,
        )
        assert (row.n, row.n_clusters, row.df) == (kept.sum(), 10, 9)
        assert row.statistic == pytest.approx(fit.tvalues[0], rel=1e-6)
        assert row.pvalue == pytest.approx(stats.t.sf(fit.tvalues[0], 9), rel=1e-5)
        assert row.ci_low == pytest.approx(3 + fit.conf_int(alpha=0.1)[0][0], rel=1e-6)
        assert "few_clusters" in row.flags.split()
        assert row.log_evalue != plain.log_evalue
        assert row.pvalue_skew != plain.pvalue_skew
        assert (row.mean, row.sd, row.skew) == (plain.mean, plain.sd, plain.skew)
        assert row.n_effective == pytest.approx(10)
        plain_error = row.sd**2 / row.n
        assert row.deff == pytest.approx(fit.bse[0] ** 2 / plain_error, rel=1e-6)
    assert "|clusters:document|unit:10 documents|" in report.signature
    given = hs.test(scores, clusters=documents)
    assert_frame_equal(given.table, report.table)
    assert "|clusters:given@" in given.signature
    assert "|unit:10 clusters|" in given.signature
    assert_frame_equal(hs.test(scores, clusters="document").table, report.table)


def scores_skewed_to_the_left():
    """Scores of which many have a label, but some not without their skewness."""
    rng = np.random.default_rng(3)
    values = rng.beta(4, 0.7, (30, 1, 6, 40)) * np.linspace(3.5, 6, 6)[:, None]
    return HeadScores.from_arrays(values, ["local"])


def test_robust_labels_are_those_of_the_largest_of_three_p_values():
    table = hs.test(scores_skewed_to_the_left()).table
    of_evalue = np.exp(-np.maximum(table["log_evalue"], 0))
    largest = np.maximum.reduce([table["pvalue"], table["pvalue_skew"], of_evalue])
    assert table["robust"].tolist() == (adjust(largest, "holm") <= 0.05).tolist()
    assert 0 < table["robust"].sum() < table["label"].sum()


def test_robust_labels_of_a_false_discovery_rate_are_those_of_e_bh():
    table = hs.test(scores_skewed_to_the_left(), adjust="bh").table
    skew = adjust(table["pvalue_skew"].to_numpy(), "bh") <= 0.05
    evidence = np.where(table["label"] & skew, table["log_evalue"], -np.inf)
    assert table["robust"].tolist() == e_bh(evidence, 0.05).tolist()
    assert 0 < table["robust"].sum() < table["label"].sum()


def test_a_cell_without_a_label_is_not_robust():
    # Skewed to the right, where the t-test finds too little.
    rng = np.random.default_rng(3)
    values = rng.gamma(2, 1.5, (40, 1, 6, 40)) * np.linspace(0.7, 2, 6)[:, None]
    table = hs.test(HeadScores.from_arrays(values, ["local"])).table
    of_evalue = np.exp(-np.maximum(table["log_evalue"].to_numpy(), 0))
    agreed = np.maximum(table["pvalue_skew"].to_numpy(), of_evalue)
    assert ((adjust(agreed, "holm") <= 0.05) & ~table["label"]).any()
    assert not table.loc[~table["label"], "robust"].any()


def test_equal_scores_above_tau_have_no_label_where_their_mean_may_be_tau():
    # 0 in 1 of 100 and else 3.03: the mean is 3, and without a 0 in the sample t is infinite.
    values = np.full((100, 1, 1, 1), 3.0 / 0.99)
    row = hs.test(HeadScores.from_arrays(values, ["local"])).table.iloc[0]
    assert row["pvalue"] == pytest.approx(0.99**100, rel=1e-5)
    assert (row["label"], row["verdict"], row["robust"]) == (False, "undecided", False)


def test_every_status_comes_out_of_a_test_with_its_flags():
    nan, rng = float("nan"), np.random.default_rng(4)
    values = np.stack(
        [
            rng.normal(5, 1, 60),
            np.full(60, 4.0),
            np.where(np.arange(60) == 0, 4.0, nan),
            np.full(60, nan),
            np.where(np.arange(60) == 7, np.inf, 5.0),
            np.where(np.arange(60) < 20, rng.normal(5, 1, 60), nan),
            np.where(np.arange(60) == 5, 200.0, rng.normal(5, 1, 60)),
            np.where(np.arange(60) == 5, -9.0, rng.normal(5, 1, 60)),
            np.full(60, 3.0),
            rng.uniform(1, 1.2, 60),
        ],
        axis=1,
    )[:, :, None, None]
    roles = [f"role{index}" for index in range(10)]
    attainable = np.where(np.isnan(values[..., 0]), nan, 50.0)
    attainable[:, 9] = 2
    scores = HeadScores.from_arrays(values, roles, attainable=attainable)
    table = hs.test(scores).table
    assert list(zip(table["status"], table["flags"], strict=True)) == [
        ("ok", ""),
        ("zero_variance", ""),
        ("insufficient_n", ""),
        ("no_sieve", ""),
        ("nonfinite", ""),
        ("ok", "small_n"),
        ("ok", "skewed"),
        ("ok", "skewed negative"),
        ("zero_variance", ""),
        ("unattainable", ""),
    ]
    assert {*table["status"], *ABSENT} == set(STATUSES)
    missing = table.loc[~table["status"].isin(TESTABLE), "pvalue_skew"]
    assert missing.isna().all()
    assert table["log_evalue"].isna().tolist() == [False] * 3 + [True, True] + [False] * 2 + [
        True,
        False,
        False,
    ]
    assert not table.loc[table["flags"].str.contains("negative"), "robust"].any()
    clustered = hs.test(scores, clusters=np.arange(60) % 15).table
    assert set(clustered["flags"][0].split()) >= {"few_clusters"}
    assert set(clustered["flags"][5].split()) >= {"small_n", "few_clusters"}
    assert clustered["status"].tolist() == table["status"].tolist()


def test_the_table_has_attainable_and_attained():
    scores = HeadScores.from_arrays(
        np.full((2, 1, 1, 1), 3.0), ["local"], attainable=[[4.0], [6.0]]
    )
    row = hs.test(scores).table.iloc[0]
    assert (row["attainable"], row["attained"]) == (5.0, 0.5)


def test_labels_are_a_table_of_heads_by_role(report):
    labels = report.labels()
    assert labels.index.names == ["layer", "head"]
    assert labels.index.tolist() == [(layer, head) for layer in range(2) for head in range(3)]
    assert labels.columns.tolist() == list(ROLES)
    assert [dtype.kind for dtype in labels.dtypes] == ["b", "b", "b"]
    assert {role: labels.index[labels[role]].tolist() for role in ROLES} == {
        role: sorted(heads) for role, heads in TRUE.items()
    }


def test_heads_are_sorted_by_bound(report):
    rows = report.heads("local")
    assert list(zip(rows["layer"], rows["head"], strict=True)) == TRUE["local"][::-1]
    assert rows["ci_low"].is_monotonic_decreasing
    assert rows["label"].all()
    assert set(rows["role"]) == {"local"}
    assert sorted(rows) == sorted([*COLUMNS.dtypes, "beyond"])
    assert rows.index.tolist() == [0, 1, 2]


def test_heads_are_sorted_where_every_p_underflows():
    values = np.random.default_rng(1).normal(50, 1e-4, (500, 1, 1, 5))
    values += np.array([0, 30, 10, 40, 20])
    rows = hs.test(HeadScores.from_arrays(values, ["local"])).heads("local")
    assert (rows["pvalue"] == 0).all()
    assert rows["head"].tolist() == [3, 1, 4, 2, 0]


def test_heads_of_a_role_without_labels_are_empty(report):
    assert len(report.heads("block")) == 0
    assert sorted(report.heads("block")) == sorted([*COLUMNS.dtypes, "beyond"])
    best = report.table[report.table["role"] == "block"].nlargest(1, "mean").iloc[0]
    assert repr(report.heads("block")) == (
        f"no head is shown to have block: the highest mean is {best['mean']:.3g}, of head "
        f"{best['layer']}.{best['head']}"
    )
    assert report.heads("block")._repr_html_().startswith("<p>no head is shown to have block")
    beyond = repr(report.heads("block", label="beyond_position"))
    assert beyond.startswith("no head is shown to have block (beyond_position): the highest mean")


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("locl", "role must be one of the report, got 'locl'; nearest: 'local'"),
        ("qqq", "got 'qqq'; nearest: 'local', 'syntactic', 'block'"),
        (None, "role must be one of the report, got None"),
    ],
)
def test_heads_of_an_unknown_role_raises(report, role, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        report.heads(role)


def test_roles_of_returns_the_roles_of_a_head(report):
    assert report.roles_of(0, 1) == ["local", "syntactic"]
    assert report.roles_of(np.int64(1), 1) == ["syntactic"]
    assert report.roles_of(0, 2) == []


@pytest.mark.parametrize(
    ("layer", "head", "message"),
    [
        (2, 0, "layer must lie in 0..1, got 2"),
        (-1, 0, "layer must lie in 0..1, got -1"),
        (0, 3, "head must lie in 0..2, got 3"),
        (0, -3, "head must lie in 0..2, got -3"),
        (1.0, 0, "layer must lie in 0..1, got 1.0"),
        ("0", 0, "layer must lie in 0..1, got '0'"),
    ],
)
def test_roles_of_a_missing_head_raises(report, layer, head, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        report.roles_of(layer, head)


def test_layers_count_labels_per_layer(report):
    layers = report.layers()
    assert layers.index.name == "layer"
    assert layers.to_dict("list") == {"local": [2, 1], "syntactic": [1, 2], "block": [0, 0]}


def test_layer_shares_and_depths_count_the_same_heads(report):
    shares, depths = report.layer_shares(), report.depths()
    assert shares["heads"].tolist() == [2, 1, 1, 2, 0, 0]
    assert depths["heads"].tolist() == [3, 3, 0]
    assert depths["pvalue"][:2].notna().all()
    assert depths["pvalue"][2:].isna().all()


def test_colocation_counts_shared_heads(report):
    table = report.colocation().set_index(["a", "b"])
    assert len(table) == 6
    row = table.loc[("syntactic", "local")]
    assert (row["heads_a"], row["heads_b"], row["both"]) == (3, 3, 2)
    assert row["share_of_a"] == row["share_of_b"] == pytest.approx(2 / 3)
    assert row["jaccard"] == pytest.approx(2 / 4)
    row = table.loc[("local", "block")]
    assert (row["heads_a"], row["heads_b"], row["both"], row["share_of_a"]) == (3, 0, 0, 0)
    assert np.isnan(row["share_of_b"])
    assert row["jaccard"] == 0


def test_colocation_is_not_symmetric():
    values = np.full((30, 2, 1, 4), 1.0)
    values[:, 0, 0, :4] = values[:, 1, 0, :1] = 5
    table = hs.test(HeadScores.from_arrays(values, ["a", "b"])).colocation()
    assert table[["a", "b"]].to_numpy().tolist() == [["a", "b"], ["b", "a"]]
    assert table["share_of_a"].tolist() == [0.25, 1]
    assert table["share_of_b"].tolist() == [1, 0.25]


def test_colocation_of_roles_without_heads_is_nan():
    scores = HeadScores.from_arrays(np.ones((3, 2, 1, 4)), ["a", "b"])
    table = hs.test(scores).colocation()
    assert table[["share_of_a", "share_of_b", "jaccard"]].isna().all(axis=None)


def test_colocation_of_one_role_is_empty():
    scores = HeadScores.from_arrays(np.ones((3, 1, 1, 4)), ["a"])
    table = hs.test(scores).colocation()
    assert len(table) == 0
    assert ",".join(table) == (
        "a,b,heads_a,heads_b,both,share_of_a,share_of_b,jaccard,expected,odds_ratio,pvalue,"
        "pvalue_adj,overlap,nested"
    )


def scores_near_tau():
    """Scores of which many have a label only without adjustment."""
    values = np.random.default_rng(2).normal(3.18, 0.5, (30, 2, 2, 40)).astype(np.float32)
    return HeadScores.from_arrays(values, ["local", "syntactic"])


def test_label_unadjusted_selects_the_labels_without_adjustment():
    report = hs.test(scores_near_tau())
    table = report.table
    assert 0 < table["label"].sum() < table["label_unadjusted"].sum()
    raw = report.labels(label="label_unadjusted")
    np.testing.assert_array_equal(raw.to_numpy().T.ravel(), table["label_unadjusted"])
    np.testing.assert_array_equal(report.labels().to_numpy().T.ravel(), table["label"])
    assert len(report.heads("local", label="label_unadjusted")) == raw["local"].sum()
    layers = report.layers(label="label_unadjusted")
    assert layers.to_numpy().sum() == table["label_unadjusted"].sum()
    heads_a = report.colocation(label="label_unadjusted")["heads_a"]
    assert heads_a.tolist() == [raw["local"].sum(), raw["syntactic"].sum()]
    one = table[table["label_unadjusted"] & ~table["label"]].iloc[0]
    at = one["layer"], one["head"]
    assert one["role"] in report.roles_of(*at, label="label_unadjusted")
    assert one["role"] not in report.roles_of(*at)


def asked(report, label):
    """What every query that takes labels answers."""
    yield report.labels(label=label)
    yield report.heads("local", label=label)
    yield report.roles_of(0, 1, label=label)
    yield report.layers(label=label)
    yield report.layer_shares(label=label)
    yield report.depths(label=label)
    yield report.colocation(label=label)
    yield report.beyond(label=label)


def test_label_paper_is_another_name_of_label_unadjusted():
    scores = scores_near_tau()
    report = hs.test(scores)
    answers = [list(asked(report, label)) for label in ("label_paper", "label_unadjusted", "label")]
    for old, new, adjusted in zip(*answers[:2], answers[2], strict=True):
        assert str(old) == str(new)
        assert str(old) != str(adjusted) or not len(old)
    old, new = (hs.tau_curve(scores, label=each) for each in ("label_paper", "label_unadjusted"))
    assert_frame_equal(old, new)


@pytest.mark.parametrize("ask", ["labels", "layers", "layer_shares", "depths", "colocation"])
def test_unknown_labels_raise(report, ask):
    message = "label must be one of label, label_unadjusted, beyond_position, matched, got 'robust'"
    with pytest.raises(UsageError, match=message):
        getattr(report, ask)(label="robust")


def scores_beyond():
    """Two layers of four heads: all local and nsubj, two of each layer beyond position."""
    values = np.random.default_rng(0).normal(5, 0.4, (40, 3, 2, 4))
    values[:, 2] -= 4
    odds = np.array([[np.nan] * 4, [1, 1.5, 4, 4], [1, 1.5, 4, 4]])[:, None]
    return compared(values, ["local", "nsubj", "amod"], odds)


def test_beyond_position_has_three_states_and_its_odds():
    table = hs.test(scores_beyond()).table.set_index("role")
    nsubj = table.loc["nsubj"]
    assert nsubj["beyond_position"].tolist() == ["has_not", "undecided", "has", "has"] * 2
    np.testing.assert_allclose(nsubj["beyond_odds"], [1, 1.5, 4, 4] * 2, rtol=0.01)
    share = nsubj["mean"] / KEYS
    odds = share / (1 - share) / nsubj["beyond_odds"]
    np.testing.assert_allclose(nsubj["position_mean"], KEYS * odds / (1 + odds), rtol=1e-4)
    # Beyond position, but without the role: the larger of both p-values counts.
    assert table.loc["amod", "beyond_position"].tolist() == ["has_not", *["undecided"] * 3] * 2
    local = table.loc["local"]
    assert (local["beyond_position"] == "").all()
    assert local[["position_mean", "beyond_odds", "beyond_pvalue"]].isna().all(axis=None)


def test_labels_beyond_position_are_fewer_in_roles_of_word_pairs():
    report = hs.test(scores_beyond())
    assert report.labels().sum().tolist() == [8, 8, 0]
    labels = report.labels(label="beyond_position")
    assert labels.dtypes.eq(bool).all()
    assert labels["local"].all()
    assert labels["nsubj"].tolist() == [False, False, True, True] * 2
    assert not labels["amod"].any()  # beyond position, but without the role
    assert report.heads("nsubj", label="beyond_position")["head"].isin((2, 3)).all()
    assert report.roles_of(1, 1, label="beyond_position") == ["local"]
    assert report.layers(label="beyond_position")["nsubj"].tolist() == [2, 2]
    assert report.beyond(label="beyond_position") == {"nsubj": (4, 4), "amod": (0, 0)}
    assert report.beyond() == {"nsubj": (8, 4), "amod": (0, 0)}
    pair = report.colocation(label="beyond_position").iloc[0]
    assert (pair["a"], pair["b"], pair["both"], pair["heads_b"]) == ("local", "nsubj", 4, 4)


def test_labels_beyond_position_are_the_labels_where_nothing_was_compared(report):
    assert_frame_equal(report.labels(label="beyond_position"), report.labels())
    assert report.beyond() == {}


def test_a_curve_of_thresholds_has_no_labels_beyond_position():
    message = "label must be one of label, label_unadjusted, got 'beyond_position'"
    with pytest.raises(UsageError, match=message):
        hs.tau_curve(made_scores(), label="beyond_position")


def test_rows_of_heads_print_what_one_reads_first_in_80_columns():
    values = np.random.default_rng(0).normal(5, 0.4, (40, 1, 1, 30))
    odds = np.resize([4.0, 1.0, 1.5], (1, 1, 30))
    report = hs.test(compared(values, ["nsubj:pass"], odds))
    rows = report.heads("nsubj:pass")
    first = ["role", "layer", "head", "mean", "ci_low", "verdict", "position_mean", "beyond"]
    assert list(rows)[:8] == list(FIRST) == first
    assert list(rows)[-1] == "model"
    assert rows["beyond"].equals(rows["beyond_position"].rename("beyond"))
    lines = str(rows).splitlines()
    assert lines[0].split() == first
    assert (
        lines[-1]
        == f"[30 rows; {len(COLUMNS.dtypes) + 1 - 8} more columns, as .columns lists them]"
    )
    assert max(map(len, lines)) <= 80
    cell = rows.iloc[0]
    assert lines[1].split()[1:6] == [
        *("nsubj:pass", "0", str(cell["head"])),
        *(f"{cell['mean']:.2f}", f"{cell['ci_low']:.2f}"),
    ]
    assert "<th>position_mean</th>" in rows._repr_html_()
    assert "<th>model</th>" not in rows._repr_html_()
    # Anything made of them prints as in pandas: a part of the rows short, other columns whole.
    assert len(str(rows.head(2)).splitlines()) == 5
    for other in (rows[["layer", "head"]], rows.set_index("role"), rows.iloc[:0]):
        assert str(other) == str(pd.DataFrame(other))
        assert other._repr_html_() == pd.DataFrame(other)._repr_html_()


def test_selected_sequences_say_why_what_position_gives_is_missing(tmp_path):
    values = np.random.default_rng(0).normal(5, 0.4, (40, 1, 1, 3))
    scores = compared(values, ["nsubj"], np.array([[[4.0, 1.0, 1.5]]]))
    why = (
        "position and odds are known of whole corpora only: score these sequences on their own to "
        "have them"
    )
    for known, part in ((True, scores), (False, scores.select(where=np.arange(40) < 30))):
        report = hs.test(part)
        assert report.table["beyond_position"].tolist() == ["has", "has_not", "undecided"]
        for rows in (report.heads("nsubj"), report.heads("nsubj").head(2)):
            text = str(rows)
            assert ("position_mean" in text.splitlines()[0].split()) == known
            assert max(map(len, text.splitlines())) <= 80
            for shown in (text, rows._repr_html_()):
                assert (why in " ".join(shown.split())) == (not known)
        assert len(report.heads("nsubj")["position_mean"]) == 3
        text = render_report(report, Style(width=200), seconds={}, saved=None)
        assert (why in text.splitlines()) == (not known)
        header = next(line for line in text.splitlines() if "adjusted p" in line)
        assert ("odds" in header.split()) == known
        report.to_html(tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert (f"P{why[1:]}." in page) == (not known)
        assert ("× odds of position" in page) == known


def test_long_names_do_not_make_rows_wider_than_80_columns():
    role = "label:entity=ORGANIZATION@both"
    report = hs.test(HeadScores.from_arrays(np.full((9, 1, 1, 2), 5.0), [role]))
    assert max(map(len, str(report.heads(role)).splitlines())) <= 80
    assert role in str(report.heads(role))


def test_a_cell_is_a_row_of_the_table(report):
    for row in report.table.to_dict("records"):
        cell = report.cell(row["role"], row["layer"], row["head"])
        assert cell.name == f"{row['role']} {row['layer']}.{row['head']}"
        pd.testing.assert_series_equal(cell, pd.Series(row), check_names=False)
    # A change table has the same.
    change = hs.compare(made_scores(), made_scores())
    assert change.cell("local", 1, 2)[["role", "layer", "head"]].tolist() == ["local", 1, 2]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("subj", 0, 0), "role must be one of the report"),
        (("local", 2, 0), r"layer must lie in 0..1, got 2"),
        (("local", 0, -1), r"head must lie in 0..2, got -1"),
        (("local", 0, "1"), r"head must lie in 0..2, got '1'"),
    ],
)
def test_a_cell_that_is_not_there_is_an_error(report, asked, message):
    with pytest.raises(UsageError, match=message):
        report.cell(*asked)


def test_the_table_names_the_corpus(report):
    assert set(report.table["corpus"]) == {""}
    facts = {"corpus": "0123456789ab", "model": "bert"}
    assert set(hs.test(made_scores(facts=facts)).table["corpus"]) == {"0123456789ab"}
    facts["corpus_name"] = "dev.conllu"
    assert set(hs.test(made_scores(facts=facts)).table["corpus"]) == {"dev.conllu"}


def test_undecided_heads_come_nearest_first():
    values = np.random.default_rng(0).normal(0, 0.5, (30, 2, 1, 4))
    values += np.array([[5, 1, 3.01, 2.95], [2.9, 1, 3.1, np.nan]])[:, None]
    report = hs.test(HeadScores.from_arrays(values, ["local", "sink"]))
    assert report.table["verdict"].tolist() == [
        *("has", "has_not", "undecided", "undecided"),
        *("undecided", "has_not", "undecided", ""),
    ]
    rows = report.undecided()
    assert tuple(rows)[: len(FIRST)] == FIRST
    assert rows.index.tolist() == [0, 1, 2, 3]
    assert (rows["verdict"] == "undecided").all()
    assert (rows["ci_low"] / rows["tau"]).is_monotonic_decreasing
    assert not rows["label"].any()
    assert set(zip(rows["role"], rows["head"], strict=True)) == {
        *(("local", 2), ("local", 3)),
        *(("sink", 0), ("sink", 2)),
    }


def test_nested_roles_are_not_tested():
    table = hs.test(replace(made_scores(), roles=("local", "syntactic", "nsubj"))).colocation()
    nested = table.set_index(["a", "b"])["nested"]
    assert nested[nested].index.tolist() == [("syntactic", "nsubj"), ("nsubj", "syntactic")]


def test_signature_and_counts(report):
    assert report.signature == (
        "model:bert|dtype:float32|criterion:mean|tau:3|clusters:none|"
        "unit:sequences (no documents are known)|alpha:0.05|adjust:holm|ddof:1"
    )
    assert report.counts == {"skipped": 2, "cut": 0, "sequences": 40}
    assert repr(report) == f"Report(18 cells, {report.signature})"


def test_tau_can_differ_by_role():
    tau = {"block": 1, "local": 2.5, "syntactic": 100}
    report = hs.test(made_scores(), tau=tau, adjust="none", ddof=0, alpha=0.01)
    assert report.signature.endswith(
        "|tau:local=2.5,syntactic=100,block=1|clusters:none|"
        "unit:sequences (no documents are known)|alpha:0.01|adjust:none|ddof:0"
    )
    assert report.table.groupby("role")["tau"].unique().map(list).to_dict() == {
        role: [number] for role, number in tau.items()
    }
    assert report.labels().sum().to_dict() == {"local": 3, "syntactic": 0, "block": 6}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"tau": 0}, "tau must be a finite number above 0, got 0"),
        ({"tau": {"local": 1}}, "tau must give a threshold for each role, got none for 'syntactic"),
        ({"alpha": 1}, "alpha must lie between 0 and 1, got 1"),
        ({"adjust": "fdr"}, "adjust must be one of holm, bh, by, maxt, none, got 'fdr'"),
        ({"ddof": 3}, "ddof must be 0 or 1, got 3"),
        ({"criterion": "median"}, "criterion must be one of mean, attained, got 'median'"),
        ({"clusters": "documents"}, 'clusters must be "auto", "document", "none", None or an id'),
    ],
)
def test_invalid_options_raise(option, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        hs.test(made_scores(), **option)


def test_summary_counts_heads_and_robust_labels(report):
    pvalue = report.colocation().set_index(["a", "b"])["pvalue"][("syntactic", "local")]
    assert report.summary().splitlines() == [
        "40 sequences, unit of independence: sequences (no documents are known); "
        "6 heads in 2 layers; tau 3, alpha 0.05, adjust holm",
        "4 of 6 heads have a role",
        "heads with a role: local 3, syntactic 3, block 0",
        "robust: 6 of 6 labels (100%)",
        "verdicts: has 6, has not 12, undecided 0",
        "co-location: 2 of 3 heads of the role syntactic (67%) are also local; 1.3 expected from "
        f"the counts in each layer, exact p {pvalue:.3g}",
        "counted: skipped 2",
    ]


def test_overlap_is_saved_and_in_the_summary(tmp_path):
    overlap = np.array([[50, 9, 0], [9, 10, 0], [0, 0, 0]])
    scores = replace(made_scores(), overlap=overlap)
    report = hs.test(scores)
    line = report.summary().splitlines()[5]
    assert line.endswith("; 90% of the syntactic sieve lies in the local one")
    table = report.colocation().set_index(["a", "b"])["overlap"]
    assert table[("syntactic", "local")] == 0.9
    assert table[("local", "syntactic")] == 0.18
    assert table[("local", "block")] == 0
    assert np.isnan(table[("block", "local")])
    report.save(tmp_path / "r.hs")
    assert load(tmp_path / "r.hs").overlap.tolist() == overlap.tolist()
    assert hs.test(made_scores()).colocation()["overlap"].isna().all()


@pytest.mark.parametrize(
    ("overlap", "message"),
    [
        (np.ones((3, 3)), "overlap must be int64 (role, role) of shape (3, 3), got float64"),
        (np.ones((2, 2), np.int64), "got int64 of shape (2, 2)"),
        (np.array([[1, 2, 0], [2, 2, 0], [0, 0, 0]]), "overlap must be symmetric, with no number"),
        (np.array([[2, 1, 0], [0, 2, 0], [0, 0, 0]]), "overlap must be symmetric, with no number"),
        (np.diag([1, -1, 0]), "overlap must be symmetric, with no number below 0"),
    ],
)
def test_invalid_overlap_raises(report, overlap, message):
    with pytest.raises(InputError, match=re.escape(message)):
        replace(report, overlap=overlap)
    with pytest.raises(InputError, match=re.escape(message)):
        replace(made_scores(), overlap=overlap)


def test_layer_shares_and_depths_count_labels(report):
    shares = report.layer_shares().set_index(["role", "layer"])
    assert shares["heads"].tolist() == [2, 1, 1, 2, 0, 0]
    assert shares["of"].unique().tolist() == [3]
    assert shares["share"][("local", 0)] == 2 / 3
    depths = report.depths(permutations=99, seed=0).set_index("role")
    assert depths["heads"].tolist() == [3, 3, 0]
    assert depths["depth"].tolist()[:2] == pytest.approx([1 / 3, 2 / 3])
    heads = report.depths(label="label_unadjusted", permutations=9)["heads"].sum()
    assert heads == report.table["label_unadjusted"].sum()


def test_summary_counts_untested_cells_without_dividing_by_zero():
    values = np.ones((9, 3, 1, 2))
    values[:, 1] = np.nan
    values[0, 2, 0, 1] = np.inf
    report = hs.test(HeadScores.from_arrays(values, ["local", "syntactic", "\x1b[2J"]))
    assert report.summary().splitlines() == [
        "9 sequences, unit of independence: sequences (no documents are known); "
        "2 heads in 1 layer; tau 3, alpha 0.05, adjust holm",
        "0 of 2 heads have a role",
        "heads with a role: local 0, syntactic 0, \\u{1b}[2J 0",
        "robust: 0 of 0 labels",
        "verdicts: has 0, has not 0, undecided 3",
        "co-location: 0 of 0 heads of the role syntactic are also local",
        "not tested: 3 of 6 cells (no_sieve 2, nonfinite 1)",
        "no head is shown to have local: the highest mean is 1, of head 0.0: more text",
        "no head is shown to have \\u{1b}[2J: the highest mean is 1, of head 0.0: more text",
    ]


def test_untestable_cells_are_not_counted_in_the_adjustment():
    scores = made_scores()
    alone = HeadScores.from_arrays(scores.values[:, :2], ROLES[:2])
    values = scores.values.copy()
    values[:, 2] = np.nan
    table = hs.test(HeadScores.from_arrays(values, ROLES)).table
    expected = hs.test(alone).table["pvalue_adj"]
    np.testing.assert_array_equal(table["pvalue_adj"][:12], expected)
    assert table["status"][12:].eq("no_sieve").all()
    assert table["pvalue_adj"][12:].isna().all()
    assert not table["label"][12:].any()
    assert not table["label_unadjusted"][12:].any()


@pytest.mark.parametrize(
    ("dtype", "flag"),
    [("float32", ""), ("bfloat16", "borderline"), ("torch.float16", "borderline")],
)
def test_borderline_depends_on_the_dtype(dtype, flag):
    values = np.linspace(2, 4, 101)[:, None, None, None]
    shift = hs.test(HeadScores.from_arrays(values, ["a"])).table["ci_low"][0] - 3
    scores = HeadScores.from_arrays(values - shift + 0.003, ["a"])
    table = hs.test(replace(scores, facts={"dtype": dtype})).table
    assert table["flags"].tolist() == [flag]


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_sequences_heads_and_roles_changes_no_row(random):
    scores = made_scores(12)
    orders = [random.sample(range(size), size) for size in scores.values.shape]
    _, roles, layers, heads = orders
    values = scores.values[np.ix_(*orders)]
    shuffled = HeadScores.from_arrays(values, [ROLES[index] for index in roles])
    table = hs.test(replace(shuffled, facts=scores.facts)).table
    table["layer"] = np.array(layers)[table["layer"]]
    table["head"] = np.array(heads)[table["head"]]
    keys = ["role", "layer", "head"]
    expected = hs.test(scores).table
    assert_frame_equal(
        table.sort_values(keys, ignore_index=True),
        expected.sort_values(keys, ignore_index=True),
        check_exact=False,
        rtol=1e-9,
    )


@pytest.mark.parametrize("clusters", [None, "document"])
def test_memory_stays_small_beside_the_scores(clusters):
    values = np.random.default_rng(0).random((4000, 6, 4, 12), np.float32)
    documents = [str(n // 3) for n in range(4000)]
    roles = [f"role{index}" for index in range(6)]
    scores = HeadScores.from_arrays(
        values, roles, documents=documents, attainable=np.ones((4000, 6))
    )
    tracemalloc.start()
    try:
        hs.test(scores, clusters=clusters)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < values.nbytes


def test_testing_does_not_change_the_scores():
    scores = made_scores()
    before = scores.values.tobytes()
    hs.test(scores)
    assert scores.values.tobytes() == before
    assert scores.facts == {"model": "bert", "dtype": "float32"}
    assert scores.counts == {"skipped": 2, "cut": 0}


def test_load_returns_the_saved_report(report, tmp_path):
    report.save(tmp_path / "r.hs")
    for loaded in (Report.load(tmp_path / "r.hs"), load(tmp_path / "r.hs")):
        assert_frame_equal(loaded.table, report.table, check_exact=True)
        assert (loaded.roles, loaded.facts, loaded.counts) == (
            report.roles,
            report.facts,
            report.counts,
        )
        assert loaded.summary() == report.summary()


def test_report_load_raises_on_saved_scores(tmp_path):
    made_scores().save(tmp_path / "s.hs")
    loaded = load(tmp_path / "s.hs")
    assert isinstance(loaded, HeadScores)
    assert loaded.values.tobytes() == made_scores().values.tobytes()
    with pytest.raises(InputError, match="must hold report, got 'headscores'"):
        Report.load(tmp_path / "s.hs")


def test_load_raises_on_other_kinds(tmp_path):
    files.write(tmp_path / "x.hs", files.Stored("plan", (), {}, {}, {}))
    known = "headscores or encoded or report or comparison or effect or power or replication"
    with pytest.raises(InputError, match=f"must hold {known} or seeds or trajectory, got 'p"):
        load(tmp_path / "x.hs")


def test_load_raises_on_a_damaged_report(report, tmp_path):
    report.save(tmp_path / "r.hs")
    content = bytearray((tmp_path / "r.hs").read_bytes())
    content[-100] ^= 1
    (tmp_path / "r.hs").write_bytes(content)
    with pytest.raises(InputError, match=r"r\.hs: damaged: array"):
        load(tmp_path / "r.hs")


@pytest.mark.parametrize("reader", [load, Report.load])
def test_load_raises_on_a_table_that_does_not_match(report, tmp_path, reader):
    report.save(tmp_path / "r.hs")
    stored = files.read(tmp_path / "r.hs", Report.layouts())
    files.write(tmp_path / "r.hs", replace(stored, roles=("local", "block", "syntactic")))
    with pytest.raises(InputError, match=r"r\.hs: table must have the rows of"):
        reader(tmp_path / "r.hs")
    short = {**stored.arrays, "status": files.pack(["ok"])}
    files.write(tmp_path / "r.hs", replace(stored, arrays=short))
    with pytest.raises(InputError, match=r"r\.hs: column status must have 18 entries, got 1"):
        reader(tmp_path / "r.hs")


def test_table_with_other_columns_raises(report):
    with pytest.raises(InputError, match="table must have the columns"):
        replace(report, table=report.table.drop(columns="sd"))


def test_table_without_roles_raises(report):
    with pytest.raises(InputError, match="table must have the rows of"):
        replace(report, roles=())


def test_csv_holds_the_table(report, tmp_path):
    report.to_csv(tmp_path / "r.csv")
    table = pd.read_csv(
        tmp_path / "r.csv",
        keep_default_na=False,
        na_values={name: "" for name, dtype in COLUMNS.dtypes.items() if dtype == "float64"},
    )
    # pandas 2 reads some numbers with other last bits than were written.
    assert_frame_equal(table, report.table, rtol=1e-14, atol=0, check_dtype=False)
    assert list(tmp_path.iterdir()) == [tmp_path / "r.csv"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_cells_that_would_run_as_formulas_are_quoted(tmp_path, start):
    role = f"{start}SUM(1,1)"
    values = np.full((3, 2, 1, 1), -1.5)
    scores = HeadScores.from_arrays(values, [role, "a=b"])
    report = hs.test(replace(scores, facts={"model": f'{start}"x\ud800'}))
    report.to_csv(tmp_path / "r.csv")
    table = pd.read_csv(tmp_path / "r.csv")
    assert table["role"].tolist() == ["'" + role, "a=b"]
    assert table["model"].tolist() == [f"'{start}\"x\\ud800"] * 2
    assert table["mean"].tolist() == [-1.5, -1.5]


def test_csv_in_a_missing_folder_raises(report, tmp_path):
    with pytest.raises(InputError, match=r"no/r\.csv: cannot be written \(No such file"):
        report.to_csv(tmp_path / "no" / "r.csv")


@pytest.mark.parametrize(
    ("pvalue", "text"),
    [
        (0.0, "< 1e-300"),
        (9.9e-301, "< 1e-300"),
        (1e-300, "1e-300"),
        (0.04999, "0.05"),
        (0.0123456, "0.0123"),
        (1.0, "1"),
        (float("nan"), "-"),
    ],
)
def test_pvalues_are_formatted_with_three_digits(pvalue, text):
    assert format_pvalue(pvalue) == text


def test_a_file_without_the_pvalues_of_the_other_direction_still_loads(report, tmp_path):
    """Of the same format, written before the table had them."""
    stored = report.stored()
    added = ("pvalue_below", "beyond_pvalue_below")
    arrays = {name: array for name, array in stored.arrays.items() if name not in added}
    files.write(tmp_path / "r.hs", replace(stored, arrays=arrays))
    found = Report.load(tmp_path / "r.hs").table
    assert found[list(added)].isna().all(axis=None)
    pd.testing.assert_frame_equal(found.drop(columns=[*added]), report.table.drop(columns=[*added]))


def test_the_other_direction_is_what_has_not_is_read_from(report):
    below = adjust(report.table["pvalue_below"].to_numpy()) <= 0.05
    has_not = report.table["verdict"] == "has_not"
    assert has_not.any()
    assert ((has_not | report.table["label"]) == (below | report.table["label"])).all()


def test_a_file_without_the_name_of_the_corpus_still_loads(report, tmp_path):
    stored = report.stored()
    arrays = {name: array for name, array in stored.arrays.items() if name != "corpus"}
    files.write(tmp_path / "r.hs", replace(stored, arrays=arrays))
    table = Report.load(tmp_path / "r.hs").table
    assert (table["corpus"] == "").all()
    assert list(table) == list(COLUMNS.dtypes)
