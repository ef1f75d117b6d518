"""`headscore validate`: whether a model uses what the heads of a role look at."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import loading, options, output
from headscore.options import LoadOptions, ValidateOptions

if TYPE_CHECKING:
    from headscore.report.effect import Effect
    from headscore.report.terminal.style import Style

ENDINGS = (".hs", ".html", ".csv")
WHAT = ".hs saves the result, .html shows it as a page, .csv is its table"
# Of the experiment itself; all others are of the corpus, the model and the test.
_EXPERIMENT = ("roles", "label", "metric", "sets", "how", "masked", "seed")
_RUN = ("too_long", "special_in_text", "batch_tokens", "folder")


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "validate", help="remove what the heads of a role look at, and measure what the model loses"
    )
    parser.add_argument("model", metavar="MODEL", help="hub id or folder")
    options.add_corpus_argument(parser)
    parser.add_argument(
        "--report",
        required=True,
        metavar="RUN.hs",
        help="the scores or the report that say which head has which role",
    )
    options.add(parser, LoadOptions, "tokenizer", flag="--tokenizer-from")
    options.add_corpus_options(parser, seed=False)
    options.add_parse_options(parser)
    options.add(parser.add_argument_group("experiment"), ValidateOptions, *_EXPERIMENT)
    test = parser.add_argument_group("test")
    options.add(test, ValidateOptions, "alpha", "adjust", "clusters")
    run = parser.add_argument_group("run")
    options.add(run, ValidateOptions, "max_length", "device", "dtype", *_RUN)
    options.add_output_options(parser, WHAT, ENDINGS)
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    """Check, run, save and print; return the exit code."""
    corpus, model = options.corpus_of(arguments), arguments.model
    chosen = _checked(arguments, corpus)
    with loading.imports():
        from headscore.report.labelled import labelled_heads
    labelled = labelled_heads(arguments.report, chosen)
    loading.announce(arguments, model)
    with loading.imports():
        output.quiet_transformers()
        import headscore.causal.experiment  # noqa: F401
        from headscore import runs
    silent = arguments.quiet or arguments.json
    announce = (lambda _: None) if silent else output.complain
    effect = runs.validate_with(model, corpus, labelled, chosen, announce)
    present(effect, arguments)
    return 0


def present(effect: Effect, arguments: argparse.Namespace) -> None:
    """Save and print an effect."""
    output.present(effect, arguments, _as_json, _render)


def _render(effect: Effect, style: Style, *, saved: str | None) -> str:
    from headscore.report.terminal.effect import render_effect

    return render_effect(effect, style, saved=saved)


def _checked(arguments: argparse.Namespace, corpus: Any) -> ValidateOptions:
    """Return the options; whatever can be wrong with them is found before torch is loaded."""
    output.check_writable(arguments.out, ENDINGS)
    output.check_there([arguments.report])
    from headscore.checks import check_inputs
    from headscore.files import roles_in
    from headscore.roles.specs import parse_roles

    progress = False if arguments.quiet else None
    chosen = options.chosen(ValidateOptions, arguments, progress=progress)
    asked = () if chosen.roles is None else parse_roles(chosen.roles)
    loading.check_known(
        "roles", [r.name for r in asked if not r.from_set], roles_in(arguments.report)
    )
    check_inputs(arguments.model, corpus, chosen)
    return chosen


def _as_json(effect: Effect) -> dict[str, Any]:
    return {
        "signature": effect.signature,
        "facts": dict(effect.facts),
        "counts": dict(effect.counts),
        "not_tried": dict(effect.values.not_tried),
        "used": output.records(effect.used()),
        "sets": output.records(effect.sets()),
        "table": output.records(effect.table),
    }
