"""The programs under benchmarks/, as modules."""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
FOLDERS = (FOLDER, FOLDER / "robustness")


def benchmark_module(name):
    """A program as a module; it may import its neighbours."""
    sys.path += [str(each) for each in FOLDERS if str(each) not in sys.path]
    return importlib.import_module(name)
