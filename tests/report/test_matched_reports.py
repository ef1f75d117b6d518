"""The matched control in every output: queries, sentences, terminal, page, JSON, files."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.browser import opened
from helpers.matched import made, rows_of

import headscore as hs
from headscore import files
from headscore.cli.analyze import _as_json
from headscore.errors import UsageError
from headscore.report import sentences
from headscore.report.maps import maps
from headscore.report.report import Report
from headscore.report.terminal.report import render_report
from headscore.report.terminal.style import Style
from headscore.report.wording import explain, explained_by
from headscore.statistics.verdict import beyond_controls, control_of

MATCHED = ["matched_share", "matched_ratio", "matched_pvalue", "matched"]


@pytest.fixture(scope="module")
def report():
    """Two layers of four heads that have all roles; the last two of each prefer the pairs."""
    return hs.test(scores())


@pytest.fixture(scope="module")
def plain():
    """The same without a matched control."""
    return hs.test(replace(scores(), **dict.fromkeys(rows_of(n=1)), facts={}))


def scores():
    found = made(n=200)
    return replace(found, facts={**found.facts, "control": "offset,upos"})


def states(report, role):
    return report.table["matched"][report.table["role"] == role].tolist()


def test_labels_beyond_the_control_are_fewer_in_roles_of_word_pairs(report):
    assert states(report, "obj") == ["has_not", "undecided", "has", "has"] * 2
    labels = report.labels(label="matched")
    assert labels["local"].all()
    assert labels["obj"].tolist() == [False, False, True, True] * 2
    assert report.heads("obj", label="matched")["head"].isin((2, 3)).all()
    assert report.roles_of(1, 0, label="matched") == ["local"]
    assert report.beyond(control="matched") == {"nsubj": (8, 4), "obj": (8, 4)}
    assert report.beyond() == {}
    assert report.control == "matched"


def test_what_was_not_computed_cannot_be_asked_for(plain):
    message = "'matched' needs scores with a control of labels, as control='offset,upos' makes them"
    for query in (
        lambda: plain.labels(label="matched"),
        lambda: plain.heads("obj", label="matched"),
        lambda: plain.beyond(control="matched"),
    ):
        with pytest.raises(UsageError, match=message):
            query()
    with pytest.raises(UsageError, match="control must be one of beyond_position, matched, got 3"):
        plain.beyond(control=3)
    assert plain.control == "beyond_position"


@pytest.mark.parametrize(
    ("control", "facts", "words"),
    [
        ("beyond_position", {"control": "offset,upos"}, "position explains"),
        ("matched", {"control": "offset,upos"}, "position and word classes explain"),
        ("matched", {"control": "offset,upos,xpos"}, "position and word classes explain"),
        ("matched", {"control": "offset,ner"}, r"position and labels (ner) explain"),
        ("matched", {"control": "offset,a|b"}, r"position and labels (a\u{7c}b) explain"),
        ("matched", {}, "position and labels explain"),
    ],
)
def test_a_control_is_named_by_what_it_keeps_equal(control, facts, words):
    assert explain(explained_by(control, facts)) == words


def test_sentences_count_the_heads_beyond_word_classes(report, plain):
    counts = "Beyond position and word classes: 4 of 8 heads; position and word classes explain 2;"
    assert f"{counts} undecided 2." in sentences.of_role(report, "obj")
    line = "heads with a role beyond position and word classes: nsubj 4 of 8, obj 4 of 8"
    assert line in report.summary().splitlines()
    assert " Beyond position and word classes: 8 of 16 labels of word pairs;" in sentences.answer(
        report
    )
    assert "word classes" not in plain.summary() + sentences.answer(plain)


def test_no_head_is_called_syntactic_without_the_control():
    rng = np.random.default_rng(0)
    values = rng.normal(5, 0.4, (40, 2, 2, 3))
    report = hs.test(hs.HeadScores.from_arrays(values, ["local", "syntactic"]))
    text = report.summary() + render_report(report, Style(), seconds={}, saved=None)
    assert "6 of 6 heads of the role syntactic" in text
    assert not re.search(r"syntactic heads?\b", text)


def test_maps_mark_heads_not_shown_beyond_the_strongest_control(report, plain):
    position = maps(report).state == "position"
    assert position[2].tolist() == [[True, True, False, False]] * 2
    assert not position[0].any()
    assert not (maps(plain).state == "position").any()


def rendered(report):
    return render_report(report, Style(), seconds={}, saved=None).splitlines()


def test_the_terminal_shows_ratios_and_marks(report, plain):
    lines = rendered(report)
    key = "◐ has the role, position and word classes may explain it"
    assert any(line.endswith(key) for line in lines)
    assert any(line.endswith("0 ◐ ◐ ● ●   0 ◐ ◐ ● ●") for line in lines)
    heads = report.table[report.table["role"] == "obj"].set_index(["layer", "head"])
    shown = [line.split() for line in lines if line.startswith("  obj ") and "." in line.split()[1]]
    assert len(shown) == 3
    for _, name, _, _, _, matched, *_ in shown:
        cell = heads.loc[tuple(map(int, name.split(".")))]
        form = "{:.2f}" if cell["matched"] == "has" else "({:.2f})"
        assert matched == form.format(cell["matched_ratio"])
    assert any(line.split()[:5] == ["role", "head", "mean", "bound", "matched"] for line in lines)
    assert any(line.startswith("  beyond position and word classes: ") for line in lines)
    assert not any("matched" in line or "word classes" in line for line in rendered(plain))


def test_the_page_marks_heads_and_explains_the_columns(browser, report, plain, tmp_path):
    report.to_html(tmp_path / "r.html")
    with opened(browser, tmp_path / "r.html") as page:
        key = page.locator("#maps .keys").first.inner_text()
        assert "has the role, position and word classes may explain it" in key
        titles = page.locator("#all thead th").all_text_contents()
        assert {"× odds of matched entries", "p matched", "beyond matched entries"} <= {*titles}
        assert "share matched is the share of the pairs that have any" in page.inner_text("#cells")
        assert "Labels beyond position and word classes only" in page.inner_text("#shared")
        marks = page.locator('.map[data-role="2"] .sign-position').get_attribute("d")
        # The script draws the same marks at another threshold.
        page.locator("#tau-slider").fill("2.5")
        assert page.locator('.map[data-role="2"] .sign-position').get_attribute("d") == marks
        assert page.complaints == []
    plain.to_html(tmp_path / "p.html")
    assert "matched entries" not in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_json_has_the_second_table_of_shared_heads(report, plain):
    found = _as_json(report)
    assert len(found["colocation_matched"]) == 6
    assert found["colocation_beyond_position"] is None
    assert _as_json(plain)["colocation_matched"] is None
    assert {row["matched"] for row in found["table"]} == {"", "has", "has_not", "undecided"}


def test_reports_from_before_the_control_load_without_it(report, plain, tmp_path):
    stored = report.stored()
    kept = {name: array for name, array in stored.arrays.items() if name not in MATCHED}
    files.write(tmp_path / "old.hs", replace(stored, arrays=kept))
    old = Report.load(tmp_path / "old.hs")
    assert old.table[MATCHED[:3]].isna().all(axis=None)
    assert (old.table["matched"] == "").all()
    others = [name for name in report.table if name not in MATCHED]
    assert old.table[others].equals(report.table[others])
    assert "word classes" not in old.summary()


@pytest.mark.parametrize("paired", [True, False])
def test_comparisons_take_the_strongest_control_as_each_report_does(paired):
    before, after = made(0), made(1)
    change = hs.compare(before, after, paired=paired, criterion="mean").table
    for side, scores in (("before", before), ("after", after)):
        table = hs.test(scores).table
        assert (table["matched"] != "").any()
        assert change[f"beyond_{side}"].tolist() == table["matched"].tolist()
        assert (change[f"verdict_{side}"] == table["verdict"]).all()


def test_what_position_explains_goes_beyond_no_control():
    rows = pd.DataFrame(
        {
            "beyond_position": ["has", "has", "has_not", "has_not", "undecided", ""],
            "matched": ["has", "undecided", "undecided", "has", "has_not", ""],
        }
    )
    assert control_of(rows) == "matched"
    assert beyond_controls(rows, "matched").tolist() == [
        *("has", "undecided", "has_not", "has_not", "has_not", "")
    ]
    rows["matched"] = ""
    assert control_of(rows) == "beyond_position"
    assert beyond_controls(rows, "beyond_position").tolist() == rows["beyond_position"].tolist()
