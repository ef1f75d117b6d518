"""`headscore analyze`: score a model on a corpus and test its heads."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from headscore.cli import loading, options, output, sharded
from headscore.options import MAXT, AnalyzeOptions, LoadOptions, TestOptions

if TYPE_CHECKING:
    from headscore.report.report import Report
    from headscore.scale.run_folder import Run
    from headscore.scores.head_scores import HeadScores
    from headscore.stopwatch import Stopwatch

ENDINGS = (".hs", ".html", ".csv")
WHAT = (
    ".hs saves the scores (or the report, where they are not kept), .html the report as a page, "
    ".csv its table"
)


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("analyze", help="score a model on a corpus and test its heads")
    parser.add_argument("model", metavar="MODEL", help="hub id or folder")
    options.add_corpus_argument(parser)
    options.add(parser, LoadOptions, "tokenizer", flag="--tokenizer-from")
    options.add_corpus_options(parser, seed=False)
    options.add_parse_options(parser)
    add_analysis_options(parser)
    sharded.add_options(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="score a sample and say how large the run is, how much memory and time it needs",
    )
    parser.set_defaults(command=_command)


def add_analysis_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every analysis: roles, run, output."""
    options.add_role_options(parser)
    options.add_stop_options(parser)
    options.add_run_options(parser)
    group = options.add_output_options(parser, WHAT, ENDINGS)
    group.add_argument("--profile", action="store_true", help="show where the time went")


def _command(arguments: argparse.Namespace) -> int:
    sharded.check(arguments)
    corpus = options.corpus_of(arguments)
    if arguments.dry_run:
        return _forecast(arguments, corpus)
    if arguments.shards is not None:
        return _in_shards(arguments)
    return analyze(arguments, arguments.model, corpus)


def _forecast(arguments: argparse.Namespace, corpus: Any) -> int:
    chosen = _checked(arguments, arguments.model, corpus)
    loading.announce(arguments, arguments.model)
    with loading.imports():
        output.quiet_transformers()
        from headscore.forecast import forecast
    found = forecast(arguments.model, corpus, chosen)
    if arguments.json:
        output.print_json(found.as_dict())
    elif not arguments.quiet:
        print("\n".join(found.lines()))
    return 0


def _in_shards(arguments: argparse.Namespace) -> int:
    """Compute shards; merge them once all are done, as `headscore merge`."""
    _checked(arguments, arguments.model, options.corpus_of(arguments))
    with loading.timed(arguments) as stopwatch:
        loading.announce(arguments, arguments.model)
        with stopwatch.stage("import"), loading.imports():
            import headscore.scale.shards  # noqa: F401
        with stopwatch.stage("shards"):
            run = sharded.compute(arguments)
        # Some shards are left to other commands: nothing to merge yet.
        return 0 if run is None else merge(run, arguments, stopwatch)


def merge(run: Run, arguments: argparse.Namespace, stopwatch: Stopwatch) -> int:
    """Merge shards, or add them up; save, test and print; return the exit code."""
    with stopwatch.stage("import"), loading.imports():
        from headscore.scale.merge import merge_shards, merge_to_report

    if arguments.keep_scores == "none":
        with stopwatch.stage("merge"):
            report = merge_to_report(run, options.chosen(TestOptions, arguments))
        return present(report, arguments, stopwatch)
    with stopwatch.stage("merge"):
        scores = merge_shards(run, keep=arguments.keep_scores)
    return conclude(scores, arguments, stopwatch)


def analyze(
    arguments: argparse.Namespace, model: str, corpus: Any, *, pairs: str | None = None
) -> int:
    """Score, save, test and print; return the exit code."""
    changes = {} if pairs is None else {"pairs": pairs}
    chosen = _checked(arguments, model, corpus, **changes)
    with loading.timed(arguments) as stopwatch:
        loading.announce(arguments, model)
        with stopwatch.stage("import"), loading.imports():
            output.quiet_transformers()
            import headscore.report.report
            import headscore.scores.stream  # noqa: F401
            from headscore import runs
        if chosen.keep_scores == "none":
            report = runs.analyze_online(model, corpus, chosen, stopwatch)
            return present(report, arguments, stopwatch)
        return conclude(runs.score_with(model, corpus, chosen, stopwatch), arguments, stopwatch)


def _checked(
    arguments: argparse.Namespace, model: str, corpus: Any, **changes: Any
) -> AnalyzeOptions:
    """Return the options; whatever can be wrong with them is found before torch is loaded."""
    output.check_writable(arguments.out, ENDINGS)
    from headscore.checks import check_analysis, check_inputs

    progress = False if arguments.quiet else None
    chosen = options.chosen(AnalyzeOptions, arguments, progress=progress, **changes)
    # Options of the test too, so that a wrong tau fails before the model runs, not after.
    check_analysis(chosen)
    for sentence in check_inputs(model, corpus, chosen, chosen.roles):
        if not (arguments.quiet or arguments.json):
            output.complain(sentence)  # again when the run is done: it may take hours
    return chosen


def conclude(scores: HeadScores, arguments: argparse.Namespace, stopwatch: Stopwatch) -> int:
    """Save, test and print; return the exit code."""
    from headscore.report.report import Report

    with stopwatch.stage("save"):
        output.save(arguments.out, {".hs": scores.save})
    with stopwatch.stage("test"):
        report = Report.from_scores(scores, options.chosen(TestOptions, arguments))
    return present(report, arguments, stopwatch, scores)


def present(
    report: Report,
    arguments: argparse.Namespace,
    stopwatch: Stopwatch,
    scores: HeadScores | None = None,
) -> int:
    """Save and print a report; without kept scores, a .hs file gets the report."""
    writers = {".html": report.to_html, ".csv": report.to_csv}
    if scores is None:
        writers[".hs"] = report.save
    with stopwatch.stage("save"):
        output.save(arguments.out, writers)
    print_report(report, arguments, stopwatch.seconds, scores)
    return 0


def print_report(
    report: Report,
    arguments: argparse.Namespace,
    seconds: dict[str, float],
    scores: HeadScores | None,
) -> None:
    """Print a report as text, as JSON, or not at all; without scores, JSON has no intervals."""
    saved = output.named(arguments.out)
    if arguments.json:
        answer = {"seconds": seconds, "saved": saved, "intervals": _intervals(scores, arguments)}
        output.print_json({**_as_json(report), **answer})
    if arguments.json or arguments.quiet:
        return
    from headscore.report.terminal.report import render_report

    text = render_report(
        report,
        output.style(),
        seconds=seconds,
        saved=saved,
        profile=getattr(arguments, "profile", False),
    )
    print(text, end="")


def _intervals(scores: HeadScores | None, arguments: argparse.Namespace) -> Any:
    """Return bootstrap intervals of the means; None without scores."""
    if scores is None:
        return None
    from headscore.statistics.bootstrap import intervals

    return output.records(intervals(scores, clusters=arguments.clusters))


def _tau_curve(report: Report) -> Any:
    """Return the heads with each role by threshold; None where that needs the scores."""
    if report.facts["criterion"] != "mean" or report.facts["adjust"] == MAXT:
        return None
    from headscore.report.retest import tau_counts

    # From wide, a column per tau, to records of role, tau and heads.
    counts = tau_counts(report).reset_index().melt("role", value_name="heads")
    return output.records(counts)


def _colocation(report: Report, control: str) -> Any:
    """Return the co-location of labels beyond a control; None where it was not computed."""
    if (report.table[control] == "").all():
        return None
    return output.records(report.colocation(label=control))


def _as_json(report: Report) -> dict[str, Any]:
    from headscore.statistics.stopping import trail

    return {
        "signature": report.signature,
        "facts": dict(report.facts),
        "counts": dict(report.counts),
        "layers": output.records(report.layers().reset_index()),
        "layer_shares": output.records(report.layer_shares()),
        "depths": output.records(report.depths()),
        "looks": [asdict(each) for each in trail(report.facts)],
        "colocation": output.records(report.colocation()),
        "colocation_beyond_position": _colocation(report, "beyond_position"),
        "colocation_matched": _colocation(report, "matched"),
        "tau_curve": _tau_curve(report),
        "table": output.records(report.table),
    }
