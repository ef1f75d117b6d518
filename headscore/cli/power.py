"""`headscore power`: how many sequences or documents a test needs, from an effect or a pilot."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import loading, options, output
from headscore.declarations import declared
from headscore.errors import UsageError
from headscore.options import PowerOptions

if TYPE_CHECKING:
    from headscore.report.power_curve import PowerCurve
    from headscore.report.terminal.style import Style

ENDINGS = (".hs", ".html", ".csv")
WHAT = ".hs saves the curve, .html shows it as a page, .csv is its table"
ASSUMES = (
    "Assumed: scores of normal distribution, sequences that are independent and all take part, and "
    "the t-test alone; documents, skewness and the rule of robust are not counted in. A pilot has "
    "them: headscore power --pilot RUN.hs"
)
_BOTH = ("alpha", "power")  # options of an effect and of a pilot
_OF_EFFECT = {"heads": 1, "roles": 1}  # size of the run, with the defaults
_TEST = ("alpha", "adjust", "clusters", "tau", "criterion")


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("power", help="how many sequences or documents a test needs")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--effect", type=float, help="(mean - tau) / sd of the heads to be found, over sequences"
    )
    source.add_argument(
        "--pilot", metavar="RUN.hs", help="scores of a part of the corpus, saved by analyze --out"
    )
    options.add(parser, PowerOptions, "power")
    of_effect = parser.add_argument_group("with --effect")
    of_effect.add_argument("--heads", type=int, help="of the model (default: 1)")
    of_effect.add_argument("--roles", type=int, help="tested (default: 1)")
    of_pilot = parser.add_argument_group("with --pilot")
    options.add(of_pilot, PowerOptions, "documents", "resamples", "seed")
    options.add(parser.add_argument_group("test"), PowerOptions, *_TEST)
    options.add_output_options(parser, f"with --pilot: {WHAT}", ENDINGS)
    # Defaults of None show which options were given.
    unset = {each.name: None for each, _ in declared(PowerOptions)}
    parser.set_defaults(command=_command, **unset)


def _command(arguments: argparse.Namespace) -> int:
    given = {
        each.name: value
        for each, _ in declared(PowerOptions)
        if (value := getattr(arguments, each.name)) is not None
    }
    if arguments.pilot is not None:
        _refuse([name for name in _OF_EFFECT if getattr(arguments, name) is not None], "effect")
        return _pilot(arguments, PowerOptions(**given))
    _refuse([name for name in given if name not in _BOTH], "pilot")
    _refuse(["out"] if arguments.out else [], "pilot")
    return _effect(arguments, PowerOptions(**given))


def _refuse(names: list[str], other: str) -> None:
    """Raise UsageError for options that belong to the other source of power."""
    if names:
        raise UsageError(f"{', '.join(f'--{name}' for name in names)} must come with --{other}")


def _pilot(arguments: argparse.Namespace, chosen: PowerOptions) -> int:
    """Draw from the pilot, save and print; without torch."""
    output.check_writable(arguments.out, ENDINGS)
    output.check_there([arguments.pilot])
    loading.check_roles(arguments.pilot, tau=chosen.tau)
    with loading.imports(arguments):
        from headscore.report.power_curve import PowerCurve
        from headscore.scores.head_scores import HeadScores
    present(PowerCurve.from_scores(HeadScores.load(arguments.pilot), chosen), arguments)
    return 0


def present(curve: PowerCurve, arguments: argparse.Namespace) -> None:
    """Save and print a power curve."""
    output.present(curve, arguments, _as_json, _render)


def _render(curve: PowerCurve, style: Style, *, saved: str | None) -> str:
    from headscore.report.terminal.power_curve import render_power

    return render_power(curve, style, saved=saved)


def _as_json(curve: PowerCurve) -> dict[str, Any]:
    return {
        "signature": curve.signature,
        "facts": dict(curve.facts),
        "counts": dict(curve.counts),
        "totals": output.records(curve.totals),
        "table": output.records(curve.table),
        "needed": output.records(curve.needed),
        "cells": output.records(curve.cells),
    }


def _effect(arguments: argparse.Namespace, chosen: PowerOptions) -> int:
    from headscore.report.wording import how_many
    from headscore.statistics import power

    heads, roles = (
        default if getattr(arguments, name) is None else getattr(arguments, name)
        for name, default in _OF_EFFECT.items()
    )
    asked: dict[str, Any] = {"heads": heads, "roles": roles, "alpha": chosen.alpha}
    n = power.required_n(arguments.effect, power=chosen.power, **asked)
    reached = power.power(n, effect=arguments.effect, **asked)
    if arguments.json:
        answer = {"n": n, "reached": reached, "effect": arguments.effect, "power": chosen.power}
        output.print_json({**answer, **asked, "assumes": ASSUMES})
    elif not arguments.quiet:
        # The level of Holm's first step, the strictest of the procedure.
        level = chosen.alpha / (heads * roles)
        print(
            f"{n} sequences that take part: a head whose mean exceeds tau by "
            f"{arguments.effect:g} standard deviations is labelled with probability "
            f"{reached:.3f}\n(one-sided t-test at {chosen.alpha:g} / "
            f"({how_many(heads, 'head')} x {how_many(roles, 'role')}) = {level:.3g}, "
            "the first step of Holm; at least that under the whole procedure)\n"
            f"{ASSUMES}"
        )
    return 0
