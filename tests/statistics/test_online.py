"""Online reports: keep_scores="none" gives the same report as scores that are kept."""

import json
import tracemalloc
import weakref
from collections import Counter

import numpy as np
import pytest
from helpers import tiny

import headscore as hs
from headscore.cli import main
from headscore.corpus.sequence import Sequence
from headscore.errors import InputError, UsageError
from headscore.options import ScoreOptions, TestOptions
from headscore.roles.presence import Presence
from headscore.scale import shards
from headscore.scale.merge import merge_to_report
from headscore.scores import repeats
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import Part
from headscore.statistics.online import online_criterion, summarise_parts

ROLES = "paper,sink,expl"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def items():
    """Sequences of which some are blank and some repeat."""
    blank = [Sequence.from_text(" ", id=f"b{n}") for n in range(9)]
    again = [each.renamed(f"again-{each.id}") for each in tiny.sequences(5)]
    return [*tiny.sequences(70)[:40], *blank, *tiny.sequences(70)[40:], *again]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.tsv"
    rows = [[s.text for s in each.segments] for each in tiny.sequences(90)]
    lines = ["\t".join([first, *rest] if rest else [first, "bal"]) for first, *rest in rows]
    path.write_text("\n".join(["a\tb", *lines]) + "\n")
    return str(path)


def same(added, kept):
    """Check that both reports agree to the bit, but for the reason why sequences are the units."""
    assert added.table.equals(kept.table)
    why = {"unit": "sequences (their scores were not kept)"}
    assert list(added.facts.items()) == list({**kept.facts, **why}.items())
    assert added.counts == kept.counts
    np.testing.assert_array_equal(added.overlap, kept.overlap)
    assert (added.thirds, added.third_most) == (None, None)


@pytest.mark.parametrize("chunk", [4, 31, 32, 75, 4096])
@pytest.mark.parametrize("position", [True, False])
def test_the_report_equals_that_of_kept_scores_to_the_bit(model, items, caplog, chunk, position):
    how = {"roles": ROLES, "chunk": chunk, "position": position}
    kept = hs.analyze(model, items, clusters=None, **how)
    said = [record.message for record in caplog.records if record.name == "headscore"]
    caplog.clear()
    added = hs.analyze(model, iter(items), keep_scores="none", **how)
    same(added, kept)
    first, *others = [record.message for record in caplog.records if record.name == "headscore"]
    assert first == (
        "the scores of each sequence are added up and not kept: no intervals, no comparison, and "
        "p-values take sequences as independent, also those of one document"
    )
    assert others == said
    assert (added.table["beyond_position"] != "").any() == position
    assert kept.thirds is not None


@pytest.mark.parametrize(
    ("family", "how"),
    [
        ("gpt2", {"roles": "local,offset:1,delimiter,nsubj", "tau": {"*": 2, "local": 1.5}}),
        ("bert", {"roles": "local,delimiter", "special": "drop", "alpha": 0.01, "adjust": "bh"}),
        ("bert", {"roles": "local,nsubj", "weights": "norm", "ddof": 0}),
    ],
)
def test_other_models_and_options_give_the_same_report(items, tmp_path, family, how):
    other = tiny.save(tmp_path / "model", family)
    kept = hs.analyze(other, items, chunk=20, clusters=None, **how)
    same(hs.analyze(other, items, chunk=20, keep_scores="none", **how), kept)


def test_merged_shards_give_the_same_report(model, table, tmp_path):
    how = {"roles": "local,delimiter,block", "tau": 2.0}
    kept = hs.analyze(model, table, chunk=10, columns=("a", "b"), clusters="none", **how)
    options = ScoreOptions(roles=how["roles"], columns=("a", "b"), chunk=10)
    job = shards.Job(str(tmp_path / "run"), model, table, 4, options)
    shards.start(job)
    shards.compute(job, [2, 0, 3, 1])
    same(merge_to_report(job.folder, TestOptions(tau=2.0)), kept)


def test_parts_are_freed_one_by_one():
    made = []

    def parts():
        for number in range(20):
            assert [ref() for ref in made] == [None] * number
            values = np.full((3, 1, 2, 2), number, np.float32)
            ids = tuple(f"{number}-{n}" for n in range(3))
            scores = HeadScores(values, ("local",), ids, facts={"corpus": f"c{number}"})
            made.append(weakref.ref(scores))
            part = Part(scores)
            del scores
            yield part
            del part

    criterion = online_criterion(TestOptions(), ["local"])
    summary = summarise_parts(parts(), Counter(), Presence(), criterion=criterion)
    assert summary.n_sequences == 60
    assert (summary.cells.mean == 9.5).all()


SPREAD = np.uint64(0x9E3779B97F4A7C15)  # a factor that makes numbers look like hashes


def test_memory_does_not_grow_with_the_number_of_sequences(monkeypatch):
    monkeypatch.setattr(repeats, "_RUN", 4096)
    criterion = online_criterion(TestOptions(), ["local"])

    def parts(n_parts):
        for number in range(n_parts):
            first = 512 * number
            ids = tuple(f"text-{n:040}" for n in range(first, first + 512))
            tokens = np.arange(first, first + 512, dtype=np.uint64) % 60_000 * SPREAD
            values = np.ones((512, 1, 1, 1), np.float32)
            facts = {"corpus": f"{number:012}"}
            yield Part(HeadScores(values, ("local",), ids, tokens=tokens, facts=facts))

    def peak(n_parts):
        counts = Counter()
        tracemalloc.start()
        summary = summarise_parts(parts(n_parts), counts, Presence(), criterion=criterion)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert summary.n_sequences == 512 * n_parts
        assert counts["duplicate_sequences"] == max(0, 512 * n_parts - 60_000)
        return most

    peak(2)
    assert peak(160) < peak(20) + 100_000  # bytes; ids alone are 100 bytes for each of 71 680


def test_a_corpus_without_usable_sequences_raises(model):
    with pytest.raises(InputError, match=r"the corpus holds no usable sequence \(empty: 3\)"):
        hs.analyze(model, [" "] * 3, roles="local", keep_scores="none")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"clusters": "document"}, "needs clusters 'auto' or None, got 'document'"),
        ({"clusters": np.arange(3)}, "needs clusters 'auto' or None, got array"),
        ({"criterion": "attained", "tau": 0.5}, "needs criterion 'mean', got 'attained'"),
        ({"alpha": 2}, "alpha must lie between 0 and 1"),
    ],
)
def test_options_that_need_every_score_raise_before_loading(option, sentence):
    with pytest.raises(UsageError, match=sentence):
        hs.analyze("no model", ["bal"], roles="local", keep_scores="none", **option)


def test_invalid_keep_scores_raise():
    with pytest.raises(UsageError, match="keep_scores must be one of auto, memory, disk, got"):
        hs.score("no model", ["bal"], keep_scores="none")
    with pytest.raises(
        UsageError, match="keep_scores must be one of auto, memory, disk, none, got"
    ):
        hs.analyze("no model", ["bal"], keep_scores="some")


def test_the_command_line_saves_the_report(model, table, tmp_path, capsys):
    asked = [model, table, "--columns", "a,b", "--roles", "local,block", "--keep-scores", "none"]
    out, page = tmp_path / "out.hs", tmp_path / "out.html"
    assert main(["analyze", *asked, "--json", "--out", str(out), "--out", str(page)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["intervals"] is None
    assert isinstance(hs.load(out), hs.Report)
    assert page.stat().st_size > 1000
    assert main(["report", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["table"] == printed["table"]
    folder = str(tmp_path / "run")
    sharded = ["--shards", "3", "--chunk", "30", "--run-dir", folder, "--json"]
    assert main(["analyze", *asked, *sharded]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == printed["counts"]
    assert main(["merge", folder, "--keep-scores", "none", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == printed["counts"]
    assert main(["merge", folder, "--keep-scores", "none", "--criterion", "attained"]) == 2
    assert "needs criterion 'mean'" in capsys.readouterr().err
    assert main(["analyze", *asked, "--dry-run"]) == 0
