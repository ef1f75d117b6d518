"""Devices without kernels, such as Apple's mps: a stand-in that refuses float64 and addresses."""

import numpy as np
import pytest
import torch
from helpers import far, tiny
from helpers.batches import random_batch, relative

import headscore as hs
from headscore import backends

ROLES = "local,sink,nsubj@both"


@pytest.fixture(autouse=True)
def device():
    """The device is there, and no copy to the CPU has been logged."""
    backends._logged.discard("mps")
    with far.working():
        yield
    backends._logged.discard("mps")


def test_the_stand_in_refuses_float64_and_its_address():
    tensor = far.put(torch.zeros(2))
    with pytest.raises(TypeError, match="float64"):
        tensor.double()
    with pytest.raises(TypeError, match="float64"):
        torch.zeros(2, dtype=torch.float64, device="mps")
    with pytest.raises(RuntimeError, match="cannot be read"):
        tensor.data_ptr()
    assert tensor.device.type == (tensor + 1).device.type == "mps"


@pytest.mark.parametrize("backend", ["auto", "cpu", "reference"])
def test_queries_and_keys_are_scored_on_the_cpu(backend, caplog):
    batch = random_batch(3, lengths=[9, 5])
    plan = hs.SievePlan.compile(ROLES, batch.encoded())
    rng = torch.Generator().manual_seed(0)
    query, bias = (torch.randn(2, 4, 9, n, generator=rng) for n in (8, 9))
    key = torch.randn(2, 2, 9, 8, generator=rng)
    want = hs.sieve_scores_qk(query, key, plan, bias=bias, per_token=True, causal=True)
    query, key, bias = map(far.put, (query, key, bias))
    found = hs.sieve_scores_qk(
        query, key, plan, bias=bias, per_token=True, causal=True, backend=backend
    )
    hs.sieve_scores_qk(query, key, plan, backend=backend)
    for mine, theirs in zip(found, want, strict=True):
        assert mine.device.type == "mps"
        assert relative(mine.cpu().numpy(), theirs.numpy()) <= 1e-5
    assert [record.message for record in caplog.records] == [
        "there is no kernel for mps: queries and keys are copied to the CPU"
    ]


def test_given_attention_is_scored_on_the_cpu():
    batch = random_batch(4, lengths=[7, 6])
    plan = hs.SievePlan.compile(ROLES, batch.encoded())
    real = torch.from_numpy(np.arange(7) < batch.lengths[:, None])
    attention = torch.rand(2, 3, 7, 7) * real[:, None, None]
    attention /= attention.sum(-1, keepdim=True)
    want = hs.sieve_scores(attention, plan)
    assert torch.equal(
        hs.sieve_scores(far.put(attention), plan).cpu().nan_to_num(), want.nan_to_num()
    )
    encoded = batch.encoded()
    found = hs.score_attentions([far.put(attention)], encoded, ROLES)
    np.testing.assert_array_equal(found.values[:, :, 0], want.numpy())


@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize("options", [{}, {"special": "drop"}, {"weights": "norm"}])
def test_a_model_scores_there_as_on_the_cpu(family, backend, options):
    loaded, items = tiny.load(family), tiny.sequences(6)
    settings = {"roles": ROLES, "tokenizer": loaded.tokenizer, "backend": backend, **options}
    want = hs.score(loaded.network, items, **settings)
    far.put_module(loaded.network)
    found = hs.score(loaded.network, items, **settings)
    assert relative(found.values, want.values) <= 1e-5
    assert found.facts == want.facts


def test_capture_leaves_the_output_on_the_device():
    network, ids = tiny.network().eval(), torch.arange(8, 20).reshape(2, 6)
    with hs.capture(network, "local,sink") as want:
        network(input_ids=ids)
    far.put_module(network)
    with hs.capture(network, "local,sink") as found:
        output = network(input_ids=far.put(ids)).last_hidden_state
    assert output.device.type == "mps"
    assert relative(found.scores().values, want.scores().values) <= 1e-5
