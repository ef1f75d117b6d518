"""What a command does before and while it loads torch: errors, the first line, the time."""

import json
import subprocess
import sys

import numpy as np
import pytest
from helpers import forked
from helpers.commands import CONLLU, refused, run_here

from headscore.demo import demo_corpus
from headscore.scores.head_scores import HeadScores

# Runs a command; then says whether torch was imported.
WITH_TORCH = "import sys; from headscore import cli; cli.main({}); print('torch' in sys.modules)"
TIMED = """
import sys, time
begun = time.perf_counter()
from headscore import cli
cli.main({})
print(time.perf_counter() - begun, file=sys.stderr)
"""
CORPUS = str(demo_corpus())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a corpus and something that has the look of a model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.conllu").write_text(CONLLU, encoding="utf-8")
    (tmp_path / "bad.conllu").write_text("1\tOld\n\n", encoding="utf-8")
    (tmp_path / "bad.hs").write_text("no scores")
    (tmp_path / "model").mkdir()
    sizes = {"num_hidden_layers": 3, "num_attention_heads": 4}
    (tmp_path / "model" / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    values = np.ones((20, 2, 2, 2), np.float32)
    values[:, 0, 1, 1] += 9 + np.random.default_rng(0).random(20, np.float32)
    HeadScores.from_arrays(values, ["local", "nsubj"]).save(tmp_path / "run.hs")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("analyze modal corpus.conllu", "cannot load the model 'modal': there is no such folder"),
        ("analyze modal corpus.conllu", "did you mean 'model'?"),
        ("analyze ./no/where corpus.conllu", "and it is no hub id"),
        ("analyze bad.conllu corpus.conllu", "must be a hub id or a folder, got the file"),
        ("analyze model corpus.conlu", "no such file: 'corpus.conlu', did you mean"),
        ("analyze model bad.conllu", "bad.conllu:1: a row must have 10 columns"),
        ("analyze model corpus.conllu --roles local:x", "local:NUMBER, got 'local:x'"),
        ("analyze model corpus.conllu --roles local,,", "a role must be one of"),
        ("analyze model corpus.conllu --tau 0", "tau must be"),
        ("analyze model corpus.conllu --roles nsbuj", "near to nsbuj: nsubj"),
        ("analyze model corpus.conllu --roles label:uppos", "did you mean 'upos'?"),
        ("analyze model corpus.conllu --control offset,uppos", "did you mean 'upos'?"),
        ("analyze model corpus.conllu --sample 0", "sample must be an integer of at least 1"),
        ("analyze model corpus.conllu --seed 1", "seed must be left out without until or sample"),
        ("report rnu.hs", "there is no such file, did you mean run.hs?"),
        ("compare run.hs rnu.hs", "there is no such file, did you mean run.hs?"),
        ("analyze model corpus.conllu --tokenizer-from tok", "cannot load the tokenizer 'tok'"),
        ("analyze model corpus.conllu --parser en_nope", "the spaCy pipeline 'en_nope'"),
        ("analyze model corpus.conllu --out no/where.hs", "--out must be a file in a folder"),
        ("analyze model corpus.conllu --dry-run --roles local:x", "got 'local:x'"),
        ("analyze modal corpus.conllu --dry-run", "did you mean 'model'?"),
        ("analyze modal corpus.conllu --shards 2 --run-dir run", "did you mean 'model'?"),
        ("examples modal corpus.conllu --head 0.0 --role nsubj", "did you mean 'model'?"),
        ("examples model corpus.conlu --head 0.0 --role nsubj", "no such file"),
        ("examples model corpus.conllu --head 0.0 --role local:x", "got 'local:x'"),
        ("examples model corpus.conllu --head 9.0 --role nsubj", "layer must lie in 0..2, got 9"),
        ("examples model corpus.conllu --head 0.88 --role nsubj", "head must lie in 0..3, got 88"),
        ("validate modal corpus.conllu --report run.hs", "did you mean 'model'?"),
        ("validate model corpus.conlu --report run.hs", "no such file: 'corpus.conlu'"),
        ("validate model corpus.conllu --report no.hs", "no.hs: there is no such file"),
        ("validate model corpus.conllu --report bad.hs", "not a headscore file"),
        ("validate model corpus.conllu --report run.hs --roles sink", "got 'sink'; nearest"),
        ("validate model corpus.conllu --report run.hs --roles nsubj", "that some head has"),
        ("validate model corpus.conllu --report run.hs --sets 0", "sets must be an integer"),
        ("validate model corpus.conllu --report run.hs --masked 1", "masked must lie between"),
        ("validate model corpus.conllu --report run.hs -o x.txt", "--out must end in .hs or"),
        ("parse corpus.conlu --parser en_nope -o x.hsp", "no such file"),
        ("merge run", "run: holds no run in shards"),
        ("report no.hs", "no.hs: there is no such file"),
        ("demo --roles local:x", "got 'local:x'"),
    ],
)
def test_mistakes_are_found_before_torch_is_loaded(folder, command, part, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = subprocess.run(
        [forked.python(forked.WITHOUT_TORCH), "-c", WITH_TORCH.format(command.split())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert part in result.stderr.splitlines()[-1]
    assert result.stdout == "False\n"


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (
            "report run.hs --roles nsbuj",
            "roles must be of the scores, got 'nsbuj'; nearest: 'nsubj",
        ),
        ("report run.hs --tau 3,locl=2", "tau must name roles of the scores, got 'locl'; nearest"),
        ("report run.hs --roles local --tau 3,nsubj=2", "tau must name roles of the scores"),
        ("compare run.hs run.hs --tau 3,locl=2", "tau must name roles of the scores"),
        ("replicate run.hs run.hs --tau 3,locl=2", "tau must name roles of the scores"),
        ("trajectory 1=run.hs 2=run.hs --tau 3,locl=2", "tau must name roles of the scores"),
        ("power --pilot run.hs --tau 3,locl=2", "tau must name roles of the scores"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_misspelled_roles_of_scores_are_refused_before_pandas_is_loaded(command, part):
    code = WITH_TORCH.replace("'torch'", "'pandas'").format(command.split())
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    (sentence,) = result.stderr.splitlines()
    assert part in sentence
    assert result.stdout == "False\n"


@pytest.mark.usefixtures("folder")
def test_roles_of_a_report_are_not_compared_with_those_of_scores():
    assert run_here("report", "run.hs", "-o", "report.hs", "--quiet").returncode == 0
    refused(run_here("report", "report.hs", "--roles", "nsbuj"), 2, "--roles must come with saved")


@pytest.mark.model
def test_what_is_loaded_is_said_first_and_not_to_machines(minilm_path):
    arguments = ("analyze", minilm_path, CORPUS, "--roles", "local")
    shown = run_here(*arguments)
    assert shown.stderr.splitlines()[0] == (
        f"headscore: loading torch, transformers and {minilm_path}"
    )
    for silent in ("--quiet", "--json"):
        assert "loading" not in run_here(*arguments, silent).stderr


@pytest.mark.model
def test_stages_add_up_to_the_time_of_the_command(minilm_path):
    arguments = ["analyze", str(minilm_path), CORPUS, "--roles", "local", "--json"]
    ran = subprocess.run(
        [sys.executable, "-c", TIMED.format(arguments)], capture_output=True, text=True, check=True
    )
    seconds = json.loads(ran.stdout)["seconds"]
    assert list(seconds)[:4] == ["start", "other", "import", "load model"]
    spent = sum(seconds.values())
    assert seconds["other"] < 0.1 * spent
    # What is left is to print the table and its intervals.
    assert 0.5 < spent / float(ran.stderr.splitlines()[-1]) < 1
