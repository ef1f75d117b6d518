"""Weights that are no plain tensors in memory are read, and scored."""

import copy

import numpy as np
import pytest
import torch
from helpers import tiny, wrapped
from helpers.batches import relative

import headscore as hs
from headscore.errors import InputError
from headscore.model.devices import device_of, dtype_of
from headscore.options import UNKNOWN
from headscore.scores.provenance import weights_hash


def made(make, package):
    pytest.importorskip(package, reason=f"{package} is not installed")
    return wrapped.made(make)


@pytest.mark.filterwarnings("ignore")  # of the libraries that quantise
@pytest.mark.parametrize("name", wrapped.QUANTISED)
def test_quantised_models_are_scored_and_hashed(name):
    make, package = wrapped.QUANTISED[name]
    model = made(make, package)
    scores = wrapped.scores(model)
    want, other = weights_hash(model), weights_hash(wrapped.model())
    assert scores.facts["weights"] == want == weights_hash(wrapped.made(make))
    assert want != other
    assert len(want) == 12
    # Eager attention of the quantised model itself; one text at a time, as the scales of dynamic
    # quantisation are those of a batch, padding included.
    for text in wrapped.TEXTS:
        inputs = wrapped.tokenizer()(text, return_tensors="pt")
        with torch.no_grad(), hs.capture(model, wrapped.ROLES) as run:
            model(**inputs)
        model.set_attn_implementation("eager")
        with torch.no_grad():
            attentions = model(**inputs, output_attentions=True).attentions
        model.set_attn_implementation("sdpa")
        for layer, weights in enumerate(attentions):
            sink = _sink(weights[0].double().numpy())
            np.testing.assert_allclose(run.scores().values[0, 2, layer], sink, rtol=1e-4)


def _sink(attention__hqk):
    """Score of the role sink under causal attention: on the first key, times the visible keys."""
    visible = np.arange(1, attention__hqk.shape[1] + 1)
    return (attention__hqk[:, :, 0] * visible).mean(1)


def test_a_packed_weight_changes_the_hash():
    models = [tiny.network("llama", seed) for seed in (0, 0, 1)]
    with pytest.warns(DeprecationWarning, match="quantization"):
        packed = [wrapped.dynamic(model) for model in models]
    first, second, other = (weights_hash(each) for each in packed)
    assert first == second != other


@pytest.mark.parametrize("where", ["cpu", "disk"])
def test_offloaded_weights_are_hashed_as_the_plain_ones(where, tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    plain = wrapped.model()
    want = wrapped.scores(plain)
    if where == "disk":
        model = wrapped.on_disk(wrapped.model(), tmp_path)
    else:
        model = wrapped.offloaded(wrapped.model())
    away = [name for name, weight in model.named_parameters() if weight.is_meta]
    assert len(away) == {"cpu": 30, "disk": 9}[where]
    got = wrapped.scores(model)
    assert relative(got.values, want.values) == 0
    assert got.facts["weights"] == want.facts["weights"]
    assert [name for name, weight in model.named_parameters() if weight.is_meta] == away
    assert relative(wrapped.captured(model).values, want.values) <= 1e-4


def test_weights_without_data_are_refused_and_unknown():
    model = copy.deepcopy(wrapped.model()).to("meta")
    assert weights_hash(model) == UNKNOWN
    for run in (wrapped.scores, wrapped.captured):
        with pytest.raises(InputError, match="must have weights with data, got weights on 'meta'"):
            run(model)


def test_what_cannot_be_read_is_counted():
    plain, model = (torch.nn.Sequential(torch.nn.Linear(2, 2)) for _ in range(2))
    model[0].bias = torch.nn.Parameter(torch.empty(2, device="meta"))
    assert weights_hash(model).endswith(" without 1")
    assert weights_hash(plain) != weights_hash(model)


def test_sparse_weights_are_hashed():
    dense, sparse = (torch.nn.Linear(4, 4) for _ in range(2))
    sparse.load_state_dict(dense.state_dict())
    sparse.weight = torch.nn.Parameter(sparse.weight.detach().to_sparse())
    found = weights_hash(sparse)
    assert len(found) == 12
    assert found != weights_hash(dense)


def test_device_and_dtype_need_no_plain_weight():
    model = wrapped.made(wrapped.dynamic)
    assert device_of(model) == torch.device("cpu")
    assert dtype_of(model) == torch.float32
    assert dtype_of(wrapped.model().bfloat16()) == torch.bfloat16
