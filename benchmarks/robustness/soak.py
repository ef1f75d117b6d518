"""Analyze a corpus in shards for an hour in one process, while its workers are killed at random.

    python benchmarks/robustness/soak.py [--minutes 60] MODEL CORPUS [-- --roles paper --chunk 32]
    python benchmarks/robustness/soak.py --tiny MODEL CORPUS  # two runs, one kill

One process runs the command `headscore analyze` again and again, each time in a new folder, and
goes on from there when the command ends with 4 (too many workers died). After each command it says
how much memory it has for itself (USS), and how many files and threads. A killer picks a worker now
and then. All results must have the bits of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

import psutil


def soaked(folder: Path, command: list[str]) -> None:
    """Run the command for each line of standard input; print what it came to as a line."""
    from headscore import cli

    own = psutil.Process()
    for _ in sys.stdin:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli.main(command)
        gc.collect()
        out = folder / "out.hs"
        found = {
            "code": code,
            "MiB": own.memory_full_info().uss / 2**20,
            "files": own.num_fds(),
            "threads": own.num_threads(),
            "bits": hashlib.sha256(out.read_bytes()).hexdigest()[:12] if code == 0 else None,
            "said": said.getvalue()[-500:] if code not in (0, 4) else None,
        }
        print(json.dumps(found), flush=True)


class Killer(Thread):
    """Kills up to `most` workers of a process, the intervals exponential with `mean` seconds."""

    def __init__(self, parent: int, mean: float, most: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self.files = 0  # the most that a worker had open
        self.MiB = 0.0
        self.ends = Event()
        self._parent = psutil.Process(parent)
        self._mean = mean
        self._most = most
        self._rng = random.Random(seed)

    def run(self) -> None:
        while self.kills < self._most:
            if self.ends.wait(self._rng.expovariate(1 / self._mean)):
                return
            with contextlib.suppress(psutil.Error):
                self._kill()

    def _kill(self) -> None:
        below = self._parent.children(recursive=True)
        workers = [each for each in below if "spawn_main" in " ".join(each.cmdline())]
        for each in workers:
            self.files = max(self.files, each.num_fds())
            self.MiB = max(self.MiB, each.memory_full_info().uss / 2**20)
        if workers:
            self._rng.choice(workers).kill()
            self.kills += 1


class Analyzer:
    """The process that runs the command again and again."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        command = [
            *("analyze", options.model, options.corpus, "--json"),
            *("--shards", str(options.shards), "--workers", str(options.workers)),
            *("--run-dir", str(folder / "run"), "--out", str(folder / "out.hs"), *options.more),
        ]
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(folder), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def once(self) -> dict:
        """Run the command once; returns what it came to."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        if found["said"]:
            sys.exit(found["said"])
        return found

    def close(self) -> None:
        self._process.communicate()


def soak(options: argparse.Namespace, folder: Path) -> None:
    """Print a line for each run, and the sums."""
    analyzer = Analyzer(options, folder)
    first = last = analyzer.once()  # undisturbed: its bits are the right ones
    clear(folder)
    print("| minute | kills | runs | same bits | MiB | files | threads |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    killer = Killer(analyzer.pid, options.mean, options.most, options.seed)
    killer.start()
    begun = time.monotonic()
    runs = same = resumed = 0
    while runs < 1 or time.monotonic() - begun < 60 * options.minutes:
        last = analyzer.once()
        if last["code"] == 4:
            resumed += 1
            continue
        runs += 1
        same += last["bits"] == first["bits"]
        minutes = (time.monotonic() - begun) / 60
        cells = (f"{minutes:.1f}", killer.kills, runs, same, f"{last['MiB']:.1f}")
        print(f"| {' | '.join(map(str, (*cells, last['files'], last['threads'])))} |", flush=True)
        left = list(folder.rglob("*.part"))
        if same < runs or left:
            sys.exit(f"other bits, or files left over: {left}")
        clear(folder)
    killer.ends.set()
    analyzer.close()
    print(
        f"{killer.kills} workers killed, {runs} runs of {options.shards} shards, {resumed} ended "
        f"with 4 and went on, {same} with the bits of the undisturbed one; MiB {first['MiB']:.1f} "
        f"after the first and {last['MiB']:.1f} after the last, files {first['files']} and "
        f"{last['files']}; a worker at the most {killer.MiB:.0f} MiB, {killer.files} files"
    )


def clear(folder: Path) -> None:
    shutil.rmtree(folder / "run", ignore_errors=True)
    (folder / "out.hs").unlink(missing_ok=True)


def main() -> None:
    if sys.argv[1] == "--serve":
        soaked(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mean", type=float, default=60, help="seconds between two kills")
    parser.add_argument("--most", type=int, default=10**9, help="kills in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("more", nargs="*", help="options of analyze")
    options = parser.parse_args()
    if options.tiny:
        options.minutes, options.shards, options.mean, options.most = 0, 4, 4.0, 1
    with tempfile.TemporaryDirectory() as name:
        soak(options, Path(name))


if __name__ == "__main__":
    main()
