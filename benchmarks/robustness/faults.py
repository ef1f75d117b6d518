"""Let calls of the system fail under the commands, and run them again.

    python benchmarks/robustness/faults.py [--all]

Each command of `crash_scenario.py` runs with one fault: a call on a file fails, once or from then
on (a disk stays full), is short, or the clock jumps (`faults.c`, loaded before the C library).
It must end well with the same bits, or with exit code 3 and one sentence; nothing that was finished
may be lost, no reader may find a half file, and the same command without the fault must then leave
the same bits as in the undisturbed run.

Without --all a thinned set of calls fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fault_calls import build

THINNED = 23  # every so many faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every call")
    parser.add_argument("--tiny", action="store_true", help="the default")
    parser.add_argument("--in", dest="folder", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is None:
        _with_library(sys.argv[1:])
    import fault_runs  # loads torch, and is worth it only where calls can fail

    folder = Path(options.folder)
    bench = fault_runs.Bench(fault_runs.scenario_in(folder), folder)
    codes, examples, wrong = fault_runs.measure(bench, 1 if options.all else THINNED)
    print("| fault | tries | went on | exit 3 | other | the sentence |\n|---|---|---|---|---|---|")
    for name, ends in sorted(codes.items()):
        other = ends.total() - ends[0] - ends[3]
        counts = f"{ends.total()} | {ends[0]} | {ends[3]} | {other}"
        print(f"| {name} | {counts} | {examples.get(name, '')} |")
    print(f"{sum(each.total() for each in codes.values())} faults, {wrong.total()} wrong")
    for each, n in wrong.most_common():
        print(f"{n} times {fault_runs.plain(each, folder)}")
    sys.exit(bool(wrong))


def _with_library(arguments):
    """Run this script again with the library loaded, and exit as it does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        library, reason = build(folder)
        if reason is not None:
            sys.exit(f"no call can be made to fail: {reason}")
        script = [sys.executable, __file__, *arguments, "--in", str(folder)]
        ended = subprocess.run(script, env={**os.environ, "LD_PRELOAD": str(library)}, check=False)
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
