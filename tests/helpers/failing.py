"""Write files while calls fail, and again; a program, started with the library of fault_calls.

    python -m helpers.failing FOLDER EVERY

It prints, for each fault, what came of it: "", the sentence of an InputError, or what is wrong.
"""

import json
import sys
import tempfile
from pathlib import Path

from headscore.errors import InputError
from helpers import writing
from helpers.benchmark_modules import benchmark_module

fault_calls = benchmark_module("fault_calls")

CALLS = fault_calls.Calls()


def written(folder, fault):
    """What came of writing with a fault, and how many calls it was about."""
    CALLS.fail(fault, folder)
    try:
        writing.write_all(folder)
        came = ""
    except InputError as error:
        came = str(error)
    except Exception as error:
        came = f"wrong: {type(error).__name__}: {error}"
    return came.replace(str(folder), ""), CALLS.succeed()


def tried(fault):
    """What came of it, then and afterwards, and how many calls it was about."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as name:
        folder = Path(name)
        came, calls = written(folder, fault)
        try:
            found = writing.read_all(folder)
            assert came or found == writing.WRITTEN, f"{found} is there"
            writing.write_all(folder)
            assert writing.read_all(folder) == writing.WRITTEN
            assert {each.name for each in folder.rglob("*") if each.is_file()} == writing.FILES
        except Exception as error:
            came = f"wrong afterwards: {type(error).__name__}: {error}"
    return came, calls


def main():
    """Try the first error of each kind at every call, the others at every so many."""
    for kind, numbers in fault_calls.FAULTS.items():
        _, calls = tried(fault_calls.Fault(kind, numbers[0]))
        for call in range(calls):
            for number in numbers if call % int(sys.argv[2]) == 0 else numbers[:1]:
                for times in (1,) if number in fault_calls.PASSING else (1, fault_calls.FOREVER):
                    came, _ = tried(fault_calls.Fault(kind, number, call, times))
                    print(json.dumps([kind, number, came]))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
