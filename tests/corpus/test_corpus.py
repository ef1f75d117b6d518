"""Reading a corpus: files, items in memory, text pairs, ids, and invalid input."""

import re
import subprocess
import sys
from collections import Counter, UserDict
from itertools import count, islice, pairwise
from pathlib import Path

import pandas as pd
import pytest
from helpers.reading import read_arguments
from hypothesis import given
from hypothesis import strategies as st

from headscore.corpus import Segment, Sequence, read
from headscore.errors import InputError, UsageError
from headscore.options import ReadOptions

SENTENCE = "1\ta\t_\t_\t_\t_\t0\troot\t_\t_\n\n"
BROKEN = "2\ta\t_\t_\t_\t_\t0\troot\t_\t_\n\n"


def refuses(kind, message):
    """Expect an error of this kind whose message is exactly this."""
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


def texts(corpus, **options):
    return [
        (one.id, *(segment.text for segment in one.segments))
        for one in read(corpus, *read_arguments(**options))
    ]


# ------------------------------------------------------------------ items in memory


def test_each_kind_of_item_becomes_a_sequence_named_by_its_index():
    own = Sequence.from_words(["Dogs", "bark"], [1, -1], ["nsubj", "root"], id="own")
    items = ["a b", ("a", "b"), ["a", "b c"], {"sentence1": "x", "sentence2": "y"}, own]
    assert list(read(items)) == [
        Sequence("0", (Segment("a b"),)),
        Sequence("1", (Segment("a"), Segment("b"))),
        Sequence("2", (Segment("a b c", ("a", "b c"), ((0, 1), (2, 5))),)),
        Sequence("3", (Segment("x"), Segment("y"))),
        own,
    ]


def test_a_sequence_without_an_id_is_named_by_its_index():
    items = [Sequence.from_text("a", id="first"), Sequence.from_text("b", document="d")]
    assert list(read(items)) == [items[0], Sequence("1", (Segment("b"),), "d")]


def test_blank_texts_are_kept():
    assert texts(["", " \n", []]) == [("0", ""), ("1", " \n"), ("2", "")]


def test_any_iterable_is_read_lazily():
    """An endless corpus can be started; no item is asked for before its turn."""
    asked = []

    def endless():
        for number in count():
            asked.append(number)
            yield f"text {number}"

    stream = read(endless())
    assert asked == []
    assert [one.id for one in islice(stream, 3)] == ["0", "1", "2"]
    assert asked == [0, 1, 2]


def test_rows_of_a_data_set_are_read_by_column_name():
    rows = [UserDict(idx=0, premise="p", hypothesis="h"), {"hypothesis": "i", "premise": "q"}]
    assert texts(rows, columns=("premise", "hypothesis")) == [("0", "p", "h"), ("1", "q", "i")]
    assert texts(rows, columns=["hypothesis"]) == [("0", "h"), ("1", "i")]
    assert texts([{"idx": 3, 4: 5, "sentence": "s"}]) == [("0", "s")]


KINDS = (
    "a text, a (text, text) tuple, a list of words, a mapping with named columns, a Sequence or a "
    "spaCy Doc"
)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (3, f"must be {KINDS}, got int"),
        (None, f"must be {KINDS}, got NoneType"),
        (b"a", f"must be {KINDS}, got bytes"),
        (("a",), f"must be {KINDS}, got tuple of str"),
        (("a", "b", "c"), f"must be {KINDS}, got tuple of str"),
        (["a", 1], f"must be {KINDS}, got list of int, str"),
        ([["a"], ["b"]], f"must be {KINDS}, got list of list"),
        ((), f"must be {KINDS}, got tuple of nothing"),
        (("a", None), "must hold texts (str), got NoneType"),
        ({"sentence": 1.5}, "must hold texts (str), got float in column 'sentence'"),
        (
            {"sentence1": "a", "sentence2": None},
            "must hold texts (str), got NoneType in column 'sentence2'",
        ),
    ],
)
def test_an_item_of_another_kind_raises_with_its_index(item, reason):
    items = ["fine", item, "fine too"]
    with refuses(InputError, f"item 1 {reason}"):
        list(read(items))

    counts, log = Counter(), []
    kept = [
        one.id for one in read(items, ReadOptions(skip_invalid=True), counts=counts, log=log.append)
    ]
    assert kept == ["0", "2"]
    assert counts == {"invalid_skipped": 1}
    assert log == [f"skipped item 1 {reason}"]


def test_an_unknown_layout_of_a_mapping_raises():
    with pytest.raises(InputError, match=r"^item 0: the columns must be those of QNLI .* got text"):
        list(read([{"text": "a"}]))


def test_an_unknown_column_of_a_mapping_raises_even_when_skipping():
    rule = "item 0: columns must name some of text, label, got 'txt', did you mean 'text'?"
    with refuses(UsageError, rule):
        list(read([{"text": "a", "label": 1}], ReadOptions(columns=("txt",), skip_invalid=True)))


def test_columns_raise_for_items_that_are_not_mappings():
    with refuses(InputError, "item 0 must be a mapping with text, got str"):
        list(read(["a"], ReadOptions(columns=("text",))))


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (["same", "other", "same"], "items 0 and 2 must have different ids, got 'same' twice"),
        (["1", ""], "items 0 and 1 must have different ids, got '1' twice"),
    ],
)
def test_duplicate_ids_raise_or_are_skipped(items, reason):
    sequences = [Sequence.from_text("a", id=id_) for id_ in items]
    with refuses(InputError, reason):
        list(read(sequences))
    counts = Counter()
    kept = list(read(sequences, ReadOptions(skip_invalid=True), counts=counts))
    assert [one.id for one in kept] == items[: len(items) - 1]
    assert counts == {"invalid_skipped": 1}


@pytest.mark.parametrize(
    ("corpus", "kind"),
    [
        (3, "int"),
        (None, "NoneType"),
        (b"in.txt", "bytes"),
        ({"train": ["a"]}, "dict"),
        (Sequence.from_text("a"), "Sequence"),
    ],
)
def test_a_corpus_of_another_kind_raises_before_reading(corpus, kind):
    rule = f"corpus must be a path or an iterable of items ({KINDS}), got {kind}"
    with refuses(InputError, rule):
        read(corpus)


def test_a_data_frame_raises_and_its_records_are_read():
    frame = pd.DataFrame({"text": ["a", "b"]})
    with pytest.raises(InputError, match=r"got a data frame: pass frame.to_dict\('records'\)"):
        read(frame)
    assert texts(frame.to_dict("records"), columns=("text",)) == [("0", "a"), ("1", "b")]
    assert texts(frame["text"]) == [("0", "a"), ("1", "b")]


# ------------------------------------------------------------------ files


def test_the_file_suffix_chooses_the_reader(tmp_path):
    for name, data in {
        "a.txt": "one\ntwo\n",
        "b.TSV": "sentence\nthree\n",
        "c.conllu": SENTENCE,
        "d.conll": SENTENCE,
    }.items():
        (tmp_path / name).write_text(data)
    assert texts(tmp_path / "a.txt") == [("1", "one"), ("2", "two")]
    assert texts(str(tmp_path / "b.TSV")) == [("2", "three")]
    assert texts(tmp_path / "c.conllu") == texts(tmp_path / "d.conll") == [("s1", "a")]


def test_columns_select_from_a_tsv_file(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\n1\t2\n")
    assert texts(path, columns=("y", "x")) == [("2", "2", "1")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.conllu", SENTENCE + BROKEN, ":3: ids must count up, got '2' where 1 is due"),
        ("a.tsv", "sentence\na\nb\tc\n", ":3: a row must have the header's 1 fields, got 2"),
    ],
)
def test_skipped_sequences_of_a_file_are_counted_and_logged(tmp_path, name, data, reason):
    path = tmp_path / name
    path.write_text(data)
    counts, log = Counter(), []
    kept = list(read(path, ReadOptions(skip_invalid=True), counts=counts, log=log.append))
    assert len(kept) == 1
    assert counts == {"invalid_skipped": 1}
    assert log == [f"skipped {path}{reason}"]


@pytest.mark.parametrize("suffix", [".txt", ".conllu"])
def test_columns_raise_for_files_without_columns(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text(SENTENCE)
    with refuses(UsageError, f"columns must be None for a {suffix} file, got ('a',)"):
        read(path, ReadOptions(columns=("a",)))


def test_plain_text_keeps_every_line_but_the_blank_ones_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeff one \r\n\r\n\t\ntwo\u2028\x0b2\nthree\n \n\n".encode())
    expected = [("1", " one "), ("2", ""), ("3", "\t"), ("4", "two\u2028\x0b2"), ("5", "three")]
    assert texts(path) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a\n\n\xc3\x28\n", ":3: the text must be UTF-8, got byte 0xc3"),
        ("a\n".encode("utf-16"), ":1: the text must be UTF-8, got UTF-16"),
        ("a\n".encode("utf-16-be"), ":1: the text must be UTF-8, got a NUL byte as in UTF-16"),
    ],
)
def test_other_encodings_raise_with_their_line(tmp_path, data, reason):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with refuses(InputError, f"{path}{reason}"):
        list(read(path, ReadOptions(skip_invalid=True)))


def test_a_missing_file_raises_before_reading_with_the_nearest_name(tmp_path):
    (tmp_path / "english.conllu").write_text(SENTENCE)
    near = tmp_path / "english.conllu"
    wrong = tmp_path / "englich.conllu"
    with refuses(InputError, f"no such file: '{wrong}', did you mean '{near}'?"):
        read(str(wrong))
    far = tmp_path / "zz.txt"
    with refuses(InputError, f"no such file: '{far}'"):
        read(far)
    nowhere = tmp_path / "none" / "english.conllu"
    with refuses(InputError, f"no such file: '{nowhere}'"):
        read(nowhere)


@pytest.mark.parametrize("text", ["The dog barked.", "The dog barked. " * 400])
def test_a_text_given_as_a_path_raises_with_a_hint(text):
    with pytest.raises(InputError, match=r"^no such file: 'The dog") as caught:
        read(text)
    assert str(caught.value).endswith(" (a text must be in a list: [text])")
    assert len(str(caught.value)) < 200


def test_a_folder_raises(tmp_path):
    with refuses(InputError, f"corpus must be a file, got the folder '{tmp_path}'"):
        read(tmp_path)


def test_an_encoded_corpus_is_not_read(tmp_path):
    path = tmp_path / "corpus.hse"
    path.write_text("a")
    with pytest.raises(InputError, match="here the corpus itself is needed, got"):
        read(path)


def test_a_file_of_another_kind_raises_with_the_allowed_ones(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a")
    allowed = ".conllu, .conllup, .cupt, .conll, .tsv, .jsonl, .txt, .spacy"
    rule = f"the corpus's name must end in one of {allowed}, got '{path}'"
    with refuses(InputError, rule):
        read(path)


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.conllu"])
def test_an_unreadable_file_raises(tmp_path, monkeypatch, name):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / name
    path.write_text("sentence")
    monkeypatch.setattr(Path, "open", denied)
    with refuses(InputError, f"{path}: cannot be read: Permission denied"):
        list(read(path))


# ------------------------------------------------------------------ nothing to read


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.conllu"])
@pytest.mark.parametrize("data", ["", "\n \n\n"])
def test_an_empty_file_raises(tmp_path, name, data):
    path = tmp_path / name
    path.write_text(data.replace(" ", "") if name == "a.conllu" else data)
    with refuses(InputError, f"{path} holds no sequence"):
        list(read(path))


def test_a_corpus_with_every_sequence_skipped_raises(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text(BROKEN + BROKEN)
    with refuses(InputError, f"{path} holds no sequence"):
        list(read(path, ReadOptions(skip_invalid=True)))


@pytest.mark.parametrize("pairs", [None, "consecutive"])
def test_an_empty_iterable_raises(pairs):
    with refuses(InputError, "corpus holds no sequence"):
        list(read(iter(()), ReadOptions(pairs=pairs)))


# ------------------------------------------------------------------ pairs


def paired(corpus, **options):
    arguments = read_arguments(pairs="consecutive", **options)
    return [one.id for one in read(corpus, *arguments)]


@pytest.mark.parametrize(
    ("n", "ids"),
    [(1, ["0"]), (2, ["0+1"]), (3, ["0+1", "2"]), (4, ["0+1", "2+3"])],
)
def test_consecutive_texts_are_paired_without_overlap(n, ids):
    assert paired("abcdef"[:n][i] for i in range(n)) == ids


def test_a_text_pair_keeps_both_parses_and_the_document():
    first = Sequence.from_words(["a"], [-1], ["root"], id="x", document="d")
    second = Sequence.from_words(["b", "c"], [1, -1], ["dep", "root"], id="y", document="d")
    assert list(read([first, second], ReadOptions(pairs="consecutive"))) == [
        Sequence("x+y", (first.segments[0], second.segments[0]), "d")
    ]


def test_text_pairs_do_not_cross_documents():
    documents = [None, None, None, "d", "d", "d", "e", None]
    items = [Sequence.from_text("a", document=one) for one in documents]
    assert paired(items) == ["0+1", "2", "3+4", "5", "6", "7"]


def test_a_blank_text_is_not_paired():
    assert paired(["a", "", "b", "c", " ", "\t", "d"]) == ["0", "1", "2+3", "4", "5", "6"]


def test_sentences_around_a_skipped_one_are_not_paired(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text(SENTENCE + BROKEN + SENTENCE + SENTENCE + SENTENCE + BROKEN + SENTENCE)
    assert paired(path, skip_invalid=True) == ["s1", "s3+s4", "s5", "s7"]
    counts = Counter(invalid_skipped=7)
    assert paired(["a", "b", 3, "c"], skip_invalid=True, counts=counts) == ["0+1", "3"]
    assert counts == {"invalid_skipped": 8}


def test_pairing_text_pairs_raises():
    rule = "pairs='consecutive' needs single texts, got a pair in sequence '1'"
    with refuses(InputError, rule):
        paired(["a", ("b", "c")])


def test_equal_joined_ids_raise():
    items = [Sequence.from_text("a", id=id_) for id_ in ("a+b", "c", "a", "b+c")]
    with refuses(InputError, "ids must differ once paired, got 'a+b+c' twice"):
        paired(items)


@pytest.mark.parametrize("pairs", ["all", True, "", "Consecutive"])
def test_an_unknown_pairs_option_raises_before_reading(pairs):
    with refuses(UsageError, f"pairs must be None or 'consecutive', got {pairs!r}"):
        read(["a"], ReadOptions(pairs=pairs))


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "d", "e"]), st.sampled_from(["a", "b c", ""])), min_size=1
    )
)
def test_pairing_loses_no_sentence_and_keeps_the_order(rows):
    items = [Sequence.from_text(text, document=document) for document, text in rows]
    joined = list(read(items, ReadOptions(pairs="consecutive")))
    kept = [(one.document, segment.text) for one in joined for segment in one.segments]
    assert kept == rows
    assert "+".join(one.id for one in joined) == "+".join(map(str, range(len(rows))))
    for left, right in pairwise(joined):
        if not left.is_pair and left.document == right.document:
            assert "" in (left.segments[0].text, right.segments[0].text)


# ------------------------------------------------------------------ the rest


def test_invalid_columns_raise_before_reading():
    rule = "columns must be a tuple of one or two column names, got 'sentence'"
    with refuses(UsageError, rule):
        read(["a"], ReadOptions(columns="sentence"))


def test_reading_imports_no_numeric_library():
    code = (
        "import sys, headscore.corpus; "
        "print(sorted({'numpy', 'torch', 'transformers', 'pandas', 'spacy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.shared
def test_the_english_treebank_is_paired_within_its_documents(shared: Path):
    path = shared / "data/ud/en_ewt-ud-dev.conllu"
    sizes = Counter(one.document for one in read(path))
    joined = list(read(path, ReadOptions(pairs="consecutive")))
    assert sum(one.is_pair for one in joined) == sum(n // 2 for n in sizes.values())
    assert sum(not one.is_pair for one in joined) == sum(n % 2 for n in sizes.values())
    assert all(one.parsed for one in joined)
