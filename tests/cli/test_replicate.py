"""`headscore replicate`: output, files, and refused input."""

import json

import numpy as np
import pytest
from helpers.commands import refused, run, run_here

import headscore as hs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the scores of two studies, and a report of a third."""
    folder = tmp_path_factory.mktemp("replicate")
    for seed, name in enumerate(("one", "two", "three")):
        rng = np.random.default_rng(seed)
        values = rng.normal(1.5, 0.4, (40, 2, 2, 3))
        values[:, :, 1, seed:] += 5
        scores = hs.HeadScores.from_arrays(
            np.maximum(values, 0),
            ["local", "nsubj"],
            documents=[f"{'ab'[k % 2]}-{k}" for k in range(40)],
            lengths=rng.integers(5, 40, 40),
        )
        scores.save(folder / f"{name}.hs")
    hs.test(hs.load(folder / "three.hs")).save(folder / "report.hs")
    return folder


def test_the_result_is_printed_and_saved(folder, tmp_path):
    outs = [tmp_path / name for name in ("found.hs", "found.html", "found.csv")]
    result = run_here(
        *("replicate", folder / "one.hs", folder / "two.hs", folder / "report.hs"),
        *("--names", "a,b,c", "--at-least", "2", *(part for out in outs for part in ("-o", out))),
    )
    assert result.returncode == 0, result.stderr
    assert "shown to hold in at least 2 of 3 studies" in " ".join(result.stdout.split())
    assert str(outs[0]) in result.stdout
    found = hs.load(outs[0])
    assert found.names == ("a", "b", "c")
    assert found.heads("local")[["layer", "head"]].to_numpy().tolist() == [[1, 2], [1, 1]]
    assert "All cells" in outs[1].read_text()
    assert outs[2].read_text().startswith("layer,head,role,studies,labels,pvalue")
    again = run_here("report", outs[0])
    assert again.stdout.splitlines()[:8] == result.stdout.splitlines()[:8]


def test_json_has_the_tables(folder):
    result = run_here("replicate", folder / "one.hs", "--by", "genre", "--json")
    answer = json.loads(result.stdout)
    assert [study["name"] for study in answer["studies"]] == ["a", "b"]
    assert answer["counted"] == [{"role": role, "1": 3, "2": 3} for role in ("local", "nsubj")]
    assert len(answer["table"]) == 12
    assert len(answer["per_study"]) == 24
    assert answer["facts"]["by"] == "genre"
    assert answer["differing"] == []


def test_options_of_the_test_reach_it(folder):
    result = run_here(
        *("replicate", folder / "one.hs", "--by", "length", "--tau", "2,local=4", "--json"),
        *("--alpha", "0.01", "--adjust", "bh", "--clusters", "none"),
    )
    facts = json.loads(result.stdout)["facts"]
    expected = {"tau": "local=4,nsubj=2", "alpha": "0.01", "adjust": "bh", "clusters": "none"}
    assert expected.items() <= facts.items()
    assert facts["studies"] == "3"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["one.hs"], 2, "studies must be at least 2, got 1"),
        (["one.hs", "none.hs"], 3, "there is no such file"),
        (["one.hs", "two.hs", "--names", "a"], 2, "--names must be 2 different names"),
        (["one.hs", "two.hs", "--names", "a,a"], 2, "--names must be 2 different names"),
        (["one.hs", "two.hs", "--names", "a,"], 2, "names of studies must be texts"),
        (["one.hs", "two.hs", "--at-least", "3"], 2, "at_least must lie in 1..2"),
        (["one.hs", "two.hs", "--by", "genre"], 2, "by must come with the scores of one corpus"),
        (["one.hs", "--by", "gender"], 2, "--by must be one of genre, length, got 'gender'"),
        (["one.hs", "two.hs", "-o", "x.txt"], 2, "--out must end in .hs or .html or .csv"),
        (["report.hs", "report.hs", "--tau", "2"], 2, "tau must be that of the reports"),
    ],
)
def test_invalid_input_is_refused_in_a_sentence(folder, arguments, code, sentence):
    paths = [folder / each if each.endswith(".hs") else each for each in arguments]
    refused(run_here("replicate", *paths), code, sentence)


def test_the_command_runs_without_torch(folder):
    result = run("replicate", folder / "one.hs", folder / "two.hs", PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0
    assert "headscore.report.replication" in result.stderr
    assert " torch\n" not in result.stderr


def test_a_saved_replication_takes_no_test_options(folder, tmp_path):
    hs.replicate([folder / "one.hs", folder / "two.hs"]).save(tmp_path / "f.hs")
    refused(run_here("report", tmp_path / "f.hs", "--tau", "2"), 2, "got a replication, which has")
