"""Stored parses: round trips, concurrent writers, and detection of damage."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headscore.corpus.sequence import Segment
from headscore.errors import HeadscoreError, InputError
from headscore.parsing._parses import checksum
from headscore.parsing.store import ParseStore, key_of
from headscore.parsing.stored_labels import row_keys

IDENTITY = "en_test@1+00"


@st.composite
def parsed_segments(draw):
    """A text with words somewhere in it, and any tree over them."""
    text = draw(st.text(max_size=draw(st.sampled_from([5, 40, 400]))))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    spans = tuple(zip(cuts[::2], cuts[1::2], strict=False))
    n = len(spans)
    heads = [draw(st.integers(-1, n - 1)) for _ in range(n)]
    heads = tuple(-1 if head == i else head for i, head in enumerate(heads))
    names = st.sampled_from(["nsubj", "root", "", "nmod:poss", "é\0\n"])
    relations = tuple(draw(names) for _ in range(n))
    return Segment(text, tuple(text[a:b] for a, b in spans), spans, heads, relations)


def bare(segment):
    return Segment(segment.text)


def by_key(segments):
    return {key_of(segment, IDENTITY): segment for segment in segments}


ONE = Segment.from_words(["Dogs", "bark"], [1, -1], ["nsubj", "root"])


@pytest.fixture
def path(tmp_path):
    """A file with one parse."""
    with ParseStore(tmp_path / "a.hsp", IDENTITY) as store:
        store.add({key_of(bare(ONE), IDENTITY): ONE})
    return tmp_path / "a.hsp"


def found(path, segment=ONE, identity=IDENTITY, labels=()):
    with ParseStore(path, identity, labels) as store:
        return list(store.find({key_of(bare(segment), identity): bare(segment)}).values())


@given(segments=st.lists(parsed_segments(), max_size=8))
def test_stored_parses_are_read_back(tmp_path_factory, segments):
    path = tmp_path_factory.mktemp("any") / "a.hsp"
    unique = {segment.text: segment for segment in segments}.values()
    with ParseStore(path, IDENTITY) as store:
        store.add({key_of(bare(segment), IDENTITY): segment for segment in unique})
    with ParseStore(path, IDENTITY) as store:
        asked = by_key(bare(segment) for segment in unique)
        assert list(store.find(asked)) != [] or not unique
        assert {s.text: s for s in store.find(asked).values()} == {s.text: s for s in unique}


@pytest.mark.parametrize("n_words", [0, 1, 100, 127, 128, 40_000])
def test_segments_of_any_length_are_read_back(tmp_path, n_words):
    segment = Segment.from_words(["w"] * n_words, range(-1, n_words - 1), ["dep"] * n_words)
    with ParseStore(tmp_path / "a.hsp", IDENTITY) as store:
        store.add({b"k" * 16: segment})
        assert store.find({b"k" * 16: bare(segment)}) == {b"k" * 16: segment}


LABELS = {"entity": ("", "GPE"), "Case": ("Nom", "\ud800")}
LABELLED = replace(ONE, labels=LABELS)
NAMES = tuple(LABELS)


@pytest.fixture
def labelled(path):
    """The file with one parse, to which the labels of a second run were added."""
    with ParseStore(path, IDENTITY, NAMES) as store:
        store.add({key_of(bare(ONE), IDENTITY): LABELLED})
    return path


def test_labels_are_read_back_by_name_and_the_parse_without(labelled):
    assert found(labelled, labels=NAMES) == [LABELLED]
    assert found(labelled, labels=("entity",)) == [replace(ONE, labels={"entity": ("", "GPE")})]
    assert found(labelled, labels=("CASE",)) == [replace(ONE, labels={"CASE": ("Nom", "\ud800")})]
    assert found(labelled) == [ONE]


def test_a_parse_without_the_labels_asked_for_is_not_found(path, labelled):
    assert path == labelled
    assert found(labelled, labels=("tag",)) == []
    assert found(labelled, labels=("entity", "tag")) == []
    assert found(labelled, labels=("*",)) == []
    assert found(labelled, labels=NAMES, identity="en_test@2+00") == []


def test_a_file_made_without_labels_has_parses_and_no_labels(path):
    assert found(path, labels=("entity",)) == []
    assert found(path) == [ONE]


def test_a_label_that_no_word_has_is_stored_too(path):
    with ParseStore(path, IDENTITY, ("number",)) as store:
        store.add({key_of(bare(ONE), IDENTITY): ONE})
    assert found(path, labels=("Number",)) == [ONE]


def test_all_labels_are_stored_under_the_star(path):
    every = {"entity": ("", "GPE"), "case": ("Nom", "Acc")}
    with ParseStore(path, IDENTITY, ("*",)) as store:
        store.add({key_of(bare(ONE), IDENTITY): replace(ONE, labels=every)})
    assert found(path, labels=("*",)) == [replace(ONE, labels=every)]
    assert found(path, labels=("Case", "number")) == [replace(ONE, labels={"Case": every["case"]})]


def test_labels_of_other_words_are_not_taken(path):
    other = Segment.from_words(["Dogs bark"], [-1], ["root"], labels={"entity": ["GPE"]})
    with ParseStore(path, IDENTITY, ("entity",)) as store:
        store.add({key_of(bare(ONE), IDENTITY): other})
    assert found(path, labels=("entity",)) == []
    assert found(path) == [ONE]


def test_labels_that_are_given_are_not_stored(tmp_path):
    given_words = Segment.from_words(["Dogs", "bark"], labels={"entity": ["MINE", ""]})
    parsed = replace(given_words, heads=(1, -1), relations=("nsubj", "root"), labels=LABELS)
    with ParseStore(tmp_path / "a.hsp", IDENTITY, NAMES) as store:
        store.add({key_of(given_words, IDENTITY): parsed})
        assert list(store.find(by_key([given_words])).values()) == [parsed]


def test_changing_any_byte_of_labels_raises(labelled):
    rows = sqlite3.connect(labelled).execute("SELECT key, parse FROM parses").fetchall()
    of_parse = key_of(bare(ONE), IDENTITY)
    blobs = {key: blob for key, blob in rows if key != of_parse}
    assert len(blobs) == 2
    for key, blob in blobs.items():
        for at in range(len(blob)):
            spoilt = bytes([*blob[:at], blob[at] ^ 1, *blob[at + 1 :]])
            change(labelled, "UPDATE parses SET parse = ? WHERE key = ?", spoilt, key)
            with pytest.raises(InputError, match=r"a.hsp: a damaged file of parses; delete it"):
                found(labelled, labels=NAMES)
        change(labelled, "UPDATE parses SET parse = ? WHERE key = ?", blob, key)
    assert found(labelled, labels=NAMES) == [LABELLED]


@pytest.mark.parametrize(
    "content", ["[]", "7", '{"entity": ["GPE"]}', '{"entity": [1, 2]}', '{"entity": 3}', "[" * 9999]
)
def test_forged_labels_raise(labelled, content):
    ((parse,),) = sqlite3.connect(labelled).execute(
        "SELECT parse FROM parses WHERE key = ?", [key_of(bare(ONE), IDENTITY)]
    )
    (key, _) = row_keys(key_of(bare(ONE), IDENTITY), ["entity"])
    body = parse[-4:] + content.encode()
    row = body + checksum(key, body, ())
    change(labelled, "UPDATE parses SET parse = ? WHERE key = ?", row, key)
    with pytest.raises(InputError, match=r"a.hsp: a damaged file of parses; delete it"):
        found(labelled, labels=("entity",))


def test_given_words_keep_their_spans(tmp_path):
    spans = ((0, 2), (0, 2))
    given_words = Segment("du", ("de", "le"), spans)
    parsed = replace(given_words, heads=(1, -1), relations=("case", "root"))
    with ParseStore(tmp_path / "a.hsp", IDENTITY) as store:
        store.add({key_of(given_words, IDENTITY): parsed})
        assert store.find(by_key([given_words, Segment("du")])) == by_key([given_words]) | {
            key_of(given_words, IDENTITY): parsed
        }


def test_keys_differ_by_parser_text_and_words():
    segments = [
        Segment("a b"),
        Segment.from_words(["a b"]),
        Segment.from_words(["a", "b"]),
        Segment("a b", ("a", "b"), ((0, 1), (1, 3))),
        Segment("a\0b"),
    ]
    keys = {key_of(segment, identity) for segment in segments for identity in ("x", "y")}
    assert len(keys) == 2 * len(segments)


def test_parses_of_another_parser_are_not_found(path):
    assert found(path) == [ONE]
    assert found(path, identity="en_test@2+00") == []


def test_concurrent_processes_lose_no_parse(tmp_path):
    """Four processes write the same and different parses; none is lost, relations keep names."""
    code = """
import sys
from headscore.corpus.sequence import Segment
from headscore.parsing.store import ParseStore, key_of
me = int(sys.argv[2])
with ParseStore(sys.argv[1], "x") as store:
    for n in range(40):
        text = f"word {n if n % 2 else (me, n)}"
        relation = f"r{n % 7}{'' if n % 2 else me}"
        parsed = Segment(text, (text,), ((0, len(text)),), (-1,), (relation,))
        store.add({key_of(Segment(text), "x"): parsed})
"""
    path = tmp_path / "a.hsp"
    workers = [subprocess.Popen([sys.executable, "-c", code, path, str(me)]) for me in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    texts = {f"word {n}": f"r{n % 7}" for n in range(1, 40, 2)}
    texts |= {f"word {me, n}": f"r{n % 7}{me}" for n in range(0, 40, 2) for me in range(4)}
    asked = {key_of(Segment(text), "x"): Segment(text) for text in texts}
    with ParseStore(path, "x") as store:
        got = {each.text: each.relations[0] for each in store.find(asked).values()}
    assert got == texts
    assert [each.name for each in tmp_path.iterdir()] == ["a.hsp"]


def test_a_process_killed_while_writing_loses_no_stored_parse(path):
    code = """
import os, sys
from headscore.corpus.sequence import Segment
from headscore.parsing.store import ParseStore
store = ParseStore(sys.argv[1], "x")
store._file.execute("PRAGMA cache_size = 1")  # pages reach the file before the transaction ends
parsed = Segment.from_words(["w"] * 50, [-1] * 50, ["r"] * 50)
class Killing(dict):
    def items(self):
        for n in range(5000):
            yield n.to_bytes(16, "big"), parsed
        os.kill(os.getpid(), 9)
store.add(Killing(a=parsed))
"""
    size = path.stat().st_size
    killed = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert killed.returncode == -9
    assert path.stat().st_size > size  # it was in the middle
    assert found(path) == [ONE]
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM parses").fetchone() == (1,)
    file.close()
    assert [each.name for each in path.parent.iterdir()] == ["a.hsp"]


def change(path, statement, *values):
    file = sqlite3.connect(path)
    with file:
        file.execute(statement, values)
    file.close()


def test_changing_any_byte_of_a_parse_raises(path):
    (blob,) = sqlite3.connect(path).execute("SELECT parse FROM parses").fetchone()
    for at in range(len(blob)):
        spoilt = bytes([*blob[:at], blob[at] ^ 1, *blob[at + 1 :]])
        change(path, "UPDATE parses SET parse = ?", spoilt)
        with pytest.raises(InputError, match=r"a.hsp: a damaged file of parses; delete it"):
            found(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE relations SET name = 'obj' WHERE name = 'nsubj'",
        "DELETE FROM relations",
        "UPDATE relations SET id = id + 7",
        "UPDATE relations SET name = x'ff' WHERE id = 0",
        "UPDATE parses SET parse = ''",
        "UPDATE parses SET parse = 'text'",
        "UPDATE parses SET parse = zeroblob(1000000)",
    ],
)
def test_changed_tables_raise(path, statement):
    change(path, statement)
    with pytest.raises(InputError, match=r"a.hsp: (a damaged|not a) file of parses"):
        found(path)


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA application_id = 7",
        "ALTER TABLE parses RENAME TO others",
        "CREATE VIEW more AS SELECT 1",
    ],
)
def test_another_database_raises(path, statement):
    change(path, statement)
    with pytest.raises(InputError, match=r"a.hsp: not a file of parses, or a damaged one"):
        found(path)


@pytest.mark.parametrize(
    ("labels", "results"), [((), ([ONE], [])), (NAMES, ([LABELLED], []))], ids=["bare", "labelled"]
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_file_is_read_or_raises(labelled, labels, results, data):
    path, whole = labelled, labelled.read_bytes()
    try:
        change_at = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=20))
        content = bytearray(whole[: data.draw(st.integers(0, len(whole)))] or whole)
        for at in change_at:
            content[at % len(content)] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        with contextlib.suppress(HeadscoreError):  # nothing else may come out
            assert found(path, labels=labels) in results
    finally:
        path.write_bytes(whole)


def test_a_store_that_cannot_be_written_raises(path, tmp_path):
    with pytest.raises(InputError, match=r"cannot be read or written: unable to open"):
        ParseStore(tmp_path / "nowhere" / "a.hsp", IDENTITY)
    if os.geteuid():
        path.chmod(0o400)
        with ParseStore(path, IDENTITY) as store, pytest.raises(InputError, match="readonly"):
            store.add({b"k" * 16: ONE})


def test_no_flipped_bit_of_a_key_gives_the_parse_of_another(tmp_path):
    segments = {Segment(text): ONE for text in ("a", "b", "c", "d")}
    keys = {key_of(each, IDENTITY): each for each in segments}
    path = tmp_path / "many.hsp"
    with ParseStore(path, IDENTITY) as store:
        store.add(
            {
                key: Segment(s.text, (s.text,), ((0, 1),), (-1,), (s.text,))
                for key, s in keys.items()
            }
        )
    whole = path.read_bytes()
    for key in keys:
        for bit in range(8 * len(key)):
            damaged = bytearray(whole)
            damaged[whole.index(key) + bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            with contextlib.suppress(InputError), ParseStore(path, IDENTITY) as store:
                for found, parse in store.find(keys).items():
                    assert parse.relations == (keys[found].text,)
    path.write_bytes(whole)
