"""A model made by hand, with one previous-token head and one induction head: just these are found.

Two layers of two heads, attention only. A token is a one-hot word beside a one-hot position, with
room for a second word. Head 0.0 looks from position i to i - 1 and copies the word there into the
second place; head 1.0 looks from a word to where it stands in the second place: to the token after
its earlier occurrence (Elhage et al. 2021, Olsson et al. 2022). Heads 0.1 and 1.1 are uniform.
"""

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2Model

import headscore as hs

WORDS, PLACES = 24, 32
SIZE = WORDS + PLACES + WORDS  # word, position, word before
HEAD = SIZE // 2
SHARP = 30.0
ROLES = "previous,induction,duplicate,sink"
WORD, PLACE, BEFORE = slice(0, WORDS), slice(WORDS, WORDS + PLACES), slice(WORDS + PLACES, SIZE)


def blank(seed=0):
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=WORDS, n_positions=PLACES, n_embd=SIZE, n_layer=2, n_head=2, n_inner=8,
        bos_token_id=0, eos_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    network = GPT2Model(config).eval()
    with torch.no_grad():
        for block in network.h:  # attention only
            block.mlp.c_proj.weight.zero_()
            block.mlp.c_proj.bias.zero_()
    return network


def made_by_hand():
    network = blank()
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.wte.weight[:, WORD] = torch.eye(WORDS)
        network.wpe.weight[:, PLACE] = torch.eye(PLACES)
        for block in network.h:
            block.ln_1.weight.fill_(1.0)
        previous, induction = (block.attn for block in network.h)
        query, key, value = (
            previous.c_attn.weight[:, start : start + HEAD] for start in range(0, 3 * SIZE, SIZE)
        )
        query[PLACE, :PLACES] = SHARP * torch.eye(PLACES).roll(-1, dims=1)
        key[PLACE, :PLACES] = torch.eye(PLACES)
        value[WORD, :WORDS] = torch.eye(WORDS)
        previous.c_proj.weight[:WORDS, BEFORE] = torch.eye(WORDS)
        query, key = (induction.c_attn.weight[:, start : start + HEAD] for start in (0, SIZE))
        query[WORD, :WORDS] = SHARP * torch.eye(WORDS)
        key[BEFORE, :WORDS] = torch.eye(WORDS)
    return network


def report_of(network, seed, n=40):
    """Test the heads on sequences whose second half repeats the first."""
    rng = np.random.default_rng(seed)
    ids, lengths = np.zeros((n, 28), np.int64), 2 * rng.integers(8, 15, n)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = np.tile(rng.permutation(WORDS)[: length // 2], 2)
    mask = torch.from_numpy(np.arange(28) < lengths[:, None]).long()
    with torch.inference_mode(), hs.capture(network, ROLES) as run:
        network(torch.from_numpy(ids), attention_mask=mask)
    return hs.test(run.scores(), tau=3.0)


def found(report):
    table = report.table[report.table["label"].astype(bool)]
    return {(row.role, row.layer, row.head) for row in table.itertuples()}


def test_only_the_known_heads_are_found(record_testsuite_property):
    report = report_of(made_by_hand(), seed=1)
    assert found(report) == {("previous", 0, 0), ("induction", 1, 0)}
    table = report.table.set_index(["role", "layer", "head"])
    for cell in (("previous", 0, 0), ("induction", 1, 0)):
        row = table.loc[cell]
        record_testsuite_property("-".join(map(str, cell)), f"{row['mean']} {row['pvalue_adj']}")
        assert row["pvalue_adj"] < 1e-10
        assert row["attained"] > 0.9
    for cell in (("previous", 0, 1), ("induction", 1, 1), ("sink", 0, 1)):  # uniform: exactly 1
        assert table.loc[cell, "mean"] == pytest.approx(1.0, rel=1e-5)


@pytest.mark.slow
def test_random_weights_are_labelled_at_most_at_rate_alpha(record_testsuite_property):
    seeds = 100
    wrong = sum(bool(found(report_of(blank(seed), seed, n=8))) for seed in range(seeds))
    record_testsuite_property("false_label_rate", wrong / seeds)
    assert wrong / seeds <= 0.05
