"""Thirds of the sequences by length: the same tests on each third alone."""

from dataclasses import replace

import numpy as np
import pytest

import headscore as hs

ROLES = ("local", "block")


def made(lengths, seed=0):
    """Scores of 2 roles and 12 heads around 3, higher in longer sequences."""
    rng = np.random.default_rng(seed)
    lengths = np.asarray(lengths)
    n = len(lengths)
    mean = rng.uniform(1.5, 5, (2, 3, 4)) + 0.02 * (lengths - lengths.mean())[:, None, None, None]
    values = np.abs(mean + rng.normal(0, 1, (n, 2, 3, 4)))
    attainable = 6 + rng.uniform(0, 4, (n, 2)) + np.log(lengths)[:, None]
    absent = rng.random(n) < 0.2
    values[absent, 1], attainable[absent, 1] = np.nan, np.nan
    return hs.HeadScores.from_arrays(
        values,
        ROLES,
        attainable=np.maximum(attainable, np.nan_to_num(values).max(axis=(2, 3)) + 0.1),
        documents=[f"d{number}" for number in rng.integers(0, 30, n)],
        lengths=lengths,
    )


def part(scores, chosen):
    """The scores of some sequences."""
    return replace(
        scores,
        values=scores.values[chosen],
        attainable=scores.attainable[chosen],
        sequence_ids=tuple(np.array(scores.sequence_ids)[chosen]),
        documents=tuple(np.array(scores.documents)[chosen]),
        lengths=scores.lengths[chosen],
    )


LENGTHS = np.random.default_rng(1).integers(4, 60, 240)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"clusters": None},
        {"criterion": "attained", "tau": {"local": 0.3, "block": 0.4}},
        {"adjust": "bh", "alpha": 0.2, "ddof": 0},
    ],
)
def test_labels_of_each_third_equal_those_of_a_test_of_it(how):
    scores = made(LENGTHS)
    report = hs.test(scores, **how)
    bounds = [0, *np.quantile(LENGTHS, [1 / 3, 2 / 3]), 99]
    expected = []
    for number in range(3):
        chosen = (bounds[number] < LENGTHS) & (bounds[number + 1] >= LENGTHS)
        alone = part(scores, chosen)
        clusters = None if "clusters" in how else "document"
        labels = hs.test(alone, **{**how, "clusters": clusters}).labels().sum()
        expected.append(labels[list(ROLES)].tolist())
        assert report.third_most[number] == LENGTHS[chosen].max()
    assert report.thirds.tolist() == expected
    assert len({tuple(row) for row in expected}) > 1


def test_sequences_of_one_length_stay_together():
    lengths = np.repeat([5, 9, 11, 30], [30, 10, 40, 40])  # a cut inside of the elevens
    report = hs.test(made(lengths), clusters=None)
    assert report.third_most.tolist() == [9, 11, 30]
    short = hs.test(part(made(lengths), lengths <= 9), clusters=None).labels().sum()
    assert report.thirds[0].tolist() == short[list(ROLES)].tolist()


@pytest.mark.parametrize("lengths", [[7] * 60, [5] * 30 + [9] * 30, [5] * 50 + [7, 9] * 5])
def test_fewer_than_three_groups_of_lengths_have_no_thirds(lengths):
    report = hs.test(made(lengths))
    assert (report.thirds, report.third_most) == (None, None)


def test_unknown_lengths_have_no_thirds():
    report = hs.test(replace(made(LENGTHS), lengths=None))
    assert (report.thirds, report.third_most) == (None, None)


def test_a_third_of_few_documents_is_not_tested():
    lengths = np.r_[np.full(40, 5), np.full(40, 9), np.full(40, 20)]
    scores = replace(
        made(lengths), documents=tuple(f"d{n % 12 if n < 80 else n % 7}" for n in range(120))
    )
    report = hs.test(scores, tau=1.0)
    assert report.thirds[2].tolist() == [-1, -1]
    assert report.sensitivity().loc["length"].iloc[2].isna().all()
    assert (report.thirds[:2] > 0).all()


def test_saved_reports_keep_the_thirds(tmp_path):
    report = hs.test(made(LENGTHS))
    report.save(tmp_path / "r.hs")
    loaded = hs.load(tmp_path / "r.hs")
    np.testing.assert_array_equal(loaded.thirds, report.thirds)
    np.testing.assert_array_equal(loaded.third_most, report.third_most)
