"""Stop the commands after each of their operations on files, and run them again.

    python benchmarks/robustness/crash_consistency.py [--all]

The commands of `crash_scenario.py` run once under strace. Each prefix of their operations is
applied to a fresh folder, as after a kill, and as after a power cut that loses or tears what was
not synced. There, no reader may find a half file, nothing may be lost that was finished before, and
the same command must then leave the same bits, and nothing else, as in the undisturbed run.

Without --all a thinned set of prefixes is tried.
"""

import argparse
import hashlib
import pickle
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from functools import partial
from itertools import groupby
from pathlib import Path

import crash_disk
import crash_scenario
import crash_trace
from crash_scenario import Scenario, forked

THINNED = 9  # every so many prefixes, and those around a rename
SEEDS = 3  # of the ways of a power cut that draw
DRAWN = ("half of the entries", "some bytes")


def recorded(scenario, folder):
    """Record the commands, and return the operations of each."""
    script = [sys.executable, str(Path(__file__).resolve()), "--record", str(folder)]
    operations = crash_trace.record(script, folder / "root", folder / "strace.txt")
    by_command = [list(ops) for _, ops in groupby(operations, key=lambda op: op.pid)]
    if len(by_command) != len(scenario.commands):
        sys.exit(f"{len(scenario.commands)} commands, operations of {len(by_command)} processes")
    return by_command


def run_recorded(folder):
    """Run the commands; this is what strace watches."""
    scenario = Scenario(folder, made=True)
    for code, said in scenario.run(folder / "root"):
        if code:
            sys.exit(said)


class Replay:
    """The states that a crash can leave, each tried once.

    Parameters
    ----------
    scenario, by_command
        The commands, and the operations of each.
    folder
        Where states are made.
    """

    def __init__(self, scenario, by_command, folder):
        self.scenario, self.by_command, self.folder = scenario, by_command, folder
        self.base = crash_disk.read_in(folder / "root-before")
        self.after = list(self._after())  # what each command leaves
        self._tried = {}

    def _after(self):
        disk = crash_disk.Disk(self.base)
        for ops in self.by_command:
            for op in ops:
                disk.apply(op)
            yield self._of(disk.killed(), crash_scenario.results)

    def _of(self, content, read):
        root = self.folder / "read"
        crash_disk.write_out(content, root)
        try:
            return forked(lambda: read(root))
        finally:
            shutil.rmtree(root)

    def prefixes(self, every):
        """Yield for each prefix: the command that it ends in, the finished files, the disk."""
        disk, n = crash_disk.Disk(self.base), 0
        for command, ops in enumerate(self.by_command):
            finished = dict(self.after[command - 1]) if command else {}
            renamed = {}
            for at, op in enumerate(ops):
                if op.kind == "open":  # changes nothing
                    disk.apply(op)
                    continue
                around = ops[max(0, at - 2) : at + 1]
                if n % every == 0 or any(each.kind == "rename" for each in around):
                    yield command, finished, disk
                n += 1
                disk.apply(op)
                if op.kind == "rename":
                    renamed[op.to] = self.after[command][op.to]
                elif op.kind == "create":  # the next file is begun: the earlier ones are finished
                    finished.update(renamed)
        yield command, self.after[command], disk

    def tried(self, command, finished, content):
        """Return the sentences about what is wrong in a state; none if it is as it should be."""
        key = hashlib.sha256(pickle.dumps((command, sorted(finished), content))).digest()
        if key not in self._tried:
            self._tried[key] = self._try(command, finished, content)
        return self._tried[key]

    def _try(self, command, finished, content):
        read, again = self.folder / "read", self.folder / "again"
        crash_disk.write_out(content, read)  # readers roll back transactions of the parse cache
        crash_disk.write_out(content, again)
        try:
            return forked(partial(self._attempt, command, finished, read, again))
        except RuntimeError as error:
            return [f"a reader raises {error}"]
        finally:
            shutil.rmtree(read)
            shutil.rmtree(again)

    def _attempt(self, command, finished, read, again):
        """Read what is left, run the command, and compare; return what is wrong."""
        expected = self.after[command]
        said = [*crash_scenario.wrong(read, expected)]
        said += crash_scenario.lost(read, finished, expected)
        code, words = self.scenario.run_here(again, command)
        if code:
            return [*said, f"the next run ended with {code}: {words.strip()}"]
        return [*said, *crash_scenario.differences(again, expected)]

    @property
    def n_states(self):
        """Number of different states that were tried."""
        return len(self._tried)


def states(disk, seeds):
    """Yield the name and content of each state that a crash can leave."""
    yield "killed", disk.killed()
    for way in crash_disk.CUTS:
        for seed in range(seeds if way in DRAWN else 1):
            yield f"power cut, {way}", disk.cut(way, seed)


def replay(replayed, every, seeds):
    """Try all states; return the number of tries by way, and the faults found."""
    tries, faults = Counter(), defaultdict(Counter)
    for command, finished, disk in replayed.prefixes(every):
        for way, content in states(disk, seeds):
            tries[way] += 1
            for fault in replayed.tried(command, finished, content):
                faults[way][f"command {command + 1}: {fault}"] += 1
    return tries, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every prefix")
    parser.add_argument("--tiny", action="store_true", help="the default")
    parser.add_argument("--record", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        run_recorded(Path(options.record))
        return
    if (reason := crash_trace.why_not()) is not None:
        sys.exit(f"nothing can be recorded: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        scenario = Scenario(folder)
        for root in ("root", "root-before", "root-warm"):
            scenario.begin(folder / root)
        by_command = recorded(scenario, folder)
        kinds = Counter(op.kind for ops in by_command for op in ops if op.kind != "open")
        counted = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
        print(f"{len(by_command)} commands, {kinds.total()} operations: {counted}", flush=True)
        scenario.warm(folder / "root-warm")
        replayed = Replay(scenario, by_command, folder)
        tries, faults = replay(replayed, *((1, SEEDS) if options.all else (THINNED, 1)))
    print("| crash | tries | wrong |\n|---|---|---|")
    for way, n in tries.items():
        print(f"| {way} | {n} | {faults[way].total()} |")
    print(f"{tries.total()} tries of {replayed.n_states} different states")
    for way in faults:
        for fault, n in faults[way].most_common():
            print(f"{way}: {n} times {fault}")
    sys.exit(any(faults.values()))


if __name__ == "__main__":
    main()
