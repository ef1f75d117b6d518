"""`headscore parse`: parse a corpus once, for any number of runs."""

from __future__ import annotations

import argparse
import os

from headscore.cli import options, output
from headscore.errors import UsageError
from headscore.options import CorpusOptions

_ENDINGS = (".hsp",)


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("parse", help="parse a corpus once, for any number of runs")
    options.add_corpus_argument(parser)
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE.hsp",
        required=True,
        help="parse cache, for analyze --cache; one that is there is added to",
    )
    parser.add_argument(
        "--processes",
        type=options.count_from(0),
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that parse; 0: parse in this one (default: one for each core)",
    )
    options.add(parser, CorpusOptions, "labels")
    options.add_corpus_options(parser)
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    output.check_ending(arguments.out, _ENDINGS)
    if arguments.parser is None:
        raise UsageError("--parser must name a spaCy pipeline, got none")
    from headscore.checks import check_inputs
    from headscore.parsing.source import Source, parse_corpus

    chosen = options.chosen(
        CorpusOptions, arguments, parse_processes=arguments.processes, cache=arguments.out
    )
    corpus = options.corpus_of(arguments)
    check_inputs(None, corpus, chosen)
    print(parse_corpus(Source(corpus, chosen)))
    return 0
