"""`headscore analyze`: score a model on a corpus and test its heads."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import options, output

if TYPE_CHECKING:
    from headscore.report import Report
    from headscore.scores import HeadScores

ENDINGS = (".hs", ".html", ".csv")


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("analyze", help="score a model on a corpus and test its heads")
    parser.add_argument("model", metavar="MODEL", help="hub id or folder")
    parser.add_argument(
        "corpus", metavar="CORPUS", help="a .conllu, .tsv, .jsonl, .spacy or .txt file"
    )
    parser.add_argument(
        "--tokenizer-from",
        metavar="MODEL",
        help="use the tokenizer of another model, so that both get the same tokens",
    )
    options.add_corpus_options(parser)
    add_analysis_options(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="score a sample and say how large the run is, how much memory and time it needs",
    )
    parser.set_defaults(command=_run)


def add_analysis_options(parser: argparse.ArgumentParser) -> None:
    """Add what any analysis takes, whatever the corpus."""
    options.add_role_options(parser)
    options.add_run_options(parser)
    group = options.add_output_options(
        parser, ".hs saves the scores, .html the report as a page, .csv its table", ENDINGS
    )
    group.add_argument("--profile", action="store_true", help="show where the time went")


def _run(arguments: argparse.Namespace) -> int:
    reading = {
        "tokenizer": arguments.tokenizer_from,
        "parser": arguments.parser,
        "pairs": arguments.pairs,
        "columns": arguments.columns,
        "skip_invalid": arguments.skip_invalid,
    }
    if arguments.dry_run:
        return _forecast(arguments, **reading)
    return analyze(arguments, arguments.model, arguments.corpus, **reading)


def _forecast(arguments: argparse.Namespace, **reading: Any) -> int:
    output.quiet_transformers()
    from headscore.forecast import forecast

    found = forecast(arguments.model, arguments.corpus, **_scoring(arguments), **reading)
    if arguments.json:
        output.print_json(found.as_dict())
    elif not arguments.quiet:
        print("\n".join(found.lines()))
    return 0


def analyze(arguments: argparse.Namespace, model: str, corpus: str, **reading: Any) -> int:
    """Score, save, test, print; returns the exit code."""
    from headscore.stages import Stages

    stages = Stages()
    with stages.stage("start"):
        output.check_writable(arguments.out, ENDINGS)
        output.quiet_transformers()
        from headscore import api

    test = {name: getattr(arguments, name) for name in options.TEST_OPTIONS}
    api.check_test(arguments.roles, **test)
    scores = api.score(
        model,
        corpus,
        **_scoring(arguments),
        progress=False if arguments.quiet else None,
        stages=stages,
        **reading,
    )
    with stages.stage("save"):
        output.save(arguments.out, {".hs": scores.save})
    with stages.stage("test"):
        report = api.test(scores, **test)
    with stages.stage("save"):
        output.save(arguments.out, {".html": report.to_html, ".csv": report.to_csv})
    print_report(report, arguments, stages.seconds, scores)
    return 0


def _scoring(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in options.RUN_OPTIONS}


def print_report(
    report: Report,
    arguments: argparse.Namespace,
    seconds: dict[str, float],
    scores: HeadScores | None,
) -> None:
    """Print for a person, for a machine, or not at all; scores are None where only labels are."""
    if arguments.quiet:
        return
    saved = output.named(arguments.out)
    if arguments.json:
        answer = {"seconds": seconds, "saved": saved, "intervals": _intervals(scores, arguments)}
        output.print_json({**_as_json(report), **answer})
        return
    from headscore.terminal import render

    text = render(
        report,
        output.style(),
        seconds=seconds,
        saved=saved,
        profile=getattr(arguments, "profile", False),
    )
    print(text, end="")


def _intervals(scores: HeadScores | None, arguments: argparse.Namespace) -> Any:
    """Return bootstrap intervals of the means; None where the scores are not at hand."""
    if scores is None:
        return None
    from headscore.bootstrap import intervals

    return output.records(intervals(scores, clusters=arguments.clusters))


def _tau_curve(report: Report) -> Any:
    """Return how many heads have each role at each threshold; None where it is not on the mean."""
    if report.facts["criterion"] != "mean":
        return None
    from headscore.retest import tau_counts

    counts = tau_counts(report).stack(future_stack=True).rename("heads")
    return output.records(counts.reset_index())


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "signature": report.signature,
        "facts": dict(report.facts),
        "counts": dict(report.counts),
        "layers": output.records(report.layers().reset_index()),
        "layer_shares": output.records(report.layer_shares()),
        "depths": output.records(report.depths()),
        "colocation": output.records(report.colocation()),
        "tau_curve": _tau_curve(report),
        "table": output.records(report.table),
    }
