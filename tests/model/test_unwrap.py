"""Wrapped models are scored as the model inside, or refused by a sentence with the true cause."""

import logging

import numpy as np
import pytest
import torch
from helpers import wrapped
from helpers.batches import relative

import headscore as hs
from headscore.errors import InputError
from headscore.model.unwrap import unwrap, unwrapped


def needing(*tables):
    """Cases of these tables, skipped where their package is not installed."""
    return [
        pytest.param(make, *rest, package, id=name)
        for table in tables
        for name, (make, package, *rest) in table.items()
    ]


def made(make, package):
    pytest.importorskip(package, reason=f"{package} is not installed")
    return wrapped.made(make)


@pytest.fixture(scope="module")
def plain():
    return wrapped.scores(wrapped.model())


@pytest.mark.parametrize(("make", "package"), needing(wrapped.WRAPPERS))
def test_a_wrapped_model_has_the_scores_of_the_model(make, package, plain):
    given = made(make, package)
    got = wrapped.scores(given)
    assert relative(got.values, plain.values) <= 1e-5
    call = given if isinstance(given, torch.nn.Module) else unwrapped(given)
    seen = wrapped.captured(given, call)
    assert relative(seen.values, plain.values) <= 1e-4


@pytest.mark.parametrize(("make", "part", "package"), needing(wrapped.REFUSED))
def test_other_functions_are_refused_with_the_cause(make, part, package):
    given = made(make, package)
    heads = [(0, 1)]
    for run in (
        lambda: wrapped.scores(given),
        lambda: hs.capture(given, "local").__enter__(),
        lambda: hs.ablate(given, heads).__enter__(),
        lambda: hs.knockout(given, "previous", heads).__enter__(),
        lambda: hs.validate(given, wrapped.TEXTS, {"previous": heads}, progress=False),
    ):
        with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
            run()
        assert part in str(caught.value)


def test_an_unknown_wrapper_of_nothing_is_refused():
    with pytest.raises(InputError, match="got Linear"):
        wrapped.scores(torch.nn.Linear(2, 2))


def test_code_of_other_libraries_is_refused():
    hooked = type("HookedTransformer", (torch.nn.Module,), {"__module__": "transformer_lens.x"})
    with pytest.raises(InputError, match="HookedTransformer computes attention by its own code"):
        unwrapped(hooked())


def test_nested_wrappers_are_unwrapped_with_one_log_line(caplog):
    caplog.set_level(logging.INFO, "headscore")
    inner = wrapped.model()
    outer = torch.nn.DataParallel(torch.compile(inner, backend="eager"))
    assert unwrapped(outer) is inner
    assert caplog.messages == ["DataParallel wraps LlamaForCausalLM, which is used"]
    assert unwrapped(inner) is inner
    assert len(caplog.messages) == 1


def test_a_pipeline_brings_its_tokenizer():
    pipe = wrapped.made(wrapped.pipeline)
    assert unwrap(pipe).tokenizer is pipe.tokenizer
    got = hs.score(pipe, wrapped.TEXTS, roles=wrapped.ROLES)
    assert relative(got.values, wrapped.scores(wrapped.model()).values) == 0


def test_changes_reach_the_model_inside():
    inner = wrapped.model()
    inputs, outer = wrapped.batch(), torch.nn.DataParallel(inner)
    with torch.no_grad():
        before = inner(**inputs).logits
        for change in (hs.ablate(outer, [(0, 1)]), hs.knockout(outer, "previous")):
            with change:
                changed = inner.forward(**inputs).logits  # past torch's hooks
            assert (changed - before).abs().max() > 1e-3
        assert (inner(**inputs).logits == before).all()


def test_a_model_is_compiled_inside_a_capture(plain):
    inner = wrapped.model()
    with torch.no_grad(), hs.capture(inner, wrapped.ROLES, tokenizer=wrapped.tokenizer()) as run:
        torch.compile(inner, backend="eager")(**wrapped.batch())
    assert relative(run.scores().values, plain.values) <= 1e-4


@pytest.fixture(scope="module")
def sentences(minilm_path):
    package = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    return package.SentenceTransformer(str(minilm_path), device="cpu")


def test_a_sentence_transformer_is_scored_with_its_tokenizer(sentences):
    inner = sentences[0].auto_model
    want = hs.score(inner, wrapped.TEXTS, roles="local,delimiter", tokenizer=sentences.tokenizer)
    got = hs.score(sentences, wrapped.TEXTS, roles="local,delimiter")
    assert relative(got.values, want.values) == 0
    # `encode` sorts texts by length, and calls `inner.forward` past torch's hooks.
    for given in (sentences, inner):
        own = sentences.tokenizer
        with hs.capture(given, "local,delimiter", tokenizer=own) as run:
            inner(**own(wrapped.TEXTS[:1], return_tensors="pt"))
            sentences.encode(wrapped.TEXTS[1:])
        seen = run.scores()
        order = [0, *sorted(range(1, 4), key=lambda n: -len(wrapped.TEXTS[n]))]
        assert relative(seen.values, want.values[order]) <= 1e-4


def test_a_cross_encoder_is_scored(minilm_path):
    package = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    encoder = package.CrossEncoder(str(minilm_path), device="cpu")
    pairs = [("bal dan gor", "mel"), ("der ban", "kels bor")]
    want = hs.score(encoder.model, pairs, roles="block", tokenizer=encoder.tokenizer)
    assert relative(hs.score(encoder, pairs, roles="block").values, want.values) == 0
    with hs.capture(encoder, "block") as run:
        encoder.predict(pairs, batch_size=2)
    seen = np.sort(run.scores().values, 0)  # in order of length
    assert relative(seen, np.sort(want.values, 0)) <= 1e-4


def test_a_transformer_bridge_is_scored(tmp_path):
    bridges = pytest.importorskip(
        "transformer_lens.model_bridge", reason="transformer-lens 4 is not installed"
    )
    wrapped.model().save_pretrained(tmp_path)
    wrapped.tokenizer().save_pretrained(tmp_path)
    bridge = bridges.TransformerBridge.boot_transformers(str(tmp_path), device="cpu")
    want = wrapped.scores(wrapped.model())
    assert relative(wrapped.scores(bridge).values, want.values) <= 1e-4
    seen = wrapped.captured(
        bridge, lambda **given: bridge(given["input_ids"], attention_mask=given["attention_mask"])
    )
    assert relative(seen.values, want.values) <= 1e-4
