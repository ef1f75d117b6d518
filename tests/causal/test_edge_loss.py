"""The loss with and without the edges of a role, against a knock-out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.lm_heads import with_head

import headscore as hs
from headscore.causal.edge_loss import edge_loss
from headscore.roles.specs import parse_roles
from headscore.scores.batches import inputs, run_batches


def by_hand(model, one, role, head):
    """The mean loss at the rows of a role, and the same without its edges."""
    given = dict(inputs(model, one))
    ids, rows = one.input_ids, sorted(set(role.sieve(one).query.tolist()))
    if model.tokenizer.mask_token_id is None:  # a causal model
        seen = {i for i, j in zip(*entries(role, one), strict=True) if j <= i}
        rows = sorted(seen - {len(ids) - 1})
        targets = [ids[row + 1] for row in rows]
    else:
        targets = [ids[row] for row in rows]
        given["input_ids"] = given["input_ids"].clone()
        given["input_ids"][0, rows] = model.tokenizer.mask_token_id
    with torch.no_grad():
        clean = model.network(**given).logits
        with hs.knockout(model.network, [role], [head]) as run:
            run.expect(replace(one, input_ids=given["input_ids"][0].numpy()))
            changed = model.network(**given).logits
    log_p = [torch.log_softmax(each[0].double(), -1) for each in (clean, changed)]
    return [
        float(np.mean([-p[row, t] for row, t in zip(rows, targets, strict=True)])) for p in log_p
    ]


def entries(role, one):
    sieve = role.sieve(one)
    return sieve.query.tolist(), sieve.key.tolist()


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_the_loss_equals_that_of_a_knock_out_by_hand(family):
    model = with_head(family)
    encoded, role = tiny.encode(model, tiny.sequences(6)), parse_roles("syntactic")[0]
    run_batches(model, encoded, (role,))
    moved = 0
    for s in range(len(encoded)):
        one = encoded.take(np.array([s]))
        found = edge_loss(model, one, role, (1, 2))
        if found is not None:
            assert found == pytest.approx(by_hand(model, one, role, (1, 2)), abs=1e-5)
            moved += found.loss != found.without
    assert moved > 2


def test_there_is_no_loss_without_a_head_or_a_prediction():
    role = parse_roles("syntactic")[0]
    for model, words in ((tiny.load("bert"), 9), (with_head("gpt2"), 1)):
        encoded = tiny.encode(model, tiny.sequences(2, longest=words))
        run_batches(model, encoded.take(np.array([0])), parse_roles("local"))
        assert edge_loss(model, encoded.take(np.array([0])), role, (0, 0)) is None


def test_examples_show_the_loss(tmp_path):
    model = with_head("bert")
    options = {"layer": 1, "head": 2, "role": "syntactic", "count": 2}
    found = hs.examples(model.network, tiny.sequences(6), tokenizer=model.tokenizer, **options)
    encoded, role = tiny.encode(model, tiny.sequences(6)), parse_roles("syntactic")[0]
    best = found.highest[0]
    one = encoded.take(np.array([encoded.ids.index(best.id)]))
    assert (best.loss, best.loss_without) == pytest.approx(
        by_hand(model, one, role, (1, 2)), abs=1e-5
    )
    sentence = (
        f"loss at these words {best.loss:.3f} nats a token, {best.loss_without:.3f} "
        "without these pairs in this head"
    )
    assert any(line.strip() == sentence for line in found.lines())
    found.to_html(tmp_path / "examples.html")
    assert f"{sentence.capitalize()}." in (tmp_path / "examples.html").read_text(encoding="utf-8")
    without = hs.examples(
        tiny.network("bert"), tiny.sequences(6), tokenizer=model.tokenizer, **options
    )
    assert without.highest[0].loss is None
    assert not any("loss" in line for line in without.lines())
