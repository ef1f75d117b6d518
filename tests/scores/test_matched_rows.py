"""The rows of the matched control in HeadScores: files, parts, and bad input."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore import files
from headscore.errors import InputError
from headscore.scores import align
from headscore.scores.matched_rows import MATCHED
from headscore.scores.parts import Part, gather, kept_bytes

ROLES = ("local", "nsubj")
SEQUENCES, LAYERS, HEADS = 12, 3, 4


def rows_of(sequences, seed=0):
    """Rows of some sequences, up to five of each, of roles -1, 0 and 1 and strata up to 2**64."""
    rng = np.random.default_rng(seed)
    keys = sorted(
        {
            (s, int(rng.integers(-1, 2)), int(rng.integers(2**64, dtype=np.uint64)))
            for s in sequences
            for _ in range(s % 6)
        }
    )
    sequence, role, stratum = (list(column) for column in zip(*keys, strict=True))
    return {
        "matched": rng.random((len(keys), LAYERS, HEADS)).astype(np.float32),
        "matched_weight": rng.random((len(keys), LAYERS)).astype(np.float32),
        "matched_sequence": np.array(sequence, np.int64),
        "matched_role": np.array(role, np.int32),
        "matched_stratum": np.array(stratum, np.uint64),
    }


ROWS = rows_of(range(SEQUENCES))


def scores_of(rows=ROWS, n=SEQUENCES, first=0):
    values = np.ones((n, len(ROLES), LAYERS, HEADS), np.float32)
    ids = [f"s{first + number}" for number in range(n)]
    return hs.HeadScores.from_arrays(values, ROLES, sequence_ids=ids, **rows)


def cut(start, stop):
    inside = (ROWS["matched_sequence"] >= start) & (ROWS["matched_sequence"] < stop)
    rows = {name: array[inside] for name, array in ROWS.items()}
    rows["matched_sequence"] = rows["matched_sequence"] - start
    return Part(scores_of(rows, stop - start, start))


def assert_rows(scores, rows=ROWS):
    for name, array in rows.items():
        found = getattr(scores, name)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()


def test_rows_are_converted_to_their_dtypes():
    lists = {
        name: array.astype(float if array.ndim > 1 else object) for name, array in ROWS.items()
    }
    lists |= {name: array.tolist() for name, array in ROWS.items() if array.dtype.kind != "u"}
    assert_rows(scores_of({**lists, "matched_stratum": ROWS["matched_stratum"]}))


def test_a_file_keeps_every_bit(tmp_path):
    scores_of().save(tmp_path / "a.hs")
    assert_rows(hs.load(tmp_path / "a.hs"))


def test_scores_without_a_control_have_none(tmp_path):
    scores_of({}).save(tmp_path / "a.hs")
    loaded = hs.load(tmp_path / "a.hs")
    assert all(getattr(loaded, name) is None for name in MATCHED)


def test_no_rows_are_not_none(tmp_path):
    none = {name: array[:0] for name, array in ROWS.items()}
    scores_of(none).save(tmp_path / "a.hs")
    assert_rows(hs.load(tmp_path / "a.hs"), none)
    assert_rows(gather([Part(scores_of(none))], keep="disk"), none)


@given(
    st.lists(st.integers(1, SEQUENCES - 1), unique=True).map(sorted),
    st.sampled_from([0, 100, 2**30]),
)
def test_any_split_is_joined_to_the_same_rows(cuts, budget):
    ends = [0, *cuts, SEQUENCES]
    parts = [cut(*span) for span in itertools.pairwise(ends)]
    joined = gather(iter(parts), budget=budget)
    assert_rows(joined)
    assert isinstance(joined.matched, np.memmap) == (budget < joined.matched.nbytes)


def test_the_rows_count_in_the_size_of_many_sequences():
    own = sum(array.nbytes for array in ROWS.values())
    more = kept_bytes(scores_of(), 10 * SEQUENCES, keep="memory")[0]
    less = kept_bytes(scores_of({}), 10 * SEQUENCES, keep="memory")[0]
    assert more - less == 10 * own


def test_a_comparison_aligns_the_rows_and_drops_those_of_averages():
    last = np.arange(SEQUENCES)[::-1]
    other = scores_of().take(last, np.arange(len(ROLES)))
    before, after = align.pair(scores_of(), [other, scores_of()])
    for each in (*before, *after):
        assert_rows(each)
    assert_rows(align.average(before))
    assert align.average(after).matched is None


def changed(name, change):
    rows = {key: array.copy() for key, array in ROWS.items()}
    rows[name] = change(rows[name])
    return rows


def set_at(index, value):
    def change(array):
        array[index] = value
        return array

    return change


def swapped(array):
    array[[3, 4]] = array[[4, 3]]
    return array


BAD = [
    ({**ROWS, "matched_role": None}, "must come together, got matched, matched_weight, "),
    (changed("matched", lambda a: a[:-1]), "matched_weight must be float32 of shape"),
    (changed("matched", lambda a: a[:, :2]), r"matched must be float32 of shape \(\d+, 3, 4\)"),
    (changed("matched_sequence", set_at(-1, SEQUENCES)), r"must lie in 0..11, got \d..12"),
    (changed("matched_sequence", set_at(0, -1)), "must lie in 0..11, got -1..11"),
    (changed("matched_role", set_at(0, -2)), "matched_role must lie in -1..1, got -2..1"),
    (changed("matched_role", set_at(0, 2)), "matched_role must lie in -1..1, got -1..2"),
    (changed("matched_weight", set_at((1, 1), -0.5)), "numbers of at least 0, got -0.5"),
    (changed("matched_weight", set_at((1, 1), np.nan)), "numbers of at least 0, got nan"),
    (changed("matched", set_at((1, 1, 1), np.inf)), "numbers of at least 0, got inf"),
    (changed("matched", set_at((0, 1, 1), -1)), "numbers of at least 0, got -1.0"),
    ({name: swapped(array.copy()) for name, array in ROWS.items()}, "got row 4 out of order"),
    (
        {name: np.concatenate([array[:1], array]) for name, array in ROWS.items()},
        "each once, got row 1 out of order",
    ),
    (changed("matched_stratum", lambda a: a.astype(float)), "array of integers, got float64"),
]


@pytest.mark.parametrize(("rows", "message"), BAD)
def test_rows_that_do_not_fit_raise(rows, message):
    with pytest.raises(InputError, match=message):
        scores_of(rows)


@pytest.mark.parametrize(("rows", "message"), BAD[1:-1])
def test_a_file_with_such_rows_raises(tmp_path, rows, message):
    stored = scores_of().stored()
    hostile = files.Stored(stored.kind, ROLES, {}, {}, {**stored.arrays, **rows})
    files.write(tmp_path / "a.hs", hostile)
    with pytest.raises(InputError, match=f"{message}|fits no other array"):
        hs.load(tmp_path / "a.hs")


def test_a_missing_head_is_nan():
    rows = changed("matched", set_at((slice(None), 0, 3), np.nan))
    assert_rows(scores_of(rows), rows)
