"""Print an effect for a command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import output

if TYPE_CHECKING:
    from headscore.report.effect import Effect


def print_effect(effect: Effect, arguments: argparse.Namespace) -> None:
    """Print an effect as text, as JSON, or not at all."""
    saved = output.named(arguments.out)
    if arguments.json:
        output.print_json(_as_json(effect, saved))
    elif not arguments.quiet:
        from headscore.report.terminal.effect import render_effect

        print(render_effect(effect, output.style(), saved=saved), end="")


def _as_json(effect: Effect, saved: str | None) -> dict[str, Any]:
    return {
        "signature": effect.signature,
        "facts": dict(effect.facts),
        "counts": dict(effect.counts),
        "not_tried": dict(effect.values.not_tried),
        "saved": saved,
        "used": output.records(effect.used()),
        "sets": output.records(effect.sets()),
        "table": output.records(effect.table),
    }
