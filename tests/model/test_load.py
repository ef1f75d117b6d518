"""Loading models: shapes and limits, and a one-line error for each model that cannot be loaded."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
import transformers
from helpers import tiny
from safetensors.torch import load_file, save_file

from headscore.declarations import named
from headscore.errors import InputError, UsageError
from headscore.model.load import load_model, pad_id
from headscore.options import LoadOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import run_batches
from headscore.scores.provenance import weights_hash


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folder of a tiny BERT with its tokenizer."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    tiny.save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of it to spoil."""
    return shutil.copytree(saved, tmp_path / "bert")


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})


def refused(model, error=InputError, **options):
    """The sentence with which a model is refused."""
    with pytest.raises(error) as caught:
        load_model(model, LoadOptions(**options))
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def default_meta():
    """A default device without data, set by calling it; the CPU again afterwards."""
    yield lambda: torch.set_default_device("meta")
    torch.set_default_device(None)


@pytest.mark.parametrize("by_name", [True, False])
def test_meta_as_default_device_is_refused(saved, default_meta, by_name):
    model, tokenizer = tiny.network(), tiny.tokenizer()
    default_meta()
    sentence = refused(saved if by_name else model, UsageError, tokenizer=tokenizer)
    assert sentence == (
        "torch's default device must be one that holds data, got 'meta' (torch.set_default_device)"
    )


@pytest.mark.parametrize("convert", [str, lambda path: path])
def test_a_folder_is_loaded_with_its_tokenizer(saved, convert):
    loaded = load_model(convert(saved))
    assert (loaded.layers, loaded.heads, loaded.max_length) == (3, 4, 128)
    assert (loaded.name, loaded.dtype, loaded.device.type) == (
        str(saved),
        torch.float32,
        "cuda" if torch.cuda.is_available() else "cpu",
    )
    same = tiny.network("bert").state_dict()
    for name, weight in loaded.network.state_dict().items():
        assert torch.equal(weight.cpu(), same[name])
    assert loaded.tokenizer.tokenize("Badly") == tiny.tokenizer().tokenize("Badly")


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_layers_heads_and_max_length_of_every_family_are_read(family):
    loaded = tiny.load(family)
    layers = 2 if family == "distilbert" else 3
    # RoBERTa counts positions from the pad id, 3, on
    assert (loaded.layers, loaded.heads) == (layers, 4)
    assert loaded.max_length == (124 if family == "roberta" else 128)


def test_max_length_is_the_smaller_limit_of_model_and_tokenizer(saved):
    tokenizer = tiny.tokenizer()
    tokenizer.model_max_length = 64
    assert load_model(saved, LoadOptions(tokenizer=tokenizer)).max_length == 64
    tokenizer.model_max_length = int(1e30)  # what transformers says for: no limit
    assert load_model(saved, LoadOptions(tokenizer=tokenizer)).max_length == 128
    assert load_model(saved, LoadOptions(tokenizer=tokenizer, max_length=20)).max_length == 20


def test_a_model_without_a_limit_scores_long_sequences():
    network = tiny.network("llama", max_position_embeddings=10**30)
    tokenizer = tiny.tokenizer("llama")
    tokenizer.model_max_length = int(1e30)
    loaded = load_model(network, LoadOptions(tokenizer=tokenizer))
    encoded = tiny.encode(loaded, tiny.sequences(4, longest=90))
    assert encoded.lengths.max() > 128
    assert np.isfinite(run_batches(loaded, encoded, parse_roles("local")).values).all()


def test_a_loaded_model_keeps_its_mode_and_dtype():
    network = tiny.network("bert").double().train()
    loaded = load_model(network, LoadOptions(tokenizer=tiny.tokenizer()))
    assert loaded.network is network
    assert network.training
    assert (loaded.dtype, loaded.name) == (torch.float64, "BertModel")


def test_the_tokenizer_of_a_loaded_model_is_read_from_its_source(saved):
    network = load_model(saved).network
    assert load_model(network).tokenizer.get_vocab() == tiny.tokenizer().get_vocab()
    assert load_model(network, LoadOptions(tokenizer=str(saved))).name == str(saved)


def test_the_revision_is_part_of_the_name(saved):
    network = load_model(saved).network
    network.config._commit_hash = "0123abc"
    assert load_model(network).name == f"{saved}@0123abc"


@pytest.mark.parametrize(
    "dtype", [value for value in named(LoadOptions, "dtype")[1].allowed if value]
)
def test_the_dtype_option_sets_the_dtype(saved, dtype):
    assert load_model(saved, LoadOptions(dtype=dtype)).dtype == getattr(torch, dtype)


def test_weights_keep_the_dtype_they_were_saved_in(tmp_path):
    tiny.network("bert").half().save_pretrained(tmp_path)
    assert load_model(tmp_path, LoadOptions(tokenizer=tiny.tokenizer())).dtype == torch.float16


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"dtype": "int8"}, ["one of float32, bfloat16, float16, got 'int8'"]),
        ({"device": "gpu"}, ["device must be auto or one that torch has here, got "]),
        ({"device": "cuda:99"}, ["device must be auto or one that torch has here, got "]),
        ({"device": None}, ["device must be auto or one that torch has here, got "]),
        ({"max_length": 0}, ["max_length must be an integer of at least 1, got 0"]),
        ({"max_length": 129}, ["max_length must lie in 1..128 for ", "got 129"]),
        ({"max_length": 2.5}, ["max_length must be an integer of at least 1, got 2.5"]),
        ({"max_length": "12"}, ["max_length must be an integer of at least 1, got '12'"]),
    ],
)
def test_invalid_options_raise(saved, options, parts):
    sentence = refused(saved, error=UsageError, **options)
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize("options", [{"dtype": "float32"}, {"device": "cpu"}])
def test_device_and_dtype_raise_for_a_loaded_model(options):
    sentence = refused(tiny.network(), tokenizer=tiny.tokenizer(), error=UsageError, **options)
    assert "device and dtype must be left out where the model is loaded already" in sentence


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("no/such-model", "cannot load the model 'no/such-model': "),
        ("/no/such/folder", "'/no/such/folder': there is no such folder, and it is no hub id"),
        ("", "cannot load the model '': there is no such folder"),
        (None, "must be a hub id, a folder or a transformers model, got NoneType"),
        (3, "or a transformers model, got int"),
        (torch.nn.Linear(2, 2), "or a transformers model, got Linear"),
    ],
)
def test_an_unknown_model_raises(name, part):
    assert part in refused(name)


def test_a_file_raises(folder):
    path = folder / "pytorch_model.bin"
    torch.save(tiny.network().state_dict(), path)
    assert f"must be a hub id or a folder, got the file '{path}'" in refused(path)


def test_a_folder_without_a_config_raises(folder):
    (folder / "config.json").unlink()
    assert f"cannot load the model '{folder}': Unrecognized model" in refused(folder)


@pytest.mark.parametrize(
    ("text", "part"),
    [("{bad", "is not a valid JSON file"), ("{}", "Unrecognized model")],
)
def test_an_unreadable_config_raises(folder, text, part):
    (folder / "config.json").write_text(text)
    assert part in refused(folder)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"model_type": "strange"}, "model type `strange`"),
        ({"num_attention_heads": 5}, "is not a multiple of the number of attention heads (5)"),
        ({"hidden_size": "wide"}, "expected int, got str (value: 'wide')"),
        ({"hidden_size": 64}, "missing or of another shape, such as embeddings.LayerNorm.bias"),
        ({"num_hidden_layers": 4}, "got 16 missing or of another shape, such as encoder.layer.3."),
    ],
)
def test_a_config_that_does_not_match_the_weights_raises(folder, changes, part):
    change_config(folder, **changes)
    assert part in refused(folder)


@pytest.mark.parametrize("keep", [0, 9, 100, 0.5, 0.999])
def test_truncated_weights_raise(folder, keep):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    assert f"cannot load the model '{folder}': " in refused(folder)


def test_missing_weights_raise(folder):
    name = "encoder.layer.1.attention.self.query.weight"
    change_weights(folder, lambda weights: {k: w for k, w in weights.items() if k != name})
    sentence = refused(folder)
    assert f"the weights of '{folder}' must be those that its config.json describes" in sentence
    assert f"got 1 missing or of another shape, such as {name}" in sentence


def test_a_missing_pooler_is_ignored(folder):
    change_weights(folder, lambda weights: {k: w for k, w in weights.items() if "pooler" not in k})
    assert load_model(folder).layers == 3


def test_a_missing_pooler_does_not_change_the_hash_from_load_to_load(folder):
    change_weights(folder, lambda weights: {k: w for k, w in weights.items() if "pooler" not in k})
    first, second = (weights_hash(load_model(folder).network) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("pickled", [False, True])
def test_missing_or_pickled_weights_raise(folder, pickled):
    (folder / "model.safetensors").unlink()
    if pickled:
        torch.save(tiny.network().state_dict(), folder / "pytorch_model.bin")
    sentence = refused(folder)
    assert "no safetensors weights, and pickled ones are not opened" in sentence
    assert "use_safetensors=True" in sentence


def test_remote_code_is_not_run(folder):
    ran = folder / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    change_config(
        folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Own"}
    )
    assert "trust_remote_code=False" in refused(folder)
    change_config(folder, model_type="bert")  # one the library knows: its own code is used
    assert type(load_model(folder).network).__module__.startswith("transformers.")
    assert not ran.exists()


def test_a_folder_without_a_tokenizer_raises(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert f"'{folder}' holds no vocabulary of a tokenizer: pass one" in refused(folder)
    assert load_model(folder, LoadOptions(tokenizer=tiny.tokenizer())).max_length == 128


def test_an_unreadable_tokenizer_raises(folder):
    (folder / "tokenizer.json").write_text("{")
    sentence = refused(folder)
    assert f"cannot load the tokenizer of '{folder}': " in sentence
    assert sentence.endswith("; pass one as tokenizer")


@pytest.mark.parametrize(
    ("tokenizer", "part"),
    [
        ("/no/tokenizer", "cannot load the tokenizer of '/no/tokenizer': there is no such folder"),
        (3, "must be a hub id, a folder or a transformers tokenizer, got int"),
        (None, "BertModel does not say where its tokenizer is: pass one as tokenizer"),
    ],
)
def test_an_unknown_tokenizer_raises(tokenizer, part):
    assert part in refused(tiny.network(), tokenizer=tokenizer)


def test_batches_are_padded_with_eos_without_a_pad_token(caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        loaded = tiny.load("gpt2")
    assert "no pad token: batches are padded with eos and masked" in caplog.text
    assert pad_id(loaded.tokenizer) == loaded.tokenizer.eos_token_id
    bert = tiny.tokenizer("bert")
    assert pad_id(bert) == bert.pad_token_id == 3


def test_a_tokenizer_with_neither_pad_nor_eos_raises():
    tokenizer = tiny.tokenizer("gpt2")
    tokenizer.eos_token = None
    assert "neither a pad nor an eos token" in refused(tiny.network("gpt2"), tokenizer=tokenizer)


def test_only_the_encoder_of_an_encoder_decoder_is_loaded(tmp_path, caplog):
    sizes = {"d_model": 32, "num_hidden_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 64}
    network = tiny.network("bart", **sizes, encoder_attention_heads=4, decoder_attention_heads=4)
    network.save_pretrained(tmp_path)
    for given in (tmp_path, network):
        with caplog.at_level(logging.WARNING, "headscore"):
            loaded = load_model(given, LoadOptions(tokenizer=tiny.tokenizer()))
        assert "BartModel has a decoder too: its encoder is scored" in caplog.text
        assert (type(loaded.network).__name__, loaded.layers) == ("BartEncoder", 2)
        caplog.clear()


def test_a_model_without_token_ids_raises():
    network = tiny.network("vit", image_size=8, patch_size=4)
    assert "ViTModel must read token ids, got a model of pixel_values" in refused(
        network, tokenizer=tiny.tokenizer()
    )


def test_a_model_whose_attention_is_not_t_by_t_raises():
    network = tiny.network("longformer", attention_window=4, sep_token_id=2)
    sentence = refused(network, tokenizer=tiny.tokenizer())
    assert "the attention of all 3 layers of LongformerModel must pass through" in sentence
    assert "got 0 layers that pass through and 0 that return it" in sentence


@pytest.mark.parametrize(
    ("family", "loader", "kind"),
    [
        ("gpt2", transformers.AutoModelForCausalLM, "causal"),
        ("bert", transformers.AutoModelForMaskedLM, "masked"),
        ("bert", transformers.AutoModel, None),
        ("xlnet", transformers.AutoModel, None),
    ],
)
def test_a_model_is_loaded_with_the_head_that_its_config_names(tmp_path, family, loader, kind):
    sizes = {**tiny.CONFIGS[family], "pad_token_id": 3}
    network = loader.from_config(transformers.AutoConfig.for_model(family, **sizes))
    network.save_pretrained(tmp_path)
    tiny.tokenizer("bert").save_pretrained(tmp_path)
    loaded = load_model(tmp_path, head="auto").network
    assert type(loaded) is type(network)
    for name, weight in loaded.state_dict().items():
        if "pooler" not in name:
            assert torch.equal(weight, network.state_dict()[name])
    assert type(load_model(tmp_path).network) is type(network.base_model)
    if kind is not None:
        assert type(load_model(tmp_path, head=kind).network) is type(network)


def test_a_head_without_weights_is_refused(saved):
    with pytest.raises(InputError, match="missing or of another shape, such as cls"):
        load_model(saved, head="masked")


@pytest.mark.parametrize("named", ["BertForMaskedLM", "BertLMHeadModel"])
def test_a_head_that_the_config_names_without_weights_is_left_out(folder, caplog, named):
    change_config(folder, architectures=[named])
    with caplog.at_level(logging.WARNING, "headscore"):
        loaded = load_model(folder, head="auto").network
    assert type(loaded) is transformers.BertModel
    assert weights_hash(loaded) == weights_hash(load_model(folder).network)
    (record,) = (each for each in caplog.records if each.name == "headscore")
    assert "names a language-model head, but its weights are missing" in record.getMessage()


def test_other_missing_weights_are_refused_with_and_without_a_head(folder):
    change_config(folder, architectures=["BertForMaskedLM"])
    change_weights(folder, lambda weights: {k: v for k, v in weights.items() if "layer.2" not in k})
    with pytest.raises(InputError, match=r"missing or of another shape, such as encoder\.layer\.2"):
        load_model(folder, head="auto")
