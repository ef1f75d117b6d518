"""The build: what a user reads who has no compiler."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[1] / "setup.py"

pytest.importorskip("setuptools", reason="compiling needs setuptools")


@pytest.mark.parametrize("compiler", [None, "no-such-compiler"])
def test_a_missing_compiler_is_one_sentence(compiler, tmp_path):
    shutil.copy(SETUP, tmp_path)
    chosen = {} if compiler is None else {"CXX": compiler}
    build = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path), "HEADSCORE_CUDA": "0", **chosen},
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode != 0
    assert build.stderr.startswith("error: compiling headscore needs a C++17 compiler, ")
    default = sysconfig.get_config_var("CXX").split()[0]
    assert f"got none as {compiler or default!r}: install one" in build.stderr
    assert build.stderr.count("\n") == 1


NVCC = '#!/bin/sh\ntest "$1" = --list-gpu-code && echo sm_75 sm_80 sm_90 sm_103 sm_120\n'


@pytest.mark.parametrize(
    ("variables", "gpus", "built"),
    [
        ({}, None, "80, 90, 120"),  # every target that this nvcc knows
        ({}, "9.0\n9.0\n", "90"),
        ({}, "10.3\n8.0\n7.5\n", "80, 103"),
        ({}, "7.5\n[N/A]\n", "80, 90, 120"),  # no GPU that the kernels run on
        ({"HEADSCORE_CUDA": "1"}, "9.0\n", "80, 90, 120"),
        ({"HEADSCORE_CUDA_TARGETS": "120 80"}, "9.0\n", "80, 120"),
    ],
)
def test_kernels_are_compiled_for_the_targets_asked_for_or_the_gpus_here(
    variables, gpus, built, tmp_path
):
    found = build_kernels(tmp_path, variables, gpus)
    said = re.search(r"compiling CUDA kernels for compute capabilities (.+?) \(it can take", found)
    assert said.group(1) == built
    code = re.findall(r",code=(\w+)", found.split(" -c ")[1].split("bindings.cpp -o")[0])
    names = built.split(", ")
    assert code == [*(f"sm_{each}" for each in names), f"compute_{names[-1]}"]


def test_an_unknown_target_is_one_sentence(tmp_path):
    found = build_kernels(tmp_path, {"HEADSCORE_CUDA_TARGETS": "80 89"}, None)
    assert "HEADSCORE_CUDA_TARGETS may hold 75, 80, 90, 103, 120 with this nvcc, got '89'" in found


def build_kernels(folder, variables, gpus):
    """What a build with a stand-in for nvcc prints; `gpus`: what nvidia-smi does."""
    pytest.importorskip("pybind11", reason="compiling needs pybind11")
    tools = folder / "tools"
    tools.mkdir()
    scripts = {"nvcc": NVCC, "nvidia-smi": f"#!/bin/sh\nprintf '{gpus}'\n" if gpus else None}
    for name, script in scripts.items():
        (tools / name).write_text(script or "#!/bin/sh\nexit 9\n", encoding="ascii")
        (tools / name).chmod(0o755)
    shutil.copy(SETUP, folder)
    done = subprocess.run(
        # Only the command of the kernels: the modules of the host are not what is looked at.
        [sys.executable, "-c", ONLY_KERNELS, "build_ext", "--build-lib", "lib"],
        cwd=folder,
        env={"PATH": f"{tools}:/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


ONLY_KERNELS = """
import setuptools
setup = setuptools.setup
def only_kernels(ext_modules, cmdclass):
    kernels = ext_modules[-1]
    kernels.sources = ["bindings.cpp"]
    setup(ext_modules=[kernels], cmdclass=cmdclass)
setuptools.setup = only_kernels
exec(open("setup.py").read(), {})
"""
