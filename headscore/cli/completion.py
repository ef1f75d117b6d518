"""`headscore completion`: print the completion script of a shell."""

from __future__ import annotations

import argparse

from headscore.cli import options

_SHELLS = ("bash", "zsh")


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="For bash: headscore completion bash > "
        "~/.local/share/bash-completion/completions/headscore",
    )
    parser.add_argument("shell", choices=_SHELLS, help="which shell")
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(arguments.parser_of_all, arguments.shell))
    return 0
