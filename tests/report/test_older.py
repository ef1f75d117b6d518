"""Files of format 1: they load, say what they lack, and every output takes them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.browser import opened
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore import files
from headscore.errors import InputError
from headscore.report.comparison import Comparison
from headscore.report.older import COMPARISON_1, REPORT_1
from headscore.report.report import Report
from headscore.report.retest import labels_at
from headscore.report.terminal.comparison import render_comparison
from headscore.report.terminal.report import render_report
from headscore.report.terminal.style import Style

DATA = Path(__file__).parents[1] / "data"
REPORT, COMPARISON = DATA / "report-v1.hs", DATA / "comparison-v1.hs"


@pytest.fixture
def report():
    return Report.load(REPORT)


@pytest.fixture
def comparison():
    return Comparison.load(COMPARISON)


def column(path, layouts, name):
    return files.read(path, layouts).arrays[name]


@pytest.mark.parametrize("load", [Report.load, hs.load])
def test_a_report_says_what_it_lacks(load, caplog):
    """Written by headscore 0.1.0, of two layers of the demo model on ten sentences."""
    report = load(REPORT)
    assert [record.message for record in caplog.records] == [
        f"{REPORT}: a report of format 1 lacks verdicts other than of labels, intervals of "
        "attained and position control by odds; test the scores again to have them"
    ]
    table = report.table
    assert table[["attained_low", "attained_high", "position_mean"]].isna().all(axis=None)
    assert table[["beyond_odds", "beyond_pvalue"]].isna().all(axis=None)
    assert (table["beyond_position"] == "").all()
    assert table["verdict"].tolist() == ["has" if label else "" for label in table["label"]]
    old = column(REPORT, Report.layouts(), "label_paper")
    assert table["label_unadjusted"].tolist() == old.tolist()
    assert (table["label"].sum(), table["label_unadjusted"].sum()) == (6, 8)
    assert (table["n_effective"] == table["n"]).all()
    assert report.facts["unit"] == "sequences"
    assert report.facts["headscore"] == "0.1.0"


@pytest.mark.parametrize("load", [Comparison.load, hs.load])
def test_a_comparison_says_what_it_lacks(load, caplog):
    table = load(COMPARISON).table
    assert [record.message for record in caplog.records] == [
        f"{COMPARISON}: a comparison of format 1 lacks verdicts other than of labels, p-values "
        "after Hall's transformation and position control by odds; test the scores again to have "
        "them"
    ]
    for side in ("before", "after"):
        verdicts = ["has" if label else "" for label in table[f"label_{side}"]]
        assert table[f"verdict_{side}"].tolist() == verdicts
        assert (table[f"beyond_{side}"] == "").all()
    assert table["pvalue_skew"].isna().all()
    assert table["n_clusters"].equals(table["n"].rename("n_clusters"))
    assert (table["outcome"] == "gained").sum() == 1


def test_a_report_is_printed_without_claims_of_its_unlabelled_heads(report):
    text = render_report(report, Style(), seconds={}, saved=None)
    assert "0 / / ● / ● ●" in text
    assert "/ lacks the role or undecided (a file of format 1)" in text
    for lines in (text, report.summary(), report._repr_html_()):
        assert "6" in lines
        assert "verdicts:" not in lines
        assert "undecided 0" not in lines
    assert len(report.undecided()) == 0
    assert report.heads("local")["head"].tolist()[:2] == [2, 8]


def test_a_report_makes_a_page_and_a_csv(report, tmp_path, browser):
    report.to_html(tmp_path / "r.html")
    report.to_csv(tmp_path / "r.csv")
    assert pd.read_csv(tmp_path / "r.csv")["label_unadjusted"].sum() == 8
    with opened(browser, tmp_path / "r.html") as page:
        assert page.complaints == []
        assert "0 of 6 labels are robust." in page.inner_text(".answer")
        page.locator("#tau-slider").fill("1.5")
        assert page.inner_text('[data-count="0"]') == str(labels_at(report, 1.5)[0].sum())


def test_a_comparison_is_printed_and_makes_a_page(comparison, tmp_path, browser):
    assert "gained: 1 (local " in render_comparison(comparison, Style(), saved=None)
    comparison.to_html(tmp_path / "c.html")
    with opened(browser, tmp_path / "c.html") as page:
        assert page.complaints == []
        answer = page.inner_text(".answer")
    assert answer.startswith(
        "1.7 gained local. Gained and lost: the label changed, and the paired change is "
        "significant. The largest change of these, among 24 heads: 1.7 in local, "
    )
    assert "undecided" not in answer


def test_what_was_read_is_saved_as_format_2(report, comparison, tmp_path, caplog):
    caplog.clear()
    for table in (report, comparison):
        table.save(tmp_path / "new.hs")
        again = hs.load(tmp_path / "new.hs")
        assert_frame_equal(again.table, table.table, check_exact=True)
        assert again.facts == table.facts
    assert not caplog.records


def clustered():
    """A report of documents, and what a file of format 1 would hold of it."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.5, (12, 1, 2, 8))
    values = np.repeat(shared, 5, axis=0) + rng.normal(0, 0.5, (60, 1, 2, 8))
    values += np.linspace(1, 5, 16).reshape(2, 8)
    documents = [f"d{n // 5}" for n in range(60)]
    report = hs.test(hs.HeadScores.from_arrays(values, ["local"], documents=documents))
    table = report.table.rename(columns={"label_unadjusted": "label_paper"})
    old = {
        name: np.nan if name.startswith("beyond") else table[name]
        for name in REPORT_1.columns.dtypes
    }
    return report, REPORT_1.columns.frame(old | {"beyond_position": [pd.NA] * len(table)})


def test_labels_of_clusters_at_other_thresholds_need_no_new_columns():
    report, old = clustered()
    facts = {name: text for name, text in report.facts.items() if name != "unit"}
    renewed = replace(
        report, table=REPORT_1.renewed(old, facts, Report.COLUMNS), facts=REPORT_1.facts(facts)
    )
    assert renewed.facts["unit"] == "clusters (document)"
    np.testing.assert_allclose(renewed.table["deff"], report.table["deff"], rtol=1e-6)
    for tau in (1.5, 2.2, 4.0):
        np.testing.assert_array_equal(labels_at(renewed, tau), labels_at(report, tau))


@pytest.mark.parametrize(
    ("path", "kind", "older"), [(REPORT, Report, REPORT_1), (COMPARISON, Comparison, COMPARISON_1)]
)
def test_a_file_of_format_1_has_the_columns_of_format_1(path, kind, older, tmp_path):
    stored = files.read(path, kind.layouts())
    assert {*older.columns.dtypes} <= {*stored.arrays}
    arrays = {name: array for name, array in stored.arrays.items() if name != "label_paper"}
    files.write(tmp_path / "a.hs", replace(stored, arrays={**arrays, "deff": arrays["sd"]}))
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'a.hs'}: must hold the arrays")):
        hs.load(tmp_path / "a.hs")
