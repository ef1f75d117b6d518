"""The name of a corpus in facts and tables."""

from pathlib import Path

import pandas as pd
import pytest
from helpers import tiny

import headscore as hs
from headscore.corpus.naming import name_of
from headscore.options import ScoreOptions
from headscore.scale import shards
from headscore.scale.merge import merge_shards

TEXT = "".join(f"{each.segments[0].text}\n" for each in tiny.sequences(12))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny.save(tmp_path_factory.mktemp("bert")))


def corpus(tmp_path, name):
    path = tmp_path / name
    path.write_text(TEXT)
    return path


def test_files_and_data_sets_have_a_name():
    assert name_of("some/where/dev.conllu") == {"corpus_name": "dev.conllu"}
    assert name_of(Path("dev.txt")) == {"corpus_name": "dev.txt"}
    glue = hs.DataSet("nyu-mll/glue", split="validation", config="qnli")
    assert name_of(glue) == {"corpus_name": "nyu-mll/glue qnli validation"}
    assert name_of(hs.DataSet("some/texts")) == {"corpus_name": "some/texts train"}
    assert name_of(["a text"]) == {}


def test_tables_of_two_corpora_are_told_apart_by_name(folder, tmp_path):
    names = ("one.txt", "two.txt")
    reports = [hs.analyze(folder, corpus(tmp_path, name), roles="local") for name in names]
    table = pd.concat([report.table for report in reports])
    assert table.groupby("corpus").size().to_dict() == dict.fromkeys(names, len(reports[0].table))
    # The hash is that of the content, so both can be compared.
    assert reports[0].facts["corpus"] == reports[1].facts["corpus"]
    change = hs.compare(*(hs.score(folder, tmp_path / name, roles="local") for name in names))
    assert change.facts["before corpus_name"] == "one.txt"


def test_texts_in_memory_have_a_hash_alone(folder):
    report = hs.analyze(folder, TEXT.splitlines(), roles="local")
    assert "corpus_name" not in report.facts
    assert set(report.table["corpus"]) == {report.facts["corpus"]}


def test_a_report_keeps_the_name_in_its_file(folder, tmp_path):
    report = hs.analyze(folder, corpus(tmp_path, "dev.txt"), roles="local")
    report.save(tmp_path / "r.hs")
    pd.testing.assert_frame_equal(hs.load(tmp_path / "r.hs").table, report.table)


def test_an_encoded_corpus_has_the_name_of_what_it_was_made_of(folder, tmp_path):
    encoded = hs.encode(corpus(tmp_path, "dev.txt"), folder)
    encoded.save(tmp_path / "e.hse")
    whole = hs.score(folder, tmp_path / "dev.txt", roles="local")
    for each in (encoded, tmp_path / "e.hse"):
        assert hs.score(folder, each, roles="local").signature == whole.signature
    hs.encode(TEXT.splitlines(), folder).save(tmp_path / "e.hse")
    unnamed = hs.score(folder, tmp_path / "e.hse", roles="local")
    assert unnamed.facts["corpus_name"] == "e.hse"


def test_a_run_in_shards_has_the_name_and_goes_on_after_a_move(folder, tmp_path):
    first = corpus(tmp_path, "dev.txt")
    options = ScoreOptions(roles="local", chunk=4)
    job = shards.Job(str(tmp_path / "run"), folder, str(first), 2, options)
    shards.start(job)
    shards.compute(job, [0])
    moved = first.rename(tmp_path / "moved.txt")
    job = shards.Job(job.folder, folder, str(moved), 2, options)
    shards.start(job)
    shards.compute(job, [1])
    assert merge_shards(job.folder).facts["corpus_name"] == "dev.txt"
