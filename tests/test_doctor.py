"""The doctor: findings for a sound installation, and for each fault."""

import numpy as np
import pytest
import torch
from helpers import families, tiny

from headscore import doctor
from headscore.backends import cpu
from headscore.model import forward
from headscore.scores import batches as running


def findings(name=None):
    """What -> (finding, sound)."""
    lines = list(doctor.examine(name))
    assert all(type(sound) is bool and "\n" not in finding for _, finding, sound in lines)
    found = {what: (finding, sound) for what, finding, sound in lines}
    assert len(found) == len(lines)
    return found


@pytest.mark.model
def test_a_real_model_is_sound(minilm_path):
    found = findings(str(minilm_path))
    assert [what for what, (_, sound) in found.items() if not sound] == []
    assert found["model"][0] == "6 layers x 12 heads, torch.float32"
    assert "at most 512 tokens" in found["tokenizer"][0]
    assert "[CLS]" in found["tokenizer"][0]
    assert found["scores"][0].startswith("largest relative difference to eager attention ")


def test_versions_and_backends_are_listed():
    found = findings()
    assert found["torch"] == (torch.__version__, True)
    assert found["numpy"] == (np.__version__, True)
    for backend, reason in running.backends.available().items():
        finding, _ = found[f"backend {backend}"]
        assert finding.startswith("runs") if reason is None else finding == reason
    assert "model" not in found


def test_the_kernel_agrees_with_the_definition():
    finding, sound = findings()["backend cpu"]
    assert sound
    assert 0 < float(finding.split()[-1]) < 1e-5


def test_a_kernel_that_differs_from_the_definition_is_reported(monkeypatch):
    scores_qk = cpu.scores_qk

    def wrong(*arguments, **options):
        raw = scores_qk(*arguments, **options)
        one_too_large(raw.scores)
        return raw

    monkeypatch.setattr(cpu, "scores_qk", wrong)
    finding, sound = findings()["backend cpu"]
    assert finding.endswith("difference to the definition 1.0e-03")
    assert not sound


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_is_sound(family, tmp_path):
    found = findings(tiny.save(tmp_path, family))
    assert [what for what, (_, sound) in found.items() if not sound] == []
    assert float(found["scores"][0].split()[-1]) <= 1e-4


def test_a_model_in_half_precision_is_sound(tmp_path):
    tiny.network("bert").bfloat16().save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    assert findings(str(tmp_path))["scores"][1]


@pytest.mark.parametrize("name", ["/no/such/folder", "no/such-model"])
def test_a_missing_model_is_reported(name):
    found = findings(name)
    finding, sound = found["model"]
    assert not sound
    assert finding.startswith(f"cannot load the model '{name}': ")
    assert "scores" not in found


def test_an_unsupported_model_is_reported(tmp_path):
    changes = {"attention_window": 4, "sep_token_id": 2}
    finding, sound = findings(tiny.save(tmp_path, "longformer", **changes))["model"]
    assert "the attention of all 3 layers of LongformerModel must pass through" in finding
    assert not sound


@pytest.mark.parametrize("name", ["gpt_oss", "qwen3", "jamba", "mpnet"])
def test_windows_sinks_and_layers_without_attention_are_sound(name, tmp_path):
    family = next(each for each in families.ALL if each.name == name)
    family.network().save_pretrained(tmp_path)
    tiny.tokenizer(family.tokenizer).save_pretrained(tmp_path)
    finding, sound = findings(str(tmp_path))["scores"]
    assert sound, finding


@pytest.fixture
def spoil(monkeypatch):
    """Make passes find other scores than they should."""

    def spoil(change):
        run = forward.run_pass

        def wrong(network, inputs, current):
            run(network, inputs, current)
            with torch.inference_mode():
                change(current.scored[1].scores)

        monkeypatch.setattr(forward, "run_pass", wrong)

    return spoil


def one_too_large(scores):
    scores[0, 0, 2] *= 1.001


def one_missing(scores):
    scores[0, 0, 2] = np.nan


@pytest.mark.parametrize(("change", "finding"), [(one_too_large, "1.0e-03"), (one_missing, "inf")])
def test_a_single_wrong_score_is_reported(change, finding, spoil, tmp_path):
    spoil(change)
    found = findings(tiny.save(tmp_path))
    assert found["scores"] == (
        f"largest relative difference to eager attention {finding}",
        False,
    )


def test_a_missing_package_is_reported(monkeypatch):
    monkeypatch.setattr(doctor, "_PACKAGES", ("headscore", "no-such-package"))
    assert findings()["no-such-package"] == ("not installed", False)
