"""Which heads are meant."""

import numpy as np
import pandas as pd
import pytest

from headscore.causal.selection import heads_by_layer
from headscore.errors import InputError, UsageError
from headscore.model.route import Route

ROUTE = Route(4, (0, 1, 3), (2, 4, 2))  # layer 2 has no attention
TABLE = pd.DataFrame({"role": "sink", "layer": [3, 1, 3], "head": [1, 2, 1], "label": True})


@pytest.mark.parametrize(
    ("heads", "want"),
    [
        ([(3, 1), (0, 0), (3, 0), (3, 1)], {0: (0,), 3: (0, 1)}),
        ({(1, 3)}, {1: (3,)}),
        (iter([[1, 3]]), {1: (3,)}),
        (np.array([[1, 3], [0, 1]]), {0: (1,), 1: (3,)}),
        (TABLE, {1: (2,), 3: (1,)}),
        (None, {0: (0, 1), 1: (0, 1, 2, 3), 3: (0, 1)}),
    ],
)
def test_heads_are_grouped_by_layer_in_order(heads, want):
    assert heads_by_layer(heads, ROUTE) == want


@pytest.mark.parametrize(
    ("heads", "sentence"),
    [
        ("1.3", "must be .* pairs of integers.*, got '1.3'"),
        (7, "must be .* pairs of integers.*, got 7"),
        ((1, 3), "must be .* pairs of integers.*, got 1"),
        ([(1, 3.5)], r"must be .* pairs of integers.*, got \(1, 3.5\)"),
        ([(1, 2, 3)], r"must be .* pairs of integers.*, got \(1, 2, 3\)"),
        (TABLE[["role", "layer"]], "columns layer and head, got the columns role, layer"),
        ([], "must name at least one head, got none"),
        (TABLE[:0], "must name at least one head, got none"),
    ],
)
def test_what_is_no_list_of_heads_raises(heads, sentence):
    with pytest.raises(UsageError, match=sentence):
        heads_by_layer(heads, ROUTE)


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ((4, 0), r"layers of heads must lie in 0..3, got \(4, 0\)"),
        ((-1, 0), r"layers of heads must lie in 0..3, got \(-1, 0\)"),
        ((2, 0), r"heads must be of layers with attention, got \(2, 0\)"),
        ((3, 2), r"heads of layer 3 must lie in 0..1, got \(3, 2\)"),
        ((1, -1), r"heads of layer 1 must lie in 0..3, got \(1, -1\)"),
    ],
)
def test_heads_that_the_model_does_not_have_raise(head, sentence):
    with pytest.raises(InputError, match=sentence):
        heads_by_layer([(0, 0), head], ROUTE)
