"""`headscore synthetic`: write a synthetic corpus with gold word pairs."""

from __future__ import annotations

import argparse

from headscore.cli import loading, options, output
from headscore.options import KINDS, SyntheticOptions

_ENDINGS = (".hse",)


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("synthetic", help="write a corpus that asks for one function")
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("tokenizer", metavar="MODEL", help="hub id or folder, for its tokenizer")
    parser.add_argument(
        "-n", type=options.count_from(1), default=100, metavar="N", help="sequences (default: 100)"
    )
    options.add_all(parser, SyntheticOptions)
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--out", required=True, metavar="FILE.hse")
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    output.check_writable([arguments.out], _ENDINGS)
    from headscore.model.names import check_name

    check_name(arguments.tokenizer, "tokenizer")
    loading.announce(arguments, arguments.tokenizer)
    with loading.imports():
        output.quiet_transformers()
        from headscore.tasks.synthetic import synthetic
    chosen = {each: getattr(arguments, each) for each in ("seed", "size", "texts")}
    encoded = synthetic(arguments.kind, arguments.tokenizer, arguments.n, **chosen)
    encoded.save(arguments.out)
    if not arguments.quiet:
        pairs = len(encoded.pairs.relation)
        names = ", ".join(encoded.relation_names)
        print(f"{len(encoded)} sequences, {pairs} pairs of {names}: {arguments.out}")
    return 0
