"""JSON Lines: values by name, one object per line, and invalid lines."""

import json
import re
from collections import Counter

import pytest
from helpers.reading import read_arguments
from hypothesis import given
from hypothesis import strategies as st

from headscore.corpus import read
from headscore.errors import InputError, UsageError
from headscore.options import ReadOptions


@pytest.fixture
def load(tmp_path):
    """Write text (or bytes) and read it; give back (id, text, ...) tuples."""

    def load(data, **options):
        path = tmp_path / "in.jsonl"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return [
            (one.id, *(segment.text for segment in one.segments))
            for one in read(path, *read_arguments(**options))
        ]

    return load


def test_columns_are_read_by_name(load):
    lines = '{"b": "two", "a": "one", "n": 3}\n{"a": "three", "b": "four"}\n'
    assert load(lines, columns=("a", "b")) == [("1", "one", "two"), ("2", "three", "four")]
    assert load(lines, columns=("b",)) == [("1", "two"), ("2", "four")]


def test_the_layouts_of_glue_are_recognised(load):
    assert load('{"sentence2": "b", "idx": 0, "sentence1": "a"}') == [("1", "a", "b")]


def test_blank_lines_are_skipped_and_ids_are_line_numbers(load):
    assert load('\n{"sentence": "a"}\r\n \t\n{"sentence": "b"}\n\n') == [("2", "a"), ("4", "b")]


def test_a_list_is_read_as_the_words_of_a_text(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"tokens": ["Dogs", "bark"]}\n')
    (sequence,) = read(path, ReadOptions(columns=("tokens",)))
    assert sequence.segments[0].words == ("Dogs", "bark")
    assert sequence.segments[0].text == "Dogs bark"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "a line must be a JSON object, got list of int"),
        ("{", "a line must be a JSON object, got Expecting property name"),
        ("1" * 5000, "a line must be a JSON object, got Exceeds the limit"),
        ("[" * 100_000, "a line must be a JSON object, got maximum recursion depth"),
        ('{"a": 1}', "must hold texts (str), got int in column 'a'"),
        ('{"a": ["x", 1]}', "must hold texts (str), got list of int, str in column 'a'"),
        ('{"b": "x"}', "must have a column 'a', got none"),
        (r'{"a": "\ud800"}', "a text must be valid Unicode, got the lone surrogate"),
    ],
)
def test_an_invalid_line_raises_or_is_skipped(load, line, reason):
    data = f'{{"a": "fine"}}\n{line}\n{{"a": "fine too"}}\n'
    with pytest.raises(InputError, match=rf"in.jsonl:2:? .*{re.escape(reason)}"):
        load(data, columns=("a",))
    counts = Counter()
    kept = load(data, columns=("a",), skip_invalid=True, counts=counts)
    assert kept == [("1", "fine"), ("3", "fine too")]
    assert counts == {"invalid_skipped": 1}


def test_unknown_columns_raise(load):
    with pytest.raises(UsageError, match=r"in.jsonl:1: columns must name some of text, got 'txt'"):
        load('{"text": "a"}', columns=("txt",), skip_invalid=True)
    with pytest.raises(InputError, match=r"in.jsonl:1: the columns must be those of QNLI"):
        load('{"text": "a"}', skip_invalid=True)


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00", b'{"a": "\xe9"}', b""])
def test_files_that_are_empty_or_not_utf8_raise(load, data):
    with pytest.raises(InputError, match=r"must be UTF-8|holds no sequence"):
        load(data, columns=("a",))


@given(st.lists(st.text(), min_size=1))
def test_any_text_is_read_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("any") / "in.jsonl"
    path.write_text("".join(json.dumps({"a": text}) + "\n" for text in texts))
    assert [one.segments[0].text for one in read(path, ReadOptions(columns=("a",)))] == texts
