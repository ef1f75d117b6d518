"""`headscore doctor`: check the installation, and a model."""

from __future__ import annotations

import argparse

from headscore.cli import loading, options, output


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("doctor", help="check the installation, and a model")
    parser.add_argument("model", metavar="MODEL", nargs="?", help="hub id or folder")
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    loading.announce(arguments, arguments.model)
    with loading.imports():
        output.quiet_transformers()
        from headscore.doctor import examine

    sound = True
    for what, finding, fine in examine(arguments.model):
        sound &= fine
        print(f"{'ok ' if fine else 'BAD'} {what:18} {finding}", flush=True)
    return 0 if sound else 3
