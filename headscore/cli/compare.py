"""`headscore compare`: which heads gained or lost a role between two saved scores."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import loading, options, output
from headscore.options import CompareOptions

if TYPE_CHECKING:
    from headscore.report.comparison import Comparison
    from headscore.report.terminal.style import Style

ENDINGS = (".hs", ".html", ".csv")


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare", help="tell which heads gained or lost a role between two saved scores"
    )
    parser.add_argument("before", metavar="BEFORE.hs", help="scores saved by analyze --out")
    parser.add_argument(
        "after", metavar="AFTER.hs", help="scores of the same corpus, or of another with --unpaired"
    )
    for side in ("before", "after"):
        parser.add_argument(
            f"--also-{side}",
            action="append",
            default=[],
            metavar="FILE.hs",
            help=f"another checkpoint of the side {side}; may be repeated",
        )
    parser.add_argument(
        "--unpaired",
        dest="paired",
        action="store_false",
        help="scores of two corpora, or of two conditions of one: documents are compared, by "
        "attained where no criterion is given",
    )
    parser.add_argument(
        "--names", type=_names, metavar="A,B", help="of the two sides, for texts and pages"
    )
    options.add_all(
        parser.add_argument_group("test"), CompareOptions, but=("ddof", "paired", "names")
    )
    options.add_output_options(
        parser, ".hs saves the comparison, .html shows it as a page, .csv is its table", ENDINGS
    )
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    """Load scores, compare, save and print; without torch."""
    output.check_writable(arguments.out, ENDINGS)
    comparison = _compare(arguments)
    present(comparison, arguments)
    return 0


def present(comparison: Comparison, arguments: argparse.Namespace) -> None:
    """Save and print a comparison."""
    output.present(comparison, arguments, _as_json, _render)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _render(comparison: Comparison, style: Style, *, saved: str | None) -> str:
    from headscore.report.terminal.comparison import render_comparison

    return render_comparison(comparison, style, saved=saved)


def _compare(arguments: argparse.Namespace) -> Comparison:
    output.check_there(
        [arguments.before, *arguments.also_before, arguments.after, *arguments.also_after]
    )
    chosen = options.chosen(CompareOptions, arguments)
    loading.check_roles(arguments.before, tau=chosen.tau)
    with loading.imports(arguments):
        from headscore.report.comparison import Comparison
        from headscore.scores.head_scores import HeadScores

    before, after = (
        [HeadScores.load(path) for path in (first, *others)]
        for first, others in (
            (arguments.before, arguments.also_before),
            (arguments.after, arguments.also_after),
        )
    )
    return Comparison.from_scores(before, after, chosen)


def _as_json(comparison: Comparison) -> dict[str, Any]:
    from headscore.statistics.change import CHANGED

    # Columns (role, before/after/change) become records of layer, role, before, after, change.
    layers = comparison.layers().stack("role", future_stack=True).reset_index()
    return {
        "signature": comparison.signature,
        "facts": dict(comparison.facts),
        "counts": dict(comparison.counts),
        "layers": output.records(layers),
        "mcnemar": output.records(comparison.mcnemar()),
        **{name: output.records(comparison.heads(name)) for name in CHANGED},
        "table": output.records(comparison.table),
    }
