"""`headscore synthetic`: corpora that the other commands take."""

import pytest
from helpers import tiny
from helpers.commands import refused, run_here

import headscore as hs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("gpt2"), "gpt2")


def test_a_corpus_is_written_and_analyzed(folder, tmp_path):
    path, out = tmp_path / "c.hse", tmp_path / "r.hs"
    answer = run_here("synthetic", "repeated", folder, "-n", "12", "--size", "3,6", "-o", path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("12 sequences, ")
    assert f" pairs of copy, after_copy: {path}\n" in answer.stdout
    want = hs.synthetic("repeated", tiny.tokenizer("gpt2"), 12, size=(3, 6))
    assert hs.load(path).input_ids.tolist() == want.input_ids.tolist()
    answer = run_here("analyze", folder, path, "--roles", "after_copy,sink", "-o", out)
    assert answer.returncode == 0, answer.stderr
    assert hs.load(out).roles == ("after_copy", "sink")


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (("poem", "M", "-o", "c.hse"), 2, ("KIND must be one of repeated, ", "got 'poem'")),
        (("needle", "M", "-o", "c.hs"), 2, ("--out must end in .hse, got c.hs",)),
        (("needle", "M", "-o", "c.hse", "--size", "3"), 2, ("two whole numbers", "got '3'")),
        (("needle", "M", "-o", "c.hse", "-n", "0"), 2, ("at least 1, got '0'",)),
    ],
)
def test_wrong_use_ends_in_one_sentence(arguments, code, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(run_here("synthetic", *arguments), code, *parts)
