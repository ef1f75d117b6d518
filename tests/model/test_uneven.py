"""Uneven models: pruned heads, layers without attention, and relations that are never visible."""

import logging

import numpy as np
import pytest
import torch
from helpers import families, tiny
from helpers.planning import plan_of
from transformers import AutoTokenizer

import headscore as hs
from headscore.report.terminal.report import render_report
from headscore.report.terminal.style import Style
from headscore.sieves.odds import UNIT

FAMILIES = {family.name: family for family in families.ALL}


def keep_heads(attention, output, kept, size):
    """Take heads out of a BERT layer: rows of Q, K and V, columns of what follows them."""
    rows = torch.cat([torch.arange(size) + size * head for head in kept])
    for name in ("query", "key", "value"):
        whole = getattr(attention, name)
        part = torch.nn.Linear(whole.in_features, len(rows))
        part.weight.data, part.bias.data = whole.weight.data[rows], whole.bias.data[rows]
        setattr(attention, name, part)
    part = torch.nn.Linear(len(rows), output.dense.out_features)
    part.weight.data, part.bias.data = output.dense.weight.data[:, rows], output.dense.bias.data
    output.dense = part


def score(network, kind="bert", roles=tiny.ROLES, n=12, **options):
    return hs.score(network, tiny.sequences(n), roles=roles, tokenizer=tiny.tokenizer(kind),
                    cache=None, **options)  # fmt: skip


def test_pruning_does_not_change_the_scores_of_the_remaining_heads(tmp_path):
    whole, pruned = tiny.network("bert").eval(), tiny.network("bert").eval()
    layer = pruned.encoder.layer[1].attention
    keep_heads(layer.self, layer.output, [1, 3], 8)
    want, got = score(whole), score(pruned)
    assert got.heads.tolist() == [4, 2, 4]
    np.testing.assert_allclose(got.values[:, :, 0], want.values[:, :, 0], rtol=1e-5)
    np.testing.assert_allclose(got.values[:, :, 1, :2], want.values[:, :, 1, [1, 3]], rtol=1e-4)
    np.testing.assert_allclose(got.excess[:, :, 1, :2], want.excess[:, :, 1, [1, 3]], atol=1e-4)
    sums = got.position_sums[:, :, 1, :2] - want.position_sums[:, :, 1, [1, 3]]
    assert abs(sums).max() < 1e-4 / UNIT
    assert want.position_sums[:, :, 1, 3].any()
    assert not got.position_sums[:, :, 1, 2:].any()
    assert np.isnan(got.values[:, :, 1, 2:]).all()
    got.save(tmp_path / "pruned.hs")
    loaded = hs.load(tmp_path / "pruned.hs")
    assert loaded.heads.tolist() == [4, 2, 4]
    report = hs.test(loaded, tau=1.0)
    assert report.heads_per_layer.tolist() == [4, 2, 4]
    table = report.table
    gone = (table["layer"] == 1) & (table["head"] >= 2)
    assert set(table["status"][gone]) == {"no_head"}
    assert "no_head" not in set(table["status"][~gone])
    assert "10 heads in 3 layers" in report.summary()
    shares = report.layer_shares()
    assert shares[shares["role"] == "local"]["of"].tolist() == [4, 2, 4]
    with pytest.raises(hs.InputError, match=r"same heads in each layer, got \[4, 4, 4\] and"):
        hs.compare(want, got)


@pytest.mark.parametrize("name", ["jamba", "qwen3_next", "lfm2", "bamba"])
def test_a_layer_without_attention_is_in_every_table(name):
    family = FAMILIES[name]
    absent = [n for n, layer in enumerate(family.layers) if layer is None]
    scores = score(family.network().eval(), "gpt2", "local,sink,nsubj")
    report = hs.test(scores, tau=1.5)
    assert scores.heads.tolist() == list(family.heads_per_layer)
    table = report.table
    assert table["layer"].nunique() == len(family.layers)
    there = ~table["layer"].isin(absent)
    assert set(table["status"][~there]) == {"no_attention"}
    assert "no_attention" not in set(table["status"][there])
    assert table["pvalue"][~there].isna().all()
    assert not table["label"][~there].any()
    line = f"no attention in layers {', '.join(map(str, absent))}"
    assert line in report.summary()
    text = render_report(report, Style(unicode=False), seconds={}, saved=None)
    assert line in text
    assert f"{absent[0]} x x x x" in text
    assert report.layer_shares()["share"].isna().sum() == 3 * len(absent)
    html = report._repr_html_()
    assert f"{4 * (len(family.layers) - len(absent))} heads" in html


def test_uneven_numbers_of_heads_are_reported():
    report = hs.test(score(FAMILIES["laguna"].network().eval(), "gpt2", "local,sink"), tau=1.0)
    assert report.heads_per_layer.tolist() == [2, 4, 2, 4]
    assert "12 heads in 4 layers" in report.summary()
    text = render_report(report, Style(), seconds={}, saved=None)
    assert "4 layers × 2-4 heads" in text
    assert "× the model has no such head" in text


def sequences_that_point(ahead, n=8):
    """Parsed texts in which every subject's verb is later, or every one is earlier."""
    rng = np.random.default_rng(3)
    found = []
    for number in range(n):
        words = [str(word) for word in rng.choice(tiny.ROOTS[:-1], 6)]
        heads, relations = [-1] * 6, ["dep"] * 6
        dependent, verb = (1, 4) if ahead else (4, 1)
        heads[dependent], relations[dependent] = verb, "nsubj"
        segment = hs.Segment.from_words(words, heads, relations)
        found.append(hs.Sequence(f"s{number}", (segment,)))
    return found


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_relation_that_points_ahead_is_unattainable_to_a_causal_model(kind, tmp_path, caplog):
    network = tiny.network(kind).eval()
    options = {"tokenizer": tiny.tokenizer(kind), "roles": "nsubj,nsubj@head2dep,next,local,amod"}
    with caplog.at_level(logging.WARNING, "headscore"):
        scores = hs.score(network, sequences_that_point(ahead=True), chunk=3, **options)
    assert "nsubj is unattainable: it points only to tokens that are not visible" in caplog.text
    assert scores.hidden.tolist() == [[8] * 3, [0] * 3, [8] * 3, [0] * 3, [0] * 3]
    scores.save(tmp_path / "ahead.hs")
    report = hs.test(hs.load(tmp_path / "ahead.hs"), tau=1.0)
    status = {role: set(report.table["status"][report.table["role"] == role])
              for role in report.roles}  # fmt: skip
    assert status["nsubj"] == status["next"] == {"unattainable"}
    assert status["nsubj@head2dep"] == {"ok"}
    assert status["amod"] == {"no_sieve"}
    assert "unattainable" in report.summary()
    change = hs.compare(scores, scores).table
    assert set(change["status"][change["role"] == "nsubj"]) == {"unattainable"}


def test_the_same_relation_is_attainable_to_an_encoder_or_backwards():
    encoder = hs.score(tiny.network("bert").eval(), sequences_that_point(ahead=True),
                       roles="nsubj", tokenizer=tiny.tokenizer())  # fmt: skip
    backwards = hs.score(tiny.network("gpt2").eval(), sequences_that_point(ahead=False),
                         roles="nsubj", tokenizer=tiny.tokenizer("gpt2"))  # fmt: skip
    for scores in (encoder, backwards):
        assert not scores.hidden.any()
        assert set(hs.test(scores, tau=1.0).table["status"]) == {"ok"}


def test_only_unattainable_roles_still_give_a_report():
    report = hs.test(score(tiny.network("gpt2").eval(), "gpt2", "next,offset:3"), tau=1.0)
    assert set(report.table["status"]) == {"unattainable"}


@pytest.mark.parametrize("seen", [(True, None), (True, 3), (False, 2)])
def test_invisible_counts_sequences_without_a_visible_entry(seen):
    loaded = tiny.load("bert")
    encoded = tiny.encode(loaded, tiny.sequences(30, longest=6))
    plan = plan_of(f"{tiny.ROLES},next,duplicate,induction,offset:4", encoded)
    visibility = hs.backends.Visibility(*seen)
    everywhere = plan.sieves.arrays(hs.backends.Visibility()).takes_part
    want = everywhere & ~plan.sieves.arrays(visibility).takes_part
    assert plan.under(visibility).invisible.tolist() == want.tolist()
    assert want.any()
    assert not plan.under(hs.backends.Visibility()).invisible.any()


def test_det_is_mostly_invisible_to_a_causal_model_in_english(minilm_path):
    """Determiners stand before their nouns: looking from one to the other needs the future."""
    from headscore.demo import demo_corpus

    network = tiny.network("gpt2", vocab_size=31000, n_positions=256).eval()
    tokenizer = AutoTokenizer.from_pretrained(minilm_path)
    scores = hs.score(network, demo_corpus(), roles="det,det@head2dep", tokenizer=tokenizer)
    report = hs.test(scores, tau=1.0)
    status = report.table.groupby("role")["status"].agg(set)
    assert status["det@head2dep"] == {"ok"}
    assert scores.hidden[0].min() > 0.9 * np.isfinite(scores.values[:, 1, 0, 0]).sum()
