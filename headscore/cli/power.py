"""`headscore power`: compute the number of sequences that a test needs."""

from __future__ import annotations

import argparse

from headscore.cli import options, output
from headscore.options import AdjustOptions


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("power", help="how many sequences a test needs")
    parser.add_argument(
        "--effect", type=float, required=True, help="(mean - tau) / sd of the heads to be found"
    )
    parser.add_argument("--heads", type=int, default=1, help="of the model (default: 1)")
    parser.add_argument("--roles", type=int, default=1, help="tested (default: 1)")
    options.add(parser, AdjustOptions, "alpha")
    parser.add_argument(
        "--power", type=float, default=0.8, help="probability to find one (default: 0.8)"
    )
    options.add_json_option(parser)
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    from headscore.report.wording import how_many
    from headscore.statistics import power

    asked = {name: getattr(arguments, name) for name in ("heads", "roles", "alpha")}
    n = power.required_n(arguments.effect, power=arguments.power, **asked)
    reached = power.power(n, effect=arguments.effect, **asked)
    if arguments.json:
        answer = {"n": n, "reached": reached, "effect": arguments.effect, "power": arguments.power}
        output.print_json({**answer, **asked})
        return 0
    # The level of Holm's first step, the strictest of the procedure.
    level = arguments.alpha / (arguments.heads * arguments.roles)
    print(
        f"{n} sequences that take part: a head whose mean exceeds tau by {arguments.effect:g} "
        f"standard deviations is labelled with probability {reached:.3f}\n"
        f"(one-sided t-test at {arguments.alpha:g} / ({how_many(arguments.heads, 'head')} x "
        f"{how_many(arguments.roles, 'role')}) = {level:.3g}, the first step of Holm; "
        "at least that under the whole procedure)"
    )
    return 0
