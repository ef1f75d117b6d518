"""`headscore trajectory`: from which checkpoint of a training run on a head has a role."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headscore.cli import loading, options, output
from headscore.errors import UsageError
from headscore.options import TrajectoryOptions

if TYPE_CHECKING:
    from headscore.report.terminal.style import Style
    from headscore.report.trajectory import Trajectory

ENDINGS = (".hs", ".html", ".csv")
_STEP = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)=(.+)", re.DOTALL | re.IGNORECASE)  # STEP=FILE
_NAMED = re.compile(r"(\d+)$")  # a name that ends in a step


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "trajectory", help="tell from which checkpoint of a training run on a head has a role"
    )
    parser.add_argument(
        "scores",
        nargs="+",
        metavar="STEP=FILE.hs",
        help="scores of a checkpoint, saved by analyze --out; STEP= may be left out where the "
        "name of the file ends in the step, as in step-1000.hs",
    )
    group = parser.add_argument_group("test")
    names = ("alpha", "adjust", "clusters", "tau", "criterion", "label")
    options.add(group, TrajectoryOptions, *names)
    options.add_output_options(
        parser, ".hs saves the trajectory, .html shows it as a page, .csv is its table", ENDINGS
    )
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    """Load scores, test, save and print; without torch."""
    output.check_writable(arguments.out, ENDINGS)
    steps = _steps(arguments.scores)
    output.check_there([*steps.values()])
    chosen = options.chosen(TrajectoryOptions, arguments)
    loading.check_roles(next(iter(steps.values())), tau=chosen.tau)
    with loading.imports(arguments):
        from headscore.report.trajectory import Trajectory

    present(Trajectory.from_scores(steps, chosen), arguments)
    return 0


def present(found: Trajectory, arguments: argparse.Namespace) -> None:
    """Save and print a trajectory."""
    output.present(found, arguments, _as_json, _render)


def _render(found: Trajectory, style: Style, *, saved: str | None) -> str:
    from headscore.report.terminal.trajectory import render_trajectory

    return render_trajectory(found, style, saved=saved)


def _steps(given: list[str]) -> dict[float, str]:
    """Return the file of each step; raise UsageError where a step is missing or given twice."""
    found: dict[float, str] = {}
    for text in given:
        step, path = _step(text)
        if step in found:
            raise UsageError(
                f"steps must be different, got {step:.12g} twice: {found[step]}, {path}"
            )
        found[step] = path
    return found


def _step(text: str) -> tuple[float, str]:
    if spelled := _STEP.fullmatch(text):
        return float(spelled[1]), spelled[2]
    if named := _NAMED.search(Path(text).stem):
        return float(named[1]), text
    raise UsageError(
        f"scores must be STEP=FILE.hs, or a file whose name ends in the step, got {text}"
    )


def _as_json(found: Trajectory) -> dict[str, Any]:
    return {
        "signature": found.signature,
        "facts": dict(found.facts),
        "counts": dict(found.counts),
        "steps": found.steps.tolist(),
        "by_step": output.records(found.by_step()),
        "table": output.records(found.table),
    }
