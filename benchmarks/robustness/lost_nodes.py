"""Lose a node of a Ray cluster, or the scheduler of a Dask cluster, in the middle of a run.

    python benchmarks/robustness/lost_nodes.py MODEL CORPUS [--only ray|dask] [-- ...]

Two raylets, or a scheduler and two workers, are started on this machine. When a shard is there, one
raylet or the scheduler is killed; the scheduler comes back at the same address, with new workers.
Then the same command is run until it ends with 0. The result must have the bits of a run by one
process.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


def command(options: argparse.Namespace, folder: Path, engine: str) -> list[str]:
    return [
        *(sys.executable, "-m", "headscore.cli", "analyze", options.model, options.corpus),
        *("--shards", "16", "--workers", "2", "--engine", engine, "--quiet"),
        *("--run-dir", str(folder / "run"), "--out", str(folder / "out.hs"), *options.more),
    ]


def until_a_shard(process: subprocess.Popen[str], folder: Path) -> int:
    """Wait for the first shard; returns how many there are."""
    while not (done := len(list((folder / "run").glob("shard-*.hs")))):
        if process.poll() is not None:
            sys.exit(f"ended before a shard was there: {process.communicate()[1]}")
        time.sleep(0.02)
    return done


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "out.hs").read_bytes()).hexdigest()[:12]


class Ray:
    """Two raylets of one CPU each; the one that is not the head is lost."""

    variable = "RAY_ADDRESS"

    def __init__(self, _: Path) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        self._other = self._cluster.add_node(num_cpus=1)
        self._cluster.wait_for_nodes()
        self.address = self._cluster.address

    def lose(self) -> None:
        self._cluster.remove_node(self._other, allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


class Dask:
    """A scheduler and two workers, processes of their own; the scheduler is lost and comes back."""

    variable = "DASK_SCHEDULER_ADDRESS"

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._scheduler = f"scheduler --host 127.0.0.1 --port {port} --no-dashboard"
        self._worker = f"worker {self.address} --nworkers 1 --nthreads 1 --no-dashboard"
        self._folder = folder
        self._begin()

    def _begin(self) -> None:
        self._running = [self._started(each) for each in (self._scheduler, *[self._worker] * 2)]

    def _started(self, line: str) -> subprocess.Popen[bytes]:
        role, *arguments = line.split()
        asked = [sys.executable, "-m", f"distributed.cli.dask_{role}", *arguments]
        with (self._folder / "dask.log").open("ab") as log:
            return subprocess.Popen(asked, cwd=self._folder, stdout=log, stderr=log)

    def lose(self) -> None:
        self._running[0].kill()
        self.close()
        self._begin()

    def close(self) -> None:
        for each in self._running:
            each.terminate()
        for each in self._running:
            each.wait()


CLUSTERS = {"ray": Ray, "dask": Dask}


@contextmanager
def cluster_of(engine: str, folder: Path) -> Iterator[Ray | Dask]:
    cluster = CLUSTERS[engine](folder)
    os.environ[cluster.variable] = cluster.address
    try:
        yield cluster
    finally:
        del os.environ[cluster.variable]
        cluster.close()


def lost(engine: str, options: argparse.Namespace, folder: Path) -> str:
    """Lose a part of the cluster; returns what happened, as a row."""
    asked = command(options, folder, engine)
    with cluster_of(engine, folder) as cluster:
        with subprocess.Popen(asked, stderr=subprocess.PIPE, text=True) as process:
            there = until_a_shard(process, folder)
            cluster.lose()
            said = process.communicate()[1].splitlines()[-1:] or ["-"]
        first = process.returncode
        starts = 0
        while not (folder / "out.hs").exists() and starts < 5:
            starts += 1
            subprocess.run(asked, check=False)
    return f"| {engine} | {there} | {first} | {said[0]} | {starts} | {digest(folder)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--only", choices=list(CLUSTERS))
    parser.add_argument("more", nargs="*", help="options of analyze")
    options = parser.parse_args()
    with ExitStack() as stack:
        whole = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        subprocess.run([*command(options, whole, "local"), "--workers", "1"], check=True)
        print(f"one process: {digest(whole)}")
        print("| engine | shards there | exit code | said | starts more | bits |")
        print("|---|---|---|---|---|---|", flush=True)
        for engine in [options.only] if options.only else CLUSTERS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            print(row := lost(engine, options, folder), flush=True)
            if digest(whole) not in row:
                sys.exit("other bits")


if __name__ == "__main__":
    main()
