"""Host workers: chunks and bits are the same, whoever encodes and plans, and errors come out."""

import json
import os
import pickle
import signal
import subprocess
from dataclasses import replace

import numpy as np
import psutil
import pytest
from helpers import forked, tiny

import headscore as hs
from headscore.corpus.sequence import Sequence
from headscore.errors import IncompleteError, InputError, UsageError
from headscore.options import RunOptions
from headscore.scores import host

pytestmark = pytest.mark.usefixtures("forked_workers")
ROLES = "local,nsubj,obj,delimiter,label:upos"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def items():
    return tiny.sequences(700)


@pytest.fixture
def from_the_start(monkeypatch):
    """No work in this process while the workers start: each task is theirs."""
    monkeypatch.setattr(host, "_has_started", lambda worker: worker.result() is None)


def same(one, other):
    names = ("values", "attainable", "tokens", "overlap", "excess", "position_sums", "lengths")
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.sequence_ids == other.sequence_ids
    assert one.signature == other.signature
    assert one.counts == other.counts


@pytest.mark.usefixtures("from_the_start")
@pytest.mark.parametrize("workers", [1, 4])
def test_bits_do_not_depend_on_host_workers(folder, items, workers):
    # Chunks of several pieces, of one that is cut short, and a corpus that ends within a chunk.
    options = {"roles": ROLES, "chunk": 300, "batch_tokens": 400, "max_length": 20}
    here = hs.score(folder, items, **options, host_workers=0)
    same(here, hs.score(folder, iter(items), **options, host_workers=workers))


def test_this_process_works_while_workers_start(folder, items):
    options = {"roles": ROLES, "chunk": 64, "batch_tokens": 400}
    here = hs.score(folder, items[:200], **options, host_workers=0)
    same(here, hs.score(folder, items[:200], **options, host_workers=1))


@pytest.mark.usefixtures("from_the_start")
def test_an_error_of_a_worker_is_the_sentence_of_this_process(folder, items):
    options = {"roles": ROLES, "max_length": 20, "too_long": "error"}
    found = []
    for workers in (0, 2):
        with pytest.raises(InputError) as error:
            hs.score(folder, items, **options, host_workers=workers)
        found.append(str(error.value))
    assert found[0] == found[1]


@pytest.mark.usefixtures("from_the_start")
def test_an_error_of_the_reader_comes_out(folder, items):
    with pytest.raises(InputError, match="different ids"):
        hs.score(folder, [*items, items[0]], roles=ROLES, host_workers=2)


@pytest.mark.usefixtures("from_the_start")
def test_a_killed_worker_is_an_error_of_one_sentence(folder, items):
    def killing():
        for number, item in enumerate(items):
            if number == 600:
                for child in psutil.Process().children():
                    if "spawn_main" in " ".join(child.cmdline()):
                        os.kill(child.pid, signal.SIGKILL)
            yield item

    with pytest.raises(IncompleteError, match="has ended before its work was done"):
        hs.score(folder, killing(), roles=ROLES, chunk=64, host_workers=1)


def test_roles_of_the_script_are_planned_in_this_process(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, headscore as hs\n"
        "def first(batch):\n"
        "    key = np.full((len(batch), batch.tokens), -1)\n"
        "    key[:, 0] = 0\n"
        "    return hs.Labels(np.zeros_like(key), key)\n"
        "role = hs.Role('first', first)\n"
        f"print(hs.score({folder!r}, ['bad man.'] * 5, roles=[role, 'local'], host_workers=2))\n"
    )
    done = subprocess.run(
        [forked.python(), str(script)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("HeadScores") == 1


def test_a_vocabulary_may_hold_the_name_of_the_script():
    known = json.dumps({"__main__": 0}).encode()  # as the state of a fast tokenizer
    work = host.HostWork(known, 8, (), RunOptions())
    assert pickle.loads(host._pickled(work)) == work


@pytest.mark.parametrize(("device", "cores", "workers"), [
    ("cpu", 2, 0), ("cpu", 16, 2), ("cuda", 4, 3), ("cuda", 64, 8),
])  # fmt: skip
def test_workers_are_chosen_by_the_cores(monkeypatch, device, cores, workers):
    monkeypatch.setattr(host.torch, "get_num_threads", lambda: cores)
    assert host.default_workers(device) == workers


@pytest.mark.parametrize("workers", [0, 2])
def test_an_encoded_corpus_gives_the_bits_of_the_corpus(folder, items, tmp_path, workers):
    options = {"roles": ROLES, "chunk": 300, "batch_tokens": 400, "host_workers": workers}
    corpus = [Sequence.from_text(" ", id="blank"), *items]
    want = hs.score(folder, corpus, max_length=20, **options)
    encoded = hs.encode(corpus, folder, max_length=20)
    encoded.save(tmp_path / "corpus.hse")
    same(want, hs.score(folder, encoded, **options))
    of_file = hs.score(folder, tmp_path / "corpus.hse", **options)
    facts = dict(of_file.facts)
    assert facts.pop("corpus_name") == "corpus.hse"
    same(want, replace(of_file, facts=facts))


def test_other_tokenizers_and_late_options_are_refused_for_an_encoded_corpus(folder, items):
    encoded = hs.encode(items[:20], tiny.tokenizer("gpt2"), max_length=20)
    with pytest.raises(InputError, match="tokenizer of the model"):
        hs.score(folder, encoded, roles=ROLES)
    with pytest.raises(UsageError, match="max_length must be left out"):
        hs.score(folder, encoded, roles=ROLES, max_length=10)
