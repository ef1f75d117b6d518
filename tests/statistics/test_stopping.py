"""Stopping: which tests a look counts, when a run stops, and what its facts hold."""

from dataclasses import replace

import numpy as np
import pytest

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.options import UntilOptions
from headscore.scores.rounds import Named
from headscore.statistics.stopping import Look, Stopping, check_until, trail


def named(documents):
    return Named(tuple(map(str, range(len(documents)))), tuple(documents))


def scores_of(means, n=48, roles=None, documents=True):
    """Scores of one layer: a head for each mean, little spread, two sequences a document."""
    rng = np.random.default_rng(0)
    values = np.asarray(means, float) * rng.uniform(0.9, 1.1, (n, 1, 1, len(means)))
    return hs.HeadScores.from_arrays(
        values,
        roles or ["local"],
        documents=[str(s // 2) for s in range(n)] if documents else None,
    )


def rule(documents=tuple("abcdefghijklmnopqrstuvwx"), **options):
    made = Stopping(UntilOptions(**{"until": "decided", "roles": "local", **options}))
    made.plan(named(documents))
    return made


def test_a_run_stops_once_the_share_is_decided():
    clear_and_near = scores_of([9.0, 0.1, 0.2, 3.0])
    assert rule(until=0.75).stops(clear_and_near, 48)
    assert not rule(until=0.76).stops(clear_and_near, 48)
    assert not rule().stops(clear_and_near, 48)
    assert rule().stops(scores_of([9.0, 0.1]), 48)


def test_cells_with_too_few_units_so_far_are_waited_for():
    scores = scores_of([9.0, 0.1])
    values = np.concatenate([scores.values, scores.values], axis=1)
    values[10:, 1] = np.nan  # five documents
    two = hs.HeadScores.from_arrays(values, ["local", "rare"], documents=scores.documents)
    watched = rule(roles="local,sink")
    assert not watched.stops(two, 48)
    assert watched.looks == [Look(48, 2, 4)]


def test_a_named_role_without_a_sequence_is_waited_for_one_of_a_set_is_not():
    values = np.repeat(scores_of([9.0, 0.1]).values, 2, axis=1)
    values[:, 1] = np.nan
    documents = [str(s // 2) for s in range(48)]
    of_set = hs.HeadScores.from_arrays(values, ["local", "block"], documents=documents)
    assert rule(roles="paper").stops(of_set, 48)
    assert not rule(roles="local,block").stops(of_set, 48)


def test_tests_are_made_at_alpha_over_the_planned_looks():
    many = [str(n) for n in range(17)]  # two looks, at 16 and 17
    scores = scores_of([3.05, 3.1, 3.2, 3.4], n=20)
    for looks, documents in ((1, many[:16]), (2, many)):
        stopping = rule(documents)
        stopping.stops(scores, 20)
        verdict = hs.test(scores, alpha=0.05 / looks).table["verdict"]
        assert stopping.looks[0].decided == (verdict != "undecided").sum()
        assert stopping.facts()["looks"] == str(looks)


def test_the_planned_unit_must_be_that_of_the_tests():
    documents = [str(n) for n in range(24)]
    scores = scores_of([9.0, 0.1])
    alone = replace(scores, documents=None)
    assert rule(documents).stops(scores, 48)
    assert not rule(documents).stops(alone, 48)  # sequences are tested, documents were planned
    assert rule(documents, clusters="none").stops(scores, 48)


def test_units_are_documents_where_the_corpus_has_them():
    documents = [str(n % 20) for n in range(60)]
    rounds = Stopping(UntilOptions(until=0.5)).plan(named(documents))
    assert [len(each) for each in rounds] == [48, 12]  # 16 and 4 documents of three sequences
    assert sorted(np.concatenate(rounds).tolist()) == list(range(60))
    for options in ({"clusters": None}, {"clusters": "none"}):
        rounds = Stopping(UntilOptions(until=0.5, **options)).plan(named(documents))
        assert [len(each) for each in rounds] == [16, 16, 28]
    few = [str(n % 9) for n in range(60)]  # fewer than ten: sequences
    assert len(Stopping(UntilOptions(until=0.5)).plan(named(few))) == 3
    with pytest.raises(InputError, match="need a document for each sequence"):
        Stopping(UntilOptions(until=0.5, clusters="document")).plan(named([*documents, None]))


def test_facts_hold_what_each_look_found():
    stopping = rule([str(n) for n in range(40)], until=0.9, seed=4)
    stopping.looks += [Look(16, 100, 720), Look(32, 648, 720)]
    facts = stopping.facts()
    assert facts == {
        "until": "0.9",
        "seed": "4",
        "looks": "3",
        "read": "32 of 40",
        "decided": "16:100/720 32:648/720",
    }
    assert list(trail(facts)) == stopping.looks
    assert list(trail({})) == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"clusters": [1, 2]}, "clusters must be .* with until, got ids of sequences"),
        ({"keep_scores": "none"}, "keep_scores must not be 'none' with until"),
    ],
)
def test_what_cannot_be_decided_at_looks_is_refused(options, match):
    from headscore.options import AnalyzeOptions

    with pytest.raises(UsageError, match=match):
        check_until(AnalyzeOptions(until=0.5, **options))


@pytest.mark.parametrize("until", [0, -0.1, 1.01, True, "all", float("nan")])
def test_until_must_be_a_share(until):
    with pytest.raises(UsageError, match="until must be None, 'decided' or a number above 0"):
        UntilOptions(until=until)
    UntilOptions(until=1)
