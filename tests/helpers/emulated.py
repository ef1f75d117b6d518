"""The CUDA kernels' own source, compiled for the CPU by way of tests/cuda, as a module."""

import ctypes
import importlib.util
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from helpers.compiled import ROOT, compile_once

SOURCES = ("csrc/bindings.cpp", "csrc/cuda/sieve_scores.cu", "tests/cuda/emulation.cpp")


@dataclass(frozen=True)
class Emulated:
    """The module, and in which order its threads take turns."""

    module: ModuleType
    library: ctypes.CDLL

    def set(self, order=0, omitted_site=-1):
        """Threads run first to last (0), last to first (1) or at random (a seed from 2 on);
        barrier number `omitted_site`, in the order in which they were first met, is left out.
        """
        self.library.emulation_set(order, omitted_site)

    def sites(self):
        """Places in the source where threads met or waited for copies so far."""
        self.library.emulation_site.restype = ctypes.c_char_p
        count = self.library.emulation_sites()
        return [self.library.emulation_site(n).decode() for n in range(count)]


def build():
    """Compile the module, once for its sources, and load it."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is missing")
    pybind11 = pytest.importorskip("pybind11")
    # The tests' folder first: its cuda/hardware.cuh takes the place of the real one.
    command = [compiler, "-std=c++17", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    command += ["-Wno-unknown-pragmas", f"-I{ROOT / 'tests'}", f"-I{ROOT / 'csrc'}"]
    includes = [Path(pybind11.get_include()), Path(sysconfig.get_paths()["include"])]
    command += [*(f"-I{each}" for each in includes), "-x", "c++"]
    command += [str(ROOT / source) for source in SOURCES]
    sources = (ROOT / "csrc", ROOT / "tests" / "cuda", *includes)
    path, _ = compile_once("_cuda.so", command, *sources)
    return load(path)


def load(path):
    specification = importlib.util.spec_from_file_location("_cuda", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return Emulated(module, ctypes.CDLL(str(path)))
