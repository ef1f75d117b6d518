"""Data sets by name: the datasets library, on a local folder of data files."""

import json
import sys

import pytest
from helpers.reading import read_arguments

from headscore.corpus import read
from headscore.corpus.hub_dataset import DataSet
from headscore.errors import InputError, UsageError

pytest.importorskip("datasets", reason="needs the extra: datasets")

ROWS = [{"first": f"text {n}", "second": f"other {n}", "label": n} for n in range(5)]


@pytest.fixture
def folder(tmp_path):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "train.jsonl").write_text(lines)
    (tmp_path / "test.jsonl").write_text(json.dumps(ROWS[3]) + "\n")
    return tmp_path


def texts(data, **options):
    return [
        tuple(segment.text for segment in each.segments)
        for each in read(data, *read_arguments(**options))
    ]


def test_rows_are_streamed_by_column_name(folder):
    data = DataSet(str(folder))
    both = texts(data, columns=("second", "first"))
    assert both == [(row["second"], row["first"]) for row in ROWS]
    assert texts(data, columns=("first",)) == [(row["first"],) for row in ROWS]  # and once more
    assert texts(DataSet(str(folder), split="test"), columns=("first",)) == [("text 3",)]


def test_a_loaded_data_set_is_read_as_an_iterable(folder):
    import datasets

    loaded = datasets.Dataset.from_list(ROWS)
    assert texts(loaded, columns=("first",)) == [(row["first"],) for row in ROWS]


def test_a_missing_data_set_split_or_column_raises(folder, tmp_path):
    with pytest.raises(InputError, match=r"cannot read the data set '.*', split 'dev': .*dev"):
        texts(DataSet(str(folder), split="dev"), columns=("first",))
    with pytest.raises(InputError, match=r"cannot read the data set '.*nowhere', split 'train'"):
        texts(DataSet(str(tmp_path / "nowhere")), columns=("first",))
    with pytest.raises(UsageError, match=r"columns must name some of first, .* got 'first_'"):
        texts(DataSet(str(folder)), columns=("first_",))


def test_a_missing_datasets_package_raises_with_the_install_command(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'headscore\[datasets\]'"):
        texts(DataSet(str(folder)), columns=("first",))
