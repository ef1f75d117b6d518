"""A comparison as rendered in the terminal."""

import numpy as np
import pytest
from helpers.position import compared

import headscore as hs
from headscore.report.terminal.comparison import render_comparison
from headscore.report.terminal.style import Style


@pytest.fixture(scope="module")
def change():
    """Head 0.0 gains nsubj by position, 0.1 beyond it, 0.2 was undecided, 0.3 loses it."""
    noise = np.random.default_rng(0).normal(0, 0.5, (40, 1, 1, 4))
    noise -= noise.mean(axis=0)
    odds = np.array([[1.0, 4.0, 4.0, 4.0]])[:, None]
    before = compared(noise + np.array([1.0, 1.0, 3.01, 6.0]), ["nsubj"], odds)
    after = compared(noise[::-1] + np.array([5.0, 6.0, 5.5, 1.0]), ["nsubj"], odds)
    return hs.compare(before, after)


def shown(change, **style):
    return render_comparison(change, Style(**style), saved=None).splitlines()


def test_changed_heads_have_the_sign_of_each_side(change):
    lines = shown(change, width=100)
    key = (
        "● has the role   ◐ has the role, position may explain it   ? undecided   · lacks the role"
    )
    assert key in lines
    gained = lines.index("▲ Gained the role: 2 heads")
    rows = [line.split()[1:6] for line in lines[gained + 2 : gained + 4]]
    assert rows == [["0.1", "1.00", "·", "6.00", "●"], ["0.0", "1.00", "·", "5.00", "◐"]]
    appeared = lines.index("△ Has the role, undecided before: 1 head")
    assert lines[appeared + 2].split()[1:6] == ["0.2", "3.01", "?", "5.50", "●"]
    lost = lines.index("▼ Lost the role: 1 head")
    assert lines[lost + 2].split()[1:6] == ["0.3", "6.00", "●", "1.00", "·"]
    assert "▽ Had the role, undecided after: 0 heads" in lines


def test_signs_are_ascii_without_unicode(change):
    text = "\n".join(shown(change, width=100, unicode=False))
    assert text.isascii()
    assert "A Gained the role: 2 heads" in text


def test_text_and_tables_fit_narrow_terminals(change):
    whole = " ".join(shown(change, width=1000)).split()
    for width in (40, 60, 75):
        lines = shown(change, width=width)
        assert [line.partition(":")[0] for line in lines if len(line) > width] == ["signature"]
        assert {*whole} <= {*" ".join(lines).split()}


def test_a_comparison_without_changes_needs_no_key(change):
    same = hs.HeadScores.from_arrays(np.full((9, 1, 1, 2), 5.0), ["local"])
    lines = shown(hs.compare(same, same))
    assert not any("●" in line for line in lines)
    assert "▲ Gained the role: 0 heads" in lines
