"""Load what a command needs: announced, timed, and without the garbage collector."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from headscore.cli.output import complain
from headscore.errors import UsageError, unknown_name
from headscore.options import Thresholds
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
    if not _is_silent(arguments):
        complain(f"loading torch, transformers{f' and {model}' if model else ''}")


def _is_silent(arguments: argparse.Namespace) -> bool:
    return any(getattr(arguments, name, False) for name in ("quiet", "json"))


def check_known(option: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Raise UsageError for a role that a file of scores or of a report does not name, at once.

    The file itself is read later, with pandas. Where it tells no roles nothing is checked.
    """
    for name in names:
        if known and name not in known:
            raise UsageError(unknown_name(f"{option} must be those of the report", name, known))


def check_roles(path: str, *, roles: str | None = None, tau: Thresholds | None = None) -> None:
    """Raise UsageError for roles, or names in tau, that a file of scores does not have, at once.

    As `check_known`: of what is no file of scores nothing is checked.
    """
    if roles is None and not isinstance(tau, Mapping):
        return
    from headscore.files import roles_in
    from headscore.scores.choice import chosen_roles
    from headscore.scores.head_scores import KIND
    from headscore.statistics.criterion import thresholds

    if known := roles_in(path, KIND):
        _, names = chosen_roles(known, roles)
        if tau is not None:
            thresholds(tau, names)


@contextmanager
def imports(arguments: argparse.Namespace | None = None) -> Iterator[None]:
    """Import modules without the cyclic garbage collector, which would search them for nothing.

    With the arguments of a command that announces no model, a terminal gets a first line at once.

    torch and transformers make about a million objects that live as long as the process. To go
    through them again and again takes a quarter of the time of their import, and once more at exit.
    """
    if arguments is not None and sys.stderr.isatty() and not _is_silent(arguments):
        complain("loading pandas and scipy")
    enabled, known = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()  # no later search looks at what is there now
        if enabled:
            gc.enable()
