"""`headscore parse`: parse a corpus once, for any number of runs."""

from __future__ import annotations

import argparse
import os

from headscore.cli import options


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("parse", help="parse a corpus once, for any number of runs")
    options.add_corpus_argument(parser)
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE.hsp",
        required=True,
        help="file of parses, for analyze --cache; one that is there is gone on with",
    )
    parser.add_argument(
        "--processes",
        type=options.count_from(0),
        default=os.cpu_count() or 1,
        metavar="N",
        help="that parse at a time; 0: this one does (default: one for each core)",
    )
    options.add_corpus_options(parser)
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    from headscore.errors import UsageError

    if not arguments.out.endswith(".hsp"):
        raise UsageError(f"--out must end in .hsp, got {arguments.out}")
    if arguments.parser is None:
        raise UsageError("--parser must name a spaCy pipeline, got none")
    from headscore.parsing.source import Source, parse_corpus

    source = Source(
        options.corpus_of(arguments),
        arguments.pairs,
        arguments.columns,
        arguments.skip_invalid,
        arguments.processes,
        arguments.out,
    )
    print(parse_corpus(source, arguments.parser))
    return 0
