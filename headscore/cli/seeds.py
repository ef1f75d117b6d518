"""Output of seeds whose heads do not correspond: files, text and JSON."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import output

if TYPE_CHECKING:
    from headscore.report.seeds import Seeds
    from headscore.report.terminal.style import Style


def present(found: Seeds, arguments: argparse.Namespace) -> None:
    """Save and print seeds."""
    output.present(found, arguments, _as_json, _render)


def _render(found: Seeds, style: Style, *, saved: str | None) -> str:
    from headscore.report.terminal.seeds import render_seeds

    return render_seeds(found, style, saved=saved)


def _as_json(found: Seeds) -> dict[str, Any]:
    return {
        "signature": found.signature,
        "facts": dict(found.facts),
        "counts": dict(found.counts),
        "intervals": output.records(found.intervals),
        "tests": output.records(found.tests),
        "pairs": output.records(found.pairs),
        "table": output.records(found.table),
    }
