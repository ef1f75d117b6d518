"""Sensitivity: its counts are those of testing other sequences, thresholds or units."""

from dataclasses import replace

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.report.sensitivity import sensitivity

ROLES = ("local", "nsubj")
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(5, 60, 90)
DOCUMENTS = tuple(f"d{number}" for number in RNG.integers(0, 15, 90))  # of unequal sizes


def made(**parts):
    """Scores that grow with the length of a sequence, and are alike within a document."""
    rng = np.random.default_rng(1)
    codes = np.array([int(name[1:]) for name in DOCUMENTS])
    means = rng.gamma(3, 0.8, (1, 2, 4, 6)) * (0.7 + LENGTHS[:, None, None, None] / 80)
    shared = rng.normal(0, 0.8, (15, 2, 4, 6))[codes]
    values = np.clip(means + shared + rng.normal(0, 0.5, (90, 2, 4, 6)), 0, 20)
    scores = hs.HeadScores.from_arrays(
        values.astype(np.float32), ROLES, attainable=np.full((90, 2), 20.0)
    )
    return replace(scores, **{"documents": DOCUMENTS, "lengths": LENGTHS, **parts})


def part(scores, chosen):
    """Return some of the sequences."""
    return replace(
        scores,
        values=scores.values[chosen],
        attainable=scores.attainable[chosen],
        lengths=scores.lengths[chosen],
        sequence_ids=tuple(np.array(scores.sequence_ids)[chosen]),
        documents=tuple(np.array(scores.documents)[chosen]),
    )


def counts(report):
    return report.labels().sum().tolist()


@pytest.mark.parametrize("options", [{}, {"adjust": "bh", "tau": 2.5}, {"alpha": 0.2}])
def test_every_row_is_what_a_test_of_the_scores_counts(options):
    scores = made()
    report = hs.test(scores, **options)
    found = report.sensitivity()
    assert found.columns.tolist() == list(ROLES)
    assert found.loc["tau"].index.tolist() == ["1", "1.5", "2", "2.5", "3", "3.5"]
    others = {name: value for name, value in options.items() if name != "tau"}
    curve = hs.tau_curve(scores, **others)
    assert found.loc["tau"].to_numpy().T.tolist() == curve.to_numpy().tolist()
    cuts = np.quantile(LENGTHS, [1 / 3, 2 / 3])
    thirds = (cuts[0] >= LENGTHS, (cuts[0] < LENGTHS) & (cuts[1] >= LENGTHS), cuts[1] < LENGTHS)
    names = [
        f"{name}, up to {LENGTHS[third].max()} tokens"
        for name, third in zip(("short", "middle", "long"), thirds, strict=True)
    ]
    assert found.loc["length"].index.tolist() == names
    for name, third in zip(names, thirds, strict=True):
        alone = hs.test(part(scores, third), clusters="document", **options)
        assert found.loc[("length", name)].tolist() == counts(alone)
    alone = hs.test(scores, clusters=None, **options)
    assert found.loc["unit"].to_dict("split")["index"] == [
        "15 documents",
        "sequences, documents ignored",
    ]
    assert found.loc["unit"].to_numpy().tolist() == [counts(report), counts(alone)]
    assert sum(counts(alone)) > sum(counts(report))
    assert_frame_equal(sensitivity(report), found)


def rows(scores, **options):
    """Return the number of rows of each choice."""
    choices = hs.test(scores, **options).sensitivity().index.get_level_values("choice")
    return choices.value_counts(sort=False).to_dict()


def test_rows_that_do_not_apply_are_left_out():
    assert rows(made()) == {"tau": 6, "length": 3, "unit": 2}
    assert rows(made(lengths=None)) == {"tau": 6, "unit": 2}
    assert rows(made(lengths=np.full(90, 7))) == {"tau": 6, "unit": 2}
    assert rows(made(documents=None)) == {"tau": 6, "length": 3, "unit": 1}
    assert rows(made(), criterion="attained", tau=0.2) == {"length": 3, "unit": 1}
    assert rows(made(), tau={"local": 2, "nsubj": 3}) == {"tau": 6, "length": 3, "unit": 1}


def test_clusters_of_other_kinds_are_not_called_documents():
    found = hs.test(made(documents=None), clusters=DOCUMENTS).sensitivity()
    assert found.loc["unit"].index.tolist() == ["15 clusters", "sequences, clusters ignored"]


def test_a_saved_report_has_the_same_counts(tmp_path):
    report = hs.test(made())
    report.save(tmp_path / "r.hs")
    loaded = hs.load(tmp_path / "r.hs")
    assert loaded.thirds.tolist() == report.thirds.tolist()
    assert_frame_equal(loaded.sensitivity(), report.sensitivity())
