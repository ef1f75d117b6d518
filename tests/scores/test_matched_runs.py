"""The matched control of whole runs: any workers, batches, shards, layers and faults."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers import tiny
from helpers.matching import items_of
from scale.test_shards import merged

import headscore as hs
from headscore.corpus.sequence import Segment
from headscore.encoding.encode import encode
from headscore.errors import InputError, UsageError
from headscore.options import RunOptions, ScoreOptions
from headscore.roles.specs import parse_roles
from headscore.scale import shards
from headscore.scale.merge import merge_to_report
from headscore.scores import batches, host
from headscore.scores.batches import run_batches
from headscore.scores.matched_rows import MATCHED
from headscore.sieves.sampling import with_controls

ROLES = "local,nsubj,obj,amod@both"
CONTROL = "offset,upos"
OPTIONS = {"roles": ROLES, "control": CONTROL}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def items():
    return items_of(300)


@pytest.fixture(scope="module")
def whole(folder, items):
    return hs.score(folder, items, **OPTIONS, host_workers=0)


def keys_of(rows):
    return list(zip(*(rows[f"matched_{name}"].tolist() for name in KEYS), strict=True))


KEYS = ("sequence", "role", "stratum")


def rows_of(scores):
    return {name: getattr(scores, name) for name in MATCHED}


def same(one, other):
    for name in MATCHED:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_a_run_has_cases_and_controls_of_every_role(whole, items):
    assert set(whole.matched_role.tolist()) == {-1, 1, 2, 3}
    assert whole.facts["control"] == CONTROL
    strata = {r: set(whole.matched_stratum[whole.matched_role == r]) for r in (-1, 1)}
    assert len(strata[1] & strata[-1]) > 0.9 * len(strata[1])
    # A word pair weighs 1 in all, but for pairs whose words are pieces of one another.
    pairs = sum(text.relations.count("nsubj") for each in items for text in each.segments)
    assert whole.matched_weight[whole.matched_role == 1, 0].sum() == pytest.approx(pairs, rel=1e-4)


@pytest.mark.usefixtures("forked_workers")
def test_bits_do_not_depend_on_host_workers(monkeypatch, folder, items):
    monkeypatch.setattr(host, "_has_started", lambda worker: worker.result() is None)
    options = {**OPTIONS, "chunk": 128, "batch_tokens": 400}
    here = hs.score(folder, items, **options, host_workers=0)
    same(here, hs.score(folder, items, **options, host_workers=2))


@pytest.mark.parametrize("keep", ["memory", "disk"])
def test_an_encoded_corpus_and_a_disk_give_those_bits(folder, items, whole, keep):
    encoded = hs.encode(items, folder)
    same(whole, hs.score(folder, encoded, **OPTIONS, keep_scores=keep))


@pytest.mark.parametrize("tokens", [60, 5000])
def test_batches_change_attention_by_rounding_only(folder, items, whole, tokens):
    other = hs.score(folder, items, **OPTIONS, batch_tokens=tokens)
    assert keys_of(rows_of(other)) == keys_of(rows_of(whole))
    same(whole, replace(other, matched=whole.matched))
    np.testing.assert_allclose(other.matched, whole.matched, rtol=1e-4, atol=1e-6)


def test_halved_batches_have_the_same_controls(monkeypatch, folder, items, whole):
    run, failed = batches.Runner.run, []

    def full(self, prepared):
        if prepared.plan.batch > 20:
            failed.append(prepared.plan.batch)
            raise MemoryError
        return run(self, prepared)

    monkeypatch.setattr(batches.Runner, "run", full)
    other = hs.score(folder, items, **OPTIONS, host_workers=0)
    assert failed
    assert keys_of(rows_of(other)) == keys_of(rows_of(whole))


def test_chunks_are_sampled_each_and_numbered_on(folder, items):
    joined = hs.score(folder, items, **OPTIONS, chunk=100)
    ends = [0, 100, 200, 300]
    for start, stop in itertools.pairwise(ends):
        own = hs.score(folder, items[start:stop], **OPTIONS)
        inside = (joined.matched_sequence >= start) & (joined.matched_sequence < stop)
        assert (joined.matched_sequence[inside] == own.matched_sequence + start).all()
        for name in MATCHED:
            if name != "matched_sequence":
                assert getattr(joined, name)[inside].tobytes() == getattr(own, name).tobytes()


def test_the_control_changes_no_other_bit(folder, items, whole):
    plain = hs.score(folder, items, roles=ROLES)
    for name in ("values", "attainable", "excess", "position_sums", "overlap", "hidden", "tokens"):
        assert getattr(plain, name).tobytes() == getattr(whole, name).tobytes()
    facts = {name: fact for name, fact in whole.facts.items() if name != "control"}
    assert plain.facts == facts
    assert plain.matched is None


def test_without_position_there_is_a_matched_control(folder, items, whole):
    alone = hs.score(folder, items, **OPTIONS, position=False)
    assert alone.excess is None
    same(alone, whole)


def as_conllu(items):
    for text in (text for each in items for text in each.segments):
        words = zip(text.words, text.labels["upos"], text.heads, text.relations, strict=True)
        for place, (word, label, head, relation) in enumerate(words, start=1):
            yield f"{place}\t{word}\t_\t{label}\t_\t_\t{head + 1}\t{relation}\t_\t_"
        yield ""


def test_merged_shards_equal_one_run_to_the_bit(folder, items, tmp_path):
    path = tmp_path / "in.conllu"
    path.write_text("\n".join(as_conllu(items[:120])) + "\n")
    corpus, options = str(path), ScoreOptions(**OPTIONS, chunk=50)
    job = shards.Job(str(tmp_path / "run"), folder, corpus, 3, options)
    shards.start(job)
    shards.compute(job, [0, 1, 2])
    hs.score(folder, corpus, **OPTIONS, chunk=50).save(tmp_path / "whole.hs")
    assert merged(job, tmp_path / "merged.hs") == (tmp_path / "whole.hs").read_bytes()
    with pytest.raises(UsageError, match="keep_scores 'none' needs control 'offset', got 'offset,"):
        merge_to_report(job.folder)


FULL_AND_SLIDING = {
    **tiny.CONFIGS["llama"],
    "head_dim": 8,
    "num_hidden_layers": 4,
    "sliding_window": 6,
    "use_sliding_window": True,
    "max_window_layers": 2,
}


@pytest.mark.parametrize(
    ("family", "changes", "windows", "special"),
    [
        ("bert", {}, [(False, None)] * 3, "keep"),
        ("bert", {}, [(False, None)] * 3, "drop"),
        ("llama", {}, [(True, None)] * 3, "keep"),
        ("qwen3", FULL_AND_SLIDING, [(True, None)] * 2 + [(True, 6)] * 2, "keep"),
    ],
)
def test_every_layer_agrees_with_its_attention(family, changes, windows, special):
    loaded = tiny.load(family, **changes)
    encoded = encode(items_of(6, 1), loaded.tokenizer, max_length=loaded.max_length)
    roles = parse_roles(ROLES)
    run = run_batches(
        loaded, encoded, roles, RunOptions(control=CONTROL, batch_tokens=60, special=special)
    ).matched.arrays()
    attentions = tiny.eager_attentions(loaded.network, batches.inputs(loaded, encoded))
    scored = with_controls(encoded, roles, ("upos",))
    if special == "drop":
        kept = [np.flatnonzero(~encoded.special[slice(*ends)]) for ends in bounds(encoded)]
        scored = scored.without_special()
        attentions = [dropped(layer, kept) for layer in attentions]
    seen = set()
    for layer, (causal, window) in enumerate(windows):
        own = hs.score_attentions(
            [attentions[layer]], scored, ROLES, causal=causal, window=window, control=CONTROL
        )
        here = run["matched_weight"][:, layer] > 0
        found = {name: array[here] for name, array in run.items()}
        assert keys_of(found) == keys_of(rows_of(own))
        np.testing.assert_array_equal(found["matched_weight"][:, layer], own.matched_weight[:, 0])
        np.testing.assert_allclose(
            found["matched"][:, layer], own.matched[:, 0], rtol=1e-4, atol=1e-6
        )
        assert (run["matched"][~here, layer] == 0).all()
        seen |= set(keys_of(found))
    assert seen == set(keys_of(run))
    assert seen


def bounds(encoded):
    return zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)


def dropped(layer, kept):
    """Attention among the kept tokens alone, in rows that sum to 1."""
    most = max(map(len, kept))
    found = np.zeros((*layer.shape[:2], most, most), np.float32)
    for row, each in enumerate(kept):
        own = layer[row][:, each][:, :, each].numpy()
        found[row, :, : len(each), : len(each)] = own / own.sum(axis=-1, keepdims=True)
    return found


def test_sequences_with_a_fault_have_no_rows():
    broken = tiny.load("bert")
    word = tiny.VOCABULARY.index(tiny.BAD_WORD)
    broken.network.embeddings.word_embeddings.weight.data[word] = np.nan
    items = items_of(200)
    spoiled = Segment.from_words([tiny.BAD_WORD], [-1], ["root"], {"upos": ["A"]})
    items[7] = replace(items[7], segments=(spoiled, *items[7].segments[:1]))
    encoded = encode(items, broken.tokenizer, max_length=broken.max_length)
    options = RunOptions(control=CONTROL, on_nonfinite="skip")
    found = run_batches(broken, encoded, parse_roles(ROLES), options)
    clean = run_batches(tiny.load("bert"), encoded, parse_roles(ROLES), options)
    assert found.counts["nonfinite_skipped"] == 1
    assert 7 in clean.matched.sequence
    good = clean.matched.sequence != 7
    for one, other in zip(found.matched, clean.matched, strict=True):
        np.testing.assert_array_equal(one, other[good])


def test_a_corpus_without_word_pairs_has_no_rows(folder, items):
    scores = hs.score(folder, items[:9], roles="local", control=CONTROL)
    assert scores.matched.shape == (0, 3, 4)


def test_a_column_that_the_corpus_lacks_raises_at_once(folder, items):
    with pytest.raises(InputError, match="whose columns are upos, got 'xpos'"):
        hs.score(folder, items[:40], roles=ROLES, control="offset,xpos")


def test_what_cannot_have_a_matched_control_raises(folder, items):
    with pytest.raises(UsageError, match="keep_scores 'none' needs control 'offset'"):
        hs.analyze(folder, items, **OPTIONS, keep_scores="none")
    with pytest.raises(UsageError, match="control must be 'offset' with part 'cross', got 'off"):
        hs.score(folder, items, **OPTIONS, part="cross")


def test_compared_checkpoints_may_have_other_controls(folder, items, whole):
    plain = hs.score(folder, items, roles=ROLES)
    change = hs.compare(plain, whole, tau=1)
    assert (change.table["mean_before"] == change.table["mean_after"]).all()
