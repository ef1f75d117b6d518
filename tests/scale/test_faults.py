"""Let each call of the writers fail, once and from then on: one sentence, and nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.benchmark_modules import benchmark_module

TESTS = Path(__file__).resolve().parents[1]
fault_calls = benchmark_module("fault_calls")
FAULTS, PASSING = fault_calls.FAULTS, fault_calls.PASSING

THINNED = 5  # of the error numbers of a kind but the first one: every so many calls
# What SQLite says of a call that failed, in place of the system's words.
SQLITE = (
    "disk I/O error",
    "database or disk is full",
    "database disk image is malformed",
    "unable to open database file",
    "attempt to write a readonly database",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The calls that fail."""
    library, reason = fault_calls.build(tmp_path_factory.mktemp("faults"))
    if reason is not None:
        pytest.skip(reason)
    return library


@pytest.fixture(scope="module")
def came(library, tmp_path_factory):
    """What came of each fault: (kind, error number, the sentence or "")."""
    folder = str(tmp_path_factory.mktemp("written"))
    program = [sys.executable, "-m", "helpers.failing", folder, str(THINNED)]
    ended = subprocess.run(
        program,
        cwd=TESTS,  # which Python puts first, before the checkout that is not compiled
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [tuple(json.loads(line)) for line in ended.stdout.splitlines()]


def test_no_fault_loses_a_file_or_leaves_half_of_one(came):
    assert {(kind, number) for kind, number, _ in came} == {
        (kind, number) for kind, numbers in FAULTS.items() for number in numbers
    }
    assert [each for each in came if each[2].startswith("wrong")] == []


def test_calls_that_pass_are_tried_again(came):
    assert {said for _, number, said in came if number in PASSING} == {""}


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind != "lock"])
def test_the_sentence_names_the_file_and_the_reason(came, kind):
    for number in set(FAULTS[kind]) - set(PASSING):
        said = {said for k, n, said in came if (k, n) == (kind, number)} - {""}
        assert said
        for sentence in said:
            assert sentence.startswith("/")
            assert sentence.endswith((f"({os.strerror(number)})", *SQLITE))


def test_a_file_system_without_locks_is_written_to(came):
    assert {said for kind, _, said in came if kind == "lock"} == {""}
