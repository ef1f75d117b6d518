"""Sequence tables: equal to the columns written word by word, and small as a pickle."""

import pickle
import random
from dataclasses import fields
from types import MappingProxyType

import numpy as np
import pytest
from helpers.sequence_table import fields_of

from headscore.corpus.sequence import Segment, Sequence
from headscore.corpus.sequence_table import SequenceTable
from headscore.errors import InputError

DTYPES = {
    "segment_offsets": np.int64,
    "word_offsets": np.int64,
    "pair_offsets": np.int64,
    **dict.fromkeys(("pairs", "pair_relation"), np.int32),
    "split": np.bool_,
    "parsed": np.bool_,
    **dict.fromkeys(("starts", "ends", "heads", "relation"), np.int32),
}


def as_lists(table):
    """The fields of a table as `fields_of` returns them; checks the types of arrays."""
    found = {each.name: getattr(table, each.name) for each in fields(table)}
    for name, dtype in DTYPES.items():
        assert found[name].dtype == dtype
        found[name] = found[name].tolist()
    assert all(codes.dtype == np.int32 for codes, _ in table.labels.values())
    labels = {name: (codes.tolist(), names) for name, (codes, names) in table.labels.items()}
    return {**found, "labels": labels}


def random_segment(rng):
    kind = rng.choice(["text", "words", "parsed", "parsed", "labelled"])
    if kind == "text":
        return Segment("a text")
    n = rng.randint(0, 300 if rng.random() < 0.1 else 6)
    root = rng.randrange(max(n, 1))
    heads = [root if word != root else -1 for word in range(n)]
    # New objects of equal names, more of them than are remembered by their address.
    relations = [f"r{rng.randrange(400)}"[: rng.randint(0, 4)] for _ in range(n)]
    labels = {
        name: tuple(rng.choice(["", "NOUN", f"x{rng.randrange(9)}"]) for _ in range(n))
        for name in rng.sample(["upos", "entity", "other"], rng.randint(0, 2))
    }
    words = ["w" * rng.randint(1, 3) for _ in range(n)]
    if kind == "words":
        return Segment.from_words(words)
    if kind == "parsed":
        return Segment.from_words(words, heads, relations)
    n_pairs = rng.randrange(4) if n > 1 else 0
    pairs = [(f"p{rng.randrange(3)}", *rng.sample(range(n), 2)) for _ in range(n_pairs)]
    return Segment.from_words(words, heads, relations, labels, rng.choice([pairs, None]))


def random_sequences(rng):
    return [
        Sequence(f"s{n}", tuple(random_segment(rng) for _ in range(rng.randint(1, 2))), document)
        for n, document in enumerate(rng.choices([None, "d", "e"], k=rng.randint(0, 12)))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_tables_equal_columns_written_word_by_word(seed):
    rng = random.Random(seed)
    for _ in range(100):
        sequences = random_sequences(rng)
        table = SequenceTable.of(sequences)
        assert as_lists(table) == fields_of(sequences)
        assert as_lists(pickle.loads(pickle.dumps(table))) == fields_of(sequences)


def test_columns_may_be_lists_and_arrays_and_labels_any_mapping():
    spans, heads, relations = [[0, 1], [2, 3]], np.array([1, -1]), ["det", np.str_("root")]
    labels = MappingProxyType({"upos": ["DET", ""], "none": ("", "")})
    segment = Segment("a b", ["a", "b"], spans, heads.tolist(), relations, labels)
    found = as_lists(SequenceTable.of([Sequence("s", (segment,))]))
    assert found == fields_of([Sequence("s", (segment,))])
    assert found["relation_names"] == ("det", "root")
    assert found["labels"] == {"upos": ([0, -1], ("DET",)), "none": ([-1, -1], ())}


@pytest.mark.parametrize("name", ["spans", "heads", "relations", "upos"])
def test_a_column_that_has_grown_raises(name):
    columns = {"spans": [(0, 1)], "heads": [-1], "relations": ["root"], "upos": ["X"]}
    shown = {key: value for key, value in columns.items() if key != "upos"}
    segment = Segment("a", ("a",), **shown, labels={"upos": columns["upos"]})
    columns[name].append(columns[name][0])
    with pytest.raises(ValueError, match="must have 1 entries, got 2"):
        SequenceTable.of([Sequence("s", (segment,))])


def test_a_span_that_is_no_pair_of_numbers_raises():
    for span in [(0, 1, 2), (0, "x"), (0, 2**31)]:
        segment = Segment("a", ("a",), (span,))
        with pytest.raises((ValueError, TypeError, OverflowError)):
            SequenceTable.of([Sequence("s", (segment,))])


@pytest.mark.parametrize("head", [-2, 1, 2**31 - 1])
def test_a_head_that_has_changed_raises(head):
    heads = [-1]
    segment = Segment("a", ("a",), ((0, 1),), heads, ("root",))
    heads[0] = head
    with pytest.raises(ValueError, match="a head must be -1 or the index of a word"):
        SequenceTable.of([Sequence("s", (segment,))])


@pytest.mark.parametrize("name", [None, 3, b"nsubj"])
def test_a_relation_or_label_that_is_no_text_is_refused(name):
    columns = {"words": ("a", "b"), "spans": ((0, 1), (2, 3))}
    for named in (
        {"heads": (1, -1), "relations": (name, name)},
        {"labels": {"upos": (name, "NOUN")}},
    ):
        segment = Segment("a b", **columns, **named)
        with pytest.raises(InputError, match="relations and labels must be texts, got"):
            SequenceTable.of([Sequence("s", (segment,))])
