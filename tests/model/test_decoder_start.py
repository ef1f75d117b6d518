"""The token that decoders read before the target."""

import pytest
import torch
from helpers import families

from headscore.errors import InputError
from headscore.model.decoder_start import decoder_start

NETWORKS = {family.kind: family.network for family in families.DECODERS}


@pytest.mark.parametrize(
    ("kind", "start"), [("bart", 2), ("marian", 2), ("t5", 3), ("mbart", None)]
)
def test_the_start_is_that_of_the_models_own_function(kind, start):
    network = NETWORKS[kind]()
    assert decoder_start(network) == start
    labels = torch.tensor([[8, 9, 7, 6]])
    want = [6 if start is None else start, 8, 9, 7]
    assert network.prepare_decoder_input_ids_from_labels(labels)[0].tolist() == want


def test_a_base_model_begins_with_the_start_token_of_its_config():
    network = NETWORKS["bart"]().model
    assert not hasattr(network, "prepare_decoder_input_ids_from_labels")
    assert decoder_start(network) == 2
    network.config.decoder_start_token_id = None
    with pytest.raises(
        InputError, match=r"^BartModel must have a decoder_start_token_id .* got None"
    ):
        decoder_start(network)


def test_a_function_that_fails_or_does_not_shift_raises():
    network = NETWORKS["bart"]()
    network.prepare_decoder_input_ids_from_labels = lambda labels: labels
    with pytest.raises(InputError, match="must move labels one place on"):
        decoder_start(network)
    network.prepare_decoder_input_ids_from_labels = None
    network._shift_right = lambda labels: 1 / 0
    with pytest.raises(InputError, match="must make decoder inputs of labels: division by zero"):
        decoder_start(network)
