"""Load what a command needs: announced, timed, and without the garbage collector."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from headscore.cli.output import complain
from headscore.stopwatch import Stopwatch


@contextmanager
def timed(arguments: argparse.Namespace) -> Iterator[Stopwatch]:
    """Yield a stopwatch that began with the command; its stages add up to all time since then."""
    stopwatch = Stopwatch()
    stopwatch.seconds["start"] = time.perf_counter() - arguments.begun
    with stopwatch.stage("other"):  # what belongs to no inner stage
        yield stopwatch


# On standard error, so that standard output is what it was; also where that is no terminal: the log
# of a batch job then shows what it waits for.
def announce(arguments: argparse.Namespace, model: str | None) -> None:
    """Print on standard error what is loaded, but not with --quiet or --json."""
    silent = [getattr(arguments, name, False) for name in ("quiet", "json")]
    if not any(silent):
        complain(f"loading torch, transformers{f' and {model}' if model else ''}")


@contextmanager
def imports() -> Iterator[None]:
    """Import modules without the cyclic garbage collector, which would search them for nothing.

    torch and transformers make about a million objects that live as long as the process. To go
    through them again and again takes a quarter of the time of their import, and once more at exit.
    """
    enabled, known = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()  # no later search looks at what is there now
        if enabled:
            gc.enable()
