"""Builds mutants of the C++ sources: the changed unit alone, the driver and the Python module."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("-std=c++17", "-O1", "-g0", "-fPIC", "-fno-math-errno", "-w")
KERNEL = ("-ffp-contract=fast", "-pthread")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
ISA = "avx2"  # the instruction set whose unit is compiled and run
SECONDS = 60  # of the processor, for a driver


class Part(NamedTuple):
    """A folder of sources, the module that it goes into, what tests it, in this order."""

    folder: str
    module: str
    driver: str
    flags: tuple[str, ...]
    left_out: tuple[str, ...]  # units of other instruction sets
    files: tuple[str, ...] = ()  # what the driver reads
    tests: tuple[str, ...] = ()


HOST = ("planning", "sentences")
PARTS = {
    "cpu": Part(
        "csrc/cpu",
        "headscore/backends/_cpu",
        "tests/driver.cpp",
        KERNEL,
        ("rows_avx512", "rows_baseline", "rows_neon"),
        (),
        (
            "tests/backends/test_sieve_scores.py",
            "tests/backends/test_threads.py",
            "tests/backends/test_cross_attention.py",
        ),
    ),
    "planning": Part(
        "csrc/planning",
        "headscore/sieves/_planning",
        "tests/host_driver.cpp",
        ("-ffp-contract=off",),
        (),
        ("headscore/demo/demo.conllu",),
        ("tests/sieves",),
    ),
    "sentences": Part(
        "csrc/sentences",
        "headscore/corpus/conllu/_sentences",
        "tests/host_driver.cpp",
        ("-ffp-contract=off",),
        (),
        ("headscore/demo/demo.conllu",),
        ("tests/corpus/test_conllu.py", "tests/corpus/test_conllu_compiled.py", "tests/corpus"),
    ),
}


class Builder:
    """Objects of a part in a folder of its own; those of the tree are compiled once."""

    def __init__(self, part: Part, folder: Path):
        self.part, self.folder = part, folder
        folder.mkdir(parents=True, exist_ok=True)
        host = () if "cpu" in part.folder else [ROOT / "csrc" / each for each in HOST]
        folders = host or [ROOT / part.folder]
        self._units = [unit for each in folders for unit in sorted(each.glob("*.cpp"))]
        self._needs = {unit: self._headers(unit) for unit in self._units}
        self._tree = ROOT / "csrc"
        self._module = self._compiled_module()

    def _headers(self, unit: Path) -> str:
        return _said("g++", "-MM", *FLAGS, *self.part.flags, f"-I{ROOT / 'csrc'}", str(unit))

    def _compiled_module(self) -> Path:
        source = self.folder / f"{Path(self.part.module).name}.cpp"
        target = self.folder / f"tree-{self.folder.name}-{source.stem}.o"
        if target.exists():
            return target
        _said(sys.executable, "-m", "cython", "-3", "--cplus", f"{ROOT / self.part.module}.pyx",
              "-o", str(source))  # fmt: skip
        return self._object(source, "tree")

    def _object(self, unit: Path, kind: str, more: Sequence[str] = ()) -> Path:
        """Return the object of a unit of the tree, compiled where it is not there yet."""
        target = self.folder / f"{kind}-{unit.parent.name}-{unit.stem}.o"
        if not target.exists():
            self._compile(unit, ROOT / "csrc", target, more)
        return target

    def _compile(self, unit: Path, tree: Path, target: Path, more: Sequence[str] = ()) -> None:
        import numpy as np

        folders = [f"-I{tree}", f"-I{sysconfig.get_paths()['include']}", f"-I{np.get_include()}"]
        _said("g++", *FLAGS, *more, *self.part.flags, *folders, "-c", str(unit), "-o", str(target))

    def build_all(self) -> None:
        """Compile what mutants of the part share."""
        for kind, more in (("tree", ()), ("sanitized", SANITIZE)):
            for unit in self._units:
                self._object(unit, kind, more)
            self._object(ROOT / self.part.driver, kind, (*more, "-O3"))

    def changed(self, path: str) -> list[Path]:
        """Return the units to compile again when a file has changed."""
        return [
            unit
            for unit in self._units
            if path in self._needs[unit] and unit.stem not in self.part.left_out
        ]

    def objects(self, tree: Path, path: str, kind: str, more: Sequence[str] = ()) -> list[Path]:
        """Compile the changed units of a mutated tree; return the objects of all units."""
        found = []
        for unit in self._units:
            if unit in self.changed(path):
                target = self.folder / f"mutant-{kind}-{unit.parent.name}-{unit.stem}.o"
                own = tree / unit.relative_to(self._tree)
                self._compile(own, tree, target, more)
                found.append(target)
            else:
                found.append(self._object(unit, kind, more))
        return found

    def same_code(self, path: str) -> bool:
        """Return whether the compiler made the same of the mutant just compiled."""
        names = [f"tree-{unit.parent.name}-{unit.stem}.o" for unit in self.changed(path)]
        pairs = [(self.folder / name, self.folder / f"mutant-{name}") for name in names]
        return all(one.read_bytes() == other.read_bytes() for one, other in pairs)

    def driver(self, objects: Sequence[Path], kind: str, more: Sequence[str] = ()) -> str:
        """Link the driver with objects and run it; return passed, failed or timeout."""
        main = self._object(ROOT / self.part.driver, kind, (*more, "-O3"))  # once, for its loops
        program = self.folder / f"driver-{kind}"
        _said("g++", *more, *self.part.flags, *map(str, objects), str(main), "-o", str(program))
        files = [str(ROOT / each) for each in self.part.files]
        limited = ("bash", "-c", f'ulimit -c 0; ulimit -t {SECONDS}; exec "$@"', "-")
        try:
            result = subprocess.run(
                [*limited, program, *files],
                env={**os.environ, "HEADSCORE_CPU_ISA": ISA, "ASAN_OPTIONS": "detect_leaks=0"},
                capture_output=True,
                check=False,
                timeout=20 * SECONDS,
            )
        except subprocess.TimeoutExpired:  # threads that wait for each other
            return "timeout"
        if result.returncode in (-9, -24):
            return "timeout"
        return "failed" if result.returncode else "passed"

    def module(self, objects: Sequence[Path]) -> bytes:
        """Link the Python module with objects; return its content."""
        target = self.folder / "module.so"
        own = [str(each) for each in objects if Path(self.part.folder).name in each.name]
        _said("g++", "-shared", *self.part.flags, *own, str(self._module), "-o", str(target))
        return target.read_bytes()


def _said(*command: str) -> str:
    """Run a command that must not fail; return what it says."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
