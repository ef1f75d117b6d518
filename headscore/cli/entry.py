"""Entry point of the command line; every error ends in an exit code and one sentence."""

from __future__ import annotations

import argparse
import errno
import gc
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence

from headscore.cli.clock import BEGUN
from headscore.cli.interrupts import kept
from headscore.cli.output import as_typed, complain
from headscore.cli.parser import make_parser
from headscore.errors import HeadscoreError, escaped

# Errors of writing to standard output: closed by its reader, or the disk is full.
_OF_OUTPUT = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Errors of a disk or of limits of the system, not of this program.
_OF_DISKS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    argv
        Arguments; None: those of the process, which ends with the command.
    """
    begun = BEGUN if argv is None else time.perf_counter()
    for stream in (sys.stdout, sys.stderr):  # a terminal may know fewer letters than a path has
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _dispatch(argv, begun)
        finally:
            # Python would flush at exit, where an error is a message and exit code 120.
            sys.stdout.flush()
            if argv is None:
                # At exit Python would search the million objects of torch for cycles: a second.
                gc.freeze()
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        return _end(f"the output cannot be written ({error.strerror})", 3)


def _dispatch(argv: Sequence[str] | None, begun: float) -> int:
    """Run a command and return the exit code; raise only errors of standard output."""
    try:
        arguments = make_parser().parse_args(argv)
        arguments.begun = begun
        _listen(quiet=getattr(arguments, "quiet", False))
        command: Callable[[argparse.Namespace], int] = arguments.command
        with kept():
            return command(arguments)
    except HeadscoreError as error:
        return _end(as_typed(str(error)), error.exit_code)
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_OUTPUT and error.filename is None:
            raise
        if _was_interrupted(error):
            return _end("interrupted", 130)
        if os.environ.get("HEADSCORE_DEBUG"):
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno in _OF_DISKS:
            where = "a file" if error.filename is None else error.filename
            return _end(f"{where}: cannot be read or written ({error.strerror})", 3)
        text = " ".join(str(error).split())
        return _end(f"unexpected {type(error).__name__}: {text} (HEADSCORE_DEBUG=1 shows where)", 1)


def _listen(*, quiet: bool) -> None:
    """Set up logging to standard error: warnings and errors, or errors only."""
    level = logging.ERROR if quiet else logging.WARNING
    handler = logging.StreamHandler()
    handler.setFormatter(_Escaping("headscore: %(message)s"))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    if quiet:
        warnings.simplefilter("ignore")


class _Escaping(logging.Formatter):
    """Formats a message as one line that a terminal prints as it is, with options as typed."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name
        return escaped(as_typed(super().formatMessage(record)))


def _drop_output() -> None:
    """Redirect standard output to the null device, so that a later flush cannot fail."""
    # The descriptor itself is replaced, so that the flush at the end of Python succeeds.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _was_interrupted(error: BaseException | None) -> bool:
    """Return whether an error was caused by an interrupt that a library caught."""
    # Some libraries catch the KeyboardInterrupt of an import and raise an ImportError with its
    # text.
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _end(sentence: str, exit_code: int) -> int:
    complain(sentence)
    return exit_code
