"""`headscore merge`: merge the shards of a run, and test its heads."""

from __future__ import annotations

import argparse
from pathlib import Path

from headscore.cli import loading, options, output
from headscore.cli.analyze import ENDINGS, WHAT, merge


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("merge", help="put the shards of a run together, and test")
    parser.add_argument("folder", metavar="DIR", help="folder of analyze --run-dir")
    options.add_test_options(parser.add_argument_group("test"))
    options.add_keep_option(parser)
    options.add_output_options(parser, WHAT, ENDINGS)
    parser.set_defaults(command=_command, profile=False)


def _command(arguments: argparse.Namespace) -> int:
    output.check_writable(arguments.out, ENDINGS)
    with loading.timed(arguments) as stopwatch:
        from headscore.scale.run_folder import read_run

        run = read_run(Path(arguments.folder))  # before torch is loaded
        return merge(run, arguments, stopwatch)
