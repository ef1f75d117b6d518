"""`headscore demo`: analyze a real model on the built-in corpus, offline."""

from __future__ import annotations

import argparse
import os

from headscore.cli import loading, options, output
from headscore.cli.analyze import add_analysis_options, analyze
from headscore.options import AnalyzeOptions

_ROLES = {"minilm": AnalyzeOptions.roles, "smollm2": "decoder"}  # model -> default of --roles
_SEQUENCES = 120  # for the decoder


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo", help="analyze a real model on the built-in corpus, offline"
    )
    parser.add_argument(
        "--model",
        choices=tuple(_ROLES),
        default="minilm",
        help="minilm: a BERT on sentences and text pairs; smollm2: a decoder on sentences written "
        "twice, with the roles decoder (default: minilm)",
    )
    add_analysis_options(parser)
    parser.set_defaults(command=_command, roles=None)


def _command(arguments: argparse.Namespace) -> int:
    # Read by huggingface_hub when it is imported: before any import of transformers.
    os.environ["HF_HUB_OFFLINE"] = "1"
    if arguments.roles is None:
        arguments.roles = _ROLES[arguments.model]
    return _encoder(arguments) if arguments.model == "minilm" else _decoder(arguments)


def _encoder(arguments: argparse.Namespace) -> int:
    from headscore.demo import demo_corpus, demo_model

    return analyze(arguments, str(demo_model()), str(demo_corpus()), pairs="consecutive")


def _decoder(arguments: argparse.Namespace) -> int:
    from headscore.checks import check_analysis
    from headscore.demo.decoder import demo_decoder

    check_analysis(options.chosen(AnalyzeOptions, arguments))  # before the model is converted
    silent = arguments.quiet or arguments.json
    if silent:
        output.quiet_transformers()
    model = str(demo_decoder((lambda _: None) if silent else output.complain))
    with loading.imports():
        output.quiet_transformers()
        from headscore.tasks.synthetic import synthetic
    return analyze(arguments, model, synthetic("repeated_text", model, _SEQUENCES))
