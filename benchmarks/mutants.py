"""Change one place of the source at a time, run the tests that are about it, say what none noticed.

    python benchmarks/mutants.py [--python 150] [--cpp 60] [--seed 0] [--only headscore/model]

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
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError
from typing import NamedTuple

import mutant_builds
import mutant_runs
import mutations
from mutations import Mutant

ROOT = Path(__file__).resolve().parents[1]
KNOWN = Path(__file__).with_name("equivalent_mutants.tsv")
CORE = ("roles", "sieves", "encoding", "scores", "statistics", "model", "corpus", "scale", "causal")
QUICK = ("-x", "-m", "not slow", "--hypothesis-seed=0")
OWN_SECONDS, OTHERS_SECONDS = 60, 40  # of the processor, for a mutant
LEFT_OUT = ("test_cuda", "test_benchmarks", "test_docs", "test_notebook", "test_html", "test_plots")
KILLED = ("own tests", "other tests", "driver", "sanitizer", "timeout")


class Verdict(NamedTuple):
    """What became of a mutant: what killed it, or `lived`; and the test that failed."""

    shown: str
    outcome: str
    by: str = ""


def of_package(folder: Path, only: Sequence[str]) -> list[Mutant]:
    """Return all mutants of the core modules, or of those named."""
    chosen = only or [*(f"headscore/{each}/" for each in CORE), "headscore/files.py"]
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
        """Return the files named after a module, and those that import it."""
        stem = f"test_{Path(path).stem}"
        named = [each for each in self._files if Path(each).stem == stem]
        more = [each for each in self._files if _module(path) in self._imports[each]]
        return list(dict.fromkeys([*named, *more])) or self._beside(path)

    def others(self, path: str) -> list[str]:
        """Return the other files of its folder, and those that import what imports it."""
        users = {
            _module(each) for each in self._imports if _module(path) in self._imports[each]
        } - {"headscore.api", "headscore"}
        further = [each for each in self._files if users & self._imports[each]]
        found = dict.fromkeys([*self._beside(path), *further, "tests/test_api.py"])
        return [each for each in found if each not in self.own(path)]

    def _beside(self, path: str) -> list[str]:
        folder = str(Path("tests", *Path(path).parts[1:2]))
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

    def tried(self, mutant: Mutant) -> Verdict:
        """Return what becomes of a mutant."""
        kind = self._cpp if mutant.path.startswith("csrc") else self._python
        return kind(mutant)

    def _python(self, mutant: Mutant) -> Verdict:
        source = (self._package.parent / mutant.path).read_text(encoding="utf-8")
        shown = mutant.shown(source)
        with self.copy.with_file(mutant.path, mutant.applied(source).encode()):
            for files, seconds, name in (
                (self.tests.own(mutant.path), OWN_SECONDS, "own tests"),
                (self.tests.others(mutant.path), OTHERS_SECONDS, "other tests"),
            ):
                found = mutant_runs.run_tests(self.copy, files, seconds=seconds, more=QUICK)
                if found.outcome != "passed":
                    return Verdict(shown, _outcome(found, name), found.failed)
        return Verdict(shown, "lived")

    def _builder(self, part: str) -> mutant_builds.Builder:
        if part not in self._builders:
            folder = self._folder / part
            shutil.copytree(self._builds / part, folder)
            self._builders[part] = mutant_builds.Builder(mutant_builds.PARTS[part], folder)
        return self._builders[part]

    def _cpp(self, mutant: Mutant) -> Verdict:
        source = (ROOT / mutant.path).read_text(encoding="utf-8")
        tree = self._folder / "csrc"
        shutil.copytree(ROOT / "csrc", tree, dirs_exist_ok=True)
        (tree.parent / mutant.path).write_text(mutant.applied(source), encoding="utf-8")
        outcome, by = self._built(mutant, tree)
        return Verdict(mutant.shown(source), outcome, by)

    def _built(self, mutant: Mutant, tree: Path) -> tuple[str, str]:
        builder = self._builder(Path(mutant.path).parts[1])
        try:
            objects = builder.objects(tree, mutant.path, "tree")
        except CalledProcessError:
            return "no program", ""
        if builder.same_code(mutant.path):
            return "same code", ""
        found = builder.driver(objects, "tree")
        if found != "passed":
            return ("timeout" if found == "timeout" else "driver"), ""
        tested = self._tested(builder, builder.module(objects))
        if tested.outcome != "passed":
            return _outcome(tested, "own tests"), tested.failed
        sanitize = mutant_builds.SANITIZE
        objects = builder.objects(tree, mutant.path, "sanitized", sanitize)
        found = builder.driver(objects, "sanitized", sanitize)
        return ("lived" if found == "passed" else "sanitizer"), ""

    def _tested(self, builder: mutant_builds.Builder, module: bytes) -> mutant_runs.Result:
        os.environ["HEADSCORE_CPU_ISA"] = mutant_builds.ISA
        name = next(self.copy.folder.glob(f"{builder.part.module}.*.so"))
        with self.copy.with_file(str(name.relative_to(self.copy.folder)), module):
            return mutant_runs.run_tests(
                self.copy, builder.part.tests, seconds=OWN_SECONDS, more=QUICK
            )


def _outcome(result: mutant_runs.Result, name: str) -> str:
    return "timeout" if result.outcome == "timeout" else name


def known_equivalents() -> dict[str, str]:
    """Return the mutants known to be equivalent, as they are shown without line, and why."""
    lines = KNOWN.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


def without_line(shown: str) -> str:
    """Return a mutant's text without the number of its line, which moves."""
    path, _, rest = shown.split(":", 2)
    return f"{path}:{rest}"


def tried(mutants: Sequence[Mutant], options: argparse.Namespace) -> list[Verdict]:
    """Try mutants in several processes; those already in the file of results are not repeated."""
    results = options.results
    results.touch()
    done = {line["key"] for line in map(json.loads, results.read_text().splitlines())}
    left = [each for each in mutants if _key(each) not in done]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        builds = Path(folder, "builds")
        for part in {Path(each.path).parts[1] for each in left if each.path.startswith("csrc")}:
            mutant_builds.Builder(mutant_builds.PARTS[part], builds / part).build_all()
        children = []
        for n in range(options.workers):
            child = os.fork()
            if child == 0:
                _work(left[n :: options.workers], Path(folder, str(n)), builds, results)
            children.append(child)
        if any(os.waitpid(child, 0)[1] for child in children):
            sys.exit("a worker failed")
    lines = map(json.loads, results.read_text().splitlines())
    found = {line["key"]: Verdict(*line["verdict"]) for line in lines}
    return [found[_key(each)] for each in mutants]


def _work(mutants: Sequence[Mutant], folder: Path, builds: Path, results: Path) -> None:
    """Try mutants and append what becomes of each to the results; never return."""
    code = 1
    try:
        bench = Bench(folder, mutant_runs.package(), builds)
        for mutant in mutants:
            verdict = bench.tried(mutant)
            line = json.dumps({"key": _key(mutant), "verdict": verdict}) + "\n"
            with results.open("a", encoding="utf-8") as file:
                file.write(line)
        code = 0
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
        options.python, options.cpp, options.workers = 4, 0, 1
        options.only = ["headscore/statistics/adjust.py"]
    return options


def main() -> None:
    """Draw, try and print."""
    options = parsed()
    mutant_runs.prepare(("pytest",) if options.tiny else mutant_runs.SLOW_IMPORTS)
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
