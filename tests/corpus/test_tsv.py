"""TSV tables: columns by name, fields without quoting, ids from line numbers."""

import re
from collections import Counter
from pathlib import Path

import pytest
from helpers.reading import read_arguments
from hypothesis import given, settings
from hypothesis import strategies as st

from headscore.corpus.tsv import read_tsv
from headscore.errors import HeadscoreError, InputError, UsageError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "in.tsv"


@pytest.fixture
def load(file):
    """Write text (or bytes) and read it; give back (id, text, ...) tuples."""

    def load(data, **options):
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return [
            (one.id, *(segment.text for segment in one.segments))
            for one in read_tsv(file, *read_arguments(**options))
        ]

    return load


@pytest.mark.parametrize(
    ("header", "row", "texts"),
    [
        ("index\tquestion\tsentence\tlabel", "0\tq\ts\tx", ("q", "s")),
        ("id\tquestion1\tquestion2", "0\tone\ttwo", ("one", "two")),
        ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t2\t3\tone\ttwo", ("one", "two")),
        ("sentence\tlabel", "s\t1", ("s",)),
        ("index\tsentence1\tsentence2\tlabel", "0\tone\ttwo\t1", ("one", "two")),
        ("sentence\tlabel\tquestion", "s\t1\tq", ("q", "s")),
    ],
    ids=["QNLI", "QQP", "MRPC", "SST-2", "RTE", "QNLI in another order"],
)
def test_a_layout_of_glue_is_recognised_by_its_names(load, header, row, texts):
    assert load(f"{header}\n{row}\n") == [("2", *texts)]


@pytest.mark.parametrize(
    ("columns", "texts"),
    [(("b",), ("2",)), (["c"], ("3",)), (("c", "a"), ("3", "1")), (("sentence",), ("0",))],
)
def test_columns_are_chosen_by_name_in_the_given_order(load, columns, texts):
    data = "sentence\ta\tb\tc\n0\t1\t2\t3\n"
    assert load(data, columns=columns) == [("2", *texts)]


def test_quotes_and_spaces_are_kept(load):
    data = 'sentence\tlabel\n"open \t1\n  a ""b"" \t1\n\'\t0\n'
    assert load(data) == [("2", '"open '), ("3", '  a ""b"" '), ("4", "'")]


def test_only_a_newline_ends_a_line(load):
    text = "a\x0bb\x0cc\x1cd\x85e\u2028f\rg"
    assert load(f"sentence\n{text}\n") == [("2", text)]


@pytest.mark.parametrize(
    "data",
    [
        "sentence\tlabel\né\t1\n",
        "sentence\tlabel\r\né\t1\r\n",
        "\ufeffsentence\tlabel\né\t1",
        "\ufefflabel\tsentence\r\n1\té\r\n\r\n \n\n",
    ],
    ids=["plain", "CRLF", "byte order mark", "all, and blank lines at the end"],
)
def test_byte_order_mark_crlf_and_final_blank_lines_change_nothing(load, data):
    assert load(data) == [("2", "é")]


def test_a_blank_text_in_the_middle_is_a_row(load):
    assert load("sentence\na\n\n \nb\n\n") == [("2", "a"), ("3", ""), ("4", " "), ("5", "b")]


def test_an_empty_file_or_only_a_header_gives_no_sequence(load):
    assert load("") == load("\n\n") == load("sentence\n") == []


# ------------------------------------------------------------------ what is refused


def test_an_unknown_header_raises_with_the_known_layouts(load, file):
    with pytest.raises(InputError) as caught:
        load("premise\thypothesis\n")
    assert str(caught.value) == (
        f"{file}:1: the columns must be those of QNLI (question, sentence), QQP (question1, "
        "question2), MRPC (#1 String, #2 String), RTE and WNLI (sentence1, sentence2), SST-2 "
        "(sentence), or be named with columns=(...), got premise, hypothesis"
    )


def test_a_long_header_is_shortened_in_the_error(load):
    with pytest.raises(InputError, match=r"xxx\.\.\.$") as caught:
        load("x" * 100_000)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("columns", "came"),
    [
        (("premis",), "got 'premis', did you mean 'premise'?"),
        (("premise", "zzz"), "got 'zzz'"),
        (("Premise",), "got 'Premise', did you mean 'premise'?"),
    ],
)
def test_an_unknown_column_raises_with_the_nearest(load, file, columns, came):
    rule = f"{file}:1: columns must name some of premise, hypothesis, "
    with pytest.raises(UsageError, match=f"^{re.escape(rule + came)}$"):
        load("premise\thypothesis\na\tb\n", columns=columns, skip_invalid=True)


@pytest.mark.parametrize("columns", ["sentence", (), ("a", "b", "c"), (1,), {"a"}])
def test_columns_other_than_one_or_two_names_raise(load, columns):
    rule = f"columns must be a tuple of one or two column names, got {columns!r}"
    with pytest.raises(UsageError, match=f"^{re.escape(rule)}$"):
        load("sentence\n", columns=columns)


def test_choosing_a_duplicate_column_name_raises(load, file):
    rule = f"{file}:1: each column must have its own name, got 'sentence' twice"
    with pytest.raises(InputError, match=f"^{re.escape(rule)}$"):
        load("sentence\tsentence\na\tb\n")
    assert load("x\tsentence\tx\n1\t2\t3\n") == [("2", "2")]


@pytest.mark.parametrize(("row", "n"), [("a", 1), ("", 1), ("a\t1\t2", 3)])
def test_a_row_of_another_width_raises_with_its_line(load, file, row, n):
    data = f"sentence\tlabel\nx\t1\n{row}\ny\t0\n"
    reason = f"{file}:3: a row must have the header's 2 fields, got {n}"
    with pytest.raises(InputError, match=f"^{re.escape(reason)}$"):
        load(data)

    counts, log = Counter(), []
    kept = load(data, skip_invalid=True, counts=counts, log=log.append)
    assert kept == [("2", "x"), ("4", "y")]
    assert counts == {"invalid_skipped": 1}
    assert log == [f"skipped {reason}"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"sentence\na\n\xff\n", ":3: the text must be UTF-8, got byte 0xff"),
        ("sentence\na\n".encode("utf-16"), ":1: the text must be UTF-8, got UTF-16"),
        (b"sentence\na\0\n", ":2: the text must be UTF-8, got a NUL byte as in UTF-16"),
    ],
)
def test_other_encodings_raise_with_their_line(load, file, data, reason):
    with pytest.raises(InputError, match=f"^{re.escape(str(file) + reason)}$"):
        load(data, skip_invalid=True)


# ------------------------------------------------------------------ anything at all

FIELD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\t\n\r\0"))


@settings(deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD), min_size=1), st.sampled_from(["\n", "\r\n"]))
def test_written_rows_are_read_back(tmp_path_factory, rows, newline):
    path = tmp_path_factory.getbasetemp() / "written.tsv"
    table = [("question", "id", "sentence"), *((first, "0", second) for first, second in rows)]
    path.write_bytes("".join("\t".join(row) + newline for row in table).encode())
    read = [tuple(segment.text for segment in one.segments) for one in read_tsv(path)]
    assert read == rows


def outcome(path):
    """Return the ids in a file and no message, or no id and the message."""
    try:
        return [one.id for one in read_tsv(path)], ""
    except HeadscoreError as error:
        return [], str(error)


@settings(deadline=None)
@given(st.sampled_from([b"", b"sentence\n", b"a\tsentence\n"]), st.binary(max_size=100))
def test_random_bytes_are_read_or_raise_with_the_path(tmp_path_factory, header, data):
    path = tmp_path_factory.getbasetemp() / "random.tsv"
    path.write_bytes(header + data)
    n_lines = path.read_bytes().count(b"\n")
    ids, refused = outcome(path)
    assert refused.startswith(f"{path}:" if refused else "")
    assert ids == sorted(set(ids), key=int)
    assert all(2 <= int(id_) <= n_lines + 1 for id_ in ids)


# ------------------------------------------------------------------ real tables


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "n", "n_texts", "start"),
    [
        ("QNLI/dev", 1000, 2, "What came into force after the new constitution was herald?"),
        ("MRPC/test", 1000, 2, "PCCW's chief operating officer, Mike Butcher, and Alex Arena"),
        ("SST-2/dev", 872, 1, "it 's a charming and often affecting journey . "),
        ("QQP/test", 20, 2, "Would the idea of Trump and Putin in bed together scare you,"),
    ],
)
def test_a_table_of_glue_is_read_completely(shared: Path, name, n, n_texts, start):
    path = shared / f"data/glue/{name}.tsv"
    sequences = list(read_tsv(path))
    assert [one.id for one in sequences] == [str(line) for line in range(2, n + 2)]
    assert {len(one.segments) for one in sequences} == {n_texts}
    assert sequences[0].segments[0].text.startswith(start)
    raw = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    for line, one in zip(raw.split("\n")[1:], sequences, strict=False):
        assert {segment.text for segment in one.segments} <= set(line.split("\t"))
