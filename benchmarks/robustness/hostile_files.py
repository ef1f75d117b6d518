"""Files that were made to do harm, each read as a user reads it, with the sentence that it gets.

    python benchmarks/robustness/hostile_files.py

Every case runs in a process of its own, with 20 seconds of computing and 1 GB. A case is right
where it ends in one printable sentence, or in what the table says that it must give.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import hostile_caches
import hostile_headers
import hostile_places
import hostile_texts
from broken_files import limited

import headscore as hs

Case = Callable[[Path], Any]


def cases() -> dict[str, Case]:
    """Return the public functions of the modules of cases."""
    return {
        name: each
        for module in (hostile_headers, hostile_texts, hostile_places, hostile_caches)
        for name, each in vars(module).items()
        if isinstance(each, FunctionType)
        and each.__module__ == module.__name__
        and not name.startswith("_")
    }


def attempt(case: Case, folder: Path) -> tuple[str, str]:
    """Run a case; return "answered", "read" or "wrong", and the sentence."""
    folder.mkdir()
    try:
        found = case(folder)
    except hs.HeadscoreError as error:
        sentence = str(error).replace(str(folder), "...")
        right = sentence.isprintable()
        return ("answered" if right else "wrong"), sentence
    except BaseException as error:
        return "wrong", f"{type(error).__name__}: {error}"
    return ("read", found) if isinstance(found, str) else ("wrong", f"read as {found!r:.60}")


def outcomes(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield name, outcome and sentence of each case."""
    for number, (name, case) in enumerate(cases().items()):
        if case in hostile_caches.NEED_ROOT and os.geteuid():
            yield name, "left out", "only root can become another user"
            continue
        place = folder / str(number)
        ((outcome, sentence),) = limited([lambda case=case, place=place: attempt(case, place)])
        yield name, outcome, sentence


def warm_up() -> None:
    """Show a report, so that all libraries have their memory before it is limited."""
    with tempfile.TemporaryDirectory() as folder:
        hostile_texts.names_that_a_terminal_obeys(Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="all cases: there are no more")
    parser.parse_args()
    logging.disable(logging.WARNING)
    folder = Path(tempfile.mkdtemp())
    wrong = 0
    warm_up()
    try:
        print("| case | outcome | sentence |\n|---|---|---|")
        for name, outcome, sentence in outcomes(folder):
            print(f"| {name.replace('_', ' ')} | {outcome} | {sentence[:200]} |", flush=True)
            wrong += outcome == "wrong"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"wrong: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
