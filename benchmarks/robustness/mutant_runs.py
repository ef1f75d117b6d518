"""Runs tests against a copy of the package, each run in a fork of one process.

The process has imported what takes long (torch, transformers, scipy, ...) and not headscore, so
that a run costs the tests alone. The copy consists of links; a mutated file takes a link's place.
"""

from __future__ import annotations

import compileall
import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SLOW_IMPORTS = (
    *("numpy", "scipy.stats", "pandas", "torch", "transformers", "safetensors.torch", "spacy"),
    *("transformers.models.bert.modeling_bert", "transformers.models.llama.modeling_llama"),
    *("pytest", "hypothesis", "hypothesis.extra.numpy", "pandas.testing", "jinja2", "tqdm"),
    *("statsmodels.stats.multitest", "tokenizers", "numpy.testing"),
)
MEMORY = 8 << 30  # bytes of a run
TEST_SECONDS = 60  # of the processor, for one test
WAIT_SECONDS = 20 * TEST_SECONDS  # on the clock, for one run


def prepare(imports: Sequence[str] = SLOW_IMPORTS) -> None:
    """Set what all runs share, and import what takes long."""
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for name in imports:
        importlib.import_module(name)
    gc.freeze()  # so that the pages are shared with forks


def package() -> Path:
    """Return the folder of the package that is tested, without importing it."""
    if _compiled(ROOT / "headscore"):
        sys.path.insert(0, str(ROOT))
    spec = find_spec("headscore")
    if spec is None or spec.origin is None or not _compiled(Path(spec.origin).parent):
        sys.exit("headscore must be installed, or built in its place, before it is mutated")
    return Path(spec.origin).parent


def _compiled(folder: Path) -> bool:
    return any((folder / "backends").glob("_cpu.*.so"))


class Copy:
    """A folder with links to all files of the package."""

    def __init__(self, folder: Path, source: Path):
        self.folder, self._source = folder, source
        folder.mkdir(parents=True)
        subprocess.run(["cp", "-rs", str(source), str(folder / "headscore")], check=True)
        compileall.compile_dir(folder / "headscore", quiet=1)

    @contextmanager
    def with_file(self, path: str, content: bytes) -> Iterator[None]:
        """Have another file in the place of a link."""
        target = self.folder / path
        for each in target, *target.parent.glob(f"__pycache__/{target.stem}.*"):
            each.unlink()
        target.write_bytes(content)
        yield
        for each in target, *target.parent.glob(f"__pycache__/{target.stem}.*"):
            each.unlink()
        target.symlink_to(self._source.parent / path)


class Result(NamedTuple):
    """How a run ended: passed, failed, timeout or died; and the first test that failed."""

    outcome: str
    failed: str = ""
    tests: int = 0


class _Plugin:
    """Notes what fails first, and stops where a test or the whole run takes too long."""

    def __init__(self, seconds: float, wanted: frozenset[str]):
        self.seconds, self.wanted, self.failed, self.tests = seconds, wanted, "", 0

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.wanted:
            items[:] = [each for each in items if each.nodeid in self.wanted]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.tests += report.when == "call"
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_runtest_protocol(self, item: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, TEST_SECONDS)
        if time.process_time() > self.seconds:
            item.session.shouldstop = "enough"


def run_tests(
    copy: Copy,
    files: Sequence[str],
    *,
    seconds: float = 600.0,
    wanted: frozenset[str] = frozenset(),
    more: Sequence[str] = ("-x",),
) -> Result:
    """Run test files in a fork until one fails, or until so many seconds of the processor."""
    written = copy.folder / "result.json"
    written.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _in_child(copy, ["-q", "-o", "addopts=", *more, *files], _Plugin(seconds, wanted), written)
    status = _wait(child, time.monotonic() + WAIT_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what the tests have started and left
    if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
        return Result("timeout")
    return Result(*json.loads(written.read_text())) if written.exists() else Result("died")


def _wait(child: int, until: float) -> int | None:
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _in_child(copy: Copy, options: list[str], plugin: _Plugin, written: Path) -> None:
    """Run pytest and write the result; never return."""
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        said = os.open(copy.folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.path[:] = [str(copy.folder), *(each for each in sys.path if each != str(ROOT))]
        os.environ["PYTHONPATH"] = str(copy.folder)
        os.chdir(ROOT)
        importlib.invalidate_caches()
        written.with_suffix(".part").write_text(json.dumps(_pytest(options, plugin, written)))
        written.with_suffix(".part").rename(written)
    except BaseException as error:  # a fork must not go on as its parent
        print(repr(error), flush=True)
    finally:
        os._exit(0)


def _pytest(options: list[str], plugin: _Plugin, written: Path) -> Result:
    import pytest

    options += ["-p", "no:cacheprovider", "--basetemp", str(written.parent / "pytest")]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = pytest.main(options, [plugin])
    good = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    stopped = code == pytest.ExitCode.INTERRUPTED and not plugin.failed
    return Result("passed" if code in good or stopped else "failed", plugin.failed, plugin.tests)
