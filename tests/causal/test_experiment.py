"""The experiment: its arms against passes by hand, runs that go on, and refused input."""

import re

import numpy as np
import pytest
import torch
from helpers import tiny
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

import headscore as hs
from headscore.causal.experiment import run_experiment
from headscore.causal.replay import Replay
from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO
from headscore.encoding.encode import encode
from headscore.errors import InputError, UsageError
from headscore.options import ValidateOptions
from headscore.report.labelled import labelled_heads

HEADED = {"gpt2": AutoModelForCausalLM, "bert": AutoModelForMaskedLM, "llama": AutoModelForCausalLM}
SEQUENCES = tiny.sequences(10)
GIVEN = {"offset:-1": [(1, 0), (1, 2), (2, 1)]}


def network(family, loader=None, seed=0):
    torch.manual_seed(seed)
    sizes = {**tiny.CONFIGS[family], "pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2}
    return (loader or HEADED[family]).from_config(AutoConfig.for_model(family, **sizes)).eval()


def run(model, family, given=GIVEN, corpus=SEQUENCES, announce=lambda _: None, **options):
    chosen = ValidateOptions(
        **{
            "tokenizer": tiny.tokenizer(family),
            "sets": 2,
            "batch_tokens": 64,
            "progress": False,
            **options,
        }
    )
    return run_experiment(model, corpus, labelled_heads(given, chosen), chosen, announce)


def arm(values, name, number=0, role=None):
    (found,) = (
        each
        for each in values.arms
        if (each.arm, each.number) == (name, number) and role in (None, each.role)
    )
    return found


def same_arms(one, other):
    assert len(one.arms) == len(other.arms)
    for a, b in zip(one.arms, other.arms, strict=True):
        assert (a.role, a.arm, a.number, a.heads) == (b.role, b.arm, b.number, b.heads)
        for name in ("delta", "at_rows", "elsewhere", "divergence", "edges"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.fixture(scope="module")
def gpt2():
    return network("gpt2")


@pytest.fixture(scope="module")
def values(gpt2):
    return run(gpt2, "gpt2")


def next_token_losses(model):
    """Mean loss of each sequence, one pass each."""
    encoded = encode(SEQUENCES, tiny.tokenizer("gpt2"), max_length=128)
    losses = []
    for start, stop in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True):
        ids = torch.from_numpy(encoded.input_ids[start:stop])[None]
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0].double()
        found = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none")
        losses.append(float(found.mean()) if len(found) else np.nan)
    return np.array(losses)


def test_values_are_the_losses_of_passes_by_hand(gpt2, values):
    clean = next_token_losses(gpt2)
    np.testing.assert_allclose(values.clean, clean, atol=1e-5)
    heads = GIVEN["offset:-1"]
    by_hand = {
        KNOCKOUT: hs.knockout(gpt2, "offset:-1", heads),
        KEEP: hs.knockout(gpt2, "offset:-1", heads, keep=True),
    }
    for name, changed in by_hand.items():
        with changed:
            delta = next_token_losses(gpt2) - clean
        np.testing.assert_allclose(arm(values, name).delta, delta, atol=1e-5)
        assert np.nanmax(np.abs(delta)) > 1e-3
    zeroed = run(gpt2, "gpt2", how="zero")
    for each in zeroed.arms[-3:]:
        with hs.ablate(gpt2, each.heads):
            delta = next_token_losses(gpt2) - clean
        np.testing.assert_allclose(each.delta, delta, atol=1e-5)


def test_mean_ablation_uses_the_means_of_the_corpus(gpt2, values):
    encoded = encode(SEQUENCES, tiny.tokenizer("gpt2"), max_length=128)
    ids = torch.from_numpy(encoded.input_ids)
    outputs, projections = {}, [block.attn.c_proj for block in gpt2.transformer.h]
    hooks = [
        module.register_forward_pre_hook(
            lambda module, given: outputs.setdefault(module, []).append(given[0][0])
        )
        for module in projections
    ]
    with torch.inference_mode():
        for start, stop in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True):
            gpt2(input_ids=ids[start:stop][None])
    for hook in hooks:
        hook.remove()
    means = {
        layer: torch.cat(outputs[module]).mean(0).reshape(4, 8)
        for layer, module in enumerate(projections)
    }
    clean = next_token_losses(gpt2)
    found = arm(values, HEADS)
    with hs.ablate(gpt2, found.heads, how="mean", means=means):
        delta = next_token_losses(gpt2) - clean
    np.testing.assert_allclose(found.delta, delta, atol=1e-5)


def test_rows_and_edges_are_those_of_the_role(values):
    lengths = np.array([len(each) for each in tokens_of(SEQUENCES)])
    knockout, placebo = arm(values, KNOCKOUT), arm(values, PLACEBO)
    np.testing.assert_array_equal(knockout.edges, lengths - 1)
    assert (placebo.edges <= knockout.edges).all()
    assert placebo.edges.sum() > 0
    assert 0 <= placebo.same_offset <= 1
    assert not arm(values, HEADS).edges.any()
    # The first token alone has no token before it: its prediction is all that is elsewhere.
    changes = np.abs(knockout.elsewhere[lengths > 1])
    np.testing.assert_allclose(changes, 0, atol=1e-6)


def test_the_offsets_of_a_placebo_are_those_of_each_of_its_heads(gpt2):
    of_one, of_two = (
        arm(run(gpt2, "gpt2", given={"nsubj": heads}), PLACEBO).same_offset
        for heads in ([(1, 0)], [(1, 0), (2, 3)])
    )
    assert 0 < of_one == of_two


def tokens_of(sequences):
    encoded = encode(sequences, tiny.tokenizer("gpt2"), max_length=128)
    return np.split(encoded.input_ids, encoded.offsets[1:-1])


@pytest.mark.parametrize("family", ["gpt2", "bert", "llama"])
def test_heads_that_add_nothing_lose_nothing(family):
    model, heads = network(family), [(1, 0), (2, 3)]
    for name, module in model.named_modules():
        if name.endswith(("attn.c_proj", "attention.output.dense", "o_proj")):
            torch.nn.init.zeros_(module.weight)
    values = run(model, family, {"offset:-1": heads, "nsubj": heads})
    assert values.roles == ("offset:-1", "nsubj")
    assert len(values.arms) == 12
    for each in values.arms:
        known = ~np.isnan(values.clean)
        assert known.sum() >= len(known) - 2
        np.testing.assert_array_equal(each.delta[known], 0)
        np.testing.assert_array_equal(each.divergence[known], 0)


def test_batches_and_order_change_nothing_but_the_last_bits(gpt2, values):
    turned = run(gpt2, "gpt2", corpus=SEQUENCES[::-1], batch_tokens=1000)
    for one, other in zip(values.arms, turned.arms, strict=True):
        assert one.heads == other.heads
        np.testing.assert_allclose(one.delta, other.delta[::-1], atol=1e-6)
    same_arms(values, run(gpt2, "gpt2"))


def test_replayed_layers_change_no_bit(gpt2, values, monkeypatch):
    from headscore.causal import experiment

    monkeypatch.setattr(experiment, "_replay", lambda *_: Replay())
    same_arms(values, run(gpt2, "gpt2"))


def test_progress_is_shown_over_all_passes(gpt2, values, capsys):
    run(gpt2, "gpt2", progress=True)
    total = int(re.search(r"arms: .* 0/(\d+) ", capsys.readouterr().err)[1])
    assert total % len(SEQUENCES) == 0
    assert total > len(SEQUENCES) * len(values.arms)  # and a clean pass for each round of arms


def test_an_encoded_corpus_gives_the_same_bits(gpt2, values, tmp_path):
    encoded = hs.encode(SEQUENCES, tiny.tokenizer("gpt2"), max_length=128)
    encoded.save(tmp_path / "corpus.hse")
    for corpus in (encoded, tmp_path / "corpus.hse"):
        again = run(gpt2, "gpt2", corpus=corpus)
        same_arms(values, again)
        assert again.facts == values.facts
    with pytest.raises(UsageError, match="max_length must be left out"):
        run(gpt2, "gpt2", corpus=encoded, max_length=20)
    with pytest.raises(InputError, match="must be encoded with the tokenizer of the model"):
        run(gpt2, "gpt2", corpus=hs.encode(SEQUENCES, tiny.tokenizer("bert")))


def test_the_model_is_as_it_was(gpt2, values):
    del values
    before = gpt2.config._attn_implementation
    assert before != "headscore"
    assert not gpt2.training
    assert all("forward" not in vars(layer) for layer in gpt2.transformer.h)


def test_a_stopped_run_goes_on_and_gives_the_same_bits(gpt2, values, tmp_path, monkeypatch):
    from headscore.causal import experiment

    folder = tmp_path / "run"
    monkeypatch.setattr(experiment, "_ROUND", 2)
    done = []
    write = experiment.ArmFolder.write_arm

    def stop(self, *arguments):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(arguments)
        write(self, *arguments)

    monkeypatch.setattr(experiment.ArmFolder, "write_arm", stop)
    with pytest.raises(KeyboardInterrupt):
        run(gpt2, "gpt2", folder=folder)
    monkeypatch.undo()
    assert sorted(each.name for each in folder.iterdir()) == [
        "arm-0000.hs",
        "arm-0001.hs",
        "arm-0002.hs",
        "pilot.hs",
    ]
    said = []
    resumed = run(gpt2, "gpt2", folder=folder, announce=said.append)
    assert said[0].startswith("4 passes of about")
    same_arms(resumed, values)
    np.testing.assert_array_equal(resumed.clean, values.clean)
    assert resumed.facts == values.facts
    said.clear()
    same_arms(run(gpt2, "gpt2", folder=folder, announce=said.append), values)
    assert not said


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"sets": 3}, "sets is 2 there and 3 here"),
        ({"batch_tokens": 65}, "batch_tokens is 64 there and 65 here"),
        ({"corpus": SEQUENCES[1:]}, "corpus is"),
        ({"given": {"offset:-1": [(0, 0)]}}, "heads is"),
    ],
)
def test_the_folder_of_another_run_is_refused(gpt2, tmp_path, change, part):
    run(gpt2, "gpt2", folder=tmp_path)
    with pytest.raises(InputError, match="belongs to another run") as caught:
        run(gpt2, "gpt2", folder=tmp_path, **change)
    assert part in str(caught.value)


@pytest.mark.parametrize("metric", ["kl", "masked_nll"])
def test_the_folder_of_other_masked_tokens_is_refused(metric, tmp_path):
    model = network("bert")
    run(model, "bert", folder=tmp_path, metric=metric)
    with pytest.raises(InputError, match=r"masked is 0\.15 there and 0\.3 here"):
        run(model, "bert", folder=tmp_path, metric=metric, masked=0.3)


def test_the_folder_of_another_function_of_that_name_is_refused(gpt2, tmp_path):
    def largest(outputs, inputs):
        return outputs.logits.amax((1, 2))

    run(gpt2, "gpt2", folder=tmp_path, metric=largest)
    run(gpt2, "gpt2", folder=tmp_path, metric=largest)

    def largest(outputs, inputs):
        return -outputs.logits.amin((1, 2))

    with pytest.raises(InputError, match="another run: the metric of the clean pass for sequence"):
        run(gpt2, "gpt2", folder=tmp_path, metric=largest)


def test_other_files_in_the_folder_are_left_alone(gpt2, tmp_path):
    scores = hs.HeadScores.from_arrays(np.ones((2, 1, 3, 4), np.float32), ["sink"])
    scores.save(tmp_path / "run.hs")
    run(gpt2, "gpt2", folder=tmp_path)
    assert hs.load(tmp_path / "run.hs").roles == ("sink",)


@pytest.mark.parametrize("batch_tokens", [1, 30, 64])
def test_no_batch_to_resample_from_has_a_single_sequence(gpt2, batch_tokens):
    values = run(gpt2, "gpt2", how="resample", batch_tokens=batch_tokens)
    known = ~np.isnan(values.clean)
    assert np.isfinite(arm(values, HEADS).delta[known]).all()
    assert np.abs(arm(values, HEADS).delta[known]).max() > 1e-3
    assert values.facts["batch_tokens"] == str(batch_tokens)
    with pytest.raises(InputError, match="needs a corpus of at least 2 sequences"):
        run(gpt2, "gpt2", how="resample", corpus=SEQUENCES[:1])
    run(gpt2, "gpt2", how="resample", corpus=SEQUENCES[:2])


@pytest.mark.parametrize("metric", ["auto", "nll", "kl"])
def test_a_model_that_sees_the_next_token_has_no_loss_of_it(metric):
    with pytest.raises(InputError, match="tokens do not see the next ones, got BertLMHeadModel"):
        run(network("bert", AutoModelForCausalLM), "bert", metric=metric)


def test_a_damaged_arm_is_named(gpt2, tmp_path):
    run(gpt2, "gpt2", folder=tmp_path)
    path = tmp_path / "arm-0001.hs"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"arm-0001\.hs.*delete it to have it computed again"):
        run(gpt2, "gpt2", folder=tmp_path)


@pytest.mark.parametrize(
    ("family", "loader", "metric", "unit"),
    [
        ("gpt2", None, "kl", "nats a token"),
        ("bert", None, "masked_nll", "nats a token"),
        ("bert", AutoModel, "auto", "1 - cosine"),
        ("bert", None, "cosine", "1 - cosine"),
        ("bert", AutoModelForSequenceClassification, "auto", "1 - cosine"),
        ("gpt2", AutoModelForSequenceClassification, "cosine", "1 - cosine"),
    ],
)
def test_every_metric_is_measured(family, loader, metric, unit):
    values = run(network(family, loader), family, metric=metric)
    assert values.unit == unit
    for each in values.arms:
        assert np.isfinite(each.delta).sum() >= len(SEQUENCES) - 1
        assert (each.divergence[np.isfinite(each.divergence)] >= -1e-9).all()


def test_a_function_measures_what_it_returns(gpt2):
    def largest(outputs, inputs):
        return outputs.logits[inputs["attention_mask"].bool().any(1)].amax((1, 2))

    values = run(gpt2, "gpt2", metric=largest)
    assert (values.unit, values.facts["metric"]) == ("largest", "largest")
    assert np.isfinite(arm(values, HEADS).delta).all()
    assert np.isnan(arm(values, HEADS).at_rows).all()


def test_the_share_of_masked_tokens_is_a_fact_of_every_metric_that_masks():
    model = network("bert")
    for metric, share in (("masked_nll", "0.2"), ("kl", "0.2"), ("cosine", None)):
        values = run(model, "bert", metric=metric, masked=0.2)
        assert values.facts.get("masked") == share


def test_windows_and_layers_without_attention():
    config = {"layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 6}
    sizes = {**tiny.SIZES, "num_hidden_layers": 4, "num_key_value_heads": 2, "head_dim": 8}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model("gemma2", **{**sizes, **config, "pad_token_id": 3})
    )
    heads = [(1, 0), (2, 0), (2, 1)]
    values = run(model.eval(), "llama", {"sink": heads}, corpus=tiny.sequences(4, longest=12))
    lengths = np.array([len(each) for each in tokens_of(tiny.sequences(4, longest=12))])
    # A row of the full layer sees the first token always, those of the two heads of the window
    # only the first six rows.
    expected = np.rint((lengths + 2 * np.minimum(lengths, 6)) / 3)
    np.testing.assert_array_equal(arm(values, KNOCKOUT).edges, expected)
    assert np.isfinite(arm(values, PLACEBO).delta).all()


def test_arms_that_cannot_be_tried_are_named_with_the_reason(gpt2):
    every = [(1, head) for head in range(4)]
    values = run(gpt2, "gpt2", {"offset:-1": every, "offset:1": [(0, 0)], "nsubj": [(0, 0)]})
    assert values.roles == ("offset:-1", "nsubj")
    assert values.not_tried == {
        "offset:1": "offset:1 points only to tokens that are not visible",
        "offset:-1: matched": "every head of its layers has the role",
    }
    assert {each.arm for each in values.arms if each.role == "offset:-1"} == {
        KNOCKOUT,
        PLACEBO,
        KEEP,
        HEADS,
    }


def test_roles_that_do_not_occur_are_named(gpt2):
    given = {"iobj": [(0, 1)], "offset:-1": [(1, 0)]}
    values = run(gpt2, "gpt2", given)
    assert values.roles == ("offset:-1",)
    assert values.not_tried["iobj"].startswith("no pair of relation 'iobj' in the corpus")
    assert values.facts["roles"] == "offset:-1"
    with pytest.raises(InputError, match="the text is not parsed, so iobj has no sieve"):
        run(gpt2, "gpt2", given, corpus=["dal bem", "gol"])


def test_models_without_queries_and_keys_lose_heads_only():
    torch.manual_seed(0)
    config = {"attention_types": [[["global", "local"], 1]], "num_layers": 2, "window_size": 6}
    sizes = {"vocab_size": 200, "hidden_size": 32, "num_heads": 4, "pad_token_id": 3}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt_neo", **sizes, **config))
    values = run(model.eval(), "gpt2", {"offset:-1": [(1, 0)]})
    assert set(values.not_tried) == {f"offset:-1: {name}" for name in (KNOCKOUT, PLACEBO, KEEP)}
    assert {each.arm for each in values.arms} == {HEADS, MATCHED}


@pytest.mark.parametrize(
    ("given", "options", "error", "part"),
    [
        ({"offset:-1": [(3, 0)]}, {}, InputError, "layers of heads must lie in 0..2"),
        ({"offset:-1": [(0, 4)]}, {}, InputError, "heads of layer 0 must lie in 0..3"),
        ({"offset:-1": ["ab"]}, {}, InputError, "must be (layer, head) pairs of integers"),
        ({"offset:-1": []}, {}, UsageError, "must be those that some head has"),
        ({"paper": [(0, 0)]}, {}, UsageError, "must be one role, got the set 'paper'"),
        ({"offset:-1": [(0, 0)]}, {"roles": "sink"}, UsageError, "must be those of the report"),
        ({"offset:-1": [(0, 0)]}, {"metric": "masked_nll"}, InputError, "language-model head"),
        ({"offset:-1": [(0, 0)]}, {"sets": 0}, UsageError, "sets must be"),
        ({"offset:-1": [(0, 0)]}, {"metric": "loss"}, UsageError, "metric must be"),
        ({"offset:1": [(0, 0)]}, {}, InputError, "no role can be tried: offset:1 points only"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(gpt2, given, options, error, part):
    with pytest.raises(error) as caught:
        run(gpt2, "gpt2", given, **options)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_a_head_has_no_loss():
    with pytest.raises(InputError, match="language-model head"):
        run(network("gpt2", AutoModel), "gpt2", metric="nll")


def test_outputs_that_are_not_finite_are_refused():
    model = network("gpt2")
    with torch.no_grad():
        model.transformer.ln_f.bias[0] = float("nan")
    with pytest.raises(InputError, match="the clean pass must be finite, got nan for sequence"):
        run(model, "gpt2")
