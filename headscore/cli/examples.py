"""`headscore examples`: find the sequences with the highest and lowest scores of a head."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from headscore.cli import loading, options, output
from headscore.options import ExampleOptions

_ENDINGS = (".html",)


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("examples", help="show where a head looks, in sentences")
    parser.add_argument("model", metavar="MODEL", help="hub id or folder")
    options.add_corpus_argument(parser)
    parser.add_argument(
        "--head", type=_head, required=True, metavar="LAYER.HEAD", help="counted from 0, as 1.8"
    )
    options.add(parser, ExampleOptions, "role", "count")
    options.add_corpus_options(parser)
    run = parser.add_argument_group("run")
    options.add(run, ExampleOptions, "max_length", "device", "backend")
    options.add_output_options(parser, "the page with arcs from each query", _ENDINGS)
    parser.set_defaults(command=_command)


def _head(text: str) -> tuple[int, int]:
    # "1.10" is layer 1, head 10, not a decimal number.
    layer, _, head = text.partition(".")
    try:
        return int(layer), int(head)
    except ValueError:
        rule = "must be LAYER.HEAD, two whole numbers as in 1.8"
        raise argparse.ArgumentTypeError(f"{rule}, got {text!r}") from None


def _command(arguments: argparse.Namespace) -> int:
    output.check_writable(arguments.out, _ENDINGS)
    from headscore.checks import check_inputs
    from headscore.model.described import check_described

    layer, head = arguments.head
    chosen = options.chosen(ExampleOptions, arguments, layer=layer, head=head)
    corpus = options.corpus_of(arguments)
    check_described(arguments.model, layer, head)
    check_inputs(arguments.model, corpus, chosen, chosen.role)
    loading.announce(arguments, arguments.model)
    with loading.imports():
        output.quiet_transformers()
        from headscore.report.examples import find_examples
    found = find_examples(arguments.model, corpus, chosen)
    output.save(arguments.out, {".html": found.to_html})
    if arguments.json:
        output.print_json(asdict(found))
    elif not arguments.quiet:
        print("\n".join(found.lines()))
    return 0
