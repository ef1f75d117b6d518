"""Scores do not depend on torch's default dtype."""

import numpy as np
import pytest
import torch
from helpers import tiny

import headscore as hs


@pytest.fixture(params=[torch.float64, torch.bfloat16, torch.float16])
def default_dtype(request):
    """A default dtype of torch, set by calling it; float32 again afterwards."""
    yield lambda: torch.set_default_dtype(request.param)
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_model_scores_the_same_under_any_default_dtype(backend, default_dtype):
    model, items = tiny.network(), tiny.sequences(6)
    options = {"roles": "local,sink,nsubj", "tokenizer": tiny.tokenizer()}
    want = hs.score(model, items, backend=backend, **options)
    default_dtype()
    got = hs.score(model, items, backend=backend, **options)
    np.testing.assert_array_equal(got.values, want.values)
    np.testing.assert_array_equal(got.excess, want.excess)
