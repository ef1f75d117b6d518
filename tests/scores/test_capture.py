"""Capture: scores of models that the user runs, without a change of their output."""

import numpy as np
import pytest
import torch
from helpers import families, tiny
from helpers.batches import relative
from helpers.eager import load
from transformers import GPT2LMHeadModel

import headscore as hs
from headscore.errors import InputError
from headscore.model import forward
from headscore.roles.specs import parse_roles
from headscore.scores import batches as running
from headscore.scores.batches import run_batches

ROLES = "local,delimiter,sink,offset:-1,offset:1,duplicate"
FAMILIES = {family.name: family for family in families.ALL}
SOME = ["modernbert", "gpt2", "llama", "mistral", "gemma2", "gpt_oss", "t5", "bloom"]


def batches(encoded, side, size=3, types=False):
    """Batches of ids and masks, padded on a side."""
    for start in range(0, len(encoded), size):
        part = encoded.take(np.arange(start, min(start + size, len(encoded))))
        ids, mask = part.grid(part.input_ids, 3), part.real.astype(np.int64)
        if side == "left":
            for row, n in enumerate(part.lengths):
                ids[row], mask[row] = np.roll(ids[row], -n), np.roll(mask[row], -n)
        batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if types and side == "right":
            batch["token_type_ids"] = torch.from_numpy(part.grid(part.token_types, 0))
        yield batch


def known_positions(network, batch):
    """Positions counted from the first real token, where a model takes them; else its own."""
    if getattr(network.config, "model_type", "") not in ("gpt2", "opt"):
        return {}
    return {"position_ids": (batch["attention_mask"].cumsum(1) - 1).clamp_min(0)}


RIGHT = [(name, "right") for name in (*SOME, "bert", "mpnet", "jamba")]
LEFT = [(name, "left") for name in SOME]  # not those whose positions or states count the padding


@pytest.mark.parametrize(("name", "side"), [*RIGHT, *LEFT])
def test_captured_scores_equal_a_run_and_the_output_is_unchanged(name, side):
    loaded = load(FAMILIES[name])
    network, tokenizer = loaded.network, loaded.tokenizer
    encoded = tiny.encode(loaded, tiny.sequences(7))
    before = network.config._attn_implementation
    inputs = [
        {**b, **known_positions(network, b)} for b in batches(encoded, side, types=name == "bert")
    ]
    if name == "gemma2":  # whose softcap transformers before 5.21 applies in eager attention alone
        network.set_attn_implementation(before := "eager")
    with torch.inference_mode():
        want = [network(**each) for each in inputs]
        with hs.capture(network, ROLES, tokenizer=tokenizer) as run:
            got = [network(**each) for each in inputs]
        network(**inputs[0])  # heard no more
    scores = run.scores()
    assert network.config._attn_implementation == before
    for each, mine, wanted in zip(inputs, got, want, strict=True):
        real = each["attention_mask"].bool()
        assert set(mine.keys()) == set(wanted.keys())
        torch.testing.assert_close(
            mine.last_hidden_state[real], wanted.last_hidden_state[real], atol=1e-4, rtol=1e-3
        )
    expected = run_batches(loaded, encoded, parse_roles(ROLES))
    assert relative(scores.values, expected.values) <= 1e-3
    assert relative(scores.attainable, expected.attainable) == 0
    assert scores.sequence_ids == tuple(map(str, range(7)))
    assert np.isfinite(hs.test(scores).table["mean"]).any()


def test_tokens_padded_on_the_right_stay_where_they_are(monkeypatch):
    monkeypatch.setattr(forward, "_gathered", None)  # would put them in another order
    loaded = load(FAMILIES["bert"])
    (batch,) = batches(tiny.encode(loaded, tiny.sequences(3)), "right", size=3)
    with torch.no_grad(), hs.capture(loaded.network, "local", tokenizer=loaded.tokenizer) as run:
        loaded.network(**batch)
    assert np.isfinite(run.scores().values).any()


def test_expect_gives_roles_their_word_pairs():
    loaded = load(FAMILIES["bert"])
    encoded = tiny.encode(loaded, tiny.sequences(4))
    want = run_batches(loaded, encoded, parse_roles(tiny.ROLES))
    with torch.no_grad(), hs.capture(loaded.network, tiny.ROLES) as run:
        for start in (0, 2):
            part = encoded.take(np.arange(start, start + 2))
            run.expect(part)
            loaded.network(**running.inputs(loaded, part))
    scores = run.scores()
    assert relative(scores.values, want.values) <= 1e-5
    assert scores.sequence_ids == encoded.ids
    assert (scores.entries == want.entries).all()


def test_capture_scores_the_evaluation_of_a_training_loop():
    config = tiny.network("gpt2").config
    torch.manual_seed(0)
    network = GPT2LMHeadModel(config)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    ids = torch.randint(5, 60, (2, 12), generator=torch.Generator().manual_seed(0))
    means = []
    for _ in range(2):
        network.train()
        network(ids, labels=ids).loss.backward()
        optimizer.step()
        network.eval()
        with hs.capture(network, "local,previous") as run:
            loss = network(ids, labels=ids).loss
        assert loss.requires_grad  # scoring is no part of the graph, and does not cut it
        means.append(run.scores().values.mean())
    assert means[0] != means[1]


def test_requested_attentions_stay_in_the_output():
    loaded = load(FAMILIES["mpnet"])
    (inputs,) = batches(tiny.encode(loaded, tiny.sequences(2)), "right")
    with torch.inference_mode(), hs.capture(loaded.network, "local") as run:
        shown = loaded.network(**inputs, output_attentions=True).attentions
    assert [each.shape[1] for each in shown] == [4, 4, 4]
    assert run.scores().values.shape == (2, 1, 3, 4)


def small():
    return load(FAMILIES["gpt2"]).network


IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda model: model.train()(IDS), "must be in eval mode, got one in train mode"),
        (lambda model: model(attention_mask=torch.ones(1, 4)), "called with input_ids, got None"),
        (lambda model: model(IDS[0]), r"called with input_ids (batch, T), got shape (4,)"),
        (lambda model: model(IDS[:0]), "a batch must have at least one sequence, got none"),
        (lambda model: model(IDS, output_attentions=True), "output_attentions must be off"),
        (lambda model: model(IDS, attention_mask=torch.ones(1, 1, 4, 4)), "shape of input_ids"),
        (lambda model: model(IDS, attention_mask=torch.zeros(1, 4)), "got one that is all padding"),
        (lambda model: model(IDS[:, :1], past_key_values=model(IDS).past_key_values),
         "must read whole sequences, got past_key_values"),
    ],
)  # fmt: skip
def test_unsupported_calls_raise(call, part):
    network = small()
    with hs.capture(network, "local") as run:
        with pytest.raises(InputError) as caught:
            call(network)
        network.eval()(IDS)
    assert part in str(caught.value)
    assert len(run.scores().values) >= 1


def test_a_batch_other_than_the_expected_one_raises():
    network = small()
    with hs.capture(network, "local") as run:
        run.expect(hs.Encoded.from_arrays([[5, 6, 7, 9]]))
        with pytest.raises(InputError, match="must be the one that was expected"):
            network(IDS)


def test_the_first_other_token_of_a_batch_is_named():
    network = small()
    with hs.capture(network, "local") as run:
        run.expect(hs.Encoded.from_arrays([[5, 6, 7], [8, 9, 10]]))
        with pytest.raises(InputError, match=r"tokens: 11 in place of 9 in sequence 1$"):
            network(torch.tensor([[5, 6, 7], [8, 11, 10]]))


def test_token_types_separate_the_texts_of_a_text_pair():
    loaded = load(FAMILIES["bert"])
    encoded = tiny.encode(loaded, tiny.sequences(6))
    want = run_batches(loaded, encoded, parse_roles("block,local"))
    assert np.isfinite(want.values[:, 0]).any()
    with (
        torch.no_grad(),
        hs.capture(loaded.network, "block,local", tokenizer=loaded.tokenizer) as run,
    ):
        loaded.network(**running.inputs(loaded, encoded))
    assert relative(run.scores().values, want.values) <= 1e-5


def test_a_relation_without_expect_raises():
    network = small()
    with hs.capture(network, "local,nsubj") as run:
        with pytest.raises(InputError, match=r"so nsubj has no sieve.*to Capture\.expect before"):
            network(IDS)
        run.expect(hs.Encoded.from_arrays(IDS, pairs={"nsubj": [[([0], [1])]]}))
        network(IDS)
    assert np.isfinite(run.scores().values[:, 0]).all()


def test_roles_without_a_score_warn_or_raise(caplog):
    drawn = hs.roles.from_pairs("coreference", {"s1": [([2], [1])]})
    network = small()
    with hs.capture(network, ["local", "delimiter", drawn]) as run:
        network(IDS)
    assert np.isnan(run.scores().values[:, 1:]).all()
    said = [record.getMessage() for record in caplog.records]
    assert any("delimiter has no sieve" in each for each in said)
    assert any("none of its sequence ids ('s1') is in the corpus, whose first are '0'" in each
               for each in said)  # fmt: skip
    with hs.capture(network, [drawn]) as run:
        network(IDS)
    with pytest.raises(InputError, match="none of the roles occurs in the corpus: coreference"):
        run.scores()


@pytest.mark.parametrize("name", ["gpt2", "mpnet"])
def test_a_second_run_of_a_captured_model_raises(name):
    loaded = load(FAMILIES[name])
    network = loaded.network
    encoded = tiny.encode(loaded, tiny.sequences(2))
    alone = r"must be scored by one run at a time, got another inside a capture"
    with torch.no_grad(), hs.capture(network, "local") as run:
        with pytest.raises(InputError, match=alone), hs.capture(network, "local"):
            pass
        with pytest.raises(InputError, match=alone):
            run_batches(loaded, encoded, parse_roles("local"))
        network(IDS)
    assert len(run.scores().values) == 1
    with hs.capture(network, "local"):
        pass


def test_scores_without_a_forward_pass_raise():
    with hs.capture(small(), "local") as run:
        pass
    with pytest.raises(InputError, match="must see at least one forward pass, got none"):
        run.scores()


def test_an_error_in_the_model_discards_the_pass():
    network = small()
    with hs.capture(network, "local") as run:
        handle = network.h[1].register_forward_pre_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            network(IDS)
        handle.remove()
        network(IDS)
    assert run.scores().values.shape == (1, 1, 3, 4)
    assert network.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("part", ["auto", "encoder"])
def test_the_encoder_of_an_encoder_decoder_is_captured(part):
    network = FAMILIES["bart"].network().eval()
    with torch.inference_mode():
        with hs.capture(network.get_encoder(), "local,previous") as run:
            network.get_encoder()(IDS)
        with hs.capture(network, "local,previous", part=part) as whole:
            network(IDS)
    assert (whole.scores().values == run.scores().values).all()


def test_embeddings_score_as_the_token_ids_they_stand_for():
    loaded = load(FAMILIES["gpt2"])
    network, roles = loaded.network, "local,previous,sink,duplicate"
    encoded = tiny.encode(loaded, tiny.sequences(5))
    (inputs,) = batches(encoded, "right", size=5)
    with torch.inference_mode():
        with hs.capture(network, roles, tokenizer=loaded.tokenizer) as run:
            network(**inputs)
        embedded = network.get_input_embeddings()(inputs["input_ids"])
        with hs.capture(network, roles, tokenizer=loaded.tokenizer) as other:
            network(inputs_embeds=embedded, attention_mask=inputs["attention_mask"])
    want, got = run.scores(), other.scores()
    assert (got.values[:, :3] == want.values[:, :3]).all()
    assert np.isnan(got.values[:, 3]).all()  # no token ids: no duplicates
    assert len(set(got.tokens.tolist())) == 5


def test_arguments_may_be_passed_by_position():
    loaded = load(FAMILIES["bert"])
    (inputs,) = batches(tiny.encode(loaded, tiny.sequences(3)), "right", types=True)
    with torch.inference_mode():
        with hs.capture(loaded.network, "local,block", tokenizer=loaded.tokenizer) as run:
            loaded.network(**inputs)
        with hs.capture(loaded.network, "local,block", tokenizer=loaded.tokenizer) as other:
            loaded.network(*inputs.values())
    np.testing.assert_array_equal(other.scores().values, run.scores().values)


def test_attention_weights_that_the_config_asks_for_raise():
    network = small()
    network.set_attn_implementation("eager")
    network.config.output_attentions = True
    with hs.capture(network, "local"), pytest.raises(InputError, match="must be off"):
        network(IDS)
    assert len(network(IDS).attentions) == 3


def test_special_tokens_inside_a_text_are_text():
    loaded = load(FAMILIES["bert"])
    tokenizer = loaded.tokenizer
    inputs = tokenizer("[UNK] [MASK] [UNK]", return_tensors="pt")
    encoded = hs.Encoded.from_arrays(inputs["input_ids"], special=[[1, 0, 0, 0, 1]])
    with torch.inference_mode():
        with hs.capture(loaded.network, "delimiter,delimiter_sep", tokenizer=tokenizer) as run:
            loaded.network(**inputs)
        with hs.capture(loaded.network, "delimiter,delimiter_sep") as other:
            other.expect(encoded)
            loaded.network(**inputs)
    assert (run.scores().values == other.scores().values).all()


def test_a_model_called_twice_inside_another_is_scored_twice():
    network = small()

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, ids):
            return self.network(ids), self.network(ids.flip(1))

    with torch.inference_mode(), hs.capture(network, "local") as run:
        Twice().eval()(IDS)
        network(IDS.flip(1))
    scores = run.scores()
    assert len(scores.values) == 3
    assert (scores.values[1] == scores.values[2]).all()
