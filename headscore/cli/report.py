"""`headscore report`: write a page, table or summary of saved scores or a saved report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from headscore.cli import (
    compare,
    loading,
    options,
    output,
    power,
    replicate,
    seeds,
    trajectory,
    validate,
)
from headscore.cli.analyze import print_report
from headscore.declarations import declared
from headscore.errors import InputError, UsageError
from headscore.options import TestSomeOptions

if TYPE_CHECKING:
    from headscore.report.report import Report
    from headscore.scores.head_scores import HeadScores

Writers: TypeAlias = dict[str, Callable[[str], None]]
_ENDINGS = (".html", ".csv", ".hs")
_ROLES = "roles that are tested, of those scored; p-values are adjusted for these (default: all)"
# Kind of a file whose tests are made -> its name, and what saves and prints it.
_TESTED: dict[str, tuple[str, Callable[[Any, argparse.Namespace], None]]] = {
    "comparison": ("a comparison", compare.present),
    "effect": ("an effect", validate.present),
    "power": ("a power curve", power.present),
    "replication": ("a replication", replicate.present),
    "seeds": ("seeds", seeds.present),
    "trajectory": ("a trajectory", trajectory.present),
}


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("report", help="make a page of saved scores, without the model")
    parser.add_argument(
        "file",
        metavar="RUN.hs",
        help="scores, a report, or what compare, replicate, trajectory, validate or power saved",
    )
    parser.add_argument(
        "--effect",
        metavar="EFFECT.hs",
        help="what the model loses without the edges of its roles, for a section of the page",
    )
    test = parser.add_argument_group("test of saved scores")
    options.add(test, TestSomeOptions, "roles", help=_ROLES)
    options.add_test_options(test)
    options.add_output_options(
        parser, ".html gets a page, .csv the table, .hs the report", _ENDINGS
    )
    # Defaults of None show which options were given: a report that was tested already accepts none.
    untested = {each.name: None for each, _ in declared(TestSomeOptions)}
    parser.set_defaults(command=_command, **untested)


def _command(arguments: argparse.Namespace) -> int:
    """Load a file, test it if it holds scores, write and print; without torch."""
    output.check_writable(arguments.out, _ENDINGS)
    output.check_there([arguments.file, *([arguments.effect] if arguments.effect else [])])
    loading.check_roles(arguments.file, roles=arguments.roles, tau=arguments.tau)
    with loading.imports(arguments):
        from headscore.encoding.encoded import Encoded
        from headscore.report.report import Report
        from headscore.report.saved import load
        from headscore.runs import test_with
        from headscore.scores.head_scores import HeadScores

    found = load(arguments.file)
    test = {
        each.name: value
        for each, _ in declared(TestSomeOptions)
        if (value := getattr(arguments, each.name)) is not None
    }
    if isinstance(found, Encoded):
        raise InputError(f"{arguments.file}: must hold scores or a report, got an encoded corpus")
    if isinstance(found, HeadScores):
        _present(test_with(found, TestSomeOptions(**test)), arguments, found)
    elif isinstance(found, Report):
        _refuse(test, "a report")
        _present(found, arguments)
    else:
        name, present = _TESTED[found.KIND]
        _refuse_all(test, arguments, name)
        present(found, arguments)
    return 0


def _present(
    report: Report, arguments: argparse.Namespace, scores: HeadScores | None = None
) -> None:
    """Save and print a report, with its effects if they are given."""
    from headscore.report.effect import Effect

    effect = Effect.load(arguments.effect) if arguments.effect else None
    page = partial(report.to_html, effect=effect)
    writers: Writers = {".html": page, ".csv": report.to_csv, ".hs": report.save}
    output.save(arguments.out, writers)
    print_report(report, arguments, {}, scores)


def _refuse_all(test: dict[str, Any], arguments: argparse.Namespace, kind: str) -> None:
    """Raise UsageError where options are given that only scores or a report take."""
    _refuse(test, kind)
    if arguments.effect:
        raise UsageError(f"--effect must come with saved scores or a report, got {kind}")


def _refuse(test: dict[str, Any], kind: str) -> None:
    """Raise UsageError where test options are given for a file that was tested already."""
    if test:
        names = ", ".join(f"--{name}" for name in test)
        raise UsageError(f"{names} must come with saved scores, got {kind}, which has its tests")
