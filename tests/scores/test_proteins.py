"""Proteins: ESM-2 with its tokenizer, contacts of residues as word pairs, against eager."""

import copy

import numpy as np
import pytest
import torch
from helpers import loops
from transformers import EsmConfig, EsmModel, EsmTokenizer

import headscore as hs
from headscore.corpus.sequence import Sequence

RESIDUES = "LAGVSERTIDPKQNFYMHWC"
NAMES = ["<cls>", "<pad>", "<eos>", "<unk>", *RESIDUES, "X", "<null_1>", "<mask>"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("esm") / "vocab.txt"
    path.write_text("\n".join(NAMES))
    return EsmTokenizer(str(path))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = EsmConfig(
        vocab_size=len(NAMES),
        mask_token_id=len(NAMES) - 1,
        pad_token_id=1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
        position_embedding_type="rotary",
        token_dropout=True,
        initializer_range=0.5,
    )
    return EsmModel(config, add_pooling_layer=False).eval()


def eager(model, tokenizer, protein):
    """Attention (layer, head, T, T) of one protein."""
    network = copy.deepcopy(model)
    network.set_attn_implementation("eager")
    with torch.no_grad():
        found = network(**tokenizer(protein, return_tensors="pt"), output_attentions=True)
    return np.stack([each[0].double().numpy() for each in found.attentions])


def test_contacts_of_proteins_are_scored_as_by_eager_attention(model, tokenizer):
    rng = np.random.default_rng(0)
    proteins = ["".join(rng.choice(list(RESIDUES), n)) for n in (30, 17, 41)]
    contacts = {
        str(s): [
            ([1 + i], [1 + j]) for i, j in rng.integers(0, len(protein), (6, 2)).tolist() if i != j
        ]
        for s, protein in enumerate(proteins)
    }
    items = [Sequence.from_text(protein, id=str(s)) for s, protein in enumerate(proteins)]
    roles = [hs.roles.from_pairs("contact", contacts), "local", "delimiter"]
    scores = hs.score(model, items, roles=roles, tokenizer=tokenizer)
    for s, protein in enumerate(proteins):
        attention = eager(model, tokenizer, protein)
        n = attention.shape[-1]
        assert n == len(protein) + 2
        place = np.arange(n)
        near = np.abs(place[:, None] - place) <= 2
        ends = np.isin(place, [0, n - 1]) & np.ones((n, 1), bool)
        for layer, head in np.ndindex(2, 4):
            rows = attention[layer, head].tolist()
            pairs = [n * rows[i[0]][j[0]] for i, j in contacts[str(s)]]
            want = [
                sum(pairs) / len(pairs),
                loops.mask_score(rows, near.tolist()),
                loops.mask_score(rows, ends.tolist()),
            ]
            np.testing.assert_allclose(scores.values[s, :, layer, head], want, 1e-5, 1e-6)
