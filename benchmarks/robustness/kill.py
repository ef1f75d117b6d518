"""Kill a run in shards at random moments, start it again until it is done, compare the bits.

    python benchmarks/robustness/kill.py [--kills 20] [--engine ray] MODEL CORPUS -- ...

The moments are drawn from the time in which shards are computed. With the local engine the command
or one of its workers dies, with another engine one of the workers only, and the run must go on.
"""

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

WORKERS = {"local": "spawn_main", "ray": "ray::", "dask": "spawn_main"}  # in their command lines


def command(options, folder):
    return [
        *(sys.executable, "-m", "headscore.cli", "analyze", options.model, options.corpus),
        *("--shards", str(options.shards), "--workers", str(options.workers)),
        *("--engine", options.engine),
        *("--run-dir", str(folder / "run"), "--out", str(folder / "out.hs"), "--json"),
        *options.more,
    ]


def start(asked, folder):
    """Start it and wait until shards are to be computed."""
    process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (folder / "run" / "run.json").exists():
        if process.poll() is not None:
            sys.exit(process.stderr.read())
        time.sleep(0.01)
    return process


def end(process):
    """Wait for the end; returns the exit code and what was said."""
    said = process.communicate()[1]
    return process.returncode, said


def undisturbed(asked, folder):
    """Return the seconds that computing takes, and the digest of the result."""
    process = start(asked, folder)
    begun = time.perf_counter()
    code, said = end(process)
    if code:
        sys.exit(said)
    return time.perf_counter() - begun, digest(folder)


def kill_at(asked, folder, seconds, engine, rng):
    """Start it, wait, and kill it or a worker; returns who died and the exit code, None: nobody."""
    process = start(asked, folder)
    time.sleep(seconds)
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        victims = [each for each in below if WORKERS[engine] in " ".join(each.cmdline())]
    except psutil.NoSuchProcess:
        victims, below = [], []
    if engine == "local" and process.poll() is None:
        victims.append(psutil.Process(process.pid))
    if not victims:
        end(process)
        return None
    victim = rng.choice(victims)
    victim.kill()
    if victim.pid == process.pid:
        psutil.wait_procs(below, timeout=60)
    code, _ = end(process)
    return ("command" if victim.pid == process.pid else "worker"), code


def digest(folder):
    return hashlib.sha256((folder / "out.hs").read_bytes()).hexdigest()[:12]


def clear(folder):
    shutil.rmtree(folder / "run", ignore_errors=True)
    (folder / "out.hs").unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=list(WORKERS), default="local")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("more", nargs="*", help="options of analyze")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = command(options, folder)
        lasts, whole = undisturbed(asked, folder)
        print(f"undisturbed: shards take {lasts:.1f} s, {whole}")
        killed = 0
        while killed < options.kills:
            clear(folder)
            at = rng.uniform(0, lasts)
            died = kill_at(asked, folder, at, options.engine, rng)
            if died is None:
                lasts *= 0.9  # it was done before
                continue
            killed += 1
            before = len(list((folder / "run").glob("shard-*.hs")))
            starts = 0
            while not (folder / "out.hs").exists():
                starts += 1
                end(start(asked, folder))
            left = [each.name for each in folder.rglob("*") if each.name.endswith(".part")]
            same = digest(folder) == whole
            print(
                f"{killed}: {died[0]} killed after {at:.1f} s, exit {died[1]}, {before} shards "
                f"there, started {starts} times more, same bits {same}, left {left}",
                flush=True,
            )
            if not same or left:
                sys.exit(1)


if __name__ == "__main__":
    main()
