"""The programs under benchmarks/, as modules."""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def benchmark_module(name):
    """A program as a module; it may import its neighbours."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)
