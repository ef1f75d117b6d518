"""Reports as rendered in the terminal."""

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.position import compared

import headscore as hs
from headscore.report.terminal.report import render_report
from headscore.report.terminal.style import Style


@pytest.fixture
def report():
    """Two layers of three heads; head 0.1 local and nsubj, head 1.2 only without adjustment."""
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 0.4, (40, 3, 2, 3)).astype(np.float32)
    values[:, 0, 0, 1] += 4
    values[:, 1, 0, 1] += 4
    values[:, 0, 1, 2] = 3 + rng.normal(0.165, 0.4, 40)
    values[:, 2] = np.nan
    scores = hs.HeadScores.from_arrays(values, ["local", "nsubj", "block"])
    return hs.test(scores)


def shown(report, seconds=None, saved=None, **style):
    return render_report(report, Style(**style), seconds=seconds or {"score": 1.25}, saved=saved)


def test_the_map_shows_each_head_once_per_role(report):
    text = shown(report)
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("local: 1"))
    panels = [re.split("  +", line) for line in lines[start : start + 4]]
    assert [panel[0] for panel in panels] == ["local: 1", "", "0 · ● ·", "1 · · ?"]
    assert [panel[-1] for panel in panels[2:]] == ["0 – – –", "1 – – –"]


def test_the_strongest_heads_are_listed_with_mean_bound_and_p(report):
    cell = report.heads("local").iloc[0]
    line = next(each for each in shown(report).splitlines() if each.startswith("  local  "))
    assert line.split() == [
        "local",
        "0.1",
        "●",
        f"{cell['mean']:.2f}",
        f"{cell['ci_low']:.2f}",
        "-",
        f"{cell['pvalue_adj']:.3g}",
        "40",
    ]


def test_heads_not_shown_beyond_position_are_marked():
    values = np.random.default_rng(0).normal(5, 0.4, (40, 2, 1, 3))
    odds = np.array([[np.nan] * 3, [4, 1, 1.5]])[:, None]
    report = hs.test(compared(values, ["local", "nsubj"], odds))
    assert report.table["beyond_position"].tolist()[3:] == ["has", "has_not", "undecided"]
    lines = shown(report).splitlines()
    assert "heads with a role beyond position: nsubj 1 of 3" in lines
    assert "has the role   ◐ has the role, position may explain it   ?" in " ".join(lines)
    panel = next(n for n, line in enumerate(lines) if line.startswith("local: 3"))
    assert re.split("  +", lines[panel + 2]) == ["0 ● ● ●", "0 ● ◐ ◐"]
    rows = [line.split() for line in lines if line.startswith(("  local  ", "  nsubj  "))]
    strong = {(row[0], row[1]): row[2:] for row in rows if row[1].startswith("0.")}
    assert [len(strong["local", "0.1"]), len(strong["nsubj", "0.1"])] == [6, 8]
    for head, form in enumerate(("{:.2f}", "({:.2f})", "({:.2f})")):
        cell = report.table.iloc[3 + head]
        expected = [f"{cell['position_mean']:.2f}", form.format(cell["beyond_odds"])]
        assert strong["nsubj", f"0.{head}"][3:5] == expected
        assert strong["nsubj", f"0.{head}"][0] == "●◐◐"[head]
    assert "0 # % %" in shown(report, unicode=False)


def test_heads_are_shown_to_have_a_role_or_not_or_are_undecided():
    noise = np.random.default_rng(0).normal(0, 0.5, (40, 1, 1, 4))
    values = noise - noise.mean(axis=0) + np.array([5, 1, 3.05, 2.95])
    report = hs.test(hs.HeadScores.from_arrays(values, ["local"]))
    lines = shown(report).splitlines()
    key = "● has the role   ? undecided   · lacks the role   – not tested"
    assert key in lines
    assert "0 ● · ? ?" in lines
    assert "verdicts: has 1, has not 1, undecided 2; robust: 1 of 1 labels (100%)" in lines
    assert "0 # . ? ?" in shown(report, unicode=False)


def test_a_role_without_a_sieve_shows_its_status(report):
    line = next(each for each in shown(report).splitlines() if each.startswith("  block  "))
    assert "no_sieve" in line


def test_counts_per_layer_and_shared_heads(report):
    text = shown(report)
    assert [line.split() for line in text.splitlines() if line.startswith("  nsubj  ")][-1] == [
        "nsubj",
        "1",
        "0",
        "1",
        "0.00",
        "1",
    ]
    assert [line.split() for line in text.splitlines() if line.startswith("  block  ")][-1][
        -3:
    ] == [
        "0",
        "-",
        "-",
    ]
    assert "local and nsubj: 1 head of 1 and 1; 0.3 expected, p 0.3" in text
    assert "1 head has more than one role" in text
    assert "p is exact and not adjusted" in text
    assert "beyond position" not in text


def test_shared_heads_beyond_position_stand_below_those_of_labels():
    values = np.random.default_rng(0).normal(5, 0.4, (40, 3, 1, 5))
    values[:, 1, 0, 3:] -= 4
    values[:, 2, 0, :2] -= 4
    odds = np.array([[np.nan] * 5, [4, 1, 4, 4, 4], [np.nan] * 5])[:, None]
    scores = compared(values, ["local", "nsubj", "sink"], odds)
    lines = shown(hs.test(scores)).splitlines()
    pair = lines.index("local and nsubj: 3 heads of 5 and 3; 3.0 expected, p 1")
    assert lines[pair + 1] == "  beyond position: 2 heads of 5 and 2; 2.0 expected, p 1"
    pair = lines.index("nsubj and sink: 1 head of 3 and 3; 1.8 expected, p 1")
    assert lines[pair + 1] == "  beyond position: 1 head of 2 and 3; 1.2 expected, p 0.9"
    pair = lines.index("local and sink: 3 heads of 5 and 3; 3.0 expected, p 1")
    assert not lines[pair + 1].startswith("  beyond")


def test_a_union_and_its_parts_are_not_listed_as_sharing_heads():
    values = np.random.default_rng(0).normal(5, 0.4, (40, 3, 1, 4)).astype(np.float32)
    text = shown(hs.test(hs.HeadScores.from_arrays(values, ["syntactic", "nsubj", "obj"])))
    assert "nsubj and obj: 4 heads of 4 and 4" in text
    assert "obj and syntactic" not in text
    assert "nsubj and syntactic" not in text


def test_trends_over_layers_are_adjusted(report):
    text = shown(report)
    assert "trend p: permutation test of the mean depth, Holm-adjusted over the roles" in text
    values = np.random.default_rng(0).normal(1, 0.4, (40, 2, 6, 4)).astype(np.float32)
    values[:, 0, :2] += 4
    values[:, 1, 3:] += 4
    report = hs.test(hs.HeadScores.from_arrays(values, ["local", "sink"]))
    rows = [line.split() for line in shown(report).splitlines()]
    ends = {row[0]: row[-1] for row in rows if row[:1] in (["local"], ["sink"]) and len(row) == 10}
    adjusted = report.depths()["pvalue_adj"]
    assert ends == {"local": f"{adjusted[0]:.3g}", "sink": f"{adjusted[1]:.3g}"}
    assert (adjusted > report.depths()["pvalue"]).any()


def test_overlap_is_printed_with_the_shared_heads(report):
    overlap = np.array([[50, 9, 0], [9, 10, 0], [0, 0, 0]])
    text = shown(replace(report, overlap=overlap), width=120)
    assert "; 90% of the nsubj sieve lies in that of local" in text
    assert "sieve lies" not in shown(report)


def test_robust_labels_are_counted(report):
    table = report.table
    assert (table["label"].sum(), table["robust"].sum()) == (2, 2)
    assert "; robust: 2 of 2 labels (100%)\n" in shown(report)


def test_the_strongest_heads_are_those_of_the_largest_bound():
    rng = np.random.default_rng(0)
    # Head 1 has the larger mean and bound, head 0 the larger statistic: its scores are all alike.
    values = np.stack([rng.normal(4, 0.1, (40, 1, 1)), rng.normal(9, 3, (40, 1, 1))], axis=3)
    report = hs.test(hs.HeadScores.from_arrays(values.astype(np.float32), ["local"]))
    assert report.table["statistic"].is_monotonic_decreasing
    assert report.heads("local")["head"].tolist() == [1, 0]
    lines = shown(report).splitlines()
    assert "Strongest heads   by bound: the lower confidence bound of the mean" in lines
    listed = [line.split()[1:3] for line in lines if line.startswith("  local  0.")]
    assert listed == [["0.1", "●"], ["0.0", "●"]]
    assert "Strongest by bound: 0.1, mean" in report._repr_html_()


def test_a_role_that_no_head_is_shown_to_have_shows_the_nearest_head():
    noise = np.random.default_rng(0).normal(0, 0.5, (40, 1, 1, 2))
    values = noise - noise.mean(axis=0) + np.array([2.9, 3.05])
    lines = shown(hs.test(hs.HeadScores.from_arrays(values, ["local"]))).splitlines()
    assert "where no head is shown to have a role, the one that comes nearest" in lines
    assert any(line.startswith("  local  0.1 ?  3.05 ") for line in lines)


def test_the_unit_of_independence_is_named_with_its_reason(report):
    assert "unit of independence: sequences (no documents are known)\n" in shown(report)
    values = np.random.default_rng(0).normal(1, 0.4, (100, 1, 1, 2))

    def unit(size, **options):
        documents = [f"d{n // size}" for n in range(100)]
        scores = hs.HeadScores.from_arrays(values, ["local"], documents=documents)
        found = shown(hs.test(scores, **options), width=100).splitlines()
        return next(line for line in found if line.startswith("unit of independence: "))

    assert unit(4) == "unit of independence: 25 documents"
    assert unit(10) == (
        "unit of independence: 10 documents; down to 9 degrees of freedom, so p-values are rough"
    )
    assert unit(25) == "unit of independence: sequences (fewer than 10 documents, 4)"
    assert unit(4, clusters=None) == "unit of independence: sequences (clusters None)"


def test_the_criterion_is_named(report):
    assert "H0: mean sieve bias score <= tau 3, alpha 0.05" in shown(report, width=100)
    scores = hs.HeadScores.from_arrays(
        np.random.default_rng(0).normal(1, 0.4, (9, 1, 1, 2)), ["local"], attainable=[[5.0]] * 9
    )
    text = shown(hs.test(scores, tau=0.5, criterion="attained"), width=100)
    assert "H0: attained share of the sieve bias score <= 0.5, alpha 0.05" in text


def test_times_signature_and_saved_path_are_printed(report):
    assert "time: score 1.2 s, all 1.2 s" in shown(report)
    assert f"signature: {report.signature}" in shown(report)
    assert "not saved: add --out" in shown(report)
    assert "saved: here.hs" in shown(report, saved="here.hs")


def test_ascii_is_printed_without_unicode(report):
    text = shown(report, unicode=False)
    assert text.isascii()
    assert "0 . # ." in text


def test_panels_fit_the_width(report):
    for width in (20, 40, 80):
        lines = shown(report, width=width).splitlines()
        maps = [line for line in lines if line.startswith(("0 ·", "1 ·", "0 –", "1 –"))]
        assert max(map(len, maps)) <= width


def test_maps_beside_those_of_wide_names_are_aligned(report):
    wide = report.table.replace({"role": {"local": "主語"}})
    lines = shown(replace(report, table=wide, roles=("主語", *report.roles[1:]))).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("主語: 1"))
    # Two of its letters take two columns each.
    assert lines[start].index("nsubj") + 2 == lines[start + 2].index("0", 1)


def test_maps_wider_than_the_terminal_stand_in_parts():
    values = np.random.default_rng(0).normal(1, 0.4, (40, 1, 2, 70)).astype(np.float32)
    values[:, 0, 1, 65] += 4
    lines = shown(hs.test(hs.HeadScores.from_arrays(values, ["local"])), width=60).splitlines()
    first, second = lines.index("local: 1"), lines.index("local, from 58")
    assert lines[first + 1] == "  " + ("0123456789" * 6)[:58]
    assert lines[second + 1 : second + 4] == ["  890123456789", "0 " + "·" * 12, "1 ·······●····"]


def test_text_and_tables_fit_narrow_terminals(report):
    whole = shown(report, width=1000).split()
    for width in (40, 60, 75, 80):
        text = shown(report, width=width)
        long = [line for line in text.splitlines() if len(line) > width]
        assert [line.partition(":")[0] for line in long] == ["signature"]
        assert {*whole} <= {*text.split()}


def test_control_characters_are_escaped():
    values = np.ones((3, 1, 1, 1), np.float32)
    values[:, 0, 0, 0] = [1, 2, 3]
    evil = "a\x1b[31mb\u202ec"
    text = shown(hs.test(hs.HeadScores.from_arrays(values, [evil])), saved=evil)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_colours_do_not_change_the_text(report):
    plain, colored = shown(report), shown(report, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain
    assert "\x1b[1;36m●\x1b[0m" in colored


def test_escape_codes_are_printed_only_with_color(report):
    assert "\x1b[1m" in shown(report, color=True)
    assert "\x1b" not in shown(report)


def test_the_profile_shows_the_share_of_each_stage(report):
    seconds = {"forward": 3.0, "kernel": 1.0}
    text = render_report(report, Style(), seconds=seconds, saved=None, profile=True)
    rows = [
        line.split() for line in text.splitlines() if line.startswith(("  forward", "  kernel"))
    ]
    assert rows == [["forward", "3.00", "s", "75%", "13"], ["kernel", "1.00", "s", "25%", "40"]]
    assert "Where the time went" not in shown(report)
