"""Tables of a terminal that fit its width."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, flowed, short, titled, wrapped
from headscore.report.terminal.widths import padded, width_of

ROWS = [
    ["role", "head", "adjusted p", "of at most", "n"],
    ["nsubj", "1.8", "0.001", "7.45", "144"],
    ["obj", "11.10", "1", "12.4", "8"],
]


def table(width):
    return columns(ROWS, Style(width=width), left=2)


def test_a_table_that_fits_has_one_line_for_each_row():
    assert table(80) == [
        "  role   head   adjusted p  of at most    n",
        "  nsubj  1.8         0.001        7.45  144",
        "  obj    11.10           1        12.4    8",
    ]
    assert table(43) == table(80)


def test_words_of_the_header_stand_below_each_other_where_space_is_short():
    assert table(42) == [
        "                            of",
        "                adjusted    at",
        "  role   head          p  most    n",
        "  nsubj  1.8       0.001  7.45  144",
        "  obj    11.10         1  12.4    8",
    ]


def test_columns_that_do_not_fit_follow_beside_the_names():
    assert table(30) == [
        "                            of",
        "                adjusted    at",
        "  role   head          p  most",
        "  nsubj  1.8       0.001  7.45",
        "  obj    11.10         1  12.4",
        "",
        "  role   head     n",
        "  nsubj  1.8    144",
        "  obj    11.10    8",
    ]


def test_blocks_have_a_column_each_at_least():
    assert len(table(1)) == 4 + 1 + 5 + 1 + 3


CELLS = st.text("ab ", max_size=12).map(str.strip)


@given(st.data(), st.integers(1, 5), st.integers(1, 90))
def test_every_cell_is_shown_once_within_the_width(data, n_columns, width):
    row = st.lists(CELLS, min_size=n_columns, max_size=n_columns).filter(any)
    header = [f"h{n}" for n in range(n_columns)]
    rows = [header, *data.draw(st.lists(row, min_size=1, max_size=4))]
    left = data.draw(st.integers(0, n_columns))
    lines = columns(rows, Style(width=width), left=left)
    blocks = "\n".join(lines).split("\n\n") if n_columns > left else ["\n".join(lines)]
    shown = " ".join(lines).split()
    for n, name in enumerate(header):
        assert shown.count(name) == (len(blocks) if n < left else 1)
    names = [max(len(row[n]) for row in rows) + 2 for n in range(n_columns)]
    least = sum(names[:left]) + max(names[left:], default=0)
    assert max(map(len, lines)) <= max(width, least)


@pytest.mark.parametrize("left", [1, 2])
def test_no_cell_gets_lost(left):
    for width in (10, 20, 30, 40):
        text = " ".join(columns(ROWS, Style(width=width), left=left))
        assert all(word in text for row in ROWS for cell in row for word in cell.split())


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("nsubj", 5),
        ("主語", 4),
        ("ﾖﾐ", 2),  # half-width katakana
        ("Ａ", 2),  # full-width Latin
        ("e\u0301te\u0301", 3),  # combining accents
        ("नि", 1 + 1),  # a spacing vowel sign
        ("", 0),
    ],
)
def test_wide_letters_take_two_columns_and_combining_marks_none(text, width):
    assert width_of(text) == width
    assert padded(text, 6) == text + " " * (6 - width)
    assert padded(text, 6, left=False) == " " * (6 - width) + text


def test_columns_with_wide_letters_and_combining_marks_are_aligned():
    rows = [["role", "頭", "n"], ["主語", "1.8", "144"], ["e\u0301te\u0301", "11.10", "8"]]
    assert columns(rows, Style(), left=2) == [
        "  role  頭       n",
        "  主語  1.8    144",
        "  e\u0301te\u0301   11.10    8",
    ]


def test_words_of_a_wide_header_stand_below_each_other():
    rows = [["role", "短い 文", "長い 文"], ["a", "1", "2"]]
    assert columns(rows, Style(width=20), left=1) == [
        "        短い  長い",
        "  role    文    文",
        "  a        1     2",
    ]


def test_wide_names_are_cut_flow_and_stand_beside_notes_by_their_width():
    assert short("主語と目的語", 8) == "主語..."
    assert short("主語", 4) == "主語"
    style = Style(width=40)
    assert flowed(["主語" * 5, "目的" * 5], style) == ["主語" * 5, "目的" * 5]
    assert titled("主語" * 5, "目的" * 5, style) == ["主語" * 5, "目的" * 5]


@given(st.lists(st.text("主e\u0301a", min_size=1, max_size=60)), st.integers(0, 3))
def test_text_with_wide_letters_is_wrapped_by_their_width(words, indent):
    lines = wrapped(" ".join(words), Style(width=40), indent=indent)
    assert all(line.strip() and width_of(line) <= 40 for line in lines)
    assert "".join("".join(lines).split()) == "".join(words)


def test_lines_of_wide_letters_are_filled():
    lines = wrapped(" ".join(["主語"] * 17), Style(width=40))
    assert [len(line.split()) for line in lines] == [8, 8, 1]
