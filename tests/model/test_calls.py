"""Every forward pass is heard, and attention outside of one is an error."""

import copy

import pytest
import torch
from helpers import wrapped
from helpers.batches import relative

import headscore as hs
from headscore.errors import InputError
from headscore.model.calls import watching


def test_calls_past_the_hooks_are_heard():
    model, inputs = wrapped.model(), wrapped.batch()
    with torch.no_grad(), hs.capture(model, "local", tokenizer=wrapped.tokenizer()) as run:
        model(**inputs)
        model.forward(**inputs)
    assert "forward" not in vars(model)
    first, second = run.scores().values.reshape(2, 4, 1, 3, 4)
    assert relative(first, second) == 0


def test_a_part_that_is_called_alone_is_an_error():
    model, inputs = wrapped.model(), wrapped.batch()
    with torch.no_grad(), hs.capture(model, "local") as run:
        model(**inputs)
        with pytest.raises(InputError, match="must be called itself, got a call of a part"):
            model.model(**inputs)
        model(**inputs)
    model.model(**inputs)
    assert len(run.scores().values) == 8


def test_a_replica_of_another_device_is_an_error():
    model, inputs = wrapped.model(), wrapped.batch()
    with torch.no_grad(), hs.capture(model, "local") as run:
        replica = copy.copy(model)  # shares hooks and forward, as those of DataParallel
        with pytest.raises(InputError, match="must be called itself, got a copy"):
            replica(**inputs)
        model(**inputs)
    assert len(run.scores().values) == 4


def test_watching_nests_and_is_undone_in_any_order():
    model = torch.nn.Linear(2, 2)
    own = model.forward
    model.forward = lambda given: own(given) + 1  # as another library does
    kept, seen = model.forward, []
    blocks = [watching(model, lambda *_, n=n: seen.append(n)) for n in range(2)]
    for block in blocks:
        block.__enter__()
    model(torch.ones(1, 2))
    blocks[0].__exit__(None, None, None)
    model(torch.ones(1, 2))
    blocks[1].__exit__(None, None, None)
    model(torch.ones(1, 2))
    assert seen == [1, 0]
    model.forward = kept


def test_an_exception_ends_the_pass():
    model, seen = torch.nn.Linear(2, 2), []
    with watching(model, lambda *_: None, lambda *given: seen.append(given[-1])):
        with pytest.raises(RuntimeError, match="shapes"):
            model(torch.ones(1, 3))
        model(torch.ones(1, 2))
    assert seen[0] is None
    assert seen[1].shape == (1, 2)


def test_asking_for_attentions_by_the_config_is_asking():
    model, inputs = wrapped.model(), wrapped.batch()
    model.set_attn_implementation("eager")
    model.config.output_attentions = True
    want = wrapped.scores(wrapped.model())
    assert relative(wrapped.scores(model).values, want.values) == 0
    with (
        torch.no_grad(),
        hs.capture(model, "local"),
        pytest.raises(InputError, match="in the call and in the config"),
    ):
        model(**inputs)
