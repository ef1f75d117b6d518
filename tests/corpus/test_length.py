"""The length of a corpus, counted for a progress bar, is the number of its sequences."""

import pytest
from helpers.commands import CONLLU
from hypothesis import given
from hypothesis import strategies as st

from headscore.corpus import read
from headscore.corpus.length import length
from headscore.demo import demo_corpus
from headscore.options import ReadOptions

FILES = {
    "a.conllu": CONLLU,
    "b.conllu": "\n\n" + CONLLU.replace("\n", "\r\n") + CONLLU.replace("id = ", "id = 2").rstrip(),
    "c.txt": "one\ntwo\nthree",
    "d.txt": "one\ntwo\nthree\n",
    "e.tsv": "sentence\tx\na\t1\nb\t2\n",
    "f.jsonl": '{"sentence": "a"}\n{"sentence": "b"}\n',
}


@pytest.mark.parametrize("pairs", [None, "consecutive"])
@pytest.mark.parametrize("name", [*FILES, "demo"])
def test_it_is_the_number_of_sequences_of_a_file(name, pairs, tmp_path):
    path = demo_corpus() if name == "demo" else tmp_path / name
    if name != "demo":
        path.write_bytes(FILES[name].encode())
    options = ReadOptions(pairs=pairs)
    assert length(path, options) == len(list(read(path, options)))


@given(
    n=st.integers(1, 20),
    limit=st.none() | st.integers(1, 30),
    sample=st.none() | st.integers(1, 30),
    pairs=st.sampled_from([None, "consecutive"]),
)
def test_it_counts_the_part_that_is_read(n, limit, sample, pairs):
    texts = [f"text {number}" for number in range(n)]
    options = ReadOptions(limit=limit, sample=sample, pairs=pairs)
    assert length(texts, options) == len(list(read(texts, options)))


def test_it_is_unknown_where_only_reading_tells(tmp_path):
    assert length(iter(["a"]), ReadOptions()) is None
    assert length(tmp_path / "none.conllu", ReadOptions()) is None
    path = tmp_path / "utf16.conllu"
    path.write_bytes(CONLLU.encode("utf-16"))
    assert length(path, ReadOptions()) is None
