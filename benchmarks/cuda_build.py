"""The CUDA module as setup.py builds it: its size, the time, and what nvcc says of every kernel.

For one target and for all: registers, blocks of a multiprocessor that these leave room for (shared
memory may leave less), and bytes of spills. No GPU is needed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ALL = "80 86 89 90 100 120"
THREADS = {"totals": 32, "position": 32}  # of a block; others 128
MOST_THREADS = {"80": 2048, "90": 2048, "100": 2048}  # of a multiprocessor; others 1536
REGISTERS = 65536  # of a multiprocessor, handed out to a warp by 256

# setup.py, of whose extensions only that of the kernels is built.
ONLY_KERNELS = """
import setuptools
setup = setuptools.setup
def only_kernels(ext_modules, cmdclass):
    setup(name="headscore", ext_modules=ext_modules[-1:], cmdclass=cmdclass)
setuptools.setup = only_kernels
exec(open("setup.py").read(), {})
"""


class Kernel(NamedTuple):
    """What ptxas says of a kernel for a target."""

    target: str
    name: str
    registers: int
    spilled: int

    @property
    def blocks(self) -> int:
        """Blocks that fit on a multiprocessor by registers and threads."""
        threads = THREADS.get(self.name.split()[0], 128)
        of_warp = -(-self.registers * 32 // 256) * 256
        by_registers = REGISTERS // of_warp // (threads // 32)
        return min(by_registers, MOST_THREADS.get(self.target, 1536) // threads)


def kernels(report: str) -> list[Kernel]:
    """Return the kernels of a report of ptxas -v."""
    found = []
    for part in report.split("Compiling entry function ")[1:]:
        name, target = re.match(r"'(\S+)' for 'sm_(\w+)'", part).groups()
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", part).groups()
        registers = re.search(r"Used (\d+) registers", part).group(1)
        found.append(Kernel(target, _readable(name), int(registers), sum(map(int, spills))))
    return sorted(found, key=lambda each: (int(each.target.rstrip("af")), each.name))


def _readable(mangled: str) -> str:
    """Return the name of a kernel, its numbers and head size, out of its mangled name."""
    kernel = re.search(r"rows_qk\w*?(?=I)|rows_attention|pairs|totals|position", mangled).group()
    number = re.search(r"Bfloat16|Float16", mangled)
    source = re.search(r"From(Products|Attention)", mangled)
    size = re.search(r"Li(\d+)EEELi", mangled)
    parts = [kernel, source and source.group(), number.group() if number else "float"]
    parts = parts[:1] if kernel in ("totals", "position") else parts
    return " ".join([*filter(None, parts), *([f"d {size.group(1)}"] if size else [])])


def build(targets: str, folder: Path) -> tuple[float, float, str]:
    """Build the module for targets: seconds, MiB, and what nvcc prints."""
    variables = {
        "HEADSCORE_CUDA": "1",
        "HEADSCORE_CUDA_TARGETS": targets,
        "NVCC_APPEND_FLAGS": "-Xptxas=-v",
    }
    command = [sys.executable, "-c", ONLY_KERNELS, "build_ext"]
    command += [f"--build-lib={folder}", f"--build-temp={folder / 'temp'}"]
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    (module,) = folder.glob("headscore/backends/_cuda*.so")
    return seconds, module.stat().st_size / 2**20, done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="+", default=["90", ALL], help="one module for each")
    options = parser.parse_args()
    lines = ["", "| targets | MiB | seconds |", "|---|---|---|"]
    for targets in options.targets:
        with tempfile.TemporaryDirectory() as folder:
            seconds, size, report = build(targets, Path(folder))
        lines.append(f"| {targets} | {size:.2f} | {seconds:.0f} |")
    print(
        "| target | kernel | registers | blocks | bytes spilled |",
        "|---|---|---|---|---|",
        sep="\n",
    )
    for each in kernels(report):
        row = (f"sm_{each.target}", each.name, each.registers, each.blocks, each.spilled)
        print("| " + " | ".join(map(str, row)) + " |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
