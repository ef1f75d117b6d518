"""Numbers of layers and heads in a config.json: no head that a model has is refused."""

import json

import pytest
from helpers import families, tiny

from headscore.errors import UsageError
from headscore.model.described import check_described

IN_PARTS = (*(family.name for family in families.MULTIMODAL), "mpt")  # parts with own configs
LARGER = ("bamba", "xlnet")  # their configs have larger numbers of other heads


def described(folder, config):
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("family", families.ONE_STACK, ids=lambda family: family.name)
def test_heads_that_a_family_has_are_accepted_and_others_refused(family, tmp_path):
    family.network().config.to_json_file(tmp_path / "config.json")
    layers, heads = len(family.layers), max(family.heads_per_layer)
    check_described(str(tmp_path), layers - 1, heads - 1)
    if family.name in IN_PARTS:
        check_described(str(tmp_path), 99, 99)
        return
    with pytest.raises(UsageError, match=rf"layer must lie in 0\.\.{layers - 1}, got {layers}$"):
        check_described(str(tmp_path), layers, 0)
    if family.name not in LARGER:
        with pytest.raises(UsageError, match=rf"head must lie in 0\.\.{heads - 1}, got {heads}$"):
            check_described(str(tmp_path), 0, heads)


def test_layers_per_group_are_counted(tmp_path):
    config = {**tiny.SIZES, "num_hidden_layers": 2, "inner_group_num": 3}
    name = described(tmp_path, config)
    check_described(name, 5, 0)
    with pytest.raises(UsageError, match=r"layer must lie in 0\.\.5, got 6"):
        check_described(name, 6, 0)


@pytest.mark.parametrize(
    "config",
    [
        {},
        [1],
        {"n_head": "4", "n_layer": None},
        {"text_config": {"model_type": "llama"}, "num_hidden_layers": 2, "num_attention_heads": 2},
        {"block_sizes": [4, 4, 4], "num_decoder_layers": 2},  # Funnel has 12 layers
    ],
)
def test_a_config_that_is_not_understood_refuses_nothing(config, tmp_path):
    check_described(described(tmp_path, config), 99, 99)


def test_a_model_without_a_config_refuses_nothing(tmp_path):
    check_described(str(tmp_path), 99, 99)
    (tmp_path / "config.json").write_text("no JSON")
    check_described(str(tmp_path), 99, 99)
    for name in ("no/such/model", "no/hub/id/../x", ""):
        check_described(name, 99, 99)


def test_the_config_of_a_model_in_the_cache_of_the_hub_is_read(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--some--model"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    described(folder / "snapshots" / "abc", tiny.SIZES)
    with pytest.raises(UsageError, match=r"head must lie in 0\.\.3, got 4"):
        check_described("some/model", 0, 4)
