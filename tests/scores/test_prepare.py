"""Batches are prepared whole: nothing of a plan is left to the process that runs the model."""

import pickle

import pytest
from helpers.batches import random_batch

from headscore.backends.contract import Visibility
from headscore.options import RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.prepare import Facts, prepare
from headscore.sieves import batch_plan

ROLES = parse_roles("local,nsubj,obj@both")
VISIBILITIES = (Visibility(), Visibility(causal=True), Visibility(causal=True, window=4))


@pytest.mark.parametrize(("device", "backend"), [("cpu", "cpu"), ("cpu", "reference")])
@pytest.mark.parametrize("special", ["keep", "drop"])
def test_plans_of_known_visibilities_are_computed(device, backend, special, monkeypatch):
    batch = random_batch(5, batch=3, tokens=20).encoded()
    facts = Facts(0, token_types=False, device=device, backend=backend, visibilities=VISIBILITIES)
    found = pickle.loads(pickle.dumps(prepare(facts, ROLES, RunOptions(special=special), batch)))
    assert found.visibilities == VISIBILITIES
    # A plan that is computed only now would raise.
    monkeypatch.setattr(batch_plan, "plan_under", None)
    for visibility in VISIBILITIES:
        assert len(found.plan.arrays(visibility).lengths) == 3


def test_a_window_over_all_tokens_is_none():
    batch = random_batch(5, batch=3, tokens=20).encoded()
    facts = Facts(0, token_types=False, device="cpu", backend="cpu", visibilities=(
        Visibility(causal=True), Visibility(causal=True, window=20)
    ))  # fmt: skip
    assert prepare(facts, ROLES, RunOptions(), batch).visibilities == (Visibility(causal=True),)
