"""One sign for each state, everywhere."""

import unicodedata
from itertools import chain

import numpy as np
import pytest

from headscore.report import signs
from headscore.report.signs import OUTCOMES, STATES
from headscore.statistics.change import CHANGED
from headscore.statistics.status import STATUSES
from headscore.statistics.verdict import OR_NONE

ALL = [*STATES.values(), *OUTCOMES.values()]


@pytest.mark.parametrize("kind", ["glyph", "plain", "css", "words"])
def test_signs_differ_in_each_way_of_showing_them(kind):
    shown = [getattr(sign, kind) for sign in ALL]
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("sign", ALL, ids=lambda sign: sign.css)
def test_glyphs_are_one_column_wide_and_no_emoji(sign):
    assert len(sign.glyph) == len(sign.plain) == 1
    assert sign.plain.isascii()
    assert unicodedata.east_asian_width(sign.glyph) not in "WF"
    # No emoji presentation: these shapes stand outside the blocks of emoji but for U+25AA..U+25FE.
    emoji = [*range(0x25AA, 0x25AC), 0x25B6, 0x25C0, *range(0x25FB, 0x25FF)]
    assert ord(sign.glyph) not in emoji
    assert ord(sign.glyph) < 0x2600


def test_the_signs_are_these():
    assert "".join(sign.glyph for sign in STATES.values()) == "●◐?·–×/"
    assert "".join(sign.plain for sign in STATES.values()) == "#%?.-x/"
    assert list(OUTCOMES) == list(CHANGED)


def expected(verdict, beyond, status):
    """The state of a cell, said once more."""
    if verdict == "has":
        return "position" if beyond in ("has_not", "undecided") else "has"
    if verdict == "undecided":
        return "undecided"
    if status in ("no_attention", "no_head"):
        return "no_head"
    if verdict == "has_not":
        return "has_not"
    return "unknown" if status in ("ok", "zero_variance") else "untested"


def test_each_cell_has_the_state_of_its_verdict_control_and_status():
    cells = [(v, b, s) for v in OR_NONE for b in OR_NONE for s in STATUSES]
    columns = [np.array(column, dtype=object) for column in zip(*cells, strict=True)]
    found = signs.states(*columns).tolist()
    assert found == [expected(*cell) for cell in cells]
    assert {*found} == {*STATES}
    square = [column.reshape(4, -1) for column in columns]
    assert list(chain(*signs.states(*square).tolist())) == found


def test_the_legend_names_the_states_that_there_are():
    always = ["has", "undecided", "has_not", "untested"]
    assert list(signs.legend(())) == always
    found = signs.legend({"position", "no_head"}, "position and word classes")
    assert list(found) == ["has", "position", "undecided", "has_not", "untested", "no_head"]
    assert found["position"] == "has the role, position and word classes may explain it"
