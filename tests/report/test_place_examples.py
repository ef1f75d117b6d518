"""Examples of pictures: tokens are rows and columns of patches."""

import numpy as np
import pytest
import torch
from helpers import places

import headscore as hs
from headscore.errors import InputError, UsageError

VIT = next(each for each in places.ALL if each.name == "vit")


def pictures(n):
    return {"pixel_values": torch.randn(n, 3, 16, 24, generator=torch.Generator().manual_seed(0))}


@pytest.fixture(scope="module")
def found():
    network, inputs = VIT.network(), pictures(5)
    with torch.no_grad(), hs.capture(network, "grid:1") as run:
        network(**inputs)
    shown = hs.examples(network, inputs, layer=1, head=2, role="grid:1", count=2)
    return shown, run.scores().values[:, 0, 1, 2]


def test_example_scores_equal_those_of_capture(found):
    shown, values = found
    order = np.argsort(-values)
    assert [each.id for each in shown.highest] == [str(n) for n in order[:2]]
    assert [each.id for each in shown.lowest] == [str(n) for n in order[:2:-1]]
    assert (shown.n, shown.mean) == (5, pytest.approx(values.mean()))
    for each in (*shown.highest, *shown.lowest):
        assert each.score == pytest.approx(values[int(each.id)], rel=1e-5)
        assert np.mean([pair.score for pair in each.pairs]) == pytest.approx(each.score, rel=1e-5)


def test_tokens_are_rows_and_columns(found, tmp_path):
    shown, _ = found
    first = shown.highest[0]
    assert first.tokens == ("#0", "0,0", "0,1", "0,2", "1,0", "1,1", "1,2")
    corner = next(pair for pair in first.pairs if pair.rows == (1,))
    assert corner.keys == (1, 2, 4, 5)  # the patch itself, right, below, and across
    assert any(" 0,0 -> 0,0 0,1 1,0 1,1   " in line for line in shown.lines())
    shown.to_html(tmp_path / "page.html")
    assert "1,2" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layer": 9}, UsageError, "layer must lie in 0..2, got 9"),
        ({"head": 4}, UsageError, "head must lie in 0..3, got 4"),
    ],
)
def test_what_cannot_be_shown_raises(options, error, message):
    chosen = {"layer": 0, "head": 0, "role": "grid:1", **options}
    with pytest.raises(error, match=message):
        hs.examples(VIT.network(), pictures(2), **chosen)


def test_the_model_must_be_loaded():
    with pytest.raises(InputError, match="model must be loaded where its inputs are tensors"):
        hs.examples("some/model", pictures(2), layer=0, head=0, role="grid:1")
