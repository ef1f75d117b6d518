"""Metrics against plain loops over tiny models, and their errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.lm_heads import with_head

import headscore as hs
from headscore.causal import predictions
from headscore.causal.metrics import metric_of
from headscore.causal.predictions import masked_tokens
from headscore.errors import InputError, UsageError
from headscore.model.lm_head import head_of
from headscore.options import ValidateOptions
from headscore.scores.batches import inputs as inputs_of


def ran(model, given, metric):
    with torch.inference_mode():
        return model.network(**given, **metric.options)


def changed(outputs, seed=1, noise=0.5):
    """The outputs of a pass that differs, as that of a changed model."""
    generator = torch.Generator().manual_seed(seed)
    name = "logits" if "logits" in outputs else "last_hidden_state"
    before = outputs[name]
    new = before + noise * torch.randn(before.shape, generator=generator).to(before.dtype)
    return type(outputs)(**{name: new})


def some_rows(batch, seed=2):
    rng = np.random.default_rng(seed)
    rows = rng.random((len(batch), batch.tokens)) < 0.4
    rows[0] = False  # a sequence without rows of the role
    return rows & batch.real


def loop_means(values, rows):
    """Mean, mean at rows, mean elsewhere of one sequence: values is {row: value}."""
    at = [value for row, value in values.items() if rows[row]]
    off = [value for row, value in values.items() if not rows[row]]
    return [np.mean(part) if part else np.nan for part in ([*values.values()], at, off)]


def log_probabilities(logits):
    logits = logits.double()
    return logits - torch.logsumexp(logits, -1, keepdim=True)


@pytest.mark.parametrize("block", [predictions._BLOCK_LOGITS, 700])
@pytest.mark.parametrize("name", ["nll", "kl", "masked_nll"])
def test_losses_equal_those_of_plain_loops(name, block, monkeypatch):
    monkeypatch.setattr(predictions, "_BLOCK_LOGITS", block)
    model = with_head("bert" if name == "masked_nll" else "gpt2")
    batch = tiny.encode(model, tiny.sequences(9))
    metric, rows = metric_of(name, model), some_rows(batch)
    given = metric.inputs(inputs_of(model, batch), batch)
    before = ran(model, given, metric)
    after = changed(before)
    clean = metric.clean(before, given, batch)
    found = metric.arm(after, clean, rows)
    p, q = (log_probabilities(each.logits) for each in (before, after))
    ids = batch.grid(batch.input_ids, -1)
    for s, length in enumerate(batch.lengths.tolist()):
        if name == "masked_nll":
            places = (given["input_ids"][s] == 4).nonzero().flatten().tolist()
            pairs = [(t, ids[s, t]) for t in places]
            assert places
        else:
            pairs = [(t, ids[s, t + 1]) for t in range(length - 1)]
        kl = {t: float((p[s, t].exp() * (p[s, t] - q[s, t])).sum()) for t, _ in pairs}
        loss = {t: float(p[s, t, token] - q[s, t, token]) for t, token in pairs}
        wanted = [*loop_means(kl if name == "kl" else loss, rows[s]), loop_means(kl, rows[s])[0]]
        np.testing.assert_allclose([each[s] for each in found], wanted, atol=2e-6)
        first = 0.0 if name == "kl" else np.mean([-float(p[s, t, i]) for t, i in pairs])
        assert clean.values[s] == pytest.approx(first, abs=1e-6)


def test_the_same_outputs_change_nothing():
    for family, name in (
        ("gpt2", "nll"),
        ("gpt2", "kl"),
        ("bert", "masked_nll"),
        ("bert", "cosine"),
    ):
        model = with_head(family)
        batch = tiny.encode(model, tiny.sequences(5))
        metric = metric_of(name, model)
        given = metric.inputs(inputs_of(model, batch), batch)
        outputs = ran(model, given, metric)
        found = metric.arm(outputs, metric.clean(outputs, given, batch), some_rows(batch))
        for values in found:
            assert not np.nan_to_num(values).any()


def test_half_precision_is_accumulated_in_float32():
    model = with_head("gpt2")
    batch = tiny.encode(model, tiny.sequences(9))
    metric, rows = metric_of("nll", model), some_rows(batch)
    given = inputs_of(model, batch)
    before = ran(model, given, metric)
    before["logits"] = before.logits.bfloat16()
    after = changed(before)
    exact = [type(each)(logits=each.logits.float()) for each in (before, after)]
    half = metric.arm(after, metric.clean(before, given, batch), rows)
    whole = metric.arm(exact[1], metric.clean(exact[0], given, batch), rows)
    np.testing.assert_array_equal(half, whole)


def test_cosine_equals_that_of_plain_loops():
    model = tiny.load("bert")
    batch = tiny.encode(model, tiny.sequences(7))
    metric, rows = metric_of("auto", model), some_rows(batch)
    assert metric.name == "cosine"
    given = metric.inputs(inputs_of(model, batch), batch)
    model.network.eval()
    before = ran(model, given, metric)
    after = changed(before)
    clean = metric.clean(before, given, batch)
    found = metric.arm(after, clean, rows)
    assert not clean.values.any()
    for s, length in enumerate(batch.lengths.tolist()):
        both = [each.last_hidden_state[s, :length].double() for each in (before, after)]
        apart = {
            t: 1 - float(torch.cosine_similarity(both[0][t], both[1][t], 0)) for t in range(length)
        }
        pooled = 1 - float(torch.cosine_similarity(both[0].mean(0), both[1].mean(0), 0))
        wanted = [pooled, *loop_means(apart, rows[s])[1:], pooled]
        np.testing.assert_allclose([each[s] for each in found], wanted, atol=1e-12)


def test_a_function_is_compared_by_sequence():
    model = with_head("gpt2")
    batch = tiny.encode(model, tiny.sequences(4))

    def largest(outputs, inputs):
        assert inputs["input_ids"].shape == outputs.logits.shape[:2]
        return outputs.logits.amax((1, 2))

    metric, given = metric_of(largest, model), inputs_of(model, batch)
    before = ran(model, given, metric)
    after = changed(before)
    found = metric.arm(after, metric.clean(before, given, batch), some_rows(batch))
    wanted = largest(after, given).double() - largest(before, given).double()
    np.testing.assert_array_equal(found.delta, wanted.numpy())
    assert np.isnan([found.at_rows, found.elsewhere, found.divergence]).all()
    assert (metric.name, metric.unit) == ("largest", "largest")
    for wrong in (lambda *_: 1.0, lambda *_: "text", lambda *_: np.zeros((4, 2))):
        with pytest.raises(InputError, match="metric must return 4 numbers, one a sequence"):
            metric_of(wrong, model).clean(before, given, batch)


def test_masked_tokens_depend_on_sequence_and_seed_only():
    model = with_head("bert")
    whole = tiny.encode(model, tiny.sequences(30))
    chosen = masked_tokens(whole, share=0.15, seed=0)
    special = whole.grid(whole.special, True)
    assert not special[chosen.sequence, chosen.row].any()
    ordinary = (~special).sum(1)
    counts = np.bincount(chosen.sequence, minlength=len(whole))
    np.testing.assert_array_equal(counts, np.maximum(1, np.rint(0.15 * ordinary)))
    order = np.random.default_rng(3).permutation(30)[:11]
    again = masked_tokens(whole.take(order), share=0.15, seed=0)
    for place, s in enumerate(order.tolist()):
        rows = again.row[again.sequence == place].tolist()
        assert rows == chosen.row[chosen.sequence == s].tolist()
        assert sorted(set(rows)) == rows
    other = masked_tokens(whole, share=0.15, seed=1)
    assert other.row.tolist() != chosen.row.tolist()


def test_masked_tokens_are_spread_evenly():
    batch = hs.Encoded.from_arrays(np.arange(400 * 20).reshape(400, 20))
    chosen = masked_tokens(batch, share=0.25, seed=5)
    counts = np.bincount(chosen.row, minlength=20)
    assert counts.sum() == 2000
    assert abs(counts - 100).max() < 4.5 * np.sqrt(100 * 0.75)


def test_one_token_predicts_nothing():
    model = with_head("gpt2")
    batch = hs.Encoded.from_arrays([[7, 0], [7, 8]], lengths=[1, 2])
    metric, given = metric_of("nll", model), inputs_of(model, batch)
    outputs = ran(model, given, metric)
    clean = metric.clean(outputs, given, batch)
    assert np.isnan(clean.values).tolist() == [True, False]
    alone = batch.take(np.array([0]))
    given = inputs_of(model, alone)
    outputs = ran(model, given, metric)
    found = metric.arm(outputs, metric.clean(outputs, given, alone), np.ones((1, 1), bool))
    assert np.isnan(found).all()


def test_auto_chooses_by_the_head():
    assert metric_of("auto", with_head("gpt2")).name == "nll"
    assert metric_of("auto", with_head("bert")).name == "masked_nll"
    assert metric_of("auto", tiny.load("gpt2")).name == "cosine"

    class Mine(type(with_head("gpt2").network)):
        pass

    assert head_of(Mine(with_head("gpt2").network.config)) == "causal"


def test_metrics_that_do_not_fit_are_refused():
    plain, masked = tiny.load("bert"), with_head("bert")
    for name, kind in (("nll", "causal"), ("masked_nll", "masked"), ("kl", "causal or masked")):
        with pytest.raises(
            InputError, match=f"needs a model with a {kind} language-model head, got"
        ):
            metric_of(name, plain)
    with pytest.raises(InputError, match="'nll' needs a model with a causal"):
        metric_of("nll", masked)
    with pytest.raises(UsageError, match="metric must be one of auto, nll"):
        ValidateOptions(metric="nl")
    without = replace(masked, tokenizer=tiny.tokenizer("gpt2"))
    with pytest.raises(InputError, match="needs a tokenizer with a mask token"):
        metric_of("masked_nll", without)
