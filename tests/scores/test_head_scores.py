"""HeadScores: valid and invalid input, and exact round trips through files."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import headscore as hs
from headscore import files
from headscore.errors import InputError
from headscore.scores.head_scores import HeadScores
from headscore.scores.signature import printable, printable_once, signature

ROLES = ("local", "block")


def values(shape=(3, 2, 2, 4)):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1


def full_scores():
    """Scores with every part present, NaN and infinite values among them."""
    numbers = values()
    numbers[1, 1] = np.nan
    numbers[2, 0, 1, 3] = np.inf
    attainable = np.full((3, 2, 2), 5, np.float32)
    attainable[1, 1] = np.nan
    return HeadScores(
        numbers,
        ROLES,
        ("a", "b", "c"),
        documents=("d", None, "d"),
        attainable=attainable,
        tokens=np.array([2**64 - 1, 0, 7], np.uint64),
        facts={"headscore": "0.1.0", "model": "bert @ main", "dtype": "float32"},
        counts={"skipped": 2, "truncated": 1},
        excess=numbers - 1,
        position_sums=np.arange(11 * 2 * 2 * 4).reshape(11, 2, 2, 4),
        lengths=np.array([9, 2, 5]),
    )


def assert_same(one, other):
    for name in ("values", "attainable", "tokens", "excess", "position_sums", "lengths"):
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None) == (right is None)
        if left is not None:
            assert left.dtype == right.dtype
            assert left.shape == right.shape
            assert left.tobytes() == right.tobytes()
    for name in ("roles", "sequence_ids", "documents", "counts", "signature"):
        assert getattr(one, name) == getattr(other, name)


def test_from_arrays_fills_in_defaults():
    scores = HeadScores.from_arrays(values().tolist(), list(ROLES))
    assert scores.values.dtype == np.float32
    assert scores.roles == ROLES
    assert scores.sequence_ids == ("0", "1", "2")
    assert scores.documents is None
    assert scores.attainable is None
    assert scores.tokens is None
    assert scores.signature.endswith("|roles:local,block")


def test_ids_and_documents_are_kept():
    scores = HeadScores.from_arrays(
        values(), ROLES, sequence_ids=["x", "y", "z"], documents=["d", None, "e"]
    )
    assert scores.sequence_ids == ("x", "y", "z")
    assert scores.documents == ("d", None, "e")


def test_the_position_control_and_lengths_are_kept():
    sums = np.arange(11 * 2 * 2 * 4).reshape(11, 2, 2, 4)
    scores = HeadScores.from_arrays(
        values(), ROLES, excess=(values() - 2).tolist(), position_sums=sums, lengths=[5, 6, 7]
    )
    assert scores.excess.dtype == np.float32
    np.testing.assert_array_equal(scores.excess, values() - 2)
    np.testing.assert_array_equal(scores.position_sums, sums)
    assert (scores.lengths.dtype, scores.lengths.tolist()) == (np.int64, [5, 6, 7])


def test_float32_is_not_copied():
    numbers = values()
    assert HeadScores.from_arrays(numbers, ROLES).values is numbers


def test_attainable_without_layers_is_repeated_for_each_layer():
    attainable = np.arange(6).reshape(3, 2)
    scores = HeadScores.from_arrays(values(), ROLES, attainable=attainable)
    assert scores.attainable.dtype == np.float32
    for layer in range(2):
        np.testing.assert_array_equal(scores.attainable[:, :, layer], attainable)


def test_attainable_by_layer_is_kept():
    attainable = np.arange(12).reshape(3, 2, 2)
    scores = HeadScores.from_arrays(values(), ROLES, attainable=attainable)
    np.testing.assert_array_equal(scores.attainable, attainable)


def test_infinite_values_and_values_too_large_for_float32_are_stored():
    numbers = values().astype(np.float64)
    numbers[0, 0, 0, :2] = np.inf, 1e300
    assert np.isinf(HeadScores.from_arrays(numbers, ROLES).values[0, 0, 0, :2]).all()


def test_missing_value_with_a_known_attainable_is_stored():
    numbers = values()
    numbers[0, 0, 0, 0] = np.nan
    scores = HeadScores.from_arrays(numbers, ROLES, attainable=np.ones((3, 2)))
    assert np.isnan(scores.values[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (values()[0], "values must be float32 (sequence, role, layer, head), got float32 of shape"),
        (values((0, 2, 2, 4)), "values must have at least one sequence, role, layer and head"),
        (values((3, 2, 0, 4)), "got (3, 2, 0, 4)"),
        (values() * 1j, "values must be an array of real numbers, got complex64"),
        (values() > 3, "values must be an array of real numbers, got bool"),
        ([[1, 2], [3]], "values must be an array of real numbers, got setting an array element"),
        (None, "values must be an array of real numbers, got object"),
        ("text", "values must be an array of real numbers, got <U4"),
    ],
)
def test_invalid_values_raise(numbers, message):
    with pytest.raises(InputError, match=re.escape(message)):
        HeadScores.from_arrays(numbers, ROLES)


def test_values_are_checked_before_attainable_is_spread_over_layers():
    with pytest.raises(InputError, match="values must be float32"):
        HeadScores.from_arrays(values()[:, 0, 0], ROLES, attainable=np.ones((3, 2)))


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (["local"], "roles must have one name for each of 2, got 1"),
        (["local", "block", "x"], "roles must have one name for each of 2, got 3"),
        (["local", "local"], "roles must be unique, got 'local' twice"),
        (["local", ""], "roles must be texts that are not empty, got '' at 1"),
        ([3, "local"], "roles must be texts that are not empty, got 3 at 0"),
        ("ab", "roles must be a list of texts, got 'ab'"),
        (None, "roles must be a list of texts, got None"),
    ],
)
def test_invalid_roles_raise(roles, message):
    with pytest.raises(InputError, match=re.escape(message)):
        HeadScores.from_arrays(values(), roles)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_ids": ["a", "b"]}, "sequence_ids must have one name for each of 3, got 2"),
        ({"sequence_ids": ["a", "b", "a"]}, "sequence_ids must be unique, got 'a' twice"),
        ({"sequence_ids": ["a", None, "b"]}, "sequence_ids must be texts that are not empty, got"),
        ({"sequence_ids": "abc"}, "sequence_ids must be a list of texts, got 'abc'"),
        ({"documents": ["a"]}, "documents must have one entry for each of 3 sequences, got 1"),
        ({"documents": ["a", 1, None]}, "documents must be texts or None, got 1 at 1"),
        ({"attainable": [1, 2, 3]}, "attainable must be float32"),
        ({"attainable": np.ones((2, 3))}, "of shape (3, 2, 2), got float32 of shape (2, 3, 2)"),
        ({"attainable": np.ones((3, 2, 4))}, "of shape (3, 2, 2), got float32 of shape (3, 2, 4)"),
        ({"attainable": np.ones((3, 2)) * np.inf}, "attainable must be NaN or a finite number"),
        ({"attainable": -np.ones((3, 2))}, "attainable must be NaN or a finite number of at leas"),
        ({"attainable": "x"}, "attainable must be an array of real numbers, got <U1"),
        ({"excess": np.ones((3, 2, 2, 3))}, "excess must be float32"),
        ({"position_sums": np.ones((11, 2, 2, 4))}, "position_sums must be an array of integers"),
        (
            {"position_sums": [[1], [1, 2]]},
            "position_sums must be an array of integers, got set",
        ),
        ({"position_sums": np.ones((10, 2, 2, 4), int)}, "int64 of shape (11, 2, 2, 4), got int64"),
        (
            {"position_sums": np.full((11, 2, 2, 4), -1)},
            "position_sums must lie in 0..9223372036854",
        ),
        ({"lengths": [1, 2]}, "lengths must be int64 of shape (3,), got int64 of shape (2,)"),
        ({"lengths": [1, -2, 3]}, "lengths must lie in 0..9223372036854775807, got -2..3"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        HeadScores.from_arrays(values(), ROLES, **options)


def test_a_value_without_attainable_raises():
    attainable = np.ones((3, 2, 2))
    attainable[2, 1, 0] = np.nan
    message = "got NaN for sequence 2, role 'block', layer 0"
    with pytest.raises(InputError, match=message):
        HeadScores.from_arrays(values(), ROLES, attainable=attainable)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros(3, np.int64), "tokens must be uint64"),
        (np.zeros(2, np.uint64), "got uint64 of shape (2,)"),
    ],
)
def test_invalid_tokens_raise(tokens, message):
    with pytest.raises(InputError, match=re.escape(message)):
        HeadScores(values(), ROLES, ("a", "b", "c"), tokens=tokens)


def test_the_constructor_raises_on_a_wrong_dtype():
    with pytest.raises(InputError, match="values must be float32"):
        HeadScores(values().astype(np.float64), ROLES, ("a", "b", "c"))


def test_repr_is_short_and_shows_the_sizes():
    assert repr(full_scores()) == "HeadScores(3 sequence x 2 role x 2 layer x 4 head)"


def test_signature_lists_the_facts_in_order():
    assert full_scores().signature == "headscore:0.1.0|model:bert @ main|dtype:float32"


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=()))))
def test_signature_is_one_printable_line(facts):
    line = signature(facts)
    assert line.isprintable()
    assert line.count("|") == max(len(facts) - 1, 0)


@given(st.text(), st.text())
def test_printable_differs_for_different_texts(one, other):
    assert (printable(one) == printable(other)) == (one == other)


def test_printable_escapes_control_characters_and_separators():
    assert printable("a|b\\\n\u202e é") == "a\\u{7c}b\\u{5c}\\u{a}\\u{202e} é"
    once = printable("a|b\\\n\u202e é")
    assert printable_once(once) == once
    assert printable_once(f"{once}: c|d\\") == f"{once}: c\\u{{7c}}d\\u{{5c}}"


def test_load_returns_every_field(tmp_path):
    full_scores().save(tmp_path / "a.hs")
    assert_same(HeadScores.load(tmp_path / "a.hs"), full_scores())


@settings(max_examples=50, deadline=None)
@given(
    numbers=arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=4, max_dims=4, max_side=3),
        elements=st.floats(width=32),
    ),
    data=st.data(),
)
def test_load_returns_every_bit(tmp_path_factory, numbers, data):
    n_sequences, n_roles = numbers.shape[:2]
    names = st.text(st.characters(exclude_categories=()), min_size=1)
    scores = HeadScores.from_arrays(
        numbers,
        data.draw(st.lists(names, min_size=n_roles, max_size=n_roles, unique=True)),
        sequence_ids=data.draw(
            st.lists(names, min_size=n_sequences, max_size=n_sequences, unique=True)
        ),
    )
    path = tmp_path_factory.mktemp("scores") / "a.hs"
    scores.save(path)
    assert_same(HeadScores.load(path), scores)


def test_strided_values_are_saved_in_order(tmp_path):
    numbers = values((4, 2, 2, 3)).T
    HeadScores.from_arrays(numbers, ROLES).save(tmp_path / "a.hs")
    np.testing.assert_array_equal(HeadScores.load(tmp_path / "a.hs").values, numbers)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "b"], "sequence_ids must have one name for each of 3, got 2"),
        (["a", "b", "b"], "sequence_ids must be unique"),
        (["a", "b", 3], "sequence_ids must be texts that are not empty, got 3"),
    ],
)
def test_a_file_with_invalid_fields_raises(tmp_path, ids, message):
    path = tmp_path / "a.hs"
    contents = {"values": values(), "sequence_ids": files.pack(ids)}
    files.write(path, files.Stored("headscores", ROLES, {}, {}, contents))
    with pytest.raises(InputError, match=re.escape(f"{path}: {message}")):
        HeadScores.load(path)


def test_file_of_a_report_raises(tmp_path):
    files.write(tmp_path / "a.hs", files.Stored("report", ROLES, {}, {}, {}))
    with pytest.raises(InputError, match="must hold headscores, got 'report'"):
        HeadScores.load(tmp_path / "a.hs")


MEANS = [1.706862, 1.177218]  # as headscore 0.1.0 computed them
OLD = Path(__file__).parents[1] / "data" / "scores-v1.hs"


@pytest.mark.parametrize("load", [HeadScores.load, hs.load])
def test_a_file_of_version_1_is_read_without_its_position_control(load, caplog):
    """Written by headscore 0.1.0: two layers of the demo model on ten sentences of its corpus."""
    scores = load(OLD)
    assert scores.values.shape == (10, 2, 2, 12)
    assert scores.roles == ("local", "nsubj")
    assert scores.facts["headscore"] == "0.1.0"
    np.testing.assert_allclose(np.nanmean(scores.values, axis=(0, 2, 3)), MEANS, rtol=1e-6)
    for name in ("excess", "position_sums", "lengths"):
        assert getattr(scores, name) is None
    assert [record.message for record in caplog.records] == [
        f"{OLD}: a file of format 1 has no position control by odds and no sequence lengths; "
        "score again to have them"
    ]


def test_scores_of_version_1_are_written_as_version_2(tmp_path, caplog):
    scores = HeadScores.load(OLD)
    scores.save(tmp_path / "new.hs")
    caplog.clear()
    assert_same(HeadScores.load(tmp_path / "new.hs"), scores)
    assert not caplog.records
