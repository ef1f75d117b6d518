"""Where the command line starts, and how every command ends: an exit code, at most one sentence."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from headscore.cli.output import complain
from headscore.cli.parser import make_parser
from headscore.errors import HeadscoreError


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
    arguments = make_parser().parse_args(argv)
    logging.basicConfig(format="headscore: %(message)s", level=logging.WARNING, force=True)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except HeadscoreError as error:
        return _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if _was_interrupted(error):
            return _end("interrupted", 130)
        if os.environ.get("HEADSCORE_DEBUG"):
            traceback.print_exc()
        text = " ".join(str(error).split())
        return _end(f"unexpected {type(error).__name__}: {text} (HEADSCORE_DEBUG=1 shows where)", 1)


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
