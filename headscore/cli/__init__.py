"""The command line: a file per command, each of which imports what is heavy when it runs."""

from headscore.cli.entry import main

__all__ = ["main"]
