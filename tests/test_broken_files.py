"""Broken, forged and hostile files: one sentence, or what was written; never other numbers."""

import re
import sys

import pytest
from test_benchmarks import printed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as on Linux")

TABLES = ("scores", "report", "comparison", "replication", "seeds", "trajectory", "power")
RESUMED = ("encoded", "effect", "pilot", "arm", "run.json, resumed", "shard, merged")


def counts(text):
    """(file, damage) -> tries, answered, unchanged, wrong."""
    rows = re.findall(
        r"^\| (.+?) \| \d+ \| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", text, re.M
    )
    return {(name, damage): tuple(map(int, each)) for name, damage, *each in rows}


@pytest.mark.slow  # a hundred tries in processes of their own
def test_damaged_tables_and_parse_caches_are_answered_or_read_unchanged():
    found = counts(printed("robustness/broken_files.py", "--only", *TABLES, "parse cache"))
    assert {name for name, _ in found} == {*TABLES, "parse cache"}
    assert {damage for _, damage in found} == {"flips", "cuts", "forged"}
    for tries, answered, unchanged, wrong in found.values():
        assert tries == answered + unchanged > 0 == wrong


@pytest.mark.slow  # loads a model again for each try, as a run that resumes does
@pytest.mark.model
def test_damaged_files_of_runs_are_answered_or_read_unchanged(minilm_path):
    found = counts(printed("robustness/broken_files.py", "--only", *RESUMED))
    assert {name for name, _ in found} == set(RESUMED)
    for tries, answered, unchanged, wrong in found.values():
        assert tries == answered + unchanged > 0 == wrong


@pytest.mark.slow  # fifty processes, so that none can hang or crash the tests
def test_hostile_files_get_one_sentence():
    text = printed("robustness/hostile_files.py")
    outcomes = dict(re.findall(r"^\| ([\w ]+) \| (\w[\w ]*) \| ", text, re.M))
    assert len(outcomes) > 50
    assert set(outcomes.values()) <= {"outcome", "answered", "read", "left out"}
