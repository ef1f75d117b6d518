"""`headscore doctor`: check the installation, and a model."""

from __future__ import annotations

import argparse

from headscore.cli import loading, options, output
from headscore.errors import InputError


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("doctor", help="check the installation, and a model")
    parser.add_argument("model", metavar="MODEL", nargs="?", help="hub id or folder")
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    from headscore.model.names import check_name

    name, sound = arguments.model, True
    if name is not None:
        try:
            check_name(name)
        except InputError as error:  # a misspelled name is answered at once, the rest later
            name, sound = None, _print("model", str(error), fine=False)
    loading.announce(arguments, name)
    with loading.imports():
        output.quiet_transformers()
        from headscore.doctor import examine

    for what, finding, fine in examine(name):
        sound &= _print(what, finding, fine=fine)
    return 0 if sound else 3


def _print(what: str, finding: str, *, fine: bool) -> bool:
    print(f"{'ok ' if fine else 'BAD'} {what:18} {finding}", flush=True)
    return fine
