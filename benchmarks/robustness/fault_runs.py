"""Run the commands of `crash_scenario.py` with one fault each; see faults.py."""

import errno
import re
import shutil
from collections import Counter
from functools import partial

import crash_disk
import crash_scenario
from crash_scenario import Scenario, forked
from fault_calls import FAULTS, FOREVER, PASSING, Calls, Fault

CLOCKS = {"a day back": -86_400, "a year forward": 31_536_000}  # seconds


def scenario_in(folder):
    """Return a scenario whose model is loaded in this process."""
    scenario = Scenario(folder)
    scenario.begin(folder / "warm")
    scenario.warm(folder / "warm")
    return scenario


class Bench:
    """The commands, and the folders that each finds and leaves.

    Parameters
    ----------
    scenario
        The commands.
    folder
        Where folders are made.
    """

    def __init__(self, scenario, folder):
        self.scenario, self.folder = scenario, folder
        self.calls = Calls()
        scenario.begin(folder / "root")
        self.found, self.after = [], []
        for command in range(len(scenario.commands)):
            self.found.append(crash_disk.read_in(folder / "root"))
            forked(partial(scenario.run_here, folder / "root", command))
            self.after.append(forked(partial(crash_scenario.results, folder / "root")))

    def _run(self, root, command, prepare):
        """Return exit code, what was said, and the calls seen; for a process of its own."""
        prepare()
        code, said = self.scenario.run_here(root, command)
        return code, said, self.calls.succeed()

    def faults(self):
        """Yield each command with each fault."""
        for command in range(len(self.found)):
            for kind, numbers in FAULTS.items():
                for call in range(self._count(command, kind)):
                    for number in numbers:
                        yield command, Fault(kind, number, call)
                        if number not in PASSING:
                            yield command, Fault(kind, number, call, FOREVER)

    def _set(self, fault):
        self.calls.fail(fault, self.folder)

    def _count(self, command, kind):
        """Return the number of calls of a kind that a command makes."""
        root = self._root(command)
        try:
            _, _, calls = forked(
                partial(self._run, root, command, partial(self._set, Fault(kind, errno.EIO)))
            )
            return calls
        finally:
            shutil.rmtree(root)

    def _root(self, command):
        crash_disk.write_out(self.found[command], self.folder / "again")
        return self.folder / "again"

    def fail(self, command, fault):
        """Run a command with a fault, and again; return its exit code, last line, what is wrong."""
        return self.disturb(command, partial(self._set, fault))

    def disturb(self, command, prepare):
        """Run a command after `prepare` was called in its process, and again without."""
        root = self._root(command)
        try:
            code, said, _ = forked(partial(self._run, root, command, prepare))
            wrong = list(_unclear(code, said))
            wrong += forked(partial(self._afterwards, root, command, well=code == 0))
            return code, said.strip().splitlines()[-1:], wrong
        finally:
            shutil.rmtree(root)

    def _afterwards(self, root, command, *, well):
        """Return what is wrong after a run that was disturbed, and after the next one."""
        expected = self.after[command]
        finished = self.after[command - 1] if command else {}
        wrong = [*crash_scenario.wrong(root, expected)]
        wrong += crash_scenario.lost(root, finished, expected)
        if well:
            wrong += [
                f"{each}, although the command ended well"
                for each in crash_scenario.differences(root, expected)
                if ".part " not in each
            ]
        code, said = self.scenario.run_here(root, command)
        if code:
            return [*wrong, f"the next run ended with {code}: {said.strip()}"]
        return [*wrong, *crash_scenario.differences(root, expected)]


def _unclear(code, said):
    """Yield what is wrong with the end of a command: all but 0, and 3 with one sentence."""
    last = said.strip().splitlines()[-1:]
    if code not in (0, 3) or "Traceback" in said or "unexpected" in said:
        yield f"exit code {code}: {' '.join(last)}"
    elif code == 3 and not (last and last[0].startswith("headscore: ")):
        yield "exit code 3 without a sentence"


def plain(sentence, folder):
    """Return a sentence without the names that differ from run to run."""
    return re.sub(r"-[0-9a-f]{8}-[0-9a-f]{16}", "-*", sentence.replace(str(folder), ""))


def measure(bench, every):
    """Try faults; return for each name the exit codes, an example of what was said, the wrong."""
    codes, examples, wrong = {}, {}, Counter()
    for n, (command, fault) in enumerate(bench.faults()):
        if n % every:
            continue
        code, last, found = bench.fail(command, fault)
        codes.setdefault(fault.name, Counter())[code] += 1
        if code:
            examples.setdefault(fault.name, plain(" ".join(last), bench.folder))
        wrong.update(f"command {command + 1}, {fault.name}: {each}" for each in set(found))
    for name, seconds in CLOCKS.items():
        for command in range(len(bench.found)):
            code, _, found = bench.disturb(command, partial(bench.calls.jump, seconds))
            codes.setdefault(f"clock {name}", Counter())[code] += 1
            wrong.update(f"command {command + 1}, clock {name}: {each}" for each in set(found))
    return codes, examples, wrong
