"""The command line: a module per command, which imports torch and pandas only when it runs."""

from headscore.cli.entry import main

__all__ = ["main"]
