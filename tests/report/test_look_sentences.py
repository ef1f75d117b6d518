"""What pages, summaries and terminals say of a run that could stop."""

from dataclasses import replace

import numpy as np
import pytest

import headscore as hs
from headscore.report.html import looks
from headscore.report.look_sentences import at_looks, level, lines, stopped
from headscore.report.terminal.report import render_report
from headscore.report.terminal.style import Style

FACTS = {
    "until": "0.5",
    "seed": "3",
    "looks": "4",
    "read": "40 of 90",
    "decided": "20:9/12 40:11/12",
}


@pytest.fixture(scope="module")
def plain():
    values = np.random.default_rng(0).gamma(4, 1, (40, 1, 3, 4))
    return hs.HeadScores.from_arrays(values, ["local"])


@pytest.fixture(scope="module")
def report(plain):
    return hs.test(replace(plain, facts={**plain.facts, **FACTS}))


def test_sentences_say_where_a_run_stopped_and_at_which_level(report):
    assert stopped(report.facts) == (
        "stopped after 40 of 90 sequences, at look 2 of 4: 11 of 12 tests decided"
    )
    assert level(report.facts) == "tests at each of 4 looks at alpha / 4 = 0.0125"
    assert at_looks(report.facts) == (
        "tests decided at each look (sequences read): 9 (20), 11 (40)"
    )
    whole = {**report.facts, "read": "90 of 90", "decided": "90:11/12", "looks": "1"}
    assert lines(whole) == [
        "read all 90 sequences, at look 1 of 1: 11 of 12 tests decided",
        "tests decided at each look (sequences read): 11 (90)",
    ]


def test_a_plain_run_says_nothing_of_looks(plain, tmp_path):
    report = hs.test(plain)
    assert lines(report.facts) == []
    assert looks.section(report.facts) is None
    report.to_html(tmp_path / "page.html")
    assert 'id="looks"' not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_summary_and_terminal_hold_the_lines(report):
    text = render_report(report, Style(width=60), seconds={}, saved=None)
    joined = " ".join(text.split())
    for line in lines(report.facts):
        assert line in report.summary()
        assert line in joined
        assert line not in text or len(line) <= 60


def test_the_page_shows_the_share_decided_at_each_look(report, tmp_path):
    drawn = looks.section(report.facts)
    low, high = drawn["points"]
    assert (low["sequences"], low["text"], high["text"]) == (20, "9 of 12", "11 of 12")
    # Between the lines of 0 % and 100 %, in proportion.
    zero, _, whole = (y for y, _ in drawn["y"])
    for point, share in ((low, 9 / 12), (high, 11 / 12)):
        assert point["y"] == pytest.approx(zero + share * (whole - zero), abs=0.1)
    assert low["x"] < high["x"]
    report.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="looks"' in page
    assert "read in random order (seed 3)" in page
    assert "Share of tests decided at each look" in page


def test_many_looks_are_numbered_sparsely():
    decided = " ".join(f"{16 << n}:{n}/20" for n in range(17))
    drawn = looks.section({**FACTS, "looks": "17", "decided": decided, "alpha": "0.05"})
    numbered = [point["numbered"] for point in drawn["points"]]
    assert sum(numbered) <= 8
    assert numbered[-1]
