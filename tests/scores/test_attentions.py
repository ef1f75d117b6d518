"""score_attentions: attention given layer by layer, as transformers returns it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.batches import random_batch, relative

import headscore as hs
from headscore.scores import batches as running

ROLES = "local,delimiter,nsubj,block"


def attention_of(batch, layers, heads, seed=0, causal=False):
    """Random rows that sum to 1 over the real keys: a list of (batch, head, T, T)."""
    rng = np.random.default_rng(seed)
    n, tokens = batch.shape
    logits = rng.normal(size=(layers, n, heads, tokens, tokens)).astype(np.float32)
    real = np.arange(tokens) < batch.lengths[:, None]
    logits = np.where(real[:, None, None, :], logits, -np.inf)
    if causal:
        logits = np.where(np.tri(tokens, dtype=bool), logits, -np.inf)
    return list(torch.softmax(torch.from_numpy(logits), -1).numpy())


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_every_layer_agrees_with_the_loops(causal, convert):
    batch = random_batch(4, batch=3, tokens=14)
    attentions = attention_of(batch, layers=3, heads=2, causal=causal)
    scores = hs.score_attentions(
        tuple(map(convert, attentions)), batch.encoded(), ROLES, causal=causal
    )
    roles = ROLES.split(",")
    want = [batch.loop_scores(layer, roles, causal=causal) for layer in attentions]
    assert relative(scores.values, np.stack(want, axis=2)) <= 1e-5
    assert scores.roles == tuple(roles)
    assert scores.sequence_ids == ("0", "1", "2")
    assert scores.lengths.tolist() == batch.lengths.tolist()
    assert scores.values.dtype == np.float32


def test_one_tensor_of_all_layers_is_accepted():
    batch = random_batch(5, batch=2, tokens=9)
    attentions = attention_of(batch, layers=2, heads=3)
    stacked = hs.score_attentions(np.stack(attentions), batch.encoded(), ROLES)
    listed = hs.score_attentions(attentions, batch.encoded(), ROLES)
    np.testing.assert_array_equal(stacked.values, listed.values)


@pytest.mark.parametrize("causal", [False, True])
def test_attainable_follows_the_visibility(causal):
    batch = random_batch(6, batch=3, tokens=20)
    attentions = attention_of(batch, layers=2, heads=1, causal=causal)
    encoded = batch.encoded()
    scores = hs.score_attentions(attentions, encoded, ROLES, causal=causal)
    plan = hs.SievePlan.compile(ROLES, encoded)
    want = plan.arrays(hs.backends.Visibility(causal)).attainable
    for layer in range(2):
        np.testing.assert_array_equal(scores.attainable[:, :, layer], want)


def test_a_window_narrows_what_is_visible():
    batch = random_batch(7, batch=2, tokens=16)
    rng = np.random.default_rng(0)
    near = np.abs(np.subtract.outer(np.arange(16), np.arange(16))) <= 3
    real = np.arange(16) < batch.lengths[:, None]
    weights = rng.random((2, 2, 16, 16)) * near * real[:, None, None, :]
    attention = (weights / np.maximum(weights.sum(-1, keepdims=True), 1e-9)).astype(np.float32)
    scores = hs.score_attentions([attention], batch.encoded(), ROLES, window=3)
    want = batch.loop_scores(attention, ROLES.split(","), window=3)
    assert relative(scores.values[:, :, 0], want) <= 1e-5


def test_ids_and_documents_of_a_corpus_are_kept():
    loaded = tiny.load("bert")
    items = [
        hs.Sequence.from_text("bal dan", id="a", document="one"),
        hs.Sequence.from_text("gor", id="b"),
    ]
    encoded = tiny.encode(loaded, items)
    attentions = tiny.eager_attentions(loaded.network, running.inputs(loaded, encoded))
    scores = hs.score_attentions(attentions, encoded, "local")
    assert scores.sequence_ids == ("a", "b")
    assert scores.documents == ("one", None)
    assert hs.score_attentions(attentions, random_encoded(encoded), "local").documents is None


def random_encoded(encoded):
    return hs.Encoded.from_arrays(encoded.grid(encoded.input_ids, 0), encoded.lengths)


def test_half_precision_is_accepted_with_a_wider_tolerance():
    batch = random_batch(8, batch=2, tokens=12)
    attentions = [torch.from_numpy(each) for each in attention_of(batch, 2, 2)]
    want = hs.score_attentions(attentions, batch.encoded(), "local")
    got = hs.score_attentions([a.bfloat16() for a in attentions], batch.encoded(), "local")
    assert relative(got.values, want.values) <= 2e-2


def test_the_signature_holds_the_version_and_the_roles():
    batch = random_batch(9, batch=1, tokens=5)
    scores = hs.score_attentions(attention_of(batch, 1, 1), batch.encoded(), "local,sink")
    assert scores.signature == f"headscore:{hs.__version__}|roles:local,sink"


def changed(attentions, layer, at, value):
    attentions = [each.copy() for each in attentions]
    attentions[layer][at] = value
    return attentions


def test_layers_may_differ_in_their_heads_or_have_none():
    batch = random_batch(14, lengths=[24, 16])
    whole = attention_of(batch, layers=3, heads=3)
    want = hs.score_attentions(whole, batch.encoded(), ROLES)
    uneven = [whole[0], None, whole[2][:, :1]]
    scores = hs.score_attentions(uneven, batch.encoded(), ROLES)
    assert scores.heads.tolist() == [3, 0, 1]
    np.testing.assert_array_equal(scores.values[:, :, 0], want.values[:, :, 0])
    np.testing.assert_array_equal(scores.values[:, :, 2, 0], want.values[:, :, 2, 0])
    np.testing.assert_array_equal(scores.excess[:, :, 2, 0], want.excess[:, :, 2, 0])
    sums = scores.position_sums
    np.testing.assert_array_equal(sums[:, :, 2, 0], want.position_sums[:, :, 2, 0])
    assert sums[:, 2, 2, 0].all()
    assert not sums[:, :, 1].any()
    assert not sums[:, :, 2, 1:].any()
    assert np.isnan(scores.values[:, :, 1]).all()
    assert np.isnan(scores.attainable[:, :, 1]).all()
    assert np.isnan(scores.values[:, :, 2, 1:]).all()
    table = hs.test(scores).table
    status = table["status"].to_numpy().reshape(-1, 3, 3)
    assert set(status[:, 1].flat) == {"no_attention"}
    assert set(status[:, 2, 1:].flat) == {"no_head"}
    assert not {*status[:, 0].flat, *status[:, 2, 0]} & {"no_attention", "no_head"}


def test_hidden_roles_are_counted_in_layers_that_have_heads():
    batch = random_batch(14, lengths=[24, 16])
    one = torch.tril(torch.ones(2, 1, 24, 24))
    one /= one.sum(-1, keepdim=True)
    scores = hs.score_attentions([one, None], batch.encoded(), "local,offset:1", causal=True)
    assert scores.hidden.tolist() == [[0, 0], [2, 0]]


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="numpy lends no read-only arrays before"
)
def test_read_only_attention_is_not_copied(monkeypatch):
    batch = random_batch(13, lengths=[9, 4])
    attention = attention_of(batch, layers=1, heads=2)[0]
    want = hs.score_attentions([attention], batch.encoded(), ROLES)
    attention.flags.writeable = False
    seen = []
    score = hs.backends.score_attention
    monkeypatch.setattr(
        hs.backends,
        "score_attention",
        lambda tensor, *rest, **options: (
            seen.append(tensor.data_ptr()) or score(tensor, *rest, **options)
        ),
    )
    got = hs.score_attentions([attention], batch.encoded(), ROLES)
    np.testing.assert_array_equal(got.values, want.values)
    assert seen == [attention.ctypes.data]


JAX = """
import sys
import jax, numpy as np
import headscore as hs
attentions = [jax.numpy.asarray(each) for each in np.load(sys.argv[1])]
encoded = hs.Encoded.from_arrays(np.zeros((2, 9), int), [9, 4])
np.save(sys.argv[2], hs.score_attentions(attentions, encoded, "local,sink").values)
from headscore.backends.checks import as_tensor
shared = as_tensor("attention", attentions[0])
assert shared.data_ptr() == attentions[0].unsafe_buffer_pointer()
plan = hs.SievePlan.compile("local", encoded)
half = hs.sieve_scores(attentions[0].astype("bfloat16"), plan)
assert type(half) is np.ndarray and half.dtype == np.float32
query = jax.random.normal(jax.random.key(0), (2, 2, 9, 4))
from_qk = hs.sieve_scores_qk(query, query, plan)
np.testing.assert_array_equal(from_qk, hs.sieve_scores_qk(np.array(query), np.array(query), plan))
"""


def test_attention_of_jax_is_accepted(tmp_path):
    pytest.importorskip("jax")
    batch = random_batch(14, lengths=[9, 4])
    attentions = attention_of(batch, layers=2, heads=2)
    np.save(tmp_path / "attentions.npy", attentions)
    files = [str(tmp_path / name) for name in ("attentions.npy", "scores.npy")]
    subprocess.run(  # jax minds the processes that other tests fork
        [sys.executable, "-c", JAX, *files],
        check=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    encoded = hs.Encoded.from_arrays(np.zeros((2, 9), int), [9, 4])
    want = hs.score_attentions(attentions, encoded, "local,sink").values
    np.testing.assert_array_equal(np.load(files[1]), want)


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda _: [], "attentions must hold at least one layer, got none"),
        (lambda _: None, "got None: only a model loaded with attn_implementation='eager'"),
        (lambda _: (None, None, None), "attentions must be tensors, got None"),
        (lambda a: [a[0], a[1], "x"], "layer 2: attention must be a torch tensor, a numpy"),
        (lambda a: [a[0].astype(np.longdouble)], "layer 0: attention cannot be read as a tensor"),
        (lambda a: [a[0], a[1][0]], "layer 1: attention must have the shape (batch, head, Tq, Tk)"),
        (lambda a: [each[:1] for each in a], "layer 0: attention must have batch 2 and T 11"),
        (lambda a: [each[..., :9, :9] for each in a], "layer 0: attention must have batch 2"),
        (
            lambda a: changed(a, 2, (1, 1, 0, 0), np.nan),
            "layer 2: the attention of sequence 1, head 1 holds NaN or Inf",
        ),
        (
            lambda a: changed(a, 1, (0, 1, 2, 0), -0.5),
            "layer 1: the attention of sequence 0, head 1 has a negative entry",
        ),
        (
            lambda a: changed(a, 0, (1, 0, 0, 0), 2.0),
            "layer 0: the attention of sequence 1, head 0 has a row that does not sum to 1",
        ),
    ],
)
def test_invalid_attentions_raise(spoil, part):
    batch = random_batch(10, lengths=[11, 6])
    attentions = attention_of(batch, layers=3, heads=2)
    with pytest.raises(hs.InputError) as caught:
        hs.score_attentions(spoil(attentions), batch.encoded(), "local")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"roles": "local:x"}, "local must come as local:NUMBER, got 'local:x'"),
        ({"backend": "gpu"}, "backend must be one of auto"),
        ({"window": -1}, "window must be a whole number, at least 0, got -1"),
    ],
)
def test_invalid_options_raise(options, part):
    batch = random_batch(10, lengths=[11, 6])
    with pytest.raises(hs.UsageError) as caught:
        hs.score_attentions(
            attention_of(batch, 1, 1), batch.encoded(), **{"roles": "local", **options}
        )
    assert part in str(caught.value)


def test_attention_of_an_encoder_with_causal_raises():
    batch = random_batch(11, lengths=[8])
    with pytest.raises(hs.InputError, match="does not sum to 1 over its visible keys"):
        hs.score_attentions(attention_of(batch, 1, 1), batch.encoded(), "local", causal=True)


def test_a_batch_without_word_pairs_scores_nan():
    encoded = hs.Encoded.from_arrays([[5, 6, 7]], pairs={"nsubj": [[]]})
    scores = hs.score_attentions(iter([np.full((1, 2, 3, 3), 1 / 3)]), encoded, "nsubj")
    assert np.isnan(scores.values).all()
    assert scores.values.shape == (1, 1, 1, 2)
    assert np.isnan(scores.excess).all()
    assert not scores.position_sums.any()
    sets = hs.score_attentions([np.full((1, 2, 3, 3), 1 / 3)], encoded, "local")
    assert sets.excess is None
    assert sets.position_sums is None


def test_attention_with_zeros_above_the_diagonal_is_taken_as_causal(caplog):
    batch = random_batch(30, lengths=[12, 2, 1])
    attentions = attention_of(batch, layers=3, heads=2, causal=True)
    with caplog.at_level("INFO", "headscore"):
        found = hs.score_attentions([None, *attentions], batch.encoded(), ROLES)
    told = hs.score_attentions([None, *attentions], batch.encoded(), ROLES, causal=True)
    np.testing.assert_array_equal(found.values, told.values)
    np.testing.assert_array_equal(found.attainable, told.attainable)
    assert [r.message for r in caplog.records] == [
        "attention is taken as causal: it is exactly 0 above the diagonal in every layer, head and "
        "sequence (causal=False takes all keys as visible)"
    ]
    encoder = hs.score_attentions(attentions, batch.encoded(), ROLES, causal=False)
    want = [batch.loop_scores(layer, ROLES.split(",")) for layer in attentions]
    assert relative(encoder.values, np.stack(want, axis=2)) <= 1e-5


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_short_causal_sequences_score_the_same_told_or_not(tokens):
    batch = random_batch(31, lengths=[tokens, 1])
    attentions = attention_of(batch, layers=1, heads=1, causal=True)
    found = hs.score_attentions(attentions, batch.encoded(), "local,sink")
    told = hs.score_attentions(attentions, batch.encoded(), "local,sink", causal=True)
    np.testing.assert_array_equal(found.values, told.values)


def test_one_entry_above_the_diagonal_makes_an_encoder(caplog):
    batch = random_batch(32, lengths=[9, 6])
    attentions = attention_of(batch, layers=2, heads=2, causal=True)
    attentions[1][1, 0, 4] = np.eye(9, dtype=np.float32)[5]
    with caplog.at_level("INFO", "headscore"):
        found = hs.score_attentions(attentions, batch.encoded(), "local")
    told = hs.score_attentions(attentions, batch.encoded(), "local", causal=False)
    np.testing.assert_array_equal(found.values, told.values)
    assert not caplog.records


def test_padding_does_not_tell_whether_attention_is_causal():
    batch = random_batch(33, lengths=[9, 6])
    attentions = attention_of(batch, layers=2, heads=2, causal=True)
    for each in attentions:
        each[1, :, 6:] = 1 / 9  # rows of padding
    found = hs.score_attentions(attentions, batch.encoded(), "local")
    told = hs.score_attentions(attentions, batch.encoded(), "local", causal=True)
    np.testing.assert_array_equal(found.values, told.values)


def test_a_window_in_the_zeros_is_logged_with_its_layers(caplog):
    batch = random_batch(34, lengths=[10, 7])
    whole = attention_of(batch, layers=3, heads=2, causal=True)
    distance = np.subtract.outer(np.arange(10), np.arange(10))
    for each in whole[1:]:
        each *= distance < 4
        each /= np.maximum(each.sum(-1, keepdims=True), 1e-9)
    hs.score_attentions(whole, batch.encoded(), "local")
    hs.score_attentions(whole[1:], batch.encoded(), "local", window=4)
    assert [r.message for r in caplog.records if "window" in r.message] == [
        "attention is exactly 0 beyond the last 4 keys in layers 1, 2: if that is the window of "
        "the model, score these layers with window=4"
    ]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_attentions_of_a_decoder_score_as_the_model_does(name):
    loaded = tiny.load(name)
    encoded = tiny.encode(loaded, [hs.Sequence.from_text("bal dan gor bal", id="a")])
    attentions = tiny.eager_attentions(loaded.network, running.inputs(loaded, encoded))
    scores = hs.score_attentions(attentions, encoded, "local,sink")
    told = hs.score_attentions(attentions, encoded, "local,sink", causal=True)
    np.testing.assert_array_equal(scores.values, told.values)
