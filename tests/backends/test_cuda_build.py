"""nvcc compiles the CUDA kernels without warnings, and the main ones without register spills."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from helpers.compiled import ROOT, compile_once

TARGETS = os.environ.get("HEADSCORE_CUDA_TARGETS", "90 120").split()  # `make cuda-check`: all


def resources(report):
    """(target, kernel) -> registers, bytes of spills, from what ptxas says."""
    found = {}
    for part in report.split("Compiling entry function ")[1:]:
        name, target = re.match(r"'(\S+)' for 'sm_(\d+)'", part).groups()
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", part).groups()
        registers = re.search(r"Used (\d+) registers", part).group(1)
        found[target, name] = int(registers), sum(map(int, spills))
    return found


def demangled(name):
    """The kernel and what it is made for, out of its mangled name."""
    kernel = re.search(r"rows_qk|rows_attention|pairs|totals|position", name).group()
    number = re.search(r"Bfloat16|Float16", name)
    size = re.search(r"Li(\d+)EEELi", name)
    return f"{kernel} {number.group() if number else 'float'} {size.group(1) if size else ''}"


@pytest.mark.slow
def test_every_target_compiles_without_warnings_or_spills(capsys):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is missing")
    command = [nvcc, "-std=c++17", "-O3", "-Xptxas=-v", "-Werror=all-warnings", "--threads=0"]
    command += [f"-gencode=arch=compute_{each},code=sm_{each}" for each in TARGETS]
    command += [f"-I{ROOT / 'csrc'}", "-c", str(ROOT / "csrc/cuda/sieve_scores.cu")]
    _, printed = compile_once("kernels.o", command, ROOT / "csrc")
    found = resources(printed)
    lines = [
        f"  sm_{target} {demangled(name):24} {registers:4} {spills:4}"
        for (target, name), (registers, spills) in sorted(found.items())
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", "target, kernel, registers, bytes of spills", *lines, ""]))
    assert {target for target, _ in found} == set(TARGETS)
    for target in TARGETS:
        kernels = [demangled(name).split()[0] for each, name in found if each == target]
        assert (kernels.count("rows_qk"), kernels.count("rows_attention")) == (15, 3)
    spilling = [demangled(name).split()[0] for (_, name), (_, spills) in found.items() if spills]
    assert not {"rows_qk", "rows_attention"} & set(spilling)


def test_the_module_is_small_and_loads_without_a_driver():
    from headscore.backends import cuda

    if cuda._import_error is not None:
        pytest.skip(cuda._import_error)
    size = Path(cuda._cuda.__file__).stat().st_size
    assert size < 3 * 2**20
    assert isinstance(cuda._cuda.why_not(0), str)
