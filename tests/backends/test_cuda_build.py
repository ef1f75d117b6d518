"""nvcc compiles the CUDA kernels without warnings, and the main ones without register spills."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from helpers.benchmark_modules import benchmark_module
from helpers.compiled import ROOT, compile_once

TARGETS = os.environ.get("HEADSCORE_CUDA_TARGETS", "90 120").split()  # `make cuda-check`: all


@pytest.mark.slow
def test_every_target_compiles_without_warnings_or_spills(capsys):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is missing")
    command = [nvcc, "-std=c++17", "-O3", "-Xptxas=-v", "-Werror=all-warnings", "--threads=0"]
    command += [f"-gencode=arch=compute_{each},code=sm_{each}" for each in TARGETS]
    command += [f"-I{ROOT / 'csrc'}", "-c", str(ROOT / "csrc/cuda/sieve_scores.cu")]
    _, printed = compile_once("kernels.o", command, ROOT / "csrc")
    found = benchmark_module("cuda_build").kernels(printed)
    lines = [
        f"  sm_{each.target} {each.name:40} {each.registers:4} {each.spilled:4}" for each in found
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", "target, kernel, registers, bytes of spills", *lines, ""]))
    assert {each.target for each in found} == set(TARGETS)
    for target in TARGETS:
        names = [each.name.split()[0] for each in found if each.target == target]
        assert (names.count("rows_qk"), names.count("rows_attention")) == (15, 3)
    assert not [each for each in found if each.spilled and each.name.startswith("rows_")]


def test_the_module_is_small_and_loads_without_a_driver():
    from headscore.backends import cuda

    if cuda._import_error is not None:
        pytest.skip(cuda._import_error)
    size = Path(cuda._cuda.__file__).stat().st_size
    assert size < 3 * 2**20
    assert isinstance(cuda._cuda.why_not(0), str)
