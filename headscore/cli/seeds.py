"""Output of seeds whose heads do not correspond: files, text and JSON."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import output

if TYPE_CHECKING:
    from headscore.report.seeds import Seeds


def save_and_print_seeds(found: Seeds, arguments: argparse.Namespace) -> None:
    """Save seeds; print them as text, as JSON, or not at all."""
    writers = {".hs": found.save, ".html": found.to_html, ".csv": found.to_csv}
    output.save(arguments.out, writers)
    saved = output.named(arguments.out)
    if arguments.json:
        output.print_json(_as_json(found, saved))
    elif not arguments.quiet:
        from headscore.report.terminal.seeds import render_seeds

        print(render_seeds(found, output.style(), saved=saved), end="")


def _as_json(found: Seeds, saved: str | None) -> dict[str, Any]:
    return {
        "signature": found.signature,
        "facts": dict(found.facts),
        "counts": dict(found.counts),
        "saved": saved,
        "intervals": output.records(found.intervals),
        "tests": output.records(found.tests),
        "pairs": output.records(found.pairs),
        "table": output.records(found.table),
    }
