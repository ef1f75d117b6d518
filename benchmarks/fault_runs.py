"""Run the commands of `crash_scenario.py` with one fault each; see faults.py."""

import ctypes
import errno
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import partial

import crash_disk
import crash_scenario
from crash_scenario import Scenario, forked

SHORT = 0  # in place of an error number
# Kind of call -> error numbers.
FAULTS = {
    "open": (errno.EMFILE, errno.EACCES, errno.EROFS, errno.EIO, errno.EINTR),
    "read": (errno.EIO, errno.EINTR, SHORT),
    "write": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EINTR, SHORT),
    "sync": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "close": (errno.EIO, errno.EDQUOT),
    "rename": (errno.EACCES, errno.EIO, errno.ENOSPC, errno.EXDEV),
    "unlink": (errno.EACCES, errno.EIO),
    "mkdir": (errno.EACCES, errno.EROFS, errno.ENOSPC),
    "lock": (errno.ENOLCK, errno.ENOSYS),
    "truncate": (errno.EIO,),
}
PASSING = (errno.EINTR, SHORT)  # the call is tried again
FOREVER = 10**9
CLOCKS = {"a day back": -86_400, "a year forward": 31_536_000}  # seconds


@dataclass(frozen=True)
class Fault:
    """The calls of a kind that fail: `times` in a row, after the first `call` ones."""

    kind: str
    number: int
    call: int = FOREVER
    times: int = 1

    @property
    def name(self):
        """How the table names it."""
        what = errno.errorcode.get(self.number, "short")
        return f"{self.kind} {what}" + (" from then on" if self.times > 1 else "")


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
        self.library = ctypes.CDLL(None)
        scenario.begin(folder / "root")
        self.found, self.after = [], []
        for command in range(len(scenario.commands)):
            self.found.append(crash_disk.read_in(folder / "root"))
            self._run(folder / "root", command)
            self.after.append(forked(partial(crash_scenario.results, folder / "root")))

    def _run(self, root, command, prepare=lambda: None):
        """Run a command; return its exit code, what it said, and the calls seen and failed."""

        def around(work):
            prepare()
            code, said = work()
            counted = self.library.fault_seen(), self.library.fault_failed()
            self.library.fault_set(b"", b"", 0, 0, 0)
            return code, said, *counted

        (answer,) = self.scenario.run(root, command, last=command + 1, around=around)
        return answer

    def faults(self):
        """Yield each command with each fault."""
        for command in range(len(self.found)):
            for kind, numbers in FAULTS.items():
                _, _, calls, _ = self._tried(command, partial(self._set, Fault(kind, errno.EIO)))
                for call in range(calls):
                    for number in numbers:
                        yield command, Fault(kind, number, call)
                        if number not in PASSING:
                            yield command, Fault(kind, number, call, FOREVER)

    def _set(self, fault):
        numbers = fault.number, fault.call, fault.times
        self.library.fault_set(fault.kind.encode(), os.fsencode(self.folder), *numbers)

    def jump(self, seconds):
        """Let the clock jump while a command runs."""
        self.library.fault_clock(ctypes.c_long(seconds), 20)

    def _tried(self, command, prepare):
        root = self._root(command)
        try:
            return self._run(root, command, prepare)
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
        root, expected = self._root(command), self.after[command]
        try:
            code, said, _, _ = self._run(root, command, prepare)
            wrong = list(_unclear(code, said))
            if code == 0:
                wrong += self._compared(root, expected)
            finished = self.after[command - 1] if command else {}
            wrong += forked(lambda: list(crash_scenario.wrong(root, expected)))
            wrong += forked(lambda: crash_scenario.lost(root, finished, expected))
            again, words, _, _ = self._run(root, command)
            if again:
                wrong.append(f"the next run ended with {again}: {words.strip()}")
            else:
                wrong += self._compared(root, expected, whole=True)
            return code, said.strip().splitlines()[-1:], wrong
        finally:
            shutil.rmtree(root)

    def _compared(self, root, expected, *, whole=False):
        found = forked(lambda: crash_scenario.results(root))
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name) and (whole or not name.endswith(".part")):
                yield f"{name} differs, although the command ended well"


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
            code, _, found = bench.disturb(command, partial(bench.jump, seconds))
            codes.setdefault(f"clock {name}", Counter())[code] += 1
            wrong.update(f"command {command + 1}, clock {name}: {each}" for each in set(found))
    return codes, examples, wrong
