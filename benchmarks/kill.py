"""Kill a run in shards at random moments, start it again until it is done, compare the bits.

python benchmarks/kill.py MODEL CORPUS [--kills 20] [--workers 2] [-- options of analyze]
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


def command(options, folder):
    return [
        *(sys.executable, "-m", "headscore.cli", "analyze", options.model, options.corpus),
        *("--shards", str(options.shards), "--workers", str(options.workers)),
        *("--run-dir", str(folder / "run"), "--out", str(folder / "out.hs"), "--json"),
        *options.more,
    ]


def finish(asked):
    subprocess.run(asked, check=True, capture_output=True)


def kill_at(asked, seconds, rng):
    """Start it, wait, and kill it or one of its workers; returns whether it was still at work."""
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            workers = psutil.Process(process.pid).children(recursive=True)
            victim = rng.choice([process.pid, *(each.pid for each in workers)])
            os.kill(victim, signal.SIGKILL)
            if victim == process.pid:
                psutil.wait_procs(workers, timeout=60)
            process.communicate()
            return True
        process.communicate()
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("more", nargs="*")
    options = parser.parse_args()
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = command(options, folder)
        started = time.perf_counter()
        finish(asked)
        lasts = time.perf_counter() - started
        whole = hashlib.sha256((folder / "out.hs").read_bytes()).hexdigest()
        print(f"undisturbed: {lasts:.1f} s, {whole[:12]}")
        killed = 0
        while killed < options.kills:
            shutil.rmtree(folder / "run")
            (folder / "out.hs").unlink()
            at = rng.uniform(0, lasts)
            hit = kill_at(asked, at, rng)
            before = len(list((folder / "run").glob("shard-*.hs")))
            finish(asked)
            left = [each.name for each in folder.rglob("*") if each.name.endswith(".part")]
            same = hashlib.sha256((folder / "out.hs").read_bytes()).hexdigest() == whole
            if hit:
                killed += 1
                print(f"killed after {at:.1f} s, {before} shards done: same {same}, left {left}")
            assert same
            assert not left


if __name__ == "__main__":
    main()
