"""`headscore demo`: analyze a real BERT on the built-in corpus, offline."""

from __future__ import annotations

import argparse
import os

from headscore.cli import options
from headscore.cli.analyze import add_analysis_options, analyze


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", help="analyze a real BERT on the built-in corpus, offline")
    add_analysis_options(parser)
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    from headscore.demo import demo_corpus, demo_model

    # Read by huggingface_hub when it is imported: before any import of transformers.
    os.environ["HF_HUB_OFFLINE"] = "1"
    return analyze(arguments, str(demo_model()), str(demo_corpus()), pairs="consecutive")
