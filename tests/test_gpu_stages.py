"""`make gpu` with stand-ins for Python and NVIDIA's tools: a stage that fails stops no other."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = "build tests bench memcheck racecheck synccheck initcheck profile".split()
# Prints what it was called with; fails, hangs or is missing where the test says so.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*"
case " $FAILING " in *" $STAGE "*) exit 3 ;; esac
case " $HANGING " in *" $STAGE "*) sleep 60 ;; esac
"""
NVIDIA_SMI = "#!/bin/sh\necho 9.0\n"


@pytest.fixture
def run_stages(tmp_path):
    """Runs `make gpu`: exit status, the stages' (name, status), their logs."""
    if any(shutil.which(name) is None for name in ("make", "bash", "timeout")):
        pytest.skip("make, bash or timeout is missing")
    tools, out = tmp_path / "tools", tmp_path / "out"
    tools.mkdir()
    for name in ("python-stand-in", "compute-sanitizer", "ncu"):
        (tools / name).write_text(STAND_IN, encoding="ascii")
    (tools / "nvidia-smi").write_text(NVIDIA_SMI, encoding="ascii")
    for path in tools.iterdir():
        path.chmod(0o755)
    checkout = tmp_path / "checkout"  # one that has no build to lose
    (checkout / "benchmarks").mkdir(parents=True)
    for name in ("Makefile", "benchmarks/gpu.sh"):
        shutil.copy(ROOT / name, checkout / name)

    def run(missing=(), **variables):
        for name in missing:
            (tools / name).unlink()
        python = tools / "python-stand-in"
        done = subprocess.run(
            ["make", "--silent", "gpu", f"PYTHON={python}", f"OUT={out}"],
            cwd=checkout,
            env={
                "PATH": f"{tools}:{os.environ['PATH']}",
                "FAILING": "",
                "HANGING": "",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        summary = (out / "summary.txt").read_text(encoding="ascii")
        assert summary in done.stdout
        lines = [line.split() for line in summary.splitlines()]
        assert {line[0] for line in lines} == {"STAGE"}
        assert all(0 <= int(seconds) < 30 for *_, seconds in lines)
        logs = {path.stem: path.read_text(encoding="utf-8") for path in out.glob("*.log")}
        return done.returncode, {name: int(status) for _, name, status, _ in lines}, logs

    return run


@pytest.mark.parametrize("failing", [*STAGES, "build tests", "memcheck profile", " ".join(STAGES)])
def test_every_later_stage_runs_after_one_that_fails(run_stages, failing):
    status, ended, logs = run_stages(FAILING=failing)
    assert list(ended) == STAGES
    assert ended == {name: 3 if name in failing.split() else 0 for name in STAGES}
    assert status == 2  # of make; that of the script is not 0
    assert len(logs) <= 5  # with the summary and the two tables of the benchmark: 8 files
    assert all(f"\n== {name}: " in "".join(logs.values()) for name in STAGES)


def test_all_stages_pass(run_stages):
    status, ended, logs = run_stages()
    assert (status, ended) == (0, dict.fromkeys(STAGES, 0))
    ours = logs["sanitizers"].split("\n== ")
    for tool, text in zip(STAGES[3:7], ours[1:], strict=True):
        assert f"--tool {tool} --error-exitcode 1" in text
        assert "--report-api-errors no --launch-timeout 0" in text
        assert ("--kernel-name kns=headscore" in text) == (tool != "initcheck")


def test_a_stage_that_hangs_or_lacks_its_tool_stops_no_other(run_stages):
    status, ended, _ = run_stages(missing=["ncu"], HANGING="tests racecheck", LIMIT="3")
    assert ended == {**dict.fromkeys(STAGES, 0), "tests": 124, "racecheck": 124, "profile": 127}
    assert status == 2


def test_chosen_stages_run_alone(run_stages):
    assert list(run_stages(STAGES="bench memcheck")[1]) == ["bench", "memcheck"]
