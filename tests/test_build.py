"""The build: what a user reads who has no compiler."""

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
