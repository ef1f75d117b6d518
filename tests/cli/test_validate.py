"""`headscore validate`: output, files, runs that go on, and refused input."""

import json

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.commands import refused, run_here
from transformers import AutoConfig, AutoModelForCausalLM

import headscore as hs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a tiny GPT-2, texts, and scores in which some heads have roles."""
    folder = tmp_path_factory.mktemp("validate")
    torch.manual_seed(0)
    sizes = {**tiny.CONFIGS["gpt2"], "pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2", **sizes))
    model.save_pretrained(folder / "model")
    tiny.tokenizer("gpt2").save_pretrained(folder / "model")
    rng = np.random.default_rng(0)
    words = np.array(tiny.ROOTS[:-1])
    lines = [" ".join(rng.choice(words, rng.integers(2, 12))) for _ in range(12)]
    (folder / "corpus.txt").write_text("\n".join(lines))
    values = rng.uniform(0, 1, (20, 2, 3, 4)).astype(np.float32)
    values[:, 0, 1, :2] += 9
    values[:, 1, 2, 3] += 9
    hs.HeadScores.from_arrays(values, ["offset:-1", "sink"]).save(folder / "run.hs")
    return folder


def validate(folder, *options):
    return run_here(
        *("validate", folder / "model", folder / "corpus.txt", "--report", folder / "run.hs"),
        *("--sets", "2", *options),
    )


def test_the_result_is_printed_and_saved(folder, tmp_path):
    outs = [tmp_path / name for name in ("effect.hs", "effect.html", "effect.csv")]
    result = validate(folder, *(part for out in outs for part in ("-o", out)))
    assert result.returncode == 0, result.stderr
    assert "offset:-1" in result.stdout
    assert str(outs[0]) in result.stdout
    assert "14 passes of about" in result.stderr  # 12 arms in two rounds
    effect = hs.load(outs[0])
    assert isinstance(effect, hs.Effect)
    direct = hs.validate(
        str(folder / "model"), folder / "corpus.txt", folder / "run.hs", sets=2, progress=False
    )
    assert effect.signature == direct.signature
    for one, other in zip(effect.values.arms, direct.values.arms, strict=True):
        np.testing.assert_array_equal(one.delta, other.delta)
    assert "nats a token" in outs[1].read_text()
    assert outs[2].read_text().startswith("role,arm,")


def test_json_is_for_machines_and_roles_are_chosen(folder):
    result = validate(folder, "--json", "--roles", "sink", "--metric", "kl", "--alpha", "0.01")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert {row["role"] for row in answer["table"]} == {"sink"}
    assert (answer["facts"]["metric"], answer["facts"]["alpha"]) == ("kl", "0.01")
    assert "passes of about" not in result.stderr


def test_a_folder_keeps_finished_arms(folder, tmp_path):
    first = validate(folder, "--folder", tmp_path / "run", "--json")
    assert first.returncode == 0, first.stderr
    assert len(list((tmp_path / "run").glob("arm-*.hs"))) == 12
    again = validate(folder, "--folder", tmp_path / "run", "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    other = validate(folder, "--folder", tmp_path / "run", "--seed", "1")
    refused(other, 3, "belongs to another run: seed is 0 there and 1 here")


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (("--metric", "masked_nll"), 3, "transformers has no AutoModelForMaskedLM for its"),
        (("--tokenizer-from", "no-such"), 3, "cannot load the tokenizer"),
        (("--max-length", "1000"), 2, "max_length must lie in 1..128"),
    ],
)
def test_what_cannot_be_run_is_refused(folder, options, code, part):
    refused(validate(folder, *options), code, part)


def test_clusters_are_checked_before_the_arms(folder, tmp_path):
    result = validate(folder, "--clusters", "document", "--folder", tmp_path, "--quiet")
    refused(result, 3, 'clusters "document" need scores with documents')
    assert [path.name for path in tmp_path.iterdir()] == ["pilot.hs"]
    model, corpus, report = (str(folder / each) for each in ("model", "corpus.txt", "run.hs"))
    ids = (n // 2 for n in range(12))
    effect = hs.validate(model, corpus, report, sets=2, clusters=ids, folder=tmp_path)
    assert effect.facts["unit"] == "6 clusters"


def test_the_report_of_another_tokenizer_is_refused(folder, tmp_path):
    scores = hs.load(folder / "run.hs")
    for facts, error in (({"tokenizer": "abc"}, "tokenizer"), ({"model": "another"}, None)):
        hs.HeadScores(
            values=scores.values,
            roles=scores.roles,
            sequence_ids=scores.sequence_ids,
            facts={**scores.facts, **facts},
        ).save(tmp_path / "other.hs")
        result = validate(folder, "--report", tmp_path / "other.hs", "--quiet")
        if error:
            refused(result, 3, "the report must be of the tokenizer of the model")
        else:
            assert result.returncode == 0
