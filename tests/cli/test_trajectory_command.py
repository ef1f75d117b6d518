"""`headscore trajectory`: steps, output, files, and refused input; pages of saved results."""

import argparse
import json

import numpy as np
import pytest
from helpers.commands import refused, run_here

import headscore as hs
from headscore.cli import seeds
from headscore.options import TestOptions
from headscore.report.seeds import Seeds


def scores_of(strength, seed=0):
    values = np.random.default_rng(seed).uniform(0, 1, (20, 2, 3, 4)).astype(np.float32)
    values[:, 0, 1, :2] += strength
    return hs.HeadScores.from_arrays(values, ["previous", "sink"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scores of four steps: two heads have a role from step 50 on."""
    folder = tmp_path_factory.mktemp("steps")
    for number, (step, strength) in enumerate({0: 0, 50: 9, 100: 9, 1000: 9}.items()):
        scores_of(strength, number).save(folder / f"step-{step}.hs")
    return folder


def test_the_trajectory_is_printed_and_saved(folder, tmp_path):
    outs = [tmp_path / name for name in ("t.hs", "t.html", "t.csv")]
    files = [folder / f"step-{step}.hs" for step in (1000, 0, 50, 100)]
    result = run_here("trajectory", *files, *(part for out in outs for part in ("-o", out)))
    assert result.returncode == 0, result.stderr
    assert "4 checkpoints, steps 0 to 1000" in result.stdout
    assert str(outs[0]) in result.stdout
    found = hs.load(outs[0])
    direct = hs.trajectory({step: folder / f"step-{step}.hs" for step in (0, 50, 100, 1000)})
    assert found.signature == direct.signature
    assert found.heads("previous")["has_from"].tolist() == [50, 50]
    assert "Heads with each role by step" in outs[1].read_text()
    assert outs[2].read_text().startswith("layer,head,role,")
    again = run_here("report", outs[0])
    assert again.stdout.splitlines()[:5] == result.stdout.splitlines()[:5]


def test_steps_are_given_or_end_the_names_of_files(folder, tmp_path):
    named = tmp_path / "a=b-7.hs"
    scores_of(0).save(named)
    result = run_here("trajectory", f"2.5={folder / 'step-50.hs'}", named, "--json", "--tau", "4")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["steps"] == [2.5, 7]
    assert answer["facts"]["tau"] == "4"
    assert [row["role"] for row in answer["table"] if row["lost"]] == ["previous", "previous"]
    assert len(answer["by_step"]) == 4


@pytest.mark.parametrize(
    ("arguments", "exit_code", "parts"),
    [
        (("1=no.hs", "2=b.hs"), 3, ["no.hs: there is no such file"]),
        (("a.hs", "2=b.hs"), 2, ["STEP=FILE.hs, or a file whose name ends in the step, got a.hs"]),
        (("a-1.hs", "1=b.hs"), 2, ["steps must be different, got 1 twice: a-1.hs, b.hs"]),
        (("1e3=a.hs", "1000=b.hs"), 2, ["steps must be different, got 1000 twice: a.hs, b.hs"]),
        (("1=a.hs", "2=b.hs", "-o", "x.png"), 2, ["must end in .hs or .html or .csv, got x.png"]),
        (("1=a.hs", "2=b.hs", "--label", "label_unadjusted"), 2, ["--label must be one of label"]),
        ((), 2, ["required: STEP=FILE.hs"]),
    ],
)
def test_refused_input(arguments, exit_code, parts):
    refused(run_here("trajectory", *arguments), exit_code, *parts)


def test_one_step_is_too_few(folder):
    refused(run_here("trajectory", folder / "step-0.hs"), 2, "at least 2 steps, got 1")


def test_saved_results_take_no_options_of_a_test(folder, tmp_path):
    hs.trajectory({1: folder / "step-0.hs", 2: folder / "step-50.hs"}).save(tmp_path / "t.hs")
    refused(run_here("report", tmp_path / "t.hs", "--tau", "2"), 2, "got a trajectory, which has")


def test_seeds_are_saved_and_printed(capsys, tmp_path):
    found = Seeds.from_scores({"a": scores_of(9), "b": scores_of(9, 1)}, TestOptions())
    outs = [str(tmp_path / name) for name in ("s.hs", "s.html", "s.csv")]
    seeds.present(found, argparse.Namespace(out=outs, json=True, quiet=False))
    answer = json.loads(capsys.readouterr().out)
    assert [row["labels"] for row in answer["table"]] == [2, 0, 2, 0]
    assert {row["what"] for row in answer["intervals"]} == {"heads", "share", "depth"}
    result = run_here("report", outs[0], "-o", tmp_path / "again.html")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("2 seeds of one recipe\n")
    assert (tmp_path / "again.html").read_text() == (tmp_path / "s.html").read_text()
    refused(run_here("report", outs[0], "--tau", "2"), 2, "got seeds, which has")
