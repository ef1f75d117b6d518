"""Shards: the same bits in any number and order, after dead workers and interrupted runs."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from helpers import dying, forked, tiny

import headscore as hs
from headscore import files
from headscore.errors import IncompleteError, InputError, UsageError
from headscore.options import ScoreOptions
from headscore.scale import engines, run_folder, shards
from headscore.scale.assignment import own_shards
from headscore.scale.engines import local
from headscore.scale.merge import merge_shards

N_SHARDS = 5
OPTIONS = {"roles": "local,delimiter,block", "columns": ("a", "b")}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A table in which rows are invalid and blank, chunks too."""
    path = tmp_path_factory.mktemp("corpus") / "in.tsv"
    rows = [[segment.text for segment in each.segments] for each in tiny.sequences(150)]
    lines = ["\t".join([first, *rest] if rest else [first, "bal"]) for first, *rest in rows]
    lines[20:30] = [" \t "] * 10  # a chunk with nothing usable
    lines[45] = lines[78] = "no second column"
    path.write_text("\n".join(["a\tb", *lines]) + "\n")
    return path


@pytest.fixture
def job(model, corpus, tmp_path):
    options = ScoreOptions(**OPTIONS, skip_invalid=True, chunk=10)
    return shards.Job(str(tmp_path / "run"), model, str(corpus), N_SHARDS, options)


@pytest.fixture(scope="module")
def whole(model, corpus):
    return hs.score(model, str(corpus), chunk=10, skip_invalid=True, **OPTIONS)


def merged(job, path):
    """The bytes of the file that the shards make together."""
    merge_shards(job.folder).save(path)
    return path.read_bytes()


def names(folder):
    return sorted(each.name for each in Path(folder).iterdir())


FILES = ["run.json", *(f"shard-{shard:05}.hs" for shard in range(N_SHARDS))]


def test_merged_shards_equal_one_run_to_the_bit(job, whole, tmp_path):
    shards.start(job)
    shards.compute(job, list(range(N_SHARDS)))
    assert names(job.folder) == FILES
    whole.save(tmp_path / "whole.hs")
    assert merged(job, tmp_path / "merged.hs") == (tmp_path / "whole.hs").read_bytes()
    assert whole.counts["invalid_skipped"] == 2
    assert whole.counts["empty"] == 10


@pytest.mark.parametrize("part", [{"sample": 60, "seed": 3}, {"limit": 70}])
@pytest.mark.parametrize("host_workers", [0, 1])
def test_a_part_of_a_corpus_is_the_same_in_shards_and_by_workers(
    job, model, corpus, tmp_path, part, host_workers
):
    one = hs.score(model, str(corpus), chunk=10, skip_invalid=True, **OPTIONS, **part)
    options = replace(job.options, **part, host_workers=host_workers)
    job = replace(job, options=options)
    shards.start(job)
    shards.compute(job, [4, 0, 2])
    shards.compute(job, list(range(N_SHARDS)))
    one.save(tmp_path / "whole.hs")
    assert merged(job, tmp_path / "merged.hs") == (tmp_path / "whole.hs").read_bytes()
    assert part.items() >= {"limit": 70}.items() or one.facts["sample"] == "60, seed 3"
    other = {"limit": 71} if "limit" in part else {"seed": 4}
    with pytest.raises(InputError, match="belongs to another run"):
        shards.start(replace(job, options=replace(options, **other)))


def as_conllu(sequences):
    """The parsed sentences of sequences as CoNLL-U, of a document each three."""
    for number, segment in enumerate(s for each in sequences for s in each.segments):
        yield from [f"# newdoc id = d{number}"] if number % 3 == 0 else []
        words = zip(segment.words, segment.heads, segment.relations, strict=True)
        for place, (word, head, relation) in enumerate(words, start=1):
            yield f"{place}\t{word}\t_\t_\t_\t_\t{head + 1}\t{relation}\t_\t_"
        yield ""


@pytest.fixture(scope="module")
def parsed_corpus(tmp_path_factory):
    """Parsed sentences, of which one breaks the rules and some repeat."""
    path = tmp_path_factory.mktemp("parsed") / "in.conllu"
    lines = [*as_conllu(tiny.sequences(40)), "1\tbal\t_", "", *as_conllu(tiny.sequences(8))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A spaCy pipeline that was never trained."""
    import spacy

    path = tmp_path_factory.mktemp("pipeline") / "en"
    made = spacy.blank("en")
    made.add_pipe("parser").add_label("nsubj")
    made.initialize()
    made.to_disk(path)
    return str(path)


def said_by_us(caplog):
    return [record.message for record in caplog.records if record.name == "headscore"]


def everything(scores):
    """All that scores hold."""
    return {
        name: (each.dtype, each.shape, each.tobytes()) if isinstance(each, np.ndarray) else each
        for name, each in vars(scores).items()
    }


@pytest.mark.parametrize(
    ("family", "roles", "given", "chosen"),
    [
        ("bert", "paper,expl,nsubjs", {}, {}),
        ("bert", "paper", {"max_length": 8}, {"position": False}),
        ("bert", "local,sink,delimiter", {}, {"special": "drop"}),
        ("bert", "local,syntactic", {}, {"weights": "norm"}),
        ("bert", "local,nsubj,expl", {"parser": True}, {}),
        ("gpt2", "local,offset:1,nsubj,delimiter", {"dtype": "bfloat16"}, {}),
        ("gpt2", "local,nsubj,obj", {"too": "text", "parser": True}, {}),
        ("bert", "paper", {"too": "text"}, {}),
    ],
)
def test_merged_shards_have_the_values_facts_and_warnings_of_one_run(
    parsed_corpus, pipeline, tmp_path, caplog, family, roles, given, chosen
):
    """Values, what is beside them, facts, counts and warnings: with and without shards the same."""
    model = tiny.save(tmp_path / "model", family)
    corpus = str(parsed_corpus)
    if given.pop("too", None):
        corpus = str(tmp_path / "in.txt")
        texts = (each.segments[0].text for each in tiny.sequences(50))
        Path(corpus).write_text("\n".join(["", *texts, "bal", "bal"]) + "\n")
    if given.pop("parser", None):
        given["parser"] = pipeline
    caplog.set_level("WARNING", "headscore")
    whole = hs.score(
        model, corpus, roles=roles, skip_invalid=True, chunk=10, cache=None, **given, **chosen
    )
    said = said_by_us(caplog)
    caplog.clear()
    options = ScoreOptions(roles=roles, skip_invalid=True, cache=None, chunk=10, **given, **chosen)
    job = shards.Job(str(tmp_path / "run"), model, corpus, N_SHARDS, options)
    shards.start(job)
    shards.compute(job, [3, 1, 4, 0, 2])
    merged = merge_shards(job.folder)
    assert everything(merged) == everything(whole)
    assert merged.signature == whole.signature
    assert said_by_us(caplog) == said
    assert any("repeat an earlier one" in sentence for sentence in said)


@pytest.mark.parametrize("n_shards", [1, 2, 15])
def test_the_number_and_order_of_shards_do_not_change_the_bits(job, whole, tmp_path, n_shards):
    job = replace(job, shards=n_shards)
    shards.start(job)
    order = list(range(n_shards))
    random.Random(n_shards).shuffle(order)
    shards.compute(job, order)
    whole.save(tmp_path / "whole.hs")
    assert merged(job, tmp_path / "merged.hs") == (tmp_path / "whole.hs").read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("engine", engines.NAMES)
def test_dead_workers_do_not_change_the_result(job, whole, tmp_path, engine, monkeypatch):
    module = {"local": "multiprocessing", "ray": "ray", "dask": "distributed"}[engine]
    pytest.importorskip(module, reason=f"needs the extra: {engine}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    shards.start(job)
    work = partial(dying.score_shard, job, str(tmp_path / "died"), 2)
    engines.compute_shards(engine, work, [4, 2, 0, 1, 3], workers=2, gpus=0)
    assert (tmp_path / "died").exists()
    files.sweep(Path(job.folder))
    assert names(job.folder) == FILES
    whole.save(tmp_path / "whole.hs")
    assert merged(job, tmp_path / "merged.hs") == (tmp_path / "whole.hs").read_bytes()


@pytest.mark.usefixtures("forked_workers")
def test_a_worker_that_always_dies_raises(monkeypatch):
    monkeypatch.setattr(local, "RESTARTS", 0)
    with pytest.raises(IncompleteError, match=r"workers died 1 times .*, 2 shards are left"):
        engines.compute_shards("local", dying.die, [0, 1], workers=2, gpus=0)


@pytest.mark.slow
def test_a_worker_killed_while_dask_starts_exits_with_4_and_resumes(model, corpus, tmp_path):
    """One sentence and exit code 4 if it dies before the cluster is there; then it goes on."""
    pytest.importorskip("distributed", reason="needs the extra: dask")
    folder, out = tmp_path / "run", tmp_path / "out.hs"
    asked = command(model, corpus, folder, out, "--engine", "dask", "--workers", "2")
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        started = time.monotonic()
        while not (born := workers_of(process)):
            assert process.poll() is None
            assert time.monotonic() - started < 300
            time.sleep(0.01)
        born[0].kill()
        said = process.communicate()[1].decode()
    assert process.returncode == 4, said
    assert re.search(
        r"^headscore: Dask could not be started or reached \(.*\): the same", said, re.M
    )
    assert "Traceback" not in said
    asked[0] = forked.python()
    assert subprocess.run(asked, capture_output=True, check=False).returncode == 0
    assert names(folder) == FILES


def workers_of(process):
    """The processes that a command has started for work."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return [each for each in below if "spawn_main" in " ".join(each.cmdline())]
    except psutil.NoSuchProcess:
        return []


def test_an_unreachable_dask_cluster_raises(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs the extra: dask")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "127.0.0.1:1")
    timeouts = distributed.config["distributed"]["comm"]["timeouts"]
    monkeypatch.setitem(timeouts, "connect", "1s")
    with pytest.raises(IncompleteError, match="Dask could not be started or reached"):
        engines.compute_shards("dask", dying.die, [0], workers=1, gpus=0)


def test_an_invalid_corpus_raises_before_the_folder_is_made(job, monkeypatch, corpus, tmp_path):
    strict = changed(job, skip_invalid=False)
    with pytest.raises(InputError, match=r"in.tsv:47: a row must have the header's 2 fields"):
        shards.start(strict)
    assert not Path(job.folder).exists()


COMMAND = [sys.executable, "-m", "headscore.cli", "analyze"]


def command(model, corpus, folder, out, *more):
    return [
        *(*COMMAND, model, str(corpus), "--columns", "a,b", "--skip-invalid", "--chunk", "10"),
        *("--roles", OPTIONS["roles"], "--shards", "5", "--run-dir", str(folder)),
        *("--out", str(out), "--json", *more),
    ]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(model, corpus, whole, tmp_path):
    whole.save(tmp_path / "whole.hs")
    folder, out = tmp_path / "run", tmp_path / "out.hs"
    asked = command(model, corpus, folder, out)
    rng = random.Random(3)
    for _ in range(2):
        with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            started = time.monotonic()
            while process.poll() is None and not list(folder.glob("run.json")):
                assert time.monotonic() - started < 300
                time.sleep(0.01)
            time.sleep(rng.random() / 4)
            process.send_signal(signal.SIGKILL)
    asked[0] = forked.python()
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert names(folder) == FILES
    assert out.read_bytes() == (tmp_path / "whole.hs").read_bytes()
    assert json.loads(done.stdout)["counts"]["sequences"] == 138


def test_finished_shards_are_not_recomputed(job, monkeypatch):
    shards.start(job)
    shards.compute(job, [0, 1])
    before = [(Path(job.folder) / name).stat().st_mtime_ns for name in FILES[:3]]
    run = shards.start(job)
    assert run.missing() == [2, 3, 4]
    monkeypatch.setattr(shards, "open_scorer", None)
    shards.compute(job, [0, 1])
    assert before == [(Path(job.folder) / name).stat().st_mtime_ns for name in FILES[:3]]


def changed(job, *, shards=N_SHARDS, **options):
    """The same job with another number of shards, or other options."""
    return replace(job, shards=shards, options=replace(job.options, **options))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"roles": "local"}, "roles is local,delimiter,block there and local here"),
        ({"shards": 3}, "shards is 5 there and 3 here"),
        ({"max_length": 20}, "max_length is 128 there and 20 here"),
        ({"chunk": 15}, "chunk is 10 there and 15 here"),
    ],
)
def test_a_folder_of_another_run_raises_with_the_changed_field(job, change, field):
    shards.start(job)
    with pytest.raises(InputError) as caught:
        shards.start(changed(job, **change))
    assert f"run.json: belongs to another run: {field}" in str(caught.value)
    assert str(caught.value).count(" there and ") == 1


def test_a_run_with_other_weights_or_another_corpus_raises(job, tmp_path, corpus):
    shards.start(job)
    other = tiny.save(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match=r"model is .*; weights is \w+ there and \w+ here$"):
        shards.start(replace(job, model=other))
    other_corpus = tmp_path / "in.tsv"
    other_corpus.write_text(corpus.read_text().replace("bal", "dal"))
    with pytest.raises(InputError, match=r"another run: corpus is \w+ there and \w+ here$"):
        shards.start(replace(job, corpus=str(other_corpus)))


@pytest.fixture
def done(job):
    """A finished run."""
    shards.start(job)
    shards.compute(job, list(range(N_SHARDS)))
    return Path(job.folder)


def damage_byte(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def of_another_run(path):
    stored = files.read(path, run_folder._LAYOUTS)
    files.write(path, replace(stored, facts={**stored.facts, "weights": "0" * 12}))


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (damage_byte, InputError, "shard-00003.hs: damaged: array .*; delete it to have"),
        (lambda path: os.truncate(path, 700), InputError, "shard-00003.hs: not a headscore file"),
        (of_another_run, InputError, r"shard-00003.hs: belongs to another run: weights is \w+ th"),
        (os.unlink, IncompleteError, "1 of 5 shards are missing: 3$"),
        (
            lambda path: shutil.copy(path.with_name("shard-00002.hs"), path),
            InputError,
            "must hold shard 3, sequences 90 to 120, but holds shard 2, sequences 60 to 90",
        ),
        (
            lambda path: shutil.copy(path, path.with_name("shard-00007.hs")),
            InputError,
            "shard-00007.hs: no shard of this run, which has 5",
        ),
        (
            lambda path: path.with_name("run.json").write_text("{}"),
            InputError,
            "run.json: damaged, or of another version",
        ),
        (
            lambda path: path.with_name("run.json").unlink(),
            InputError,
            r"holds no run in shards \(.*there is no such file",
        ),
    ],
)
def test_merging_damaged_missing_or_foreign_files_raises(done, harm, error, message):
    harm(done / "shard-00003.hs")
    with pytest.raises(error, match=message):
        merge_shards(done)


def test_a_damaged_shard_raises_on_resume(done, job):
    damage_byte(done / "shard-00003.hs")
    with pytest.raises(InputError, match="damaged"):
        shards.compute(job, [3])


def test_a_shard_that_cannot_be_opened_is_not_called_damaged(done):
    run = run_folder.read_run(done)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(
            InputError, match=r"shard-00003.hs: cannot be read \(Too many open .*\)$"
        ):
            run_folder.read_shard(run, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_shard_that_is_a_pipe_is_refused_without_being_opened(done):
    run = run_folder.read_run(done)
    run.path(3).unlink()
    os.mkfifo(run.path(3))
    with pytest.raises(InputError, match=r"is a pipe, a socket or a device; delete it to have "):
        run_folder.read_shard(run, 3)


def test_sweep_deletes_only_partial_files_of_dead_processes(tmp_path):
    (tmp_path / ".headscore-01234567-89.part").write_bytes(b"left")
    (tmp_path / ".other.part").write_bytes(b"of another program")
    with files.replacing(tmp_path / "a") as living:
        files.sweep(tmp_path)
        assert names(tmp_path) == sorted([living.name, ".other.part"])
        living.write_bytes(b"whole")
    assert names(tmp_path) == [".other.part", "a"]
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_more_shards_than_chunks_raise(job):
    with pytest.raises(UsageError, match=r"at most the 15 chunks of 10 sequences .*, got 16"):
        shards.start(replace(job, shards=16))
    with pytest.raises(UsageError, match="shards must be at least 1, got 0"):
        shards.start(replace(job, shards=0))


RUN = run_folder.Run(Path("x"), {}, tuple(range(11)))


@pytest.mark.parametrize(
    ("shard", "environ", "chosen"),
    [
        (None, {}, list(range(10))),
        (4, {"RANK": "1", "WORLD_SIZE": "3"}, [4]),
        (None, {"RANK": "1", "WORLD_SIZE": "3"}, [1, 4, 7]),
        (None, {"SLURM_ARRAY_TASK_ID": "7"}, [7]),
        (
            None,
            {
                "SLURM_ARRAY_TASK_ID": "3",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_COUNT": "4",
            },
            [2, 6],
        ),
        (
            None,
            {
                "SLURM_ARRAY_TASK_ID": "5",
                "SLURM_ARRAY_TASK_MIN": "5",
                "SLURM_ARRAY_TASK_MAX": "9",
                "SLURM_ARRAY_TASK_COUNT": "2",
            },
            [5],  # --array=5,9
        ),
    ],
)
def test_choose_returns_the_shards_of_a_rank_or_slurm_task(shard, environ, chosen):
    assert own_shards(RUN, shard, environ) == chosen


def test_ranks_cover_every_shard_once():
    ranks = [own_shards(RUN, None, {"RANK": str(n), "WORLD_SIZE": "4"}) for n in range(4)]
    assert Counter(shard for own in ranks for shard in own) == Counter(range(10))


def test_invalid_shards_ranks_and_engines_raise():
    with pytest.raises(UsageError, match=r"shard must lie in 0..9, got 10"):
        own_shards(RUN, 10, {})
    with pytest.raises(UsageError, match="SLURM_ARRAY_TASK_ID must be a number, got 'x'"):
        own_shards(RUN, None, {"SLURM_ARRAY_TASK_ID": "x"})
    for rank, size in (("-1", "4"), ("9", "4"), ("0", "0")):
        with pytest.raises(UsageError, match=f"RANK must be one of {size} processes, got number"):
            own_shards(RUN, None, {"RANK": rank, "WORLD_SIZE": size})
    gap = {"SLURM_ARRAY_TASK_ID": "40", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_COUNT": "2"}
    with pytest.raises(UsageError, match=r"SLURM_ARRAY_TASK_ID must lie in 0..9, got 40"):
        own_shards(RUN, None, {**gap, "SLURM_ARRAY_TASK_MAX": "40"})
    with pytest.raises(UsageError, match="engine must be one of local, ray, dask, got 'spark'"):
        engines.compute_shards("spark", dying.die, [0], workers=1, gpus=0)
    with pytest.raises(UsageError, match="workers must be at least 1, got 0"):
        engines.compute_shards("local", dying.die, [0], workers=0, gpus=0)


def test_merging_a_corpus_without_usable_sequences_raises(job, tmp_path):
    blank = tmp_path / "blank.tsv"
    blank.write_text("a\tb\n" + " \t \n" * 49 + " \tx\n")
    job = replace(job, corpus=str(blank), shards=2)
    shards.start(job)
    shards.compute(job, [0, 1])
    with pytest.raises(InputError, match=r"the corpus holds no usable sequence \(empty: 50\)"):
        merge_shards(job.folder)


def test_merging_without_any_role_raises(job, tmp_path):
    job = changed(job, roles="nsubj", shards=2)
    shards.start(job)
    shards.compute(job, [0, 1])
    with pytest.raises(InputError, match="the text is not parsed, so nsubj has no sieve"):
        merge_shards(job.folder)
    assert np.array(own_shards(RUN, None, {})).size == 10


# ------------------------------------------------------------------ the command line


def test_shards_of_several_commands_merge_to_one_run(model, corpus, whole, tmp_path, capsys):
    from headscore.cli import main

    whole.save(tmp_path / "whole.hs")
    folder, out = tmp_path / "run", tmp_path / "out.hs"
    for shard in range(5):
        assert main(command(model, corpus, folder, out, "--shard", str(shard))[3:]) == 0
        said = capsys.readouterr().out
        if shard < 4:
            left = list(range(shard + 1, 5))
            assert json.loads(said) == {"shards": 5, "done": shard + 1, "missing": left}
            assert main(["merge", str(folder)]) == 4
            capsys.readouterr()
    assert out.read_bytes() == (tmp_path / "whole.hs").read_bytes()
    assert main(["merge", str(folder), "--out", str(tmp_path / "again.hs"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["sequences"] == 138
    assert (tmp_path / "again.hs").read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--shards", "3"], "--shards and --run-dir must be given together"),
        (["--shard", "3"], "--shard needs --shards and --run-dir"),
        (["--devices", "all"], "--devices needs --shards and --run-dir"),
        (["--hf-dataset", "x"], "either CORPUS or --hf-dataset must be given, got both"),
        (["--shards", "3", "--run-dir", "x", "--chunk", "0"], "chunk must be an integer of at"),
    ],
)
def test_conflicting_options_exit_with_2(corpus, more, sentence, capsys):
    from headscore.cli import main

    assert main(["analyze", "no-model", str(corpus), *more]) == 2
    assert sentence in capsys.readouterr().err


def test_json_lists_done_and_missing_shards(model, corpus, tmp_path, capsys):
    from headscore.cli import main

    one = command(model, corpus, tmp_path / "run", tmp_path / "out.hs", "--shard", "3", "--json")
    assert main(one[3:]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"shards": 5, "done": 1, "missing": [0, 1, 2, 4]}


def test_data_in_memory_is_identified_by_its_content(job):
    texts = [each.segments[0].text for each in tiny.sequences(40)]
    options = replace(job.options, columns=None, skip_invalid=False)
    asked = replace(job, corpus=Described(texts), shards=2, options=options)
    shards.start(asked)
    shards.compute(asked, [0, 1])
    assert merge_shards(asked.folder).n_sequences == 40
    shards.start(asked)
    other = replace(asked, corpus=Described(["bal", *texts[1:]]))
    with pytest.raises(InputError, match=r"another run: corpus is \w{12} there and \w{12} here"):
        shards.start(other)
    with pytest.raises(UsageError, match="can be read again, got a list_iterator"):
        shards.start(replace(asked, corpus=iter(texts)))


class Described(list):
    """A list that looks like any other."""

    def __repr__(self):
        return "data"

    def __hash__(self):
        return 0


def test_a_data_set_by_name_is_scored_whole_and_in_shards(model, tmp_path, capsys):
    pytest.importorskip("datasets", reason="needs the extra: datasets")
    from headscore.cli import main

    rows = [{"a": each.segments[0].text} for each in tiny.sequences(20)]
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ["--hf-dataset", str(folder), "--hf-split", "test", "--columns", "a"]
    asked += ["--roles", "local", "--json"]
    assert main(["analyze", model, *asked]) == 0
    one = json.loads(capsys.readouterr().out)
    parts = ["--chunk", "10", "--shards", "2", "--run-dir", str(tmp_path / "run")]
    assert main(["analyze", model, *asked, *parts]) == 0
    other = json.loads(capsys.readouterr().out)
    assert one["counts"]["sequences"] == other["counts"]["sequences"] == 20


def test_analyze_uses_the_parses_of_the_parse_command(model, tmp_path, capsys, monkeypatch):
    import spacy

    from headscore.cli import main

    pipeline = spacy.blank("en")
    pipeline.add_pipe("parser").add_label("nsubj")
    pipeline.initialize()
    pipeline.to_disk(tmp_path / "pipeline")
    (tmp_path / "in.txt").write_text("bal dan gor\nmol kal\n")
    asked = [str(tmp_path / "in.txt"), "--parser", str(tmp_path / "pipeline")]
    store = str(tmp_path / "a.hsp")
    assert main(["parse", *asked, "-o", store, "--processes", "0"]) == 0
    assert capsys.readouterr().out == f"2 texts, 5 words by en_pipeline@0.0.0 in {store}\n"
    monkeypatch.setattr(spacy, "load", None)  # nothing more can be parsed
    assert main(["parse", *asked, "-o", store, "--processes", "0"]) == 0
    assert main(["analyze", model, *asked, "--roles", "local", "--cache", store, "--json"]) == 0
    assert main(["parse", *asked, "-o", str(tmp_path / "a.txt")]) == 2
    assert "--out must end in .hsp" in capsys.readouterr().err
    assert main(["parse", asked[0], "-o", store]) == 2


# ------------------------------------------------------------------ chunks that nobody names


@pytest.mark.parametrize("n_sequences", [*range(1, 70), 600, 607, 4096 * 7 + 1, 4096 * 8, 100_000])
def test_a_chunk_that_nobody_names_gives_each_shard_one(n_sequences):
    for n_shards in range(1, min(n_sequences, 40) + 1):
        chunk = shards._chunk(n_sequences, n_shards)
        bounds = shards._bounds(n_sequences, n_shards, chunk)
        sizes = np.diff(bounds)
        assert len(sizes) == n_shards
        assert sizes.min() > 0
        assert (bounds[0], bounds[-1]) == (0, n_sequences)
        assert not any(bound % chunk for bound in bounds[:-1])
        if chunk == 4096:
            assert -(-n_sequences // 4096) >= n_shards
        else:  # fair: at most two chunks where others have one
            assert -(-n_sequences // 4096) < n_shards
            assert sizes.max() <= max(2 * (n_sequences // n_shards), -(-n_sequences // n_shards))


def without_chunk(job, **options):
    return changed(job, chunk=None, **options)


def test_shards_of_a_small_corpus_equal_one_run_with_their_chunk(job, model, corpus, tmp_path):
    """148 sequences in 8 shards: chunks of ceil(148 / 8)."""
    job = replace(without_chunk(job), shards=8)
    run = shards.start(job)
    assert run.fingerprint["chunk"] == "19"
    assert run.bounds == (0, 19, 38, 57, 76, 95, 114, 133, 148)
    shards.compute(job, list(run.shards))
    whole = hs.score(model, str(corpus), chunk=19, skip_invalid=True, **OPTIONS)
    whole.save(tmp_path / "whole.hs")
    assert merged(job, tmp_path / "merged.hs") == (tmp_path / "whole.hs").read_bytes()


def test_a_resumed_run_takes_the_chunk_of_its_folder(job):
    named = changed(job, chunk=11)
    shards.start(named)
    shards.compute(named, [0])
    unnamed = without_chunk(job)
    assert shards.start(unnamed).fingerprint["chunk"] == "11"
    shards.compute(unnamed, [1, 2, 3, 4])
    assert merge_shards(job.folder).n_sequences == 138
    with pytest.raises(InputError, match=r"run: chunk is 11 there and 19 here$"):
        shards.start(changed(job, chunk=19))
    with pytest.raises(InputError, match=r"run: shards is 5 there and 100 here$"):
        shards.start(replace(unnamed, shards=100))


def test_more_shards_than_sequences_raise(job):
    with pytest.raises(UsageError, match="at most the 148 sequences of the corpus, got 149"):
        shards.start(replace(without_chunk(job), shards=149))
    assert not Path(job.folder).exists()


def test_a_folder_that_cannot_be_looked_into_raises(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        run_folder.find_run(tmp_path / ("x" * 300))


def test_tasks_of_an_array_exit_with_0_and_say_what_is_missing(
    model, corpus, tmp_path, capsys, monkeypatch
):
    from headscore.cli import main

    folder = tmp_path / "run"
    asked = ["analyze", model, str(corpus), "--columns", "a,b", "--skip-invalid"]
    asked += ["--roles", "local", "--shards", "8", "--run-dir", str(folder)]
    assert main([*asked, "--shard", "6"]) == 0
    assert capsys.readouterr().out == (
        "1 of 8 shards are done, missing: 0, 1, 2, 3, 4, 5, 7; once all are done: "
        f"headscore merge {folder}\n"
    )
    for name, value in {"ID": 2, "MIN": 1, "MAX": 3, "COUNT": 3}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    assert main(asked) == 0
    assert "4 of 8 shards are done, missing: 0, 2, 3, 5;" in capsys.readouterr().out
    for name in ("ID", "MIN", "MAX", "COUNT"):
        monkeypatch.delenv(f"SLURM_ARRAY_TASK_{name}")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(asked) == 0
    assert "6 of 8 shards are done, missing: 3, 5;" in capsys.readouterr().out
    assert main(["merge", str(folder)]) == 4
    assert "2 of 8 shards are missing: 3, 5" in capsys.readouterr().err
    monkeypatch.setenv("RANK", "1")
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["sequences"] == 138


def test_any_change_of_run_json_raises(job):
    run = shards.start(job)
    content = json.loads(run.manifest.read_text())
    changed = {**content, "bounds": [*content["bounds"][:-1], content["bounds"][-1] + 1]}
    for each in (changed, {**content, "format": "headscore run 2"}, {**content, "sha256": "0"}):
        run.manifest.write_text(json.dumps(each))
        with pytest.raises(InputError, match=r"run\.json: damaged, or of another version"):
            run_folder.read_run(run.folder)
    del content["sha256"]  # as it was before there was a digest
    run.manifest.write_text(json.dumps({**content, "format": "headscore run 2"}))
    assert run_folder.read_run(run.folder) == run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk": 5}, "belongs to another run: chunk is 5 there and 10 here"),
        ({"shards": 4}, "belongs to another run: shards is 4 there and 5 here"),
    ],
)
def test_a_folder_that_was_swapped_meanwhile_gets_no_shard(job, tmp_path, change, message):
    run = shards.start(job)
    options = replace(job.options, chunk=change.get("chunk", job.options.chunk))
    n_shards = change.get("shards", job.shards)
    other = replace(job, folder=str(tmp_path / "other"), shards=n_shards, options=options)
    shards.start(other)
    part = shards.gather([])
    run.folder.rename(tmp_path / "moved")
    Path(other.folder).rename(run.folder)
    with pytest.raises(InputError, match=message):
        run_folder.write_shard(run, 0, run_folder.Part(part))
    assert not run.path(0).exists()
    with pytest.raises(IncompleteError, match="5 of 5 shards are missing"):
        merge_shards(run)
