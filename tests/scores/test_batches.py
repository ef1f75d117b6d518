"""Runs: batches and their order, out of memory, and non-finite scores."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.batches import relative
from hypothesis import given, settings
from hypothesis import strategies as st

from headscore.errors import BackendError, IncompleteError, InputError, UsageError
from headscore.model.load import load_model
from headscore.options import LoadOptions, RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores import batches as running
from headscore.scores.batches import batches_of, run_batches

ROLES = parse_roles("paper")
LOCAL = parse_roles("local")
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def loaded():
    return tiny.load("bert")


@pytest.fixture(scope="module")
def encoded(loaded):
    return tiny.encode(loaded, tiny.sequences(16))


@pytest.fixture(scope="module")
def whole(loaded, encoded):
    """All 16 sequences in one batch."""
    return run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=10**6))


@given(
    lengths=st.lists(st.integers(1, 60), max_size=60).map(np.array),
    budget=st.integers(1, 500),
)
def test_batches_hold_every_sequence_once_within_the_budget(lengths, budget):
    batches = batches_of(lengths.astype(int), budget)
    order = [int(index) for rows in batches for index in rows]
    assert sorted(order) == list(range(len(lengths)))
    for rows in batches:
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= budget


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=60).map(np.array),
    budget=st.integers(1, 500),
)
def test_batches_hold_neighbours_in_length_and_as_many_as_fit(lengths, budget):
    batches = batches_of(lengths, budget)
    sizes = [lengths[rows] for rows in batches]
    for size, following in pairwise(sizes):
        assert size.min() >= following.max()  # longest first: what does not fit is seen at once
        assert (len(size) + 1) * size.max() > budget  # one more would not have fitted


def test_the_same_run_gives_the_same_bits(loaded, encoded):
    first, second = (
        run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=150)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.attainable, second.attainable)


@pytest.mark.parametrize("budget", [1, 70, 333])
def test_the_batch_size_does_not_change_scores(loaded, encoded, whole, budget):
    scored = run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=budget))
    assert relative(scored.values, whole.values) <= TOLERANCE
    np.testing.assert_array_equal(scored.attainable, whole.attainable)
    assert scored.counts == {}


def test_a_sequence_alone_has_the_same_scores(loaded, encoded, whole):
    for s in range(len(encoded)):
        alone = run_batches(loaded, encoded.take(np.array([s])), ROLES)
        assert relative(alone.values[0], whole.values[s]) <= TOLERANCE


@settings(max_examples=10)
@given(order=st.permutations(range(16)), budget=st.integers(40, 400))
def test_results_come_in_corpus_order(loaded, encoded, whole, order, budget):
    scored = run_batches(
        loaded, encoded.take(np.array(order)), ROLES, RunOptions(batch_tokens=budget)
    )
    assert relative(scored.values, whole.values[order]) <= TOLERANCE
    np.testing.assert_array_equal(scored.attainable, whole.attainable[order])


def test_attainable_bounds_every_score_and_is_nan_where_they_are(whole):
    absent = np.isnan(whole.values)
    assert (absent == np.isnan(whole.attainable)[..., None]).all()
    assert (whole.values[~absent] >= 0).all()
    above = whole.values - whole.attainable[..., None] * (1 + 1e-5)
    assert np.nanmax(above) <= 0


def test_every_backend_gives_the_same_scores(loaded, encoded, whole, backend):
    scored = run_batches(loaded, encoded, ROLES, RunOptions(backend=backend))
    assert relative(scored.values, whole.values) <= TOLERANCE


@pytest.mark.parametrize(("asked", "other"), [("cpu", "reference"), ("reference", "cpu")])
def test_the_chosen_backend_computes_the_scores(loaded, encoded, whole, asked, other, monkeypatch):
    if running.backends.available()[asked] is not None:
        pytest.skip(f"the {asked} backend cannot run here")
    monkeypatch.delattr(getattr(running.backends, other), "scores_qk")
    scored = run_batches(loaded, encoded, ROLES, RunOptions(backend=asked))
    assert relative(scored.values, whole.values) <= TOLERANCE


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_inputs_equal_those_of_the_tokenizer(family):
    loaded = tiny.load(family)
    loaded.tokenizer.pad_token = loaded.tokenizer.pad_token or loaded.tokenizer.eos_token
    items = tiny.sequences(6)
    for chosen in (items[::2], items[1::2]):  # texts, then pairs of texts
        columns = zip(*[[s.text for s in each.segments] for each in chosen], strict=True)
        want = loaded.tokenizer(*map(list, columns), padding=True, return_tensors="pt")
        got = running.inputs(loaded, tiny.encode(loaded, chosen))
        assert sorted(got) == sorted(want)
        for name, tensor in want.items():
            assert torch.equal(got[name].cpu(), tensor)


def test_a_half_precision_model_is_scored(encoded):
    half = load_model(tiny.network("bert").bfloat16(), LoadOptions(tokenizer=tiny.tokenizer()))
    scored = run_batches(half, encoded, ROLES)
    assert (np.isnan(scored.values) == np.isnan(scored.attainable)[..., None]).all()


def test_the_longest_sequence_of_a_roberta_is_scored():
    loaded = tiny.load("roberta")
    rng = np.random.default_rng(0)
    encoded = tiny.encode(loaded, [tiny.Sequence("long", (tiny.segment(rng, 150),))])
    assert encoded.lengths.tolist() == [loaded.max_length]
    assert np.isfinite(run_batches(loaded, encoded, LOCAL).values).all()


@pytest.mark.parametrize(
    ("options", "error", "part"),
    [
        ({"batch_tokens": 0}, UsageError, "batch_tokens must be an integer of at least 1, got 0"),
        ({"batch_tokens": 2.5}, UsageError, "at least 1, got 2.5"),
        ({"on_nonfinite": "drop"}, UsageError, "one of error, skip, got 'drop'"),
        ({"backend": "gpu"}, UsageError, "one of auto, cuda, cpu, reference, got 'gpu'"),
    ],
)
def test_invalid_options_raise(loaded, encoded, options, error, part):
    with pytest.raises(error) as caught:
        run_batches(loaded, encoded, LOCAL, RunOptions(**options))
    assert part in str(caught.value)


def test_an_unavailable_backend_raises(loaded, encoded):
    if running.backends.available()["cuda"] is None:
        pytest.skip("the CUDA backend runs here")
    with pytest.raises(BackendError, match="the cuda backend cannot run: "):
        run_batches(loaded, encoded, LOCAL, RunOptions(backend="cuda"))


def with_other_tokenizer(family, tokens, **changes):
    network = tiny.network(family, **changes)
    return load_model(network, LoadOptions(tokenizer=tokens))


def enlarged(family):
    """A tokenizer with a pad token that its user has added."""
    tokens = tiny.tokenizer(family)
    tokens.add_special_tokens({"pad_token": "[NEW]"})
    return tokens


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (
            lambda: with_other_tokenizer("bert", tiny.tokenizer(), vocab_size=40),
            "^token ids must be below the model's 40 embeddings, got 6",
        ),
        (
            lambda: with_other_tokenizer(
                "gpt2", enlarged("gpt2"), vocab_size=len(tiny.VOCABULARY), eos_token_id=2
            ),
            f"^the pad token id must be below .*, got {len(tiny.VOCABULARY)}: the tokenizer does",
        ),
        (
            lambda: with_other_tokenizer("roberta", tiny.tokenizer("bert")),
            "^token type ids must be below the model's 1 embeddings, got 1",
        ),
    ],
)
def test_ids_outside_the_embeddings_raise(make, part):
    wrong = make()
    with pytest.raises(InputError, match=part):
        run_batches(wrong, tiny.encode(wrong, tiny.sequences(6)), LOCAL)


def test_nan_weights_raise_with_sequence_layer_and_head(encoded):
    broken = tiny.load("bert")
    broken.network.encoder.layer[1].attention.self.key.weight.data[16:24] = torch.nan
    longest = encoded.ids[encoded.lengths.argmax()]
    with pytest.raises(InputError) as caught:
        run_batches(broken, encoded, ROLES, RunOptions(batch_tokens=100))
    want = f"the attention of sequence '{longest}', layer 1, head 2 holds NaN or Inf"
    assert str(caught.value) == want


def corpus_with_bad_words(loaded, n_bad, n_sequences=200):
    """Short sequences, some of which hold the word whose embedding is spoiled."""
    items = tiny.sequences(n_sequences, longest=6)
    places = np.random.default_rng(1).choice(n_sequences, n_bad, replace=False)
    for place in places:
        items[place] = tiny.Sequence.from_text(
            f"{tiny.ROOTS[0]} {tiny.BAD_WORD}", id=items[place].id
        )
    return tiny.encode(loaded, items), sorted(places)


def spoiled():
    loaded = tiny.load("bert")
    word = tiny.VOCABULARY.index(tiny.BAD_WORD)
    loaded.network.embeddings.word_embeddings.weight.data[word] = torch.nan
    return loaded


def test_up_to_one_percent_of_non_finite_sequences_can_be_skipped(loaded):
    broken = spoiled()
    encoded, bad = corpus_with_bad_words(broken, 2)
    scored = run_batches(broken, encoded, ROLES, RunOptions(on_nonfinite="skip", position=False))
    assert scored.counts == {"nonfinite_skipped": 2}
    assert np.isnan(scored.values[bad]).all()
    assert np.isnan(scored.attainable[bad]).all()
    clean = run_batches(loaded, encoded, ROLES)
    good = np.delete(np.arange(200), bad)
    np.testing.assert_array_equal(scored.values[good], clean.values[good])
    np.testing.assert_array_equal(scored.attainable[good], clean.attainable[good])
    with pytest.raises(InputError, match="layer 0, head 0 holds NaN or Inf"):
        run_batches(broken, encoded, ROLES)


def test_skipped_sequences_add_nothing_to_the_position_sums(loaded):
    broken = spoiled()
    encoded, bad = corpus_with_bad_words(broken, 2)
    options = RunOptions(on_nonfinite="skip", batch_tokens=10**6)
    scored = run_batches(broken, encoded, ROLES, options)
    good = np.delete(np.arange(200), bad)
    clean = run_batches(loaded, encoded.take(good), ROLES, options)
    np.testing.assert_array_equal(scored.excess[good], clean.excess)
    np.testing.assert_array_equal(scored.position_sums, clean.position_sums)
    assert np.isnan(scored.excess[bad]).all()
    assert clean.position_sums.any()


def test_more_than_one_percent_of_non_finite_sequences_raise():
    broken = spoiled()
    encoded, _ = corpus_with_bad_words(broken, 3)
    with pytest.raises(IncompleteError, match="may be skipped as non-finite, got 3 of 200"):
        run_batches(broken, encoded, LOCAL, RunOptions(on_nonfinite="skip"))


def torch_on_a_gpu():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def torch_on_a_cpu():
    torch.empty(2**55, dtype=torch.float32)  # more than any machine maps


def numpy_itself():
    np.empty(2**55)


def python_itself():
    raise MemoryError


OUT_OF_MEMORY = [torch_on_a_gpu, torch_on_a_cpu, numpy_itself, python_itself]


def with_memory_for(most_sequences, run_out):
    """A model that runs out of memory on larger batches."""
    loaded = tiny.load("bert")

    def check(module, args, inputs):
        if len(inputs["input_ids"]) > most_sequences:
            run_out()

    loaded.network.register_forward_pre_hook(check, with_kwargs=True)
    return loaded


@pytest.mark.parametrize("run_out", OUT_OF_MEMORY)
def test_a_batch_out_of_memory_is_halved(encoded, whole, run_out):
    loaded = with_memory_for(3, run_out)
    scored = run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=10**6))
    assert scored.counts == {"batches_halved": 1 + 2 + 4}  # 16 = 8 + 8 = 4 * 4 = 8 * 2
    assert relative(scored.values, whole.values) <= TOLERANCE
    np.testing.assert_array_equal(scored.attainable, whole.attainable)


@pytest.mark.parametrize("run_out", OUT_OF_MEMORY)
def test_a_sequence_out_of_memory_raises(encoded, run_out):
    loaded = with_memory_for(0, run_out)
    longest = encoded.lengths.argmax()
    with pytest.raises(IncompleteError) as caught:
        run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=10**6))
    assert str(caught.value) == (
        "memory must hold at least one sequence, got out of it on "
        f"'{encoded.ids[longest]}' of {encoded.lengths[longest]} tokens"
    )
    assert loaded.network.config._attn_implementation == "sdpa"


def test_other_errors_of_torch_are_raised(encoded):
    def fail():
        raise RuntimeError("expected scalar type Float but found Half")

    loaded = with_memory_for(0, fail)
    with pytest.raises(RuntimeError, match="found Half"):
        run_batches(loaded, encoded, LOCAL)


def test_progress_advances_by_batch(loaded, encoded):
    sizes = []
    run_batches(loaded, encoded, LOCAL, RunOptions(batch_tokens=100), advance=sizes.append)
    assert sizes == [len(rows) for rows in batches_of(encoded.lengths, 100)]
