"""The command line: output, exit codes, and a one-line error for every invalid input."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import forked
from helpers.commands import CONLLU, refused, run, run_here
from helpers.effects import made
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.cli.output import as_typed, records
from headscore.options import EffectOptions


@pytest.fixture
def conllu(tmp_path):
    path = tmp_path / "small.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    return path


@pytest.mark.model
def test_analyze_prints_a_report_and_saves_scores(conllu, minilm_path, tmp_path):
    out = tmp_path / "scores.hs"
    result = run("analyze", minilm_path, conllu, "--pairs", "consecutive", "--out", out)
    assert result.returncode == 0, result.stderr
    for part in ("Heads of each role", "Strongest heads", "Heads per layer", "time:", str(out)):
        assert part in result.stdout
    scores = hs.load(out)
    assert scores.values.shape == (1, 10, 6, 12)
    assert scores.sequence_ids == ("a+b",)


@pytest.mark.model
def test_json_holds_the_report(minilm_path, tmp_path):
    out, conllu = tmp_path / "scores.hs", tmp_path / "eight.conllu"
    copies = [CONLLU.replace("id = ", f"id = {number}") for number in range(8)]
    conllu.write_text("".join(copies), encoding="utf-8")  # intervals need eight sequences
    options = ("--roles", "local,nsubj,sink", "--tau", "1.5,local=2", "--adjust", "bh")
    result = run("analyze", minilm_path, conllu, *options, "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    report = hs.test(hs.load(out), tau={"local": 2, "nsubj": 1.5, "sink": 1.5}, adjust="bh")
    assert answer["signature"] == report.signature
    assert answer["counts"]["sequences"] == 16
    assert len(answer["table"]) == 3 * 6 * 12
    for row, want in zip(answer["table"], report.table.to_dict("records"), strict=True):
        assert (row["role"], row["label"], row["status"]) == (
            want["role"],
            want["label"],
            want["status"],
        )
        assert row["mean"] == pytest.approx(want["mean"], rel=1e-12)
    assert_frame_equal(pd.DataFrame(answer["intervals"]), hs.intervals(hs.load(out)))
    curve = pd.DataFrame(answer["tau_curve"]).pivot_table("heads", "role", "tau", aggfunc="sum")
    expected = hs.tau_curve(hs.load(out), adjust="bh")
    assert_frame_equal(curve.loc[list(expected.index)], expected, check_names=False)
    assert len(answer["layer_shares"]) == 3 * 6
    pairs = pd.DataFrame(answer["colocation_beyond_position"])
    expected = report.colocation(label="beyond_position")
    assert_frame_equal(pairs, expected, check_dtype=False)


@pytest.mark.model
def test_no_position_leaves_the_position_mean_empty(conllu, minilm_path):
    options = ("--roles", "nsubj", "--json", "--no-position")
    result = run_here("analyze", minilm_path, conllu, *options)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert {row["position_mean"] for row in answer["table"]} == {None}
    assert answer["colocation_beyond_position"] is None
    result = run_here("analyze", minilm_path, conllu, *options[:-1])
    assert None not in {row["position_mean"] for row in json.loads(result.stdout)["table"]}


@pytest.mark.model
def test_weights_and_special_options_change_the_scores(conllu, minilm_path, tmp_path):
    out = tmp_path / "scores.hs"
    options = ("--roles", "local,nsubj", "--weights", "norm", "--special", "drop")
    result = run_here("analyze", minilm_path, conllu, *options, "--out", out, "--quiet")
    assert result.returncode == 0, result.stderr
    got = hs.load(out)
    want = hs.score(minilm_path, conllu, roles="local,nsubj", weights="norm", special="drop")
    usual = hs.score(minilm_path, conllu, roles="local,nsubj")
    np.testing.assert_array_equal(got.values, want.values)
    assert np.abs(got.values - usual.values).max() > 0.1
    assert got.signature.endswith("|weighted_by:norm|special:drop")
    assert got.facts["weights"] == usual.facts["weights"]


@pytest.mark.parametrize(
    ("option", "allowed"), [("--weights", "attention, norm"), ("--special", "keep, drop")]
)
def test_unknown_weights_or_special_exit_with_2(option, allowed, conllu):
    name = option.removeprefix("--")
    result = run_here("analyze", "any-model", conllu, option, "some")
    refused(result, 2, f"{name} must be one of {allowed}, got 'some'")


def documents_of(number):
    """The sentences of `CONLLU` as a document of their own."""
    text = CONLLU.replace("= d1", f"= d{number}")
    return text.replace("id = a", f"id = a{number}").replace("id = b", f"id = b{number}")


@pytest.mark.model
def test_clusters_and_criterion_options_change_the_test(minilm_path, tmp_path):
    path, out = tmp_path / "documents.conllu", tmp_path / "scores.hs"
    path.write_text("".join(map(documents_of, range(10, 20))), encoding="utf-8")
    options = ("--roles", "local", "--tau", "0.3", "--criterion", "attained")
    result = run_here("analyze", minilm_path, path, *options, "--out", out, "--json")
    assert result.returncode == 0, result.stderr
    scores, answer = hs.load(out), json.loads(result.stdout)
    report = hs.test(scores, tau=0.3, criterion="attained")
    assert answer["signature"] == report.signature
    facts = "|criterion:attained|tau:0.3|clusters:document|unit:10 documents|"
    assert facts in report.signature
    for row, want in zip(answer["table"], report.table.to_dict("records"), strict=True):
        assert (row["n"], row["n_clusters"], row["robust"]) == (20, 10, want["robust"])
        assert row["log_evalue"] == want["log_evalue"]
    again = run_here("report", out, "--clusters", "none", "--json")
    assert json.loads(again.stdout)["signature"] == hs.test(scores, clusters=None).signature


@pytest.mark.model
def test_scores_are_saved_if_the_test_raises(conllu, minilm_path, tmp_path):
    path, out = tmp_path / "no_documents.conllu", tmp_path / "scores.hs"
    path.write_text(CONLLU.replace("# newdoc id = d1\n", ""), encoding="utf-8")
    options = ("--roles", "local", "--clusters", "document", "--out", out)
    refused(
        run_here("analyze", minilm_path, path, *options), 3, 'clusters "document" need scores with'
    )
    assert hs.load(out).values.shape == (2, 1, 6, 12)


@pytest.mark.model
def test_the_demo_runs_without_a_network():
    result = run("demo", NO_COLOR="1")
    assert result.returncode == 0, result.stderr
    assert "6 layers × 12 heads" in result.stdout
    assert "local: " in result.stdout
    assert "\x1b" not in result.stdout
    strongest = [line for line in result.stdout.splitlines() if line.startswith("  nsubj ")]
    assert float(strongest[0].split()[4]) > 3  # the bound of the strongest subject head


@pytest.mark.model
def test_doctor_lists_versions_backends_and_the_model(minilm_path):
    result = run("doctor", minilm_path)
    assert result.returncode == 0, result.stdout
    for part in ("torch", "backend cuda", "backend cpu", "threads", "tokenizer", "eager"):
        assert part in result.stdout
    result = run("doctor", "no/such/model")
    assert result.returncode == 3
    assert "cannot load the model 'no/such/model'" in result.stdout


@pytest.mark.model
def test_errors_print_one_line_and_set_the_exit_code(minilm_path, tmp_path):
    refused(run("analyze", minilm_path, tmp_path / "x.txt"), 3, "x.txt")
    refused(run("analyze", "m", "c.txt", "--tau", "0"), 2, "tau must be", "got 0")


def test_version_and_help_are_printed():
    assert run("--version").stdout == f"headscore {hs.__version__}\n"
    text = run("--help").stdout
    for part in ("analyze", "compare", "power", "demo", "doctor", "exit codes"):
        assert part in text
    assert "--roles" in run("analyze", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "parts"),
    [
        ((), 2, ["arguments are required: COMMAND"]),
        (("analyse",), 2, ["COMMAND must be one of analyze", "did you mean analyze?"]),
        (("analyze", "m", "c.txt", "--rolls", "local"), 2, ["--rolls", "did you mean --roles?"]),
        (("analyze", "m", "c.txt", "--zzzz"), 2, ["arguments: --zzzz (see"]),
        (("analyze", "model"), 2, ["either CORPUS or --hf-dataset must be given"]),
        (("analyze", "m", "c.txt", "--tau", "many"), 2, ["tau must be a number", "got 'many'"]),
        (("analyze", "m", "c.txt", "--tau", "3,4"), 2, ["different roles", "got '3,4'"]),
        (("analyze", "m", "c.txt", "--tau", "a=2,a=3"), 2, ["different roles", "got 'a=2,a=3'"]),
        (("analyze", "m", "c.txt", "--tau", "3,locl=2"), 2, ["tau must name", "'locl'", "'local'"]),
        (("analyze", "m", "c.txt", "--tau", "0"), 2, ["tau must be", "got 0"]),
        (("analyze", "m", "c.txt", "--tau", "nan"), 2, ["tau must be", "nan"]),
        (("analyze", "m", "c.txt", "--alpha", "1.5"), 2, ["alpha must lie between 0 and 1"]),
        (("analyze", "m", "c.txt", "--adjust", "bonf"), 2, ["holm, bh, by, maxt, none", "'bonf'"]),
        (
            ("analyze", "m", "c.txt", "--clusters", "text"),
            2,
            ["--clusters must be one of auto, document, none, got 'text'"],
        ),
        (("analyze", "m", "c.txt", "--criterion", "mode"), 2, ["mean, attained, got 'mode'"]),
        (("analyze", "m", "c.txt", "--criterion", "attained"), 2, ["between 0 and 1", "got 3"]),
        (("analyze", "m", "c.txt", "--roles", "local:-1"), 2, ["0 or more, got 'local:-1'"]),
        (("analyze", "m", "c.txt", "--roles", "local:x"), 2, ["local:NUMBER, got 'local:x'"]),
        (("analyze", "m", "c.txt", "--roles", "a b"), 2, ["must be one of paper, decoder, local"]),
        (("analyze", "m", "c.txt", "--roles", ""), 2, ["a role must be one of"]),
        (("analyze", "m", "c.txt", "--dtype", "int8"), 2, ["float32, bfloat16, float16"]),
        (("analyze", "m", "c.txt", "--out", "/no/folder/x.hs"), 3, ["--out must be a file in"]),
        (("analyze", "no/model", "c.txt"), 3, ["cannot load the model 'no/model'"]),
        (
            ("analyze", "m", "c.txt", "--workers", "0"),
            2,
            ["--workers: must be", "got '0'"],
        ),
        (("analyze", "m", "c.txt", "--workers", "2"), 2, ["--workers needs --shards"]),
        (("analyze", "m", "c.txt", "--engine", "ray"), 2, ["--engine needs --shards"]),
        (
            ("analyze", "m", "c.txt", "--engine", "spark"),
            2,
            ["--engine must be one of local, ray, dask, got 'spark'"],
        ),
        (("analyze", "m", "c.txt", "--keep-scores", "all"), 2, ["auto", "memory", "disk", "none"]),
        (("parse", "c.txt", "-o", "a.hsp", "--processes", "-1"), 2, ["least 0, got '-1'"]),
        (("compare", "a.hs"), 2, ["required: AFTER.hs"]),
        (("compare", "no.hs", "b.hs"), 3, ["no.hs: there is no such file"]),
        (("compare", "a.hs", "b.hs", "--out", "/no/folder/x.hs"), 3, ["--out must be a file in"]),
        (("report", "no.hs"), 3, ["no.hs: there is no such file"]),
        (("completion", "fish"), 2, ["must be one of bash, zsh, got 'fish'"]),
        (("power",), 2, ["one of the arguments --effect --pilot is required"]),
        (("power", "--effect", "1", "--pilot", "a.hs"), 2, ["not allowed with argument --effect"]),
        (("power", "--effect", "1", "--tau", "2", "--seed", "1"), 2, ["--seed, --tau must come"]),
        (("power", "--effect", "1", "-o", "a.html"), 2, ["--out must come with --pilot"]),
        (("power", "--pilot", "a.hs", "--heads", "2"), 2, ["--heads must come with --effect"]),
        (("power", "--pilot", "no.hs"), 3, ["no.hs: there is no such file"]),
        (("power", "--pilot", "a.hs", "--documents", "9,7"), 2, ["at least 8, got '7'"]),
        (("power", "--pilot", "a.hs", "--resamples", "9"), 2, ["at least 20, got 9"]),
        (("power", "--effect", "0"), 2, ["effect must be a finite number", "got 0.0"]),
        (("power", "--effect", "0.2", "--heads", "0"), 2, ["heads must be a whole", "got 0"]),
        (("power", "--effect", "0.2", "--power", "1"), 2, ["power must lie between 0 and 1"]),
        (("power", "--effect", "0.2", "--alpha", "2"), 2, ["alpha must lie between 0 and 1"]),
    ],
)
def test_invalid_arguments_exit_with_an_error(arguments, exit_code, parts):
    refused(run_here(*arguments), exit_code, *parts)


def test_an_error_names_options_as_they_are_typed(tmp_path):
    (tmp_path / "c.jsonl").write_text('{"text": "Old dogs bark."}\n', encoding="utf-8")
    (tmp_path / "c.tsv").write_text("sentence1\tsentence2\nOne.\tTwo.\n", encoding="utf-8")
    named = run_here("roles", tmp_path / "c.jsonl")
    refused(named, 3, "or be named with --columns, got text")
    assert run_here("roles", tmp_path / "c.jsonl", "--columns", "text").returncode == 0
    paired = run_here("roles", tmp_path / "c.tsv", "--pairs", "consecutive")
    refused(paired, 3, "--pairs consecutive needs single texts")
    assert as_typed("special_in_text='keep' of x='y'") == "--special-in-text keep of x='y'"


def test_the_help_of_examples_offers_any_single_role():
    text = " ".join(run_here("examples", "--help").stdout.split())
    assert "--role ROLE a single role of those that analyze --roles takes" in text


@pytest.mark.parametrize(
    ("arguments", "endings"),
    [
        ("analyze m c.txt", ".hs or .html or .csv"),
        ("compare a.hs b.hs", ".hs or .html or .csv"),
        ("demo", ".hs or .html or .csv"),
        ("examples m c.txt --head 0.0 --role local", ".html"),
        ("merge run", ".hs or .html or .csv"),
        ("parse c.txt --parser p", ".hsp"),
        ("power --pilot a.hs", ".hs or .html or .csv"),
        ("replicate a.hs b.hs", ".hs or .html or .csv"),
        ("report a.hs", ".html or .csv or .hs"),
        ("synthetic needle m", ".hse"),
        ("trajectory 1=a.hs 2=b.hs", ".hs or .html or .csv"),
        ("validate m c.txt --report a.hs", ".hs or .html or .csv"),
    ],
)
def test_a_misspelled_ending_of_out_exits_with_2_in_every_command(arguments, endings):
    result = run_here(*arguments.split(), "--out", "x.hss")
    refused(result, 2, f"headscore: --out must end in {endings}, got x.hss")


BAD_FILES = {
    "empty.txt": (b"", "holds no sequence"),
    "empty.conllu": (b"", "holds no sequence"),
    "blank.txt": (b"\n  \n\n", "holds no sequence"),
    "latin1.txt": ("caf\xe9 au lait".encode("latin-1"), "latin1.txt:1: "),
    "utf16.txt": ("a text".encode("utf-16"), "UTF-16"),
    "columns.conllu": (b"1\tOnly\tthree\n\n", "10 columns, got 3"),
    "order.conllu": (CONLLU.replace("\n2\tdogs", "\n3\tdogs").encode(), "order.conllu:5"),
    "range.conllu": (CONLLU.replace("\t2\tamod", "\t9\tamod").encode(), "range.conllu:4"),
    "itself.conllu": (CONLLU.replace("\t2\tamod", "\t1\tamod").encode(), "itself.conllu:4"),
    "cycle.conllu": (
        CONLLU.replace("\t3\tnsubj", "\t1\tnsubj").encode(),
        "cycle",
    ),
    "roots.conllu": (CONLLU.replace("\t3\tadvmod", "\t0\tadvmod").encode(), "root"),
    "twice.conllu": (CONLLU.replace("sent_id = b", "sent_id = a").encode(), "'a'"),
    "text.conllu": (CONLLU.replace("Old dogs bark", "Old cats bark").encode(), "'c'"),
    "unknown.tsv": (b"first\tsecond\nx\ty\n", "columns"),
    "short.tsv": (b"sentence1\tsentence2\nonly one\n", "short.tsv:2"),
    "corpus.xyz": (b"x", ".conllu"),
}


@pytest.mark.model
@pytest.mark.parametrize("name", BAD_FILES)
def test_invalid_corpora_exit_with_3(name, tmp_path, minilm_path):
    content, part = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    refused(run_here("analyze", minilm_path, tmp_path / name, "--roles", "local"), 3, part)


@pytest.mark.model
def test_a_missing_corpus_exits_with_the_nearest_file_name(conllu, minilm_path):
    result = run_here("analyze", minilm_path, conllu.with_name("smal.conllu"))
    refused(result, 3, "smal.conllu", "small.conllu")


@pytest.mark.model
def test_syntactic_roles_need_a_parse(tmp_path, minilm_path):
    path = tmp_path / "plain.txt"
    path.write_text("The dog barked.\nThe cat slept well.\n", encoding="utf-8")
    refused(
        run_here("analyze", minilm_path, path, "--roles", "nsubj"),
        3,
        "the text is not parsed, so nsubj has no sieve",
        "give a spaCy pipeline as parser",
    )
    result = run_here("analyze", minilm_path, path)  # the paper's set: reported, not refused
    assert result.returncode == 0
    assert "the text is not parsed, so syntactic, nsubj" in result.stderr
    assert "no_sieve" in result.stdout


@pytest.mark.model
def test_absent_relations_warn_or_exit_with_3(conllu, minilm_path):
    result = run_here("analyze", minilm_path, conllu, "--roles", "local,nsubjj")
    assert result.returncode == 0
    assert "no pair of relation 'nsubjj' in the corpus; near to nsubjj: nsubj" in result.stderr
    refused(run_here("analyze", minilm_path, conllu, "--roles", "iobj,xcomp"), 3, "iobj")


@pytest.mark.model
def test_an_unknown_parser_exits_with_3(conllu, minilm_path, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("A dog barked.\n", encoding="utf-8")
    refused(
        run_here("analyze", minilm_path, plain, "--parser", "no_such_pipeline"),
        3,
        "cannot load the spaCy pipeline 'no_such_pipeline'",
    )


@pytest.mark.model
def test_too_long_truncates_skips_or_exits_with_3(tmp_path, minilm_path):
    path = tmp_path / "long.txt"
    path.write_text("word " * 30 + "\nshort\n", encoding="utf-8")
    options = ("analyze", minilm_path, path, "--roles", "local", "--max-length", 16)
    assert "truncated 1" in run_here(*options).stdout
    assert "too_long_skipped 1" in run_here(*options, "--too-long", "skip").stdout
    refused(run_here(*options, "--too-long", "error"), 3, "longer than the limit of 16 tokens")
    refused(run_here(*options, "--too-long", "cut"), 2, "truncate, skip, error, got 'cut'")
    refused(run_here(*options[:-1], 10**6), 2, "max_length must lie in 1..512")


@pytest.mark.model
def test_skip_invalid_counts_and_logs_invalid_sentences(tmp_path, minilm_path):
    path = tmp_path / "mixed.conllu"
    path.write_text(CONLLU + "1\tbad\n\n", encoding="utf-8")
    result = run_here("analyze", minilm_path, path, "--skip-invalid", "--roles", "local")
    assert result.returncode == 0, result.stderr
    assert "invalid_skipped 1" in result.stdout
    assert "10 columns" in result.stderr


@pytest.mark.model
def test_an_unavailable_backend_exits_with_2(conllu, minilm_path):
    refused(run_here("analyze", minilm_path, conllu, "--backend", "gpu"), 2, "auto, cuda, cpu")
    if hs.backends.available()["cuda"] is not None:
        result = run_here("analyze", minilm_path, conllu, "--backend", "cuda")
        refused(result, 2, "the cuda backend cannot run")


def test_pickled_weights_exit_with_3(tmp_path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (folder / "pytorch_model.bin").write_bytes(b"anything")
    corpus = tmp_path / "c.txt"
    corpus.write_text("Old dogs bark.\n", encoding="utf-8")
    refused(run_here("analyze", folder, corpus), 3, "use_safetensors=True")


@pytest.mark.model
def test_literal_special_tokens_are_counted(tmp_path, minilm_path):
    path = tmp_path / "literal.txt"
    path.write_text("He typed [SEP] here.\n", encoding="utf-8")
    result = run_here("analyze", minilm_path, path, "--roles", "delimiter")
    assert "literal_special 1" in result.stdout


@pytest.mark.model
def test_an_interrupt_exits_with_130(minilm_path, tmp_path):
    path = tmp_path / "many.txt"
    path.write_text("\n".join(f"word {n} " * 80 for n in range(2000)), encoding="utf-8")
    ours, terminal = pty.openpty()
    size = struct.pack("4H", 24, 80, 0, 0)  # a bar needs room
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    process = subprocess.Popen(
        [sys.executable, "-m", "headscore.cli", "analyze", minilm_path, path, "--roles", "local"],
        stderr=terminal,
        # a background job ignores SIGINT, and so would what it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(terminal)
    try:
        # Libraries turn an interrupt of their imports into errors of their own: at work by now.
        shown = read_terminal(ours, until=rb"[1-9]\d* seq")
        process.send_signal(signal.SIGINT)
        shown += read_terminal(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert process.returncode == 130, shown
    assert shown.splitlines()[-1] == b"headscore: interrupted"


def read_terminal(descriptor, until=rb"(?!)"):
    """What is written to a terminal, up to a pattern or its end."""
    text = b""
    try:
        while not re.search(until, text) and (part := os.read(descriptor, 65536)):
            text += part
    except OSError:  # the other side is closed
        pass
    return text


@pytest.mark.model
def test_a_closed_pipe_prints_no_traceback(conllu, minilm_path):
    command = f"{forked.python()} -m headscore.cli analyze {minilm_path} {conllu} | head -1"
    result = subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def save_side(path, *, gained=False, lost=False, **parts):
    """Scores of 2 layers of 2 heads; local 0.1 may be lost, nsubj 1.0 may be gained."""
    rng = np.random.default_rng(len(path.name))
    values = rng.normal(2, 0.3, (30, 2, 2, 2)).astype(np.float32)
    values[:, 0, 0, 1] += 0 if lost else 3
    values[:, 1, 1, 0] += 3 if gained else 0
    scores = hs.HeadScores.from_arrays(values, ["local", "nsubj"])
    tokens = np.arange(30, dtype=np.uint64)
    replace(scores, **{"tokens": tokens, "facts": {"model": path.stem}, **parts}).save(path)
    return path


@pytest.fixture
def two_sides(tmp_path):
    return save_side(tmp_path / "base.hs"), save_side(tmp_path / "tuned.hs", gained=True, lost=True)


def test_compare_prints_and_saves_the_changes(two_sides, tmp_path):
    out = tmp_path / "change.hs"
    result = run("compare", *two_sides, "--out", out)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "base -> tuned"
    counts = [line.split() for line in lines]
    for row in ("local before 1 0 1", "after 0 0 0", "change -1 0 -1", "change 0 +1 +1"):
        assert row.split() in counts
    change = hs.load(out)
    assert change.signature == hs.compare(*map(hs.load, two_sides)).signature
    for title, outcome, signs in (
        ("▲ Gained the role: 1 head", "gained", "·●"),
        ("▼ Lost the role: 1 head", "lost", "●·"),
    ):
        start = lines.index(title)
        cell = change.heads(outcome).iloc[0]
        assert lines[start + 2].split() == [
            cell["role"],
            f"{cell['layer']}.{cell['head']}",
            f"{cell['mean_before']:.2f}",
            signs[0],
            f"{cell['mean_after']:.2f}",
            signs[1],
            f"{cell['change']:+.2f}",
            f"{cell['ci_low']:+.2f}..{cell['ci_high']:+.2f}",
            f"{cell['pvalue_adj']:.3g}",
            "30",
        ]
    assert ["local", "1", "0", "1", "0", "1"] in counts  # McNemar
    assert f"signature: {change.signature}" in lines
    assert f"saved: {out}" in lines
    assert any(line.startswith("Inference is over sequences") for line in lines)


def test_report_writes_html_csv_and_hs_files_of_saved_scores(two_sides, tmp_path):
    page, table, saved = tmp_path / "r.html", tmp_path / "r.csv", tmp_path / "r.hs"
    outs = [part for path in (page, table, saved) for part in ("-o", path)]
    result = run("report", two_sides[0], "--tau", "1.5", *outs)
    assert result.returncode == 0, result.stderr
    report = hs.test(hs.load(two_sides[0]), tau=1.5)
    assert f"signature: {report.signature}" in result.stdout
    assert f"saved: {page}, {table}, {saved}" in result.stdout
    assert hs.load(saved).table.equals(report.table)
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1 + len(report.table)
    assert report.signature in page.read_text(encoding="utf-8")
    again = run_here("report", saved, "-o", page, "--json")  # of a report, as it was tested
    assert json.loads(again.stdout)["signature"] == report.signature
    quiet = run_here("report", saved, "-o", page, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_quiet_json_prints_only_json(two_sides, tmp_path):
    saved = tmp_path / "c.hs"
    compared = run_here("compare", *two_sides, "-o", saved, "--quiet", "--json")
    shown = run_here("report", saved, "--json")
    assert json.loads(compared.stdout)["gained"] == json.loads(shown.stdout)["gained"] != []
    assert json.loads(run_here("report", two_sides[0], "--quiet", "--json").stdout)["table"]


def test_options_of_a_test_with_a_saved_report_exit_with_2(two_sides, tmp_path):
    change, report = tmp_path / "c.hs", tmp_path / "r.hs"
    run_here("compare", *two_sides, "-o", change)
    run_here("report", two_sides[0], "-o", report)
    again = run_here("report", change, "--tau", "3", "--json")
    refused(again, 2, "--tau must come with saved scores, got a comparison")
    refused(run_here("report", report, "--adjust", "bh"), 2, "--adjust", "got a report")


@pytest.fixture
def effect(tmp_path):
    """An effect of the roles of `two_sides`, and its file."""
    found = hs.Effect.from_values(
        made({"local": {"knockout": 0.3}, "nsubj": {}}, facts={"metric": "nll"}), EffectOptions()
    )
    found.save(tmp_path / "effect.hs")
    return found, tmp_path / "effect.hs"


def test_report_shows_an_effect_and_writes_its_page_and_table(effect, tmp_path):
    found, path = effect
    page, table = tmp_path / "e.html", tmp_path / "e.csv"
    result = run("report", path, "-o", page, "-o", table)
    assert result.returncode == 0, result.stderr
    assert "Used by the model?\n  local: The loss depends on these edges" in result.stdout
    assert "What the model loses" in page.read_text(encoding="utf-8")
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1 + len(found.table)
    as_json = json.loads(run_here("report", path, "--json").stdout)
    assert [row["verdict"] for row in as_json["used"]] == ["used", "not shown"]
    assert len(as_json["table"]) == 12
    refused(run_here("report", path, "--tau", "3"), 2, "--tau", "got an effect")


def test_the_page_of_a_report_with_an_effect(effect, two_sides, tmp_path):
    page = tmp_path / "r.html"
    result = run_here("report", two_sides[0], "--effect", effect[1], "-o", page)
    assert result.returncode == 0, result.stderr
    assert "Used by the model?" in page.read_text(encoding="utf-8")
    again = run_here("report", effect[1], "--effect", effect[1])
    refused(again, 2, "--effect must come with saved scores or a report, got an effect")
    other = run_here("report", two_sides[0], "--effect", two_sides[0], "-o", page)
    refused(other, 3, "must hold effect, got 'headscores'")
    gone = run_here("report", two_sides[0], "--effect", tmp_path / "no.hs")
    refused(gone, 3, "there is no such file")


def test_quiet_suppresses_warnings(capsys):
    import logging
    import warnings

    from headscore.cli.entry import _listen

    with warnings.catch_warnings():
        _listen(quiet=True)
        warnings.warn("w", stacklevel=1)
        logging.getLogger("headscore").warning("w")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["--help", "completion bash"])
def test_output_to_a_closed_pipe_exits_with_0(command):
    shell = f"set -o pipefail; {sys.executable} -m headscore.cli {command} | true"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_output_to_a_full_device_exits_with_3():
    shell = f"{sys.executable} -m headscore.cli completion bash > /dev/full"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    refused(result, 3, "the output cannot be written (No space left on device)")


def test_compare_writes_an_html_page(two_sides, tmp_path):
    page, saved = tmp_path / "c.html", tmp_path / "c.hs"
    result = run_here("compare", *two_sides, "-o", page, "-o", saved, "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    first = page.read_text(encoding="utf-8")
    assert re.search(r'class="answer">\d\.\d gained \w+\. \d\.\d lost \w+\.', first)
    assert "Gained the role: 1 head" in run_here("report", saved, "-o", page).stdout
    assert page.read_text(encoding="utf-8") == first
    table = tmp_path / "c.csv"
    assert run_here("report", saved, "-o", table).returncode == 0
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1 + len(hs.load(saved).table)


@pytest.mark.model
def test_a_dry_run_prints_sizes_and_time(conllu, minilm_path):
    options = ("analyze", minilm_path, conllu, "--roles", "local,nsubj", "--dry-run")
    answer = json.loads(run_here(*options, "--json").stdout)
    assert (answer["sequences"], answer["sampled"]) == (2, 2)
    assert (answer["roles"], answer["layers"], answer["heads"]) == (2, 6, 12)
    each = 2 * 4 * (2 * 2 * 6 * 12 + 2 * 6) + 2 * 16  # values, excess, attainable; tokens, lengths
    each += 2 * (3 * 8 + 2 * 6)  # entries of 3 pairs of roles; invisible
    assert (answer["score_bytes"], answer["disk_bytes"]) == (each, 0)
    assert answer["seconds"] > 0
    assert answer["peak_bytes"] > 1e6
    text = run_here(*options).stdout
    assert text.startswith("2 sequences; 2 roles x 6 layers x 12 heads\ntime: about ")
    assert text.endswith("nothing was saved: this was a dry run\n")
    refused(run_here(*options, "--out", "nowhere/a.hs"), 3, "--out must be a file in a folder")


@pytest.mark.model
@pytest.mark.parametrize("keep", ["disk", "none"])
def test_a_dry_run_counts_scores_kept_on_disk(conllu, minilm_path, keep):
    options = ("--roles", "local", "--dry-run", "--json", "--keep-scores", keep)
    answer = json.loads(run_here("analyze", minilm_path, conllu, *options).stdout)
    assert answer["score_bytes"] == 0
    assert (answer["disk_bytes"] > 0) == (keep == "disk")


def test_a_dry_run_samples_a_stream_evenly():
    from headscore.forecast import _spaced

    for n in (1, 96, 97, 1000):
        count, sample = _spaced(iter(range(n)))
        distance = sample[1] if len(sample) > 1 else 1
        assert (count, sample) == (n, list(range(0, n, distance)))
        assert min(n, 48) <= len(sample) <= 96


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_lists_commands_and_options(shell):
    script = run_here("completion", shell).stdout
    for name in ("analyze", "compare", "--tokenizer-from", "--also-after"):
        assert name in script


def test_bash_completion_completes_a_command(tmp_path):
    script = tmp_path / "headscore.bash"
    script.write_text(run_here("completion", "bash").stdout, encoding="utf-8")
    code = (
        f"source {script}; COMP_WORDS=(headscore compl); COMP_CWORD=1; "
        "COMP_LINE='headscore compl' COMP_POINT=15; _shtab_headscore; echo ${COMPREPLY[@]}"
    )
    result = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "completion"


def test_colours_are_printed_only_to_a_terminal(two_sides):
    def on_a_terminal(**environment):
        ours, theirs = pty.openpty()
        subprocess.run(
            [forked.python(), "-m", "headscore.cli", "report", str(two_sides[0])],
            stdout=theirs,
            check=True,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(theirs)
        text = read_terminal(ours)
        os.close(ours)
        return text

    assert b"\x1b[1m" in on_a_terminal()
    assert b"\x1b" not in on_a_terminal(NO_COLOR="1")
    assert "\x1b" not in run("report", two_sides[0]).stdout


def test_compare_json_holds_the_comparison(two_sides):
    options = ("--tau", "1.5", "--alpha", "0.01", "--adjust", "by")
    result = run_here("compare", *two_sides, *options, "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    change = hs.compare(*map(hs.load, two_sides), tau=1.5, alpha=0.01, adjust="by")
    assert answer["signature"] == change.signature
    assert (answer["counts"], answer["facts"]) == (change.counts, change.facts)
    assert [row["outcome"] for row in answer["table"]] == change.table["outcome"].tolist()
    assert answer["mcnemar"] == change.mcnemar().to_dict("records")
    for row in answer["layers"]:
        here = change.layers()[row["role"]].loc[row["layer"]]
        assert [row[name] for name in ("before", "after", "change")] == here.tolist()
    assert len(answer["layers"]) == 4
    assert answer["saved"] is None


def test_compare_accepts_several_checkpoints(two_sides, tmp_path):
    other = save_side(tmp_path / "tuned_2.hs", gained=True)
    result = run_here("compare", *two_sides, "--also-after", other, "--json")
    answer = json.loads(result.stdout)
    assert answer["counts"] == {"sequences": 30, "checkpoints_before": 1, "checkpoints_after": 2}
    assert answer["facts"]["after model"] == "tuned+tuned_2"
    sides = [hs.load(path) for path in (*two_sides, other)]
    change = hs.compare(sides[0], sides[1:])
    assert answer["signature"] == change.signature
    spread = [row["spread_after"] for row in answer["table"]]
    assert spread == pytest.approx(change.table["spread_after"].tolist())


def test_compare_starts_without_torch(two_sides):
    code = (
        "import sys\nfrom headscore.cli import main\nassert main(sys.argv[1:]) == 0\n"
        "print(sorted({'torch', 'transformers', 'spacy'} & set(sys.modules)))"
    )
    for arguments in (
        ("compare", *map(str, two_sides)),
        ("report", str(two_sides[0])),
        ("power", "--effect", "0.2"),
        ("power", "--pilot", str(two_sides[0]), "--resamples", "20", "--documents", "10"),
    ):
        command = [forked.python(forked.WITHOUT_TORCH), "-c", code, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert result.stdout.endswith("[]\n")


def test_compare_exits_with_an_error_for_files_that_do_not_match(two_sides, tmp_path):
    base, tuned = two_sides
    other = save_side(tmp_path / "other.hs", tokens=np.arange(1, 31, dtype=np.uint64))
    refused(
        run_here("compare", base, other), 3, "before and after must have the same tokens", "'0'"
    )
    refused(run_here("compare", base, tuned, "--also-before", other), 3, "before[0] and before[1]")
    refused(run_here("compare", base, tuned, "--tau", "-1"), 2, "tau must be", "got -1")
    refused(
        run_here("compare", base, tuned, "--adjust", "fdr"),
        2,
        "holm, bh, by, maxt, none, got 'fdr'",
    )
    refused(run_here("compare", base, tuned, "--alpha", "0"), 2, "alpha must lie between 0 and 1")
    report = tmp_path / "report.hs"
    hs.test(hs.load(base)).save(report)
    refused(run_here("compare", base, report), 3, "report.hs: must hold headscores, got 'report'")
    cut = tmp_path / "cut.hs"
    cut.write_bytes(base.read_bytes()[:-10])
    refused(run_here("compare", cut, tuned), 3, "cut.hs: not a headscore file, or a damaged one")


def test_compare_escapes_names(tmp_path):
    evil = "a\x1b[31mb\u202ec"
    one = save_side(tmp_path / "one.hs", roles=(evil, "nsubj"), facts={"model": evil})
    text = run_here("compare", one, one).stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a\\u{1b}[31mb\\u{202e}c" in text


def test_power_prints_the_required_number_of_sequences():
    result = run_here("power", "--effect", "0.2", "--heads", "144", "--roles", "10")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("589 sequences that take part: a head whose mean exceeds tau")
    assert "0.05 / (144 heads x 10 roles) = 3.47e-05" in result.stdout
    assert "Assumed: scores of normal distribution, sequences that are independent" in result.stdout
    answer = json.loads(run_here("power", "--effect", "0.2", "--power", "0.9", "--json").stdout)
    assert answer["assumes"].startswith("Assumed: scores of normal distribution")
    assert answer["n"] == hs.power.required_n(0.2, power=0.9)
    assert answer["reached"] == hs.power.power(answer["n"], effect=0.2)


@pytest.mark.model
def test_tokenizer_from_makes_two_models_comparable(conllu, minilm_path, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    other = tmp_path / "other"  # its tokenizer keeps capitals, so it makes other tokens
    AutoModel.from_pretrained(minilm_path, use_safetensors=True).save_pretrained(other)
    AutoTokenizer.from_pretrained(minilm_path, do_lower_case=False).save_pretrained(other)

    def analyze(name, model, *options):
        out = tmp_path / name
        result = run_here("analyze", model, conllu, "--roles", "local", "--out", out, *options)
        assert result.returncode == 0, result.stderr
        return out

    base = analyze("base.hs", minilm_path)
    alone = analyze("alone.hs", other)
    same = analyze("same.hs", other, "--tokenizer-from", minilm_path)
    refused(run_here("compare", base, alone), 3, "before and after must have the same tokens")
    answer = json.loads(run_here("compare", base, same, "--json").stdout)
    assert answer["facts"]["tokenizer"] == hs.load(base).facts["tokenizer"]
    assert {row["change"] for row in answer["table"]} == {0}
    result = run_here("analyze", other, conllu, "--tokenizer-from", "no/such")
    refused(result, 3, "no/such")


@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_a_file_of_format_1_is_reported(kind, tmp_path):
    old, page = Path(__file__).parents[1] / "data" / f"{kind}-v1.hs", tmp_path / "page.html"
    result = run_here("report", old, "--out", page)
    assert result.returncode == 0, result.stderr
    assert f"{kind} of format 1 lacks verdicts" in result.stderr
    assert "Heads" in result.stdout
    assert page.read_text("utf-8").startswith("<!doctype html>")
    answer = json.loads(run_here("report", old, "--json").stdout)
    assert len(answer["table"]) == 48


def test_json_keeps_every_digit_of_numbers_and_has_null_for_missing_ones():
    numbers = [1 / 3, 1.2345678901234567e-9, 4.5678901234567e-31, 5e-324, 1e300, 0.1 + 0.2]
    table = pd.DataFrame(
        {
            "p": [*numbers, np.nan, np.inf, -np.inf],
            "n": np.arange(9),
            "label": [True, False] * 4 + [True],
            "role": pd.Series(["é\ud800", *"bcdefghi"], dtype="object"),
        }
    )
    rows = json.loads(json.dumps(records(table), allow_nan=False))
    assert [row["p"] for row in rows] == [*numbers, None, None, None]
    assert [row["n"] for row in rows] == list(range(9))
    assert [row["label"] for row in rows] == table["label"].tolist()
    assert [row["role"] for row in rows] == table["role"].tolist()
    assert {type(value) for value in rows[0].values()} == {float, int, bool, str}
    missing = pd.DataFrame({"a": pd.array([1.5, None], "Float64"), "b": [None, "x"]})
    assert records(missing) == [{"a": 1.5, "b": None}, {"a": None, "b": "x"}]
    assert records(table.iloc[:0]) == []


def test_small_p_values_reach_json_unchanged(two_sides):
    answer = json.loads(run_here("compare", *two_sides, "--json").stdout)
    table = hs.compare(*map(hs.load, two_sides)).table
    for name in ("pvalue", "pvalue_adj", "d_z"):
        expected = [None if value != value else value for value in table[name].tolist()]
        assert [row[name] for row in answer["table"]] == expected
    assert (table["pvalue"] < 1e-9).any()
