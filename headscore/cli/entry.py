"""Where the command line starts, and how every command ends: an exit code, at most one sentence."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

from headscore.cli.output import complain
from headscore.cli.parser import make_parser
from headscore.errors import HeadscoreError

_OF_OUTPUT = (errno.EPIPE, errno.ENOSPC)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Parameters
    ----------
    argv
        Arguments; None: those of the process.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal may know fewer letters than a path has
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _dispatch(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        return _end(f"the output cannot be written ({error.strerror})", 3)


def _dispatch(argv: Sequence[str] | None) -> int:
    """Run a command; only what is wrong with standard output is left to the caller."""
    try:
        arguments = make_parser().parse_args(argv)
        _listen(quiet=getattr(arguments, "quiet", False))
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except HeadscoreError as error:
        return _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_OUTPUT:
            raise
        if _was_interrupted(error):
            return _end("interrupted", 130)
        if os.environ.get("HEADSCORE_DEBUG"):
            traceback.print_exc()
        text = " ".join(str(error).split())
        return _end(f"unexpected {type(error).__name__}: {text} (HEADSCORE_DEBUG=1 shows where)", 1)


def _listen(*, quiet: bool) -> None:
    """Print warnings to standard error, or errors alone."""
    level = logging.ERROR if quiet else logging.WARNING
    logging.basicConfig(format="headscore: %(message)s", level=level, force=True)
    if quiet:
        warnings.simplefilter("ignore")


def _drop_output() -> None:
    """Write what is left of the output nowhere, so that its end fails no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _was_interrupted(error: BaseException | None) -> bool:
    """Tell whether an error came of an interrupt: imports of libraries turn it into their own."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _end(sentence: str, exit_code: int) -> int:
    complain(sentence)
    return exit_code
