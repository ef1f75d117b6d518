"""`headscore analyze`: score a model on a corpus and test its heads."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from headscore.cli import options, output, sharded

if TYPE_CHECKING:
    from headscore.report import Report
    from headscore.scores import HeadScores
    from headscore.stages import Stages

ENDINGS = (".hs", ".html", ".csv")
WHAT = ".hs saves the scores, .html the report as a page, .csv its table"


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("analyze", help="score a model on a corpus and test its heads")
    parser.add_argument("model", metavar="MODEL", help="hub id or folder")
    options.add_corpus_argument(parser)
    parser.add_argument(
        "--tokenizer-from",
        metavar="MODEL",
        help="use the tokenizer of another model, so that both get the same tokens",
    )
    options.add_corpus_options(parser)
    options.add_parse_options(parser)
    add_analysis_options(parser)
    sharded.add_options(parser)
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
    group = options.add_output_options(parser, WHAT, ENDINGS)
    group.add_argument("--profile", action="store_true", help="show where the time went")


def _run(arguments: argparse.Namespace) -> int:
    reading = {
        "tokenizer": arguments.tokenizer_from,
        "parser": arguments.parser,
        "parse_processes": arguments.parse_processes,
        "cache": arguments.cache,
        "pairs": arguments.pairs,
        "columns": arguments.columns,
        "skip_invalid": arguments.skip_invalid,
    }
    sharded.check(arguments)
    corpus = options.corpus_of(arguments)
    if arguments.dry_run:
        return _forecast(arguments, corpus, **reading)
    if arguments.shards is not None:
        return _in_shards(arguments)
    return analyze(arguments, arguments.model, corpus, **reading)


def _forecast(arguments: argparse.Namespace, corpus: Any, **reading: Any) -> int:
    output.quiet_transformers()
    from headscore.forecast import forecast

    found = forecast(
        arguments.model, corpus, **options.chosen(arguments, options.RUN_OPTIONS), **reading
    )
    if arguments.json:
        output.print_json(found.as_dict())
    elif not arguments.quiet:
        print("\n".join(found.lines()))
    return 0


def _in_shards(arguments: argparse.Namespace) -> int:
    """Compute shards; with the last one put them together, as `headscore merge`."""
    from headscore.stages import Stages

    stages = Stages()
    test = options.chosen(arguments, options.TEST_OPTIONS)
    with stages.stage("shards"):
        output.check_writable(arguments.out, ENDINGS)
        from headscore.testing import check_test

        check_test(arguments.roles, **test)
        if not sharded.compute(arguments):
            return 0
    with stages.stage("merge"):
        from headscore.shards import merge

        scores = merge(arguments.run_dir, keep=arguments.keep_scores)
    return conclude(scores, arguments, stages)


def analyze(arguments: argparse.Namespace, model: str, corpus: Any, **reading: Any) -> int:
    """Score, save, test, print; returns the exit code."""
    from headscore.stages import Stages

    stages = Stages()
    with stages.stage("start"):
        output.check_writable(arguments.out, ENDINGS)
        output.quiet_transformers()
        from headscore import api, testing

    test = options.chosen(arguments, options.TEST_OPTIONS)
    testing.check_test(arguments.roles, **test)
    scores = api.score(
        model,
        corpus,
        **options.chosen(arguments, options.RUN_OPTIONS),
        progress=False if arguments.quiet else None,
        stages=stages,
        **reading,
    )
    return conclude(scores, arguments, stages)


def conclude(scores: HeadScores, arguments: argparse.Namespace, stages: Stages) -> int:
    """Save, test, print; returns the exit code."""
    from headscore import testing

    test = options.chosen(arguments, options.TEST_OPTIONS)
    with stages.stage("save"):
        output.save(arguments.out, {".hs": scores.save})
    with stages.stage("test"):
        report = testing.test(scores, **test)
    with stages.stage("save"):
        output.save(arguments.out, {".html": report.to_html, ".csv": report.to_csv})
    print_report(report, arguments, stages.seconds, scores)
    return 0


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

    counts = tau_counts(report).reset_index().melt("role", value_name="heads")
    return output.records(counts)


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
