"""Model folders that are damaged or made to do harm: one sentence, or what their bytes say."""

import shutil

import pytest
from helpers.benchmark_modules import benchmark_module

from headscore.errors import InputError

broken = benchmark_module("broken_inputs")
hostile = benchmark_module("hostile_inputs")


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    return {each.name: each for each in broken.models(tmp_path_factory.mktemp("models"))}


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
        "model.safetensors",
        "model.safetensors.index.json",
    ],
)
def test_flipped_bits_and_cuts_are_answered_or_read_as_the_bytes_say(formats, name):
    each = formats[name]
    whole = each.path.read_bytes()
    assert broken.outcome(each, whole) == "agreed"
    for what, data in broken.damaged(whole, max(1, len(whole) // 3)):
        assert broken.outcome(each, data) in ("answered", "agreed"), what
    each.path.write_bytes(whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "whole"
    broken.save_model(folder)
    return folder


FITS = "cannot load the model "
READ = "cannot load the tokenizer of "
ANSWERS = {
    "hidden_size 10^9": "must describe the weights that are there, 1648 bytes, got a network of ",
    "hidden_size -4": "Trying to create tensor with negative dimension",
    "hidden_size NaN": "expected int, got float (value: nan)",
    "hidden_size of 10^5 digits": "Exceeds the limit (4300 digits)",
    "10^9 layers": "num_hidden_layers of its config.json must be at most 2048, got 1000000000",
    "-1 layers": "must have num_hidden_layers in its config, got -1",
    "0 heads": FITS,
    "a vocabulary of 5 * 10^8": "1648 bytes, got a network of 2000000124 weights",
    "an epsilon of NaN": "holds NaN or Inf",
    "a config of depth 100 000": "maximum recursion depth exceeded",
    "a config that is a list": "Unrecognized model",
    "a config that is null": FITS,
    "dtype system": FITS,
    "attention of the hub": FITS,
    "an activation of another name": FITS,
    "pickled weights alone": "no safetensors weights, and pickled ones are not opened here",
    "a vocabulary id beyond the embeddings": "below the model's 10 embeddings, got 99",
    "a vocabulary id of 2^31": "its token ids must be below 16777216, got 2147483648",
    "a vocabulary id of -1": READ,
    "a pattern of exponential time": "must read every text, got PanicException: Onig: Regex search",
    "a pattern that is none": READ,
    "normalizers of depth 300": READ,
    "a tokenizer of depth 100 000": READ,
    "a special token that is nowhere": "must read every text, got PanicException: ",
    "a special token id of 500": "below the model's 10 embeddings, got 500",
    "a type id of 2^32 - 1": "must read every text, got OverflowError: value too large",
    "model_max_length -1": "model_max_length of the tokenizer must be a number of at least 1",
    "model_max_length NaN": "must be a number of at least 1, got nan",
    "model_max_length of letters": "must be a number of at least 1, got 'a'",
    "an added token of id 10^9": "'zz' must have the id of its files, 1000000000, got 8",
    "a pad token that is a number": READ,
}


@pytest.mark.parametrize("what", hostile.MODELS)
def test_hostile_folders_are_answered_by_one_sentence_or_read(tmp_path, whole, what):
    folder = shutil.copytree(whole, tmp_path / "model")
    hostile.MODELS[what](folder)
    if what not in ANSWERS:
        assert hostile.score(folder)().startswith("scores ")
        return
    with pytest.raises(InputError) as caught:
        hostile.score(folder)()
    assert ANSWERS[what] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "ran").exists()
