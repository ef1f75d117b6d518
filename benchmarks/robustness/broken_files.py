"""Break files of every format that headscore writes, and read them as a user does.

    python benchmarks/robustness/broken_files.py          # every 211th bit and length
    python benchmarks/robustness/broken_files.py --all    # every bit and every length (an hour)

Every single bit is flipped and the file is cut at every length. Each try must be answered by one
sentence (an error of headscore), or give what the undamaged file gives. Anything else is wrong:
other values, another exception, a crash, more than 20 seconds of computing, or more than 1 GB.
Flipped and cut files are damaged by chance. A third kind is written on purpose: values changed at
random under digests that fit them. Such a file may be read, as there is no telling what it held,
but it must not crash what reads and shows it.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import sample_files
from forged_files import forged
from sample_files import Sample

import headscore as hs
from headscore import cli

OUTCOMES = ("answered", "unchanged", "wrong")
# Of a try: of computing, of waiting on a busy machine, and of memory.
_SECONDS, _WAIT, _MEMORY = 20, 300, 2**30
_STRIDE = 211
Try = Callable[[Path, bytes], None]  # writes a damaged file


def flip(bit: int, path: Path, whole: bytes) -> None:
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)


def cut(length: int, path: Path, whole: bytes) -> None:
    path.write_bytes(whole[:length])


def tries_of(size: int, stride: int) -> dict[str, list[Try]]:
    return {
        "flips": [partial(flip, bit) for bit in range(0, 8 * size, stride)],
        "cuts": [partial(cut, length) for length in range(0, size, max(1, stride // 8))],
    }


def outcome(sample: Sample, expected: Any) -> tuple[str, str]:
    """Read a damaged file; return the outcome, and what went wrong."""
    try:
        found = sample.read()
    except hs.HeadscoreError as error:
        lines = str(error).splitlines()
        return ("answered", "") if len(lines) == 1 else ("wrong", f"{len(lines)} lines: {error}")
    except BaseException as error:  # also what no one should raise, such as a panic of Rust
        return "wrong", f"{type(error).__name__}: {error}"
    return ("unchanged", "") if found == expected else ("wrong", "other values")


def show(path: Path) -> tuple[str, str]:
    """Show a forged file in the terminal and as page and table; return outcome, what went wrong."""
    printed, told = io.StringIO(), io.StringIO()
    outs = [str(path.with_suffix(ending)) for ending in (".html", ".csv")]
    try:
        with redirect_stdout(printed), redirect_stderr(told):
            code = cli.main(["report", str(path), *chain(*(("-o", out) for out in outs))])
    except BaseException as error:
        return "wrong", f"{type(error).__name__}: {error}"
    text = printed.getvalue() + told.getvalue()
    if code == 0:
        text += Path(outs[0]).read_text(encoding="utf-8")
    elif code not in (2, 3):
        return "wrong", told.getvalue().strip()
    obeyed = {each for each in text if not each.isprintable()} - set("\n\xa0\u2009\u202f")
    if obeyed:
        return "wrong", f"characters that a terminal or a page obeys: {obeyed}"
    return ("answered" if code else "unchanged"), ""


def limited(attempts: Sequence[Callable[[], tuple[str, str]]]) -> Iterator[tuple[str, str]]:
    """Yield the outcome of each attempt, all of them made in processes that may die."""
    at = 0
    while at < len(attempts):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            _attempt_all(attempts, at, writing)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8", errors="replace") as told:
            for line in told:
                name, _, why = line.rstrip("\n").partition("\t")
                yield name, why
                at += 1
        _, status = os.waitpid(child, 0)
        if at < len(attempts):
            yield "wrong", f"the process ended with signal {os.WTERMSIG(status)}"
            at += 1


def _attempt_all(attempts: Sequence[Callable[[], tuple[str, str]]], at: int, writing: int) -> None:
    """Make the attempts from one on, in this process, which ends with them."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    for each in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(each, signal.SIG_DFL)  # ends the process, whatever hangs in it
    with os.fdopen(writing, "w", encoding="utf-8", errors="replace") as tell:
        for attempt in attempts[at:]:
            signal.alarm(_WAIT)
            signal.setitimer(signal.ITIMER_PROF, _SECONDS)
            name, why = attempt()
            print(name, why.replace("\n", " ")[:300], sep="\t", file=tell, flush=True)
    os._exit(0)


def damage(sample: Sample, stride: int) -> Iterator[tuple[str, str, str]]:
    """Yield kind of damage, outcome and what went wrong of each try with a sample."""
    whole, expected = sample.path.read_bytes(), sample.read()

    def attempt(write: Try) -> tuple[str, str]:
        write(sample.path, whole)
        try:
            return outcome(sample, expected)
        finally:
            _restore(sample.path, whole)

    for kind, tries in tries_of(len(whole), stride).items():
        for name, why in limited([partial(attempt, each) for each in tries]):
            yield kind, name, why
        _restore(sample.path, whole)


def _restore(path: Path, whole: bytes) -> None:
    for each in path.parent.glob(f"{path.name}*"):  # also the journal of a parse cache
        each.unlink()
    path.write_bytes(whole)


def forge(sample: Sample, tries: int) -> Iterator[tuple[str, str, str]]:
    """Yield the same of files that were changed under digests that fit."""
    path = sample.path.with_name(f"forged{sample.path.suffix}")

    def attempt(seed: int) -> tuple[str, str]:
        forged(sample.path, path, random.Random(seed))
        return show(path)

    for name, why in limited([partial(attempt, seed) for seed in range(tries)]):
        yield "forged", name, why


def print_table(samples: dict[str, Sample], stride: int, n_forged: int) -> int:
    """Damage all samples, print a row for each and kind of damage; return how many were wrong."""
    print(f"| file | bytes | damage | tries | {' | '.join(OUTCOMES)} | seconds |")
    print(f"|---|{'---|' * (len(OUTCOMES) + 4)}")
    wrong = 0
    for name, sample in samples.items():
        size, begun = sample.path.stat().st_size, time.perf_counter()
        counts: dict[str, Counter[str]] = {}
        found: Iterator[tuple[str, str, str]] = damage(sample, stride)
        if name in sample_files.SHOWN:
            found = chain(found, forge(sample, n_forged))
        for kind, what, why in found:
            counts.setdefault(kind, Counter())[what] += 1
            if what == "wrong":
                print(f"{name}, {kind}: {why}", file=sys.stderr, flush=True)
        for kind, each in counts.items():
            cells = [name, size, kind, each.total(), *(each[what] for what in OUTCOMES)]
            print(f"| {' | '.join(map(str, cells))} | {time.perf_counter() - begun:.0f} |")
            wrong += each["wrong"]
        sys.stdout.flush()
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every bit and every length")
    parser.add_argument("--stride", type=int, default=_STRIDE, help="every so many bits")
    parser.add_argument("--forged", type=int, default=20, help="forged files of each kind")
    parser.add_argument("--only", nargs="*", help="names of files")
    parser.add_argument("--tiny", action="store_true", help="a few of each, to see that it runs")
    options = parser.parse_args()
    stride = 1 if options.all else 4001 if options.tiny else options.stride
    logging.disable(logging.WARNING)
    # In memory where that is possible: every try writes a file.
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
    try:
        chosen = sample_files.make(folder, options.only)
        wrong = print_table(chosen, stride, 2 if options.tiny else options.forged)
    finally:
        shutil.rmtree(folder)
    print(f"wrong: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
