"""Rounds: the sequences read, their order and their bits, and where a run stops."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import tiny
from helpers.batches import relative
from helpers.matching import items_of

import headscore as hs
from headscore.corpus.sequence import Sequence
from headscore.errors import InputError, UsageError
from headscore.scores.spool import Spool
from headscore.statistics.stopping import trail

ROLES = "local,nsubj,delimiter"
ARRAYS = ("values", "attainable", "tokens", "lengths", "excess", "overlap", "position_sums")
TAU = 0.01  # all tests but those of nsubj are decided at once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def items():
    """70 sequences in 35 documents, which do not lie one after the other."""
    return [replace(each, document=f"d{n % 35}") for n, each in enumerate(tiny.sequences(70))]


@pytest.fixture(scope="module")
def stopped(folder, items):
    return hs.score(folder, items, roles=ROLES, until=0.5, tau=TAU, seed=2)


def same(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.sequence_ids, one.documents) == (other.sequence_ids, other.documents)
    assert (one.counts, one.facts) == (other.counts, other.facts)


def order_of(items, seed):
    """The items of one document after the other, documents in a random order."""
    documents = list(dict.fromkeys(each.document for each in items))
    shuffled = [documents[n] for n in np.random.default_rng(seed).permutation(len(documents))]
    return [each for name in shuffled for each in items if each.document == name]


def test_a_run_reads_whole_documents_in_random_order_until_enough_is_decided(stopped, items):
    read = order_of(items, seed=2)[:32]  # the first 16 documents
    assert stopped.sequence_ids == tuple(each.id for each in read)
    assert stopped.documents == tuple(each.document for each in read)
    assert {name: stopped.facts[name] for name in ("until", "seed", "looks", "read")} == {
        "until": "0.5",
        "seed": "2",
        "looks": "3",
        "read": "32 of 70",
    }
    (look,) = trail(stopped.facts)
    verdict = hs.test(stopped, tau=TAU).table["verdict"]
    assert look.decided == verdict.isin(["has", "has_not"]).sum() >= 0.5 * look.tests


def test_what_is_not_decided_reads_on_to_the_end(folder, items):
    scores = hs.score(folder, items, roles="local", until="decided", tau=1.05, seed=2)
    assert scores.facts["read"] == "70 of 70"
    assert [each.sequences for each in trail(scores.facts)] == [32, 64, 70]
    assert scores.sequence_ids == tuple(each.id for each in order_of(items, seed=2))
    assert (hs.test(scores, tau=1.05).table["verdict"] == "undecided").any()


def test_a_round_has_the_bits_of_a_run_of_its_own(folder, items):
    scores = hs.score(folder, items, roles=ROLES, until="decided", tau=1.05, seed=5)
    order = order_of(items, seed=5)
    rounds = [order[:32], order[32:64], order[64:]]
    alone = [hs.score(folder, each, roles=ROLES) for each in rounds]
    for name in ("values", "attainable", "tokens", "lengths", "excess"):
        want = np.concatenate([getattr(each, name) for each in alone])
        np.testing.assert_array_equal(getattr(scores, name), want)
    together = hs.score(folder, order, roles=ROLES)
    assert relative(scores.values, together.values) <= 1e-4
    np.testing.assert_array_equal(scores.overlap, together.overlap)


@pytest.mark.parametrize(
    "changed", [{"host_workers": 2}, {"keep_scores": "disk"}, {"progress": True}]
)
def test_how_it_is_computed_changes_no_bit(folder, items, stopped, changed):
    same(hs.score(folder, items, roles=ROLES, until=0.5, tau=TAU, seed=2, **changed), stopped)


def test_chunks_begin_anew_with_each_round(folder, items):
    scores = hs.score(folder, items, roles=ROLES, until="decided", tau=1.05, seed=5, chunk=20)
    order = order_of(items, seed=5)
    alone = [hs.score(folder, order[a:b], roles=ROLES, chunk=20) for a, b in ((0, 32), (32, 64))]
    np.testing.assert_array_equal(
        scores.values[:64], np.concatenate([each.values for each in alone])
    )


def test_a_corpus_that_can_be_read_once_is_enough(folder, items, stopped):
    same(hs.score(folder, iter(items), roles=ROLES, until=0.5, tau=TAU, seed=2), stopped)


def test_an_encoded_corpus_gives_the_same_bits(folder, items, stopped, tmp_path):
    encoded = hs.encode(items, folder)
    encoded.save(tmp_path / "corpus.hse")
    for corpus in (encoded, tmp_path / "corpus.hse"):
        found = hs.score(folder, corpus, roles=ROLES, until=0.5, tau=TAU, seed=2)
        same(found, stopped)


def test_sequences_that_cannot_be_used_are_counted_where_they_are_read(folder, items):
    blank = [Sequence.from_text(" ", id=f"blank{n}", document=f"d{n}") for n in range(35)]
    scores = hs.score(folder, [*items, *blank], roles=ROLES, until=0.5, tau=TAU, seed=2)
    assert scores.facts["read"] == "48 of 105"
    assert len(scores.sequence_ids) == 32
    assert scores.counts["empty"] == 16


def test_analyze_tests_what_was_read(folder, items, stopped):
    report = hs.analyze(folder, items, roles=ROLES, until=0.5, tau=TAU, seed=2)
    assert report.table.equals(hs.test(stopped, tau=TAU).table)
    assert report.signature == hs.test(stopped, tau=TAU).signature


def test_the_facts_survive_a_file(stopped, tmp_path):
    stopped.save(tmp_path / "s.hs")
    assert hs.load(tmp_path / "s.hs").facts == stopped.facts
    report = hs.test(stopped, tau=TAU)
    report.save(tmp_path / "r.hs")
    assert hs.load(tmp_path / "r.hs").summary() == report.summary()
    assert "stopped after 32 of 70 sequences, at look 1 of 3: " in report.summary()


def test_only_what_is_read_is_parsed(folder):
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    parsed = []

    @spacy.Language.component("mark_all")
    def mark_all(doc):
        parsed.append(doc.text)
        for token in doc[1:]:
            token.head, token.dep_ = doc[0], "nsubj"
        doc[0].dep_ = "ROOT"
        return doc

    pipeline.add_pipe("mark_all", name="parser")
    texts = [f"{tiny.ROOTS[n % 50]} dan {tiny.ROOTS[n // 2]}" for n in range(70)]
    scores = hs.score(folder, texts, roles="local", until=0.5, tau=TAU, parser=pipeline)
    assert len(scores.sequence_ids) == 16  # sequences: no documents are known
    assert len(parsed) <= 16
    assert set(parsed) == {texts[int(name)] for name in scores.sequence_ids}


def test_pairs_are_made_before_the_order(folder):
    scores = hs.score(
        folder,
        [Sequence.from_text("dan bal", id=str(n), document=f"d{n // 4}") for n in range(80)],
        pairs="consecutive",
        roles="local",
        until=0.5,
        tau=TAU,
    )
    assert all("+" in name for name in scores.sequence_ids)
    assert len(scores.sequence_ids) == 32  # two pairs in each of 16 documents
    assert scores.facts["read"] == "32 of 40"


def test_options_of_the_test_need_until(folder, items):
    for name, value in {"alpha": 0.01, "tau": {"local": 2}, "clusters": np.zeros(70)}.items():
        with pytest.raises(UsageError, match=f"{name} must be left out without until, got"):
            hs.score(folder, items, **{name: value})
    with pytest.raises(UsageError, match="seed must be left out without until or sample, got 3"):
        hs.analyze(folder, items, roles=ROLES, seed=3)
    with pytest.raises(UsageError, match="tau must name roles"):
        hs.score(folder, items, roles=ROLES, until=0.5, tau={"lcal": 2})
    with pytest.raises(UsageError, match="keep_scores must not be 'none' with until"):
        hs.analyze(folder, items, roles=ROLES, until=0.5, keep_scores="none")


def test_nothing_usable_is_an_error(folder):
    with pytest.raises(InputError, match=r"holds no usable sequence \(empty: 40\)"):
        hs.score(folder, [" "] * 40, roles="local", until=0.5)


def test_a_spool_gives_sequences_back_in_any_order(items, monkeypatch):
    monkeypatch.setattr("headscore.scores.spool._IN_MEMORY", 1000)  # on disk after a few
    spool = Spool(iter(items))
    order = np.random.default_rng(0).permutation(len(items))
    assert list(spool.take(order)) == [items[n] for n in order]
    assert list(spool.take(order[:3])) == [items[n] for n in order[:3]]
    assert spool.sequence_ids == tuple(each.id for each in items)
    assert spool.documents == tuple(each.document for each in items)
    assert Spool([]).documents is None


def test_a_full_disk_is_one_sentence(items, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headscore.scores.spool.pickle.dump", full)
    with pytest.raises(InputError, match=r"the sequences of the corpus cannot be kept .* No space"):
        Spool(iter(items))


@pytest.mark.parametrize("control", ["offset", "offset,upos"])
def test_looks_of_max_t_find_what_its_report_says(folder, control):
    items = [replace(each, document=f"d{n % 35}") for n, each in enumerate(items_of(70))]
    tested = {"adjust": "maxt", "tau": 1.05}
    scores = hs.score(folder, items, roles=ROLES, until="decided", control=control, **tested)
    *_, last = trail(scores.facts)
    verdict = hs.test(scores, **tested).table["verdict"]
    assert last.decided == verdict.isin(["has", "has_not"]).sum()


def test_an_alpha_too_small_for_the_looks_of_max_t_is_refused_before_the_model_runs(items):
    with pytest.raises(UsageError, match=r"at least 0\.003 where .* 3 looks share it"):
        hs.score(object(), items, until="decided", adjust="maxt", alpha=0.002)
