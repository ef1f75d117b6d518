"""The commands that `crash_consistency.py` and `faults.py` disturb, each in a forked process.

They write every kind of file: a run folder, its shards, a parse cache, scores, report, page, table.
The files have names relative to the working folder, so that a run can be resumed in a copy of it.
"""

import contextlib
import io
import os
import pickle
import signal
import sqlite3
import sys
from functools import partial
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

import spacy
import torch
from helpers import tiny

# Loaded once, before the forks; what is imported there would be imported for every prefix.
from headscore.cli import main
from headscore.corpus.sequence import Segment
from headscore.parsing.store import ParseStore

_SECONDS = 120  # of one command
_OLD = b"what was there before\n"
_CACHES = ("cache/parses.hsp", "parses.hsp")
_REWRITTEN = ("run.hs", "table.csv")


class Scenario:
    """A model, a corpus and a parser in a folder, and the commands that use them."""

    def __init__(self, folder, *, made=False):
        torch.set_num_threads(1)
        self.model, self.corpus, self.pipeline = (
            str(folder / name) for name in ("model", "corpus.txt", "pipeline")
        )
        if not made:
            texts = [each.segments[0].text for each in tiny.sequences(12, longest=6)]
            Path(self.corpus).write_text("".join(f"{text}\n" for text in texts))
            tiny.save(self.model, num_hidden_layers=1, num_attention_heads=2)
            _save_parser(self.pipeline)

    @property
    def commands(self):
        """Arguments of each command."""
        how = ["--parser", self.pipeline, "--roles", "local,nsubj", "--quiet"]
        run = ["analyze", self.model, self.corpus, *how, "--cache", "cache"]
        run += ["--chunk", "4", "--shards", "3", "--run-dir", "runs/run"]
        outs = ["-o", "run.hs", "-o", "page.html", "-o", "table.csv"]
        return [
            [*run, "--shard", "1"],
            [*run, *outs],
            ["parse", self.corpus, *how[:2], "--processes", "0", "-o", "parses.hsp"],
            ["merge", "runs/run", "-o", "merged.hs", "--quiet"],
            ["report", "merged.hs", "-o", "report.hs", "-o", "report.html", "--quiet"],
        ]

    @staticmethod
    def begin(root):
        """Make the folder that the commands find: two outputs hold something older."""
        root.mkdir()
        for name in _REWRITTEN:
            (root / name).write_bytes(_OLD)

    def run(self, root):
        """Run the commands in a folder; return the exit code of each and what it said."""
        return [forked(partial(self.run_here, root, n)) for n in range(len(self.commands))]

    def run_here(self, root, command):
        """Run a command in this process, and return its exit code and what it said."""
        os.chdir(root)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                code = main(self.commands[command])
            except SystemExit as end:
                code = end.code
        return code, said.getvalue()

    def warm(self, root):
        """Run all commands in this process, whose forks then have the model loaded."""
        here = Path.cwd()
        for command in range(len(self.commands)):
            code, said = self.run_here(root, command)
            if code:
                sys.exit(said)
        os.chdir(here)


def _save_parser(folder):
    """Save an untrained parser: its trees are arbitrary and always the same."""
    pipeline = spacy.blank("en")
    parser = pipeline.add_pipe("parser")
    for label in ("nsubj", "ROOT", "dep"):
        parser.add_label(label)
    pipeline.initialize()
    pipeline.to_disk(folder)


def forked(work):
    """Return what `work` returns in a forked process; raise RuntimeError where it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(_SECONDS)
        os.close(reading)
        try:
            answer = pickle.dumps((work(), ""))
        except BaseException as error:
            answer = pickle.dumps((None, f"{type(error).__name__}: {error}"))
        with open(writing, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(answer)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:  # noqa: PTH123 - a descriptor
        content = file.read()
    _, status = os.waitpid(child, 0)
    value, raised = pickle.loads(content) if content else (None, f"wait status {status}")
    if raised:
        raise RuntimeError(raised)
    return value


def results(root):
    """Return the content of every file below a folder; of a parse cache, its parses."""
    # SQLite rolls a transaction back, and deletes its journal, when the file is read.
    caches = {name: _parses(root / name) for name in _CACHES if (root / name).exists()}
    return {
        name: caches[name] if name in caches else (root / name).read_bytes() for name in names(root)
    }


def names(root):
    """Return the names of the files below a folder."""
    return {str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()}


def _parses(path):
    """Read a parse cache as its own reader does; raises where that does."""
    if not path.exists():
        return {}
    identity = "any"
    with ParseStore(path, identity) as store, contextlib.closing(sqlite3.connect(path)) as file:
        (state,) = file.execute("PRAGMA integrity_check").fetchone()
        assert state == "ok", f"{path}: {state}"
        parses = dict(file.execute("SELECT key, parse FROM parses"))
        store.find({key: Segment("") for key in ()})
        relations = dict(file.execute("SELECT id, name FROM relations"))
    return {**parses, **relations}


def wrong(root, expected):
    """Return what a reader would take for whole and is not: a sentence for each such file.

    A file must hold what it held before or what it is to hold; a parse cache any of its parses.
    """
    found = results(root)
    for name, content in found.items():
        if name in _CACHES:
            good = content.items() <= expected[name].items()
        else:
            old = {_OLD} if name in _REWRITTEN else set()
            good = name not in expected or content in {expected[name], *old}
        if not good:
            yield f"{name} is a half file"


def differences(root, expected):
    """Yield a sentence for each file that is not as expected."""
    found = results(root)
    for name in sorted(found.keys() | expected.keys()):
        if name not in expected:
            yield f"{name} is left over"
        elif found.get(name) != expected[name]:
            yield f"{name} has other bits"


def lost(root, finished, expected):
    """Return a sentence for each file that was finished and holds neither that nor the new bits."""
    return [
        f"{name} is lost"
        for name, content in finished.items()
        if not _holds(root, name, content) and not _holds(root, name, expected[name])
    ]


def _holds(root, name, content):
    if name in _CACHES:
        return content.items() <= _parses(root / name).items()
    return (root / name).exists() and (root / name).read_bytes() == content
