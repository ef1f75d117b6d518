"""Facts and tables of saved results that do not fit together are refused when they are loaded."""

from dataclasses import replace

import numpy as np
import pytest

import headscore as hs
from headscore import files
from headscore.errors import InputError


@pytest.fixture(scope="module")
def stored():
    values = np.random.default_rng(0).gamma(2, 2, (20, 2, 2, 3)).astype(np.float32)
    return hs.test(hs.HeadScores.from_arrays(values, ["a", "b"])).stored()


def loaded(stored, folder):
    files.write(folder / "a.hs", stored)
    return hs.load(folder / "a.hs")


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("alpha", "1.5", "a number between 0 and 1, got '1.5'"),
        ("alpha", "9" * 5000, "a number between 0 and 1"),
        ("alpha", None, "a number between 0 and 1, got None"),
        ("tau", "nan", "a number, or one for each role, got 'nan'"),
        ("adjust", "twice", "one of holm, "),
        ("criterion", "", "mean or attained"),
        ("looks", "0", "a number of looks"),
    ],
)
def test_facts_that_cannot_be_read_raise(stored, tmp_path, name, text, rule):
    facts = {key: each for key, each in {**stored.facts, name: text}.items() if each is not None}
    with pytest.raises(InputError, match=f"the fact {name} must be {rule}"):
        loaded(replace(stored, facts=facts), tmp_path)


def test_counts_and_roles_that_are_missing_raise(stored, tmp_path):
    with pytest.raises(InputError, match="counts must have sequences, got"):
        loaded(replace(stored, counts={}), tmp_path)
    with pytest.raises(InputError, match="roles must be at least one, each once, got"):
        loaded(replace(stored, roles=("a", "a")), tmp_path)


@pytest.mark.parametrize(
    ("column", "texts", "message"),
    [
        ("verdict", ["maybe"] * 12, "column verdict must hold one of has, has_not, undecided"),
        ("model", [None] * 12, "column model must hold texts, got None"),
        ("status", ["ok"] * 11 + [""], "column status must hold one of no_attention, "),
    ],
)
def test_texts_that_are_not_allowed_raise(stored, tmp_path, column, texts, message):
    with pytest.raises(InputError, match=message):
        loaded(replace(stored, arrays={**stored.arrays, column: files.pack(texts)}), tmp_path)


@pytest.mark.parametrize("layer", [-1, 7, 2**62])
def test_cells_out_of_order_raise(stored, tmp_path, layer):
    layers = stored.arrays["layer"].copy()
    layers[-1] = layer
    with pytest.raises(InputError, match="table must have the rows of each role layer by layer"):
        loaded(replace(stored, arrays={**stored.arrays, "layer": layers}), tmp_path)
