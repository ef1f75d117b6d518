"""Change one place of the source at a time, run the tests that are about it, say what none noticed.

    python benchmarks/robustness/mutants.py [--python 150] [--cpp 60] [--seed 0] [--only PATH]

Prints how many mutants were killed, and by what, and each one that lived. One that cannot be told
from the source by what it does is listed, with the reason, in equivalent_mutants.tsv.

Tools that others maintain do not fit: mutmut and pytest-gremlins put switches into functions, which
changes their signatures and pickles; cosmic-ray starts a process per mutant, 6 s of imports here;
mutatest is no longer kept up; none of them does C++.
"""

from __future__ import annotations

import argparse
import ast
import collections
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError
from typing import NamedTuple

import mutant_builds
import mutant_runs
import mutations
from mutations import Mutant

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).with_name("equivalent_mutants.tsv")
CORE = "roles sieves encoding scores statistics model corpus scale causal files".split()
QUICK = ("-x", "-m", "not slow", "--hypothesis-seed=0")
SECONDS = (180, 120)  # of the processor, for a mutant in its own tests, in the others
LEFT_OUT = ("test_cuda", "test_benchmarks", "test_docs", "test_notebook", "test_html", "test_plots")
KILLED = ("own tests", "other tests", "driver", "sanitizer", "timeout")


class Verdict(NamedTuple):
    """What became of a mutant: what killed it, or `lived`; and the test that failed."""

    shown: str
    outcome: str
    by: str = ""
    stages: int = 1


def of_package(folder: Path, only: Sequence[str]) -> list[Mutant]:
    """Return all mutants of the core modules, or of those named."""
    chosen = only or [f"headscore/{each}/" for each in CORE]
    found = []
    for file in sorted(folder.rglob("*.py")):
        path = f"headscore/{file.relative_to(folder)}"
        if path.startswith(tuple(chosen)):
            found += mutations.of_python(path, file.read_text(encoding="utf-8"))
    return found


def of_kernels(parts: Sequence[str], only: Sequence[str]) -> list[Mutant]:
    """Return all mutants of the C++ sources of some parts, or of the files named."""
    found = []
    for part in parts:
        for file in sorted((ROOT / "csrc" / part).iterdir()):
            path = str(file.relative_to(ROOT))
            left_out = mutant_builds.PARTS[part].left_out
            if path.startswith(tuple(only) or ("csrc",)) and file.stem not in left_out:
                found += mutations.of_cpp(path, file.read_text(encoding="utf-8"))
    return found


class Tests:
    """Which test files are about a module, from their names and from what is imported where."""

    def __init__(self, package: Path):
        self._imports = {}
        for file in (*package.rglob("*.py"), *(ROOT / "tests").rglob("test_*.py")):
            root = ROOT if file.is_relative_to(ROOT / "tests") else package.parent
            self._imports[str(file.relative_to(root))] = _imported(file)
        self._files = sorted(
            (each for each in self._imports if each.startswith("tests/")),
            key=lambda each: (ROOT / each).stat().st_size,
        )
        self._files = [each for each in self._files if not Path(each).name.startswith(LEFT_OUT)]

    def own(self, path: str) -> list[str]:
        """Return the file of its folder named after a module, and those that import it.

        Where there are none, those of its folder: first the ones that import what imports it.
        """
        beside, name = self._beside(path), f"test_{Path(path).stem}"
        named = [each for each in beside if Path(each).stem == name]
        more = [each for each in self._files if _module(path) in self._imports[each]]
        near = [each for each in self._of_users(path) if each in beside]
        return list(dict.fromkeys([*named, *more] or [*near, *beside]))

    def others(self, path: str) -> list[str]:
        """Return the files that import what imports it, and the other ones of its folder."""
        own = set(self.own(path))
        found = dict.fromkeys([*self._of_users(path), *self._beside(path), "tests/test_api.py"])
        return [each for each in found if each not in own]

    def _of_users(self, path: str) -> list[str]:
        users = {_module(each) for each in self._imports if _module(path) in self._imports[each]}
        users -= {"headscore.api", "headscore"}
        return [each for each in self._files if users & self._imports[each]]

    def _beside(self, path: str) -> list[str]:
        folder = str(Path("tests", *Path(path).parts[1:-1][:1]))
        return [each for each in self._files if str(Path(each).parent) == folder]


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found


class Bench:
    """A copy of the package and of csrc, in which one mutant after the other is tried."""

    def __init__(self, folder: Path, package: Path, builds: Path):
        self.copy = mutant_runs.Copy(folder / "copy", package)
        self.tests, self._package, self._builds = Tests(package), package, builds
        self._folder, self._builders = folder, {}

    def tried(self, mutant: Mutant, stage: int) -> Verdict:
        """Return what becomes of a mutant in a stage, ``passed`` where there are more."""
        if mutant.path.startswith("csrc"):
            source = (ROOT / mutant.path).read_text(encoding="utf-8")
            outcome, by = self._cpp(mutant, source, stage)
        else:
            source = (self._package.parent / mutant.path).read_text(encoding="utf-8")
            outcome, by = self._python(mutant, source, stage)
        return Verdict(mutant.shown(source), outcome, by, stage + 1)

    def _python(self, mutant: Mutant, source: str, stage: int) -> tuple[str, str]:
        files = (self.tests.own, self.tests.others)[stage](mutant.path)
        with self.copy.with_file(mutant.path, mutant.applied(source).encode()):
            found = mutant_runs.run_tests(self.copy, files, seconds=SECONDS[stage], more=QUICK)
        killer = ("own tests", "other tests")[stage]
        return _outcome(found.outcome, killer, last=stage == 1), found.failed

    def _builder(self, part: str) -> mutant_builds.Builder:
        if part not in self._builders:
            folder = self._folder / part
            shutil.copytree(self._builds / part, folder)
            self._builders[part] = mutant_builds.Builder(mutant_builds.PARTS[part], folder)
        return self._builders[part]

    def _cpp(self, mutant: Mutant, source: str, stage: int) -> tuple[str, str]:
        tree = self._folder / "csrc"
        shutil.copytree(ROOT / "csrc", tree, dirs_exist_ok=True)
        (tree.parent / mutant.path).write_text(mutant.applied(source), encoding="utf-8")
        builder = self._builder(Path(mutant.path).parts[1])
        kind, more = ("sanitized", mutant_builds.SANITIZE) if stage == 2 else ("tree", ())
        try:
            objects = builder.objects(tree, mutant.path, kind, more)
        except CalledProcessError:
            return "no program", ""
        if stage == 0 and builder.same_code(mutant.path):
            return "same code", ""
        if stage != 1:
            killer = "sanitizer" if stage == 2 else "driver"
            return _outcome(builder.driver(objects, kind, more), killer, last=stage == 2), ""
        tested = self._tested(builder, builder.module(objects))
        return _outcome(tested.outcome, "own tests", last=False), tested.failed

    def _tested(self, builder: mutant_builds.Builder, module: bytes) -> mutant_runs.Result:
        os.environ["HEADSCORE_CPU_ISA"] = mutant_builds.ISA
        name = next(self.copy.folder.glob(f"{builder.part.module}.*.so"))
        options = (*QUICK, "-k", "not emulated")  # the CUDA kernels, built in minutes
        with self.copy.with_file(str(name.relative_to(self.copy.folder)), module):
            return mutant_runs.run_tests(
                self.copy, builder.part.tests, seconds=SECONDS[0], more=options
            )


def _outcome(outcome: str, killer: str, *, last: bool) -> str:
    if outcome == "passed":
        return "lived" if last else "passed"
    return "timeout" if outcome == "timeout" else killer


def known_equivalents() -> dict[str, str]:
    """Return the mutants known to be equivalent, as they are shown without line, and why."""
    lines = KNOWN.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


def without_line(shown: str) -> str:
    """Return a mutant's text without the number of its line, which moves."""
    path, _, rest = shown.split(":", 2)
    return f"{path}:{rest}"


def tried(mutants: Sequence[Mutant], options: argparse.Namespace) -> list[Verdict]:
    """Try mutants stage by stage; what the file of results has is not repeated."""
    options.results.touch()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        builds = Path(folder, "builds")
        for part in {Path(each.path).parts[1] for each in mutants if each.path[:4] == "csrc"}:
            mutant_builds.Builder(mutant_builds.PARTS[part], builds / part).build_all()
        for stage in range(3):
            left = [m for m, verdict in zip(mutants, _found(mutants, options), strict=True)
                    if (verdict.outcome, verdict.stages) == ("passed", stage)]  # fmt: skip
            work = Path(folder, str(stage))
            _in_processes(left, stage, work, builds, options)
    return _found(mutants, options)


def _found(mutants: Sequence[Mutant], options: argparse.Namespace) -> list[Verdict]:
    lines = map(json.loads, options.results.read_text(encoding="utf-8").splitlines())
    found = {line["key"]: Verdict(*line["verdict"]) for line in lines}
    return [found.get(_key(each), Verdict("", "passed", "", 0)) for each in mutants]


def _in_processes(
    mutants: Sequence[Mutant], stage: int, folder: Path, builds: Path, options: argparse.Namespace
) -> None:
    children = []
    for n in range(min(options.workers, len(mutants))):
        child = os.fork()
        if child == 0:
            own = mutants[n :: options.workers]
            _work(own, stage, Bench(folder / str(n), mutant_runs.package(), builds), options)
        children.append(child)
    if sum(os.waitpid(child, 0)[1] for child in children):
        sys.exit("a worker failed")


def _work(mutants: Sequence[Mutant], stage: int, bench: Bench, options: argparse.Namespace) -> None:
    """Try mutants and append what becomes of each to the results; never return."""
    code = 1
    try:
        for mutant in mutants:
            line = json.dumps({"key": _key(mutant), "verdict": bench.tried(mutant, stage)})
            with options.results.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def _key(mutant: Mutant) -> str:
    return f"{mutant.path}:{mutant.start}:{mutant.end}:{mutant.new}"


def print_rates(title: str, verdicts: Sequence[Verdict]) -> None:
    """Print how many were killed, and each one that lived."""
    known = known_equivalents()
    excused = [v for v in verdicts if v.outcome == "lived" and without_line(v.shown) in known]
    count = collections.Counter("equivalent" if v in excused else v.outcome for v in verdicts)
    killed = sum(count[each] for each in KILLED)
    meant = killed + count["lived"]
    names = (*KILLED, "equivalent", "same code", "no program", "lived")
    print(f"\n## {title}\n")
    print("| mutants | " + " | ".join(names) + " | killed of those that differ |")
    print("|---" * (len(names) + 2) + "|")
    cells = [str(count[each]) for each in names]
    print(f"| {len(verdicts)} | {' | '.join(cells)} | {killed / max(1, meant):.1%} |\n")
    for each in verdicts:
        if each.outcome == "lived" and each not in excused:
            print(f"lived: {each.shown}")


def sampled(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """Return some mutants drawn at random; the first of them are a sample too."""
    return random.Random(seed).sample(mutants, min(size, len(mutants)))


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=int, default=150, help="mutants of Python modules")
    parser.add_argument("--cpp", type=int, default=60, help="mutants of csrc")
    parser.add_argument("--parts", nargs="+", default=["cpu"], choices=mutant_builds.PARTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], help="paths that the sample is drawn of")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--results", type=Path, help="a file to go on with")
    parser.add_argument("--tiny", action="store_true", help="a module that is tested quickly")
    options = parser.parse_args()
    if options.tiny:
        options.python, options.cpp, options.workers = 3, 0, 1
        options.only = ["headscore/stopwatch.py"]
    return options


def main() -> None:
    """Draw, try and print."""
    options = parsed()
    mutant_runs.prepare(("pytest", "torch") if options.tiny else mutant_runs.SLOW_IMPORTS)
    python = sampled(of_package(mutant_runs.package(), options.only), options.python, options.seed)
    cpp = sampled(of_kernels(options.parts, options.only), options.cpp, options.seed)
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as scratch:
        options.results = options.results or Path(scratch.name)
        verdicts = tried([*python, *cpp], options)
    for title, some in (("Python", verdicts[: len(python)]), ("C++", verdicts[len(python) :])):
        if some:
            print_rates(f"{title}, seed {options.seed}", some)


if __name__ == "__main__":
    main()
