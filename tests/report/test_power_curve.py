"""PowerCurve: numbers from counts, files, sentences, pages, the terminal and the command."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.browser import opened
from helpers.commands import refused, run_here

import headscore as hs
from headscore import files
from headscore.report import power_sentences as sentences
from headscore.report.terminal.power_curve import render_power
from headscore.report.terminal.style import Style
from headscore.statistics.power_curve import Draws

EVIL = "<script>window.evil=1</script>\"'&\u202egnp\x1b[31m</style>{{ 7*7 }}"
FACTS = {
    "model": "some/model",
    "criterion": "mean",
    "tau": "3",
    "clusters": "document",
    "unit": "40 documents",
    "alpha": "0.05",
    "adjust": "holm",
    "pilot_units": "40",
    "resamples": "4",
    "power": "0.8",
}


def made(roles=("local", "nsubj"), **facts):
    """A curve of two roles of two heads, at three sizes, of four draws of both kinds."""
    once = np.zeros((3, 4, 2, 4), np.int64)
    twice = np.zeros((3, 4, 2, 4), np.int64)
    once[..., 0, :] = [[[1, 0, 0, 1]], [[1, 1, 0, 1]], [[2, 1, 0, 0]]]
    once[0, 0, 0] = [2, 2, 0, 0]
    twice[..., 0, :] = [[[1, 0, 1, 0]], [[2, 1, 0, 0]], [[2, 2, 0, 0]]]
    once[..., 1, 2] = twice[..., 1, 2] = 2
    power = np.array([[[0.5, 0.9], [0.0, 0.0]], [[0.7, 1.0], [0.0, 0.0]], [[0.9, 1.0], [0.1, 0.0]]])
    draws = Draws(
        documents=np.array([10, 20, 80]),
        sequences=np.array([50.5, 101.0, 404.0]),
        coverage=np.full((3, 2), 0.75),
        deff=np.array([[1.5, np.nan]] * 3),
        once=once,
        twice=twice,
        power=power.reshape(3, 2, 1, 2),
    )
    pilot = np.array([[[3, 1]], [[2, 3]]])
    return hs.PowerCurve(draws, pilot, roles, {**FACTS, **facts}, {"sequences": 200, "heads": 2})


@pytest.fixture(scope="module")
def curve():
    return made()


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    values = rng.gamma(4, 0.25, (80, 2, 2, 3)) * np.array([1, 2.7, 3.2, 3.4, 4, 8]).reshape(2, 3)
    documents = [f"d{n // 4}" for n in range(80)]
    return hs.HeadScores.from_arrays(values.astype(np.float32), ["a", "b"], documents=documents)


def test_expected_numbers_are_corrected_by_the_draws_of_the_second_kind(curve):
    table = curve.table
    local = table[table["role"] == "local"]
    # 2 * 1.25 - 1, 2 * 1 - 2 and 2 * 2 - 2.
    assert local["labels"].tolist() == [1.5, 0.0, 2.0]
    assert local["share"].tolist() == [0.75, 0.0, 1.0]
    # 2 * 0.5 - 0; 2 * 1 - 1 = 1 of 0 labels; 2 * 1 - 2.
    assert local["robust"].tolist() == [1.0, 0.0, 0.0]
    assert local["undecided"].tolist() == [1.5, 2.0, 0.0]
    # The error of 2 a - b: a has the variance 0.25 over four draws.
    assert local["labels_error"].tolist() == [np.sqrt(4 * 0.25 / 4), 0.0, 0.0]
    assert local["labels_low"].tolist() == local["labels_high"].tolist() == [1.0, 2.0, 2.0]
    assert table[table["role"] == "nsubj"]["has_not"].tolist() == [2.0] * 3
    assert curve.totals["has_not"].tolist() == [1.0, 2.0, 2.0]
    assert curve.totals["share"].tolist() == [0.375, 0.0, 0.5]
    assert curve.totals["documents"].tolist() == [10, 20, 80]


def test_needed_units_are_interpolated_over_the_logarithm(curve):
    needed = curve.needed
    # 0.7 at 20 and 0.9 at 80: 0.8 lies half of the way in logarithms.
    assert needed["needed"][0] == pytest.approx(40)
    assert needed["needed"][1] == 10  # reached at the first size
    assert needed["needed"][2:].isna().all()
    assert needed["verdict"].tolist() == ["undecided", "has", "has_not", "undecided"]
    assert list(zip(needed["role"], needed["head"], strict=True))[1:3] == [
        ("local", 1),
        ("nsubj", 0),
    ]
    texts = [sentences.needed_text(curve, each) for each in needed["needed"]]
    assert texts == ["40", "at most 10", "more than 80", "more than 80"]


def test_cells_have_their_power_at_each_size(curve):
    cells = curve.cells
    assert len(cells) == 12
    row = cells[(cells["documents"] == 20) & (cells["role"] == "local") & (cells["head"] == 0)]
    assert row["power"].item() == 0.7
    assert row["error"].item() == pytest.approx(np.sqrt(0.7 * 0.3 / 4))


def test_sentences(curve):
    lines = curve.summary().splitlines()
    assert lines[0].startswith(
        "pilot of 40 documents (200 sequences), 1 label in 4 cells; 4 corpora"
    )
    assert lines[1].startswith("10 documents (about 50 sequences): 1.5 labels (90 % range 1 to 1)")
    assert lines[4] == (
        "of 2 undecided cells of the pilot 1 reach a label with probability 0.8 within 80 "
        "documents; for 1 this is not shown"
    )
    assert sentences.answer(curve).startswith(
        "The pilot has 1 label. With 80 documents (about 404 sequences) a study is expected to "
        "have 2, of which 0 are robust (labels: 90 % range 2 to 2)."
    )
    assert repr(curve) == f"PowerCurve(documents 10, 20, 80; {curve.signature})"
    alone = made(clusters="none", unit="sequences (no documents are known)")
    assert alone.summary().splitlines()[1].startswith("10 sequences: 1.5 labels")


def test_sentences_where_nothing_is_undecided_or_tested():
    values = np.full((30, 1, 1, 2), 9, np.float32)
    decided = hs.power_curve(hs.HeadScores.from_arrays(values, ["a"]), resamples=20)
    assert "no cell of the pilot is undecided" in decided.summary()
    once = np.where(np.arange(len(values))[:, None, None, None] == 3, values, np.nan)
    assert hs.power_curve(hs.HeadScores.from_arrays(once, ["a"]), resamples=20).table is not None
    empty = hs.power_curve(hs.HeadScores.from_arrays(values * np.nan, ["a"]), resamples=20)
    assert sentences.answer(empty).startswith("No head of the pilot can be tested in any role")


def test_a_curve_comes_back_from_its_file(scores, tmp_path):
    curve = hs.power_curve(scores, documents=[8, 20], resamples=20)
    curve.save(tmp_path / "power.hs")
    for found in (hs.load(tmp_path / "power.hs"), hs.PowerCurve.load(tmp_path / "power.hs")):
        pd.testing.assert_frame_equal(found.table, curve.table)
        pd.testing.assert_frame_equal(found.cells, curve.cells)
        pd.testing.assert_frame_equal(found.needed, curve.needed)
        assert found.summary() == curve.summary()
    curve.to_csv(tmp_path / "power.csv")
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "power.csv").astype({"role": object}), curve.table
    )


def test_a_file_with_parts_that_do_not_fit_raises(curve, tmp_path):
    stored = curve.stored()
    path = tmp_path / "power.hs"
    files.write(path, replace(stored, roles=("local",)))
    with pytest.raises(hs.InputError, match=r"power.hs: draws must be of 1 roles and 4 states"):
        hs.load(path)
    curve.save(path)
    with pytest.raises(hs.InputError, match="must hold headscores, got 'power'"):
        hs.power_curve(path)


def test_the_pilot_has_its_verdicts(scores):
    curve = hs.power_curve(scores, documents=[20], resamples=20)
    report = hs.test(scores)
    assert curve.needed["verdict"].tolist() == report.table["verdict"].tolist()
    assert report.facts.items() <= curve.facts.items()
    assert curve.counts["heads"] == 6


@pytest.mark.parametrize("unicode", [True, False])
def test_the_terminal_fits_its_width_without_control_characters(unicode):
    text = render_power(
        made(("a\u202e\x1bb", "b")), Style(width=80, unicode=unicode), saved="x\x1b"
    )
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "   10         50     1.5" in text
    for width in (50, 60, 75, 80):
        text = render_power(made(("a", "b")), Style(width=width, unicode=unicode), saved="x")
        lines = [line for line in text.splitlines() if not line.startswith("signature")]
        assert max(map(len, lines)) <= width


def test_pages_escape_names_and_ask_for_nothing(browser, tmp_path):
    curve = made((EVIL, "b"), model=EVIL)
    path = tmp_path / "power.html"
    for each in (curve, made(clusters="none", unit="sequences"), _one_size(curve)):
        each.to_html(path)
        for dark in (False, True):
            with opened(browser, path, dark=dark, width=400) as page:
                assert page.complaints == []
                assert page.evaluate("window.evil") is None
                assert page.locator("svg[role=img]").get_attribute("aria-label")
                assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert "<script>" not in curve._repr_html_()


def _one_size(curve):
    draws = {name: getattr(curve.draws, name)[:1] for name in Draws.__dataclass_fields__}
    return replace(curve, draws=Draws(**draws))


def test_the_page_has_the_numbers(curve, browser, tmp_path):
    curve.to_html(tmp_path / "power.html")
    with opened(browser, tmp_path / "power.html") as page:
        rows = page.locator("#curve tbody tr")
        assert rows.nth(0).locator("td").all_inner_texts()[:4] == ["10", "50.5", "1.5", "1"]
        needed = page.locator("#needed tbody tr")
        assert needed.nth(0).inner_text().split() == ["local", "0.0", "40"]
        assert needed.nth(1).inner_text().split()[-3:] == ["more", "than", "80"]
        assert page.locator("#curve svg path.curve").count() == 4


def test_the_command_writes_files_and_prints(scores, tmp_path):
    scores.save(tmp_path / "pilot.hs")
    asked = ["power", "--pilot", tmp_path / "pilot.hs", "--documents", "8,20", "--resamples", "20"]
    outs = [tmp_path / f"power.{ending}" for ending in ("hs", "html", "csv")]
    result = run_here(*asked, *(part for out in outs for part in ("-o", out)))
    assert result.returncode == 0, result.stderr
    curve = hs.power_curve(scores, documents=(8, 20), resamples=20)
    assert f"signature: {curve.signature}" in result.stdout
    assert hs.load(outs[0]).summary() == curve.summary()
    assert all(out.stat().st_size for out in outs)
    answer = json.loads(run_here(*asked, "--json").stdout)
    assert answer["signature"] == curve.signature
    assert [row["labels"] for row in answer["totals"]] == curve.totals["labels"].tolist()
    assert len(answer["cells"]) == 2 * len(answer["needed"]) == 24
    assert run_here(*asked, "--quiet").stdout == ""
    again = json.loads(run_here("report", outs[0], "--json").stdout)
    assert again["totals"] == answer["totals"]
    refused(run_here("report", outs[0], "--tau", "2"), 2, "--tau must come with saved scores")
    refused(run_here(*asked, "--clusters", "none", "--tau", "-1"), 2, "tau must be a finite number")
