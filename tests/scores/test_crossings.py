"""Batches cross to the device once and back once: counted on a second device without a GPU."""

import numpy as np
import pytest
import torch
from helpers import crossings, families, tiny
from helpers.eager import load
from helpers.matching import items_of

from headscore import backends
from headscore.backends import transfer
from headscore.backends.contract import Visibility
from headscore.errors import InputError
from headscore.options import RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import batches_of, run_batches

ROLES = parse_roles("local,block,nsubj,amod")
FAMILIES = {family.name: family for family in families.ALL}


@pytest.fixture(autouse=True)
def _no_inference_mode(monkeypatch):
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # of which subclasses know nothing
    # The second device says that it is "meta", which has no kernels.
    monkeypatch.setattr(backends, "_WITH_KERNELS", ("cpu", "cuda", crossings.DEVICE.type))


def moved_runs(loaded, encoded, options, backend):
    """Scores of the second run of a model on the second device, and the crossings of both."""
    options = RunOptions(**options, backend=backend)
    counts = []
    with crossings.Second() as second:
        crossings.move(loaded.network)
        for _ in range(2):
            second.counts.clear()
            scores = run_batches(loaded, encoded, ROLES, options)
            counts.append(dict(second.counts))
    return scores, counts


CASES = {
    "bert": [{}, {"special": "drop"}, {"weights": "norm"}],
    "gpt2": [{}],
    "mistral": [{}],
    "gemma2": [{}],
    "modernbert": [{}],
    "t5": [{}],
    "xlnet": [{"special": "drop"}],
}


@pytest.mark.parametrize(
    ("name", "options"), [(name, each) for name, cases in CASES.items() for each in cases]
)
def test_a_batch_crosses_once_each_way(name, options):
    loaded = load(FAMILIES[name])
    encoded = tiny.encode(loaded, tiny.sequences(6))
    options = {"batch_tokens": 100, **options}
    batches = len(batches_of(encoded.lengths, 100))
    assert batches > 2
    want = run_batches(loaded, encoded, ROLES, RunOptions(**options, backend="reference"))
    loaded.visibilities.clear()
    got, (first, later) = moved_runs(loaded, encoded, options, "reference")
    once = {"to device": batches, "to host": batches}
    if "weights" in options:  # a trial at the start compares two vectors in each of 3 layers
        once = {"to device": batches + 1, "to host": batches + 2 * 3}
    assert later == once
    # What the first batches show of a model: plans for its visibilities, and the patterns of masks.
    assert first["to device"] <= batches + 2
    assert first["to host"] + first.get("waits", 0) <= batches + 12
    np.testing.assert_allclose(got.values, want.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.excess, want.excess, rtol=1e-3, atol=1e-3)


def test_the_cuda_backend_brings_back_no_further_columns(emulated_cuda, monkeypatch):
    loaded = tiny.load("bert", num_hidden_layers=2)
    encoded = tiny.encode(loaded, tiny.sequences(3))
    options = {"batch_tokens": 10**6}
    want = run_batches(loaded, encoded, ROLES, RunOptions(**options))
    sizes = []
    to_host = transfer.to_host

    def noted(tensor):
        sizes.append(tensor.numel())
        return to_host(tensor)

    monkeypatch.setattr(transfer, "to_host", noted)
    got, (_, later) = moved_runs(loaded, encoded, options, "cuda")
    assert later == {"to device": 1, "to host": 1}
    cells = got.values.size  # float32 scores and excess; int64 sums of 11 rows; faults; a doubt
    most = 8 * cells + 8 * 11 * cells // 3 + 3 * 2 * 4 + 1 + 5 * 8
    assert max(sizes) <= most
    np.testing.assert_allclose(got.values, want.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.excess, want.excess, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["bert", "gemma2"])
def test_matched_rows_come_back_with_the_scores(emulated_cuda, name):
    loaded = load(FAMILIES[name])
    encoded = tiny.encode(loaded, items_of(6))
    options = {"batch_tokens": 100, "control": "offset,upos"}
    want = run_batches(loaded, encoded, ROLES, RunOptions(**options)).matched
    loaded.visibilities.clear()
    got, (_, later) = moved_runs(loaded, encoded, options, "cuda")
    n_batches = len(batches_of(encoded.lengths, 100))
    assert later == {"to device": n_batches, "to host": n_batches}
    for one, other in zip(got.matched[1:], want[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(got.matched.attention, want.attention, rtol=1e-4, atol=1e-6)
    assert len(want.role)


def test_masks_that_are_not_as_expected_are_read():
    loaded = load(FAMILIES["bert"])
    encoded = tiny.encode(loaded, tiny.sequences(6))
    hear = loaded.network.forward

    def forward(attention_mask, **inputs):
        return hear(attention_mask=torch.ones_like(attention_mask), **inputs)

    want = run_batches(loaded, encoded, ROLES).values
    loaded.network.forward = forward
    alone = [run_batches(loaded, encoded.take(np.array([row])), ROLES).values for row in range(2)]
    np.testing.assert_allclose(np.concatenate(alone), want[:2], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="padding that is attended to"):
        run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=10**6))


def test_windows_that_only_longer_batches_show_are_found():
    loaded = load(FAMILIES["mistral"])
    short, long = (tiny.encode(loaded, tiny.sequences(1, longest=n)) for n in (1, 20))
    assert short.lengths.max() < 6 < long.lengths.max()
    want = run_batches(load(FAMILIES["mistral"]), long, ROLES).values
    run_batches(loaded, short, ROLES)
    assert set(loaded.visibilities.values()) == {Visibility(causal=True)}
    np.testing.assert_array_equal(run_batches(loaded, long, ROLES).values, want)
    assert set(loaded.visibilities.values()) == {Visibility(causal=True, window=6)}


def another_crossing(kind):
    """Something that anybody may write, and that crosses."""
    return {
        "item": lambda tensor: tensor.sum().item(),
        "bool": lambda tensor: bool((tensor > 0).any()),
        "cpu": lambda tensor: tensor.cpu(),
        "nonzero": lambda tensor: tensor.nonzero(),
        "mask": lambda tensor: tensor[tensor > 0],
        "to device": lambda tensor: torch.zeros(3).to(tensor.device),
        "copy_": lambda tensor: torch.zeros(()).copy_(tensor.sum()),
    }[kind]


@pytest.mark.parametrize("kind", ["item", "bool", "cpu", "nonzero", "mask", "to device", "copy_"])
def test_another_crossing_is_counted(kind):
    with crossings.Second() as second:
        tensor = torch.ones(4).to(crossings.DEVICE)
        second.counts.clear()
        another_crossing(kind)(tensor)
    assert sum(second.counts.values()) >= 1


def test_tensors_of_both_devices_do_not_mix():
    with crossings.Second():
        tensor = torch.ones(4).to(crossings.DEVICE)
        with pytest.raises(RuntimeError, match="tensors of both devices"):
            tensor + torch.ones(4)
