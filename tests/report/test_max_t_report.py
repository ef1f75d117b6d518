"""adjust="maxt" in every result: what flips of signs decide, and what is by Holm."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.commands import refused, run_here
from helpers.effects import made as experiment
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.causal.values import KNOCKOUT, PLACEBO
from headscore.errors import UsageError
from headscore.options import EffectOptions
from headscore.plots.charts import tau_curve as draw_tau_curve
from headscore.report.effect import Effect
from headscore.report.retest import labels_at, tau_counts
from headscore.statistics.adjust import adjust
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import Criterion
from headscore.statistics.excess_sums import excess_sums
from headscore.statistics.max_t import max_t

ROLES = ["local", "nsubj"]
DOCUMENTS = [f"d{n}" for n in np.random.default_rng(0).integers(0, 15, 90)]  # of unequal sizes


def scores_of(seed=1):
    """Scores of heads that rise and fall together within documents, some near the threshold."""
    rng = np.random.default_rng(seed)
    codes = np.array([int(name[1:]) for name in DOCUMENTS])
    common = rng.normal(0, 0.8, (15, 1, 1, 1))[codes] + rng.normal(0, 0.8, (90, 1, 1, 1))
    means = rng.uniform(1.5, 5, (1, 2, 4, 6))
    values = np.clip(means + common + rng.normal(0, 0.4, (90, 2, 4, 6)), 0, 20)
    excess = values - 3.4
    excess[:, 0] = np.nan  # no role of word pairs
    scores = hs.HeadScores.from_arrays(
        values.astype(np.float32),
        ROLES,
        attainable=np.full((90, 2), 20.0),
        documents=DOCUMENTS,
        excess=excess.astype(np.float32),
    )
    return replace(scores, lengths=rng.integers(5, 60, 90))


@pytest.fixture(scope="module")
def scores():
    return scores_of()


@pytest.fixture(scope="module")
def holm(scores):
    return hs.test(scores)


@pytest.fixture(scope="module")
def report(scores):
    return hs.test(scores, adjust="maxt")


def test_labels_are_those_of_the_flips_and_more_than_by_holm(scores, report, holm):
    sums = excess_sums(
        scores.values,
        scores.attainable,
        clusters_of(scores, "document"),
        Criterion.of_mean(np.array([3.0, 3.0])),
    )
    expected = max_t(report.array("pvalue"), sums)
    np.testing.assert_array_equal(report.array("pvalue_adj"), expected)
    assert report.table["label"].tolist() == (report.table["pvalue_adj"] <= 0.05).tolist()
    assert (report.table["label"] | ~holm.table["label"]).all()
    assert report.table["label"].sum() > holm.table["label"].sum() > 0
    assert report.facts["adjust"] == "maxt"
    same = ["pvalue", "statistic", "ci_low", "pvalue_skew", "log_evalue", "label_unadjusted"]
    assert_frame_equal(report.table[same], holm.table[same])


def test_the_other_guarantees_are_by_holm(report, holm):
    rejected = {each: each.table["verdict"] == "has_not" for each in (report, holm)}
    assert (rejected[report] == rejected[holm] & ~report.table["label"]).all()
    assert rejected[report].any()
    assert (report.table["robust"] == holm.table["robust"]).all()
    assert (report.table["robust"] <= report.table["label"]).all()
    both = np.maximum(report.array("beyond_pvalue"), report.array("pvalue"))
    has = report.array("beyond_position") == "has"
    assert (has == (adjust(both) <= 0.05)).all()
    assert has.any()


@pytest.mark.parametrize("how", [{"criterion": "attained", "tau": 0.1}, {"clusters": None}])
def test_other_criteria_and_units_work(scores, how):
    table = hs.test(scores, adjust="maxt", **how).table
    by_holm = hs.test(scores, **how).table
    assert table["label"].sum() >= by_holm["label"].sum() > 0
    assert (table["pvalue_adj"] >= table["pvalue"]).all()


def test_counts_over_thresholds_equal_those_of_each_test(scores):
    curve = hs.tau_curve(scores, adjust="maxt", taus=(2.5, 3.5))
    for tau in curve:
        expected = hs.test(scores, adjust="maxt", tau=tau).labels().sum()
        assert curve[tau].tolist() == expected.tolist()
    unadjusted = hs.tau_curve(scores, adjust="maxt", label="label_unadjusted", taus=[2.5])
    assert (unadjusted[2.5] >= curve[2.5]).all()


def test_counts_without_the_scores_are_refused_or_said_to_be_by_holm(report, holm, tmp_path):
    for count in (lambda: labels_at(report, 2.0), lambda: tau_counts(report)):
        with pytest.raises(UsageError, match="adjust maxt needs the scores of each unit"):
            count()
    with pytest.raises(UsageError, match="adjust maxt"):
        draw_tau_curve(report)
    assert_frame_equal(report.sensitivity(), holm.sensitivity())
    report.to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    n = report.table["label"].sum()
    assert f"{n} labels as tested. What follows is by Holm, as maxT needs the scores." in page
    assert "(by Holm). Where a curve is steep" in page
    assert "the maps are tested again in this page, by Holm:" in page
    assert '"adjust":"holm"' in re.sub(r"\s", "", page)  # what the page's script does
    assert "maxT-adjusted p ≤ 0.05" in page
    holm.to_html(tmp_path / "h.html")
    assert "by Holm" not in (tmp_path / "h.html").read_text(encoding="utf-8")


def test_a_saved_report_and_json_keep_it(scores, report, tmp_path):
    report.save(tmp_path / "r.hs")
    assert_frame_equal(hs.load(tmp_path / "r.hs").table, report.table)
    scores.save(tmp_path / "s.hs")
    answer = run_here("report", tmp_path / "s.hs", "--adjust", "maxt", "--json")
    found = json.loads(answer.stdout)
    assert (found["facts"]["adjust"], found["tau_curve"]) == ("maxt", None)
    assert sum(row["label"] for row in found["table"]) == report.table["label"].sum()


def test_changes_are_two_sided_and_cautious(scores):
    after = scores_of()
    values = after.values.copy()
    up, down, single = (0, 0, 0), (0, 0, 1), (0, 0, 2)
    values[(slice(None), *up)] += 0.3 + np.random.default_rng(2).normal(0, 0.1, 90)
    values[(slice(None), *down)] -= 0.3 + np.random.default_rng(3).normal(0, 0.1, 90)
    # A shift of a thousandth in every document: less than a quarter per cent is no change.
    values[(slice(None), *single)] *= 1.001
    after = replace(after, values=np.maximum(values, 0))
    for how in ("holm", "maxt"):
        found = hs.compare(scores, after, adjust=how)
        adjusted = found.array("pvalue_adj")
        assert adjusted[up] < 0.01
        assert adjusted[down] < 0.01
        assert found.array("pvalue")[single] < 1e-6
        assert adjusted[single] > 0.05
        assert (adjusted[1] == 1).all()  # nothing changed
    assert found.facts["adjust"] == "maxt"


def test_effects_are_adjusted_over_the_roles_of_a_row():
    effects = {"a": {KNOCKOUT: 0.3}, "b": {KNOCKOUT: 0.3, PLACEBO: 0.3}, "c": {}}
    values = experiment(effects)
    table = Effect.from_values(values, EffectOptions(adjust="maxt")).table
    deltas = np.stack(
        [each.delta for each in values.arms if each.arm == KNOCKOUT], axis=1
    )  # (sequence, role)
    rows = table[table["arm"] == KNOCKOUT]
    sums = excess_sums(
        deltas[:, :, None, None],
        None,
        clusters_of(values, "document"),
        Criterion.above_zero(3),
    )
    p = rows[["pvalue", "pvalue_skew"]].max(axis=1).to_numpy()
    np.testing.assert_array_equal(rows["pvalue_adj"], max_t(p, sums[:, :, 0, 0]))
    assert rows["verdict"].tolist() == ["loses", "loses", "not shown"]


def test_what_a_model_uses_is_by_holm():
    values = experiment({"a": {KNOCKOUT: 0.3}, "b": {}})
    flips, holm = (
        Effect.from_values(values, EffectOptions(adjust=how)).used() for how in ("maxt", "holm")
    )
    assert_frame_equal(flips, holm)
    assert flips["verdict"].tolist() == ["used", "not shown"]


def test_what_cannot_be_done_is_refused_before_anything_is_read():
    with pytest.raises(UsageError, match="keep_scores 'none' needs another adjust than 'maxt'"):
        hs.analyze("no model", ["a"], roles="local", adjust="maxt", keep_scores="none")
    result = run_here("analyze", "m", "c.txt", "--adjust", "maxt", "--alpha", "0.0001")
    refused(result, 2, "alpha must be at least 0.001 where adjust is maxt, got 0.0001")
