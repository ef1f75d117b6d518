"""`headscore replicate`: in how many studies each head has each role."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import loading, options, output, seeds
from headscore.errors import UsageError
from headscore.options import ReplicateOptions

if TYPE_CHECKING:
    from headscore.report.replication import Replication
    from headscore.report.terminal.style import Style

ENDINGS = (".hs", ".html", ".csv")


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "replicate", help="tell in how many corpora, genres or copies of a model a head has a role"
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="RUN.hs",
        help="scores or reports of the same roles and heads, one a study; with --by one file",
    )
    parser.add_argument("--names", metavar="A,B", help="of the studies (default: of the files)")
    options.add(parser, ReplicateOptions, "at_least", "by", "label")
    parser.add_argument(
        "--unaligned",
        dest="aligned",
        action="store_false",
        help="seeds of one training recipe, whose heads do not correspond: counts and their spread",
    )
    test = parser.add_argument_group("test")
    options.add(test, ReplicateOptions, "alpha", "adjust", "clusters", "tau", "criterion")
    options.add_output_options(
        parser, ".hs saves the result, .html shows it as a page, .csv is its table", ENDINGS
    )
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    """Load scores or reports, test, save and print; without torch."""
    output.check_writable(arguments.out, ENDINGS)
    output.check_there(arguments.files)
    chosen = options.chosen(ReplicateOptions, arguments)
    loading.check_roles(arguments.files[0], tau=chosen.tau)
    studies = _named(arguments)
    with loading.imports(arguments):
        from headscore.report.replication import Replication
        from headscore.runs import replicate_with

    found = replicate_with(studies, chosen)
    if isinstance(found, Replication):
        present(found, arguments)
    else:
        seeds.present(found, arguments)
    return 0


def present(replication: Replication, arguments: argparse.Namespace) -> None:
    """Save and print a replication."""
    output.present(replication, arguments, _as_json, _render)


def _render(replication: Replication, style: Style, *, saved: str | None) -> str:
    from headscore.report.terminal.replication import render_replication

    return render_replication(replication, style, saved=saved)


def _named(arguments: argparse.Namespace) -> list[str] | dict[str, str]:
    """Return the files, by name where names are given."""
    if arguments.names is None:
        return list(arguments.files)
    names = arguments.names.split(",")
    if len(names) != len(arguments.files) or len(set(names)) < len(names):
        raise UsageError(
            f"--names must be {len(arguments.files)} different names with commas between them, "
            f"got {arguments.names}"
        )
    return dict(zip(names, arguments.files, strict=True))


def _as_json(replication: Replication) -> dict[str, Any]:
    return {
        "signature": replication.signature,
        "facts": dict(replication.facts),
        "counts": dict(replication.counts),
        "studies": output.records(replication.studies),
        "counted": output.records(replication.counted().reset_index()),
        "differing": output.records(replication.differing()),
        "per_study": output.records(replication.per_study()),
        "table": output.records(replication.table),
    }
