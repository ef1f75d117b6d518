"""`headscore examples`: the sequences and word pairs that score highest and lowest for a head."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from headscore.cli import options, output

_ENDINGS = (".html",)


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("examples", help="show where a head looks, in sentences")
    parser.add_argument("model", metavar="MODEL", help="hub id or folder")
    options.add_corpus_argument(parser)
    parser.add_argument(
        "--head", type=_head, required=True, metavar="LAYER.HEAD", help="counted from 0, as 1.8"
    )
    parser.add_argument(
        "--role", required=True, help="a role of word pairs: syntactic or any relation"
    )
    parser.add_argument(
        "--count", type=int, default=5, metavar="N", help="examples on each side (default: 5)"
    )
    options.add_corpus_options(parser)
    run = parser.add_argument_group("run")
    run.add_argument("--max-length", type=int, metavar="N", help="truncate to N tokens")
    run.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    options.add_output_options(parser, "the page with an arc for each pair", _ENDINGS)
    parser.set_defaults(command=_run)


def _head(text: str) -> tuple[int, int]:
    layer, _, head = text.partition(".")
    try:
        return int(layer), int(head)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid LAYER.HEAD value: {text!r}") from None


def _run(arguments: argparse.Namespace) -> int:
    output.check_writable(arguments.out, _ENDINGS)
    output.quiet_transformers()
    from headscore.report.examples import examples

    found = examples(
        arguments.model,
        options.corpus_of(arguments),
        layer=arguments.head[0],
        head=arguments.head[1],
        role=arguments.role,
        count=arguments.count,
        parser=arguments.parser,
        pairs=arguments.pairs,
        columns=arguments.columns,
        skip_invalid=arguments.skip_invalid,
        max_length=arguments.max_length,
        device=arguments.device,
    )
    output.save(arguments.out, {".html": found.to_html})
    if arguments.json:
        output.print_json(asdict(found))
    elif not arguments.quiet:
        print("\n".join(found.lines()))
    return 0
