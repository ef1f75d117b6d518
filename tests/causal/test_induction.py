"""A model made by hand whose loss with and without a head is known in closed form."""

import numpy as np
import pytest
import torch
from helpers import induction
from helpers.induction import BEGIN, INDUCTION, OTHERS, PREVIOUS, SHARPNESS, WORDS

import headscore as hs
from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO

FLAT = np.log(WORDS)  # the loss where nothing is written
KNOWN = np.log(1 + (WORDS - 1) * np.exp(-SHARPNESS))  # where the next token and no other is


@pytest.fixture(scope="module")
def model():
    return induction.induction_model()


@pytest.fixture(scope="module")
def texts():
    return induction.repeated(np.random.default_rng(0), 12)


def batch_of(texts):
    """Inputs with padding on the right, and the encoding of the same sequences."""
    lengths = np.array([len(ids) for ids in texts])
    ids = np.full((len(texts), lengths.max()), BEGIN)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text
    real = np.arange(ids.shape[1]) < lengths[:, None]
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(real).long()}
    return inputs, hs.Encoded.from_arrays(ids, lengths, special=ids == BEGIN)


def losses(model, texts, change=None):
    """Loss of each next token of each text, from the pass of a batch, changed or not."""
    inputs, encoded = batch_of(texts)
    if change is None:
        logits = model(**inputs).logits
    else:
        with change as run:
            if hasattr(run, "expect"):
                run.expect(encoded)
            logits = model(**inputs).logits
    return [
        torch.nn.functional.cross_entropy(
            row[: len(ids) - 1], torch.tensor(ids[1:]), reduction="none"
        ).numpy()
        for row, ids in zip(logits, texts, strict=True)
    ]


def expected(texts, shares):
    return [induction.loss(ids, each) for ids, each in zip(texts, shares, strict=True)]


def written(texts):
    return [induction.written(ids, induction.earlier(ids)) for ids in texts]


def assert_equal(got, want):
    assert_near(np.concatenate(got), np.concatenate(want))


def assert_near(got, want):
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_the_loss_is_that_of_induction(model, texts):
    clean = losses(model, texts)
    assert_equal(clean, expected(texts, written(texts)))
    assert np.concatenate(clean).min() == pytest.approx(KNOWN, abs=1e-4)


def test_without_its_edges_the_loss_is_that_of_a_guess(model, texts):
    without = losses(model, texts, hs.knockout(model, "induction", [INDUCTION]))
    assert_equal(without, [np.full(len(ids) - 1, FLAT) for ids in texts])


def test_what_is_kept_of_the_head_is_all_of_it(model, texts):
    kept = losses(model, texts, hs.knockout(model, "induction", [INDUCTION], keep=True))
    assert_equal(kept, losses(model, texts))


def test_without_previous_tokens_induction_finds_nothing(model, texts):
    # Each row then finds a `BEGIN`, also row 2, which loses one of the two and keeps the other.
    without = losses(model, texts, hs.knockout(model, "previous", [PREVIOUS]))
    assert_equal(without, [np.full(len(ids) - 1, FLAT) for ids in texts])


@pytest.mark.parametrize("roles", ["induction", "previous", "duplicate", "induction,sink"])
def test_edges_of_other_heads_change_nothing(model, texts, roles):
    without = losses(model, texts, hs.knockout(model, roles, OTHERS))
    assert_equal(without, losses(model, texts))


def test_another_role_of_the_head_changes_nothing(model, texts):
    without = losses(model, texts, hs.knockout(model, "duplicate", [INDUCTION]))
    assert_equal(without, losses(model, texts))


@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
def test_ablation_of_the_head_leaves_what_takes_its_place(model, texts, how):
    shares = written(texts)
    if how == "zero":
        shares = [np.zeros_like(each) for each in shares]
    elif how == "mean":
        mean = np.concatenate(shares).mean(0)
        shares = [np.broadcast_to(mean, each.shape) for each in shares]
    else:
        texts = [texts[0], *[[BEGIN, BEGIN, *reversed(texts[0][2:])]]]  # of one length
        shares = written(texts)[::-1]
    without = losses(model, texts, hs.ablate(model, [INDUCTION], how))
    assert_equal(without, expected(texts, shares))


@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
def test_ablation_of_other_heads_changes_nothing(model, texts, how):
    assert_equal(losses(model, texts, hs.ablate(model, OTHERS, how)), losses(model, texts))


def test_an_experiment_finds_the_loss_and_none_by_the_placebo(model):
    texts = induction.repeated(np.random.default_rng(1), 24, distinct=True)
    effect = hs.validate(
        model,
        [" ".join(map(str, ids[2:])) for ids in texts],
        {"induction": [INDUCTION]},
        tokenizer=induction.tokenizer(),
        how="zero",
        sets=3,
        progress=False,
    )
    arms = {(arm.arm, arm.number): arm for arm in effect.values.arms}
    clean = expected(texts, written(texts))
    lost = [FLAT - each.mean() for each in clean]
    assert_near(effect.values.clean, [each.mean() for each in clean])
    for whole in (KNOCKOUT, HEADS):
        assert_near(arms[whole, 0].delta, lost)
        assert_near(arms[whole, 0].elsewhere, 0)
        # Each row of the role finds the next word, which is one for all but the last row.
        assert_near(arms[whole, 0].at_rows, FLAT - KNOWN)
    for nothing in ((PLACEBO, 0), (KEEP, 0), *((MATCHED, number) for number in range(3))):
        for values in (arms[nothing].delta, arms[nothing].at_rows, arms[nothing].elsewhere):
            assert_near(values, 0)
    row = effect.table.set_index("arm").loc[KNOCKOUT]
    assert row["delta"] == pytest.approx(np.mean(lost), abs=1e-4)
    assert row["verdict"] == "loses"
