"""Every benchmark runs once, at tiny size; timings are not tested."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import forked
from helpers.matched import made

import headscore as hs
from headscore.demo import demo_corpus
from headscore.sieves.odds import ROWS

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def printed(name, *arguments):
    """What a benchmark prints at tiny size."""
    result = subprocess.run(
        [forked.python(), str(BENCHMARKS / name), *map(str, arguments), "--tiny"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.model
@pytest.mark.parametrize("name", ["bench_sieve_scores.py", "bench_analyze.py"])
def test_benchmarks_run_at_tiny_size(name, minilm_path):
    text = printed(name)
    gaps = re.findall(r" (\d\.\de[-+]\d\d)$", text, re.M)  # the last column: difference to eager
    assert gaps
    assert max(map(float, gaps)) < 1e-3
    assert re.search(r"^.+, \d+ cores, kernel (baseline|avx2|avx512|neon), \d+ threads", text, re.M)
    assert "of the cores' time went to other processes" in text


def test_the_gpu_benchmark_runs_at_tiny_size_on_the_cpu(tmp_path):
    printed("bench_cuda.py", "--device", "cpu", "--out", tmp_path)
    report = json.loads((tmp_path / "CPU.json").read_text(encoding="utf-8"))
    assert all(row["same bits"] for row in report["tables"]["accuracy"])
    assert report["tables"]["from q and k"][0]["T entries/s"] > 0
    assert "| d | T | batch |" in (tmp_path / "CPU.md").read_text(encoding="utf-8")


@pytest.mark.model
def test_the_cost_of_the_matched_control_is_measured_at_tiny_size():
    lines = printed("bench_matched.py").splitlines()
    rows = {row[1].strip(): row[2:-1] for row in (line.split("|") for line in lines) if row[1:]}
    assert [float(rows[control][3]) for control in ("offset", "offset,upos")] == [40, 40]
    assert float(rows["offset"][4]) == 0 < float(rows["offset,upos"][4])


def test_the_cost_of_capture_is_measured_at_tiny_size():
    text = printed("memory.py")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    grown = {row[0].strip(): float(row[1]) for row in rows if len(row) == 2 and row[0] != " way "}
    assert set(grown) == {"plain", "capture", "eager"}
    assert any(row[0].strip() == "1 x 64" for row in rows)


def test_the_cost_of_changes_is_measured_at_tiny_size():
    rows = [row for row in cells_of(printed("bench_causal.py")) if row[0] in ("plain", "knockout")]
    assert len(rows) == 6  # of the tables of seconds, opening and memory
    assert [row[-1] for row in rows[::4]] == ["1.00 1.00", "1.00"]


def test_the_host_is_measured_at_tiny_size(minilm_path):
    text = printed("bench_host.py")
    tables = re.findall(r"^(\S.+), \d+ tokens: milliseconds, times the tokenizer$", text, re.M)
    assert tables == ["MiniLM, CoNLL-U", "one layer of one head, CoNLL-U", "MiniLM, parse store"]
    for stage in ("tokenizer alone", "read", "encode, but tokenizer", "sieves", "host in all"):
        assert len(re.findall(rf"^ +{stage} +-?[\d.]+ +-?[\d.]+$", text, re.M)) == 3
    assert len(re.findall(r"^ +parse ", text, re.M)) == 1
    assert "planning a batch of 8 x 128" in text
    assert "host workers" in text


def test_start_up_is_measured_at_tiny_size(minilm_path):
    text = printed("bench_start.py")
    assert re.search(r"^ +demo --roles local:x +[\d.]+$", text, re.M)
    assert re.search(r"^stages: start [\d.]+ s, other [\d.]+ s, import ", text, re.M)


@pytest.mark.model
def test_power_from_a_pilot_is_measured_at_tiny_size(minilm_path):
    text = printed("power_pilot.py")
    rows = [row for row in cells_of(text) if row[0] == "12"]
    assert [row[1:3] for row in rows[:6]] == [
        [size, state] for size in ("8", "20") for state in ("labels", "robust", "has_not")
    ]
    for row in rows[:6]:
        assert float(row[4].split()[0]) >= 0
    shares = [float(pair.split()[2]) for row in rows[6:] for pair in row[2:]]
    assert len(shares) == 12
    assert shares[0] < 0.05  # cells far below the threshold never get a label
    assert shares[5] > 0.5
    assert len(re.findall(r"^200 sequences x 60 cells, \d+ \w+: .* MiB above", text, re.M)) == 2


def test_simulation_runs_at_tiny_size():
    text = printed("simulate.py")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[5:]]
    rates = {name: float(rate) for name, _, rate, *_ in rows}
    assert len(rates) == 7
    assert 2 < rates["normal"] < 8
    assert rates["0 in 1 of 100, else equal"] == 0
    assert rates["normal, ICC 0.1, sentences"] > rates["normal, ICC 0.1, documents"]


def test_scale_runs_at_tiny_size():
    text = printed("bench_scale.py", demo_corpus(), "--only", "stream")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[1:]]
    assert [row[:2] for row in rows] == [["200", "auto"], ["200", "disk"]]
    assert rows[0][5] == rows[1][5] == str(3 * 2 * 2 * 4 + 3 * 2 * 4 + 8)  # bytes of a sequence


@pytest.mark.slow
def test_memory_of_long_corpora_is_measured_at_tiny_size():
    rows = cells_of(printed("flat_memory.py"))[1:]
    assert [row[:3] for row in rows] == [
        ["txt", "3000", "3"],
        ["conllu", "3000", "3"],
        ["pairs", "3000", "0"],
        ["shards", "3000", "-"],
        ["merge", "3000", "3"],
    ]
    assert all(float(row[3]) > 100 for row in rows)


def cells_of(text):
    """Rows of the tables in a text, as lists of cells."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


def test_agreement_runs_at_tiny_size():
    rows = cells_of(printed("agreement.py"))[1:]
    by_r = [row for row in rows if row[1] in ("R clubSandwich, CR2", "R `mantelhaen.test`, exact")]
    assert len(by_r) in (0, 1, 5)  # without R, without its package, with both
    assert len(rows) - len(by_r) == 20
    as_printed = [row for row in rows if "digits" in row[1]]
    assert len(as_printed) == 4
    assert max(float(row[3]) for row in as_printed) < 1e-4
    assert max(float(row[3]) for row in rows if row not in as_printed) < 1e-6


@pytest.mark.model
def test_pvalues_run_at_tiny_size(minilm_path):
    text = printed("pvalues.py")
    labels = {row[0]: row[1:3] for row in cells_of(text) if row[0] in ("raw", "Holm", "BH")}
    counts = {name: int(row[0]) for name, row in labels.items()}
    assert counts["raw"] >= counts["BH"] >= counts["Holm"] > 100
    maps = text[: text.index("| p-values")]
    assert sum(maps[maps.index("local") :].count(mark + " ") for mark in "*hbr") <= counts["raw"]
    assert maps.count("*") - 1 == int(labels["Holm"][1])  # one in the legend


@pytest.mark.model
def test_plasmode_runs_at_tiny_size(tmp_path):
    rng = np.random.default_rng(0)
    shape = (90, 2, 1, 3)
    scores = hs.HeadScores.from_arrays(
        rng.gamma(4, 1, shape),
        ["local", "nsubj"],
        documents=[f"d{n // 3}" for n in range(90)],
        attainable=np.full((90, 2), 30.0),
        excess=rng.normal(0, 1, shape),
        position_sums=np.full((ROWS, 2, 1, 3), 90 << 20),
    )
    scores.save(tmp_path / "made.hs")
    text = printed("plasmode.py", "--scores", tmp_path / "made.hs")
    assert [line.split(" |")[0] for line in text.splitlines() if line.startswith("| 20")] == [
        "| 20",
        "| 20",
    ]
    assert "in random order" in text


@pytest.mark.model
def test_replications_are_simulated_at_tiny_size(tmp_path):
    rng = np.random.default_rng(0)
    documents = [f"d{n // 3}" for n in range(90)]
    values = rng.gamma(4, 1, (90, 2, 1, 3))
    scores = hs.HeadScores.from_arrays(
        values, ["local", "nsubj"], documents=documents, attainable=np.full((90, 2), 30.0)
    )
    scores.save(tmp_path / "made.hs")
    text = printed("replication.py", "--scores", tmp_path / "made.hs")
    rows = cells_of(text)
    sizes = [row for row in rows if row[0].startswith("u = ") or row[0] == "mixed"]
    assert len(sizes) == 2 * 5
    assert all(0 <= float(cell.split()[0]) <= 1 for row in sizes for cell in row[1:])
    power = {float(row[0]): float(row[1].split()[0]) for row in rows if row[0] in ("1.1", "2")}
    assert power[1.1] < power[2]
    assert len([row for row in rows if row[0] in ("of 5 reports", "one test of all")]) == 2


@pytest.mark.model
def test_replications_of_real_scores_run_at_tiny_size(minilm_path):
    rows = cells_of(printed("replication_real.py"))
    local, every = (next(row for row in rows if row[0] == name) for name in ("local", "all"))
    assert int(local[1]) >= int(local[2]) >= int(local[4]) > 0
    assert int(every[1]) > int(local[1])
    alone, at_once = (
        [list(map(int, row[1:])) for row in rows if row[0] == name]
        for name in ("each number alone, Holm", "all numbers at once")
    )
    assert len(alone) == len(at_once) == 3
    for one, other in zip(alone, at_once, strict=True):
        assert all(n >= m for n, m in zip(one, other, strict=True))
        assert other == sorted(other, reverse=True)


@pytest.mark.model
def test_maxt_runs_at_tiny_size(tmp_path):
    rng = np.random.default_rng(0)
    before = hs.HeadScores.from_arrays(
        rng.gamma(4, 1, (90, 2, 2, 3)),
        ["local", "nsubj"],
        documents=[f"d{n // 3}" for n in range(90)],
        attainable=np.full((90, 2), 30.0),
    )
    noise = rng.normal(0, 0.1, (90, 2, 2, 3)).astype(np.float32)
    after = replace(before, values=before.values + noise)
    before.save(tmp_path / "before.hs")
    after.save(tmp_path / "after.hs")
    made = ("--scores", tmp_path / "before.hs", "--after", tmp_path / "after.hs")
    text = printed("maxt.py", *made)
    rows = cells_of(text)
    assert [row[0] for row in rows] == [
        *("documents", "20", "documents", "20", "documents", "30", "20"),
        *("correlation of heads", "0", "0.5", "0.9"),
    ]
    assert float(rows[-1][3].split()[0]) > 0.3  # power
    assert "300 units x 100 cells" in text


def test_python_per_layer_runs_at_tiny_size():
    rows = {row[0]: float(row[1]) for row in cells_of(printed("bench_layer.py"))}
    assert len(rows) == 4
    assert all(0 < microseconds < 1e4 for microseconds in rows.values())


def test_wrapped_models_run_at_tiny_size():
    rows = [line.split(" | ") for line in printed("wrapped.py").splitlines()[2:]]
    right = [row for row in rows if "e-" in row[1]]
    assert len(right) >= 6  # those that need torch alone
    assert all(float(each.strip("| ")) < 1e-4 for row in right for each in row[1:])


def test_families_run_at_tiny_size():
    text = printed("families.py")
    assert "| 50 | 0.000" in text
    assert "| 20 | 0 |" in text


def test_effects_run_at_tiny_size():
    rows = [line.split("|")[4:7] for line in printed("effects.py").splitlines() if "| 20 |" in line]
    assert len(rows) == 8  # shapes, ICCs
    assert all(float(rate) < 0.2 for row in rows for rate in row)


@pytest.mark.model
def test_runs_that_stop_are_studied_at_tiny_size(minilm_path):
    rows = cells_of(printed("stopping.py"))
    studied = [row for row in rows if len(row) == 6]
    assert [row[0].split(",")[0] for row in studied[1:]] == ["plasmode"] * 2 + ["exponential"] * 3
    assert all(0 <= float(cell.split()[0]) <= 1 for row in studied[1:] for cell in row[2:])
    saved = [row for row in rows if row[0] == "MiniLM, demo"]
    assert [row[1] for row in saved[:4]] == ["0.5", "0.8", "0.9", "1"]
    assert all(row[5] == "0" for row in saved[:4])  # no opposite verdict
    read = [int(row[2].split()[0]) for row in saved[:4]]
    assert read == sorted(read)
    assert read[0] < 144


@pytest.mark.model
def test_comparisons_without_pairs_are_simulated_at_tiny_size(tmp_path):
    rng = np.random.default_rng(0)
    scores = hs.HeadScores.from_arrays(
        rng.gamma(4, 1, (90, 2, 1, 3)),
        ["local", "nsubj"],
        documents=[f"d{n // 3}" for n in range(90)],
        attainable=rng.uniform(20, 40, (90, 2)),
    )
    scores.save(tmp_path / "made.hs")
    lines = printed("unpaired.py", "--scores", tmp_path / "made.hs").splitlines()
    assert sum(line.startswith("| two corpora, 60") for line in lines) == 6
    assert sum(line.startswith("| two conditions | 24") for line in lines) == 2


def test_clusters_run_at_tiny_size():
    rows = [line for line in printed("clusters.py").splitlines() if "equal" in line]
    assert {row.split("|")[3].strip() for row in rows} == {"4.0", "7.0", "9.0", "19.0", "41.0"}


def test_position_runs_at_tiny_size_on_heads_made_by_hand(minilm_path):
    text = printed("position.py")
    alone, planted = (
        [cell for row in cells_of(part)[1:] for cell in row[2:]]
        for part in text.split("planted, factor 4")
    )
    assert len(alone) == len(planted) == 12 * 4  # heads, relations
    assert all(0.5 < float(cell.strip("()")) < 2 for cell in alone)
    assert all(cell.startswith("(") for cell in alone)  # none is beyond position
    assert all(2 < float(cell.strip("()")) < 8 for cell in planted)
    assert sum(not cell.startswith("(") for cell in planted) > 24


def test_the_matched_control_is_simulated_at_tiny_size(minilm_path, tmp_path):
    scores = made(n=200)
    scores.save(tmp_path / "made.hs")
    text = printed("matched.py", "--scores", tmp_path / "made.hs")
    of_model, alone, planted = (
        cells_of(part) for part in re.split(r"no arcs|arcs planted, factor 4", text)
    )
    assert [row[:4] for row in of_model[1:]] == [["nsubj", "8", "0", "4"], ["obj", "8", "0", "4"]]
    assert len(alone) == len(planted) == 1 + 6 * 3  # kinds, strengths
    assert all(row[3] == "0" for row in alone[1:])  # none of them is called `has`
    means = [[float(row[2].split()[1]) for row in rows[1:]] for rows in (alone, planted)]
    assert np.median(means[0]) < 1.6 < 3 < np.median(means[1])


def test_the_null_of_the_matched_control_runs_at_tiny_size(tmp_path):
    made(n=200).save(tmp_path / "made.hs")
    rows = cells_of(printed("matched_null.py", "--scores", tmp_path / "made.hs"))
    assert [row[0] for row in rows] == ["documents", "20"]
    assert [float(cell.split()[0]) for cell in rows[1][1:3]] == [0, 0]
    assert 0 <= float(rows[1][4].split()[0]) < 0.5


def test_the_test_of_the_matched_control_is_measured_at_tiny_size():
    text = printed("bench_matched_test.py")
    assert text.startswith("50 sequences, 900 rows, 2 x 3 heads, 5 roles: ")
    assert "MiB above the" in text


def test_experiments_on_random_weights_run_at_tiny_size():
    rows = cells_of(printed("causal_null.py"))[1:]
    assert [row[:3] for row in rows if row[2] == "holds"] == [
        ["all", "rank among matched sets", "holds"],
        ["drawn", "beyond placebo", "holds"],
    ]
    assert [row[4] for row in rows if row[2] == "holds"] == ["6", "2"]
    assert len(rows) == 24


@pytest.mark.model
def test_an_experiment_on_a_causal_model_runs_at_tiny_size(minilm_path):
    text = printed("causal_decoder.py")
    arms = [row[1] for row in cells_of(text) if row[0] == "sink"]
    assert arms[:6] == ["knockout", "placebo", "beyond placebo", "keep", "heads", "matched"]


@pytest.mark.model
def test_roles_of_a_decoder_run_at_tiny_size(minilm_path):
    text = printed("decoder_roles.py")
    assert [row[0] for row in cells_of(text) if row[0] == "after_copy"] == ["after_copy"]
    assert [row[0] for row in cells_of(text) if row[0] == "retrieval"] == ["retrieval"]
    assert [row[1] for row in cells_of(text) if row[0] == "brackets"] == ["bracket"]
    assert re.search(
        r"^needles: 6 sequences, \d+ tokens in [\d.]+ s, .*, at most \d+ MiB$", text, re.M
    )


@pytest.mark.model
@pytest.mark.slow
def test_the_first_order_screen_runs_at_tiny_size(minilm_path):
    rows = cells_of(printed("causal_screen.py"))[1:]
    assert [row[0] for row in rows] == ["previous", "induction", "duplicate", "sink"]
    assert all(float(row[1]) > 0.5 for row in rows)  # random weights: nearly linear


@pytest.mark.model
@pytest.mark.slow
def test_experiments_on_relations_run_at_tiny_size(minilm_path):
    text = printed("causal_relations.py")
    assert text.count("\n## ") == 2
    assert text.count("| all | ") == 2


@pytest.mark.model
@pytest.mark.shared
@pytest.mark.slow
def test_fine_tuning_runs_at_tiny_size(minilm_path, shared):
    text = printed("finetune.py", shared / "data" / "glue")
    assert text.count("\n## ") == 2
    totals = [row for row in cells_of(text) if row[0] == "all"]
    assert len(totals) == 4
    assert totals[0] == totals[1]  # by role, by layer
    assert totals[2] == totals[3]
    before = {row[1] for row in totals}
    assert len(before) == 1
    assert int(before.pop()) > 100


@pytest.mark.shared
@pytest.mark.slow
def test_two_languages_run_at_tiny_size(shared):
    names = ("en_ewt-ud-dev", "pt_bosque-ud-dev")
    treebanks = [shared / "data" / "ud" / f"{name}.conllu" for name in names]
    rows = cells_of(printed("two_languages.py", shared / "models" / "e5_enpt", *treebanks))
    assert [row[-1] for row in rows if row[0] in names] == ["0", "0"]
    assert len([row for row in rows if row[0] == "delimiter"]) == 2


def test_seeds_are_trained_at_tiny_size():
    text = printed("seeds.py")
    assert "3 seeds of 16 heads in 2 layers; 12 sequences" in " ".join(text.split())
    assert re.search(r"^  previous +\d+ +\d+ +\d+$", text, re.M)
    assert "3 checkpoints, steps 0 to 4" in text


@pytest.mark.model
def test_seeds_with_a_known_truth_run_at_tiny_size(tmp_path):
    rng = np.random.default_rng(0)
    scores = hs.HeadScores.from_arrays(
        rng.gamma(4, 1, (90, 2, 2, 3)) * rng.gamma(4, 0.2, (2, 2, 3)),
        ["local", "nsubj"],
        documents=[f"d{n // 3}" for n in range(90)],
        attainable=np.full((90, 2), 30.0),
    )
    scores.save(tmp_path / "made.hs")
    text = printed("seeds_null.py", "--scores", tmp_path / "made.hs")
    rows = cells_of(text)
    assert [row[:3] for row in rows if row[1] == "3"] == [
        [sd, "3", "20"] for sd in ("0", "0.15", "0.4")
    ]
    assert sum(row[0] == "20" for row in rows) == 1
    assert "720 independent cells with uniform p-values" in text


@pytest.mark.slow
def test_mutants_are_killed_at_tiny_size():
    rows = [row for row in cells_of(printed("robustness/mutants.py")) if row[0] in ("mutants", "3")]
    count = dict(zip(*rows, strict=True))
    assert int(count["own tests"]) + int(count["lived"]) == 3
    assert int(count["own tests"]) > 0


def test_the_cost_of_seeds_and_steps_is_measured_at_tiny_size():
    rows = cells_of(printed("bench_training.py"))[1:]
    assert [row[:2] for row in rows] == [["trajectory", "5"], ["seeds", "8"]]
    assert all(float(row[4]) > 0 for row in rows)
