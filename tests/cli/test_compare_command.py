"""`headscore compare --unpaired` and `headscore report --roles`."""

import json

import numpy as np
import pytest
from helpers.commands import refused, run_here
from helpers.selections import N, scores_of

import headscore as hs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two parts of one run, the run and a report of it."""
    folder = tmp_path_factory.mktemp("compare")
    whole, first = scores_of(), np.arange(N) % 2 == 0
    whole.save(folder / "whole.hs")
    hs.test(whole).save(folder / "report.hs")
    whole.select(where=first).save(folder / "even.hs")
    whole.select(where=~first).save(folder / "odd.hs")
    return folder


def test_two_samples_are_compared_and_saved(folder, tmp_path):
    outs = [tmp_path / name for name in ("found.hs", "found.html", "found.csv")]
    result = run_here(
        *("compare", folder / "even.hs", folder / "odd.hs", "--unpaired", "--names", "even,odd"),
        *(part for out in outs for part in ("-o", out)),
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("even -> odd")
    found = hs.load(outs[0])
    sides = [hs.load(folder / f"{name}.hs") for name in ("even", "odd")]
    wanted = hs.compare(*sides, paired=False, names=("even", "odd"))
    assert found.table.equals(wanted.table)
    assert found.signature == wanted.signature
    assert "even → odd" in outs[1].read_text(encoding="utf-8")
    assert len(outs[2].read_text(encoding="utf-8").splitlines()) == len(found.table) + 1
    shown = run_here("report", outs[0], "-o", tmp_path / "again.csv")
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "again.csv").read_bytes() == outs[2].read_bytes()


def test_raw_means_are_compared_where_they_are_asked_for(folder):
    result = run_here(
        *("compare", folder / "even.hs", folder / "odd.hs", "--unpaired", "--json"),
        *("--criterion", "mean", "--tau", "2"),
    )
    facts = json.loads(result.stdout)["facts"]
    assert (facts["criterion"], facts["tau"], facts["paired_by"]) == ("mean", "2", "nothing")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 3, "must have the same sequences"),
        (["--unpaired", "--names", "a"], 2, "names must be two different texts"),
        (["--unpaired", "--adjust", "maxt"], 2, "where paired is False"),
    ],
)
def test_what_does_not_fit_is_refused(folder, arguments, code, sentence):
    result = run_here("compare", folder / "even.hs", folder / "odd.hs", *arguments)
    assert result.returncode == code
    assert sentence in result.stderr


def test_only_some_roles_are_tested(folder, tmp_path):
    out = tmp_path / "some.hs"
    result = run_here("report", folder / "whole.hs", "--roles", "obj,nsubj", "-o", out)
    assert result.returncode == 0, result.stderr
    found = hs.load(out)
    wanted = hs.test(hs.load(folder / "whole.hs"), roles="obj,nsubj")
    assert found.roles == ("obj", "nsubj")
    assert found.table.equals(wanted.table)


def test_roles_that_were_not_scored_are_refused(folder):
    unknown = run_here("report", folder / "whole.hs", "--roles", "nsbj")
    refused(unknown, 2, "nearest: 'nsubj'")
    tested = run_here("report", folder / "report.hs", "--roles", "nsubj")
    refused(tested, 2, "--roles must come with saved scores, got a report")
