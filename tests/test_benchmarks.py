"""The benchmarks keep working: once, at tiny size. Their figures are nobody's test."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.model
@pytest.mark.parametrize("name", ["bench_sieve_scores.py", "bench_analyze.py"])
def test_runs_at_tiny_size(name, minilm_path):
    result = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), "--tiny"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[-1]) < 1e-3  # the last column: difference to eager
