"""Shards of a run that may stop: rounds, looks, and the same bits however they are computed."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny
from helpers.commands import refused, run_here

import headscore as hs
from headscore.errors import IncompleteError, InputError, UsageError
from headscore.options import ScoreOptions, TestOptions, UntilOptions
from headscore.scale import shards
from headscore.scale.looks import needed, rounds, stops_after
from headscore.scale.merge import merge_shards, merge_to_report
from headscore.scale.rounds import looks_after, rule_of
from headscore.statistics.looks import rounds_of
from headscore.statistics.stopping import trail

N_DOCUMENTS, N_SHARDS, SEED, TAU = 60, 12, 7, 0.01
SCORED = {"roles": "local,delimiter", "cache": None}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sixty documents of one to three sentences."""
    rng = np.random.default_rng(0)
    lines = []
    for document in range(N_DOCUMENTS):
        lines.append(f"# newdoc id = d{document}")
        for sentence in range(document % 3 + 1):
            words = rng.choice(tiny.ROOTS[:-1], 6)
            lines += [f"# sent_id = {document}.{sentence}", f"# text = {' '.join(words)}"]
            lines += [
                f"{n + 1}\t{word}\t_\tNOUN\t_\t_\t{n}\t{'nsubj' if n else 'root'}\t_\t_"
                for n, word in enumerate(words)
            ]
            lines.append("")
    path = tmp_path_factory.mktemp("corpus") / "in.conllu"
    path.write_text("\n".join([*lines, ""]))
    return path


@pytest.fixture
def job(model, corpus, tmp_path):
    return job_of(model, corpus, tmp_path / "run")


def job_of(model, corpus, folder, **rule):
    stops = UntilOptions(**{"until": 0.5, "tau": TAU, "seed": SEED, **rule})
    options = ScoreOptions(**SCORED)
    return shards.Job(str(folder), model, str(corpus), N_SHARDS, options, rule_of(stops))


def compute(job, **how):
    """Compute round by round, as the command does; return the run."""
    run = shards.start(job)
    for together in rounds(run):
        shards.compute(job, list(together), **how)
        if stops_after(run, together.stop):
            break
    return run


def saved(job, path):
    merge_shards(job.folder).save(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("sizes", "after"),
    [
        ([16], (1,)),
        ([5], (1,)),
        ([8, 16], (2,)),
        ([16, 32, 48, 64, 80], (1, 2, 4, 5)),
        ([5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60], (4, 8, 12)),
        ([20, 40, 60, 80, 100, 120, 140, 160], (1, 2, 4, 8)),
    ],
)
def test_looks_come_after_a_doubling_number_of_shards(sizes, after):
    assert looks_after(sizes) == after


def test_a_run_stops_after_a_round_of_shards(job, corpus):
    run = compute(job)
    assert [list(each) for each in rounds(run)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert run.missing() == list(range(4, 12))
    scores = merge_shards(job.folder)
    # By its definition: the first 20 of 60 documents in the order of the seed.
    names = [each.document for each in read(corpus)]
    numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
    units = np.array([numbers[name] for name in names])
    want = rounds_of(units, [20, 60], SEED)[0]
    assert scores.sequence_ids == tuple(read(corpus)[n].id for n in want)
    assert scores.facts["read"] == f"{len(want)} of {len(names)}"
    assert scores.facts["looks"] == "3"
    (look,) = trail(scores.facts)
    verdict = hs.test(scores, tau=TAU).table["verdict"]
    assert look.decided == (verdict != "undecided").sum()


def read(corpus):
    from headscore.corpus import read as read_corpus

    return list(read_corpus(corpus))


def test_a_shard_has_the_bits_of_a_run_of_its_own(job, model, corpus):
    run = compute(job)
    scores, sequences = merge_shards(job.folder), {each.id: each for each in read(corpus)}
    bounds = run.bounds[:5]
    for start, stop in pairwise(bounds):
        own = [sequences[name] for name in scores.sequence_ids[start:stop]]
        alone = hs.score(model, own, **SCORED)
        np.testing.assert_array_equal(scores.values[start:stop], alone.values)


def test_interrupted_runs_resume_with_the_same_bits_and_decision(job, model, corpus, tmp_path):
    want = compute(job) and saved(job, tmp_path / "want.hs")
    other = job_of(model, corpus, tmp_path / "other")
    run = shards.start(other)
    shards.compute(other, [2, 0])  # stopped within the first round
    with pytest.raises(IncompleteError, match="2 of 12 shards are missing: 1, 3"):
        merge_shards(other.folder)
    compute(other)
    assert saved(other, tmp_path / "other.hs") == want
    shards.compute(other, [5])  # a shard beyond the stop changes nothing
    assert stops_after(run, 8)
    assert saved(other, tmp_path / "other.hs") == want


@pytest.mark.usefixtures("forked_workers")
def test_workers_change_no_bit(job, model, corpus, tmp_path):
    want = compute(job) and saved(job, tmp_path / "want.hs")
    other = job_of(model, corpus, tmp_path / "other")
    compute(other, workers=3)
    assert saved(other, tmp_path / "other.hs") == want


def test_what_is_not_decided_computes_every_shard(model, corpus, tmp_path):
    job = job_of(model, corpus, tmp_path / "run", until="decided", tau={"*": 1.05})
    run = compute(job)
    assert run.missing() == []
    scores = merge_shards(job.folder)
    assert scores.facts["read"] == "120 of 120"
    assert len(list(trail(scores.facts))) == 3
    assert needed(run)[0] == N_SHARDS


def test_a_folder_of_another_rule_is_refused(job, model, corpus, tmp_path):
    shards.start(job)
    for changed in ({"seed": 8}, {"until": 0.6}, {"alpha": 0.01}):
        with pytest.raises(InputError, match="belongs to another run: stopping is"):
            shards.start(job_of(model, corpus, job.folder, **changed))
    with pytest.raises(InputError, match="belongs to another run"):
        shards.start(replace(job, rule=None))


def test_what_rounds_of_shards_cannot_do_is_refused(job, model, corpus):
    with pytest.raises(UsageError, match="shards must be at most the 60 documents"):
        shards.start(replace(job, shards=61))
    compute(job)
    with pytest.raises(UsageError, match="keep_scores must not be 'none' for a run with until"):
        merge_to_report(job.folder, TestOptions())


def test_the_command_stops_and_merges(model, corpus, tmp_path):
    given = ("--roles", "local,delimiter", "--tau", TAU, "--until-decided", 0.5, "--no-cache")
    folder = ("--shards", N_SHARDS, "--run-dir", tmp_path / "run", "--seed", SEED)
    result = run_here(
        "analyze", model, corpus, *given, *folder, "--json", "--out", tmp_path / "s.hs"
    )
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert len(list(Path(tmp_path, "run").glob("shard-*"))) == 4
    assert [each["sequences"] for each in answer["looks"]] == [
        hs.load(tmp_path / "s.hs").n_sequences
    ]
    again = run_here("merge", tmp_path / "run", "--tau", TAU, "--json")
    assert json.loads(again.stdout)["table"] == answer["table"]
    refused(
        run_here("analyze", model, corpus, *given, *folder, "--shard", 1),
        2,
        "--until-decided must compute all shards in one command",
    )
